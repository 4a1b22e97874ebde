/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of any channel from outside: no place, no lock, the control block mapped read-only and the lanes
 * not at all. Knows layout, segment, liveness, cond. All loads are acquire, so that what is loaded after
 * another is no older than it; that much tells one holder of a place from the next, and keeps counters from
 * falling.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cond.h"
#include "liveness.h"
#include "segment.h"

static uint64_t get64(const _Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static uint32_t get32(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

/* ------------------------------------------------------------------------------------------ positions */

/*
 * Both positions of a lane as they were at one instant; false: they contradict each other, and no honest
 * sender and receiver have stored them. A head seen before a tail is not ahead of it. The tail may be more
 * than `capacity` ahead of that head, if the receiver went on meanwhile; not of the head that is seen after
 * it, because a sender publishes only where it has seen room (so the acquire of tail brings the head that it
 * saw).
 */
static bool read_lane(const struct shm_place *p, uint32_t capacity, uint64_t *ret_head, uint64_t *ret_tail)
{
    uint64_t before = get64(&p->head);
    uint64_t tail = get64(&p->tail);
    uint64_t after = get64(&p->head);
    if (before > tail || (after < tail && tail - after > capacity))
        return false;
    if (tail - before <= capacity)
        *ret_head = before;
    else
        *ret_head = after < tail ? after : tail;
    *ret_tail = tail;
    return true;
}

/* What cannot be is not told. Without a holder that has signed, nobody has sent anything from `first` on. */
static void read_positions(const struct shm_place *p, uint32_t capacity, bool has_holder,
                           struct shmchan_sender_state *sender)
{
    /* Before the tail, which it never passes. */
    uint64_t first = get64(&p->first_position);
    if (!read_lane(p, capacity, &sender->received, &sender->sent)) {
        sender->damaged = 1;
        return;
    }
    sender->damaged = has_holder && first > sender->sent;
    sender->first_position = has_holder && first <= sender->sent ? first : sender->sent;
}

/* -------------------------------------------------------------------------------------------- owners */

/* Tells one holder's time in a place from another's, and in it, whether it still is in its place. */
struct stamp {
    uint64_t joined_ns; /* 0: the words are nobody's */
    uint32_t occupied;
};

static struct stamp read_stamp(const struct shm_owner *owner)
{
    return (struct stamp){.joined_ns = get64(&owner->joined_ns), .occupied = get32(&owner->occupied)};
}

static bool same_stamp(struct stamp a, struct stamp b)
{
    return a.joined_ns == b.joined_ns && a.occupied == b.occupied;
}

/* So often may a place change hands while it is looked at, which takes its holders far longer than us. */
#define TRIES 8

/* Whom nobody can know: of a place that changes faster than that, as only a scribbler can do it. */
static struct stamp nobody(struct stamp stamp)
{
    return (struct stamp){.joined_ns = 0, .occupied = stamp.occupied & ~SHM_OCCUPIED};
}

static bool is_signed(struct stamp stamp)
{
    return stamp.joined_ns != 0;
}

/*
 * Ended without closing, and not counted. Marked and unsigned: its successor has begun to take the place,
 * maybe holds it, and has not yet counted it; a holder marks the place after it has signed.
 */
static bool has_died(struct stamp stamp, bool held)
{
    return (stamp.occupied & SHM_OCCUPIED) && (!held || !is_signed(stamp));
}

static uint32_t place_state(struct stamp stamp, bool held, bool messages_left)
{
    if (held)
        return SHMCHAN_PLACE_HELD;
    if (has_died(stamp, held))
        return SHMCHAN_PLACE_DEAD;
    return messages_left ? SHMCHAN_PLACE_LEFT : SHMCHAN_PLACE_FREE;
}

static void read_process(const struct shm_owner *owner, const struct shm_event *event, struct stamp stamp,
                         bool held, struct shmchan_process *ret_process)
{
    *ret_process = (struct shmchan_process){.state = SHMCHAN_PLACE_FREE};
    if (!is_signed(stamp))
        return;
    uint64_t command[2] = {get64(&owner->command[0]), get64(&owner->command[1])};
    *ret_process = (struct shmchan_process){
        .pid = atomic_load_explicit(&owner->pid, memory_order_acquire),
        .start_time = get64(&owner->start_time),
        .joined_ns = stamp.joined_ns,
        .asleep_since_ns = held ? get64(&event->asleep_since_ns) : 0,
        .sleeps = get64(&owner->sleeps),
        .wakeups = get64(&owner->wakeups),
    };
    memcpy(ret_process->command, command, sizeof command);
    ret_process->command[sizeof ret_process->command - 1] = '\0';
}

/* ------------------------------------------------------------------------------------------- senders */

/* A place, and what it adds to the counters of the channel: those only grow, from look to look. */
struct place_look {
    struct shmchan_sender_state sender;
    uint64_t died;
    uint64_t reservations_lost;
};

static int look_at_place(const struct segment *segment, uint32_t place, struct stamp stamp,
                         struct place_look *ret_look)
{
    const struct shm_place *p = &segment->control->places[place];
    struct shmchan_sender_state *sender = &ret_look->sender;
    int held = liveness_occupied(segment->fd, shm_sender_byte(place));
    if (held < 0)
        return held;
    *ret_look = (struct place_look){.sender.place = place};
    read_process(&p->owner, &p->room, stamp, held, &sender->process);
    read_positions(p, segment->geometry.capacity, is_signed(stamp), sender);
    sender->process.state = place_state(stamp, held, sender->damaged || sender->sent != sender->received);
    bool died = has_died(stamp, held), reserved = get32(&p->reserved) != 0;
    /* Of a dead one that its successor has not counted yet, it is not that one's. */
    sender->reserved = reserved && !(held && died);
    sender->full = is_signed(stamp) ? get64(&p->full) : 0;
    uint32_t counted = stamp.occupied / SHM_DEATH;
    ret_look->died = (uint64_t)counted + died;
    ret_look->reservations_lost = get64(&p->lost[counted % 2]) + (died && reserved);
    return 0;
}

/*
 * If the stamp is the same before and after, all of it was so at the instant of the question who holds it: a
 * successor takes the stamp away before it takes the lock, and who closes takes the mark down before it drops
 * it.
 */
static int read_place(const struct segment *segment, uint32_t place, struct place_look *ret_look)
{
    const struct shm_owner *owner = &segment->control->places[place].owner;
    for (int i = 0; i < TRIES; i++) {
        struct stamp stamp = read_stamp(owner);
        int r = look_at_place(segment, place, stamp, ret_look);
        if (r < 0 || same_stamp(stamp, read_stamp(owner)))
            return r;
    }
    return look_at_place(segment, place, nobody(read_stamp(owner)), ret_look);
}

static void add_place(const struct place_look *look, struct shmchan_snapshot *snapshot)
{
    const struct shmchan_sender_state *sender = &look->sender;
    bool held = sender->process.state == SHMCHAN_PLACE_HELD;
    snapshot->sent += sender->sent;
    snapshot->received += sender->received;
    snapshot->senders_held += held;
    snapshot->senders_left += !held && sender->sent != sender->received;
    snapshot->senders_died += look->died;
    snapshot->reservations_lost += look->reservations_lost;
    snapshot->lanes_damaged_now += sender->damaged;
}

static bool never_used(const struct shm_place *p)
{
    return get64(&p->owner.joined_ns) == 0 && get32(&p->owner.occupied) == 0 && get64(&p->tail) == 0 &&
           get64(&p->head) == 0;
}

/* Of places that nobody has used yet, from `first` on, one question tells that nobody is in them; most
   channels have many. 1: so it is up to *ret_end; 0: ask for `first` and each up to there; -errno. */
static int nobody_yet(const struct segment *segment, uint32_t first, uint32_t *ret_end)
{
    uint32_t end = first;
    while (end < segment->geometry.max_senders && never_used(&segment->control->places[end]))
        end++;
    *ret_end = end;
    if (end == first)
        return 0;
    int r = liveness_held(segment->fd, shm_sender_byte(first), end - first);
    return r < 0 ? r : !r;
}

static int read_senders(const struct segment *segment, struct shmchan_snapshot *snapshot,
                        struct shmchan_sender_state *ret_senders, size_t count)
{
    uint32_t end = 0; /* of the places asked about together */
    int empty = 0;
    for (uint32_t i = 0; i < segment->geometry.max_senders; i++) {
        struct place_look look = {.sender.place = i};
        if (i >= end)
            empty = nobody_yet(segment, i, &end);
        int r = empty ? empty : read_place(segment, i, &look);
        if (r < 0)
            return r;
        add_place(&look, snapshot);
        if (i < count)
            ret_senders[i] = look.sender;
    }
    /* After the places: who is seen to have died is seen to have joined (pairs with mark_occupied). */
    snapshot->senders_joined = get64(&segment->control->senders_joined);
    return 0;
}

/* ------------------------------------------------------------------------------------------- the rest */

static int look_at_receiver(const struct segment *segment, struct stamp stamp,
                            struct shmchan_process *ret_process)
{
    const struct shm_control *control = segment->control;
    int held = liveness_occupied(segment->fd, SHM_RECEIVER_BYTE);
    if (held < 0)
        return held;
    read_process(&control->receiver, &control->not_empty, stamp, held, ret_process);
    ret_process->state = place_state(stamp, held, false);
    return 0;
}

/* As read_place. */
static int read_receiver(const struct segment *segment, struct shmchan_snapshot *snapshot)
{
    const struct shm_owner *owner = &segment->control->receiver;
    for (int i = 0; i < TRIES; i++) {
        struct stamp stamp = read_stamp(owner);
        int r = look_at_receiver(segment, stamp, &snapshot->receiver);
        if (r < 0 || same_stamp(stamp, read_stamp(owner)))
            return r;
    }
    return look_at_receiver(segment, nobody(read_stamp(owner)), &snapshot->receiver);
}

static int read_file(const struct segment *segment, struct shmchan_snapshot *snapshot)
{
    struct stat st;
    if (fstat(segment->fd, &st) < 0)
        return -errno;
    snapshot->mode = st.st_mode & 0777;
    snapshot->owner_uid = st.st_uid;
    snapshot->backed_bytes = (uint64_t)st.st_blocks * 512;
    return 0;
}

static void read_control(const struct segment *segment, struct shmchan_snapshot *snapshot)
{
    const struct shm_control *control = segment->control;
    const struct geometry *g = &segment->geometry;
    *snapshot = (struct shmchan_snapshot){
        .format_version = SHM_FORMAT_VERSION,
        .message_size = g->message_size,
        .capacity = g->capacity,
        .max_senders = g->max_senders,
        .flags = g->flags,
        .creator_pid = control->header.creator_pid,
        .created_ns = control->header.created_ns,
        .taken_ns = (uint64_t)clock_now_ns(),
        .region_bytes = g->region_bytes,
        .tickets = get64(&control->ticket),
        .receivers_joined = get64(&control->receivers_joined),
        .lanes_damaged = get64(&control->lanes_damaged),
        .mutex_owner_pid = atomic_load_explicit(&control->mutex_owner_pid, memory_order_relaxed),
        .receiver_closed = get32(&control->receiver_closed),
    };
    memcpy(snapshot->type, control->header.type, sizeof snapshot->type);
    snapshot->type[sizeof snapshot->type - 1] = '\0';
}

/* Closes the segment. */
static ssize_t inspect(struct segment *segment, struct shmchan_snapshot *ret_snapshot,
                       struct shmchan_sender_state *ret_senders, size_t count)
{
    struct shmchan_snapshot snapshot;
    read_control(segment, &snapshot);
    int r = read_file(segment, &snapshot);
    if (r == 0)
        r = read_receiver(segment, &snapshot);
    if (r == 0)
        r = read_senders(segment, &snapshot, ret_senders, count);
    uint32_t places = segment->geometry.max_senders;
    segment_close(segment);
    if (r < 0)
        return r;
    *ret_snapshot = snapshot;
    return (ssize_t)(count < places ? count : places);
}

ssize_t shmchan_inspect_senders(const char *name, struct shmchan_snapshot *ret_snapshot,
                                struct shmchan_sender_state *ret_senders, size_t count)
{
    struct segment_path path;
    struct segment segment;
    if (!ret_snapshot || (!ret_senders && count))
        return -EINVAL;
    int r = segment_path(name, &path);
    if (r == 0)
        r = segment_open(&path, false, &segment);
    return r < 0 ? r : inspect(&segment, ret_snapshot, ret_senders, count);
}

ssize_t shmchan_inspect_fd(int fd, struct shmchan_snapshot *ret_snapshot,
                           struct shmchan_sender_state *ret_senders, size_t count)
{
    struct segment segment;
    if (!ret_snapshot || (!ret_senders && count))
        return -EINVAL;
    int r = segment_reopen(fd, &segment);
    return r < 0 ? r : inspect(&segment, ret_snapshot, ret_senders, count);
}

int shmchan_inspect(const char *name, struct shmchan_snapshot *ret_snapshot)
{
    ssize_t r = shmchan_inspect_senders(name, ret_snapshot, NULL, 0);
    return r < 0 ? (int)r : 0;
}

static int visit_entry(const char *file, int (*visit)(const char *name, void *user), void *user)
{
    struct segment_path path;
    struct shm_header header;
    struct stat st;
    char name[sizeof path.text];
    if (segment_path(file, &path) < 0 || segment_probe(&path, &header, &st) < 0)
        return 0;
    name[0] = '/';
    memcpy(name + 1, file, strlen(file) + 1);
    return visit(name, user);
}

int shmchan_list(int (*visit)(const char *name, void *user), void *user)
{
    if (!visit)
        return -EINVAL;
    DIR *dir = opendir(SEGMENT_DIR);
    if (!dir)
        return errno == ENOENT ? 0 : -errno;
    int r = 0;
    while (r == 0) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry) {
            r = -errno;
            break;
        }
        r = visit_entry(entry->d_name, visit, user);
    }
    closedir(dir);
    return r;
}
