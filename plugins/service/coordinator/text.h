/* text.h - a text into a field of fixed size, cut where it does not fit. */
#ifndef COORDINATOR_TEXT_H
#define COORDINATOR_TEXT_H

#include <string.h>

/* Returns how many bytes were copied, without the 0 behind them. */
static inline size_t text_copy(char *out, size_t size, const char *text)
{
    size_t n = strnlen(text, size - 1);

    memcpy(out, text, n);
    out[n] = 0;
    return n;
}

#endif
