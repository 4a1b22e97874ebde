# SPDX-License-Identifier: MIT
# shmchan. No configure step: `make demo`, `make check`, `make install PREFIX=... DESTDIR=...`.
# Everything that is built goes below $(BUILD).

VERSION   := $(shell sed -n 's/^\#define SHMCHAN_VERSION_M[AI][JN]OR \|^\#define SHMCHAN_VERSION_PATCH //p' \
               include/shmchan.h | paste -sd.)
SOVERSION := 0
PREFIX    ?= /usr/local
LIBDIR    ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR    ?= $(PREFIX)/bin
MANDIR    ?= $(PREFIX)/share/man
BASHCOMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHCOMPLETIONDIR  ?= $(PREFIX)/share/zsh/site-functions
BUILD     ?= build

CC      ?= cc
CXX     ?= c++
CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic $(WERROR)
# -fPIC for all: one set of objects serves both libraries.
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 $(WARN) -fPIC -fvisibility=hidden -pthread -Iinclude -Isrc $(CFLAGS)
ALL_LDFLAGS = -pthread $(LDFLAGS)
LDLIBS  += -lrt

LIB_SRC := $(wildcard src/*.c)
LIB_OBJ := $(LIB_SRC:src/%.c=$(BUILD)/src/%.o)
STATIC  := $(BUILD)/libshmchan.a
INTERNAL := $(BUILD)/internal.a
SHARED  := $(BUILD)/libshmchan.so.$(VERSION)

EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%,$(wildcard examples/*.c))
TESTS    := $(patsubst tests/test_%.c,$(BUILD)/tests/test_%,$(wildcard tests/test_*.c))
STAT     := $(BUILD)/shmchan-stat
MANPAGES := $(wildcard man/*.[1-8])

# Scripts that compile something take what we were given.
export CC CXX CFLAGS LDFLAGS

.PHONY: all lib examples tools tests demo check check-asan check-tsan check-arm64 check-order torture model fuzz mutants bench bench-deps bench-plots bench-guards deps \
        install uninstall clean format
all: lib tools examples

lib: $(STATIC) $(SHARED) $(BUILD)/shmchan.pc
examples: $(EXAMPLES)
tests: $(TESTS)

-include $(wildcard $(BUILD)/*/*.d)

$(BUILD)/src/%.o: src/%.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# One object with all that is hidden made local: an archive's internal names would clash with a user's.
$(STATIC): $(LIB_OBJ)
	rm -f $@
	$(CC) -nostdlib -r -o $(BUILD)/shmchan.o $^
	$$($(CC) -print-prog-name=objcopy) --localize-hidden $(BUILD)/shmchan.o
	$(AR) rcs $@ $(BUILD)/shmchan.o

# For the tests, which call what is inside.
$(INTERNAL): $(LIB_OBJ)
	rm -f $@
	$(AR) rcs $@ $^

$(SHARED): $(LIB_OBJ) src/libshmchan.map
	$(CC) -shared -Wl,-soname,libshmchan.so.$(SOVERSION) -Wl,--version-script=src/libshmchan.map \
	    $(ALL_LDFLAGS) -o $@ $(LIB_OBJ) $(LDLIBS)
	ln -sf $(@F) $(BUILD)/libshmchan.so.$(SOVERSION)
	ln -sf libshmchan.so.$(SOVERSION) $(BUILD)/libshmchan.so

$(BUILD)/shmchan.pc: src/shmchan.pc.in Makefile
	@mkdir -p $(@D)
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' $< >$@

$(BUILD)/examples/%: examples/%.c $(STATIC)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(STATIC) $(LDLIBS)

# ---------------------------------------------------------------- what needs more than libc

# One place knows what is needed beyond gcc, make and libc: .ci/deps (make deps runs it).
have = $(shell pkg-config --exists $(1) 2>/dev/null && echo yes)

ifeq ($(call have,jansson ncursesw),yes)
tools: $(STAT)
else
tools:
	@echo "shmchan-stat is left out: it needs jansson, ncursesw and pkg-config (run 'make deps', or install" \
	    "libjansson-dev libncurses-dev)"
endif

$(STAT): $(wildcard tools/*.c tools/*.h) $(STATIC)
	$(CC) $(ALL_CFLAGS) $(shell pkg-config --cflags jansson ncursesw) $(ALL_LDFLAGS) -o $@ $(filter tools/%.c,$^) \
	    $(STATIC) $(shell pkg-config --libs jansson ncursesw) $(LDLIBS)

$(BUILD)/tests/test_%: tests/test_%.c tests/support.c $(INTERNAL)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(shell pkg-config --cflags check) $(ALL_LDFLAGS) -o $@ $< tests/support.c \
	    $(INTERNAL) $(shell pkg-config --libs check) $(LDLIBS)

# These act at instants between two steps of the library.
$(BUILD)/tests/test_instants: ALL_LDFLAGS += -Wl,--wrap=liveness_held,--wrap=event_raise,--wrap=event_sleep,--wrap=event_wake
$(BUILD)/tests/test_inspect: ALL_LDFLAGS += -Wl,--wrap=liveness_hold,--wrap=liveness_occupied,--wrap=process_sign,--wrap=segment_back_lane

include bench/bench.mk

deps:
	.ci/deps

# ---------------------------------------------------------------- running

DIR ?= /usr
demo: $(BUILD)/examples/treestat
	examples/demo.sh $(BUILD)/examples/treestat "$(DIR)"

check:
	.ci/deps --if-missing
	$(MAKE) all tests
	tests/run.sh $(BUILD)

check-asan:
	.ci/deps --if-missing
	$(MAKE) check BUILD=$(BUILD)/asan CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
	    -fno-omit-frame-pointer"

# Only what shares memory between threads of one process at one address: ThreadSanitizer sees nothing else.
check-tsan:
	.ci/deps --if-missing
	$(MAKE) $(BUILD)/tsan/tests/test_race BUILD=$(BUILD)/tsan CFLAGS="-O1 -g -fsanitize=thread"
	$(BUILD)/tsan/tests/test_race

# The suites under qemu-user, as far as it emulates what they need.
check-arm64:
	.ci/deps --arm64
	tests/arm64.sh $(BUILD)

# The ordered accesses under Relacy, a checker of the C++11 memory model, each weakened in turn.
check-order:
	.ci/deps --if-missing
	tests/order/run.sh $(BUILD)

# Kill at every instruction, then at random for SECONDS= from SEED=.
TORTURE := $(BUILD)/torture/step $(BUILD)/torture/random
$(TORTURE): $(BUILD)/torture/%: tests/torture/%.c tests/torture/common.c tests/torture/common.h tests/torture/operations.h \
    $(STATIC)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.c,$^) $(STATIC) $(LDLIBS)
torture: $(TORTURE)
	TORTURE_SECONDS="$(SECONDS)" SEED="$(SEED)" STRIDE="$(STRIDE)" tests/torture/run.sh $(BUILD)

# The protocol as a Promela model, and its mutants: MODEL=quick or full.
MODEL ?= full
model:
	.ci/deps --if-missing
	model/run.sh $(BUILD) $(MODEL)

# Arbitrary and scribbled regions, for FUZZ_SECONDS=.
fuzz:
	.ci/deps --if-missing
	fuzz/run.sh $(BUILD)

# The library with bugs planted in it, one at a time: each must be caught.
mutants:
	.ci/deps --if-missing
	tests/mutants.sh $(BUILD)

install: lib
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(BINDIR)
	install -m 644 include/shmchan.h $(DESTDIR)$(INCLUDEDIR)/
	install -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)/
	install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)/
	ln -sf $(notdir $(SHARED)) $(DESTDIR)$(LIBDIR)/libshmchan.so.$(SOVERSION)
	ln -sf libshmchan.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libshmchan.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' src/shmchan.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/shmchan.pc
	for page in $(MANPAGES); do section=man$${page##*.}; install -d $(DESTDIR)$(MANDIR)/$$section && \
	    install -m 644 $$page $(DESTDIR)$(MANDIR)/$$section/ || exit 1; done
	$(MAKE) tools
	if [ -x $(STAT) ]; then install -m 755 $(STAT) $(DESTDIR)$(BINDIR)/ && \
	    install -d $(DESTDIR)$(BASHCOMPLETIONDIR) $(DESTDIR)$(ZSHCOMPLETIONDIR) && \
	    install -m 644 tools/completion/shmchan-stat.bash $(DESTDIR)$(BASHCOMPLETIONDIR)/shmchan-stat && \
	    install -m 644 tools/completion/_shmchan-stat $(DESTDIR)$(ZSHCOMPLETIONDIR)/; fi

uninstall:
	rm -f $(DESTDIR)$(INCLUDEDIR)/shmchan.h $(DESTDIR)$(LIBDIR)/libshmchan.a \
	    $(DESTDIR)$(LIBDIR)/libshmchan.so $(DESTDIR)$(LIBDIR)/libshmchan.so.$(SOVERSION) \
	    $(DESTDIR)$(LIBDIR)/libshmchan.so.$(VERSION) $(DESTDIR)$(LIBDIR)/pkgconfig/shmchan.pc \
	    $(DESTDIR)$(BINDIR)/shmchan-stat $(DESTDIR)$(BASHCOMPLETIONDIR)/shmchan-stat \
	    $(DESTDIR)$(ZSHCOMPLETIONDIR)/_shmchan-stat
	for page in $(MANPAGES); do rm -f $(DESTDIR)$(MANDIR)/man$${page##*.}/$${page##*/}; done

format:
	clang-format -i $(wildcard include/*.h src/*.[ch] tests/*.[ch] tools/*.[ch] examples/*.[ch] fuzz/*.[ch] tests/torture/*.[ch])

clean:
	rm -rf $(BUILD)
