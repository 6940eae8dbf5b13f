/*
 * siphash.h - SipHash-2-4 with 128 bits of result (Aumasson, Bernstein 2012), fed in pieces.
 *
 * Keys of caches are made from what clients send. With a secret of the process nobody can make two
 * requests that collide.
 */
#ifndef COORDINATOR_SIPHASH_H
#define COORDINATOR_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash {
    uint64_t v0, v1, v2, v3;
    uint64_t tail; /* bytes that are no whole word yet */
    uint64_t len;
};

struct hash128 {
    uint64_t a, b;
};

void siphash_init(struct siphash *s, const uint64_t secret[2]);
void siphash_add(struct siphash *s, const void *bytes, size_t len);
/* A field: its length goes in, too, so that "ab" + "c" differs from "a" + "bc". */
void siphash_field(struct siphash *s, const void *bytes, size_t len);
struct hash128 siphash_end(struct siphash *s);

#endif
