#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 4096u
#define ALIGN 16u

struct block {
    struct block *next;
    size_t used, size;
    _Alignas(ALIGN) char data[];
};

struct arena {
    struct block *blocks; /* the newest first */
    size_t total, max;
};

struct arena *arena_new(size_t max_bytes)
{
    struct arena *a = calloc(1, sizeof(*a));

    if (a)
        a->max = max_bytes;
    return a;
}

void arena_free(struct arena *a)
{
    if (!a)
        return;
    while (a->blocks) {
        struct block *b = a->blocks;

        a->blocks = b->next;
        free(b);
    }
    free(a);
}

static struct block *add_block(struct arena *a, size_t need)
{
    size_t size = a->total > BLOCK ? 4 * BLOCK : BLOCK - sizeof(struct block);
    struct block *b;

    if (size < need)
        size = need;
    if (size > a->max - a->total)
        size = need;
    if (size > a->max - a->total)
        return NULL;
    b = malloc(sizeof(*b) + size);
    if (!b)
        return NULL;
    *b = (struct block){.next = a->blocks, .size = size};
    a->blocks = b;
    a->total += size;
    return b;
}

void *arena_raw(struct arena *a, size_t size)
{
    struct block *b = a->blocks;
    char *piece;

    if (size > a->max)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (!b || size > b->size - b->used)
        b = add_block(a, size);
    if (!b)
        return NULL;
    piece = b->data + b->used;
    b->used += size;
    return piece;
}

void *arena_take(struct arena *a, size_t size)
{
    void *piece = arena_raw(a, size);

    if (piece)
        memset(piece, 0, size);
    return piece;
}

char *arena_copy(struct arena *a, const void *bytes, size_t len)
{
    char *piece = len < SIZE_MAX - ALIGN ? arena_raw(a, len + 1) : NULL;

    if (!piece)
        return NULL;
    if (len)
        memcpy(piece, bytes, len);
    piece[len] = 0;
    return piece;
}
