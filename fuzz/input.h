/* SPDX-License-Identifier: MIT */
/* What a fuzzer gives, taken byte by byte; after its end it is zeros. And what must hold whatever it gives.
 */
#ifndef SHMCHAN_FUZZ_INPUT_H
#define SHMCHAN_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define require(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint8_t take8(struct input *in)
{
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->bytes++;
}

#endif
