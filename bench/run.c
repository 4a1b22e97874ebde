/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HALVES_MAX (BENCH_SENDERS_MAX + 1)

const char *run_programs = ".";
unsigned run_watchdog_ms = 20000;
const char *const run_cores_names[] = {"any", "split", "one"};

/* What the harness and the halves share. */
struct board {
    uint32_t ready __attribute__((aligned(BENCH_LINE)));
    uint32_t gate __attribute__((aligned(BENCH_LINE))); /* a futex; 1 = go */
    uint32_t stop __attribute__((aligned(BENCH_LINE)));
    uint32_t received __attribute__((aligned(BENCH_LINE))); /* a futex; 1 = all has come */
    struct histogram histogram;
    struct bench_half halves[HALVES_MAX]; /* senders, then the receiver */
};

struct process {
    pid_t pid; /* 0: gone */
    const char *role;
    unsigned index;
};

struct stage {
    const struct run *run;
    struct board *board;
    void *channels[2];
    struct process processes[HALVES_MAX];
    unsigned count;
};

static void fail(struct run_result *result, const char *what, int r)
{
    if (!result->failure[0])
        snprintf(result->failure, sizeof result->failure, "%s: %s", what, strerror(-r));
}

/* ------------------------------------------------------------------------------------- in a child */

static void pin(enum run_cores cores, bool is_receiver, unsigned index)
{
    cpu_set_t allowed, set;
    if (cores == CORES_ANY || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return;
    int cpus[CPU_SETSIZE], count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed))
            cpus[count++] = cpu;
    int which = cores == CORES_ONE || is_receiver || count < 2 ? 0 : 1 + (int)index % (count - 1);
    CPU_ZERO(&set);
    CPU_SET(cpus[which], &set);
    sched_setaffinity(0, sizeof set, &set);
}

static uint64_t usage(struct bench_half *half, int sign)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    half->sleeps += (uint64_t)(sign * u.ru_nvcsw);
    half->preemptions += (uint64_t)(sign * u.ru_nivcsw);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

static void wait_for(uint32_t *word)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == 0)
        syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void announce(uint32_t *word)
{
    __atomic_store_n(word, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE, HALVES_MAX, NULL, NULL, 0);
}

static void wait_at_gate(struct board *board, struct bench_half *half)
{
    half->step = STEP_READY;
    __atomic_add_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
    wait_for(&board->gate);
    half->step = STEP_RUNNING;
    half->cpu_ns = 0 - usage(half, -1);
    half->started_ns = bench_now_ns();
}

static void finish(struct bench_half *half)
{
    half->ended_ns = bench_now_ns();
    half->cpu_ns += usage(half, 1);
    half->step = STEP_FINISHED;
}

_Noreturn static void leave(struct bench_half *half, const char *what, int r)
{
    if (r < 0)
        snprintf(half->error, sizeof half->error, "%s: %s", what,
                 r == -EBADMSG ? "a message was out of order, missing or torn" : strerror(-r));
    half->step = STEP_DONE;
    _exit(r < 0 ? 1 : 0);
}

/* Writes to it all, so that no page fault is measured. */
static char *make_buffer(void)
{
    size_t bytes = 2 * BENCH_BYTES_MAX > BENCH_BATCH_MAX * 64u ? 2 * BENCH_BYTES_MAX : BENCH_BATCH_MAX * 64u;
    char *buffer = aligned_alloc(BENCH_LINE, bytes);
    if (buffer)
        memset(buffer, 0x5a, bytes);
    return buffer;
}

_Noreturn static void be_sender(struct stage *s, unsigned index)
{
    const struct peer *peer = s->run->peer;
    struct bench_half *half = &s->board->halves[index];
    struct sender_task task = {.shape = &s->run->shape,
                               .half = half,
                               .stop = &s->board->stop,
                               .index = index,
                               .buffer = make_buffer()};
    void *sender = NULL;
    pin(s->run->cores, false, index);
    half->step = STEP_OPENING;
    int r = task.buffer ? peer->open_sender(s->channels[0], index, &sender) : -ENOMEM;
    if (r < 0)
        leave(half, "opening a sender", r);
    wait_at_gate(s->board, half);
    r = peer->send_all(sender, &task);
    finish(half);
    /* ZeroMQ loses messages when a sender closes before its receiver has read them all (ours and the others
     * do not). */
    if (r == 0)
        wait_for(&s->board->received);
    half->step = STEP_CLOSING;
    if (r == 0 && peer->close_sender)
        peer->close_sender(sender);
    leave(half, "sending", r);
}

_Noreturn static void be_receiver(struct stage *s)
{
    const struct peer *peer = s->run->peer;
    struct bench_half *half = &s->board->halves[s->run->shape.senders];
    struct receiver_task task = {.shape = &s->run->shape, .half = half, .buffer = make_buffer()};
    void *receiver = NULL;
    for (unsigned i = 0; i < s->run->shape.senders; i++)
        task.expected[i] = bench_word(i, 0);
    pin(s->run->cores, true, 0);
    half->step = STEP_OPENING;
    int r = task.buffer ? peer->open_receiver(s->channels[0], &receiver) : -ENOMEM;
    if (r < 0)
        leave(half, "opening the receiver", r);
    wait_at_gate(s->board, half);
    r = peer->receive_all(receiver, &task);
    finish(half);
    if (r == 0)
        announce(&s->board->received);
    if (r == 0 && peer->close_receiver)
        peer->close_receiver(receiver);
    leave(half, "receiving", r);
}

/* side 0 pings through the first channel, side 1 answers through the second. */
_Noreturn static void be_player(struct stage *s, unsigned side)
{
    const struct peer *peer = s->run->peer;
    struct bench_half *half = &s->board->halves[side];
    struct ping_task task = {.shape = &s->run->shape,
                             .half = half,
                             .stop = &s->board->stop,
                             .histogram = &s->board->histogram,
                             .pause_us = s->run->pause_us,
                             .buffer = make_buffer()};
    void *sender = NULL, *receiver = NULL;
    pin(s->run->cores, side == 0, 0);
    half->step = STEP_OPENING;
    int r = task.buffer ? peer->open_receiver(s->channels[1 - side], &receiver) : -ENOMEM;
    if (r == 0)
        r = peer->open_sender(s->channels[side], 0, &sender);
    if (r < 0)
        leave(half, "opening", r);
    wait_at_gate(s->board, half);
    r = side == 0 ? peer->ping(sender, receiver, &task) : peer->pong(sender, receiver, &task);
    finish(half);
    if (r == 0 && peer->close_sender)
        peer->close_sender(sender);
    if (r == 0 && peer->close_receiver)
        peer->close_receiver(receiver);
    leave(half, side == 0 ? "pinging" : "answering", r);
}

/* --------------------------------------------------------------------------------- in the harness */

static void describe_stuck(const struct stage *s, const struct process *p, char *text, size_t room)
{
    static const char *const steps[] = {
        "forked", "opening", "at the gate", "running", "waiting for the receiver", "closing", "done"};
    const struct bench_half *half = &s->board->halves[p->index];
    char path[64], state = '?', wchan[48] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    FILE *f = fopen(path, "r");
    if (f) {
        if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
            state = '?';
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/wchan", (int)p->pid);
    f = fopen(path, "r");
    if (f) {
        if (!fgets(wchan, sizeof wchan, f))
            wchan[0] = 0;
        fclose(f);
    }
    snprintf(text, room, " %s %u: %s, %llu messages, state %c%s%s;", p->role, p->index, steps[half->step],
             (unsigned long long)half->count, state, wchan[0] ? " in " : "", wchan);
}

static void report_stuck(const struct stage *s, struct run_result *result)
{
    size_t used =
        (size_t)snprintf(result->failure, sizeof result->failure, "stuck after %u ms:", run_watchdog_ms);
    unsigned shown = 0;
    for (unsigned i = s->count; i-- > 0;) { /* the receiver first */
        if (s->processes[i].pid == 0 || ++shown > 4 || used >= sizeof result->failure)
            continue;
        describe_stuck(s, &s->processes[i], result->failure + used, sizeof result->failure - used);
        used += strlen(result->failure + used);
    }
}

static void kill_all(struct stage *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (s->processes[i].pid)
            kill(s->processes[i].pid, SIGKILL);
    for (unsigned i = 0; i < s->count; i++)
        if (s->processes[i].pid)
            waitpid(s->processes[i].pid, NULL, 0);
}

static bool start(struct stage *s, const char *role, void (*body)(struct stage *, unsigned), unsigned index)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            body(s, index);
        _exit(1);
    }
    if (pid < 0)
        return false;
    s->processes[s->count++] = (struct process){.pid = pid, .role = role, .index = index};
    return true;
}

/* Those that have ended are waited for. How many are left; *ret_bad: one ended badly. */
static unsigned collect(struct stage *s, bool *ret_bad)
{
    unsigned left = 0;
    for (unsigned i = 0; i < s->count; i++) {
        int status;
        if (s->processes[i].pid == 0)
            continue;
        if (waitpid(s->processes[i].pid, &status, WNOHANG) == 0) {
            left++;
            continue;
        }
        s->processes[i].pid = 0;
        if (status != 0)
            *ret_bad = true;
    }
    return left;
}

static void nap(uint64_t until_ns)
{
    uint64_t now = bench_now_ns();
    if (now >= until_ns)
        return;
    struct timespec t = {.tv_sec = (time_t)((until_ns - now) / 1000000000u),
                         .tv_nsec = (long)((until_ns - now) % 1000000000u)};
    /* SIGCHLD is blocked: it ends this nap. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigtimedwait(&set, NULL, &t);
}

/* What one said comes before what the others did not get done. */
static void note_errors(const struct stage *s, struct run_result *result)
{
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < s->count && !result->failure[0]; i++) {
            const struct bench_half *half = &s->board->halves[s->processes[i].index];
            if (half->error[0])
                snprintf(result->failure, sizeof result->failure, "%s %u: %s", s->processes[i].role,
                         s->processes[i].index, half->error);
            else if (pass == 1 && half->step != STEP_DONE)
                snprintf(result->failure, sizeof result->failure, "%s %u ended before its time",
                         s->processes[i].role, s->processes[i].index);
        }
}

/* Until all are at the gate, or the time is over. */
static bool wait_until_ready(struct stage *s, uint64_t deadline_ns)
{
    bool bad = false;
    while (__atomic_load_n(&s->board->ready, __ATOMIC_SEQ_CST) < s->count) {
        if (bench_now_ns() > deadline_ns || collect(s, &bad) < s->count || bad)
            return false;
        nap(bench_now_ns() + 200000);
    }
    return true;
}

/* Opens the gate, lets them run, says stop, waits for their end. */
static void conduct(struct stage *s, struct run_result *result)
{
    uint64_t deadline_ns = bench_now_ns() + run_watchdog_ms * 1000000ull;
    bool bad = false;
    unsigned left = s->count;
    if (wait_until_ready(s, deadline_ns)) {
        announce(&s->board->gate);
        uint64_t end_ns = bench_now_ns() + s->run->duration_ms * 1000000ull;
        for (uint64_t now; (now = bench_now_ns()) < end_ns && !bad; collect(s, &bad))
            nap(end_ns);
        __atomic_store_n(&s->board->stop, 1, __ATOMIC_RELAXED);
        deadline_ns = bench_now_ns() + run_watchdog_ms * 1000000ull;
        while ((left = collect(s, &bad)) > 0 && !bad && bench_now_ns() < deadline_ns)
            nap(bench_now_ns() + 1000000);
    }
    if (left && !bad)
        collect(s, &bad);
    /* One that ended badly has told why; the others wait for it in vain. */
    if (left && !bad)
        report_stuck(s, result);
    kill_all(s);
    note_errors(s, result);
}

static double jain_index(const struct board *board, unsigned senders)
{
    double sum = 0, squares = 0;
    for (unsigned i = 0; i < senders; i++) {
        double count = (double)board->halves[i].count;
        sum += count;
        squares += count * count;
    }
    return squares > 0 ? sum * sum / (senders * squares) : 0;
}

/* `last`: whose end is the end. */
static void account(const struct stage *s, unsigned last, struct run_result *result)
{
    const struct bench_half *halves = s->board->halves;
    uint64_t start_ns = UINT64_MAX;
    for (unsigned i = 0; i < s->count; i++) {
        result->cpu_s += (double)halves[i].cpu_ns / 1e9;
        result->sleeps += halves[i].sleeps;
        result->preemptions += halves[i].preemptions;
        if (halves[i].started_ns < start_ns)
            start_ns = halves[i].started_ns;
    }
    result->messages = halves[last].count;
    result->seconds = (double)(halves[last].ended_ns - start_ns) / 1e9;
}

/* True: all is there, and the caller forks. */
static bool set_stage(struct stage *s, const struct run *run, unsigned channels, struct run_result *result)
{
    static unsigned serial;
    memset(result, 0, sizeof *result);
    memset(s, 0, sizeof *s);
    s->run = run;
    s->board = bench_shared(sizeof *s->board);
    if (!s->board)
        return false;
    for (unsigned i = 0; i < channels; i++) {
        char name[48];
        snprintf(name, sizeof name, "shmchan-bench-%d-%u", (int)getpid(), serial++);
        int r = run->peer->open(&run->shape, name, &s->channels[i]);
        if (r < 0) {
            s->channels[i] = NULL;
            fail(result, "making the channel", r);
        }
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return !result->failure[0];
}

static void clear_stage(struct stage *s)
{
    for (unsigned i = 0; i < 2; i++)
        if (s->channels[i] && s->run->peer->close)
            s->run->peer->close(s->channels[i]);
    if (s->board)
        bench_shared_free(s->board, sizeof *s->board);
}

static void sender_body(struct stage *s, unsigned index)
{
    be_sender(s, index);
}

static void receiver_body(struct stage *s, unsigned index)
{
    (void)index;
    be_receiver(s);
}

static void player_body(struct stage *s, unsigned index)
{
    be_player(s, index);
}

static void throughput_of_processes(const struct run *run, struct run_result *result)
{
    struct stage s;
    if (set_stage(&s, run, 1, result)) {
        bool good = true;
        for (unsigned i = 0; good && i < run->shape.senders; i++)
            good = start(&s, "sender", sender_body, i);
        if (good && start(&s, "receiver", receiver_body, run->shape.senders)) {
            conduct(&s, result);
            account(&s, run->shape.senders, result);
            result->jain = jain_index(s.board, run->shape.senders);
        } else {
            fail(result, "fork", -errno);
            kill_all(&s);
        }
    }
    clear_stage(&s);
}

static void ping_of_processes(const struct run *run, struct histogram *histogram, struct run_result *result)
{
    struct stage s;
    if (set_stage(&s, run, 2, result)) {
        if (start(&s, "player", player_body, 0) && start(&s, "player", player_body, 1)) {
            conduct(&s, result);
            account(&s, 0, result);
            if (histogram && !result->failure[0]) {
                for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
                    histogram->counts[i] += s.board->histogram.counts[i];
                histogram->total += s.board->histogram.total;
                if (s.board->histogram.max_ns > histogram->max_ns)
                    histogram->max_ns = s.board->histogram.max_ns;
            }
        } else {
            fail(result, "fork", -errno);
            kill_all(&s);
        }
    }
    clear_stage(&s);
}

/* ------------------------------------------------------------------------- programs of other languages */

/*
 * They are given: WHAT MODE SENDERS CAPACITY DURATION_MS PAUSE_US any|split|one, and print
 *     result MESSAGES SECONDS CPU_SECONDS SLEEPS PREEMPTIONS JAIN
 *     bucket NUMBER COUNT          (for ping)
 * or, on failure, a line of what is wrong and an exit status.
 */
static void read_program(FILE *f, struct histogram *histogram, struct run_result *result)
{
    char line[256], first[256] = "said nothing";
    bool told = false, any = false;
    while (fgets(line, sizeof line, f)) {
        unsigned bucket;
        unsigned long long count, messages, sleeps, preemptions;
        if (!any)
            snprintf(first, sizeof first, "%.*s", (int)strcspn(line, "\n"), line);
        any = true;
        if (sscanf(line, "bucket %u %llu", &bucket, &count) == 2 && bucket < HISTOGRAM_BUCKETS) {
            if (histogram) {
                histogram->counts[bucket] += count;
                histogram->total += count;
                if (histogram_value_ns(bucket) > (double)histogram->max_ns)
                    histogram->max_ns = (uint64_t)histogram_value_ns(bucket);
            }
        } else if (sscanf(line, "result %llu %lf %lf %llu %llu %lf", &messages, &result->seconds,
                          &result->cpu_s, &sleeps, &preemptions, &result->jain) == 6) {
            result->messages = messages;
            result->sleeps = sleeps;
            result->preemptions = preemptions;
            told = true;
        }
    }
    if (!told)
        snprintf(result->failure, sizeof result->failure, "%s", first);
}

_Noreturn static void become_program(const struct run *run, const char *what, int out)
{
    char path[512], numbers[4][16];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    alarm((run_watchdog_ms + run->duration_ms) / 1000 + 1);
    snprintf(path, sizeof path, "%s/%s", run_programs, run->peer->program);
    snprintf(numbers[0], sizeof numbers[0], "%u", run->shape.senders);
    snprintf(numbers[1], sizeof numbers[1], "%u", run->shape.capacity);
    snprintf(numbers[2], sizeof numbers[2], "%u", run->duration_ms);
    snprintf(numbers[3], sizeof numbers[3], "%u", run->pause_us);
    execl(path, path, what, run->peer->mode, numbers[0], numbers[1], numbers[2], numbers[3],
          run_cores_names[run->cores], (char *)NULL);
    _exit(127);
}

static void run_program(const struct run *run, const char *what, struct histogram *histogram,
                        struct run_result *result)
{
    int fds[2], status = 0;
    memset(result, 0, sizeof *result);
    if (pipe2(fds, O_CLOEXEC) != 0) {
        fail(result, "pipe", -errno);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        become_program(run, what, fds[1]);
    close(fds[1]);
    FILE *f = fdopen(fds[0], "r");
    if (f && pid > 0)
        read_program(f, histogram, result);
    if (f)
        fclose(f);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(result->failure, sizeof result->failure, "stuck after %u ms", run_watchdog_ms);
    else if (status != 0 && !result->failure[0])
        snprintf(result->failure, sizeof result->failure, "ended with status %d", status);
}

void run_throughput(const struct run *run, struct run_result *ret_result)
{
    if (run->peer->program)
        run_program(run, "throughput", NULL, ret_result);
    else
        throughput_of_processes(run, ret_result);
}

void run_ping(const struct run *run, struct histogram *histogram, struct run_result *ret_result)
{
    if (run->peer->program)
        run_program(run, "ping", histogram, ret_result);
    else
        ping_of_processes(run, histogram, ret_result);
}
