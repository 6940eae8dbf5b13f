#include "siphash.h"

#include <string.h>

static inline uint64_t turn(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void rounds(struct siphash *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v1 = turn(s->v1, 13) ^ s->v0;
        s->v0 = turn(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = turn(s->v3, 16) ^ s->v2;
        s->v0 += s->v3;
        s->v3 = turn(s->v3, 21) ^ s->v0;
        s->v2 += s->v1;
        s->v1 = turn(s->v1, 17) ^ s->v2;
        s->v2 = turn(s->v2, 32);
    }
}

static inline void word(struct siphash *s, uint64_t m)
{
    s->v3 ^= m;
    rounds(s, 2);
    s->v0 ^= m;
}

void siphash_init(struct siphash *s, const uint64_t secret[2])
{
    s->v0 = secret[0] ^ 0x736f6d6570736575u;
    s->v1 = secret[1] ^ 0x646f72616e646f6du ^ 0xee;
    s->v2 = secret[0] ^ 0x6c7967656e657261u;
    s->v3 = secret[1] ^ 0x7465646279746573u;
    s->tail = 0;
    s->len = 0;
}

/* Little endian, whatever the machine is. */
static inline uint64_t load(const uint8_t *p)
{
    uint64_t m;

    memcpy(&m, p, sizeof(m));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    m = __builtin_bswap64(m);
#endif
    return m;
}

void siphash_add(struct siphash *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes, *end = p + len;

    while (p < end && s->len % 8) {
        s->tail |= (uint64_t)*p++ << (s->len++ % 8 * 8);
        if (s->len % 8 == 0) {
            word(s, s->tail);
            s->tail = 0;
        }
    }
    for (; end - p >= 8; p += 8, s->len += 8)
        word(s, load(p));
    for (; p < end; p++, s->len++)
        s->tail |= (uint64_t)*p << (s->len % 8 * 8);
}

void siphash_field(struct siphash *s, const void *bytes, size_t len)
{
    uint64_t n = len;

    siphash_add(s, &n, sizeof(n));
    if (len)
        siphash_add(s, bytes, len);
}

struct hash128 siphash_end(struct siphash *s)
{
    struct hash128 h;

    word(s, s->tail | s->len << 56);
    s->v2 ^= 0xee;
    rounds(s, 4);
    h.a = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    s->v1 ^= 0xdd;
    rounds(s, 4);
    h.b = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
    return h;
}
