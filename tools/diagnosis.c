/* SPDX-License-Identifier: MIT */
/* Puts what two looks have shown into sentences. Says nothing that was not read, and "for 4 s" only of what
   cannot have been otherwise in these 4 s. */
#include "diagnosis.h"

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

struct looks {
    FILE *out;
    const struct channel *now;
    const struct channel *before; /* NULL: there is none, or it is no use */
};

static const char *s_if(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static bool held(const struct shmchan_process *process)
{
    return process->state == SHMCHAN_PLACE_HELD;
}

static bool stopped(struct proc_view view)
{
    return view.sight == PROC_STOPPED || view.sight == PROC_TRACED;
}

/* ---------------------------------------------------------------- processes */

/* "(pid 812, `collector`)" */
static void put_process(FILE *out, const struct shmchan_process *process, struct proc_view view)
{
    fprintf(out, "(pid %" PRId32, process->pid);
    if (process->command[0] != '\0')
        fprintf(out, ", `%s`", text_printable(process->command, sizeof process->command).s);
    fputs(view.sight == PROC_ELSEWHERE ? ", not visible from here)" : ")", out);
}

static void put_receiver(const struct looks *l)
{
    fputs("The receiver ", l->out);
    put_process(l->out, &l->now->snapshot.receiver, l->now->receiver_view);
}

static void put_sender(const struct looks *l, const struct channel_sender *sender)
{
    fprintf(l->out, "Sender %" PRIu32 " ", sender->state.place);
    put_process(l->out, &sender->state.process, sender->view);
}

/* What to do with a process that is stopped or traced. */
static void put_cure_of_stopped(const struct looks *l, const struct shmchan_process *process,
                                struct proc_view view)
{
    if (view.sight == PROC_STOPPED) {
        fprintf(l->out, " Let it go on with `kill -CONT %" PRId32 "`", process->pid);
        return;
    }
    int32_t tracer = proc_tracer(process->pid);
    if (tracer != 0)
        fprintf(l->out, " Let its debugger (pid %" PRId32 ") continue or detach it", tracer);
    else
        fputs(" Let its debugger continue or detach it", l->out);
}

/* ---------------------------------------------------------------- senders together */

static void put_blocked(const struct looks *l)
{
    uint64_t longest_ns;
    size_t blocked = channel_blocked(l->now, &longest_ns);
    uint32_t alive = l->now->snapshot.senders_held;
    if (blocked == 0) {
        fputs("no sender is blocked yet", l->out);
        return;
    }
    fprintf(l->out, "%zu of %" PRIu32 " sender%s %s blocked", blocked, alive, s_if(alive),
            blocked == 1 ? "is" : "are");
    if (longest_ns > 0)
        fprintf(l->out, "%s for %s", blocked == 1 ? "" : ", the longest", text_span(longest_ns).s);
}

static void put_waiting(const struct looks *l)
{
    uint64_t used = l->now->used;
    if (used == 0)
        fputs("no message waits", l->out);
    else
        fprintf(l->out, "%" PRIu64 " message%s wait%s", used, s_if(used), used == 1 ? "s" : "");
}

/* A sender that is blocked and whose lane is still full: the receiver has taken nothing from it meanwhile, as
   who sleeps publishes nothing. */
static bool lane_stands(const struct looks *l, const struct channel_sender *sender, uint64_t *ret_ns)
{
    return channel_asleep(l->now, &sender->state.process, ret_ns) && *ret_ns != UINT64_MAX &&
           text_less(sender->state.sent, sender->state.received) >= l->now->snapshot.capacity;
}

/* For how long the receiver has certainly taken nothing at all. */
static uint64_t nothing_taken_ns(const struct looks *l)
{
    uint64_t ns, least = UINT64_MAX;
    const struct channel *now = l->now;
    uint64_t looks = l->before != NULL && l->before->snapshot.received == now->snapshot.received
                         ? text_less(now->snapshot.taken_ns, l->before->snapshot.taken_ns)
                         : 0;
    /* Who sleeps has found nothing to take since it went to sleep. */
    if (channel_asleep(now, &now->snapshot.receiver, &ns) && ns != UINT64_MAX)
        return ns > looks ? ns : looks;
    for (size_t i = 0; i < now->sender_count; i++) {
        if (!lane_stands(l, &now->senders[i], &ns))
            return looks;
        least = ns < least ? ns : least;
    }
    return now->sender_count > 0 && least > looks ? least : looks;
}

/* The lane from which it has certainly taken nothing for longest. */
static const struct channel_sender *longest_standing(const struct looks *l, uint64_t *ret_ns)
{
    const struct channel_sender *longest = NULL;
    *ret_ns = 0;
    for (size_t i = 0; i < l->now->sender_count; i++) {
        uint64_t ns;
        if (lane_stands(l, &l->now->senders[i], &ns) && ns >= *ret_ns) {
            *ret_ns = ns;
            longest = &l->now->senders[i];
        }
    }
    return longest;
}

/* "has taken nothing for 4.2 s" */
static void put_nothing_taken(const struct looks *l)
{
    uint64_t lane_ns, all_ns = nothing_taken_ns(l);
    const struct channel_sender *lane = longest_standing(l, &lane_ns);
    if (lane != NULL && lane_ns > all_ns + 100000000u)
        fprintf(l->out, "has taken nothing from the lane of sender %" PRIu32 " for %s", lane->state.place,
                text_span(lane_ns).s);
    else if (all_ns >= 100000000u)
        fprintf(l->out, "has taken nothing for %s", text_span(all_ns).s);
    else
        fputs("takes nothing", l->out);
}

/* ---------------------------------------------------------------- states */

static void put_letter(const struct looks *l)
{
    const struct proc_view view = l->now->receiver_view;
    uint64_t ns;
    if (view.sight == PROC_ELSEWHERE) {
        fputs("what it does cannot be seen from here: it is in another PID namespace, or /proc hides it",
              l->out);
        return;
    }
    if (channel_asleep(l->now, &l->now->snapshot.receiver, &ns)) {
        fputs("it sleeps in the channel and has not woken up (has it no CPU?)", l->out);
        return;
    }
    switch (view.letter) {
    case 'R':
        fputs("it is running, or waiting for a CPU (state R), but not receiving", l->out);
        break;
    case 'D':
        fputs("it is in the kernel, in a wait that no signal ends (state D): a disk, a file system", l->out);
        break;
    case 'Z':
        fputs("its main thread has ended (state Z)", l->out);
        break;
    case 0:
        fputs("/proc does not say what it is doing", l->out);
        break;
    default:
        fprintf(l->out, "it waits for something other than messages (state %s)",
                text_printable(&view.letter, 1).s);
    }
}

static void put_stalled(const struct looks *l)
{
    const struct shmchan_process *receiver = &l->now->snapshot.receiver;
    struct proc_view view = l->now->receiver_view;
    put_receiver(l);
    fputc(' ', l->out);
    put_nothing_taken(l);
    if (!stopped(view)) {
        fputs(" although ", l->out);
        put_waiting(l);
        fputs("; ", l->out);
        put_letter(l);
        fputs("; ", l->out);
        put_blocked(l);
        if (view.sight == PROC_ELSEWHERE)
            fputs(". Look at it where it runs.", l->out);
        else
            fprintf(l->out,
                    ". See where it is with `gdb -p %" PRId32 "`, or as root in /proc/%" PRId32 "/stack.",
                    receiver->pid, receiver->pid);
        return;
    }
    if (view.sight == PROC_STOPPED)
        fputs(" and is stopped (state T); ", l->out);
    else
        fputs(" and is held by a debugger (state t); ", l->out);
    if (l->now->used == 0) {
        put_waiting(l);
        fputs(", but the next one will.", l->out);
    } else {
        put_waiting(l);
        fputs(", ", l->out);
        put_blocked(l);
        fputc('.', l->out);
    }
    put_cure_of_stopped(l, receiver, view);
    fputs("; or end it and start another, which goes on at the next message.", l->out);
}

/* What senders meet while there is no receiver. */
static void put_without_receiver(const struct looks *l)
{
    const struct shmchan_snapshot *s = &l->now->snapshot;
    uint64_t longest_ns;
    if (!(s->flags & SHMCHAN_WAIT_FOR_RECEIVER) && s->receivers_joined > 0)
        fputs("sends fail (EPIPE)", l->out);
    else if (channel_blocked(l->now, &longest_ns) > 0)
        put_blocked(l);
    else
        fputs("senders go on until their lanes are full, then they block", l->out);
}

static void put_gone_receiver(const struct looks *l)
{
    const struct shmchan_process *receiver = &l->now->snapshot.receiver;
    if (l->now->snapshot.receivers_joined == 0) {
        fputs("No receiver has joined yet", l->out);
        return;
    }
    put_receiver(l);
    fputs(receiver->state == SHMCHAN_PLACE_DEAD ? " ended without closing" : " has closed", l->out);
}

static void put_no_receiver(const struct looks *l)
{
    const struct shmchan_snapshot *s = &l->now->snapshot;
    put_gone_receiver(l);
    fputs(s->receivers_joined == 0 ? "; " : ", and no other has come; ", l->out);
    put_waiting(l);
    if (l->now->forking)
        fputs(", a process that is forking holds a sender for its child: ", l->out);
    else
        fprintf(l->out, ", %" PRIu32 " sender%s %s there: ", s->senders_held, s_if(s->senders_held),
                s->senders_held == 1 ? "is" : "are");
    put_without_receiver(l);
    fputs(s->receivers_joined == 0 ? ". Start the receiver."
                                   : ". Start a receiver: it goes on at the next message.",
          l->out);
}

static void put_rates(const struct looks *l)
{
    struct rates rates = rates_of(l->now, l->before);
    if (rates.known)
        fprintf(l->out, "%s sent and %s received a second", text_rate(rates.sent).s,
                text_rate(rates.received).s);
}

/* How many lanes are full now, and how often living senders found theirs full between the looks. */
static size_t full_lanes(const struct looks *l, uint64_t *ret_found)
{
    size_t full = 0;
    *ret_found = 0;
    for (size_t i = 0; i < l->now->sender_count; i++) {
        const struct shmchan_sender_state *sender = &l->now->senders[i].state;
        if (!held(&sender->process))
            continue;
        full += text_less(sender->sent, sender->received) >= l->now->snapshot.capacity;
        const struct channel_sender *old =
            l->before == NULL ? NULL : channel_sender_at(l->before, sender->place);
        if (old != NULL && channel_same_process(&old->state.process, &sender->process))
            *ret_found += text_less(sender->full, old->state.full);
    }
    return full;
}

static void put_full(const struct looks *l)
{
    uint64_t longest_ns, found;
    size_t full = full_lanes(l, &found);
    put_receiver(l);
    fputs(" does not keep up with its senders: ", l->out);
    if (channel_blocked(l->now, &longest_ns) > 0)
        put_blocked(l);
    else if (full > 0)
        fprintf(l->out, "%zu lane%s full", full, full == 1 ? " is" : "s are");
    else
        fprintf(l->out, "they found their lanes full %" PRIu64 " time%s just now", found, s_if(found));
    fprintf(l->out, ", %" PRIu64 " of %" PRIu64 " slots hold messages", l->now->used, l->now->room);
    struct rates rates = rates_of(l->now, l->before);
    if (rates.known) {
        fputs(", ", l->out);
        put_rates(l);
    }
    fputs(
        ". Nothing is lost, senders wait. Make it faster, or have it take more at once (shmchan_recv_many); "
        "a larger capacity helps with bursts only.",
        l->out);
}

static void put_orphaned(const struct looks *l)
{
    const struct shmchan_snapshot *s = &l->now->snapshot;
    fputs("No living process holds a place in this channel. ", l->out);
    put_gone_receiver(l);
    fprintf(l->out, "; %" PRIu64 " sender%s had joined; ", s->senders_joined, s_if(s->senders_joined));
    put_waiting(l);
    fputs(". ", l->out);
    if (channel_anonymous(l->now)) {
        fprintf(l->out, "It goes when pid %" PRId32 ", and who else may have it open, closes it or ends.",
                l->now->holder_pid);
        return;
    }
    fputs(l->now->used > 0 ? "A receiver that opens it takes them" : "Programs that open it go on with it",
          l->out);
    fprintf(l->out, "; to give it up: `shmchan-stat --remove-orphans %s`.",
            text_printable(l->now->name, SIZE_MAX).s);
}

static void put_no_senders(const struct looks *l)
{
    const struct shmchan_snapshot *s = &l->now->snapshot;
    if (s->senders_joined == 0) {
        fputs("No sender has joined yet. ", l->out);
        put_receiver(l);
        fputs(" is there and waits for the first. Start a sender.", l->out);
        return;
    }
    if (s->senders_joined == 1)
        fprintf(l->out, "No sender is there: the only one that joined %s",
                s->senders_died > 0 ? "ended without closing" : "has left");
    else
        fprintf(l->out,
                "No sender is there: all %" PRIu64 " that joined have left, %" PRIu64
                " of them without closing",
                s->senders_joined, s->senders_died);
    fputs(". ", l->out);
    put_receiver(l);
    fputs(" is there, ", l->out);
    put_waiting(l);
    fputs(". It sees the end of the channel once none waits; a sender that joins makes it go on.", l->out);
}

static void put_flowing(const struct looks *l)
{
    fputs("It is well: ", l->out);
    struct rates rates = rates_of(l->now, l->before);
    if (rates.known) {
        put_rates(l);
        fputs(", ", l->out);
    }
    put_waiting(l);
    fputs(", no sender is blocked.", l->out);
}

static void put_idle(const struct looks *l)
{
    uint64_t ns;
    fputs("It is well, and nothing is sent: no message waits. ", l->out);
    put_receiver(l);
    if (channel_asleep(l->now, &l->now->snapshot.receiver, &ns) && ns != UINT64_MAX)
        fprintf(l->out, " has waited for one for %s.", text_span(ns).s);
    else
        fputs(" is there.", l->out);
}

static void put_state(const struct looks *l, enum channel_state state)
{
    switch (state) {
    case STATE_STALLED:
        put_stalled(l);
        break;
    case STATE_NO_RECEIVER:
        put_no_receiver(l);
        break;
    case STATE_FULL:
        put_full(l);
        break;
    case STATE_ORPHANED:
        put_orphaned(l);
        break;
    case STATE_NO_SENDERS:
        put_no_senders(l);
        break;
    case STATE_FLOWING:
        put_flowing(l);
        break;
    case STATE_IDLE:
        put_idle(l);
        break;
    case STATE_DAMAGED:
    case STATE_FOREIGN:
    case STATE_UNREADABLE:
        break;
    }
}

/* ---------------------------------------------------------------- what else there is to say */

static void put_lanes_damaged(const struct looks *l)
{
    const struct shmchan_snapshot *s = &l->now->snapshot;
    fprintf(
        l->out,
        "Something has written into this region that should not: %" PRIu64 " time%s the receiver found a lane "
        "damaged and put it right; messages in it may be lost or wrong. Find out what it is (the region is "
        "uid %" PRIu32 "'s, mode %04" PRIo32 "), end all users of the channel and make it anew. ",
        s->lanes_damaged, s_if(s->lanes_damaged), s->owner_uid, s->mode);
}

static bool is_dead_loss(const struct channel_sender *sender)
{
    const struct shmchan_sender_state *state = &sender->state;
    return state->process.state == SHMCHAN_PLACE_DEAD && (state->sent != state->received || state->reserved);
}

static void put_dead_sender(const struct looks *l, const struct channel_sender *sender)
{
    uint64_t left = text_less(sender->state.sent, sender->state.received);
    fputc(' ', l->out);
    put_sender(l, sender);
    if (left == 0)
        fputs(" died with a slot reserved: that message is lost, nothing else.", l->out);
    else
        fprintf(l->out, " died with %" PRIu64 " message%s still to be received%s.", left, s_if(left),
                sender->state.reserved ? " and one reserved that is lost" : "");
}

static void put_stopped_sender(const struct looks *l, const struct channel_sender *sender)
{
    fputc(' ', l->out);
    put_sender(l, sender);
    fputs(sender->view.sight == PROC_STOPPED ? " is stopped (state T)." : " is held by a debugger (state t).",
          l->out);
    put_cure_of_stopped(l, &sender->state.process, sender->view);
    fputc('.', l->out);
}

static void put_senders(const struct looks *l, bool (*which)(const struct channel_sender *sender),
                        void (*put)(const struct looks *l, const struct channel_sender *sender),
                        const char *are_so)
{
    size_t count = 0;
    for (size_t i = 0; i < l->now->sender_count; i++) {
        if (which(&l->now->senders[i]) && count++ < NAMED_MAX)
            put(l, &l->now->senders[i]);
    }
    if (count > NAMED_MAX)
        fprintf(l->out, " %zu more %s.", count - NAMED_MAX, are_so);
}

static bool is_stopped(const struct channel_sender *sender)
{
    return stopped(sender->view);
}

/* The mutex is held for microseconds, unless its holder was stopped or has died with it. */
static void put_mutex(const struct looks *l)
{
    int32_t pid = l->now->snapshot.mutex_owner_pid;
    if (pid == 0 || l->before == NULL || l->before->snapshot.mutex_owner_pid != pid)
        return;
    fprintf(l->out, " Pid %" PRId32 " has begun to join or take over and has not finished", pid);
    struct proc_view view = proc_look_by_pid(pid);
    if (view.sight == PROC_ELSEWHERE)
        fputs("; no such process is visible here: if it has died, the next that joins puts that right.",
              l->out);
    else if (view.sight == PROC_STOPPED)
        fprintf(l->out,
                "; it is stopped (state T), and nobody else can join. Let it go on with `kill -CONT %" PRId32
                "`, or end it.",
                pid);
    else
        fputs("; meanwhile nobody else can join.", l->out);
}

static void put_error(const struct looks *l)
{
    const struct channel *now = l->now;
    if (now->error == -EACCES && now->file_mode != FILE_UNKNOWN)
        fprintf(l->out,
                "This user may not read it (uid %" PRIu32 "'s, mode %04" PRIo32
                "), so nobody can say what it is, or "
                "whether it is a channel. Ask as that user or as root.",
                now->file_uid, now->file_mode);
    else
        fprintf(l->out, "%s.", shmchan_strerror(now->error));
}

static void put_all(const struct looks *l)
{
    if (l->now->error < 0) {
        put_error(l);
        return;
    }
    if (channel_state(l->now, l->before) == STATE_DAMAGED)
        put_lanes_damaged(l);
    put_state(l, channel_state_but_damage(l->now, l->before));
    put_senders(l, is_dead_loss, put_dead_sender, "died likewise");
    put_senders(l, is_stopped, put_stopped_sender, "are stopped or traced");
    put_mutex(l);
}

char *diagnosis(const struct channel *now, const struct channel *before)
{
    char *words = NULL;
    size_t size;
    if (before != NULL && (before->error < 0 || now->error < 0 || !channel_same(now, before)))
        before = NULL;
    struct looks l = {text_must(open_memstream(&words, &size)), now, before};
    put_all(&l);
    if (fclose(l.out) != 0)
        text_must(NULL);
    return text_must(words);
}
