/* arena.h - memory of one configuration: taken piece by piece, freed at once. */
#ifndef AIEX_CONFIG_ARENA_H
#define AIEX_CONFIG_ARENA_H

#include <stddef.h>

struct arena_block;

/* Zero is an empty arena. */
struct arena {
    struct arena_block *blocks;
};

/* Zeroed bytes, aligned for any type, or NULL. */
void *arena_take(struct arena *a, size_t bytes);
/* A copy with a 0 behind it, or NULL. */
char *arena_copy(struct arena *a, const char *text, size_t len);
/* Wipes (secrets) and frees everything. */
void arena_done(struct arena *a);

#endif
