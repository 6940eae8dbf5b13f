/* arena.c - a chain of blocks; a piece larger than a block gets one of its own. */
#include "config/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    alignas(max_align_t) unsigned char bytes[];
};

void *arena_take(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->blocks;
    void *at;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!b || b->cap - b->used < bytes) {
        size_t cap = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;

        b = calloc(1, sizeof(*b) + cap);
        if (!b)
            return NULL;
        b->cap = cap;
        b->next = a->blocks;
        a->blocks = b;
    }
    at = b->bytes + b->used;
    b->used += bytes;
    return at;
}

char *arena_copy(struct arena *a, const char *text, size_t len)
{
    char *copy = arena_take(a, len + 1);

    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

void arena_done(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *b = a->blocks;

        a->blocks = b->next;
        explicit_bzero(b->bytes, b->used);
        free(b);
    }
}
