/*
 * json_string.c - over what needs no thought in a string: by 16 bytes while it may be short, then
 * by 64 with the good escapes among them, with the widest instructions that the processor has.
 */
#include "json_string.h"

/* A run that has gone on for so long is expected to go on for longer. */
#define NEAR 64

#if defined(__SSE2__)
/* Length of the escape at p[0] when all of it lies in p[0..left); 0: not by this way. */
static unsigned known_escape(const unsigned char *p, unsigned left)
{
    if (left < 2)
        return 0;
    if (p[1] == 'u')
        return left >= 6 && json_is_hex(p[2]) && json_is_hex(p[3]) && json_is_hex(p[4]) &&
                       json_is_hex(p[5])
                   ? 6
                   : 0;
    return json_is_short_escape(p[1]) ? 2 : 0;
}

typedef int marks_of(const unsigned char *p, struct json_marks *ret);

/* Steps over 64 bytes with good escapes among them. 0 and *p at what needs a look. */
static inline __attribute__((always_inline)) int plain_block(const unsigned char **p,
                                                             int *surrogates, marks_of *marks)
{
    struct json_marks m;
    uint64_t stop;

    if (!marks(*p, &m)) {
        *p += 64;
        return 1;
    }
    stop = m.quotes | m.odd;
    while (m.slashes) {
        unsigned i = (unsigned)__builtin_ctzll(m.slashes), n;
        uint64_t gone;

        if (stop & (((uint64_t)1 << i) - 1))
            break;
        n = known_escape(*p + i, 64 - i);
        if (!n) {
            *p += i;
            return 0;
        }
        if (n == 6 && json_is_surrogate(*p + i))
            *surrogates = 1;
        gone = (((uint64_t)1 << n) - 1) << i;
        m.slashes &= ~gone;
        stop &= ~gone;
    }
    *p += stop ? __builtin_ctzll(stop) : 64;
    return !stop;
}

#if defined(JSON_WIDE)
static JSON_WIDE int plain_blocks_wide(const unsigned char **p, const unsigned char *end,
                                       int *surrogates)
{
    while (end - *p >= 64)
        if (!plain_block(p, surrogates, json_marks64_wide))
            return 0;
    return 1;
}
#endif

/* Steps over plain characters by 16. 0 and *p at what needs a look; 1: fewer are left. */
static int plain_steps(const unsigned char **p, const unsigned char *end)
{
    for (; end - *p >= 16; *p += 16) {
        unsigned stops = json_stops16(*p);

        if (stops) {
            *p += __builtin_ctz(stops);
            return 0;
        }
    }
    return 1;
}

/* 0 and *p at what needs a look; 1: less than a block is left. */
static int plain_blocks(const unsigned char **p, const unsigned char *end, int *surrogates)
{
#if defined(JSON_WIDE)
    if (json_is_wide())
        return plain_blocks_wide(p, end, surrogates);
#endif
    while (end - *p >= 64)
        if (!plain_block(p, surrogates, json_marks64))
            return 0;
    return 1;
}
#endif

const unsigned char *json_plain_run(const unsigned char *p, const unsigned char *end,
                                    int *surrogates)
{
    (void)surrogates;
#if defined(__SSE2__)
    if (!plain_steps(&p, end - p > NEAR ? p + NEAR : end) || !plain_blocks(&p, end, surrogates) ||
        !plain_steps(&p, end))
        return p;
#endif
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}
