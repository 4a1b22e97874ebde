/* SPDX-License-Identifier: MIT */
/*
 * Kill at every instruction. For each operation of the library a victim is single-stepped (ptrace) to its
 * instruction N and killed there, for N = 0, 1, 2 ... until the operation completes; and inside each system
 * call that it blocks in. After each death the survivors go on, and everything is checked (verify). Each
 * death has a channel of its own.
 *
 * Where time would be wasted on stepping: the first run of an operation records the program counter after
 * each instruction. Later runs reach N by a breakpoint at one of the last recorded instructions before N (its
 * k-th passing), and step from there. A run that misses its breakpoint is done again, stepped all the way.
 *
 * Environment: STRIDE (1: every instruction), SEED (where a longer stride begins), WORKERS, and ONLY (a word
 * of the operations' names).
 */
#include "operations.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define BOUND_NS    (BOUND_MS * INT64_C(1000000))
#define TRACE_MAX   (1u << 18)
#define BLOCKS_MAX  16u
#define TIMEOUT_MS  30 /* of the operations that run out of time */
#define WORKERS_MAX 64u

/* Kill after each so many turns of one string instruction only (`rep stosb` clears 5 kB in 5000). */
#define REPEATED_STRIDE 64u

/* ------------------------------------------------------------------------------------------- one scene */

/* What the workers report; shared by all. */
struct result {
    _Atomic uint32_t instructions, points, inside, again;
    _Atomic int64_t longest_ns;
    char longest_what[64];
};

struct report {
    struct violations violations;
    struct result results[OPS_MAX];
    _Atomic uint64_t progress[WORKERS_MAX];
};

static struct report *report;
static char run_prefix[32];

struct trace {
    uint32_t length;
    uint32_t
        repeated; /* of these: further turns of one string instruction, at each of which it can be killed */
    uint32_t blocks, blocked_at[BLOCKS_MAX];
    int timeout_ms;
    uintptr_t pc[TRACE_MAX];
    uint32_t passing[TRACE_MAX]; /* how often pc[i] had been come by at i, itself included */
    uint32_t from[TRACE_MAX];    /* the best breakpoint for instruction i: an index, 0 = none */
};

static struct trace *trace;

/* The controller's side of a scene. */
struct scene {
    const struct op *op;
    struct stage *stage;
    struct result *result;
    unsigned worker;
    pid_t victim; /* who is stepped */
    pid_t parent; /* fork, in the child: the stepped one's parent */
    pid_t child;  /* fork, in the parent: the stepped one's child */
    pid_t peer;
    shmchan_receiver *rx;
    shmchan_sender *other;
    uint32_t point;
    bool inside;
    bool failed;
    int64_t call_began_ns;
    int64_t died_ns;
    /* A breakpoint in the victim's text. */
    uintptr_t break_at;
    long break_word;
};

#define complain(sc, ...) complain_at(sc, __LINE__, __VA_ARGS__)
static void complain_at(struct scene *sc, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void complain_at(struct scene *sc, int line, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sc->failed = true;
    violation(&report->violations, "%s, killed %s instruction %u (step.c:%d): %s", sc->op->name,
              sc->inside ? "blocked in" : "after", sc->point, line, text);
}

static void note_wait(struct scene *sc, const char *what, int64_t ns)
{
    if (ns > sc->result->longest_ns) {
        sc->result->longest_ns = ns;
        /* Of a call its name. */
        snprintf(sc->result->longest_what, sizeof sc->result->longest_what, "%.*s", (int)strcspn(what, "("),
                 what);
    }
    if (ns > BOUND_NS)
        complain(sc, "%s took %.3f s", what, (double)ns / 1e9);
}

static void call_begins(struct scene *sc)
{
    sc->call_began_ns = now_ns();
}

static long call_ends(struct scene *sc, const char *what, long r)
{
    report->progress[sc->worker]++;
    note_wait(sc, what, now_ns() - sc->call_began_ns);
    return r;
}

/* The value of a survivor's call; how long it took is checked. */
#define timed(sc, call) (call_begins(sc), call_ends(sc, #call, (long)(call)))
#define expect(sc, call, want)                                                                               \
    do {                                                                                                     \
        long got_ = timed(sc, call);                                                                         \
        if (got_ != (want))                                                                                  \
            complain(sc, "%s is %ld (%s), not %ld", #call, got_,                                             \
                     got_ < 0 ? shmchan_strerror((int)got_) : "", (long)(want));                             \
    } while (0)

static pid_t spawn(struct scene *sc, void (*run)(struct scene *sc))
{
    pid_t controller = getpid(), pid = fork();
    if (pid < 0)
        give_up("fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != controller)
        _exit(0);
    run(sc);
    _exit(0);
}

static void wait_told(struct stage *s, int what)
{
    while (s->told < what)
        nap_us(30);
}

static void victim_run(struct scene *sc)
{
    struct actor a = {.stage = sc->stage};
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        give_up("PTRACE_TRACEME: %s", strerror(errno));
    raise(SIGSTOP); /* until the channel is there */
    sc->op->prepare(&a);
    raise(SIGSTOP);
    sc->op->act(&a);
    for (;;)
        pause();
}

/* A receiver that sleeps until there is something, and receives to the end. */
static void peer_receiver_run(struct scene *sc)
{
    struct stage *s = sc->stage;
    shmchan_receiver *rx;
    wait_told(s, 1);
    must(shmchan_receiver_open(s->name, NULL, &rx), "the peer becomes the receiver");
    int r;
    do
        r = receive_one(s, rx, SHMCHAN_FOREVER);
    while (r > 0);
    s->peer_result = r;
    s->peer_done = 1;
    shmchan_receiver_close(rx);
}

/* A sender that sleeps with its lane full. */
static void peer_sender_run(struct scene *sc)
{
    struct stage *s = sc->stage;
    shmchan_sender *tx;
    wait_told(s, 1);
    must(shmchan_sender_open(s->name, NULL, &tx), "the peer attaches");
    int r = 0;
    for (uint32_t i = 0; i <= sc->op->capacity && r == 0; i++)
        r = send_one(s, PEER, tx, SHMCHAN_FOREVER);
    s->peer_result = r;
    s->peer_done = 1;
    shmchan_sender_close(tx);
}

/* Ones that came before the victim and were killed. */
static void prior_receiver_run(struct scene *sc)
{
    const void *message;
    shmchan_receiver *rx;
    wait_told(sc->stage, 1);
    must(shmchan_receiver_open(sc->stage->name, NULL, &rx), "the prior receiver");
    receive_one(sc->stage, rx, 0);
    shmchan_peek(rx, &message, NULL, 0);
    raise(SIGKILL);
}

static void prior_sender_run(struct scene *sc)
{
    void *slot;
    shmchan_sender *tx;
    wait_told(sc->stage, 1);
    must(shmchan_sender_open(sc->stage->name, NULL, &tx), "the prior sender");
    must(shmchan_reserve(tx, &slot, 0), "the prior sender reserves");
    raise(SIGKILL);
}

/* ----------------------------------------------------------------------------------------- stepping */

#if defined(__x86_64__)
#define PC_OF(regs) ((regs).rip)
#define BREAK_CODE  0xccul
#define BREAK_MASK  0xfful
#define BREAK_AFTER 1u /* where the program counter stands when it was hit */
#define CAN_BREAK   1
#elif defined(__aarch64__)
#define PC_OF(regs) ((regs).pc)
#define BREAK_CODE  0xd4200000ul
#define BREAK_MASK  0xfffffffful
#define BREAK_AFTER 0u
#define CAN_BREAK   1
#else
#error "single-stepping is written for x86-64 and arm64"
#endif

enum outcome {
    AT_TRAP,   /* stopped after an instruction, or at the breakpoint */
    INSIDE,    /* blocked in a system call */
    COMPLETED, /* the operation is over */
    BROKEN     /* something else; it was complained about */
};

static volatile sig_atomic_t ticks;

static void on_tick(int signo)
{
    (void)signo;
    ticks = ticks + 1;
}

/* While the victim runs, waitpid is interrupted now and then, to see whether it sleeps. */
static void ticking(bool on)
{
    struct timeval interval = {.tv_usec = on ? 2000 : 0};
    setitimer(ITIMER_REAL, &(struct itimerval){.it_interval = interval, .it_value = interval}, NULL);
}

/* True: it has a status. False: it sleeps. */
static bool wait_stop(struct scene *sc, pid_t pid, int *ret_status)
{
    unsigned asleep = 0;
    int64_t began_ns = now_ns();
    for (;;) {
        pid_t r = waitpid(pid, ret_status, __WALL);
        if (r == pid)
            return true;
        if (r < 0 && errno != EINTR)
            give_up("waitpid: %s", strerror(errno));
        asleep = process_state(pid) == 'S' ? asleep + 1 : 0;
        if (asleep >= 2)
            return false;
        if (now_ns() - began_ns > 10 * BOUND_NS)
            give_up("%s: the victim neither stops nor sleeps at %u", sc->op->name, sc->point);
    }
}

static struct user_regs_struct registers(pid_t pid)
{
    struct user_regs_struct regs;
    struct iovec iov = {.iov_base = &regs, .iov_len = sizeof regs};
    if (ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0)
        give_up("PTRACE_GETREGSET: %s", strerror(errno));
    return regs;
}

static void set_pc(pid_t pid, uintptr_t pc)
{
    struct user_regs_struct regs = registers(pid);
    struct iovec iov = {.iov_base = &regs, .iov_len = sizeof regs};
    PC_OF(regs) = pc;
    if (ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &iov) < 0)
        give_up("PTRACE_SETREGSET: %s", strerror(errno));
}

static void poke(pid_t pid, uintptr_t word_at, long word)
{
    if (ptrace(PTRACE_POKETEXT, pid, (void *)word_at, (void *)word) < 0)
        give_up("PTRACE_POKETEXT: %s", strerror(errno));
}

static void break_insert(struct scene *sc, uintptr_t at)
{
    uintptr_t word_at = at & ~(uintptr_t)7;
    unsigned shift = (unsigned)(at - word_at) * 8;
    errno = 0;
    sc->break_word = ptrace(PTRACE_PEEKTEXT, sc->victim, (void *)word_at, NULL);
    if (errno)
        give_up("PTRACE_PEEKTEXT: %s", strerror(errno));
    unsigned long word = (unsigned long)sc->break_word;
    word = (word & ~(BREAK_MASK << shift)) | BREAK_CODE << shift;
    poke(sc->victim, word_at, (long)word);
    sc->break_at = at;
}

static void break_remove(struct scene *sc)
{
    if (sc->break_at)
        poke(sc->victim, sc->break_at & ~(uintptr_t)7, sc->break_word);
    sc->break_at = 0;
}

/* The stepped process has forked. Its child goes on untraced, and without our breakpoint. */
static void release_child(struct scene *sc)
{
    unsigned long pid;
    int status;
    ptrace(PTRACE_GETEVENTMSG, sc->victim, NULL, &pid);
    sc->child = (pid_t)pid;
    while (waitpid(sc->child, &status, __WALL) < 0 && errno == EINTR)
        ;
    if (sc->break_at)
        poke(sc->child, sc->break_at & ~(uintptr_t)7, sc->break_word);
    ptrace(PTRACE_DETACH, sc->child, NULL, NULL);
}

/* The peer lets a blocked victim go on. */
static void unblock(struct scene *sc)
{
    if (sc->op->side == RECEIVING && !sc->other)
        return;
    for (unsigned i = 0; i < sc->op->unblock_n; i++) {
        if (sc->op->side == RECEIVING)
            expect(sc, send_one(sc->stage, OTHER, sc->other, 0), 0);
        else if (timed(sc, receive_one(sc->stage, sc->rx, 1)) < 0)
            break;
    }
}

/* One request (PTRACE_SINGLESTEP, PTRACE_CONT), until it is answered by a trap. `stay_inside`: if the victim
   blocks, leave it there. */
static enum outcome go(struct scene *sc, int request, bool stay_inside)
{
    int status;
    int64_t began_ns = 0;
    ptrace(request, sc->victim, NULL, NULL);
    for (;;) {
        if (!wait_stop(sc, sc->victim, &status)) {
            if (sc->stage->done)
                return COMPLETED;
            if (stay_inside)
                return INSIDE;
            if (began_ns == 0)
                began_ns = now_ns();
            unblock(sc);
            if (now_ns() - began_ns > 2 * BOUND_NS) {
                complain(sc, "the victim sleeps on, though it has what it waits for");
                return BROKEN;
            }
            continue;
        }
        if (WIFSTOPPED(status) && status >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8)) {
            release_child(sc);
            ptrace(request, sc->victim, NULL, NULL);
            continue;
        }
        if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
            return AT_TRAP;
        if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGCHLD) {
            ptrace(request, sc->victim, NULL, NULL); /* its child has ended */
            continue;
        }
        complain(sc, "the victim has status %#x", status);
        return BROKEN;
    }
}

static enum outcome step(struct scene *sc, bool stay_inside)
{
    enum outcome o = go(sc, PTRACE_SINGLESTEP, stay_inside);
    return o == AT_TRAP && sc->stage->done ? COMPLETED : o;
}

/* To the recorded instruction `index`, by a breakpoint. COMPLETED: it was never passed. */
static enum outcome fly(struct scene *sc, uint32_t index)
{
    for (uint32_t passing = 1;; passing++) {
        break_insert(sc, trace->pc[index]);
        enum outcome o = go(sc, PTRACE_CONT, false);
        if (o != AT_TRAP)
            return o;
        break_remove(sc);
        set_pc(sc->victim, trace->pc[index]);
        if (passing == trace->passing[index])
            return AT_TRAP;
        o = step(sc, false);
        if (o != AT_TRAP)
            return o;
    }
}

static uint32_t breakpoint_for(uint32_t n)
{
    if (trace->length == 0)
        return 0;
    return trace->from[n < trace->length ? n : trace->length - 1];
}

/* To instruction n of the operation, or inside the system call that is the next one. */
static enum outcome travel(struct scene *sc, uint32_t n, bool inside, bool by_breakpoint)
{
    uint32_t at = 0;
    uint32_t from = by_breakpoint ? breakpoint_for(n) : 0;
    if (from) {
        enum outcome o = fly(sc, from);
        if (o != AT_TRAP)
            return o;
        at = from;
    }
    for (; at < n; at++) {
        enum outcome o = step(sc, false);
        if (o != AT_TRAP)
            return o;
    }
    return inside ? step(sc, true) : AT_TRAP;
}

/* ------------------------------------------------------------------------------------- the scene's beginning
 */

static void await_sigstop(struct scene *sc, pid_t pid)
{
    int status;
    while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
        ;
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        give_up("%s: the victim has status %#x before it begins", sc->op->name, status);
}

static void make_channel(struct scene *sc)
{
    struct stage *s = sc->stage;
    const struct shmchan_options *options = channel_options(sc->op);
    if (sc->op->needs & WITHOUT_CHANNEL)
        return;
    if (sc->op->needs & PEER_RECEIVES) {
        /* Made by a receiver that leaves; the peer then takes over. */
        must(shmchan_receiver_create(s->name, options, &sc->rx), "create");
        shmchan_receiver_close(sc->rx);
        sc->rx = NULL;
        if (sc->op->needs & OTHER_STAYS)
            must(shmchan_sender_open(s->name, NULL, &sc->other), "the other attaches");
    } else if (sc->op->side == RECEIVING) {
        must(shmchan_sender_create(s->name, options, &sc->other), "create");
        for (uint32_t i = 0; i < sc->op->messages; i++)
            must(send_one(s, OTHER, sc->other, 0), "the other's messages");
    } else {
        must(shmchan_receiver_create(s->name, options, &sc->rx), "create");
        if (sc->op->side != FORK_CHILD) {
            must(shmchan_sender_open(s->name, NULL, &sc->other), "the other attaches");
            /* They stay there while the victim sends, and have to come first. */
            must(send_one(s, OTHER, sc->other, 0), "the other's first message");
            must(send_one(s, OTHER, sc->other, 0), "the other's second message");
        }
    }
}

static bool asleep(struct scene *sc)
{
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state states[PLACES];
    must((int)shmchan_inspect_senders(sc->stage->name, &snapshot, states, PLACES), "inspect");
    if (sc->op->needs & PEER_RECEIVES)
        return snapshot.receiver.asleep_since_ns != 0;
    for (unsigned i = 0; i < PLACES; i++)
        if (states[i].process.pid == sc->peer && states[i].process.asleep_since_ns != 0)
            return true;
    return false;
}

static void await_peer_asleep(struct scene *sc)
{
    while (!asleep(sc) || process_state(sc->peer) != 'S')
        nap_us(50);
}

static void await_prior(struct scene *sc, pid_t pid)
{
    int status;
    (void)sc;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        give_up("who came before has status %#x", status);
}

static void trace_options(pid_t pid, long options)
{
    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)options) < 0)
        give_up("PTRACE_SETOPTIONS: %s", strerror(errno));
}

static void step_to_begin(struct scene *sc)
{
    while (!sc->stage->begun)
        if (step(sc, false) != AT_TRAP)
            give_up("%s did not begin", sc->op->name);
}

/* Let the parent fork; from then on the child is the victim. */
static void fork_the_victim(struct scene *sc)
{
    int status;
    unsigned long pid;
    sc->parent = sc->victim;
    ptrace(PTRACE_CONT, sc->parent, NULL, NULL);
    if (!wait_stop(sc, sc->parent, &status) || status >> 8 != (SIGTRAP | PTRACE_EVENT_FORK << 8))
        give_up("%s: no fork", sc->op->name);
    ptrace(PTRACE_GETEVENTMSG, sc->parent, NULL, &pid);
    sc->victim = (pid_t)pid;
    ptrace(PTRACE_CONT, sc->parent, NULL, NULL);
    await_sigstop(sc, sc->victim);
    while (!sc->stage->parent_closed)
        nap_us(20);
}

static void scene_begin(struct scene *sc, const struct op *op, uint32_t point, bool inside)
{
    static uint32_t serial;
    struct stage *s = sc->stage;
    pid_t prior = 0;
    *sc = (struct scene){.op = op,
                         .stage = s,
                         .result = &report->results[op - ops],
                         .worker = sc->worker,
                         .point = point,
                         .inside = inside};
    memset(s, 0, sizeof *s);
    s->result = s->child_result = s->peer_result = INT_MIN;
    s->timeout_ms = trace->timeout_ms;
    snprintf(s->name, sizeof s->name, "/%s%u-%u", run_prefix, sc->worker, serial++);
    current_op = op;

    /* All are forked before there is a handle here that they would inherit. */
    sc->victim = spawn(sc, victim_run);
    if (op->needs & (PEER_RECEIVES | PEER_SENDS))
        sc->peer = spawn(sc, op->needs & PEER_RECEIVES ? peer_receiver_run : peer_sender_run);
    if (op->needs & (PRIOR_RECEIVER | PRIOR_SENDER))
        prior = spawn(sc, op->needs & PRIOR_RECEIVER ? prior_receiver_run : prior_sender_run);
    await_sigstop(sc, sc->victim);
    trace_options(sc->victim, PTRACE_O_EXITKILL | (op->side >= FORK_CHILD ? (long)PTRACE_O_TRACEFORK : 0L));
    make_channel(sc);
    s->told = 1;
    if (prior)
        await_prior(sc, prior);
    if (sc->peer)
        await_peer_asleep(sc);
    ptrace(PTRACE_CONT, sc->victim, NULL, NULL);
    await_sigstop(sc, sc->victim);
    if (op->needs & OTHERS_LEAVE) {
        shmchan_sender_close(sc->other);
        sc->other = NULL;
    }
    if (op->needs & PEER_RECEIVES)
        await_peer_asleep(sc);
    if (op->side == FORK_CHILD)
        fork_the_victim(sc);
    else
        step_to_begin(sc);
}

/* ------------------------------------------------------------------------------------------ the aftermath */

/* The victim is stopped. The others go on. */
static void probe_stopped(struct scene *sc)
{
    shmchan_sender *newcomer = NULL;
    if (sc->op->side == RECEIVING) {
        long r = timed(sc, send_one(sc->stage, OTHER, sc->other, 0));
        if (r != 0 && r != -EAGAIN && !(r == -EPIPE && !(sc->op->channel_flags & WAITS)))
            complain(sc, "the receiver is stopped, and send says %ld", r);
        /* Stopped is not dead. */
        if (sc->op->prepare != nothing && sc->op->act != act_receiver_close)
            expect(sc, shmchan_receiver_open(sc->stage->name, NULL, &sc->rx), -EBUSY);
    } else {
        expect(sc, send_one(sc->stage, OTHER, sc->other, 0), 0);
        if (sc->rx)
            expect(sc, receive_one(sc->stage, sc->rx, BOUND_MS), 1);
    }
    if (sc->op->needs & TAKES_MUTEX)
        return;
    expect(sc, shmchan_sender_open(sc->stage->name, NULL, &newcomer), 0);
    shmchan_sender_close(newcomer);
}

/* The parent is stopped in the midst of its fork; its child has to finish all the same. */
static void probe_child(struct scene *sc)
{
    int64_t began_ns = now_ns();
    while (sc->stage->child_result == INT_MIN && now_ns() - began_ns < 2 * BOUND_NS)
        nap_us(50);
    note_wait(sc, "the child of a stopped parent", now_ns() - began_ns);
}

/* The victim lives still. */
static void probe(struct scene *sc)
{
    struct stage *s = sc->stage;
    if (sc->op->needs & LIVE_PROBE) {
        int r;
        do
            r = receive_one(s, sc->rx, 0);
        while (r > 0);
        if (r != -ETIMEDOUT)
            complain(sc, "the channel ends (%d) while a sender lives", r);
    }
    if ((sc->op->needs & PEER_RECEIVES) && s->peer_done && !(sc->op->needs & PEER_GETS_THE_END))
        complain(sc, "the channel ends (%d) while a sender lives", s->peer_result);
    /* Every other time, so that each instruction is a death among untouched survivors too. */
    if (sc->point % 2 == 0)
        return;
    if (sc->child)
        probe_child(sc);
    if (sc->other && !(sc->op->needs & PEER_RECEIVES))
        probe_stopped(sc);
}

/* True: it has ended. A traced one goes on after its child's end. */
static bool has_ended(pid_t pid, int *ret_status)
{
    if (waitpid(pid, ret_status, WNOHANG | __WALL) != pid)
        return false;
    if (!WIFSTOPPED(*ret_status))
        return true;
    ptrace(PTRACE_CONT, pid, NULL, NULL);
    return false;
}

/* How long until it has exited by itself? */
static void await_exit(struct scene *sc, pid_t pid, const char *what)
{
    int status;
    int64_t began_ns = now_ns();
    while (!has_ended(pid, &status)) {
        if (now_ns() - began_ns > 2 * BOUND_NS) {
            complain(sc, "%s hangs (state %c)", what, process_state(pid));
            kill(pid, SIGKILL);
            waitpid(pid, &status, __WALL);
            return;
        }
        nap_us(50);
    }
    note_wait(sc, what, now_ns() - began_ns);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        complain(sc, "%s has status %#x", what, status);
}

static void kill_victim(struct scene *sc)
{
    int status;
    kill(sc->victim, SIGKILL);
    do
        while (waitpid(sc->victim, &status, __WALL) < 0 && errno == EINTR)
            ;
    while (WIFSTOPPED(status));
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        complain(sc, "the victim has status %#x", status);
    sc->died_ns = now_ns();
}

/* The receiver is dead. A sender that goes on learns of it before it would block, and is given no error if
   the channel waits. */
static void send_without_receiver(struct scene *sc)
{
    bool waits = sc->op->channel_flags & WAITS;
    long r = 0;
    for (unsigned i = 0; sc->other && r == 0 && i < 4 * CAPACITY; i++)
        r = waits ? timed(sc, send_one(sc->stage, OTHER, sc->other, 0))
                  : timed(sc, send_one(sc->stage, OTHER, sc->other, 2 * BOUND_MS));
    /* It stays so. */
    if (sc->other && r != 0 && !waits)
        expect(sc, send_one(sc->stage, OTHER, sc->other, 0), -EPIPE);
    long want = waits ? -EAGAIN : -EPIPE;
    /* A killed creator was no receiver yet: the channel may not be there; and nobody has come before. */
    if (sc->other && r != want)
        complain(sc, "without a receiver, send says %ld, not %ld", r, want);
}

/* The first receiver of the channel never was one: senders wait for it. */
static bool had_receiver(struct scene *sc)
{
    struct shmchan_snapshot snapshot;
    must(shmchan_inspect(sc->stage->name, &snapshot), "inspect");
    return snapshot.receivers_joined != 0;
}

/* The sleeping receiver takes all that is there, whether or not it was told. */
static void await_drained(struct scene *sc)
{
    struct shmchan_snapshot now;
    int64_t began_ns = now_ns();
    do {
        nap_us(200);
        must(shmchan_inspect(sc->stage->name, &now), "inspect");
    } while (now.sent != now.received && now_ns() - began_ns < 2 * BOUND_NS);
    note_wait(sc, "what a dead sender left, until it is taken", now_ns() - began_ns);
}

static void await_peer(struct scene *sc)
{
    struct stage *s = sc->stage;
    if (sc->op->needs & PEER_RECEIVES) {
        if (sc->other) {
            await_drained(sc);
            shmchan_sender_close(sc->other);
            sc->other = NULL;
        }
        await_exit(sc, sc->peer, "the sleeping receiver, to the end");
        if (s->peer_result != 0)
            complain(sc, "the sleeping receiver got %d, not the end", s->peer_result);
    } else if (sc->op->channel_flags & WAITS) {
        /* The successor is there, and makes room. */
        int64_t began_ns = now_ns();
        while (!s->peer_done && now_ns() - began_ns < 2 * BOUND_NS)
            (void)timed(sc, receive_one(s, sc->rx, 1));
        note_wait(sc, "the sleeping sender, until it has room", now_ns() - began_ns);
        await_exit(sc, sc->peer, "the sleeping sender");
        if (s->peer_result != 0)
            complain(sc, "the sleeping sender got %d", s->peer_result);
    } else {
        await_exit(sc, sc->peer, "the sleeping sender, until it is told");
        if (s->peer_result != -EPIPE)
            complain(sc, "the sleeping sender got %d, not -EPIPE", s->peer_result);
    }
    sc->peer = 0;
}

static void take_over(struct scene *sc)
{
    struct stage *s = sc->stage;
    long r = timed(sc, shmchan_receiver_open(s->name, NULL, &sc->rx));
    if (r == -ENOENT && (sc->op->needs & WITHOUT_CHANNEL)) {
        if (s->done && !(sc->op->needs & NAME_MAY_GO))
            complain(sc, "made, and not there");
        r = timed(sc, shmchan_receiver_create(s->name, channel_options(sc->op), &sc->rx));
    }
    if (r != 0)
        complain(sc, "no successor: %s", shmchan_strerror((int)r));
}

/* Send, and receive if there is no room. */
static void send_through(struct scene *sc, unsigned index, shmchan_sender *tx)
{
    for (unsigned i = 0; i < 2 * CAPACITY; i++) {
        long r = timed(sc, send_one(sc->stage, index, tx, 0));
        if (r == 0)
            return;
        if (r != -EAGAIN) {
            complain(sc, "row %u cannot send: %s", index, shmchan_strerror((int)r));
            return;
        }
        (void)timed(sc, receive_one(sc->stage, sc->rx, 2 * BOUND_MS));
    }
    complain(sc, "row %u finds no room", index);
}

static void receive_to_the_end(struct scene *sc)
{
    long r;
    do
        r = timed(sc, receive_one(sc->stage, sc->rx, 2 * BOUND_MS));
    while (r > 0);
    if (r != 0)
        complain(sc, "no end: %s", shmchan_strerror((int)r));
}

/* The parent was killed and its child lives: the parent's place is free once its messages are taken. */
static void await_child(struct scene *sc)
{
    shmchan_sender *senders[PLACES] = {0};
    struct stage *s = sc->stage;
    probe_child(sc);
    if (s->child_result != 0)
        complain(sc, "the child got %d", s->child_result);
    while (timed(sc, receive_one(s, sc->rx, 0)) > 0)
        ;
    for (unsigned i = 0; i < PLACES - 2; i++) /* the child's and the other's are taken */
        expect(sc, shmchan_sender_open(s->name, NULL, &senders[i]), 0);
    for (unsigned i = 0; i < PLACES; i++)
        shmchan_sender_close(senders[i]);
    s->told = 3;
    await_exit(sc, sc->child, "the child");
}

/* Every place can be had again, and carries messages. */
static void fill_places(struct scene *sc)
{
    shmchan_sender *senders[PLACES] = {0}, *more = NULL;
    for (unsigned i = 0; i < PLACES; i++) {
        expect(sc, shmchan_sender_open(sc->stage->name, NULL, &senders[i]), 0);
        if (senders[i])
            send_through(sc, FILLERS + i, senders[i]);
    }
    expect(sc, shmchan_sender_open(sc->stage->name, NULL, &more), -EUSERS);
    for (unsigned i = 0; i < PLACES; i++)
        shmchan_sender_close(senders[i]);
    shmchan_sender_close(more);
    receive_to_the_end(sc);
}

static void check_snapshot(struct scene *sc)
{
    struct shmchan_snapshot now;
    expect(sc, shmchan_inspect(sc->stage->name, &now), 0);
    if (now.senders_held || now.senders_left || now.sent != now.received || now.lanes_damaged)
        complain(sc,
                 "at the end %u places held, %u left, %" PRIu64 " sent, %" PRIu64 " received, %" PRIu64
                 " damaged",
                 now.senders_held, now.senders_left, now.sent, now.received, now.lanes_damaged);
}

/* ----------------------------------------------------------------------------------------- the reckoning */

static void verify_receipt(struct scene *sc, const struct receipt *receipt, bool (*seen)[NUMBERS],
                           uint32_t *next, uint64_t *latest_stamp)
{
    const struct message_head *h = &receipt->head;
    if (!receipt->whole || h->row >= ROWS || h->number >= NUMBERS) {
        complain(sc, "a torn message (row %u, number %u)", h->row, h->number);
        return;
    }
    const struct row *row = &sc->stage->rows[h->row];
    if (h->number >= row->begun)
        complain(sc, "row %u, number %u was never sent", h->row, h->number);
    if (seen[h->row][h->number])
        complain(sc, "row %u, number %u came twice", h->row, h->number);
    else if (h->number < next[h->row])
        complain(sc, "row %u, number %u came after %u", h->row, h->number, next[h->row] - 1);
    seen[h->row][h->number] = true;
    next[h->row] = h->number + 1;
    /* Something that came before it was sent after its own send had returned. */
    uint64_t end = row->end[h->number];
    if (!(sc->op->channel_flags & UNORDERED) && end != 0 && end < *latest_stamp)
        complain(sc, "row %u, number %u came late", h->row, h->number);
    if (h->stamp > *latest_stamp)
        *latest_stamp = h->stamp;
}

static void verify(struct scene *sc)
{
    struct stage *s = sc->stage;
    bool seen[ROWS][NUMBERS] = {0};
    uint32_t next[ROWS] = {0}, missing = 0;
    uint64_t latest_stamp = 0;
    for (uint32_t i = 0; i < s->receipts_count; i++)
        verify_receipt(sc, &s->receipts[i], seen, next, &latest_stamp);
    for (unsigned r = 0; r < ROWS; r++) {
        const struct row *row = &s->rows[r];
        uint32_t whole = 0;
        for (uint32_t n = 0; n < row->acked; n++)
            missing += !seen[r][n];
        for (uint32_t n = row->first; n < row->first + row->whole; n++)
            whole += seen[r][n];
        if (whole != 0 && whole != row->whole)
            complain(sc, "row %u: %u of a batch of %u", r, whole, row->whole);
    }
    if (missing > s->in_call)
        complain(sc, "%u acknowledged messages are missing, %u may be", missing, s->in_call);
}

static void aftermath(struct scene *sc)
{
    struct stage *s = sc->stage;
    shmchan_sender *newcomer = NULL;
    s->told = 2;
    if (sc->parent)
        await_exit(sc, sc->parent, "the parent");
    if (sc->child)
        await_child(sc);
    if (sc->peer && !((sc->op->needs & PEER_SENDS) && (sc->op->channel_flags & WAITS)))
        await_peer(sc);
    if (!sc->rx) {
        if (sc->other && (had_receiver(sc) || (sc->op->channel_flags & WAITS)))
            send_without_receiver(sc);
        take_over(sc);
    }
    if (sc->rx) {
        if (sc->peer)
            await_peer(sc);
        if (sc->other)
            send_through(sc, OTHER, sc->other);
        expect(sc, shmchan_sender_open(s->name, NULL, &newcomer), 0);
        if (newcomer)
            send_through(sc, NEWCOMER, newcomer);
        if (sc->other)
            send_through(sc, OTHER, sc->other);
        shmchan_sender_close(newcomer);
        shmchan_sender_close(sc->other);
        receive_to_the_end(sc);
        fill_places(sc);
        check_snapshot(sc);
    } else {
        shmchan_sender_close(sc->other);
    }
    shmchan_receiver_close(sc->rx);
    int r = shmchan_unlink(s->name);
    if (r != 0 && !(r == -ENOENT && (sc->op->channel_flags & UNLINKS)))
        complain(sc, "unlink: %s", shmchan_strerror(r));
    if (names_left(s->name + 1) != 0)
        complain(sc, "a name is left in /dev/shm");
    verify(sc);
    report->progress[sc->worker]++;
}

/* --------------------------------------------------------------------------------------------- recording */

/* Still the same instruction: a string instruction stops after each of its turns. */
static bool repeated_at(uint32_t n)
{
    return n > 0 && n < trace->length && trace->pc[n] == trace->pc[n - 1];
}

static bool can_break_at(uintptr_t pc)
{
    /* The kernel's own page cannot be written to. */
    uintptr_t vdso = getauxval(AT_SYSINFO_EHDR);
    return !vdso || pc < vdso || pc >= vdso + 0x10000;
}

static int compare_pc(const void *a, const void *b)
{
    uintptr_t pa = trace->pc[*(const uint32_t *)a], pb = trace->pc[*(const uint32_t *)b];
    if (pa != pb)
        return pa < pb ? -1 : 1;
    return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

/* For each instruction the breakpoint by which it is reached with the fewest stops: two for each time the
   breakpoint is passed, one for each instruction stepped from there. */
static void choose_breakpoints(void)
{
    static uint32_t order[TRACE_MAX];
    uint32_t length = trace->length, best = 0;
    for (uint32_t i = 0; i < length; i++)
        order[i] = i;
    qsort(order, length, sizeof *order, compare_pc);
    for (uint32_t i = 0; i < length; i++) {
        bool same = i > 0 && trace->pc[order[i]] == trace->pc[order[i - 1]];
        trace->passing[order[i]] = same ? trace->passing[order[i - 1]] + 1 : 1;
    }
    uint64_t cost = 0;
    for (uint32_t i = 0; i < length; i++, cost++) {
        if (i > 0 && 2 * (uint64_t)trace->passing[i] + 4 < cost && can_break_at(trace->pc[i])) {
            best = i;
            cost = 2 * (uint64_t)trace->passing[i] + 4;
        }
        trace->from[i] = best;
    }
}

/* Record from instruction `from` on; what is before it was recorded by an earlier run. */
static bool record_from(struct scene *sc, const struct op *op, uint32_t from, bool to_the_block)
{
    scene_begin(sc, op, from, false);
    trace->blocks = 0;
    uint32_t n = from;
    enum outcome o = travel(sc, from, false, true);
    while (o == AT_TRAP) {
        if (n == TRACE_MAX)
            give_up("%s takes more than %u instructions", op->name, TRACE_MAX);
        trace->pc[n] = PC_OF(registers(sc->victim));
        sc->point = n++;
        o = step(sc, true);
        if (o != INSIDE)
            continue;
        if (trace->blocks < BLOCKS_MAX)
            trace->blocked_at[trace->blocks++] = n - 1;
        if (to_the_block)
            break;
        /* Let it out of there; the answer to that step is still to come. */
        int status;
        unblock(sc);
        while (!wait_stop(sc, sc->victim, &status))
            unblock(sc);
        o = sc->stage->done ? COMPLETED : AT_TRAP;
    }
    trace->length = n;
    bool ok = !sc->failed && o == (to_the_block ? INSIDE : COMPLETED);
    if (o == COMPLETED && sc->stage->result != op->result)
        complain(sc, "left alone it says %d, not %d", sc->stage->result, op->result);
    kill_victim(sc);
    aftermath(sc);
    choose_breakpoints();
    return ok;
}

/* Stepped, time flies: an operation that is to run out of it gets much until it sleeps, and is recorded from
   there on in a second run that gets little. */
static void record(struct scene *sc, const struct op *op)
{
    bool runs_out = op->result == -ETIMEDOUT;
    bool ok = true;
    uint32_t from = 0;
    trace->length = 0;
    if (runs_out) {
        trace->timeout_ms = 10000;
        ok = record_from(sc, op, 0, true);
        from = trace->length - 1;
    }
    trace->timeout_ms = TIMEOUT_MS;
    /* On a busy machine a sleep may end by its time before it is seen. */
    unsigned tries = 0, blocks = (op->needs & MUST_BLOCK) != 0;
    do
        ok = ok && record_from(sc, op, from, false);
    while (ok && trace->blocks != blocks && tries++ < 20);
    if (!ok || trace->blocks != blocks)
        give_up("%s cannot be recorded", op->name);
    trace->repeated = 0;
    for (uint32_t i = 1; i < trace->length; i++)
        trace->repeated += repeated_at(i);
}

/* ------------------------------------------------------------------------------------------ all of them */

/* The victim's last peer sends and leaves, and then the victim goes on: it has to receive that, and not the
 * end. */
static enum outcome leave_meanwhile(struct scene *sc)
{
    enum outcome o;
    int64_t began_ns = now_ns();
    expect(sc, send_one(sc->stage, OTHER, sc->other, 0), 0);
    shmchan_sender_close(sc->other);
    sc->other = NULL;
    do
        o = go(sc, PTRACE_CONT, false);
    while (o == AT_TRAP);
    note_wait(sc, "recv, of what came meanwhile", now_ns() - began_ns);
    if (o == COMPLETED && sc->stage->result != 1)
        complain(sc, "the last sender sent and left meanwhile, and recv says %d", sc->stage->result);
    return o;
}

/* True: it was killed there. False: the operation was over before. */
static bool kill_at(struct scene *sc, const struct op *op, uint32_t point, bool inside, bool by_breakpoint)
{
    scene_begin(sc, op, point, inside);
    ticking(true);
    enum outcome o = travel(sc, point, inside, by_breakpoint);
    if ((op->needs & LEAVES_MEANWHILE) && (o == AT_TRAP || o == INSIDE)) {
        if (leave_meanwhile(sc) == BROKEN)
            o = BROKEN;
    }
    ticking(false);
    if (o != BROKEN)
        probe(sc);
    if (o == COMPLETED && sc->stage->result != op->result)
        complain(sc, "left alone it says %d, not %d", sc->stage->result, op->result);
    kill_victim(sc);
    aftermath(sc);
    return o == AT_TRAP || o == INSIDE;
}

/* True: killed. */
static bool try_point(struct scene *sc, const struct op *op, uint32_t point, bool inside)
{
    struct result *result = &report->results[op - ops];
    bool killed = kill_at(sc, op, point, inside, true);
    if (!killed && breakpoint_for(point)) {
        result->again++;
        killed = kill_at(sc, op, point, inside, false);
    }
    result->points += killed && !inside;
    result->inside += killed && inside;
    return killed;
}

/* One cause shows at many points: enough is enough. */
static bool is_broken(uint32_t violations_before)
{
    return report->violations.count - violations_before > VIOLATION_TEXTS;
}

static void work(unsigned worker, unsigned workers, const struct op *op, uint32_t stride, uint32_t offset)
{
    uint32_t before = report->violations.count;
    struct scene sc = {.stage = shared_memory(sizeof *sc.stage), .worker = worker};
    uint32_t turn = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (uint32_t n = offset; n < trace->length && !is_broken(before); n += stride)
        if (!(repeated_at(n) && n % REPEATED_STRIDE) && turn++ % workers == worker)
            try_point(&sc, op, n, false);
    for (uint32_t i = 0; i < trace->blocks; i++)
        if (turn++ % workers == worker)
            try_point(&sc, op, trace->blocked_at[i], true);
    /* To the last: this run may be longer than the recorded one. */
    if (worker == 0 && !is_broken(before))
        for (uint32_t n = trace->length; n < trace->length + 500; n += stride)
            if (!try_point(&sc, op, n, false))
                break;
    _exit(0);
}

static void watch_workers(const pid_t *pids, unsigned workers, const struct op *op)
{
    uint64_t seen[WORKERS_MAX] = {0};
    int64_t moved_ns[WORKERS_MAX];
    unsigned left = workers;
    bool gone[WORKERS_MAX] = {false};
    for (unsigned i = 0; i < workers; i++)
        moved_ns[i] = now_ns();
    while (left) {
        for (unsigned i = 0; i < workers; i++) {
            int status;
            if (gone[i])
                continue;
            if (waitpid(pids[i], &status, WNOHANG) == pids[i]) {
                gone[i] = true;
                left--;
                if (status != 0)
                    violation(&report->violations, "%s: worker %u ended with status %#x", op->name, i,
                              status);
                continue;
            }
            if (report->progress[i] != seen[i]) {
                seen[i] = report->progress[i];
                moved_ns[i] = now_ns();
            } else if (now_ns() - moved_ns[i] > 60 * INT64_C(1000000000)) {
                violation(&report->violations, "%s: worker %u hangs", op->name, i);
                kill(pids[i], SIGKILL);
                moved_ns[i] = now_ns();
            }
        }
        nap_us(2000);
    }
}

static void torture(const struct op *op, unsigned workers, uint32_t stride, uint32_t offset)
{
    pid_t pids[WORKERS_MAX];
    struct result *result = &report->results[op - ops];
    uint32_t violations = report->violations.count;
    struct scene sc = {.stage = shared_memory(sizeof *sc.stage), .worker = 0};
    int64_t began_ns = now_ns();
    report->violations.quiet_before = violations;
    ticking(true);
    record(&sc, op);
    ticking(false);
    result->instructions = trace->length - trace->repeated;
    fflush(stdout);
    for (unsigned i = 0; i < workers; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            work(i, workers, op, stride, offset);
    }
    watch_workers(pids, workers, op);
    printf("%-30s %7u %7u %4u %6u %9.1f %6.1f  %u  %s\n", op->name, result->instructions, result->points,
           result->inside, result->again, (double)result->longest_ns / 1e6,
           (double)(now_ns() - began_ns) / 1e9, report->violations.count - violations, result->longest_what);
    fflush(stdout);
}

/* Functions of libc are to be bound before there are victims: else the first to call one runs through the
   dynamic linker, and the next does not. */
static void bind_now(char **argv)
{
    if (getenv("LD_BIND_NOW"))
        return;
    setenv("LD_BIND_NOW", "1", 1);
    execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
    (void)argc;
    bind_now(argv);
    uint32_t stride = (uint32_t)setting("STRIDE", 1);
    uint64_t seed = setting("SEED", (uint64_t)now_ns());
    const char *only = getenv("ONLY");
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = (unsigned)setting("WORKERS", cores > 0 ? 2 * (uint64_t)cores : 2);
    if (workers < 1 || workers > WORKERS_MAX || stride < 1)
        give_up("WORKERS is 1 ... %u, STRIDE at least 1", WORKERS_MAX);
    report = shared_memory(sizeof *report);
    trace = shared_memory(sizeof *trace);
    snprintf(run_prefix, sizeof run_prefix, "shmchan-step-%d-", (int)getpid());
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_TIMERSLACK, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction act = {.sa_handler = on_tick}; /* no SA_RESTART */
    sigaction(SIGALRM, &act, NULL);

    printf("kill at every instruction: STRIDE=%u SEED=%" PRIu64 ", %u workers, bound %d ms\n", stride, seed,
           workers, BOUND_MS);
    printf("%-30s %7s %7s %4s %6s %9s %6s  violations, longest wait\n", "operation", "instr.", "killed", "in",
           "again", "wait ms", "s");
    unsigned passed = 0, failed = 0;
    uint64_t points = 0;
    int64_t longest_ns = 0;
    for (size_t i = 0; i < OPS; i++) {
        if (only && *only && !strstr(ops[i].name, only))
            continue;
        uint32_t violations = report->violations.count;
        struct chance chance = {seed + i};
        torture(&ops[i], workers, stride, chance_below(&chance, stride));
        *(report->violations.count == violations ? &passed : &failed) += 1;
        points += report->results[i].points + report->results[i].inside;
        if (report->results[i].longest_ns > longest_ns)
            longest_ns = report->results[i].longest_ns;
    }
    unsigned left = names_left(run_prefix);
    if (left) {
        violation(&report->violations, "%u names left in /dev/shm", left);
        failed++;
    }
    printf("%" PRIu64 " kill points, longest wait %.1f ms (bound %d ms), %u violations\n", points,
           (double)longest_ns / 1e6, BOUND_MS, report->violations.count);
    printf("%u passed, %u failed\n", passed, failed);
    return failed ? 1 : 0;
}
