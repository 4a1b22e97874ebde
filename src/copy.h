/* SPDX-License-Identifier: MIT */
/* Copies of messages, the small ones without a call. Knows nothing. */
#ifndef SHMCHAN_COPY_H
#define SHMCHAN_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COPY_CALL_ABOVE 256u /* bytes */

/* Out of a slot, which was written long ago. */
static inline void copy_out(void *to, const void *from, size_t bytes)
{
    char *t = to;
    const char *f = from;
    if (bytes > COPY_CALL_ABOVE) {
        memcpy(to, from, bytes);
        return;
    }
    for (; bytes >= 32; bytes -= 32, t += 32, f += 32)
        memcpy(t, f, 32);
    for (; bytes >= 8; bytes -= 8, t += 8, f += 8)
        memcpy(t, f, 8);
    for (; bytes > 0; bytes--)
        *t++ = *f++;
}

/* Into a slot, a message that its maker has most likely just put together, field by field. A load that is
   wider than the stores before it must wait until these have left the core, and all older stores with them:
   so no wider than a field. */
static inline void copy_in(void *to, const void *from, size_t bytes)
{
    char *t = to;
    const char *f = from;
    if (bytes > COPY_CALL_ABOVE) {
        memcpy(to, from, bytes);
        return;
    }
    for (; bytes >= 8; bytes -= 8, t += 8, f += 8) {
        uint64_t field;
        memcpy(&field, f, 8);
        __asm__("" : "+r"(field)); /* else the compiler makes wide copies of them */
        memcpy(t, &field, 8);
    }
    for (; bytes > 0; bytes--)
        *t++ = *f++;
}

#endif
