/* lean_memory.h - put before each source of the plugin for one test, which decides who gets memory.
 */
#ifndef LEAN_MEMORY_H
#define LEAN_MEMORY_H

#include <stdlib.h>

void *lean_malloc(size_t n);
void *lean_calloc(size_t n, size_t size);
void *lean_realloc(void *mem, size_t n);

#define malloc  lean_malloc
#define calloc  lean_calloc
#define realloc lean_realloc

#endif
