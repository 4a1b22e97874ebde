/* SPDX-License-Identifier: MIT */
/*
 * A region of arbitrary bytes, shown by shmchan-stat: as a list, a page, JSON and OpenMetrics, from two looks
 * between which it may be damaged further. Whatever it holds: no crash, no access outside the region, no loop
 * without end, no descriptor lost, and something is printed.
 *
 * An input is mode and bits (make.h), and then bytes of the region or, in mode 2, changes: damage().
 */
#include "make.h"
#include "openmetrics.h"
#include "report.h"

#define CHANGES 64

static unsigned long long runs;

static void change(const struct region *r, int fd, struct input *in, unsigned count)
{
    char *live = __real_mmap64(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    require(live != MAP_FAILED);
    for (unsigned i = 0; i < count && in->left > 0; i++)
        damage(r, live, r->size, in);
    __real_munmap(live, r->size);
}

/* An empty stream of its own for each: what it is told by is its length. */
static void show(const struct sample *sample, int form)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    require(out != NULL);
    switch (form) {
    case 0:
        print_list(out, sample, 1, 0);
        break;
    case 1:
        print_list(out, sample, 1, 80);
        break;
    case 2:
        require(json_print(out, sample, 1, true) == 0);
        break;
    case 3:
        openmetrics_print(out, sample, 1);
        break;
    default: /* only of what could be inspected */
        if (sample->now.error == 0)
            print_channel(out, sample, form == 4 ? 80 : 0);
    }
    require(fclose(out) == 0);
    require(length > 0 || (form > 3 && sample->now.error < 0));
    for (size_t i = 0; i < length; i++)
        require(text[i] == '\n' || (unsigned char)text[i] >= ' ');
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (runs++ == 0)
        begin();
    int free_before = free_descriptor();
    struct input in = {.bytes = data, .left = size};
    uint8_t mode = take8(&in), bits = take8(&in);
    struct region r = {.bytes = room};
    make_region(&r, &in, mode, bits);
    guard_geometry = r.g;
    int fd = write_region(&r);

    struct sample sample;
    if (mode % 4 == 2)
        change(&r, fd, &in, take8(&in) % CHANGES);
    channel_read(name, &sample.before);
    if (mode % 4 == 2)
        change(&r, fd, &in, CHANGES);
    channel_read_again(&sample.before, &sample.now);
    require(sample.now.error < 0 || sample.now.used <= sample.now.room);
    for (int form = 0; form < 6; form++)
        show(&sample, form);
    channel_free(&sample.before);
    channel_free(&sample.now);
    close(fd);
    require(free_descriptor() == free_before);
    return 0;
}
