/* SPDX-License-Identifier: MIT */
/* Reads channels through the public interface alone, so it takes no place and no lock. Prints nothing. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "find.h"
#include "text.h"

/* ---------------------------------------------------------------- the region */

/*
 * Who may write a region may also truncate it, and then reading it is SIGBUS. Whoever looks at it must not
 * die of that: it reads zeros there instead, and what it has read is thrown away.
 */
static volatile sig_atomic_t truncated;
static struct sigaction sigbus_before;
static uintptr_t page_bytes;

/* Only while a region is read. BUS_ADRERR, of an address behind the file's end, nobody but the kernel can
   say; a SIGBUS that somebody sent, or of another cause, does what it would have done without us. The page
   goes with the mapping that it lies in. */
static void on_sigbus(int signo, siginfo_t *info, void *context)
{
    (void)context;
    void *page = (void *)((uintptr_t)info->si_addr & ~(page_bytes - 1));
    if (info->si_code == BUS_ADRERR &&
        mmap(page, page_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        truncated = 1;
        return;
    }
    sigaction(signo, &sigbus_before, NULL);
    raise(signo); /* blocked until this returns */
}

static struct found found_again(const struct channel *channel)
{
    return (struct found){.name = channel->name,
                          .holder_pid = channel->holder_pid,
                          .holder_fd = channel->holder_fd,
                          .region = channel->region,
                          .linked = channel->linked};
}

static struct region_id region_at(const char *name)
{
    struct stat st;
    char path[sizeof FIND_DIR + SHMCHAN_NAME_MAX + 2];
    snprintf(path, sizeof path, FIND_DIR "%s", name);
    return lstat(path, &st) < 0 ? (struct region_id){0, 0} : (struct region_id){st.st_dev, st.st_ino};
}

static ssize_t inspect_named(struct channel *channel, struct shmchan_sender_state *places, size_t count)
{
    channel->region = region_at(channel->name);
    ssize_t n = shmchan_inspect_senders(channel->name, &channel->snapshot, places, count);
    if (region_compare(channel->region, region_at(channel->name)) != 0)
        channel->region = (struct region_id){0, 0};
    return n;
}

static ssize_t inspect(struct channel *channel, struct shmchan_sender_state *places, size_t count)
{
    if (!channel_anonymous(channel))
        return inspect_named(channel, places, count);
    const struct found found = found_again(channel);
    int fd = nameless_open(&found);
    if (fd < 0)
        return fd;
    ssize_t n = shmchan_inspect_fd(fd, &channel->snapshot, places, count);
    close(fd);
    return n;
}

static ssize_t inspect_guarded(struct channel *channel, struct shmchan_sender_state *places, size_t count)
{
    struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    truncated = 0;
    sigaction(SIGBUS, &action, &sigbus_before);
    ssize_t n = inspect(channel, places, count);
    sigaction(SIGBUS, &sigbus_before, NULL);
    return truncated ? -EBADMSG : n;
}

static bool ever_used(const struct shmchan_sender_state *place)
{
    return place->process.state != SHMCHAN_PLACE_FREE || place->sent != 0 || place->process.pid != 0;
}

static void take_sender(struct channel *channel, const struct shmchan_sender_state *place)
{
    channel->used += channel_lane_used(place);
    if (place->process.state != SHMCHAN_PLACE_FREE || place->sent != place->received)
        channel->room += channel->snapshot.capacity;
    if (!ever_used(place))
        return;
    struct channel_sender *sender = &channel->senders[channel->sender_count++];
    sender->state = *place;
    sender->view = (struct proc_view){.sight = PROC_UNKNOWN};
    if (channel_held(&place->process))
        sender->view = proc_look(&place->process, channel->region, channel->snapshot.taken_ns);
}

/* Reads everything once. */
static int take(struct channel *channel)
{
    /* For one after the other: it is large, and little of it is touched. */
    static struct shmchan_sender_state places[SHMCHAN_SENDERS_MAX];
    ssize_t n = inspect_guarded(channel, places, SHMCHAN_SENDERS_MAX);
    if (n < 0)
        return (int)n;

    const struct shmchan_process *receiver = &channel->snapshot.receiver;
    channel->receiver_view = (struct proc_view){.sight = PROC_UNKNOWN};
    if (channel_held(receiver))
        channel->receiver_view = proc_look(receiver, channel->region, channel->snapshot.taken_ns);

    free(channel->senders);
    size_t used = 0;
    for (ssize_t i = 0; i < n; i++)
        used += ever_used(&places[i]);
    channel->senders = text_must(calloc(used + 1, sizeof *channel->senders));
    channel->sender_count = 0;
    channel->room = 0;
    channel->used = 0;
    for (ssize_t i = 0; i < n; i++)
        take_sender(channel, &places[i]);
    return 0;
}

/* ---------------------------------------------------------------- who holds it */

static int open_region(const struct channel *channel)
{
    char path[sizeof FIND_DIR + SHMCHAN_NAME_MAX + 2];
    if (channel_anonymous(channel)) {
        const struct found found = found_again(channel);
        return nameless_open(&found);
    }
    snprintf(path, sizeof path, FIND_DIR "%s", channel->name);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

/* Is a byte of the region's file locked, from this one on? Asking locks nothing. */
static bool locked_from(const struct channel *channel, off_t byte)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte};
    int fd = open_region(channel);
    if (fd < 0)
        return false;
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}

bool channel_locked(const struct channel *channel)
{
    return locked_from(channel, 0);
}

/* No sender shows: a process that forks holds a byte that is no place's, for its child. Byte 0 is the
   receiver's. */
static bool held_otherwise(const struct channel *channel)
{
    return locked_from(channel, channel_held(&channel->snapshot.receiver));
}

static uint64_t mix(uint64_t sum, const struct shmchan_process *process)
{
    return (sum ^ (uint64_t)process->pid ^ process->start_time << 20 ^ process->joined_ns) * 0x100000001b3u +
           1;
}

/* Tells one set of holders that /proc does not show from another; 0 = it shows all. */
static uint64_t unseen(const struct channel *channel)
{
    uint64_t sum = 0;
    if (channel->receiver_view.sight == PROC_ELSEWHERE)
        sum = mix(sum, &channel->snapshot.receiver);
    for (size_t i = 0; i < channel->sender_count; i++) {
        if (channel->senders[i].view.sight == PROC_ELSEWHERE)
            sum = mix(sum, &channel->senders[i].state.process);
    }
    return sum;
}

/* A process may end between the look at its place and the look at /proc. It is elsewhere only if it holds its
   place still after /proc did not show it. */
static int read_settled(struct channel *channel)
{
    uint64_t before = 0;
    for (int round = 0; round < 5; round++) {
        int r = take(channel);
        if (r < 0)
            return r;
        uint64_t now = unseen(channel);
        channel->forking = channel->snapshot.senders_held == 0 && held_otherwise(channel);
        if (now == before && !channel->forking)
            break;
        before = now;
    }
    return 0;
}

/* ---------------------------------------------------------------- one channel */

static void take_owner(struct channel *channel)
{
    struct stat st;
    char path[sizeof FIND_DIR + SHMCHAN_NAME_MAX + 2];
    channel->file_mode = FILE_UNKNOWN;
    if (channel->error != -EACCES || channel_anonymous(channel))
        return;
    snprintf(path, sizeof path, FIND_DIR "%s", channel->name);
    if (lstat(path, &st) < 0)
        return;
    channel->file_uid = st.st_uid;
    channel->file_mode = st.st_mode & 0777;
}

static void read_here(struct channel *channel)
{
    channel->error = read_settled(channel);
    if (channel->error < 0) {
        free(channel->senders);
        channel->senders = NULL;
        channel->sender_count = 0;
    }
    take_owner(channel);
}

static void take_found(const struct found *found, struct channel *channel)
{
    channel->holder_pid = found->holder_pid;
    channel->holder_fd = found->holder_fd;
    channel->region = found->region;
    channel->linked = found->linked;
}

void channel_read(const char *name, struct channel *ret_channel)
{
    memset(ret_channel, 0, sizeof *ret_channel);
    bool nameless = nameless_is(name);
    if (asprintf(&ret_channel->name, "%s%s", nameless || name[0] == '/' ? "" : "/", name) < 0)
        text_must(NULL);
    if (nameless) {
        struct found found;
        ret_channel->file_mode = FILE_UNKNOWN;
        ret_channel->error = nameless_find(name, &found);
        if (ret_channel->error < 0)
            return;
        take_found(&found, ret_channel);
    }
    read_here(ret_channel);
}

void channel_read_found(const struct found *found, struct channel *ret_channel)
{
    memset(ret_channel, 0, sizeof *ret_channel);
    ret_channel->name = text_must(strdup(found->name));
    take_found(found, ret_channel);
    read_here(ret_channel);
}

void channel_read_again(const struct channel *old, struct channel *ret_channel)
{
    const struct found same = found_again(old);
    if (channel_anonymous(old) && old->holder_pid == 0) {
        channel_read(old->name, ret_channel);
        return;
    }
    channel_read_found(&same, ret_channel);
    if (!channel_anonymous(old) || !channel_gone(ret_channel))
        return;
    /* That process has closed it; another may have it. */
    channel_free(ret_channel);
    channel_read(old->name, ret_channel);
}

void channel_free(struct channel *channel)
{
    free(channel->name);
    free(channel->senders);
    memset(channel, 0, sizeof *channel);
}

ssize_t channel_read_all(bool unreadable, struct channel **ret_channels)
{
    struct found_list list;
    int r = find_all(unreadable, &list);
    if (r < 0)
        return r;
    struct channel *channels = text_must(calloc(list.count + 1, sizeof *channels));
    size_t count = 0;
    for (size_t i = 0; i < list.count; i++) {
        channel_read_found(&list.found[i], &channels[count]);
        /* Removed since it was found: there is no such channel. */
        if (channels[count].error == -ENOENT)
            channel_free(&channels[count]);
        else
            count++;
    }
    find_free(&list);
    *ret_channels = channels;
    return (ssize_t)count;
}

bool channel_same(const struct channel *a, const struct channel *b)
{
    const struct shmchan_snapshot *x = &a->snapshot, *y = &b->snapshot;
    return strcmp(a->name, b->name) == 0 && x->created_ns == y->created_ns &&
           x->creator_pid == y->creator_pid && x->region_bytes == y->region_bytes &&
           x->capacity == y->capacity && x->max_senders == y->max_senders;
}

bool channel_same_process(const struct shmchan_process *a, const struct shmchan_process *b)
{
    return channel_held(a) && channel_held(b) && a->pid == b->pid && a->start_time == b->start_time &&
           a->joined_ns == b->joined_ns;
}

static int by_place(const void *key, const void *element)
{
    uint32_t place = *(const uint32_t *)key;
    const struct channel_sender *sender = element;
    return (place > sender->state.place) - (place < sender->state.place);
}

const struct channel_sender *channel_sender_at(const struct channel *channel, uint32_t place)
{
    if (channel->sender_count == 0)
        return NULL;
    return bsearch(&place, channel->senders, channel->sender_count, sizeof *channel->senders, by_place);
}

/* ---------------------------------------------------------------- in words */

static const char *alive_word(struct proc_view view)
{
    switch (view.sight) {
    case PROC_STOPPED:
        return "stopped";
    case PROC_TRACED:
        return "traced";
    case PROC_ELSEWHERE:
        return "elsewhere";
    case PROC_UNKNOWN:
    case PROC_HERE:
        break;
    }
    return "alive";
}

const char *channel_sender_word(const struct channel_sender *sender)
{
    switch (sender->state.process.state) {
    case SHMCHAN_PLACE_FREE:
        return "free";
    case SHMCHAN_PLACE_HELD:
        return alive_word(sender->view);
    case SHMCHAN_PLACE_LEFT:
        return "left";
    case SHMCHAN_PLACE_DEAD:
        return "dead";
    default:
        return "unknown";
    }
}

const char *channel_receiver_word(const struct channel *channel)
{
    const struct shmchan_snapshot *snapshot = &channel->snapshot;
    if (channel_held(&snapshot->receiver))
        return alive_word(channel->receiver_view);
    if (snapshot->receiver.state == SHMCHAN_PLACE_DEAD)
        return "dead";
    if (snapshot->receivers_joined == 0)
        return "none";
    return "closed";
}

bool channel_asleep(const struct channel *channel, const struct shmchan_process *process, uint64_t *ret_ns)
{
    /* Who was killed asleep has left its mark behind. */
    if (!channel_held(process) || process->asleep_since_ns == 0)
        return false;
    /* Asleep since a moment after the snapshot began is right; much later is another clock, or garbage. */
    uint64_t ahead = text_less(process->asleep_since_ns, channel->snapshot.taken_ns);
    *ret_ns =
        ahead > 1000000000u ? UINT64_MAX : text_less(channel->snapshot.taken_ns, process->asleep_since_ns);
    return true;
}

bool channel_lacks_room(const struct channel *channel, const struct channel_sender *sender, uint64_t *ret_ns)
{
    uint64_t used = channel_lane_used(&sender->state);
    uint64_t least = proc_halted(sender->view) ? channel->snapshot.capacity : 1;
    return used >= least && channel_asleep(channel, &sender->state.process, ret_ns);
}

size_t channel_blocked(const struct channel *channel, uint64_t *ret_longest_ns)
{
    size_t blocked = 0;
    *ret_longest_ns = 0;
    for (size_t i = 0; i < channel->sender_count; i++) {
        uint64_t ns;
        if (!channel_lacks_room(channel, &channel->senders[i], &ns))
            continue;
        blocked++;
        if (ns != UINT64_MAX && ns > *ret_longest_ns)
            *ret_longest_ns = ns;
    }
    return blocked;
}
