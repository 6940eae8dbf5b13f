/*
 * gzip.c - undoes Content-Encoding: gzip (RFC 1952) and deflate (RFC 1950) as the bytes come.
 *
 * What calls itself deflate is often sent without the two bytes of its head (RFC 1951); the
 * first byte tells: the low half of a head is 8, and no encoder begins a raw stream so.
 *
 * A small answer can unpack to gigabytes: past the first MiB, more than RATIO decoded
 * bytes for each byte received is refused (deflate ends at about 1030, text at about 20).
 * The caller also counts decoded bytes against the body's limit.
 */
#include "client.h"

#include <stdlib.h>
#include <zlib.h>

#define RATIO      200u
#define FREE_BYTES (1024u * 1024u)

struct gzip {
    z_stream z;
    uint64_t in, out;
    enum gzip_kind kind;
    int begun;   /* the first byte has come */
    int ended;   /* deflate: nothing may follow */
    int between; /* members: at the start, or behind a complete one */
    int full;    /* the last output filled the buffer: there may be more without input */
};

struct gzip *gzip_new(enum gzip_kind kind)
{
    struct gzip *g = calloc(1, sizeof(*g));

    if (g && inflateInit2(&g->z, kind == GZIP_GZIP ? 16 + MAX_WBITS : MAX_WBITS) != Z_OK) {
        free(g);
        return NULL;
    }
    if (g) {
        g->between = 1;
        g->kind = kind;
    }
    return g;
}

void gzip_free(struct gzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g);
}

void gzip_give(struct gzip *g, const uint8_t *bytes, size_t n)
{
    if (n && !g->begun && g->kind == GZIP_DEFLATE && (bytes[0] & 0x0f) != 8)
        (void)inflateReset2(&g->z, -MAX_WBITS);
    g->begun |= n > 0;
    g->z.next_in = (Bytef *)bytes;
    g->z.avail_in = (uInt)n;
    g->in += n;
}

int gzip_next(struct gzip *g, struct aiex_slice *ret_out)
{
    int r;

    for (;;) {
        if (g->z.avail_in == 0 && !g->full)
            return 0;
        if (g->ended)
            return -EPROTO; /* only gzip has several members */
        g->z.next_out = module->out;
        g->z.avail_out = sizeof(module->out);
        r = inflate(&g->z, Z_NO_FLUSH);
        if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
            return -EPROTO;
        g->full = g->z.avail_out == 0;
        if (r != Z_BUF_ERROR)
            g->between = r == Z_STREAM_END;
        if (r == Z_STREAM_END && g->kind == GZIP_DEFLATE) {
            g->ended = 1;
            g->full = 0;
        }
        if (r == Z_STREAM_END && inflateReset(&g->z) != Z_OK)
            return -EPROTO;
        ret_out->data = module->out;
        ret_out->len = sizeof(module->out) - g->z.avail_out;
        g->out += ret_out->len;
        if (g->out > FREE_BYTES && g->out / RATIO > g->in)
            return -EMSGSIZE;
        if (ret_out->len)
            return 1;
        if (r == Z_BUF_ERROR && g->z.avail_in)
            return -EPROTO;
    }
}

struct aiex_slice gzip_take_back(struct gzip *g)
{
    struct aiex_slice rest = {g->z.next_in, g->z.avail_in};

    g->in -= rest.len;
    g->z.avail_in = 0;
    return rest;
}

int gzip_complete(const struct gzip *g)
{
    return g->between;
}
