/* codec.c - see codec.h. */
#include "codec.h"

#include <errno.h>
#include <zstd.h>

#define LEVEL 1

size_t codec_pack(void *arg, struct aiex_slice from, uint8_t *to)
{
    struct codec *c = arg;
    size_t n;

    if (!c->in)
        c->in = ZSTD_createCCtx();
    if (!c->in)
        return 0;
    n = ZSTD_compressCCtx(c->in, to, from.len, from.data, from.len, LEVEL);
    /* an eighth less at least, or unpacking costs more than it saves */
    return ZSTD_isError(n) || n > from.len - from.len / 8 ? 0 : n;
}

int codec_unpack(void *arg, struct aiex_slice from, uint8_t *to, size_t len)
{
    struct codec *c = arg;
    size_t n;

    if (!c->out)
        c->out = ZSTD_createDCtx();
    if (!c->out)
        return -ENOMEM;
    n = ZSTD_decompressDCtx(c->out, to, len, from.data, from.len);
    return !ZSTD_isError(n) && n == len ? 0 : -EBADMSG;
}

void codec_done(struct codec *c)
{
    ZSTD_freeCCtx(c->in);
    ZSTD_freeDCtx(c->out);
    c->in = c->out = NULL;
}
