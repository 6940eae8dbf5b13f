/*
 * locked.h - memory for secrets: between guard pages, locked against swapping where the
 * limit allows it, left out of core files, wiped when it is freed (sodium_malloc).
 */
#ifndef AIEX_SECRET_LOCKED_H
#define AIEX_SECRET_LOCKED_H

#include <stddef.h>

/* n bytes of 0 and one more behind them. NULL: no memory. */
void *locked_new(size_t n);
/* Wipes and frees; NULL is fine. */
void locked_free(void *memory);

static inline void locked_free_cleanup(void *p)
{
    locked_free(*(void **)p);
}
#define auto_locked __attribute__((cleanup(locked_free_cleanup)))

#endif
