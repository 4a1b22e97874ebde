/* SPDX-License-Identifier: MIT */
/* Removes channels that no living process holds. Of all this program does, the one thing that changes any.
   Looking only proposes: whether a channel is held is decided by the library, under locks, as it removes. */
#include "orphans.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "find.h"
#include "output.h"
#include "text.h"

enum { STATUS_FINE = 0, STATUS_TROUBLE = 1, STATUS_USAGE = 2 };

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_ALL, ANSWER_QUIT };

struct removal {
    const struct orphans_options *options;
    bool all; /* do not ask (any more) */
    bool quit;
    size_t found; /* orphans, removed or not */
    int status;
};

static void complain(struct removal *removal, const struct channel *channel, const char *why)
{
    output_tell("%s: %s", channel_name_text(channel).s, why);
    removal->status = STATUS_TROUBLE;
}

/* The region is locked for it, which takes a file that is open for writing; and then it is a matter of who
   owns the file. NULL: nothing is known to be in the way. The caller frees it. */
static char *hindrance(const struct channel *channel)
{
    char path[sizeof FIND_DIR + SHMCHAN_NAME_MAX + 2];
    char *why = NULL;
    struct stat file, directory;
    int n = 0;
    snprintf(path, sizeof path, FIND_DIR "%s", channel->name);
    if (geteuid() == 0 || lstat(path, &file) < 0 || stat(FIND_DIR, &directory) < 0)
        return NULL;
    bool owner = geteuid() == file.st_uid || geteuid() == directory.st_uid;
    if ((directory.st_mode & S_ISVTX) && !owner)
        n = asprintf(&why, "only its owner (uid %" PRIu32 ") or root may remove it", (uint32_t)file.st_uid);
    else if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) < 0)
        n = asprintf(&why, "may be removed only by who may read and write it (it has mode %04" PRIo32 ")",
                     (uint32_t)(file.st_mode & 0777));
    if (n < 0)
        text_must(NULL);
    return why;
}

static bool held(const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    return channel_held(&s->receiver) || s->senders_held > 0 || channel->forking;
}

/* What is lost with it, for who must decide. The caller frees it. */
static char *describe(const struct channel *channel)
{
    const struct shmchan_snapshot *s = &channel->snapshot;
    char *words;
    int n;
    if (channel->error < 0) {
        n = asprintf(&words, "cannot be inspected: %s", shmchan_strerror(channel->error));
    } else {
        n = asprintf(&words,
                     "held by no process; %" PRIu64 " message%s waiting, %" PRIu64
                     " KiB in use, made %s by pid %" PRId32,
                     channel->used, channel->used == 1 ? "" : "s", s->backed_bytes / 1024,
                     text_moment(s->created_ns).s, s->creator_pid);
    }
    return text_must(n < 0 ? NULL : words);
}

/* ---------------------------------------------------------------- asking */

static enum answer ask(const struct channel *channel, const char *description)
{
    enum answer answer = ANSWER_QUIT;
    char *line = NULL;
    size_t size = 0;
    for (;;) {
        fprintf(stderr, "%s: %s.\nRemove it? [y]es, [n]o, [a]ll, [q]uit: ", channel_name_text(channel).s,
                description);
        if (getline(&line, &size, stdin) < 0) {
            fputc('\n', stderr);
            break;
        }
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0' || strcasecmp(line, "n") == 0 || strcasecmp(line, "no") == 0)
            answer = ANSWER_NO;
        else if (strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0)
            answer = ANSWER_YES;
        else if (strcasecmp(line, "a") == 0 || strcasecmp(line, "all") == 0)
            answer = ANSWER_ALL;
        else if (strcasecmp(line, "q") != 0 && strcasecmp(line, "quit") != 0)
            continue;
        break;
    }
    free(line);
    return answer;
}

static bool wanted(struct removal *removal, const struct channel *channel, const char *description)
{
    if (removal->all)
        return true;
    enum answer answer = ask(channel, description);
    removal->all = answer == ANSWER_ALL;
    removal->quit = answer == ANSWER_QUIT;
    return answer == ANSWER_YES || answer == ANSWER_ALL;
}

/* ---------------------------------------------------------------- removing */

/* Who was asked has answered for the channel that was shown, and may have taken an hour. */
static bool another_by_now(const struct channel *channel)
{
    struct channel now;
    channel_read(channel->name, &now);
    bool other = now.error == 0 && channel->error == 0 && !channel_same(&now, channel);
    channel_free(&now);
    return other;
}

static void take_away(struct removal *removal, const struct channel *channel)
{
    if (another_by_now(channel)) {
        printf("%s: is another channel by now, left alone\n", channel_name_text(channel).s);
        return;
    }
    int r = shmchan_remove_orphan(channel->name);
    if (r == 0)
        printf("%s: removed\n", channel_name_text(channel).s);
    else if (r == -EBUSY)
        printf("%s: held by a process, left alone\n", channel_name_text(channel).s);
    else if (r == -ENOENT)
        printf("%s: is gone already\n", channel_name_text(channel).s);
    else
        complain(removal, channel, shmchan_strerror(r));
}

/* Named: the user asked for this very channel, so it is said why it is not removed. */
static void consider(struct removal *removal, const struct channel *channel, bool named)
{
    int error = channel->error;
    /* Whom a damaged region or one of another version belongs to can still be asked. */
    bool uninspectable = error == -EBADMSG || error == -EPROTONOSUPPORT;
    if (error == 0 ? held(channel) : uninspectable && channel_locked(channel)) {
        if (named)
            complain(removal, channel, "held by a living process, left alone");
        return;
    }
    if (error < 0 && !uninspectable) {
        if (named || error != -ENOENT)
            complain(removal, channel, shmchan_strerror(error));
        return;
    }
    char *why_not = hindrance(channel);
    if (why_not != NULL) {
        complain(removal, channel, why_not);
        free(why_not);
        return;
    }
    removal->found++;
    char *description = describe(channel);
    if (removal->options->dry_run)
        printf("%s: would be removed%s; %s\n", channel_name_text(channel).s,
               uninspectable ? " if it is a channel" : "", description);
    else if (wanted(removal, channel, description))
        take_away(removal, channel);
    free(description);
}

static void consider_named(struct removal *removal)
{
    const struct orphans_options *options = removal->options;
    for (size_t i = 0; i < options->name_count && !removal->quit; i++) {
        struct channel channel;
        channel_read(options->names[i], &channel);
        if (channel_anonymous(&channel))
            complain(removal, &channel,
                     channel.linked ? "is in another /dev/shm; remove it where that is"
                                    : "has no name to be removed; it goes with its last process");
        else
            consider(removal, &channel, true);
        channel_free(&channel);
    }
}

static void consider_all(struct removal *removal)
{
    struct channel *channels;
    ssize_t n = channel_read_all(false, &channels);
    if (n < 0) {
        output_cannot_list((int)n);
        removal->status = STATUS_TROUBLE;
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (!channel_anonymous(&channels[i]) && !removal->quit)
            consider(removal, &channels[i], false);
        channel_free(&channels[i]);
    }
    free(channels);
    if (removal->found == 0 && removal->status == STATUS_FINE)
        puts("no orphans");
}

int orphans_run(const struct orphans_options *options)
{
    struct removal removal = {.options = options, .all = options->yes};
    if (!options->yes && !options->dry_run && !isatty(STDIN_FILENO)) {
        output_tell(
            "nobody can be asked, as stdin is no terminal; say --yes to remove all orphans, or --dry-run "
            "to see them");
        return STATUS_USAGE;
    }
    if (options->name_count > 0)
        consider_named(&removal);
    else
        consider_all(&removal);
    if (!output_written())
        removal.status = STATUS_TROUBLE;
    return removal.status;
}
