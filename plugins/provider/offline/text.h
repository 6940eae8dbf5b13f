/* text.h - a growing text with a maximum: what does not fit is left out and `cut` says so. */
#ifndef OFFLINE_TEXT_H
#define OFFLINE_TEXT_H

#include <stddef.h>

struct text {
    char *data; /* 0-terminated; NULL while empty */
    size_t len, cap, max;
    int cut; /* something did not fit, or memory was short */
};

void text_init(struct text *t, size_t max_bytes);
void text_done(struct text *t);
void text_addn(struct text *t, const char *bytes, size_t n);
void text_add(struct text *t, const char *s);
void text_addf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
