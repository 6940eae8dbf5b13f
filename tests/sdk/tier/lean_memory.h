/* lean_memory.h - put before each source of a cache in levels for one test, which decides who gets
 * memory. */
#ifndef LEAN_MEMORY_H
#define LEAN_MEMORY_H

#include <stdlib.h>

void *lean_malloc(size_t n);
void *lean_calloc(size_t n, size_t size);

#define malloc lean_malloc
#define calloc lean_calloc

#endif
