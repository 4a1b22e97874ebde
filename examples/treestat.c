/* SPDX-License-Identifier: MIT */
/*
 * treestat: what fills a directory tree. Forked workers search its directories between them and send
 * one record for each name they find; the collector counts.
 *
 *     collector  --- a directory to search, over a socket of each worker's own --->  worker
 *     collector  <-- a record for each name in it, then "done", over one channel ---  worker
 *
 * A job is one directory, not the tree below it: subdirectories come back as records and become jobs of
 * their own, for whoever has time, so deep and lopsided trees keep everyone busy. A worker does its jobs
 * in the order they were handed out; so a record needs no more than the bare name, and when a worker is
 * killed the collector knows the one directory that it left half searched, and has others do the rest.
 *
 * Counted is what `find -H DIR` counts: every name, hard links each time, across file systems, links not
 * followed except DIR itself. What vanishes meanwhile is not there.
 */
#include "shmchan.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

enum {
    WORKERS_MAX = 256,
    JOBS_AHEAD = 2, /* one to do, one to go on with: more would wait behind a huge directory */
    CAPACITY = 512,
    PATH_BYTES = 65536, /* below DIR; what is deeper still is reported, not searched */
    EXTENSION_BYTES = 16,
    TOP = 15,
    QUIET_MS = 100, /* silence after which the collector looks whether all workers live */
    PROGRESS_MS = 250
};

/* The kinds that are counted first, then what else a worker has to say. */
enum kind { REGULAR, DIRECTORY, LINK, OTHER, COUNTED, UNSEEN = COUNTED, DONE };

struct record {
    uint64_t size;
    int64_t mtime;
    uint32_t worker;
    uint32_t kind;
    int32_t error; /* UNSEEN: why; DONE: 0, or why the directory could not be read */
    char name[NAME_MAX + 1];
};
SHMCHAN_TYPED(record, struct record)

/* ------------------------------------------------------------------------------------- the worker */

struct searcher {
    uint32_t worker;
    int root;
    int work;
    shmchan_sender *tx;
};

static void tell(const struct searcher *s, struct record *record)
{
    record->worker = s->worker;
    int r = record_send(s->tx, record);
    if (r < 0 && r != -EPIPE) /* without a collector there is nobody to complain to */
        warnx("worker %" PRIu32 ": %s", s->worker, shmchan_strerror(r));
    if (r < 0)
        _exit(EXIT_FAILURE);
}

/* openat() takes fewer than PATH_MAX bytes at a time. Cuts `path` up. */
static int open_path(int root, char *path)
{
    const int flags = O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int at = root;
    while (strlen(path) >= PATH_MAX) {
        char *cut = path + PATH_MAX - 1;
        while (*cut != '/')
            cut--;
        *cut = '\0';
        int next = openat(at, path, O_PATH | flags);
        if (at != root)
            close(at);
        if (next < 0)
            return -1;
        at = next;
        path = cut + 1;
    }
    int fd = openat(at, *path ? path : ".", O_RDONLY | flags);
    if (at != root) {
        int error = errno;
        close(at);
        errno = error;
    }
    return fd;
}

static enum kind kind_of(mode_t mode)
{
    return S_ISREG(mode) ? REGULAR : S_ISDIR(mode) ? DIRECTORY : S_ISLNK(mode) ? LINK : OTHER;
}

static void tell_name(const struct searcher *s, int directory, const char *name)
{
    struct record record = {.kind = UNSEEN};
    struct stat st;
    if ((size_t)snprintf(record.name, sizeof record.name, "%s", name) >= sizeof record.name) {
        record.error = ENAMETOOLONG; /* a few file systems exceed NAME_MAX */
    } else if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        record.error = errno;
    } else {
        record.kind = kind_of(st.st_mode);
        record.size = (uint64_t)st.st_size;
        record.mtime = st.st_mtime;
    }
    if (record.error != ENOENT)
        tell(s, &record);
}

/* Returns 0 or why not all of it could be read. */
static int search(const struct searcher *s, char *path)
{
    int fd = open_path(s->root, path);
    if (fd < 0)
        return errno;
    DIR *directory = fdopendir(fd);
    if (!directory) {
        int error = errno;
        close(fd);
        return error;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            tell_name(s, fd, entry->d_name);
    int error = errno;
    closedir(directory);
    return error;
}

static _Noreturn void work(const struct searcher *s)
{
    static char path[PATH_BYTES];
    ssize_t n;
    while ((n = recv(s->work, path, sizeof path, 0)) > 0)
        tell(s, &(struct record){.kind = DONE, .error = search(s, path)});
    if (n < 0)
        warn("worker %" PRIu32, s->worker);
    shmchan_sender_close(s->tx);
    _exit(n < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* ---------------------------------------------------------------------------------- the collector */

struct worker {
    pid_t pid;
    int work;     /* our end of its socket; -1 = nothing more to do */
    bool dead;    /* has been waited for */
    bool settled; /* dead, and its jobs are accounted for */
    int status;
    unsigned job_count;
    char *jobs[JOBS_AHEAD]; /* the first is the one it is at */
    char *undone;
    uint64_t records;        /* that arrived from it */
    uint64_t records_of_job; /* of these, of jobs[0] */
};

struct extension {
    char name[EXTENSION_BYTES];
    uint64_t files; /* 0 = a free slot */
    uint64_t bytes;
};

struct large_file {
    char *path; /* below DIR */
    uint64_t size;
    int64_t mtime;
};

struct collector {
    const char *dir;
    shmchan_receiver *rx;
    bool quiet;
    bool progress;
    int64_t progress_ms; /* when it was last shown */

    struct worker workers[WORKERS_MAX];
    unsigned worker_count;
    unsigned under_way; /* jobs handed out and not done */
    char **waiting;     /* jobs not handed out: a stack, so that few wait at any time */
    size_t waiting_count;
    size_t waiting_room;

    uint64_t counts[COUNTED];
    uint64_t bytes;
    uint64_t unreadable;
    uint64_t unseen;
    struct extension *extensions; /* open addressing, at most half full */
    size_t extension_count;
    size_t extension_room; /* a power of two */
    struct large_file largest[TOP];
};

static void *check_memory(void *p)
{
    if (!p)
        err(EXIT_FAILURE, NULL);
    return p;
}

static char *path_below(const char *directory, const char *name)
{
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = check_memory(malloc(bytes));
    snprintf(path, bytes, "%s%s%s", directory, *directory ? "/" : "", name);
    return path;
}

/* -------- names that are safe to print */

/* These reverse the text that follows them, so that a name could pass for another. */
static bool turns_text(wchar_t wc)
{
    return wc == 0x061c || (wc >= 0x200e && wc <= 0x200f) || (wc >= 0x202a && wc <= 0x202e) ||
           (wc >= 0x2066 && wc <= 0x2069);
}

/* On one line, without control characters, and only what the terminal's locale can show. */
static void print_safely(FILE *out, const char *text)
{
    mbstate_t state = {0};
    for (size_t left = strlen(text), n; left > 0; text += n, left -= n) {
        wchar_t wc;
        n = mbrtowc(&wc, text, left, &state);
        bool valid = n != (size_t)-1 && n != (size_t)-2;
        if (valid && wc != L'\\' && iswprint((wint_t)wc) && !turns_text(wc)) {
            fwrite(text, 1, n, out);
            continue;
        }
        if (!valid)
            memset(&state, 0, sizeof state);
        n = valid ? n : 1;
        for (size_t i = 0; i < n; i++)
            fprintf(out, *text == '\\' ? "\\\\" : "\\%03o", (unsigned char)text[i]);
    }
}

static void print_path(FILE *out, const struct collector *c, const char *path)
{
    print_safely(out, c->dir);
    if (*path && c->dir[strlen(c->dir) - 1] != '/')
        fputc('/', out);
    print_safely(out, path);
}

static void warn_path(const struct collector *c, const char *what, const char *path, const char *why)
{
    fprintf(stderr, "%streestat: %s ", c->progress ? "\r\033[K" : "", what);
    print_path(stderr, c, path);
    fprintf(stderr, "%s%s\n", why ? ": " : "", why ? why : "");
}

/* -------- counting */

/* The slot of this extension, or the free one where it belongs. */
static struct extension *find_extension(struct extension *table, size_t room, const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *p = name; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    size_t i = hash & (room - 1);
    while (table[i].files > 0 && strcmp(table[i].name, name) != 0)
        i = (i + 1) & (room - 1);
    return &table[i];
}

static void grow_extensions(struct collector *c)
{
    size_t room = c->extension_room ? 2 * c->extension_room : 256;
    struct extension *table = check_memory(calloc(room, sizeof *table));
    for (size_t i = 0; i < c->extension_room; i++)
        if (c->extensions[i].files > 0)
            *find_extension(table, room, c->extensions[i].name) = c->extensions[i];
    free(c->extensions);
    c->extensions = table;
    c->extension_room = room;
}

/* "" = none: a leading dot only hides a file, and a long tail is a sentence. libc.so.6 is a .so. */
static const char *extension_of(const char *name)
{
    const char *library = strstr(name, ".so.");
    if (library && library[4 + strspn(library + 4, "0123456789.")] == '\0')
        return ".so";
    const char *dot = strrchr(name, '.');
    return dot && dot != name && dot[1] && strlen(dot) < EXTENSION_BYTES ? dot : "";
}

static void count_extension(struct collector *c, const struct record *record)
{
    if (2 * c->extension_count >= c->extension_room)
        grow_extensions(c);
    const char *name = extension_of(record->name);
    struct extension *e = find_extension(c->extensions, c->extension_room, name);
    if (e->files == 0) {
        snprintf(e->name, sizeof e->name, "%s", name);
        c->extension_count++;
    }
    e->files++;
    e->bytes += record->size;
}

/* Keeps `largest` sorted, the largest first. */
static void note_if_large(struct collector *c, const char *directory, const struct record *record)
{
    size_t at = TOP;
    while (at > 0 && (!c->largest[at - 1].path || c->largest[at - 1].size < record->size))
        at--;
    if (at == TOP)
        return;
    free(c->largest[TOP - 1].path);
    memmove(&c->largest[at + 1], &c->largest[at], (TOP - 1 - at) * sizeof c->largest[0]);
    c->largest[at] = (struct large_file){
        .path = path_below(directory, record->name), .size = record->size, .mtime = record->mtime};
}

static void count_file(struct collector *c, const char *directory, const struct record *record)
{
    c->bytes += record->size;
    count_extension(c, record);
    note_if_large(c, directory, record);
}

/* -------- handing out directories */

static void give_up_directory(struct collector *c, const char *path, int error)
{
    c->unreadable++;
    warn_path(c, "cannot read directory", path, strerror(error));
}

/* Takes over `path`. */
static void put_waiting(struct collector *c, char *path)
{
    if (c->waiting_count == c->waiting_room) {
        c->waiting_room = c->waiting_room ? 2 * c->waiting_room : 256;
        c->waiting = check_memory(realloc(c->waiting, c->waiting_room * sizeof *c->waiting));
    }
    c->waiting[c->waiting_count++] = path;
}

static struct worker *least_busy(struct collector *c)
{
    struct worker *best = NULL;
    for (struct worker *w = c->workers; w < c->workers + c->worker_count; w++)
        if (w->work >= 0 && w->job_count < JOBS_AHEAD && (!best || w->job_count < best->job_count))
            best = w;
    return best;
}

static void dismiss(struct worker *w)
{
    if (w->work >= 0)
        close(w->work);
    w->work = -1;
}

/* Never blocks: a worker that waits for room in the channel waits for us. */
static void hand_out(struct collector *c)
{
    struct worker *w;
    while (c->waiting_count > 0 && (w = least_busy(c)) != NULL) {
        char *path = c->waiting[c->waiting_count - 1];
        size_t bytes = strlen(path) + 1;
        int error = 0;
        if (bytes > PATH_BYTES)
            error = ENAMETOOLONG;
        else if (send(w->work, path, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            error = errno;
        if (error == EPIPE || error == ECONNRESET) {
            dismiss(w); /* it died; what it had is settled later */
            continue;
        }
        if (error == EAGAIN && w->job_count > 0)
            return; /* long paths fill its socket; it will make room */
        c->waiting_count--;
        if (error) {
            give_up_directory(c, path, error);
            free(path);
            continue;
        }
        w->jobs[w->job_count++] = path;
        c->under_way++;
    }
}

static void finish_job(struct collector *c, struct worker *w)
{
    w->records_of_job = 0;
    free(w->jobs[0]);
    memmove(&w->jobs[0], &w->jobs[1], --w->job_count * sizeof w->jobs[0]);
    c->under_way--;
}

static void take(struct collector *c, const struct record *record)
{
    struct worker *w = &c->workers[record->worker];
    if (w->settled)
        return; /* its jobs were reported, or given to others */
    const char *directory = w->jobs[0];
    w->records++;
    w->records_of_job++;
    if (record->kind < COUNTED)
        c->counts[record->kind]++;
    switch (record->kind) {
    case REGULAR:
        count_file(c, directory, record);
        break;
    case DIRECTORY:
        put_waiting(c, path_below(directory, record->name));
        break;
    case UNSEEN: {
        char *path = path_below(directory, record->name);
        c->unseen++;
        warn_path(c, "cannot look at", path, strerror(record->error));
        free(path);
        break;
    }
    case DONE:
        if (record->error && record->error != ENOENT)
            give_up_directory(c, directory, record->error);
        finish_job(c, w);
        break;
    }
}

/* -------- workers that die */

/* Call it when every record of the dead has been received. A job of which none came goes to somebody else;
   one of which some came cannot, or these names would count twice. */
static void settle(struct collector *c, struct worker *w)
{
    unsigned kept = 0;
    dismiss(w);
    w->settled = true;
    if (w->records_of_job > 0)
        w->undone = w->jobs[kept++];
    for (unsigned i = kept; i < w->job_count; i++)
        put_waiting(c, w->jobs[i]);
    c->under_way -= w->job_count;
    w->job_count = 0;
}

/* The channel has just been found empty: so all has come from those who were known to be dead before that.
   Who is found dead now is settled next time. */
static void look_after_workers(struct collector *c)
{
    for (struct worker *w = c->workers; w < c->workers + c->worker_count; w++) {
        if (w->dead && !w->settled)
            settle(c, w);
        else if (!w->dead)
            w->dead = waitpid(w->pid, &w->status, WNOHANG) == w->pid;
    }
}

/* -------- the run */

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000) + t.tv_nsec / 1000000;
}

static const char *human(uint64_t bytes, char text[static 16])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    for (; value >= 1023.95; unit++)
        value /= 1024;
    snprintf(text, 16, "%.*f %s", unit > 0, value, units[unit]);
    return text;
}

static void show_progress(struct collector *c)
{
    char size[16];
    int64_t now = now_ms();
    if (!c->progress || now - c->progress_ms < PROGRESS_MS)
        return;
    c->progress_ms = now;
    fprintf(stderr, "\r\033[K%" PRIu64 " files, %s, %zu directories to go", c->counts[REGULAR],
            human(c->bytes, size), c->waiting_count + c->under_way);
}

static void collect(struct collector *c)
{
    for (;;) {
        struct record record;
        hand_out(c);
        if (c->waiting_count == 0 && c->under_way == 0)
            for (unsigned i = 0; i < c->worker_count; i++)
                dismiss(&c->workers[i]); /* so that they leave, and the channel ends */
        int r = record_recv_info(c->rx, &record, NULL, QUIET_MS);
        if (r == 0)
            break;
        else if (r == 1)
            take(c, &record);
        else if (r == -ETIMEDOUT)
            look_after_workers(c);
        else
            errx(EXIT_FAILURE, "%s", shmchan_strerror(r));
        show_progress(c);
    }
    shmchan_receiver_close(c->rx);
    for (struct worker *w = c->workers; w < c->workers + c->worker_count; w++) {
        if (!w->settled)
            settle(c, w);
        if (!w->dead)
            waitpid(w->pid, &w->status, 0);
    }
    if (c->progress)
        fputs("\r\033[K", stderr);
}

static pid_t start_worker(struct collector *c, int root, shmchan_sender *tx)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = fork(); /* tx becomes a sender of the child's own */
    if (pid == 0) {
        shmchan_receiver_close(c->rx);
        close(ends[0]);
        for (unsigned i = 0; i < c->worker_count; i++)
            close(c->workers[i].work); /* or the others would not see the collector leave */
        work(&(struct searcher){.worker = c->worker_count, .root = root, .work = ends[1], .tx = tx});
    }
    close(ends[1]);
    if (pid < 0)
        close(ends[0]);
    else
        c->workers[c->worker_count++] = (struct worker){.pid = pid, .work = ends[0]};
    return pid;
}

static void start_workers(struct collector *c, int root, unsigned count)
{
    shmchan_sender *tx;
    struct shmchan_options options = record_options();
    options.capacity = CAPACITY;
    options.max_senders = count + 1;   /* ours, until all have started */
    options.flags = SHMCHAN_UNORDERED; /* the order of each worker's records is enough */
    int r = shmchan_pair(&options, &tx, &c->rx);
    if (r < 0)
        errx(EXIT_FAILURE, "%s", shmchan_strerror(r));
    while (c->worker_count < count && start_worker(c, root, tx) > 0)
        ;
    if (c->worker_count == 0)
        err(EXIT_FAILURE, "cannot start a worker");
    if (c->worker_count < count)
        warn("only %u workers could be started", c->worker_count);
    shmchan_sender_close(tx); /* or the channel would not end */
}

/* ------------------------------------------------------------------------------------- the report */

static int by_bytes(const void *a, const void *b)
{
    const struct extension *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    if (x->files != y->files)
        return x->files < y->files ? 1 : -1;
    return strcmp(x->name, y->name);
}

static void print_extensions(const struct collector *c)
{
    char size[16];
    if (c->extension_count > 0) /* from now on it is a list */
        qsort(c->extensions, c->extension_room, sizeof *c->extensions, by_bytes);
    printf("%12s %6s %10s  extension\n", "size", "%", "files");
    for (size_t i = 0; i < c->extension_count && i < TOP; i++) {
        const struct extension *e = &c->extensions[i];
        printf("%12s %6.1f %10" PRIu64 "  ", human(e->bytes, size),
               c->bytes > 0 ? 100.0 * (double)e->bytes / (double)c->bytes : 0.0, e->files);
        print_safely(stdout, *e->name ? e->name : "(none)");
        putchar('\n');
    }
    if (c->extension_count > TOP)
        printf("%32s(%zu more)\n", "", c->extension_count - TOP);
}

static void print_largest(const struct collector *c)
{
    char size[16], date[16];
    printf("\n%12s %11s  largest files\n", "size", "modified");
    for (const struct large_file *f = c->largest; f < c->largest + TOP && f->path; f++) {
        struct tm tm;
        time_t mtime = (time_t)f->mtime;
        if (!gmtime_r(&mtime, &tm) || strftime(date, sizeof date, "%Y-%m-%d", &tm) == 0)
            snprintf(date, sizeof date, "?");
        printf("%12s %11s  ", human(f->size, size), date);
        print_path(stdout, c, f->path);
        putchar('\n');
    }
}

static void print_total(const struct collector *c)
{
    printf("total: files=%" PRIu64 " bytes=%" PRIu64 " directories=%" PRIu64 " links=%" PRIu64
           " other=%" PRIu64 " unreadable=%" PRIu64 " unseen=%" PRIu64 "\n",
           c->counts[REGULAR], c->bytes, c->counts[DIRECTORY], c->counts[LINK], c->counts[OTHER],
           c->unreadable, c->unseen);
}

/* Returns whether every worker came to an orderly end and nothing was left. */
static bool report_deaths(const struct collector *c)
{
    bool complete = true;
    for (const struct worker *w = c->workers; w < c->workers + c->worker_count; w++) {
        if (w->status == 0)
            continue;
        complete = false;
        fprintf(stderr, "treestat: worker %d (pid %d) ", (int)(w - c->workers), (int)w->pid);
        if (WIFSIGNALED(w->status))
            fprintf(stderr, "was killed by signal %d (%s)", WTERMSIG(w->status),
                    strsignal(WTERMSIG(w->status)));
        else
            fprintf(stderr, "failed with status %d", WEXITSTATUS(w->status));
        fprintf(stderr, "; %" PRIu64 " records arrived from it, left undone: ", w->records);
        if (w->undone) {
            print_path(stderr, c, w->undone);
            fprintf(stderr, " after %" PRIu64 " names of it\n", w->records_of_job);
        } else {
            fputs("nothing\n", stderr);
        }
    }
    for (size_t i = 0; i < c->waiting_count && i < TOP; i++)
        warn_path(c, "nobody was left to search", c->waiting[i], NULL);
    if (c->waiting_count > TOP)
        fprintf(stderr, "treestat: and %zu directories more\n", c->waiting_count - TOP);
    return complete && c->waiting_count == 0;
}

/* -------------------------------------------------------------------------------------- arguments */

static const char help[] =
    "Usage: treestat [-j WORKERS] [-q] DIR\n"
    "What fills the directory tree DIR: bytes per extension, largest files, totals.\n"
    "\n"
    "  -j, --jobs=WORKERS  processes that search (default: one per online CPU)\n"
    "  -q, --quiet         print the line of totals only\n"
    "      --help          print this\n"
    "\n"
    "Counts every name that `find -H DIR` finds. Directories that cannot be read are reported and counted.\n"
    "Exit status: 0 done, 1 incomplete (a worker died), 2 wrong usage or DIR cannot be opened.\n";

static _Noreturn void wrong_usage(void)
{
    fputs("Try 'treestat --help'.\n", stderr);
    exit(2);
}

static unsigned parse_workers(const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (end == text || *end || n < 1 || n > WORKERS_MAX) {
        warnx("WORKERS must be a number from 1 to %d", WORKERS_MAX);
        wrong_usage();
    }
    return (unsigned)n;
}

static unsigned online_cpus(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static unsigned parse_arguments(struct collector *c, int argc, char **argv)
{
    static const struct option options[] = {{"jobs", required_argument, NULL, 'j'},
                                            {"quiet", no_argument, NULL, 'q'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    unsigned workers = online_cpus();
    int option;
    while ((option = getopt_long(argc, argv, "j:q", options, NULL)) != -1) {
        switch (option) {
        case 'j':
            workers = parse_workers(optarg);
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        default:
            wrong_usage();
        }
    }
    if (argc - optind != 1) {
        warnx("give one directory");
        wrong_usage();
    }
    c->dir = argv[optind];
    return workers;
}

int main(int argc, char **argv)
{
    static struct collector c;
    setlocale(LC_CTYPE, "");
    unsigned workers = parse_arguments(&c, argc, argv);
    c.progress = !c.quiet && isatty(STDERR_FILENO);

    int root = open(c.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) {
        fputs("treestat: ", stderr);
        print_safely(stderr, c.dir);
        fprintf(stderr, ": %s\n", strerror(errno));
        return 2;
    }
    start_workers(&c, root, workers);
    c.counts[DIRECTORY] = 1;
    put_waiting(&c, path_below("", ""));
    collect(&c);

    if (!c.quiet) {
        print_extensions(&c);
        print_largest(&c);
        putchar('\n');
    }
    print_total(&c);
    bool complete = report_deaths(&c);
    close(root);
    if (fflush(stdout) != 0)
        err(EXIT_FAILURE, "standard output");
    return complete ? EXIT_SUCCESS : EXIT_FAILURE;
}
