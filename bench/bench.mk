# SPDX-License-Identifier: MIT
# The benchmark: included by the main Makefile. Peers whose headers are not there are left out, and named when it runs.
#
#     make bench          runs it all and prints the goal table; ROUNDS=, QUICK=1, ONLY=row,row: see bench/README.md
#     make bench-plots    draws docs/plots/ from the last run (PLOTS=directory)
#     make bench-deps     installs what the peers need
#     make bench-guards   what noise cannot move: instructions, system calls, wake-ups

BENCH     := $(BUILD)/bench
BENCH_SRC := bench.c run.c ours.c peers.c $(addprefix peer_,$(addsuffix .c,pipe mq seqpacket sysv textbook semaphore spsc shmchan))

bench_hash := \#
bench_compiles = $(shell echo '$(bench_hash)include <$(2)>' | $(1) -fsyntax-only - 2>/dev/null && echo yes)

ifneq ($(filter bench bench-%,$(notdir $(MAKECMDGOALS)))$(filter $(BENCH)/%,$(MAKECMDGOALS)),)
ifeq ($(call have,libzmq),yes)
BENCH_HAVE += -DBENCH_HAVE_ZEROMQ
BENCH_SRC  += peer_zeromq.c
BENCH_LIBS += $(shell pkg-config --libs libzmq)
endif
ifeq ($(call bench_compiles,$(CC) -x c,ck_ring.h),yes)
BENCH_HAVE += -DBENCH_HAVE_CK
BENCH_SRC  += peer_ck_ring.c
endif
ifeq ($(call have,libdpdk),yes)
BENCH_HAVE += -DBENCH_HAVE_RTE
BENCH_SRC  += peer_rte_ring.c
endif
ifeq ($(call bench_compiles,$(CXX) -x c++,boost/interprocess/ipc/message_queue.hpp),yes)
BENCH_HAVE += -DBENCH_HAVE_BOOST
BENCH_OBJ  += $(BENCH)/peer_boost.o
BENCH_LIBS += -lstdc++
endif
ifneq ($(shell rustc --version 2>/dev/null),)
BENCH_HAVE += -DBENCH_HAVE_RUST
BENCH_RUST := $(BENCH)/rust-channels
endif
endif

BENCH_OBJ += $(BENCH_SRC:%.c=$(BENCH)/%.o)

$(BENCH)/%.o: bench/%.c bench/bench.mk
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(BENCH_HAVE) $(BENCH_CFLAGS) -MMD -MP -c -o $@ $<

$(BENCH)/%.o: bench/%.cc bench/bench.mk
	@mkdir -p $(@D)
	$(CXX) -std=c++17 -O2 -g -Wall -Wextra $(WERROR) -MMD -MP -c -o $@ $<

# DPDK's headers are the system's, not ours to warn about; they want the instructions that DPDK was built for.
$(BENCH)/peer_rte_ring.o: BENCH_CFLAGS = $(patsubst -I%,-isystem%,$(shell pkg-config --cflags libdpdk))
$(BENCH)/peer_ck_ring.o: BENCH_CFLAGS = -Wno-pedantic

$(BENCH)/bench: $(BENCH_OBJ) $(STATIC)
	$(CC) $(ALL_LDFLAGS) -o $@ $(BENCH_OBJ) $(STATIC) $(BENCH_LIBS) $(LDLIBS)

$(BENCH)/rust-channels: bench/rust/channels.rs
	@mkdir -p $(@D)
	rustc --edition 2021 -C opt-level=3 -C codegen-units=1 -o $@ $<

$(BENCH)/guard: $(BENCH)/ours.o
$(BENCH)/regimes $(BENCH)/guard: $(BENCH)/%: $(BENCH)/%.o $(STATIC)
	$(CC) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(STATIC) $(LDLIBS)

.PHONY: bench bench-build bench-deps bench-guards bench-plots
bench-build: $(BENCH)/bench $(BENCH)/regimes $(BENCH)/guard $(BENCH_RUST) tools

bench: bench-build
	bench/run.sh $(BUILD)

bench-deps:
	bench/deps.sh

bench-guards: $(BENCH)/guard
	bench/guards.sh $(BUILD)

# A python of the user's own may lack what the system's has.
PLOTS ?= docs/plots
bench-plots:
	@python=python3; $$python -c 'import matplotlib' 2>/dev/null || python=/usr/bin/python3; \
	$$python bench/plot.py $(BENCH) $(PLOTS)
