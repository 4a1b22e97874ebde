/* SPDX-License-Identifier: MIT */
#include "members.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cond.h"
#include "liveness.h"
#include "mutex.h"
#include "process.h"
#include "ready.h"

/*
 * The channels of this process. The lock is never held while waiting for the region's mutex; it is held
 * across fork, so that the child finds every lock descriptor in the list.
 */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct channel *registry;

/* Without them a forked child would go on in its parent's lane; then there are no channels. */
static int fork_handlers_error;

static void registry_begin(void)
{
    pthread_mutex_lock(&registry_lock);
}

static void registry_end(void)
{
    pthread_mutex_unlock(&registry_lock);
}

/* ------------------------------------------------------------------------------------------ the last one out
 */

static bool drained(const struct shm_place *p)
{
    /* Acquire: the receiver has read the slots that we are going to overwrite (pairs with lane_advance). A
       former owner's last tail is seen because its lock was released, by the kernel, before ours could be
       taken. */
    uint64_t head = atomic_load_explicit(&p->head, memory_order_acquire);
    return atomic_load_explicit(&p->tail, memory_order_acquire) == head;
}

/* Messages that a receiver may still come for: left in a lane, and none has ever come, or the channel waits
 * for one. */
static bool awaits_receiver(const struct channel *c)
{
    const struct shm_control *control = c->segment.control;
    if (!(c->segment.geometry.flags & SHMCHAN_WAIT_FOR_RECEIVER) &&
        atomic_load_explicit(&control->receivers_joined, memory_order_seq_cst) != 0)
        return false;
    for (uint32_t i = 0; i < c->segment.geometry.max_senders; i++)
        if (!drained(&control->places[i]))
            return true;
    return false;
}

/* With the registry locked and no user left in this process. While we hold all places nobody can take one;
   who tries looks at the name afterwards (open.c). Of several who leave at once, the last finds all places
   free. */
static void unlink_if_last(const struct channel *c)
{
    if (!(c->segment.geometry.flags & SHMCHAN_UNLINK_ON_CLOSE) || !c->path.text[0] || c->lock_fd < 0)
        return;
    if (liveness_hold_all(c->lock_fd) == 0 && !awaits_receiver(c) &&
        segment_is_at(&c->segment, &c->path) == 1)
        unlink(c->path.text);
}

/* ------------------------------------------------------------------------------------------- channels */

/* With the registry locked. */
static int channel_add(struct segment *segment, const struct segment_path *path, struct channel **ret_channel)
{
    if (fork_handlers_error)
        return fork_handlers_error;
    struct channel *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->lock_fd = liveness_open(segment->fd);
    if (c->lock_fd < 0) {
        int r = c->lock_fd;
        free(c);
        return r;
    }
    c->segment = *segment;
    if (path)
        c->path = *path;
    c->bridge_fd = -1;
    c->users = 1;
    c->next = registry;
    registry = c;
    *ret_channel = c;
    return 0;
}

static void channel_remove(struct channel *c)
{
    struct channel **link = &registry;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    unlink_if_last(c);
    close(c->lock_fd);
    segment_close(&c->segment);
    free(c);
}

int channel_make(const struct segment_path *path, const struct shmchan_options *opts,
                 struct channel **ret_channel)
{
    struct geometry geometry;
    int r = geometry_make(opts, &geometry);
    if (r < 0)
        return r;
    struct segment segment;
    r = segment_make(opts, &geometry, path == NULL, &segment);
    if (r < 0)
        return r;
    registry_begin();
    r = channel_add(&segment, path, ret_channel);
    registry_end();
    if (r < 0)
        segment_close(&segment);
    return r;
}

/* One that fork left without a lock descriptor (only an inert receiver uses it) is of no use. */
static struct channel *find_segment(const struct segment *segment)
{
    for (struct channel *c = registry; c; c = c->next)
        if (c->lock_fd >= 0 && c->segment.device == segment->device && c->segment.inode == segment->inode)
            return c;
    return NULL;
}

static int open_locked(const struct segment_path *path, const struct shmchan_options *opts,
                       struct channel **ret_channel)
{
    struct segment segment;
    int r = segment_open(path, true, &segment);
    if (r < 0)
        return r;
    r = segment_matches(&segment, opts);
    struct channel *known = r == 0 ? find_segment(&segment) : NULL;
    if (known) {
        known->users++;
        *ret_channel = known;
    } else if (r == 0) {
        r = channel_add(&segment, path, ret_channel);
    }
    if (known || r < 0)
        segment_close(&segment);
    return r;
}

int channel_open(const struct segment_path *path, const struct shmchan_options *opts,
                 struct channel **ret_channel)
{
    registry_begin();
    int r = open_locked(path, opts, ret_channel);
    registry_end();
    return r;
}

void channel_leave(struct channel *c)
{
    registry_begin();
    if (--c->users == 0)
        channel_remove(c);
    registry_end();
}

static void member_add(struct channel *c, struct member *m)
{
    registry_begin();
    m->channel = c;
    m->next = c->members;
    m->link = &c->members;
    if (m->next)
        m->next->link = &m->next;
    c->members = m;
    c->users++;
    registry_end();
}

static void member_remove(struct member *m)
{
    registry_begin();
    *m->link = m->next;
    if (m->next)
        m->next->link = m->link;
    m->link = NULL;
    registry_end();
}

/* ------------------------------------------------------------------------------------------ who is there */

int members_receiver_held(const struct channel *c)
{
    return liveness_held(c->segment.fd, SHM_RECEIVER_BYTE, 1);
}

int members_senders_held(const struct channel *c)
{
    return liveness_held(c->segment.fd, shm_sender_byte(0), 0);
}

bool members_ring(struct channel *c, uint32_t place)
{
    ready_set(c->segment.control, place);
    return event_wake(&c->segment.control->not_empty);
}

/* ---------------------------------------------------------------------------------------- taking a place */

static bool occupied(const struct shm_place *p)
{
    return atomic_load_explicit(&p->owner.occupied, memory_order_relaxed) & SHM_OCCUPIED;
}

/* Only its holder writes the word, so that two steps do. */
static void mark_occupied(struct shm_place *p, bool is_occupied)
{
    uint32_t deaths = atomic_load_explicit(&p->owner.occupied, memory_order_relaxed) & ~SHM_OCCUPIED;
    /* Release: who sees the mark sees us among senders_joined (pairs with inspect's loads, in the opposite
       order). Otherwise more could seem to have died than joined. */
    atomic_store_explicit(&p->owner.occupied, is_occupied ? deaths | SHM_OCCUPIED : deaths,
                          memory_order_release);
}

/* A holder that ended without closing: it counts, and so does what it had reserved. Both with the last store,
   whatever becomes of us. */
static void count_death(struct shm_place *p)
{
    uint32_t counted = atomic_load_explicit(&p->owner.occupied, memory_order_relaxed) / SHM_DEATH;
    uint64_t lost = atomic_load_explicit(&p->lost[counted % 2], memory_order_relaxed);
    bool reserved = atomic_load_explicit(&p->reserved, memory_order_relaxed) != 0;
    atomic_store_explicit(&p->lost[(counted + 1) % 2], lost + reserved, memory_order_relaxed);
    /* Release: publishes `lost` to inspect's acquire, which else takes a number of two deaths ago. */
    atomic_store_explicit(&p->owner.occupied, (counted + 1) * SHM_DEATH, memory_order_release);
}

/* With the mutex held. 0, -EAGAIN: held or not drained, or -errno. Asked through the descriptor without locks
   first, because a second lock through lock_fd on what another thread of ours holds would be granted. */
static int take_if_free(const struct channel *c, uint32_t place)
{
    struct shm_owner *owner = &c->segment.control->places[place].owner;
    uint64_t joined_ns = atomic_load_explicit(&owner->joined_ns, memory_order_relaxed);
    int64_t byte = shm_sender_byte(place);
    int r = liveness_held(c->segment.fd, byte, 1);
    if (r != 0)
        return r < 0 ? r : -EAGAIN;
    process_unsign(owner, joined_ns);
    r = liveness_hold(c->lock_fd, byte);
    if (r < 0)
        return r;
    if (drained(&c->segment.control->places[place]))
        return 0;
    liveness_drop(c->lock_fd, byte);
    return -EAGAIN;
}

/* Look first where the hints say that nobody is: a thousand questions take a millisecond. */
static int take_any(const struct channel *c, uint32_t *ret_place)
{
    struct shm_control *control = c->segment.control;
    for (int hinted = 1; hinted >= 0; hinted--) {
        for (uint32_t i = 0; i < c->segment.geometry.max_senders; i++) {
            struct shm_place *p = &control->places[i];
            if (hinted == occupied(p) || !drained(p))
                continue;
            int r = take_if_free(c, i);
            if (r == -EAGAIN)
                continue;
            if (r < 0)
                return r;
            if (occupied(p)) /* asked again, now that nobody else changes it */
                count_death(p);
            *ret_place = i;
            return 0;
        }
    }
    return -EUSERS;
}

/* The place is ours: write what a former owner may have left in any state. Its idle flag may be down with
   nobody watching, if it died between taking it down and ringing: up again, so that our first publish rings.
 */
static void settle(struct shm_place *p, const struct process_identity *me)
{
    event_init(&p->room);
    /* Release, these three: who sees one sees that the former holder has been counted and its words are
       nobody's (pairs with inspect's acquire loads). Otherwise its reservation could seem to be gone,
       uncounted. */
    atomic_store_explicit(&p->reserved, 0, memory_order_release);
    atomic_store_explicit(&p->full, 0, memory_order_release);
    atomic_store_explicit(&p->first_position, atomic_load_explicit(&p->tail, memory_order_relaxed),
                          memory_order_release);
    atomic_store_explicit(&p->idle, 1, memory_order_seq_cst);
    process_sign(&p->owner, me);
}

static int take_sender_place(const struct channel *c, struct member *m)
{
    struct shm_control *control = c->segment.control;
    const struct process_identity me = process_identify();
    int r = mutex_lock(control);
    if (r < 0)
        return r;
    r = take_any(c, &m->place);
    mutex_unlock(control);
    if (r < 0)
        return r;
    /* Without the mutex: the place is ours, and this takes its time. */
    settle(&control->places[m->place], &me);
    r = segment_back_lane(&c->segment, m->place);
    if (r == 0)
        m->slots = segment_map_lane(&c->segment, m->place, true, &r);
    if (r < 0)
        return r;
    atomic_fetch_add_explicit(&control->senders_joined, 1, memory_order_seq_cst);
    mark_occupied(&control->places[m->place], true);
    return 0;
}

static void give_up_place(struct channel *c, uint32_t place)
{
    /* In this order: who sees the hint down asks for the lock before it takes it. */
    mark_occupied(&c->segment.control->places[place], false);
    liveness_drop(c->lock_fd, shm_sender_byte(place));
    /* After the lock is gone, so that the receiver that wakes sees it gone. */
    members_ring(c, place);
}

/* m->place is no place unless this succeeds. */
static int join_sender(struct channel *c, struct member *m)
{
    m->place = UINT32_MAX;
    m->slots = NULL;
    int r = take_sender_place(c, m);
    if (r < 0 && m->place != UINT32_MAX) {
        /* A part of it may have been backed before room ran out. Nothing is in it: it was drained. */
        segment_unback_lane(&c->segment, m->place);
        give_up_place(c, m->place);
    }
    return r;
}

int members_join_sender(struct channel *c, struct member *m)
{
    m->is_receiver = false;
    m->error = 0;
    int r = join_sender(c, m);
    if (r == 0)
        member_add(c, m);
    return r;
}

static int take_receiver_place(struct channel *c, const struct process_identity *me)
{
    struct shm_control *control = c->segment.control;
    uint64_t joined_ns = atomic_load_explicit(&control->receiver.joined_ns, memory_order_relaxed);
    int r = members_receiver_held(c);
    if (r == 0) {
        process_unsign(&control->receiver, joined_ns);
        r = liveness_hold(c->lock_fd, SHM_RECEIVER_BYTE);
    }
    if (r != 0)
        return r == 1 || r == -EAGAIN ? -EBUSY : r;
    event_init(&control->not_empty);
    process_sign(&control->receiver, me);
    atomic_store_explicit(&control->receiver.occupied, SHM_OCCUPIED, memory_order_relaxed); /* for people */
    atomic_fetch_add_explicit(&control->receivers_joined, 1, memory_order_seq_cst);
    atomic_store_explicit(&control->receiver_closed, 0, memory_order_seq_cst);
    return 0;
}

int members_join_receiver(struct channel *c, struct member *m)
{
    m->is_receiver = true;
    m->error = 0;
    m->slots = NULL;
    const struct process_identity me = process_identify();
    int r = mutex_lock(c->segment.control);
    if (r < 0)
        return r;
    r = take_receiver_place(c, &me);
    mutex_unlock(c->segment.control);
    if (r == 0)
        member_add(c, m);
    return r;
}

/* ----------------------------------------------------------------------------------------------- leaving */

static void close_receiver_place(struct channel *c)
{
    struct shm_control *control = c->segment.control;
    atomic_store_explicit(&control->receiver_closed, 1, memory_order_seq_cst);
    for (uint32_t i = 0; i < c->segment.geometry.max_senders; i++)
        event_wake(&control->places[i].room);
    atomic_store_explicit(&control->receiver.occupied, 0, memory_order_relaxed);
    liveness_drop(c->lock_fd, SHM_RECEIVER_BYTE);
}

void members_leave(struct member *m)
{
    struct channel *c = m->channel;
    /* Out of the list first: a fork from now on does not give the child a sender for it. */
    member_remove(m);
    if (m->error == 0) {
        if (m->is_receiver)
            close_receiver_place(c);
        else
            give_up_place(c, m->place);
    }
    segment_unmap_lane(&c->segment, m->slots);
    channel_leave(c);
}

/* -------------------------------------------------------------------------------------------------- fork */

/*
 * As with pipes: the child's senders count from the instant of fork. The parent may close its own, or die,
 * before the child has run at all, so its place locks cannot stand in for the child's. Before fork the parent
 * therefore takes a bridge: a lock on a byte after all the places, through a new description, which the child
 * inherits and the parent closes. Whoever asks for senders asks for bridges too. The child takes its own
 * places through the same description, then lets the byte go.
 */
#define BRIDGE_TRIES 64

static int hold_bridge(struct channel *c)
{
    static uint32_t turn; /* under the registry lock */
    int r = -EAGAIN;
    for (int i = 0; i < BRIDGE_TRIES && r == -EAGAIN; i++) {
        /* Any byte that no other fork holds right now. */
        c->bridge_byte = shm_sender_byte(c->segment.geometry.max_senders) +
                         (((int64_t)getpid() << 24) | (turn++ & 0xffffff));
        r = liveness_hold(c->bridge_fd, c->bridge_byte);
    }
    return r;
}

static bool has_senders(const struct channel *c)
{
    for (const struct member *m = c->members; m; m = m->next)
        if (!m->is_receiver && m->error == 0)
            return true;
    return false;
}

static void before_fork(void)
{
    registry_begin();
    for (struct channel *c = registry; c; c = c->next) {
        if (!has_senders(c))
            continue;
        c->bridge_fd = liveness_open(c->segment.fd);
        int r = c->bridge_fd < 0 ? c->bridge_fd : hold_bridge(c);
        if (r < 0) {
            if (c->bridge_fd >= 0)
                close(c->bridge_fd);
            c->bridge_fd = r; /* the child's handles will say so */
        }
    }
}

static void after_fork_in_parent(void)
{
    for (struct channel *c = registry; c; c = c->next) {
        if (c->bridge_fd >= 0)
            close(c->bridge_fd); /* the child's copy keeps the lock */
        c->bridge_fd = -1;
    }
    registry_end();
}

/* What one member was refused, the others do not ask for again: the mutex (5 s each), a place (all places
 * each). */
static void adopt(struct channel *c, struct member *m, int *stuck)
{
    if (m->is_receiver) {
        m->error = -EPERM;
    } else if (m->error == 0) {
        segment_unmap_lane(&c->segment, m->slots);
        m->slots = NULL;
        m->error = c->lock_fd < 0 ? c->lock_fd : *stuck ? *stuck : join_sender(c, m);
        if (m->error == -EDEADLK || m->error == -EUSERS)
            *stuck = m->error;
    }
    m->after_fork(m);
}

static void adopt_channel(struct channel *c)
{
    int inherited = c->lock_fd;
    c->lock_fd = c->bridge_fd;
    c->bridge_fd = -1;
    c->users = 0; /* other threads' calls are not here */
    int stuck = 0;
    for (struct member *m = c->members; m; m = m->next) {
        adopt(c, m, &stuck);
        c->users++;
    }
    if (c->lock_fd >= 0)
        liveness_drop(c->lock_fd, c->bridge_byte);
    /* Not before our own are held; and not kept, or the parent's death would stay hidden. */
    close(inherited);
}

static void after_fork_in_child(void)
{
    registry_lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    for (struct channel *c = registry, *next; c; c = next) {
        next = c->next;
        adopt_channel(c);
        if (c->users == 0)
            channel_remove(c);
    }
}

/* When the library is loaded: prepare handlers run newest first, so that a program whose own fork handler
   takes a lock which it also holds around our calls has registered it later, takes it earlier, and cannot
   deadlock with us. */
__attribute__((constructor)) static void register_handlers(void)
{
    fork_handlers_error = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}
