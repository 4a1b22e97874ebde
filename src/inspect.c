/* SPDX-License-Identifier: MIT */
/*
 * A snapshot of any channel from outside: no place, no lock, the control block mapped read-only and the lanes
 * not at all. Knows layout, segment, liveness. All loads are relaxed unless said: the numbers are for people.
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
    return atomic_load_explicit(word, memory_order_relaxed);
}

static uint32_t get32(const _Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* Both positions of a lane, consistent with each other as far as that can be had: head first, as it
   never passes the tail that is read after it. Clamped, as the region may be damaged. */
static void read_lane(const struct shm_place *p, uint32_t capacity, uint64_t *ret_head, uint64_t *ret_tail)
{
    uint64_t head, tail;
    /* While the lane runs, tail may pass head + capacity between the two loads; a few tries find it quiet. */
    for (int tries = 0; tries < 8; tries++) {
        /* Acquire: the tail is loaded after it. */
        head = atomic_load_explicit(&p->head, memory_order_acquire);
        tail = get64(&p->tail);
        if (tail - head <= capacity)
            break;
    }
    if (tail - head > capacity)
        tail = head + capacity;
    *ret_head = head;
    *ret_tail = tail;
}

static void read_process(const struct shm_owner *owner, const struct shm_event *event, bool held,
                         struct shmchan_process *ret_process)
{
    uint64_t command[2] = {get64(&owner->command[0]), get64(&owner->command[1])};
    *ret_process = (struct shmchan_process){
        .pid = atomic_load_explicit(&owner->pid, memory_order_relaxed),
        .start_time = get64(&owner->start_time),
        .joined_ns = get64(&owner->joined_ns),
        .asleep_since_ns = held ? get64(&event->asleep_since_ns) : 0,
        .sleeps = get64(&owner->sleeps),
        .wakeups = get64(&owner->wakeups),
    };
    memcpy(ret_process->command, command, sizeof command);
    ret_process->command[sizeof ret_process->command - 1] = '\0';
}

/* Held is asked after the hint was read: who shows as dead had taken the place and lives no more. */
static uint32_t place_state(uint32_t occupied, int held, bool messages_left)
{
    if (held > 0)
        return SHMCHAN_PLACE_HELD;
    if (occupied)
        return SHMCHAN_PLACE_DEAD;
    return messages_left ? SHMCHAN_PLACE_LEFT : SHMCHAN_PLACE_FREE;
}

static int read_sender(const struct segment *segment, uint32_t place, struct shmchan_sender_state *ret_sender)
{
    const struct shm_place *p = &segment->control->places[place];
    uint32_t occupied = get32(&p->owner.occupied);
    int held = liveness_held(segment->fd, shm_sender_byte(place), 1);
    if (held < 0)
        return held;
    /* It may have been closed in order between hint and question. */
    if (!held)
        occupied = occupied && get32(&p->owner.occupied);
    memset(ret_sender, 0, sizeof *ret_sender);
    read_process(&p->owner, &p->room, held > 0, &ret_sender->process);
    read_lane(p, segment->geometry.capacity, &ret_sender->received, &ret_sender->sent);
    ret_sender->process.state = place_state(occupied, held, ret_sender->sent != ret_sender->received);
    ret_sender->place = place;
    ret_sender->reserved = get32(&p->reserved) != 0;
    ret_sender->first_position = get64(&p->first_position);
    ret_sender->full = get64(&p->full);
    return 0;
}

static void add_sender(const struct shmchan_sender_state *sender, struct shmchan_snapshot *snapshot)
{
    bool dead = sender->process.state == SHMCHAN_PLACE_DEAD;
    snapshot->sent += sender->sent;
    snapshot->received += sender->received;
    snapshot->senders_held += sender->process.state == SHMCHAN_PLACE_HELD;
    snapshot->senders_left += sender->process.state != SHMCHAN_PLACE_HELD && sender->sent != sender->received;
    /* Not counted in the region until its place is taken again. */
    snapshot->senders_died += dead;
    snapshot->reservations_lost += dead && sender->reserved;
}

/* A place that nobody has taken yet needs no question: its sender, if one is just coming, has sent nothing.
 */
static bool never_used(const struct shm_place *p)
{
    return get64(&p->owner.joined_ns) == 0 && get64(&p->tail) == 0;
}

static int read_senders(const struct segment *segment, struct shmchan_snapshot *snapshot,
                        struct shmchan_sender_state *ret_senders, size_t count)
{
    for (uint32_t i = 0; i < segment->geometry.max_senders; i++) {
        struct shmchan_sender_state sender = {.place = i};
        if (!never_used(&segment->control->places[i])) {
            int r = read_sender(segment, i, &sender);
            if (r < 0)
                return r;
            add_sender(&sender, snapshot);
        }
        if (i < count)
            ret_senders[i] = sender;
    }
    return 0;
}

static int read_receiver(const struct segment *segment, struct shmchan_snapshot *snapshot)
{
    const struct shm_control *control = segment->control;
    uint32_t occupied = get32(&control->receiver.occupied);
    int held = liveness_held(segment->fd, SHM_RECEIVER_BYTE, 1);
    if (held < 0)
        return held;
    if (!held)
        occupied = occupied && get32(&control->receiver.occupied);
    read_process(&control->receiver, &control->not_empty, held > 0, &snapshot->receiver);
    snapshot->receiver.state = place_state(occupied, held, false);
    return 0;
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
        .senders_joined = get64(&control->senders_joined),
        .senders_died = get64(&control->senders_died),
        .reservations_lost = get64(&control->reservations_lost),
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
