/* SPDX-License-Identifier: MIT */
/* Puts what two looks have shown into sentences. Says nothing that was not read, and "for 4 s" only of what
   cannot have been otherwise in these 4 s. */
#include "diagnosis.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rates.h"
#include "state.h"
#include "text.h"

/* Of senders in the same plight, so many by name. */
#define NAMED_MAX 3

struct evidence {
    FILE *out;
    const struct channel *now;
    const struct channel *before; /* NULL: there is none, or it is no use */
    bool damaged;                 /* the cure of that is the only one      */
};

static const char *s_if(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* ---------------------------------------------------------------- processes */

/* "(pid 812, `collector`)" */
static void put_process(FILE *out, const struct shmchan_process *process, struct proc_view view)
{
    if (process->pid == 0) {
        fputs("(just joining)", out);
        return;
    }
    fprintf(out, "(pid %" PRId32, process->pid);
    if (process->command[0] != '\0')
        fprintf(out, ", `%s`", text_printable(process->command, sizeof process->command).s);
    if (view.uncertain)
        fputs(", by number, start and command; this user may not see whether it has the channel open", out);
    fputs(view.sight == PROC_ELSEWHERE ? ", not visible from here)" : ")", out);
}

static void put_receiver(const struct evidence *e)
{
    fputs("The receiver ", e->out);
    put_process(e->out, &e->now->snapshot.receiver, e->now->receiver_view);
}

static void put_sender(const struct evidence *e, const struct channel_sender *sender)
{
    fprintf(e->out, "Sender %" PRIu32 " ", sender->state.place);
    put_process(e->out, &sender->state.process, sender->view);
}

/* Nobody can say whether it is stopped. */
static bool out_of_sight(struct proc_view view)
{
    return view.sight == PROC_ELSEWHERE || view.sight == PROC_UNKNOWN;
}

/* What to do with a process that is stopped or traced. */
static void put_cure_of_stopped(const struct evidence *e, const struct shmchan_process *process,
                                struct proc_view view)
{
    if (view.sight == PROC_STOPPED) {
        fprintf(e->out, " Let it go on with `kill -CONT %" PRId32 "`", process->pid);
        return;
    }
    int32_t tracer = proc_tracer(process->pid);
    if (tracer != 0)
        fprintf(e->out, " Let its debugger (pid %" PRId32 ") continue or detach it", tracer);
    else
        fputs(" Let its debugger continue or detach it", e->out);
}

/* ---------------------------------------------------------------- senders together */

/* `only`: what to call the sender if there is but one. */
static void put_blocked(const struct evidence *e, const char *only)
{
    uint64_t longest_ns;
    size_t blocked = channel_blocked(e->now, &longest_ns);
    uint32_t alive = e->now->snapshot.senders_held;
    bool known = longest_ns >= 1000000;
    if (blocked == 0)
        fputs(alive > 0 || e->now->forking ? "no sender is blocked yet" : "no sender is there", e->out);
    else if (alive == 1)
        fprintf(e->out, "%s %s blocked", only, known ? "has been" : "is");
    else if (blocked == 1)
        fprintf(e->out, "1 of %" PRIu32 " senders %s blocked", alive, known ? "has been" : "is");
    else
        fprintf(e->out, "%zu of %" PRIu32 " senders are blocked%s", blocked, alive,
                known ? ", the longest" : "");
    if (known)
        fprintf(e->out, " for %s", text_span(longest_ns).s);
}

static void put_waiting(const struct evidence *e)
{
    uint64_t used = e->now->used;
    if (used == 0)
        fputs("no message waits", e->out);
    else
        fprintf(e->out, "%" PRIu64 " message%s wait%s", used, s_if(used), used == 1 ? "s" : "");
}

/* A sender that is blocked and whose lane is still full: the receiver has taken nothing from it meanwhile, as
   who sleeps publishes nothing. */
static bool lane_stands(const struct evidence *e, const struct channel_sender *sender, uint64_t *ret_ns)
{
    return channel_lacks_room(e->now, sender, ret_ns) && *ret_ns != UINT64_MAX &&
           channel_lane_used(&sender->state) >= e->now->snapshot.capacity;
}

/* For how long the receiver has certainly taken nothing at all. */
static uint64_t nothing_taken_ns(const struct evidence *e)
{
    uint64_t ns, least = UINT64_MAX;
    const struct channel *now = e->now;
    uint64_t looks = e->before != NULL && e->before->snapshot.received == now->snapshot.received
                         ? text_less(now->snapshot.taken_ns, e->before->snapshot.taken_ns)
                         : 0;
    /* Who sleeps has found nothing to take since it went to sleep. */
    if (channel_asleep(now, &now->snapshot.receiver, &ns) && ns != UINT64_MAX)
        return ns > looks ? ns : looks;
    for (size_t i = 0; i < now->sender_count; i++) {
        if (!lane_stands(e, &now->senders[i], &ns))
            return looks;
        least = ns < least ? ns : least;
    }
    return now->sender_count > 0 && least > looks ? least : looks;
}

/* The lane from which it has certainly taken nothing for longest. */
static const struct channel_sender *longest_standing(const struct evidence *e, uint64_t *ret_ns)
{
    const struct channel_sender *longest = NULL;
    *ret_ns = 0;
    for (size_t i = 0; i < e->now->sender_count; i++) {
        uint64_t ns;
        if (lane_stands(e, &e->now->senders[i], &ns) && ns >= *ret_ns) {
            *ret_ns = ns;
            longest = &e->now->senders[i];
        }
    }
    return longest;
}

/* "has taken nothing for 4.2 s" */
static void put_nothing_taken(const struct evidence *e)
{
    uint64_t lane_ns, all_ns = nothing_taken_ns(e);
    const struct channel_sender *lane = longest_standing(e, &lane_ns);
    if (lane != NULL && lane_ns > all_ns + 100000000u)
        fprintf(e->out, "has taken nothing from the lane of sender %" PRIu32 " for %s", lane->state.place,
                text_span(lane_ns).s);
    else if (all_ns >= 100000000u)
        fprintf(e->out, "has taken nothing for %s", text_span(all_ns).s);
    else
        fputs("takes nothing", e->out);
}

/* ---------------------------------------------------------------- states */

/* "state S", and whose it is. */
static struct text state_text(struct proc_view view)
{
    struct text t;
    if (view.threads > 1)
        snprintf(t.s, sizeof t.s, "state %c of the liveliest of its %" PRIu32 " threads", view.letter,
                 view.threads);
    else
        snprintf(t.s, sizeof t.s, "state %c", view.letter);
    return t;
}

static void put_letter(const struct evidence *e)
{
    const struct proc_view view = e->now->receiver_view;
    uint64_t ns;
    if (view.sight == PROC_ELSEWHERE) {
        fputs("what it does cannot be seen from here: it is in another PID namespace, or /proc hides it",
              e->out);
        return;
    }
    if (channel_asleep(e->now, &e->now->snapshot.receiver, &ns)) {
        fputs("it sleeps in the channel and has not woken up (is it frozen, or has it no CPU?)", e->out);
        return;
    }
    if (view.main_ended)
        fputs("its main thread has ended; ", e->out);
    switch (view.letter) {
    case 'R':
        fprintf(e->out, "it is running, or waiting for a CPU (%s), but not receiving", state_text(view).s);
        break;
    case 'D':
        fprintf(
            e->out,
            "it is in the kernel, in a wait that no signal ends (%s): a disk, a file system, or it is frozen",
            state_text(view).s);
        break;
    case 'Z':
        fputs("its main thread has ended (state Z)", e->out);
        break;
    case 0:
        fputs("/proc does not say what it is doing", e->out);
        break;
    default:
        fprintf(e->out, "it waits for something other than messages (%s)", state_text(view).s);
    }
}

/* Where to look for what it does. A debugger cannot stop who is in state D or Z, or frozen. */
static void put_where_it_is(const struct evidence *e)
{
    const struct proc_view view = e->now->receiver_view;
    int32_t pid = e->now->snapshot.receiver.pid;
    uint64_t ns;
    if (view.sight == PROC_ELSEWHERE)
        fputs(" Look at it where it runs.", e->out);
    else if (channel_asleep(e->now, &e->now->snapshot.receiver, &ns))
        fprintf(e->out,
                " Its control group, which may be frozen (a container that is paused) or short of CPU, is in "
                "/proc/%" PRId32 "/cgroup.",
                pid);
    else if (view.letter == 'D')
        fprintf(e->out, " See where it is, as root, in /proc/%" PRId32 "/stack.", pid);
    else if (view.main_ended || view.letter == 'Z')
        fprintf(e->out, " See what its other threads do, as root, in /proc/%" PRId32 "/task/*/stack.", pid);
    else
        fprintf(e->out, " See where it is with `gdb -p %" PRId32 "`, or as root in /proc/%" PRId32 "/stack.",
                pid, pid);
}

static void put_stalled_running(const struct evidence *e)
{
    fputs(" although ", e->out);
    put_waiting(e);
    fputs("; ", e->out);
    put_letter(e);
    fputs("; ", e->out);
    put_blocked(e, "the only sender");
    fputc('.', e->out);
    if (!e->damaged)
        put_where_it_is(e);
}

static void put_stalled(const struct evidence *e)
{
    struct proc_view view = e->now->receiver_view;
    put_receiver(e);
    fputc(' ', e->out);
    put_nothing_taken(e);
    if (!proc_halted(view)) {
        put_stalled_running(e);
        return;
    }
    if (view.sight == PROC_STOPPED)
        fputs(" and is stopped (state T); ", e->out);
    else
        fputs(" and is held by a debugger (state t); ", e->out);
    put_waiting(e);
    if (e->now->used == 0) {
        fputs(", but the next one will.", e->out);
    } else {
        fputs(", ", e->out);
        put_blocked(e, "the only sender");
        fputc('.', e->out);
    }
    if (e->damaged)
        return;
    put_cure_of_stopped(e, &e->now->snapshot.receiver, view);
    fputs("; or end it and start another, which goes on at the next message.", e->out);
}

/* What senders meet while there is no receiver. */
static void put_without_receiver(const struct evidence *e)
{
    const struct shmchan_snapshot *s = &e->now->snapshot;
    uint64_t longest_ns;
    if (!(s->flags & SHMCHAN_WAIT_FOR_RECEIVER) && s->receiver.state == SHMCHAN_PLACE_DEAD)
        fputs("sends fail (EPIPE) after 100 ms or 16 messages, whichever comes last", e->out);
    else if (!(s->flags & SHMCHAN_WAIT_FOR_RECEIVER) && s->receivers_joined > 0)
        fputs("sends fail (EPIPE)", e->out);
    else if (channel_blocked(e->now, &longest_ns) > 0)
        put_blocked(e, "it");
    else
        fputs("senders go on until their lanes are full, then they block", e->out);
}

static void put_gone_receiver(const struct evidence *e)
{
    const struct shmchan_process *receiver = &e->now->snapshot.receiver;
    if (e->now->snapshot.receivers_joined == 0) {
        fputs("No receiver has joined yet", e->out);
        return;
    }
    put_receiver(e);
    fputs(receiver->state == SHMCHAN_PLACE_DEAD ? " ended without closing" : " has closed", e->out);
}

static void put_no_receiver(const struct evidence *e)
{
    const struct shmchan_snapshot *s = &e->now->snapshot;
    put_gone_receiver(e);
    fputs(s->receivers_joined == 0 ? "; " : ", and no other has come; ", e->out);
    put_waiting(e);
    if (e->now->forking)
        fputs(", a process that is forking holds a sender for its child: ", e->out);
    else
        fprintf(e->out, ", %" PRIu32 " sender%s %s there: ", s->senders_held, s_if(s->senders_held),
                s->senders_held == 1 ? "is" : "are");
    put_without_receiver(e);
    fputc('.', e->out);
    if (!e->damaged)
        fputs(s->receivers_joined == 0 ? " Start the receiver."
                                       : " Start a receiver: it goes on at the next message.",
              e->out);
}

static void put_rates(const struct evidence *e)
{
    struct rates rates = rates_of(e->now, e->before);
    if (rates.known)
        fprintf(e->out, "%s sent and %s received a second", text_rate(rates.sent).s,
                text_rate(rates.received).s);
}

static size_t full_lanes(const struct evidence *e)
{
    size_t full = 0;
    for (size_t i = 0; i < e->now->sender_count; i++) {
        const struct shmchan_sender_state *sender = &e->now->senders[i].state;
        full += channel_held(&sender->process) && channel_lane_used(sender) >= e->now->snapshot.capacity;
    }
    return full;
}

/* How many times senders that are there found their lanes full between the looks. */
static uint64_t times_full(const struct evidence *e)
{
    uint64_t times = 0;
    for (size_t i = 0; e->before != NULL && i < e->now->sender_count; i++) {
        const struct shmchan_sender_state *sender = &e->now->senders[i].state;
        const struct channel_sender *old = channel_sender_at(e->before, sender->place);
        if (old != NULL && channel_same_process(&old->state.process, &sender->process))
            times += text_less(sender->full, old->state.full);
    }
    return times;
}

static void put_full(const struct evidence *e)
{
    uint64_t longest_ns, times = times_full(e);
    size_t full = full_lanes(e), blocked = channel_blocked(e->now, &longest_ns);
    put_receiver(e);
    fputs(" does not keep up with its senders: ", e->out);
    if (blocked > 0)
        put_blocked(e, "the only sender");
    else if (full > 0)
        fprintf(e->out, "%zu lane%s full", full, full == 1 ? " is" : "s are");
    else
        fprintf(e->out, "they found their lanes full %" PRIu64 " time%s just now", times, s_if(times));
    fprintf(e->out, ", %" PRIu64 " of %" PRIu64 " slots hold messages", e->now->used, e->now->room);
    struct rates rates = rates_of(e->now, e->before);
    if (rates.known) {
        fputs(", ", e->out);
        put_rates(e);
    }
    fprintf(e->out, ". %s.", blocked > 0 ? "Nothing is lost, senders wait" : "Nothing that was sent is lost");
    if (!e->damaged)
        fputs(
            " Make it faster, or have it take more at once (shmchan_recv_many); a larger capacity helps with "
            "bursts only.",
            e->out);
}

static void put_orphaned(const struct evidence *e)
{
    const struct shmchan_snapshot *s = &e->now->snapshot;
    fputs("No living process holds a place in this channel. ", e->out);
    put_gone_receiver(e);
    fprintf(e->out, "; %" PRIu64 " sender%s had joined; ", s->senders_joined, s_if(s->senders_joined));
    put_waiting(e);
    fputs(". ", e->out);
    if (e->now->linked) {
        fputs("It can be gone on with, or removed, where its name is.", e->out);
        return;
    }
    if (channel_anonymous(e->now)) {
        fprintf(e->out, "It goes when pid %" PRId32 ", and who else may have it open, closes it or ends.",
                e->now->holder_pid);
        return;
    }
    if (!e->damaged)
        fputs(e->now->used > 0 ? "A receiver that opens it takes them; to give it up"
                               : "Programs that open it go on with it; to give it up",
              e->out);
    fprintf(e->out, "%s: `shmchan-stat --remove-orphans %s`.", e->damaged ? "To remove it" : "",
            text_shell(e->now->name).s);
}

static void put_no_senders(const struct evidence *e)
{
    const struct shmchan_snapshot *s = &e->now->snapshot;
    uint64_t ns;
    if (s->senders_joined == 0) {
        fputs("No sender has joined yet. ", e->out);
        put_receiver(e);
        fputs(channel_asleep(e->now, &s->receiver, &ns) ? " is there and waits for the first." : " is there.",
              e->out);
        fputs(e->damaged ? "" : " Start a sender.", e->out);
        return;
    }
    if (s->senders_joined == 1)
        fprintf(e->out, "No sender is there: the only one that joined %s",
                s->senders_died > 0 ? "ended without closing" : "has left");
    else
        fprintf(e->out,
                "No sender is there: all %" PRIu64 " that joined have left, %" PRIu64
                " of them without closing",
                s->senders_joined, s->senders_died);
    fputs(". ", e->out);
    put_receiver(e);
    fputs(" is there, ", e->out);
    put_waiting(e);
    fprintf(e->out, ". It sees the end of the channel %s; a sender that joins makes it go on.",
            e->now->used > 0 ? "after that" : "now");
}

/* It may be stopped, and nobody here can tell: it is not called well, unless it took something. */
static bool in_doubt(const struct evidence *e)
{
    return out_of_sight(e->now->receiver_view) && !(rates_of(e->now, e->before).received > 0);
}

static const char *how_it_is(const struct evidence *e)
{
    return e->damaged ? "It goes on" : in_doubt(e) ? "No trouble is seen" : "It is well";
}

static void put_doubt(const struct evidence *e)
{
    put_receiver(e);
    fputs(" lives; whether it is stopped cannot be seen from here.", e->out);
}

static void put_flowing(const struct evidence *e)
{
    struct rates rates = rates_of(e->now, e->before);
    fprintf(e->out, "%s: ", how_it_is(e));
    if (rates.known) {
        put_rates(e);
        fputs(", ", e->out);
    }
    put_waiting(e);
    fputs(", ", e->out);
    uint64_t longest_ns, times = times_full(e);
    if (times > 0)
        fprintf(e->out,
                "no sender is blocked for long (they found their lanes full %" PRIu64 " time%s just now)",
                times, s_if(times));
    else if (channel_blocked(e->now, &longest_ns) > 0)
        put_blocked(e, "the only sender");
    else
        fputs("no sender is blocked", e->out);
    fputc('.', e->out);
    if (in_doubt(e)) {
        fputc(' ', e->out);
        put_doubt(e);
    }
}

static void put_idle(const struct evidence *e)
{
    uint64_t ns;
    fprintf(e->out, "%s, and nothing is sent: no message waits. ", how_it_is(e));
    if (in_doubt(e)) {
        put_doubt(e);
        return;
    }
    put_receiver(e);
    if (channel_asleep(e->now, &e->now->snapshot.receiver, &ns) && ns != UINT64_MAX)
        fprintf(e->out, " has waited for one for %s.", text_span(ns).s);
    else
        fputs(" is there.", e->out);
}

static void put_state(const struct evidence *e, enum channel_state state)
{
    switch (state) {
    case STATE_STALLED:
        put_stalled(e);
        break;
    case STATE_NO_RECEIVER:
        put_no_receiver(e);
        break;
    case STATE_FULL:
        put_full(e);
        break;
    case STATE_ORPHANED:
        put_orphaned(e);
        break;
    case STATE_NO_SENDERS:
        put_no_senders(e);
        break;
    case STATE_FLOWING:
        put_flowing(e);
        break;
    case STATE_IDLE:
        put_idle(e);
        break;
    case STATE_DAMAGED:
    case STATE_MISSING:
    case STATE_FOREIGN:
    case STATE_UNREADABLE:
        break;
    }
}

/* ---------------------------------------------------------------- what else there is to say */

static void put_lanes_damaged(const struct evidence *e)
{
    const struct shmchan_snapshot *s = &e->now->snapshot;
    fputs("Something has written into this region that should not: ", e->out);
    if (s->lanes_damaged_now > 0)
        fprintf(e->out, "%" PRIu64 " lane%s damaged and not put right yet", s->lanes_damaged_now,
                s->lanes_damaged_now == 1 ? " is" : "s are");
    if (s->lanes_damaged > 0)
        fprintf(e->out, "%s%" PRIu64 " time%s the receiver found a lane damaged and put it right",
                s->lanes_damaged_now > 0 ? ", " : "", s->lanes_damaged, s_if(s->lanes_damaged));
    fprintf(e->out,
            "; messages in it may be lost or wrong. Find out what it is (the region is uid %" PRIu32 "'s",
            s->owner_uid);
    /* Nobody opens one without a name by its mode. */
    if (!channel_anonymous(e->now))
        fprintf(e->out, ", mode %04" PRIo32, s->mode);
    fputs("), end all users of the channel and make it anew. ", e->out);
}

static bool is_dead_loss(const struct channel_sender *sender)
{
    const struct shmchan_sender_state *state = &sender->state;
    return state->process.state == SHMCHAN_PLACE_DEAD && (state->sent != state->received || state->reserved);
}

static void put_dead_sender(const struct evidence *e, const struct channel_sender *sender)
{
    uint64_t left = channel_lane_used(&sender->state);
    fputc(' ', e->out);
    put_sender(e, sender);
    if (left == 0)
        fputs(" died with a slot reserved: that message is lost, nothing else.", e->out);
    else
        fprintf(e->out, " died with %" PRIu64 " message%s still to be received%s.", left, s_if(left),
                sender->state.reserved ? " and one reserved that is lost" : "");
}

static void put_stopped_sender(const struct evidence *e, const struct channel_sender *sender)
{
    fputc(' ', e->out);
    put_sender(e, sender);
    fputs(sender->view.sight == PROC_STOPPED ? " is stopped (state T)." : " is held by a debugger (state t).",
          e->out);
    if (e->damaged)
        return;
    put_cure_of_stopped(e, &sender->state.process, sender->view);
    fputc('.', e->out);
}

static void put_senders(const struct evidence *e, bool (*which)(const struct channel_sender *sender),
                        void (*put)(const struct evidence *e, const struct channel_sender *sender),
                        const char *are_so)
{
    size_t count = 0;
    for (size_t i = 0; i < e->now->sender_count; i++) {
        if (which(&e->now->senders[i]) && count++ < NAMED_MAX)
            put(e, &e->now->senders[i]);
    }
    if (count > NAMED_MAX)
        fprintf(e->out, " %zu more %s.", count - NAMED_MAX, are_so);
}

static bool is_stopped(const struct channel_sender *sender)
{
    return proc_halted(sender->view);
}

/* The mutex is held for microseconds, unless its holder was stopped or has died with it. */
static void put_mutex(const struct evidence *e)
{
    int32_t pid = e->now->snapshot.mutex_owner_pid;
    if (pid == 0 || e->before == NULL || e->before->snapshot.mutex_owner_pid != pid)
        return;
    if (pid < 0) {
        fprintf(e->out,
                " Its mutex reads as held by pid %" PRId32 ", which is none: something has written over it.",
                pid);
        return;
    }
    fprintf(e->out, " Pid %" PRId32 " has begun to join or take over and has not finished", pid);
    struct proc_view view = proc_look_by_pid(pid, e->now->region, e->now->snapshot.taken_ns);
    if (view.sight == PROC_ELSEWHERE)
        fputs(
            "; no such process is visible here that has the channel open: it is in another PID namespace, or "
            "has died; then the next that joins puts that right.",
            e->out);
    else if (view.sight == PROC_STOPPED)
        fprintf(e->out,
                "; it is stopped (state T), and nobody else can join. Let it go on with `kill -CONT %" PRId32
                "`, or end it.",
                pid);
    else if (view.sight == PROC_UNKNOWN)
        fputs("; meanwhile nobody else can join. This user may not see whether it is the process of this "
              "number "
              "here.",
              e->out);
    else
        fputs("; meanwhile nobody else can join.", e->out);
}

/* Where nobody who is not there yet can find it. */
static void put_nameless(const struct evidence *e)
{
    if (!channel_anonymous(e->now) || strncmp(e->now->name, "memfd:", strlen("memfd:")) == 0)
        return;
    if (e->now->linked)
        fprintf(e->out,
                " It is in another /dev/shm than ours: pid %" PRId32
                " and those that have that one find it there.",
                e->now->holder_pid);
    else
        fputs(" Its name has been removed: nobody else can join it any more, only those that have it go on.",
              e->out);
}

static void put_error(const struct evidence *e)
{
    const struct channel *now = e->now;
    if (now->error == -EACCES && now->file_mode != FILE_UNKNOWN) {
        fprintf(e->out,
                "This user may not read it (uid %" PRIu32 "'s, mode %04" PRIo32
                "), so nobody can say what it is, or whether it is a channel. Ask as that user or as root.",
                now->file_uid, now->file_mode);
        return;
    }
    const char *words = shmchan_strerror(now->error);
    fprintf(e->out, "%c%s.", toupper((unsigned char)words[0]), words + 1);
}

static void put_all(const struct evidence *e)
{
    if (e->now->error < 0) {
        put_error(e);
        return;
    }
    if (e->damaged)
        put_lanes_damaged(e);
    put_state(e, channel_state_but_damage(e->now, e->before));
    put_senders(e, is_dead_loss, put_dead_sender, "died likewise");
    put_senders(e, is_stopped, put_stopped_sender, "are stopped or traced");
    put_mutex(e);
    put_nameless(e);
}

char *diagnosis(const struct channel *now, const struct channel *before)
{
    char *words = NULL;
    size_t size;
    if (before != NULL && (before->error < 0 || now->error < 0 || !channel_same(now, before)))
        before = NULL;
    struct evidence e = {text_must(open_memstream(&words, &size)), now, before,
                         now->error == 0 && channel_state(now, before) == STATE_DAMAGED};
    put_all(&e);
    if (fclose(e.out) != 0)
        text_must(NULL);
    return text_must(words);
}

char *diagnosis_in_short(const struct channel *now)
{
    char *words;
    if (now->error != -EACCES || now->file_mode == FILE_UNKNOWN)
        return diagnosis(now, NULL);
    if (asprintf(&words, "uid %" PRIu32 "'s, mode %04" PRIo32 "; may be no channel", now->file_uid,
                 now->file_mode) < 0)
        text_must(NULL);
    return words;
}
