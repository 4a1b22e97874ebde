/* SPDX-License-Identifier: MIT */
/*
 * shmchan: many producer processes, one consumer process, fixed-size messages, through shared
 * memory. The meaning of every call is that of Rust's std::sync::mpsc::sync_channel, carried from
 * threads to processes.
 *
 * The model. A channel lives in one shared-memory region. Each sender owns a lane of it: a ring of
 * `capacity` slots that only this sender fills and only the receiver empties. No sender ever waits
 * for another one, dead, stopped or slow. The receiver merges the lanes into one queue, first in,
 * first out: if one send returned before another began, in whatever processes, it is received first.
 *
 *     struct sample s = { .value = 42 };
 *     shmchan_sender *tx;
 *     shmchan_receiver *rx;
 *     int r = shmchan_pair(&SHMCHAN_OPTIONS(.message_size = sizeof s, .capacity = 1024), &tx, &rx);
 *     if (r < 0)
 *             errx(1, "%s", shmchan_strerror(r));
 *     if (fork() == 0) {                       // the child holds a sender of its own
 *             shmchan_send(tx, &s);
 *             shmchan_sender_close(tx);
 *             _exit(0);
 *     }
 *     shmchan_sender_close(tx);
 *     while (shmchan_recv(rx, &s) > 0)         // ends when every sender is gone
 *             printf("%d\n", s.value);
 *     shmchan_receiver_close(rx);
 *
 * Return values. Every call returns 0 or a count on success and a negative errno value on failure.
 * Outputs are named ret_... and are untouched on failure. Nothing is printed, nothing exits, errno
 * carries no meaning. shmchan_strerror() says what each error means and what to do.
 *
 * Time. Timeouts are relative, in milliseconds, on CLOCK_MONOTONIC; SHMCHAN_FOREVER (any negative
 * value) waits without end, 0 does not wait. A signal handler that runs meanwhile does not end the
 * wait: no call returns -EINTR.
 *
 * Threads. A handle belongs to one thread at a time; two threads must not use one handle at once.
 * Give another thread a sender of its own with shmchan_sender_clone(), before you start it. No call is
 * async-signal-safe, and none may be left by longjmp or thread cancellation. shmchan_unlink(), _inspect(),
 * _list(), _strerror() and the calls that open or create may run in any threads at once.
 *
 * Deaths. Any participant may be killed, stopped or preempted at any instruction. A message whose
 * send returned is received once and whole; a message whose sender died before the send returned is
 * received once and whole or not at all. Nobody who lives waits for a dead or stopped one, except for what
 * only it can do: a stopped receiver receives nothing, so its lanes fill up. Who blocks on a peer that dies
 * learns of it within 200 ms; of an orderly close at once.
 *
 * Caveats.
 * - fork: as with pipes. In the child every sender of the parent becomes a sender of its own, with a
 *   place of its own, before fork() returns there; close the ones that the child does not use, or the
 *   channel does not end before the child does. If no place could be had, the child's handle says
 *   why at each use (-EUSERS, -ENOSPC, ...). A receiver stays the parent's: in the child it only
 *   answers -EPERM and can be closed. vfork(), posix_spawn() and exec() close everything;
 *   raw clone() and _Fork() run no fork handlers: such a child must not use the
 *   handles, and while it lives its parent's death is not seen. fork()
 *   needs a free descriptor for each channel with senders (-EMFILE), and the right to open the region anew:
 * after giving up privileges a child may get -EACCES. A fork handler must not call this library.
 * - A region outlives its users until it is unlinked. A killed program unlinks nothing: use
 *   shmchan_unlink(), or open what is there instead of creating it. An anonymous channel
 *   (shmchan_pair) goes with its last user.
 * - Everyone who may write a named region can truncate it and so kill its users (SIGBUS), or garble
 *   its messages. What a peer writes does not make this library read or write outside the region
 *   and your buffers; the one known gap is the libc's own bookkeeping in a robust mutex while a peer attaches
 *   (docs/DESIGN.md, 6). Who may only read it can keep others from joining (by a lock of
 *   its own). Mode 0600 keeps others out.
 * - Participants may live in different PID namespaces (pids are shown as each sees its own) and
 *   under different users (mode permitting), but must share the libc family and word size
 *   (else -EPROTONOSUPPORT). Needs Linux 3.17 or newer with /proc and, for named channels, /dev/shm.
 * - A message is copied as bytes: put no pointers into it.
 */
#ifndef SHMCHAN_H
#define SHMCHAN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The library is built with everything else hidden. */
#pragma GCC visibility push(default)

#define SHMCHAN_VERSION_MAJOR 0
#define SHMCHAN_VERSION_MINOR 1
#define SHMCHAN_VERSION_PATCH 0

#define SHMCHAN_FOREVER (-1)

#define SHMCHAN_MESSAGE_MAX  (1u << 26) /* bytes in a message */
#define SHMCHAN_CAPACITY_MAX (1u << 24) /* messages in a lane */
#define SHMCHAN_SENDERS_MAX  4096u      /* sender places in a channel */
#define SHMCHAN_TYPE_MAX     63u        /* bytes in a type's name, without the terminator */
#define SHMCHAN_NAME_MAX     250u       /* bytes in a channel's name, without its slash */

typedef struct shmchan_sender shmchan_sender;
typedef struct shmchan_receiver shmchan_receiver;

/* Flags of shmchan_options, fixed when the channel is created. */
enum {
    /* Without a receiver, send waits for one (each lane accepts messages until it is full)
       instead of failing with -EPIPE. */
    SHMCHAN_WAIT_FOR_RECEIVER = 1u << 0,
    /* Order per sender only: spares the one word that all senders share. */
    SHMCHAN_UNORDERED = 1u << 1,
    /* Who closes the last half of the channel removes its name, unless messages remain
       that a receiver may still come for. A killed process removes nothing. Do not also
       unlink the name and create it anew while the old channel is in use. */
    SHMCHAN_UNLINK_ON_CLOSE = 1u << 2
};

/* C++ wants a default for what an initializer leaves out; C has one. */
#if defined(__cplusplus) && __cplusplus >= 201402L
#define SHMCHAN_ELSE(value) = value
#else
#define SHMCHAN_ELSE(value)
#endif

/* Opening a channel that exists looks at message_size and type only, and each may be left out. */
struct shmchan_options {
    /* sizeof(struct shmchan_options); SHMCHAN_OPTIONS fills it in. */
    size_t struct_size SHMCHAN_ELSE(0);
    /* Bytes, 1 ... SHMCHAN_MESSAGE_MAX. Opening: 0 = whatever it is. */
    uint32_t message_size SHMCHAN_ELSE(0);
    /* Messages one sender may be ahead, 1 ... SHMCHAN_CAPACITY_MAX, rounded up to a power of two. */
    uint32_t capacity SHMCHAN_ELSE(0);
    /* Sender places, at most SHMCHAN_SENDERS_MAX, 0 = 256. A lane costs memory once a sender took it. */
    uint32_t max_senders SHMCHAN_ELSE(0);
    /* Permission bits of the name, 0 = 0600. The umask does not apply. */
    uint32_t mode SHMCHAN_ELSE(0);
    /* SHMCHAN_WAIT_FOR_RECEIVER | ... */
    uint32_t flags SHMCHAN_ELSE(0);
    /* Name of the message type, at most SHMCHAN_TYPE_MAX bytes; NULL = unchecked. */
    const char *type SHMCHAN_ELSE(0);
};

/* SHMCHAN_OPTIONS(.message_size = 64, .capacity = 1024): the fields given, zero otherwise. In C an
   lvalue that lives as long as its block, so `&SHMCHAN_OPTIONS(...)` can be passed; in C++ until the end of
   the full expression (designated initializers are C++20; gcc and clang take them before). */
#ifdef __cplusplus
}
static inline const struct shmchan_options &shmchan_options_ref(const struct shmchan_options &o)
{
    return o;
}
extern "C" {
#define SHMCHAN_OPTIONS(...)                                                                                 \
    (shmchan_options_ref(shmchan_options{.struct_size = sizeof(struct shmchan_options), __VA_ARGS__}))
#else
#define SHMCHAN_OPTIONS(...)                                                                                 \
    ((struct shmchan_options){.struct_size = sizeof(struct shmchan_options), __VA_ARGS__})
#endif

/* ---------------------------------------------------------------- making and opening a channel */

/*
 * Both halves at once, of an anonymous channel (a sealed memfd): for fork.
 *
 * opts: message_size and capacity must be given. The caller owns both handles.
 * -EINVAL: a size or the capacity is 0, a flag is unknown, struct_size is wrong. -EOVERFLOW: beyond a
 * SHMCHAN_..._MAX, or the region would be too large for this machine. -ENAMETOOLONG: the type's name.
 * -EMFILE, -ENFILE: no descriptors left (a channel takes two in each process, however many
 * handles). -ENOMEM, -ENOSPC: no memory. -EFBIG: the region is larger than RLIMIT_FSIZE lets a file be.
 * -ENOSYS, -ENOENT: /proc is not mounted.
 */
int shmchan_pair(const struct shmchan_options *opts, shmchan_sender **ret_tx, shmchan_receiver **ret_rx);

/*
 * Named channels. `name` is "/name" (the slash may be left out): up to SHMCHAN_NAME_MAX bytes and no
 * other slash, as for shm_open(3). A sender or a receiver may come first; the name appears only when
 * the channel is complete, so nobody opens a half-made one.
 *
 * create: makes the channel and takes a place in it; opts as in shmchan_pair(). -EEXIST: the name is
 * taken. open: takes a place in what is there. opts may be NULL, or have message_size 0 or type
 * NULL, to take the channel as it is; what is given must match (a channel made without a type matches any).
 *
 * All: -EINVAL, -ENAMETOOLONG: the name (or options, see above) makes no sense, or a pointer is NULL.
 * -ENOENT: no such channel; create: /dev/shm or /proc is not there.
 * -EACCES: its mode does not let this user read and write it. -EPROTOTYPE: it carries another type or size.
 * -EPROTONOSUPPORT: made by another format version, libc or word size. -EBADMSG: not a channel, or
 * damaged. -EBUSY: it has a living receiver. -EUSERS: every sender place is taken, or still holds
 * messages of a dead sender that nobody has received. -ENOSPC: no room in /dev/shm; nothing has
 * changed. -EDEADLK: a stopped process has held the channel's mutex for 5 s (shmchan-stat names
 * it). -EFBIG: create, as in shmchan_pair(). -EMFILE, -ENFILE, -ENOMEM: out of descriptors, memory.
 *
 * A receiver that opens a channel whose receiver is gone, closed or killed, takes over at the exact next
 * message: what the other had not taken (or had peeked at and not released) is received now.
 */
int shmchan_receiver_create(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx);
int shmchan_receiver_open(const char *name, const struct shmchan_options *opts, shmchan_receiver **ret_rx);
int shmchan_sender_create(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx);
int shmchan_sender_open(const char *name, const struct shmchan_options *opts, shmchan_sender **ret_tx);

/* Another sender of the same channel, with a lane of its own: Rust's tx.clone(). Errors: -EUSERS,
   -ENOSPC, -EDEADLK, -ENOMEM as above; a handle that fork() made unusable returns its error. */
int shmchan_sender_clone(const shmchan_sender *tx, shmchan_sender **ret_tx);

/* A sender, from the receiver's side. A collector that holds one does not see the end when the last other
   sender leaves, as one opens a FIFO for both. Errors as for clone; -EPERM: see fork above. */
int shmchan_sender_of(const shmchan_receiver *rx, shmchan_sender **ret_tx);

/* Drop. NULL is fine. Waits for no other process. An uncommitted reservation is aborted. What was sent stays
   and is received. The receiver learns at once if this was the last sender. */
void shmchan_sender_close(shmchan_sender *tx);

/* Drop. NULL is fine. Waits for no other process. Blocked senders return -EPIPE at once (unless the channel
   waits for a receiver). Messages not received stay in the region for a successor. */
void shmchan_receiver_close(shmchan_receiver *rx);

/* Remove the name. Who holds the channel keeps it. -ENOENT: no such name. -EACCES: not this user's to remove
   (/dev/shm is sticky), or not to read. -EBADMSG: not a channel; so no other program's file is ever removed.
   A channel that is damaged behind its first 8 bytes is one still, and is removed. -EINVAL, -ENAMETOOLONG. */
int shmchan_unlink(const char *name);

/* Remove the name, if no process holds a place in the channel; messages that wait in it are lost. A process
   that opens it meanwhile either got its place before, and then this is -EBUSY, or gets -ENOENT. Works for a
   damaged channel and one of another version too. -EBUSY: somebody holds the channel, running or stopped.
   Needs the right to write the region; otherwise as shmchan_unlink(), and -EMFILE, -ENFILE. */
int shmchan_remove_orphan(const char *name);

/* ---------------------------------------------------------------------------------- sending */

/*
 * Send one message of exactly the channel's message size, copied from `message`. Blocks while the lane
 * is full: `capacity` messages of this sender not received yet. 0: it is sent; it will be received
 * even if this process is killed at once.
 *
 * -EPIPE: the receiver is gone, and the channel does not wait for another; nothing was sent. An orderly close
 * is seen at once, a killed receiver at the latest after 100 ms or 16 messages, whichever comes last, and
 * always before blocking. A channel that has had no receiver yet takes messages until it is full, then
 * blocks. -EAGAIN: try, and the lane is full. -ETIMEDOUT: timed, and it stayed full. -EPROTO: a reservation
 * is open. -EBADMSG: the region was damaged by someone. In a forked child that got no place: why not.
 */
int shmchan_send(shmchan_sender *tx, const void *message);
int shmchan_try_send(shmchan_sender *tx, const void *message);
int shmchan_send_timed(shmchan_sender *tx, const void *message, int timeout_ms);

/* A shorter message: `length` bytes, 0 ... message size; the length travels with it (for bounded
   serializers). -EMSGSIZE: longer than the channel's message size. Otherwise as send_timed. */
int shmchan_send_sized(shmchan_sender *tx, const void *message, uint32_t length, int timeout_ms);

/*
 * Send `count` messages that lie one behind the other. Returns how many were sent: all, unless an error
 * or the time cut it short; an error is returned only when none was sent (timeout: -ETIMEDOUT). Up to
 * `capacity` messages are published in one step: the receiver sees them whole and in a row, or, if this
 * process dies, none of them. A larger count goes in steps of `capacity`; when time runs out, what fits is
 * published. count 0 returns 0.
 */
ssize_t shmchan_send_many(shmchan_sender *tx, const void *messages, size_t count, int timeout_ms);

/*
 * In place: reserve the next slot of the own lane, write a message into it, then commit or
 * abort. *ret_slot has the channel's message size, is aligned for the message (up to 16 bytes), holds
 * what an earlier message left there, and is valid until commit, abort or close. Nobody else waits meanwhile.
 * The message takes its place in the order at
 * commit. In a forked child the reservation is void: it was the parent's. If the process dies before commit,
 * nothing was sent (and shmchan_inspect counts it).
 *
 * reserve: as send_timed; timeout_ms 0: -ETIMEDOUT if full. -EPROTO: reserve while one is open; commit, abort
 * without one. commit: `length` bytes of it are the message. -EMSGSIZE: longer than the message size; the
 * reservation stays open. -EPIPE: the receiver is gone; the reservation is aborted.
 */
int shmchan_reserve(shmchan_sender *tx, void **ret_slot, int timeout_ms);
int shmchan_commit(shmchan_sender *tx, uint32_t length);
int shmchan_abort(shmchan_sender *tx);

/* The sender's place in its channel, 0 ... max_senders - 1, as in shmchan_info.sender_id. -errno in a forked
   child that got no place. */
int shmchan_sender_id(const shmchan_sender *tx);

/* The channel's message size in bytes. */
uint32_t shmchan_sender_message_size(const shmchan_sender *tx);

/* -------------------------------------------------------------------------------- receiving */

/* About a received message. (sender_id, position) is unique in the life of a channel. */
struct shmchan_info {
    uint64_t position;  /* how many messages its lane had carried before it                */
    uint32_t length;    /* bytes of it, at most the channel's message size                 */
    uint32_t sender_id; /* the sender's place                                              */
    int32_t pid;        /* the sender's process, in its own PID namespace                  */
    uint32_t reserved;
};

/*
 * Receive one message into `ret_message`, a buffer of the channel's message size (a shorter message is
 * padded with zeros). 1: a message. 0: the end: every sender is gone and nothing is left. 0 is not
 * sticky: if a sender joins later, recv goes on. A named channel that no sender has joined yet has
 * not ended: recv waits. What a sender sent before it left or died is received before the 0.
 *
 *     while (shmchan_recv(rx, &m) > 0) { ... }          is Rust's    for m in rx { ... }
 *
 * -EAGAIN: try, and it is empty. -ETIMEDOUT: timed, and it stayed empty. -EPERM: the receiver is another
 * process's (fork). -EBADMSG: a lane was damaged by someone; what was in it is given up, and the next call
 * goes on. If this process dies midway, the message stays for a successor, or had been taken: what must
 * survive its receiver is peeked at, dealt with and then released. -ENOMEM, -ENOSPC: a lane cannot be mapped
 * now; nothing is lost.
 */
int shmchan_recv(shmchan_receiver *rx, void *ret_message);
int shmchan_try_recv(shmchan_receiver *rx, void *ret_message);
int shmchan_recv_timed(shmchan_receiver *rx, void *ret_message, int timeout_ms);

/* The same, and what is known about it. ret_info may be NULL. */
int shmchan_recv_info(shmchan_receiver *rx, void *ret_message, struct shmchan_info *ret_info, int timeout_ms);

/* Up to `count` messages, each at a multiple of the message size. Waits for the first only. Returns how many,
   0 at the end (or if count is 0), or an error when there was none. */
ssize_t shmchan_recv_many(shmchan_receiver *rx, void *ret_messages, size_t count, int timeout_ms);

/*
 * In place: look at the next message where it lies, release it when done with it. *ret_message is
 * read-only, aligned as a reserved slot, valid until release, the next receive or close. A receiver that dies
 * before the release leaves the message for its successor. peek again returns the same message; recv takes
 * it. release without peek: -EPROTO.
 */
int shmchan_peek(shmchan_receiver *rx, const void **ret_message, struct shmchan_info *ret_info,
                 int timeout_ms);
int shmchan_release(shmchan_receiver *rx);

/* The channel's message size in bytes. */
uint32_t shmchan_receiver_message_size(const shmchan_receiver *rx);

/* ------------------------------------------------------------------------------- inspecting */

/* What a process is doing in its place. */
enum shmchan_place_state {
    SHMCHAN_PLACE_FREE = 0, /* nobody, and nothing left in its lane; a receiver that closed  */
    SHMCHAN_PLACE_HELD = 1, /* a living process holds it, running or stopped                 */
    SHMCHAN_PLACE_LEFT = 2, /* closed in order; messages left to receive                     */
    SHMCHAN_PLACE_DEAD = 3  /* its process ended without closing it; not yet cleaned up      */
};

/* One process in its place. Strings and numbers are as the process wrote them. */
struct shmchan_process {
    uint32_t state;           /* enum shmchan_place_state                                                 */
    int32_t pid;              /* in its own PID namespace; 0 = none yet, or one who is just joining       */
    uint64_t start_time;      /* clock ticks after boot, as in /proc/PID/stat: tells a pid's next owner   */
    uint64_t joined_ns;       /* CLOCK_MONOTONIC                                                          */
    uint64_t asleep_since_ns; /* CLOCK_MONOTONIC; 0 = not blocked                                    */
    uint64_t sleeps;          /* times it went to sleep waiting for a message, or for room; since joined  */
    uint64_t wakeups;         /* times it woke a peer; since it joined                                    */
    char command[16];
};

struct shmchan_sender_state {
    struct shmchan_process process;
    uint32_t place;          /* its number                                                           */
    uint32_t reserved;       /* slots reserved and not committed: 0 or 1                             */
    uint64_t sent;           /* messages published in this lane since the channel was made           */
    uint64_t received;       /* of these, taken by the receiver                                      */
    uint64_t first_position; /* `sent` when the process that holds the place took it                 */
    uint64_t full;           /* times its sender found the lane full, since it joined                */
    uint64_t damaged;        /* 1 = its positions contradict each other: sent, received are then 0   */
    uint64_t future[3];      /* 0; for what later versions add                                       */
};

struct shmchan_snapshot {
    uint32_t format_version;
    uint32_t message_size; /* bytes                                                                */
    uint32_t capacity;     /* messages in a lane                                                   */
    uint32_t max_senders;  /* places                                                               */
    uint32_t flags;        /* SHMCHAN_WAIT_FOR_RECEIVER | ...                                      */
    uint32_t mode;         /* permission bits                                                      */
    uint32_t owner_uid;
    int32_t creator_pid;
    uint64_t created_ns;        /* CLOCK_REALTIME                                                       */
    uint64_t taken_ns;          /* CLOCK_MONOTONIC: when this snapshot was taken                        */
    uint64_t region_bytes;      /* address space                                                        */
    uint64_t backed_bytes;      /* memory in use                                                        */
    uint64_t sent;              /* messages published, all lanes                                        */
    uint64_t received;          /* messages taken, all lanes; sent - received are waiting               */
    uint64_t tickets;           /* sends begun, ordered channels only; batches count once               */
    uint32_t senders_held;      /* places of living senders                                             */
    uint32_t senders_left;      /* places that are empty of a sender and not of messages                */
    uint64_t senders_joined;    /* since the channel was made                                           */
    uint64_t senders_died;      /* of these, ended without closing                                      */
    uint64_t reservations_lost; /* reserved by a sender that ended without committing                */
    uint64_t receivers_joined;  /* takeovers are this less one                                       */
    uint64_t lanes_damaged;     /* times a lane was found damaged and put right                      */
    int32_t mutex_owner_pid;    /* who is attaching or cleaning up right now, 0 = nobody              */
    uint32_t receiver_closed;   /* the last receiver left in order                                    */
    struct shmchan_process receiver;
    char type[SHMCHAN_TYPE_MAX + 1]; /* "" = unchecked                                           */
    uint64_t lanes_damaged_now; /* lanes damaged and not put right yet; sent, received are without them */
    uint64_t future[7];         /* 0; for what later versions add                                   */
};

/* Look without touching: no place, no lock is taken, the region is mapped read-only; read permission is
   enough. The numbers are read one after the other while the channel runs; `received` never exceeds `sent`,
   and neither differs by more than `capacity` for a lane. What is said of a place is all of one
   process, and no counter falls from one snapshot to the next while no lane is damaged. Errors: -ENOENT,
   -EACCES, -EINVAL, -EPROTONOSUPPORT, -EBADMSG, -EMFILE, -ENOMEM. */
int shmchan_inspect(const char *name, struct shmchan_snapshot *ret_snapshot);

/* The same, with the state of the first `count` sender places (at most max_senders are filled in). Returns
 * how many. */
ssize_t shmchan_inspect_senders(const char *name, struct shmchan_snapshot *ret_snapshot,
                                struct shmchan_sender_state *ret_senders, size_t count);

/* The same for an open descriptor of a region, such as of an anonymous channel (/proc/PID/fd/N of a process
   that has it). The descriptor stays the caller's, and locks held through it are seen. Needs /proc. Errors as
   above, and -EBADF. */
ssize_t shmchan_inspect_fd(int fd, struct shmchan_snapshot *ret_snapshot,
                           struct shmchan_sender_state *ret_senders, size_t count);

/* Calls visit("/name", user) for each channel under /dev/shm, of any version, that may be read, in no order,
   until visit returns other than 0. Returns what visit returned last, 0 if it was never called (or there is
   no /dev/shm), -EINVAL if visit is NULL, -EACCES, -EMFILE, -ENOMEM if /dev/shm cannot be read. */
int shmchan_list(int (*visit)(const char *name, void *user), void *user);

/* ------------------------------------------------------------------------------------ words */

/* What an error of this library means and what to do, for a negative errno value (or a positive
   one). Constant text, never NULL; may be called by any thread at any time. */
const char *shmchan_strerror(int error);

/* "MAJOR.MINOR.PATCH" of the library that is running. */
const char *shmchan_version(void);

#pragma GCC visibility pop

/* ------------------------------------------------------------------------------ typed channels */

#ifdef __cplusplus
#define SHMCHAN_STATIC_ASSERT static_assert
#else
#define SHMCHAN_STATIC_ASSERT _Static_assert
#endif
#define SHMCHAN_TYPED_FN static inline __attribute__((unused))

/*
 * SHMCHAN_TYPED(sample, struct sample) defines sample_options(), sample_send(), sample_recv() and
 * so on for messages of one type. sample_options() has the type's name and size filled in, so that a
 * program built with another struct gets -EPROTOTYPE; set the capacity and the rest in it. Put it at file
 * scope; no semicolon is needed after it.
 */
#define SHMCHAN_TYPED(prefix, T)                                                                             \
    SHMCHAN_STATIC_ASSERT(sizeof(T) <= SHMCHAN_MESSAGE_MAX, "message type too large for shmchan");           \
    SHMCHAN_STATIC_ASSERT(sizeof(#T) <= SHMCHAN_TYPE_MAX + 1, "type name too long for shmchan");             \
    SHMCHAN_TYPED_FN struct shmchan_options prefix##_options(void)                                           \
    {                                                                                                        \
        struct shmchan_options o;                                                                            \
        o.struct_size = sizeof o;                                                                            \
        o.message_size = (uint32_t)sizeof(T);                                                                \
        o.capacity = o.max_senders = o.mode = o.flags = 0;                                                   \
        o.type = #T;                                                                                         \
        return o;                                                                                            \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_send(shmchan_sender *tx, const T *message)                                 \
    {                                                                                                        \
        return shmchan_send(tx, message);                                                                    \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_try_send(shmchan_sender *tx, const T *message)                             \
    {                                                                                                        \
        return shmchan_try_send(tx, message);                                                                \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_send_timed(shmchan_sender *tx, const T *message, int timeout_ms)           \
    {                                                                                                        \
        return shmchan_send_timed(tx, message, timeout_ms);                                                  \
    }                                                                                                        \
    SHMCHAN_TYPED_FN ssize_t prefix##_send_many(shmchan_sender *tx, const T *messages, size_t count,         \
                                                int timeout_ms)                                              \
    {                                                                                                        \
        return shmchan_send_many(tx, messages, count, timeout_ms);                                           \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_reserve(shmchan_sender *tx, T **ret_slot, int timeout_ms)                  \
    {                                                                                                        \
        void *slot;                                                                                          \
        int r = shmchan_reserve(tx, &slot, timeout_ms);                                                      \
        if (r >= 0)                                                                                          \
            *ret_slot = (T *)slot;                                                                           \
        return r;                                                                                            \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_commit(shmchan_sender *tx)                                                 \
    {                                                                                                        \
        return shmchan_commit(tx, (uint32_t)sizeof(T));                                                      \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_recv(shmchan_receiver *rx, T *ret_message)                                 \
    {                                                                                                        \
        return shmchan_recv(rx, ret_message);                                                                \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_try_recv(shmchan_receiver *rx, T *ret_message)                             \
    {                                                                                                        \
        return shmchan_try_recv(rx, ret_message);                                                            \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_recv_timed(shmchan_receiver *rx, T *ret_message, int timeout_ms)           \
    {                                                                                                        \
        return shmchan_recv_timed(rx, ret_message, timeout_ms);                                              \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_recv_info(shmchan_receiver *rx, T *ret_message,                            \
                                            struct shmchan_info *ret_info, int timeout_ms)                   \
    {                                                                                                        \
        return shmchan_recv_info(rx, ret_message, ret_info, timeout_ms);                                     \
    }                                                                                                        \
    SHMCHAN_TYPED_FN ssize_t prefix##_recv_many(shmchan_receiver *rx, T *ret_messages, size_t count,         \
                                                int timeout_ms)                                              \
    {                                                                                                        \
        return shmchan_recv_many(rx, ret_messages, count, timeout_ms);                                       \
    }                                                                                                        \
    SHMCHAN_TYPED_FN int prefix##_peek(shmchan_receiver *rx, const T **ret_message,                          \
                                       struct shmchan_info *ret_info, int timeout_ms)                        \
    {                                                                                                        \
        const void *message;                                                                                 \
        int r = shmchan_peek(rx, &message, ret_info, timeout_ms);                                            \
        if (r > 0)                                                                                           \
            *ret_message = (const T *)message;                                                               \
        return r;                                                                                            \
    }

#ifdef __cplusplus
}
#endif

#endif
