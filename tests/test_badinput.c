/* SPDX-License-Identifier: MIT */
/*
 * What is wrong gets the error that the header names, changes nothing, and never kills anybody. Files in
 * /dev/shm are scribbled on from outside, as any other program might.
 */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>

#define FOREVER SHMCHAN_FOREVER
#define NOBODY  65534

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* Outputs hold these before each call, and must hold them after a failure. */
#define TX_BEFORE ((shmchan_sender *)&untouched)
#define RX_BEFORE ((shmchan_receiver *)&untouched)
static char untouched;

static struct shmchan_options small(void)
{
    return SHMCHAN_OPTIONS(.message_size = 8, .capacity = 4, .max_senders = 4);
}

static shmchan_receiver *receiver_create(const char *name, const struct shmchan_options *o)
{
    shmchan_receiver *rx = NULL;
    expect_ok(shmchan_receiver_create(name, o, &rx));
    return rx;
}

static shmchan_sender *sender_open(const char *name)
{
    shmchan_sender *tx = NULL;
    expect_ok(shmchan_sender_open(name, NULL, &tx));
    return tx;
}

/* All calls that make or open, with outcomes; an output that is touched on failure fails the test. */
static int try_pair(const struct shmchan_options *o)
{
    shmchan_sender *tx = TX_BEFORE;
    shmchan_receiver *rx = RX_BEFORE;
    int r = shmchan_pair(o, &tx, &rx);
    expect((r < 0) == (tx == TX_BEFORE) && (r < 0) == (rx == RX_BEFORE));
    if (r == 0) {
        shmchan_sender_close(tx);
        shmchan_receiver_close(rx);
    }
    return r;
}

typedef int receiver_maker(const char *name, const struct shmchan_options *o, shmchan_receiver **ret);
typedef int sender_maker(const char *name, const struct shmchan_options *o, shmchan_sender **ret);

static int try_receiver(receiver_maker *make, const char *name, const struct shmchan_options *o)
{
    shmchan_receiver *rx = RX_BEFORE;
    int r = make(name, o, &rx);
    expect((r < 0) == (rx == RX_BEFORE));
    if (r == 0)
        shmchan_receiver_close(rx);
    return r;
}

static int try_sender(sender_maker *make, const char *name, const struct shmchan_options *o)
{
    shmchan_sender *tx = TX_BEFORE;
    int r = make(name, o, &tx);
    expect((r < 0) == (tx == TX_BEFORE));
    if (r == 0)
        shmchan_sender_close(tx);
    return r;
}

static int try_inspect(const char *name)
{
    struct shmchan_snapshot s, before;
    struct shmchan_sender_state state;
    memset(&s, 0x55, sizeof s);
    before = s;
    int r = shmchan_inspect(name, &s);
    if (r < 0)
        expect_ok(memcmp(&s, &before, sizeof s));
    expect((shmchan_inspect_senders(name, &s, &state, 1) < 0) == (r < 0));
    return r;
}

/* What every way to open what is there says. */
static void expect_opens(const char *name, int want)
{
    expect_is(try_receiver(shmchan_receiver_open, name, NULL), want);
    expect_is(try_sender(shmchan_sender_open, name, NULL), want);
    expect_is(try_inspect(name), want);
}

/* --------------------------------------------------------------------------------- arguments */

static void names(void)
{
    static char too_long[SHMCHAN_NAME_MAX + 3], longest[SHMCHAN_NAME_MAX + 2];
    memset(too_long, 'x', SHMCHAN_NAME_MAX + 1);
    const struct {
        const char *name;
        int want;
    } rows[] = {
        {NULL, -EINVAL},   {"", -EINVAL},     {"/", -EINVAL},      {"//", -EINVAL},           {".", -EINVAL},
        {"..", -EINVAL},   {"/.", -EINVAL},   {"/..", -EINVAL},    {"//a", -EINVAL},          {"a/", -EINVAL},
        {"/a/b", -EINVAL}, {"../x", -EINVAL}, {"a/../b", -EINVAL}, {too_long, -ENAMETOOLONG},
    };
    struct shmchan_options o = small();
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        watch("name '%.40s'", rows[i].name ? rows[i].name : "NULL");
        expect_is(try_receiver(shmchan_receiver_create, rows[i].name, &o), rows[i].want);
        expect_is(try_sender(shmchan_sender_create, rows[i].name, &o), rows[i].want);
        expect_is(shmchan_unlink(rows[i].name), rows[i].want);
        expect_opens(rows[i].name, rows[i].want);
    }
    /* The longest name there may be, with and without its slash. */
    memset(longest, 'y', sizeof longest - 1);
    memcpy(longest, unique_name(), strlen(unique_name()));
    expect_is(strlen(longest), SHMCHAN_NAME_MAX + 1);
    shmchan_receiver *rx = receiver_create(longest, &o);
    shmchan_sender_close(sender_open(longest + 1));
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(longest));
}

static void no_such_channel(void)
{
    const char *name = unique_name();
    expect_opens(name, -ENOENT);
    expect_is(shmchan_unlink(name), -ENOENT);
}

static void options(void)
{
    static char type_63[64], type_64[65];
    memset(type_63, 't', 63);
    memset(type_64, 't', 64);
    const size_t size = sizeof(struct shmchan_options);
    const struct {
        struct shmchan_options o;
        int want;
    } rows[] = {
        {{.struct_size = size, .message_size = 8, .capacity = 4, .type = type_63}, 0},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .type = ""}, 0},
        {{.struct_size = 0, .message_size = 8, .capacity = 4}, -EINVAL},
        {{.struct_size = 1, .message_size = 8, .capacity = 4}, -EINVAL},
        {{.struct_size = size - 1, .message_size = 8, .capacity = 4}, -EINVAL},
        {{.struct_size = SIZE_MAX, .message_size = 8, .capacity = 4}, -EINVAL},
        {{.struct_size = size, .message_size = 0, .capacity = 4}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 0}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .flags = 1u << 3}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .flags = 1u << 31}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .flags = UINT32_MAX}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .mode = 01000}, -EINVAL},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .mode = UINT32_MAX}, -EINVAL},
        {{.struct_size = size, .message_size = SHMCHAN_MESSAGE_MAX + 1, .capacity = 4}, -EOVERFLOW},
        {{.struct_size = size, .message_size = UINT32_MAX, .capacity = 4}, -EOVERFLOW},
        {{.struct_size = size, .message_size = 8, .capacity = SHMCHAN_CAPACITY_MAX + 1}, -EOVERFLOW},
        {{.struct_size = size, .message_size = 8, .capacity = UINT32_MAX}, -EOVERFLOW},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .max_senders = SHMCHAN_SENDERS_MAX + 1},
         -EOVERFLOW},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .max_senders = UINT32_MAX}, -EOVERFLOW},
        {{.struct_size = size,
          .message_size = SHMCHAN_MESSAGE_MAX,
          .capacity = SHMCHAN_CAPACITY_MAX,
          .max_senders = SHMCHAN_SENDERS_MAX},
         -EOVERFLOW},
        {{.struct_size = size, .message_size = 8, .capacity = 4, .type = type_64}, -ENAMETOOLONG},
    };
    expect_is(try_pair(NULL), -EINVAL);
    const char *name = unique_name();
    expect_is(try_receiver(shmchan_receiver_create, name, NULL), -EINVAL);
    expect_is(try_sender(shmchan_sender_create, name, NULL), -EINVAL);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        watch("options %zu", i);
        expect_is(try_pair(&rows[i].o), rows[i].want);
        expect_is(try_receiver(shmchan_receiver_create, name, &rows[i].o), rows[i].want);
        expect_is(shmchan_unlink(name), rows[i].want ? -ENOENT : 0);
        expect_is(try_sender(shmchan_sender_create, name, &rows[i].o), rows[i].want);
        expect_is(shmchan_unlink(name), rows[i].want ? -ENOENT : 0);
    }

    /* A struct of a later version: fine, as long as what we do not know is not asked for. */
    struct {
        struct shmchan_options o;
        char more[64];
    } later = {.o = {.struct_size = sizeof later, .message_size = 8, .capacity = 4}};
    expect_ok(try_pair(&later.o));
    later.more[20] = 1;
    expect_is(try_pair(&later.o), -EINVAL);
}

static void options_of_open(void)
{
    static char type_64[65];
    memset(type_64, 't', 64);
    const char *name = unique_name();
    struct shmchan_options o = small(), odd = small();
    shmchan_receiver_close(receiver_create(name, &o));
    odd.flags = UINT32_MAX; /* "looks at message_size and type only" */
    odd.capacity = UINT32_MAX;
    odd.max_senders = UINT32_MAX;
    odd.mode = UINT32_MAX;
    expect_ok(try_sender(shmchan_sender_open, name, &odd));
    expect_ok(try_receiver(shmchan_receiver_open, name, &odd));
    odd = small();
    odd.struct_size = 3;
    expect_is(try_sender(shmchan_sender_open, name, &odd), -EINVAL);
    expect_is(try_receiver(shmchan_receiver_open, name, &odd), -EINVAL);
    odd = small();
    odd.type = type_64;
    expect_is(try_sender(shmchan_sender_open, name, &odd), -ENAMETOOLONG);
    odd = small();
    odd.message_size = 9;
    expect_is(try_sender(shmchan_sender_open, name, &odd), -EPROTOTYPE);
    expect_is(try_receiver(shmchan_receiver_open, name, &odd), -EPROTOTYPE);
    expect_ok(shmchan_unlink(name));
}

static void null_pointers(void)
{
    struct shmchan_options o = small();
    const char *name = unique_name();
    shmchan_sender *tx = NULL;
    shmchan_receiver *rx = NULL;
    struct shmchan_snapshot snapshot;
    uint64_t n = 1;
    void *slot;
    const void *message;

    expect_is(shmchan_pair(&o, NULL, &rx), -EINVAL);
    expect_is(shmchan_pair(&o, &tx, NULL), -EINVAL);
    expect_is(shmchan_receiver_create(name, &o, NULL), -EINVAL);
    expect_is(shmchan_receiver_open(name, &o, NULL), -EINVAL);
    expect_is(shmchan_sender_create(name, &o, NULL), -EINVAL);
    expect_is(shmchan_sender_open(name, &o, NULL), -EINVAL);
    expect(!tx && !rx && !name_exists(name));

    expect_is(shmchan_sender_clone(NULL, &tx), -EINVAL);
    expect_is(shmchan_sender_of(NULL, &tx), -EINVAL);
    expect_is(shmchan_send(NULL, &n), -EINVAL);
    expect_is(shmchan_try_send(NULL, &n), -EINVAL);
    expect_is(shmchan_send_timed(NULL, &n, 0), -EINVAL);
    expect_is(shmchan_send_sized(NULL, &n, 1, 0), -EINVAL);
    expect_is(shmchan_send_many(NULL, &n, 1, 0), -EINVAL);
    expect_is(shmchan_reserve(NULL, &slot, 0), -EINVAL);
    expect_is(shmchan_commit(NULL, 1), -EINVAL);
    expect_is(shmchan_abort(NULL), -EINVAL);
    expect_is(shmchan_sender_id(NULL), -EINVAL);
    expect_is(shmchan_recv(NULL, &n), -EINVAL);
    expect_is(shmchan_try_recv(NULL, &n), -EINVAL);
    expect_is(shmchan_recv_timed(NULL, &n, 0), -EINVAL);
    expect_is(shmchan_recv_info(NULL, &n, NULL, 0), -EINVAL);
    expect_is(shmchan_recv_many(NULL, &n, 1, 0), -EINVAL);
    expect_is(shmchan_peek(NULL, &message, NULL, 0), -EINVAL);
    expect_is(shmchan_release(NULL), -EINVAL);
    expect_is(shmchan_inspect(name, NULL), -EINVAL);
    expect_is(shmchan_inspect_senders(name, NULL, NULL, 0), -EINVAL);
    expect_is(shmchan_inspect_senders(name, &snapshot, NULL, 1), -EINVAL);
    expect_is(shmchan_list(NULL, NULL), -EINVAL);

    expect_ok(shmchan_pair(&o, &tx, &rx));
    expect_is(shmchan_sender_clone(tx, NULL), -EINVAL);
    expect_is(shmchan_sender_of(rx, NULL), -EINVAL);
    expect_is(shmchan_send(tx, NULL), -EINVAL);
    expect_is(shmchan_try_send(tx, NULL), -EINVAL);
    expect_is(shmchan_send_timed(tx, NULL, 0), -EINVAL);
    expect_is(shmchan_send_sized(tx, NULL, 1, 0), -EINVAL);
    expect_is(shmchan_send_many(tx, NULL, 1, 0), -EINVAL);
    expect_is(shmchan_reserve(tx, NULL, 0), -EINVAL);
    expect_is(shmchan_commit(tx, 1), -EPROTO); /* nothing was reserved */
    expect_ok(shmchan_send(tx, &n));
    expect_is(shmchan_recv(rx, NULL), -EINVAL);
    expect_is(shmchan_try_recv(rx, NULL), -EINVAL);
    expect_is(shmchan_recv_timed(rx, NULL, 0), -EINVAL);
    expect_is(shmchan_recv_info(rx, NULL, NULL, 0), -EINVAL);
    expect_is(shmchan_recv_many(rx, NULL, 1, 0), -EINVAL);
    expect_is(shmchan_peek(rx, NULL, NULL, 0), -EINVAL);
    expect_is(shmchan_release(rx), -EPROTO);
    n = 0;
    expect_is(shmchan_recv(rx, &n), 1); /* nothing that was sent before is lost */
    expect_is(n, 1);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
}

static void order_of_calls(void)
{
    struct shmchan_options o = small();
    shmchan_sender *tx = NULL;
    shmchan_receiver *rx = NULL;
    void *slot = &untouched;
    uint64_t n = 1;
    expect_ok(shmchan_pair(&o, &tx, &rx));
    expect_is(shmchan_commit(tx, 8), -EPROTO);
    expect_is(shmchan_abort(tx), -EPROTO);
    expect_is(shmchan_release(rx), -EPROTO);
    expect_ok(shmchan_send(tx, &n));
    expect_is(shmchan_release(rx), -EPROTO);
    expect_ok(shmchan_reserve(tx, &slot, FOREVER));
    expect_is(shmchan_reserve(tx, &slot, FOREVER), -EPROTO);
    expect_is(shmchan_commit(tx, 9), -EMSGSIZE);
    expect_is(shmchan_commit(tx, UINT32_MAX), -EMSGSIZE);
    expect_is(shmchan_send(tx, &n), -EPROTO);
    expect_ok(shmchan_abort(tx));
    expect_is(shmchan_send_sized(tx, &n, 9, FOREVER), -EMSGSIZE);
    expect_is(shmchan_send_many(tx, &n, SIZE_MAX, 0), -EINVAL); /* no memory holds so many */
    expect_is(shmchan_recv(rx, &n), 1);
    expect_is(shmchan_try_recv(rx, &n), -EAGAIN);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
}

static void open_second_receiver(void *arg)
{
    expect_is(try_receiver(shmchan_receiver_open, arg, NULL), -EBUSY);
}

static void second_receiver(void)
{
    const char *name = unique_name();
    struct shmchan_options o = small();
    shmchan_receiver *rx = receiver_create(name, &o);
    shmchan_sender *tx = sender_open(name);
    uint64_t n = 5;
    expect_ok(shmchan_send(tx, &n));
    for (int i = 0; i < 10; i++)
        expect_is(try_receiver(shmchan_receiver_open, name, NULL), -EBUSY);
    finish(spawn("second receiver", open_second_receiver, (void *)name));
    expect_ok(shmchan_send(tx, &n)); /* neither side has noticed */
    expect_is(shmchan_try_recv(rx, &n), 1);
    expect_is(shmchan_try_recv(rx, &n), 1);
    shmchan_receiver_close(rx);
    expect_ok(try_receiver(shmchan_receiver_open, name, NULL));
    shmchan_sender_close(tx);
    expect_ok(shmchan_unlink(name));
}

static void open_one_more_sender(void *arg)
{
    expect_is(try_sender(shmchan_sender_open, arg, NULL), -EUSERS);
}

static void no_sender_place(void)
{
    const char *name = unique_name();
    struct shmchan_options o = small();
    shmchan_receiver *rx = receiver_create(name, &o);
    shmchan_sender *tx[4], *more = TX_BEFORE;
    uint64_t n = 5;
    for (int i = 0; i < 4; i++)
        tx[i] = sender_open(name);
    for (int i = 0; i < 10; i++) {
        expect_is(try_sender(shmchan_sender_open, name, NULL), -EUSERS);
        expect_is(shmchan_sender_clone(tx[0], &more), -EUSERS);
        expect_is(shmchan_sender_of(rx, &more), -EUSERS);
        expect(more == TX_BEFORE);
    }
    finish(spawn("one sender too many", open_one_more_sender, (void *)name));
    expect_ok(shmchan_send(tx[2], &n));
    shmchan_sender_close(tx[2]);
    expect_is(try_sender(shmchan_sender_open, name, NULL), -EUSERS); /* it holds a message */
    expect_is(shmchan_try_recv(rx, &n), 1);
    expect_ok(try_sender(shmchan_sender_open, name, NULL));
    for (int i = 0; i < 4; i++)
        if (i != 2)
            shmchan_sender_close(tx[i]);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

/* ----------------------------------------------------------------------- what is no channel */

static void write_file(const char *name, const void *bytes, size_t length, off_t size)
{
    int fd = open(path_of(name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    expect(fd >= 0);
    expect_is(write(fd, bytes, length), length);
    if (size >= 0)
        expect_ok(ftruncate(fd, size));
    close(fd);
}

static void expect_no_channel(const char *name)
{
    struct shmchan_options o = small();
    watch("%s is no channel", name);
    expect_opens(name, -EBADMSG);
    expect_is(shmchan_unlink(name), -EBADMSG);
    expect_is(try_receiver(shmchan_receiver_create, name, &o), -EEXIST);
    expect_is(try_sender(shmchan_sender_create, name, &o), -EEXIST);
    expect(name_exists(name)); /* nobody's file is removed */
}

static int expect_not(const char *name, void *user)
{
    expect(strcmp(name, user) != 0);
    return 0;
}

static void not_a_channel(void)
{
    const char *name = unique_name(), *other = unique_name();
    struct shmchan_options o = small();
    static char zeros[300000];
    char text[300];
    memset(text, 'A', sizeof text);

    write_file(name, "", 0, -1); /* empty */
    expect_no_channel(name);
    expect_ok(shmchan_list(expect_not, (void *)name));
    write_file(name, "hello\n", 6, -1);
    expect_no_channel(name);
    write_file(name, text, sizeof text, -1);
    expect_no_channel(name);
    write_file(name, text, sizeof text, 1 << 20);
    expect_no_channel(name);
    write_file(name, zeros, sizeof zeros, -1);
    expect_no_channel(name);
    write_file(name, "", 0, (off_t)1 << 40); /* sparse and huge */
    expect_no_channel(name);
    expect_ok(shmchan_list(expect_not, (void *)name));
    expect_ok(unlink(path_of(name)));

    expect_ok(mkdir(path_of(name), 0700));
    expect_no_channel(name);
    expect_ok(rmdir(path_of(name)));

    expect_ok(mkfifo(path_of(name), 0600)); /* whose opener might wait for a writer */
    expect_no_channel(name);
    expect_ok(shmchan_list(expect_not, (void *)name));
    expect_ok(unlink(path_of(name)));

    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(name));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    expect(fd >= 0);
    expect_ok(bind(fd, (struct sockaddr *)&address, sizeof address));
    expect_no_channel(name);
    close(fd);
    expect_ok(unlink(path_of(name)));

    shmchan_receiver *rx = receiver_create(other, &o); /* a link, even to a channel */
    expect_ok(symlink(other + 1, path_of(name)));
    expect_no_channel(name);
    expect_ok(unlink(path_of(name)));
    expect_ok(symlink("nowhere", path_of(name)));
    expect_no_channel(name);
    expect_ok(unlink(path_of(name)));
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(other));
}

/* The bytes of a channel's file that are backed with memory, and its size. */
struct image {
    unsigned char *bytes;
    size_t length;
    off_t size;
};

static struct image read_image(const char *name)
{
    struct stat st;
    int fd = open(path_of(name), O_RDONLY | O_CLOEXEC);
    expect(fd >= 0);
    expect_ok(fstat(fd, &st));
    struct image image = {.size = st.st_size};
    off_t hole = lseek(fd, 0, SEEK_HOLE);
    expect(hole > 0 && hole <= st.st_size);
    image.length = (size_t)hole;
    image.bytes = malloc(image.length);
    expect(image.bytes);
    expect_is(pread(fd, image.bytes, image.length, 0), image.length);
    close(fd);
    return image;
}

static void truncated(void)
{
    const char *name = unique_name(), *copy = unique_name();
    struct shmchan_options o = small();
    shmchan_sender *tx;
    uint64_t n = 1;
    shmchan_receiver_close(receiver_create(name, &o));
    tx = sender_open(name);
    expect_is(shmchan_send(tx, &n), -EPIPE);
    shmchan_sender_close(tx);
    struct image image = read_image(name);
    note("a region of %lld bytes, %zu of them backed", (long long)image.size, image.length);

    watch("the untouched copy is a channel");
    write_file(copy, image.bytes, image.length, image.size);
    expect_opens(copy, 0);
    for (off_t size = 0; size < image.size; size += size < 300 ? 1 : size < 8192 ? 64 : 1024) {
        watch("truncated to %lld", (long long)size);
        size_t length = (size_t)size < image.length ? (size_t)size : image.length;
        write_file(copy, image.bytes, length, size);
        expect_opens(copy, -EBADMSG);
    }
    static const int differences[] = {-4096, -1, 1, 4096, 1 << 20};
    for (size_t i = 0; i < COUNT_OF(differences); i++) {
        watch("%d bytes off", differences[i]);
        size_t length = image.length;
        if (differences[i] < 0 && (size_t)(image.size + differences[i]) < length)
            length = (size_t)(image.size + differences[i]);
        write_file(copy, image.bytes, length, image.size + differences[i]);
        expect_opens(copy, -EBADMSG);
    }
    for (size_t length = 0; length + 4096 <= image.length; length += 4096) { /* the right size, with holes */
        watch("only the first %zu bytes are there", length);
        write_file(copy, image.bytes, length, image.size);
        expect_opens(copy, -EBADMSG);
    }
    expect_ok(unlink(path_of(copy)));
    expect_ok(shmchan_unlink(name));
    free(image.bytes);
}

static void poke(const char *name, off_t offset, const void *bytes, size_t length)
{
    int fd = open(path_of(name), O_WRONLY | O_CLOEXEC);
    expect(fd >= 0);
    expect_is(pwrite(fd, bytes, length, offset), length);
    close(fd);
}

/* Magic, then version and ABI, then fields under a checksum: format 1, see layout.h. */
static void scribbled_header(void)
{
    const char *name = unique_name();
    struct shmchan_options o = small();
    shmchan_receiver *rx;
    shmchan_sender *tx;
    unsigned refused = 0;
    uint64_t n;
    o.type = "struct something";
    rx = receiver_create(name, &o);
    tx = sender_open(name);
    struct image image = read_image(name);
    expect(image.length >= 256);
    for (off_t i = 0; i < 256; i++) {
        static const unsigned char masks[] = {0xff, 0x01, 0x80};
        for (size_t k = 0; k < COUNT_OF(masks); k++) {
            unsigned char byte = image.bytes[i] ^ masks[k];
            watch("byte %lld is %#x", (long long)i, byte);
            poke(name, i, &byte, 1);
            int r = try_sender(shmchan_sender_open, name, NULL);
            int inspected = try_inspect(name);
            if (i < 8)
                expect_is(r, -EBADMSG);
            else if (i < 16)
                expect_is(r, -EPROTONOSUPPORT);
            else
                expect(r == 0 || r == -EBADMSG);
            expect_is(inspected, r);
            refused += r < 0;
            for (uint64_t m = 0; m < 3; m++) { /* who holds the channel goes on, by what it knew */
                expect_ok(shmchan_try_send(tx, &m));
                expect_is(shmchan_try_recv(rx, &n), 1);
                expect_is(n, m);
            }
            poke(name, i, &image.bytes[i], 1);
        }
    }
    expect(refused >= 100 * 3); /* the fields are more than a hundred bytes */
    expect_ok(try_sender(shmchan_sender_open, name, NULL));

    watch("a damaged channel can be removed");
    poke(name, 40, "\xff\xff\xff\xff", 4);
    expect_is(try_sender(shmchan_sender_open, name, NULL), -EBADMSG);
    expect_is(shmchan_remove_orphan(name), -EBUSY);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_remove_orphan(name));
    free(image.bytes);
}

/* ---------------------------------------------------------------- a region scribbled on while in use */

struct scribble {
    const char *name;
    off_t offset;
    unsigned char bytes[8];
};

/* Every call once more. What they return does not matter: they return, and nobody is killed. */
static void use_scribbled(void *arg)
{
    const struct scribble *s = arg;
    struct shmchan_options o = {.struct_size = sizeof o, .message_size = 24, .capacity = 4, .max_senders = 2};
    unsigned char *in = malloc(24 * 4), *out = calloc(4, 24); /* of the exact size, for sanitizers */
    shmchan_receiver *rx = receiver_create(s->name, &o), *second = NULL;
    shmchan_sender *tx = sender_open(s->name), *other = NULL;
    struct shmchan_snapshot snapshot;
    struct shmchan_sender_state states[2];
    struct shmchan_info info;
    const void *message;
    void *slot;
    expect(in && out);
    for (int i = 0; i < 5; i++) {
        expect_ok(shmchan_try_send(tx, out));
        if (i)
            expect_is(shmchan_try_recv(rx, in), 1);
    }
    poke(s->name, s->offset, s->bytes, sizeof s->bytes);
    for (int i = 0; i < 3; i++) {
        watch("using a scribbled region, round %d", i);
        shmchan_try_send(tx, out);
        shmchan_send_timed(tx, out, 2);
        shmchan_send_sized(tx, out, 3, 2);
        shmchan_send_many(tx, out, 4, 2);
        if (shmchan_reserve(tx, &slot, 2) == 0) {
            memset(slot, 7, 24);
            shmchan_commit(tx, 24);
        }
        shmchan_try_recv(rx, in);
        shmchan_recv_timed(rx, in, 2);
        if (shmchan_recv_info(rx, in, &info, 2) == 1)
            expect(info.length <= 24 && info.sender_id < 2);
        if (shmchan_peek(rx, &message, &info, 2) == 1) {
            expect(info.length <= 24);
            memcpy(in, message, 24);
            shmchan_release(rx);
        }
        ssize_t got = shmchan_recv_many(rx, in, 4, 2);
        expect(got <= 4);
    }
    watch("inspecting a scribbled region");
    ssize_t places = shmchan_inspect_senders(s->name, &snapshot, states, 2);
    expect(places <= 2);
    if (places >= 0)
        expect(snapshot.received <= snapshot.sent);
    watch("joining a scribbled region");
    if (shmchan_sender_clone(tx, &other) == 0)
        shmchan_try_send(other, out);
    watch("closing a scribbled region");
    shmchan_sender_close(other);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    watch("taking a scribbled region over");
    if (shmchan_receiver_open(s->name, NULL, &second) == 0)
        for (int i = 0; i < 10; i++)
            shmchan_try_recv(second, in);
    shmchan_receiver_close(second);
    free(in);
    free(out);
}

static void scribbled_region(void)
{
    const char *name = unique_name();
    struct shmchan_options o = {.struct_size = sizeof o, .message_size = 24, .capacity = 4, .max_senders = 2};
    shmchan_receiver_close(receiver_create(name, &o));
    shmchan_sender_close(sender_open(name));
    struct image image = read_image(name);
    expect_ok(shmchan_unlink(name));
    /* What is used of it: the control block and the slots of two lanes. Coarser when scaled down. */
    off_t step = 8 * (off_t)(scaled(100) >= 100 ? 1 : 100 / scaled(100));
    uint64_t random = 5;
    unsigned runs = 0;
    for (off_t offset = 0; offset < (off_t)image.length; offset += step) {
        bool empty = true;
        for (off_t i = offset; i < offset + 2048 && i < (off_t)image.length; i++)
            empty &= image.bytes[i] == 0;
        if (empty && offset % 512) /* page ends that nobody uses */
            continue;
        for (int pattern = 0; pattern < 3; pattern++) {
            struct scribble s = {.name = name, .offset = offset};
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (pattern == 0)
                memset(s.bytes, 0xff, sizeof s.bytes);
            else if (pattern == 1)
                memcpy(s.bytes, &random, sizeof s.bytes);
            else
                s.bytes[0] = 1 + (unsigned char)(random >> 60);
            watch("scribbling at %lld, pattern %d", (long long)offset, pattern);
            finish(spawn("user of a scribbled region", use_scribbled, &s));
            expect_ok(unlink(path_of(name)));
            runs++;
        }
    }
    note("%u scribbles", runs);
    free(image.bytes);
}

/* ------------------------------------------------------------------------------ whose it is */

static void drop_to_nobody(void)
{
    expect_ok(setresgid(NOBODY, NOBODY, NOBODY));
    expect_ok(setresuid(NOBODY, NOBODY, NOBODY));
}

struct private_names {
    const char *closed, *readable, *open;
};

static void knock(void *arg)
{
    const struct private_names *n = arg;
    struct shmchan_snapshot s;
    uint64_t number = 42;
    drop_to_nobody();
    watch("knocking at others' channels");
    expect_opens(n->closed, -EACCES);
    expect_is(shmchan_unlink(n->closed), -EACCES);
    expect_ok(shmchan_list(expect_not, (void *)n->closed));
    expect_is(try_sender(shmchan_sender_open, n->readable, NULL), -EACCES);
    expect_is(try_receiver(shmchan_receiver_open, n->readable, NULL), -EACCES);
    expect_ok(shmchan_inspect(n->readable, &s)); /* "read permission is enough" */
    expect_is(s.owner_uid, 0);
    expect_is(s.receiver.state, SHMCHAN_PLACE_HELD);
    expect_is(shmchan_unlink(n->readable), -EACCES);
    shmchan_sender *tx = sender_open(n->open);
    expect_ok(shmchan_send(tx, &number));
    expect_is(shmchan_unlink(n->open), -EACCES); /* /dev/shm is sticky */
    shmchan_sender_close(tx);
}

static void no_permission(void)
{
    if (geteuid() != 0) {
        skip("needs root to become somebody else");
        return;
    }
    struct private_names n = {unique_name(), unique_name(), unique_name()};
    struct shmchan_options o = small();
    shmchan_receiver *closed = receiver_create(n.closed, &o);
    o.mode = 0644;
    shmchan_receiver *readable = receiver_create(n.readable, &o);
    o.mode = 0666;
    shmchan_receiver *all = receiver_create(n.open, &o);
    finish(spawn("nobody", knock, &n));
    uint64_t number = 0;
    expect_is(shmchan_recv(all, &number), 1);
    expect_is(number, 42);
    expect_is(shmchan_recv(all, &number), 0);
    shmchan_receiver_close(closed);
    shmchan_receiver_close(readable);
    shmchan_receiver_close(all);
    expect_ok(shmchan_unlink(n.closed));
    expect_ok(shmchan_unlink(n.readable));
    expect_ok(shmchan_unlink(n.open));
}

/* --------------------------------------------------------------------------------- no room */

/* A /dev/shm of our own, of `options` ("size=1m"). False: not permitted here. */
static bool own_shm(const char *size)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return false;
    return mount("tmpfs", "/dev/shm", "tmpfs", 0, size) == 0;
}

static uint64_t shm_free(void)
{
    struct statvfs st;
    expect_ok(statvfs("/dev/shm", &st));
    return (uint64_t)st.f_bfree * st.f_bsize;
}

enum { CANNOT = 77 }; /* exit status of a child that may not mount */

/* Fills /dev/shm to the last page. */
static void fill_shm(void)
{
    static char page[4096];
    int fd = open("/dev/shm/filler", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    expect(fd >= 0);
    memset(page, 1, sizeof page);
    while (write(fd, page, sizeof page) > 0)
        ;
    close(fd);
    expect_is(shm_free(), 0);
}

static void use_without_room(void *arg)
{
    uint64_t n = 1;
    expect_is(shmchan_send(arg, &n), -ENOSPC);
    expect_is(shmchan_sender_id(arg), -ENOSPC);
}

static void one_mebibyte(void *arg)
{
    (void)arg;
    if (!own_shm("size=1m"))
        _exit(CANNOT);
    const uint64_t all = shm_free();

    watch("a control block that does not fit");
    struct shmchan_options o = {
        .struct_size = sizeof o, .message_size = 8, .capacity = 4, .max_senders = SHMCHAN_SENDERS_MAX};
    expect_is(try_receiver(shmchan_receiver_create, "/large", &o), -ENOSPC);
    expect_is(try_sender(shmchan_sender_create, "/large", &o), -ENOSPC);
    expect_opens("/large", -ENOENT);
    expect_is(shm_free(), all);

    watch("a lane that does not fit");
    o = (struct shmchan_options){.struct_size = sizeof o, .message_size = 1024, .capacity = 4096};
    expect_is(try_sender(shmchan_sender_create, "/long", &o), -ENOSPC);
    expect_opens("/long", -ENOENT);
    expect_is(shm_free(), all);
    expect_ok(try_receiver(shmchan_receiver_create, "/long", &o)); /* takes no lane */
    uint64_t before = shm_free();
    expect_is(try_sender(shmchan_sender_open, "/long", NULL), -ENOSPC);
    expect_is(shm_free(), before); /* "nothing has changed" */
    expect_ok(shmchan_unlink("/long"));
    expect_is(shm_free(), all);

    watch("attaching until it is full");
    static unsigned char message[1008], in[1008];
    o = (struct shmchan_options){
        .struct_size = sizeof o, .message_size = sizeof message, .capacity = 256, .max_senders = 8};
    shmchan_receiver *rx = receiver_create("/some", &o);
    shmchan_sender *tx[8] = {NULL}, *none = TX_BEFORE;
    unsigned joined = 0;
    int r;
    while ((r = shmchan_sender_open("/some", NULL, &tx[joined])) == 0)
        joined++;
    expect_is(r, -ENOSPC);
    expect(joined >= 1 && joined < 8);
    expect_is(shmchan_sender_clone(tx[0], &none), -ENOSPC);
    expect_is(shmchan_sender_of(rx, &none), -ENOSPC);
    expect(none == TX_BEFORE);
    fill_shm();
    expect_is(try_receiver(shmchan_receiver_create, "/more", &o), -ENOSPC);
    finish(spawn("child without room", use_without_room, tx[0]));

    watch("who is there goes on, through all of its memory");
    for (unsigned i = 0; i < joined; i++)
        for (uint64_t n = 0; n < 256; n++) {
            message_fill(message, sizeof message, i, n);
            expect_ok(shmchan_try_send(tx[i], message));
        }
    expect_is(shmchan_try_send(tx[0], message), -EAGAIN);
    for (unsigned i = 0; i < joined; i++)
        for (uint64_t n = 0; n < 256; n++) {
            expect_is(shmchan_try_recv(rx, in), 1);
            const char *fault = message_fault(in, sizeof in, i, n);
            if (fault)
                fail("%s", fault);
        }
    expect_is(shmchan_try_recv(rx, in), -EAGAIN);
    expect_ok(try_inspect("/some"));

    watch("a lane that was backed once can be taken without more room");
    shmchan_sender_close(tx[joined - 1]);
    expect_ok(shmchan_sender_open("/some", NULL, &tx[joined - 1]));
    message_fill(message, sizeof message, 9, 9);
    expect_ok(shmchan_try_send(tx[joined - 1], message));
    expect_is(shmchan_try_recv(rx, in), 1);
    shmchan_receiver_close(rx);
    rx = NULL;
    expect_ok(shmchan_receiver_open("/some", NULL, &rx));
    for (unsigned i = 0; i < joined; i++)
        shmchan_sender_close(tx[i]);
    expect_is(shmchan_recv(rx, in), 0);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink("/some"));
    expect_ok(unlink("/dev/shm/filler"));
    expect_is(shm_free(), all);
}

/* Lanes of more than one step of the library's allocation. */
static void sixteen_mebibytes(void *arg)
{
    (void)arg;
    if (!own_shm("size=16m"))
        _exit(CANNOT);
    struct shmchan_options o = {
        .struct_size = sizeof o, .message_size = 4096, .capacity = 4096, .max_senders = 4};
    const uint64_t all = shm_free();
    expect_is(try_sender(shmchan_sender_create, "/long", &o), -ENOSPC);
    expect_is(shm_free(), all);
    shmchan_receiver *rx = receiver_create("/long", &o);
    uint64_t before = shm_free();
    watch("a lane that fits in part");
    for (int i = 0; i < 8; i++) {
        expect_is(try_sender(shmchan_sender_open, "/long", NULL), -ENOSPC);
        if (shm_free() != before)
            fail("a failed attach left %llu bytes taken", (unsigned long long)(before - shm_free()));
    }
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink("/long"));
    expect_is(shm_free(), all);
}

static void in_own_shm(const char *what, void (*run)(void *arg))
{
    if (geteuid() != 0) {
        skip("needs root to mount a tmpfs");
        return;
    }
    int status = reap(spawn(what, run, NULL));
    if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
        skip("mounting is not permitted here");
    else if (status)
        fail("%s: status %#x", what, (unsigned)status);
}

static void no_room(void)
{
    in_own_shm("1 MiB", one_mebibyte);
}

static void no_room_for_all_of_a_lane(void)
{
    in_own_shm("16 MiB", sixteen_mebibytes);
}

static void without_proc_run(void *arg)
{
    struct shmchan_options o = small();
    (void)arg;
    if (!own_shm("size=1m") || mount("tmpfs", "/proc", "tmpfs", 0, NULL) < 0)
        _exit(CANNOT);
    int r = try_pair(&o);
    expect(r == -ENOENT || r == -ENOSYS);
    r = try_receiver(shmchan_receiver_create, "/x", &o);
    expect(r == -ENOENT || r == -ENOSYS);
    expect_is(access("/dev/shm/x", F_OK), -1);
}

static void without_proc(void)
{
    in_own_shm("no /proc", without_proc_run);
}

/* --------------------------------------------------------------------------------- limits */

static void set_limit(int resource, rlim_t soft)
{
    struct rlimit limit;
    expect_ok(getrlimit(resource, &limit));
    limit.rlim_cur = soft == RLIM_INFINITY ? limit.rlim_max : soft;
    expect_ok(setrlimit(resource, &limit));
}

/* Descriptors that may still be opened: set the limit so that `left` are. */
static void leave_descriptors(int left)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free one; no gaps below it here */
    expect(fd >= 0);
    close(fd);
    set_limit(RLIMIT_NOFILE, (rlim_t)(fd + left));
}

static void child_without_descriptors(void *arg)
{
    uint64_t n = 1;
    expect_is(shmchan_send(arg, &n), -EMFILE);
}

static void no_descriptors(void)
{
    const char *name = unique_name(), *other = unique_name();
    struct shmchan_options o = small();
    struct rlimit before;
    int outcomes[6][4];
    unsigned open_before;
    expect_ok(getrlimit(RLIMIT_NOFILE, &before));
    shmchan_receiver_close(receiver_create(name, &o));
    open_before = descriptors_open();
    for (int left = 0; left < 6; left++) {
        watch("%d descriptors left", left);
        leave_descriptors(left);
        outcomes[left][0] = try_pair(&o);
        outcomes[left][1] = try_sender(shmchan_sender_open, name, NULL);
        outcomes[left][2] = try_receiver(shmchan_receiver_create, other, &o);
        outcomes[left][3] = try_inspect(name);
        expect_ok(setrlimit(RLIMIT_NOFILE, &before));
        if (outcomes[left][2] == 0)
            expect_ok(shmchan_unlink(other));
        expect(!name_exists(other));
        expect_is(descriptors_open(), open_before);
    }
    for (int left = 0; left < 6; left++)
        for (int call = 0; call < 4; call++) {
            int r = outcomes[left][call], needed = call == 3 ? 1 : 2;
            if (r != (left < needed ? -EMFILE : 0))
                fail("call %d with %d descriptors left: %d", call, left, r);
        }

    watch("a fork that finds no descriptor for the child");
    shmchan_sender *tx = NULL;
    shmchan_receiver *rx = NULL;
    expect_ok(shmchan_pair(&o, &tx, &rx));
    leave_descriptors(0);
    pid_t child = spawn("child without descriptors", child_without_descriptors, tx);
    expect_ok(setrlimit(RLIMIT_NOFILE, &before));
    finish(child);
    uint64_t n = 3;
    expect_ok(shmchan_send(tx, &n));
    expect_is(shmchan_try_recv(rx, &n), 1);
    shmchan_sender_close(tx);
    expect_is(shmchan_recv(rx, &n), 0);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

static void small_files_only(void)
{
    const char *name = unique_name(), *other = unique_name();
    struct shmchan_options o = small();
    int r[3];
    shmchan_receiver_close(receiver_create(name, &o));
    set_limit(RLIMIT_FSIZE, 4096); /* beyond it a write is SIGXFSZ */
    r[0] = try_pair(&o);
    r[1] = try_receiver(shmchan_receiver_create, other, &o);
    r[2] = try_sender(shmchan_sender_open, name, NULL);
    set_limit(RLIMIT_FSIZE, RLIM_INFINITY);
    expect_is(r[0], -EFBIG);
    expect_is(r[1], -EFBIG);
    expect(r[2] == 0 || r[2] == -EFBIG);
    expect(!name_exists(other));
    expect_ok(try_pair(&o));
    expect_ok(shmchan_unlink(name));
}

#ifdef SANITIZED
static void little_memory(void)
{
    skip("a sanitizer needs the address space");
}
#else
static void little_memory(void)
{
    struct shmchan_options o = {
        .struct_size = sizeof o, .message_size = 1 << 20, .capacity = 32, .max_senders = 2};
    const char *name = unique_name();
    unsigned long long kib = 0;
    char line[200];
    FILE *f = fopen("/proc/self/status", "re");
    expect(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "VmSize: %llu", &kib) == 1)
            break;
    fclose(f);
    expect(kib > 0);
    shmchan_receiver *rx = receiver_create(name, &o);
    set_limit(RLIMIT_AS, (rlim_t)(kib + 8192) << 10);
    int made = try_pair(&o), opened = try_sender(shmchan_sender_open, name, NULL);
    set_limit(RLIMIT_AS, RLIM_INFINITY);
    expect_is(made, -ENOMEM);
    expect_is(opened, -ENOMEM);
    shmchan_sender *tx = sender_open(name);
    shmchan_sender_close(tx);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}
#endif

/* ----------------------------------------------------------------------- a stopped attacher */

static void attach_for_ever(void *arg)
{
    watch("attaching again and again");
    for (;;)
        shmchan_sender_close(sender_open(arg));
}

/* Stops a process in the middle of attaching. Others cannot attach then, and are told so; all else goes on.
 */
static void stopped_while_attaching(void)
{
    const char *name = unique_name();
    struct shmchan_options o = small();
    struct shmchan_snapshot s;
    shmchan_receiver *rx = receiver_create(name, &o);
    shmchan_sender *tx = sender_open(name), *clone = TX_BEFORE;
    pid_t child = spawn("attacher", attach_for_ever, (void *)name);
    bool caught = false;
    for (int i = 0; i < 5000 && !caught; i++) {
        watch("trying to stop a process while it attaches, %d", i);
        nap_us(200 + (unsigned)i * 37 % 500);
        stop(child);
        expect_ok(shmchan_inspect(name, &s));
        caught = s.mutex_owner_pid == child;
        if (!caught)
            resume(child);
    }
    if (caught) {
        watch("attaching beside a stopped attacher");
        expect_is(try_sender(shmchan_sender_open, name, NULL), -EDEADLK);
        expect_is(shmchan_sender_clone(tx, &clone), -EDEADLK);
        expect(clone == TX_BEFORE);
        for (uint64_t n = 0, got; n < 1000; n++) {
            expect_ok(shmchan_try_send(tx, &n));
            expect_is(shmchan_try_recv(rx, &got), 1);
            expect_is(got, n);
        }
        watch("it is killed while it holds the mutex");
        kill_and_reap(child);
        expect_ok(try_sender(shmchan_sender_open, name, NULL));
    } else {
        skip("the attacher was never caught holding the mutex");
        kill_and_reap(child);
    }
    shmchan_sender_close(tx);
    uint64_t n;
    expect_is(shmchan_recv(rx, &n), 0);
    shmchan_receiver_close(rx);
    expect_ok(shmchan_unlink(name));
}

/* --------------------------------------------------------------------------------- words */

static void words(void)
{
    static const int errors[] = {
        EINVAL, EOVERFLOW,  ENAMETOOLONG,    EMFILE,  ENFILE, ENOMEM,   ENOSPC, ENOSYS,
        ENOENT, EEXIST,     EACCES,          EBADMSG, EBUSY,  EUSERS,   EPERM,  EDEADLK,
        EPIPE,  EPROTOTYPE, EPROTONOSUPPORT, EAGAIN,  EPROTO, EMSGSIZE, EFBIG,  ETIMEDOUT,
    };
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        const char *text = shmchan_strerror(-errors[i]);
        expect(text && strlen(text) > 10);
        expect(text == shmchan_strerror(errors[i]) || strcmp(text, shmchan_strerror(errors[i])) == 0);
        for (size_t k = 0; k < i; k++)
            if (strcmp(text, shmchan_strerror(-errors[k])) == 0)
                fail("%s and %s are one text: %s", strerror(errors[i]), strerror(errors[k]), text);
    }
    static const int odd[] = {0, 1, -1, 4095, -4095, 100000, INT_MAX, INT_MIN};
    for (size_t i = 0; i < COUNT_OF(odd); i++)
        expect(shmchan_strerror(odd[i]) && *shmchan_strerror(odd[i]));
}

static const struct row rows[] = {
    {"names: which make no sense", names},
    {"names: of no channel", no_such_channel},
    {"options: of making", options},
    {"options: of opening", options_of_open},
    {"arguments: NULL", null_pointers},
    {"calls: out of order", order_of_calls},
    {"places: a second receiver", second_receiver},
    {"places: one sender too many", no_sender_place},
    {"files: not a channel", not_a_channel},
    {"files: truncated at many lengths, and with holes", truncated},
    {"files: every byte of the header scribbled", scribbled_header},
    {"files: the region scribbled while in use", scribbled_region},
    {"permission: none", no_permission},
    {"room: on a tmpfs of 1 MiB", no_room},
    {"room: for a part of a lane only", no_room_for_all_of_a_lane},
    {"proc: not mounted", without_proc},
    {"limits: descriptors", no_descriptors},
    {"limits: file size", small_files_only},
    {"limits: address space", little_memory},
    {"mutex: held by a stopped process", stopped_while_attaching},
    {"strerror: a text of its own for each error", words},
};

int main(int argc, char **argv)
{
    return suite_run("badinput", rows, COUNT_OF(rows), argc, argv);
}
