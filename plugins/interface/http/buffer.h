/*
 * buffer.h - growing bytes whose memory is shared by all connections of a server.
 *
 * An idle connection holds none; a busy one takes blocks of 16 KiB to 512 KiB from a
 * pool and gives them back, so that a request on the hot path allocates nothing.
 * Every growth names its maximum. Bytes live at data[off .. len).
 */
#ifndef INTERFACE_HTTP_BUFFER_H
#define INTERFACE_HTTP_BUFFER_H

#include <aiex/aiex_plugin.h>

#define POOL_SMALLEST   16384u
#define POOL_CLASSES    6                    /* 16 32 64 128 256 512 KiB */
#define POOL_KEEP_BYTES (2u * 1024u * 1024u) /* free blocks beyond that go back to the host */

struct pool {
    const struct aiex_host *host;
    struct pool_block *free[POOL_CLASSES];
    size_t free_bytes;
};

struct buffer {
    uint8_t *data;
    size_t off, len, cap;
};

void pool_init(struct pool *p, const struct aiex_host *host);
/* Frees what is not lent out. */
void pool_done(struct pool *p);

/* Room for n more bytes behind len, which may not pass `max`. The place, or NULL: too large or no
 * memory (buffer_fits() tells which). */
uint8_t *buffer_room(struct pool *p, struct buffer *b, size_t n, size_t max);
/* 0, -EMSGSIZE (beyond max), -ENOMEM. */
int buffer_add(struct pool *p, struct buffer *b, const void *bytes, size_t n, size_t max);
int buffer_fits(const struct buffer *b, size_t n, size_t max);
/* Gives the memory back; the buffer is empty and usable again. */
void buffer_drop(struct pool *p, struct buffer *b);

static inline size_t buffer_size(const struct buffer *b)
{
    return b->len - b->off;
}

#endif /* INTERFACE_HTTP_BUFFER_H */
