/*
 * bytes.h - bytes that grow, with a maximum.
 *
 * A failure sticks: what follows is dropped and `failed` says why, so that a writer of
 * many small pieces checks once at its end. bytes_done() frees; a zeroed struct is empty.
 */
#ifndef DIALECT_BYTES_H
#define DIALECT_BYTES_H

#include <aiex/aiex_plugin.h>
#include <string.h>

struct bytes {
    uint8_t *data;
    size_t len, cap, max;
    int failed; /* 0, -EMSGSIZE (above max), -ENOMEM */
};

void bytes_done(struct bytes *b);
/* Room for n more. 0 or b->failed. */
int bytes_reserve(struct bytes *b, size_t n);

static inline void bytes_add(struct bytes *b, const void *p, size_t n)
{
    if (b->cap - b->len < n && bytes_reserve(b, n) != 0)
        return;
    if (n)
        memcpy(b->data + b->len, p, n);
    b->len += n;
}

static inline void bytes_str(struct bytes *b, const char *s)
{
    bytes_add(b, s, strlen(s));
}

static inline void bytes_slice(struct bytes *b, struct aiex_slice s)
{
    bytes_add(b, s.data, s.len);
}

static inline struct aiex_slice bytes_all(const struct bytes *b)
{
    return (struct aiex_slice){b->data, b->len};
}

void bytes_int(struct bytes *b, int64_t v);
/* `raw` is JSON string content: quotes around it. */
void bytes_quote(struct bytes *b, struct aiex_slice raw);
/* Text becomes JSON string content, without quotes. */
void bytes_escape(struct bytes *b, struct aiex_slice text);
/* JSON string content becomes text. */
void bytes_unescape(struct bytes *b, struct aiex_slice raw);

#endif
