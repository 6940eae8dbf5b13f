#include "buffer.h"

#include <errno.h>
#include <string.h>

/* What a free block holds of itself. */
struct pool_block {
    struct pool_block *next;
};

void pool_init(struct pool *p, const struct aiex_host *host)
{
    *p = (struct pool){.host = host};
}

void pool_done(struct pool *p)
{
    for (int i = 0; i < POOL_CLASSES; i++) {
        while (p->free[i]) {
            struct pool_block *b = p->free[i];

            p->free[i] = b->next;
            p->host->release(p->host, b);
        }
    }
    p->free_bytes = 0;
}

/* The smallest class that holds `bytes`; POOL_CLASSES when none does. */
static int class_of(size_t bytes)
{
    int i = 0;

    while (i < POOL_CLASSES && ((size_t)POOL_SMALLEST << i) < bytes)
        i++;
    return i;
}

static uint8_t *take_block(struct pool *p, size_t want, size_t *ret_cap)
{
    int i = class_of(want);
    struct pool_block *b;

    *ret_cap = i < POOL_CLASSES ? (size_t)POOL_SMALLEST << i : want;
    if (i == POOL_CLASSES || !p->free[i])
        return p->host->alloc(p->host, *ret_cap);
    b = p->free[i];
    p->free[i] = b->next;
    p->free_bytes -= *ret_cap;
    return (uint8_t *)b;
}

static void give_block(struct pool *p, uint8_t *data, size_t cap)
{
    struct pool_block *b = (struct pool_block *)(void *)data;
    int i = class_of(cap);

    if (i == POOL_CLASSES || p->free_bytes + cap > POOL_KEEP_BYTES) {
        p->host->release(p->host, data);
        return;
    }
    b->next = p->free[i];
    p->free[i] = b;
    p->free_bytes += cap;
}

int buffer_fits(const struct buffer *b, size_t n, size_t max)
{
    return n <= max && b->len <= max - n;
}

uint8_t *buffer_room(struct pool *p, struct buffer *b, size_t n, size_t max)
{
    size_t need = b->len + n, want = b->cap * 2, cap;
    uint8_t *grown;

    if (!buffer_fits(b, n, max))
        return NULL;
    if (b->data && need <= b->cap)
        return b->data + b->len;
    if (want < need)
        want = need;
    if (want > max)
        want = max;
    grown = take_block(p, want, &cap);
    if (!grown)
        return NULL;
    if (b->data) {
        memcpy(grown + b->off, b->data + b->off, b->len - b->off);
        give_block(p, b->data, b->cap);
    }
    b->data = grown;
    b->cap = cap;
    return grown + b->len;
}

int buffer_add(struct pool *p, struct buffer *b, const void *bytes, size_t n, size_t max)
{
    uint8_t *at = buffer_room(p, b, n, max);

    if (!at)
        return buffer_fits(b, n, max) ? -ENOMEM : -EMSGSIZE;
    if (n)
        memcpy(at, bytes, n);
    b->len += n;
    return 0;
}

void buffer_drop(struct pool *p, struct buffer *b)
{
    if (b->data)
        give_block(p, b->data, b->cap);
    *b = (struct buffer){0};
}
