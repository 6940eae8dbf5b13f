/* pack.c - values to and from Zstandard (RFC 8878), with a dictionary when they are small. */
#include "cold.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 3
#define LEAST 48u         /* a shorter value stays as it is */
#define SMALL (16u << 10) /* up to here with a dictionary */

int pack(struct cold *c, struct aiex_slice value, uint8_t **ret_packed, size_t *ret_len,
         int *ret_slot)
{
    int slot = value.len <= SMALL ? atomic_load(&c->current) : -1;
    size_t room = ZSTD_compressBound(value.len), n;
    uint8_t *mem;

    *ret_packed = NULL;
    *ret_slot = -1;
    if (value.len < LEAST)
        return 0;
    if (!c->in)
        c->in = ZSTD_createCCtx();
    mem = malloc(room);
    if (!c->in || !mem) {
        free(mem);
        return -ENOMEM;
    }
    if (slot >= 0)
        n = ZSTD_compress_usingCDict(c->in, mem, room, value.data, value.len, c->dicts[slot].in);
    else
        n = ZSTD_compressCCtx(c->in, mem, room, value.data, value.len, LEVEL);
    if (ZSTD_isError(n) || n >= value.len - value.len / 16) {
        free(mem);
        return 0;
    }
    *ret_packed = mem;
    *ret_len = n;
    *ret_slot = slot;
    return 0;
}

int unpack(struct cold *c, uint32_t dict, struct aiex_slice packed, uint8_t *to, size_t len)
{
    int slot = dict ? dict_ref(c, dict) : -1;
    size_t n;

    if (dict && slot < 0)
        return -ENOENT;
    if (!c->out)
        c->out = ZSTD_createDCtx();
    if (!c->out)
        n = 0;
    else if (slot >= 0)
        n = ZSTD_decompress_usingDDict(c->out, to, len, packed.data, packed.len,
                                       c->dicts[slot].out);
    else
        n = ZSTD_decompressDCtx(c->out, to, len, packed.data, packed.len);
    if (slot >= 0)
        dict_unref(c, slot);
    if (!c->out)
        return -ENOMEM;
    return !ZSTD_isError(n) && n == len ? 0 : -EBADMSG;
}
