/*
 * arena.h - the memory of one chat: taken piece by piece, freed whole.
 *
 * Blocks of at least 4 KiB; a piece that is larger than what is left opens a new block. An arena
 * is created with its maximum and gives NULL beyond it, as when memory is short.
 */
#ifndef DIALECT_ARENA_H
#define DIALECT_ARENA_H

#include <stddef.h>

struct arena;

/* NULL: no memory. */
struct arena *arena_new(size_t max_bytes);
void arena_free(struct arena *a); /* NULL is fine */
/* `size` bytes set to 0, aligned for any type; NULL: no memory or beyond the maximum. */
void *arena_take(struct arena *a, size_t size);
/* The same, not set to 0. */
void *arena_raw(struct arena *a, size_t size);
/* A copy of the bytes with a 0 behind them. */
char *arena_copy(struct arena *a, const void *bytes, size_t len);

#endif
