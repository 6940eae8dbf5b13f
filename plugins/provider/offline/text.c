#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(struct text *t, size_t max_bytes)
{
    *t = (struct text){.max = max_bytes};
}

void text_done(struct text *t)
{
    free(t->data);
    text_init(t, t->max);
}

void text_addn(struct text *t, const char *bytes, size_t n)
{
    size_t cap = t->cap ? t->cap : 1024;
    char *grown;

    if (t->cut || n > t->max || t->len > t->max - n) {
        t->cut = 1;
        return;
    }
    while (cap <= t->len + n)
        cap *= 2;
    if (cap != t->cap) {
        grown = realloc(t->data, cap);
        if (!grown) {
            t->cut = 1;
            return;
        }
        t->data = grown;
        t->cap = cap;
    }
    if (n)
        memcpy(t->data + t->len, bytes, n);
    t->len += n;
    t->data[t->len] = 0;
}

void text_add(struct text *t, const char *s)
{
    text_addn(t, s, strlen(s));
}

void text_addf(struct text *t, const char *format, ...)
{
    char line[1024];
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (n > 0)
        text_addn(t, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}
