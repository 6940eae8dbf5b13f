/* cut.c - values into chunks, with ends that the values themselves choose. */
#include "checkpoints.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST (32u << 10) /* bytes before a value may end a chunk */

int ends_at(struct aiex_slice key, unsigned one_in)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ key.data[i]) * 16777619u;
    h ^= h >> 15;
    return (h & (one_in - 1)) == 0;
}

void cut_begin(struct cut *c, struct chunks *chunks, struct chunk_list *list)
{
    memset(c, 0, sizeof(*c));
    c->chunks = chunks;
    c->list = list;
}

void cut_done(struct cut *c)
{
    free(c->mem);
    c->mem = NULL;
    c->size = 0;
}

int cut_end(struct cut *c, struct aiex_error *err)
{
    struct chunk_ref ref;
    int r;

    if (!c->len)
        return 0;
    r = chunk_put(c->chunks, (struct aiex_slice){c->mem, c->len}, &ref, err);
    if (r < 0)
        return r;
    ref.items = c->items;
    c->raw += (int64_t)c->len;
    c->len = 0;
    c->items = 0;
    return chunk_list_add(c->list, &ref) < 0
               ? aiex_failed(err, -ENOMEM, "no memory for the list of chunks")
               : 0;
}

static int room(struct cut *c, size_t n)
{
    size_t size = c->size ? c->size : 64u << 10;
    uint8_t *mem;

    while (size < c->len + n)
        size *= 2;
    if (size == c->size)
        return 0;
    mem = realloc(c->mem, size);
    if (!mem)
        return -ENOMEM;
    c->mem = mem;
    c->size = size;
    return 0;
}

int cut_add(struct cut *c, struct aiex_slice value, int ends, struct aiex_error *err)
{
    if (value.len > CHUNK_MAX - CHUNK_CUT)
        return aiex_failed(err, -EMSGSIZE, "a value of %zu bytes is longer than a chunk may be",
                           value.len);
    if (room(c, value.len) < 0)
        return aiex_failed(err, -ENOMEM, "no memory for a chunk");
    memcpy(c->mem + c->len, value.data, value.len);
    c->len += value.len;
    c->items++;
    c->total_items++;
    return (ends && c->len >= LEAST) || c->len >= CHUNK_CUT ? cut_end(c, err) : 0;
}
