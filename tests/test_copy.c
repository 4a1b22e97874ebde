/* SPDX-License-Identifier: MIT */
/* Every length, into and out of a slot, from and to any address: the bytes, and no byte more. */
#include "copy.h"
#include "support.h"

#define LONGEST (COPY_CALL_ABOVE + 70u)

typedef void copy(void *to, const void *from, size_t bytes);

static void every_length(copy *copy)
{
    unsigned char from[LONGEST + 16], to[LONGEST + 32];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (unsigned char)(i * 31 + 7);
    for (size_t offset = 0; offset < 8; offset++)
        for (size_t bytes = 0; bytes <= LONGEST; bytes++) {
            memset(to, 0xee, sizeof to);
            copy(to + 8, from + offset, bytes);
            expect(memcmp(to + 8, from + offset, bytes) == 0);
            for (size_t i = 0; i < 8; i++)
                expect(to[i] == 0xee && to[8 + bytes + i] == 0xee);
        }
}

static void into_a_slot(void)
{
    every_length(copy_in);
}

static void out_of_a_slot(void)
{
    every_length(copy_out);
}

int main(int argc, char **argv)
{
    static const struct row rows[] = {
        {"into a slot", into_a_slot},
        {"out of a slot", out_of_a_slot},
    };
    return suite_run("copy", rows, COUNT_OF(rows), argc, argv);
}
