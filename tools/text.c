/* SPDX-License-Identifier: MIT */
/* Words for people. Knows locales and units; knows nothing of channels but the flags' names. */
#include "text.h"

#include <inttypes.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

#include "output.h"

void *text_must(void *p)
{
    if (p == NULL)
        output_die("out of memory");
    return p;
}

__attribute__((format(printf, 1, 2))) static struct text format(const char *how, ...)
{
    struct text t;
    va_list args;
    va_start(args, how);
    vsnprintf(t.s, sizeof t.s, how, args);
    va_end(args);
    return t;
}

/* Some libcs call these printable; they reorder or hide what stands around them. */
static bool invisible(wchar_t c)
{
    return c == 0x00ad || c == 0x061c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f);
}

static bool printable(wchar_t c)
{
    return iswprint((wint_t)c) && wcwidth(c) > 0 && !invisible(c);
}

struct text text_printable(const char *bytes, size_t max)
{
    struct text t;
    size_t used = 0;
    size_t left = strnlen(bytes, max);
    mbstate_t state = {0};
    while (left > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, bytes, left, &state);
        bool plain = n <= left && n > 0 && c != L'\\' && printable(c);
        if (n > left || n == 0) {
            n = 1;
            memset(&state, 0, sizeof state);
        }
        if (used + 4 * n + sizeof "..." > sizeof t.s) {
            memcpy(t.s + used, "...", 3);
            used += 3;
            break;
        }
        if (plain) {
            memcpy(t.s + used, bytes, n);
            used += n;
        } else {
            for (size_t i = 0; i < n; i++)
                used += (size_t)sprintf(t.s + used, "\\x%02x", (unsigned char)bytes[i]);
        }
        bytes += n;
        left -= n;
    }
    t.s[used] = '\0';
    return t;
}

static bool all_printable(const char *bytes)
{
    mbstate_t state = {0};
    for (size_t left = strlen(bytes); left > 0;) {
        wchar_t c;
        size_t n = mbrtowc(&c, bytes, left, &state);
        if (n > left || n == 0 || !printable(c))
            return false;
        bytes += n;
        left -= n;
    }
    return true;
}

/* No shell makes anything of these, wherever they stand in a word that does not begin with a minus. */
static bool needs_no_quotes(const char *bytes)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._:@%+,-";
    return bytes[0] != '\0' && bytes[0] != '-' && bytes[strspn(bytes, harmless)] == '\0';
}

struct text text_shell(const char *name)
{
    size_t length = strlen(name);
    if (length > SHMCHAN_NAME_MAX + 1)
        return format("'...'");
    if (needs_no_quotes(name))
        return format("%s", name);
    struct text t;
    bool plain = all_printable(name);
    char *end = t.s + sprintf(t.s, plain ? "'" : "$'");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)name[i];
        if (plain && c == '\'')
            end += sprintf(end, "'\\''");
        else if (!plain && (c < ' ' || c >= 0x7f || c == '\'' || c == '\\'))
            end += sprintf(end, "\\%03o", c);
        else
            *end++ = (char)c;
    }
    strcpy(end, "'");
    return t;
}

/* How a unit is written as the only or last one, and before a finer one. */
struct units {
    const char *ms, *s, *min, *min_and, *h, *h_and, *d_and;
};

static struct text duration(uint64_t ns, const struct units *u)
{
    uint64_t seconds = ns / 1000000000u;
    if (ns < 100000000u)
        return format("%u%s", (unsigned)(ns / 1000000u), u->ms);
    if (seconds < 10)
        return format("%" PRIu64 ".%u%s", seconds, (unsigned)(ns / 100000000u % 10), u->s);
    if (seconds < 60)
        return format("%" PRIu64 "%s", seconds, u->s);
    if (seconds < 3600)
        return format("%" PRIu64 "%s%02u%s", seconds / 60, u->min_and, (unsigned)(seconds % 60), u->s);
    if (seconds < 86400)
        return format("%" PRIu64 "%s%02u%s", seconds / 3600, u->h_and, (unsigned)(seconds / 60 % 60), u->min);
    return format("%" PRIu64 "%s%02u%s", seconds / 86400, u->d_and, (unsigned)(seconds / 3600 % 24), u->h);
}

struct text text_duration(uint64_t ns)
{
    static const struct units narrow = {"ms", "s", "m", "m", "h", "h", "d"};
    return duration(ns, &narrow);
}

struct text text_span(uint64_t ns)
{
    static const struct units wide = {" ms", " s", " min", " min ", " h", " h ", " d "};
    return duration(ns, &wide);
}

struct text text_rate(double per_second)
{
    if (!(per_second > 0))
        return format("0");
    if (per_second < 99.95)
        return format("%.1f", per_second);
    return text_count(per_second < 1e19 ? (uint64_t)(per_second + 0.5) : UINT64_MAX);
}

/* Never full before it is, and never empty when something is there. */
static size_t filled(uint64_t part, uint64_t whole, size_t steps)
{
    if (part == 0 || whole == 0)
        return 0;
    if (part >= whole)
        return steps;
    size_t n = (size_t)((double)part / (double)whole * (double)steps);
    return n == 0 ? 1 : n >= steps ? steps - 1 : n;
}

struct text text_bar(uint64_t part, uint64_t whole, size_t cells)
{
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    bool blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    struct text t = {{0}};
    char *end = t.s;
    if (cells > 60)
        cells = 60;
    size_t n = filled(part, whole, blocks ? cells * 8 : cells);
    size_t whole_cells = blocks ? n / 8 : n;
    size_t rest = blocks ? n % 8 : 0;
    for (size_t i = 0; i < cells; i++) {
        const char *cell = i < whole_cells                ? (blocks ? "█" : "#")
                           : i == whole_cells && rest > 0 ? eighths[rest]
                                                          : (blocks ? "·" : ".");
        end += sprintf(end, "%s", cell);
    }
    return t;
}

struct text text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024)
        return format("%" PRIu64 " byte%s", bytes, bytes == 1 ? "" : "s");
    double value = (double)bytes / 1024;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        value /= 1024;
    return format("%.*f %s (%" PRIu64 " bytes)", value < 10 ? 1 : 0, value, units[unit], bytes);
}

struct text text_count(uint64_t count)
{
    if (count < 100000)
        return format("%" PRIu64, count);
    /* Cut, not rounded: 999999 must not read as a million. */
    uint64_t unit = 1000;
    const char *letter = "kMGTPE";
    for (; count / unit >= 1000 && letter[1] != '\0'; letter++)
        unit *= 1000;
    uint64_t whole = count / unit;
    uint64_t hundredths = count % unit / (unit / 100 > 0 ? unit / 100 : 1);
    if (whole >= 100)
        return format("%" PRIu64 "%c", whole, *letter);
    if (whole >= 10)
        return format("%" PRIu64 ".%u%c", whole, (unsigned)(hundredths / 10), *letter);
    return format("%" PRIu64 ".%02u%c", whole, (unsigned)hundredths, *letter);
}

struct text text_flags(uint32_t flags)
{
    static const struct {
        uint32_t bit;
        const char *words;
    } known[] = {
        {SHMCHAN_WAIT_FOR_RECEIVER, "waits for a receiver"},
        {SHMCHAN_UNORDERED, "unordered"},
        {SHMCHAN_UNLINK_ON_CLOSE, "removed on close"},
    };
    struct text t = {{0}};
    char *end = t.s;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (flags & known[i].bit)
            end += sprintf(end, "%s%s", end == t.s ? "" : ", ", known[i].words);
        flags &= ~known[i].bit;
    }
    if (flags != 0)
        end += sprintf(end, "%sunknown 0x%" PRIx32, end == t.s ? "" : ", ", flags);
    return end == t.s ? format("none") : t;
}

size_t text_columns(const char *printable)
{
    size_t columns = 0;
    mbstate_t state = {0};
    size_t left = strlen(printable);
    while (left > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, printable, left, &state);
        if (n > left || n == 0) {
            /* Not from text_printable(): count bytes. */
            return columns + left;
        }
        int width = wcwidth(c);
        columns += width > 0 ? (size_t)width : 0;
        printable += n;
        left -= n;
    }
    return columns;
}

size_t text_within(const char *printable, size_t columns)
{
    size_t bytes = 0;
    mbstate_t state = {0};
    while (printable[bytes] != '\0') {
        wchar_t c;
        size_t n = mbrtowc(&c, printable + bytes, MB_CUR_MAX, &state);
        if (n == 0 || n == (size_t)-1 || n == (size_t)-2)
            break;
        size_t width = wcwidth(c) > 0 ? (size_t)wcwidth(c) : 0;
        if (width > columns)
            break;
        columns -= width;
        bytes += n;
    }
    return bytes;
}

static struct text local_time(time_t when, const char *how)
{
    struct text t = {{0}};
    struct tm tm;
    if (localtime_r(&when, &tm) != NULL)
        strftime(t.s, sizeof t.s, how, &tm);
    return t;
}

struct text text_moment(uint64_t realtime_ns)
{
    struct text t = {{0}};
    if (realtime_ns != 0)
        t = local_time((time_t)(realtime_ns / 1000000000u), "%Y-%m-%d %H:%M:%S %z");
    return t.s[0] != '\0' ? t : format("at an unknown time");
}

struct text text_clock(void)
{
    return local_time(time(NULL), "%H:%M:%S");
}
