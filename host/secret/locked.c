#include "secret/locked.h"

#include <sodium.h>
#include <string.h>

void *locked_new(size_t n)
{
    void *memory = sodium_init() < 0 ? NULL : sodium_malloc(n + 1);

    if (memory)
        memset(memory, 0, n + 1);
    return memory;
}

void locked_free(void *memory)
{
    sodium_free(memory);
}
