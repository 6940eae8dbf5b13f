#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_done(struct buf *b)
{
    free(b->data);
    buf_init(b, b->max);
}

uint8_t *buf_room(struct buf *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 256;
    uint8_t *grown;

    if (n > b->max || b->len > b->max - n)
        return NULL;
    if (b->cap > b->len + n)
        return b->data + b->len;
    while (cap <= b->len + n)
        cap *= 2;
    grown = realloc(b->data, cap);
    if (!grown)
        return NULL;
    b->data = grown;
    b->cap = cap;
    b->data[b->len] = 0;
    return b->data + b->len;
}

int buf_add(struct buf *b, const void *bytes, size_t n)
{
    uint8_t *at = buf_room(b, n);

    if (!at)
        return n > b->max || b->len > b->max - n ? -EMSGSIZE : -ENOMEM;
    if (n)
        memcpy(at, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int buf_vaddf(struct buf *b, const char *format, va_list ap)
{
    va_list again;
    uint8_t *at;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return -EINVAL;
    at = buf_room(b, (size_t)n); /* and one for the final 0, as always */
    if (!at)
        return (size_t)n > b->max || b->len > b->max - (size_t)n ? -EMSGSIZE : -ENOMEM;
    vsnprintf((char *)at, (size_t)n + 1, format, ap);
    b->len += (size_t)n;
    return 0;
}

int buf_addf(struct buf *b, const char *format, ...)
{
    va_list ap;
    int r;

    va_start(ap, format);
    r = buf_vaddf(b, format, ap);
    va_end(ap);
    return r;
}

void buf_eat(struct buf *b, size_t n)
{
    if (n >= b->len) {
        b->len = 0;
    } else {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
    if (b->data)
        b->data[b->len] = 0;
}

char *buf_take(struct buf *b)
{
    char *text = (char *)b->data;

    buf_init(b, b->max);
    return text;
}
