/* record.c - see record.h. */
#include "record.h"

#include <aiex_crc32c.h>
#include <errno.h>
#include <string.h>

static void put(uint8_t *p, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static uint64_t get(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint32_t key_sum(struct aiex_slice key)
{
    uint32_t sum = aiex_crc32c(0, key.data, key.len);

    return sum ? sum : 1;
}

void recall_add(struct recall *r, uint32_t sum)
{
    memmove(r->sums + 1, r->sums, sizeof(r->sums) - sizeof(r->sums[0]));
    r->sums[0] = sum;
    r->number++;
}

void recall_write(const struct recall *r, uint8_t out[40])
{
    put(out, r->number, 8);
    for (unsigned i = 0; i < RECALL; i++)
        put(out + 8 + 4 * i, r->sums[i], 4);
}

void recall_read(struct recall *r, const uint8_t in[40])
{
    r->number = get(in, 8);
    for (unsigned i = 0; i < RECALL; i++)
        r->sums[i] = (uint32_t)get(in + 8 + 4 * i, 4);
}

void record_head(const struct record *r, uint8_t out[RECORD_HEAD])
{
    out[0] = r->kind;
    out[1] = r->flags;
    put(out + 2, r->key.len, 2);
    put(out + 4, r->meta.len, 2);
    put(out + 6, r->pieces, 2);
    recall_write(&r->recall, out + 8);
    put(out + 48, r->uses, 4);
    put(out + 52, r->value_len, 4);
    put(out + 56, r->packed_len, 4);
    put(out + 60, r->dict, 4);
    put(out + 64, r->created, 8);
    put(out + 72, r->expires, 8);
    put(out + 80, r->first_piece, 8);
}

int record_parse(struct aiex_slice body, struct record *ret)
{
    const uint8_t *p = body.data;
    struct record r = {0};
    size_t key, meta;

    if (body.len < RECORD_HEAD)
        return -EBADMSG;
    r.kind = p[0];
    r.flags = p[1];
    key = get(p + 2, 2);
    meta = get(p + 4, 2);
    r.pieces = (uint16_t)get(p + 6, 2);
    recall_read(&r.recall, p + 8);
    r.uses = (uint32_t)get(p + 48, 4);
    r.value_len = (uint32_t)get(p + 52, 4);
    r.packed_len = (uint32_t)get(p + 56, 4);
    r.dict = (uint32_t)get(p + 60, 4);
    r.created = get(p + 64, 8);
    r.expires = get(p + 72, 8);
    r.first_piece = get(p + 80, 8);
    if (body.len - RECORD_HEAD < key + meta)
        return -EBADMSG;
    r.key = (struct aiex_slice){p + RECORD_HEAD, key};
    r.meta = (struct aiex_slice){p + RECORD_HEAD + key, meta};
    r.data = (struct aiex_slice){p + RECORD_HEAD + key + meta, body.len - RECORD_HEAD - key - meta};
    if (r.kind == RECORD_PUT && r.data.len != (r.pieces ? 0 : r.packed_len))
        return -EBADMSG;
    *ret = r;
    return 0;
}
