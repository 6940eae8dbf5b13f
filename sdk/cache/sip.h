/*
 * sip.h - SipHash-1-3 with 64 bits of result (Aumasson, Bernstein: "SipHash: a fast short-input
 * PRF", 2012; one round per word and three at the end is what hash tables use it with).
 */
#ifndef CACHE_SIP_H
#define CACHE_SIP_H

#include <stdint.h>
#include <string.h>

static inline uint64_t sip_turn(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = sip_turn(v[1], 13) ^ v[0];
    v[0] = sip_turn(v[0], 32);
    v[2] += v[3];
    v[3] = sip_turn(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = sip_turn(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = sip_turn(v[1], 17) ^ v[2];
    v[2] = sip_turn(v[2], 32);
}

static inline uint64_t sip_word(const uint8_t *p)
{
    uint64_t m;

    memcpy(&m, p, sizeof(m));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    m = __builtin_bswap64(m);
#endif
    return m;
}

static inline uint64_t sip_hash(const uint64_t secret[2], const uint8_t *p, size_t len)
{
    uint64_t v[4] = {secret[0] ^ 0x736f6d6570736575u, secret[1] ^ 0x646f72616e646f6du,
                     secret[0] ^ 0x6c7967656e657261u, secret[1] ^ 0x7465646279746573u};
    uint64_t tail = (uint64_t)len << 56;
    size_t n = len;

    for (; n >= 8; n -= 8, p += 8) {
        uint64_t m = sip_word(p);

        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t i = 0; i < n; i++)
        tail |= (uint64_t)p[i] << (8 * i);
    v[3] ^= tail;
    sip_round(v);
    v[0] ^= tail;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
