/*
 * compress.c - whole answers as gzip (RFC 1952) for clients that take it.
 *
 * Small answers do not gain, streams would be held back, and very large ones would keep
 * the loop busy for too long; those go as they are. One state serves all connections, for an
 * answer is compressed in one go.
 */
#include "server.h"

#define ZLIB_CONST
#include <zlib.h>

#define LEAST_BYTES 1024
#define MOST_BYTES  (1024u * 1024u)
#define WINDOW_BITS (13 + 16) /* 8 KiB; 16 = with the frame of gzip */
#define MEM_LEVEL   7
#define HEAD_ROOM   2048 /* as respond_begin() */

struct compressor {
    z_stream z;
};

static void *z_alloc(void *arg, unsigned n, unsigned size)
{
    const struct aiex_host *host = arg;

    return host->alloc(host, (size_t)n * size);
}

static void z_free(void *arg, void *mem)
{
    const struct aiex_host *host = arg;

    host->release(host, mem);
}

static struct compressor *get(struct server *s)
{
    struct compressor *k = s->compressor;

    if (k)
        return deflateReset(&k->z) == Z_OK ? k : NULL;
    k = s->host->alloc(s->host, sizeof(*k));
    if (!k)
        return NULL;
    k->z.zalloc = z_alloc;
    k->z.zfree = z_free;
    k->z.opaque = (void *)(uintptr_t)s->host;
    if (deflateInit2(&k->z, 1, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        s->host->release(s->host, k);
        return NULL;
    }
    s->compressor = k;
    return k;
}

void compress_done(struct server *s)
{
    if (s->compressor)
        deflateEnd(&s->compressor->z);
    s->host->release(s->host, s->compressor);
    s->compressor = NULL;
}

static int is_wanted(struct conn *c)
{
    const struct aiex_http1_head *head = aiex_http1_head(c->parser);
    size_t n = buffer_size(&c->out);

    return c->server->config->compression && n >= LEAST_BYTES && n <= MOST_BYTES && head &&
           aiex_http1_has(head, "accept-encoding", "gzip");
}

const char *compress_output(struct conn *c)
{
    struct pool *pool = &c->server->pool;
    size_t n = buffer_size(&c->out);
    struct buffer made = {0};
    struct compressor *k = is_wanted(c) ? get(c->server) : NULL;

    if (!k || !buffer_room(pool, &made, HEAD_ROOM + n, SIZE_MAX / 2))
        return NULL;
    made.off = made.len = HEAD_ROOM;
    k->z.next_in = c->out.data + c->out.off;
    k->z.avail_in = (uInt)n;
    k->z.next_out = made.data + made.len;
    k->z.avail_out = (uInt)n;
    if (deflate(&k->z, Z_FINISH) != Z_STREAM_END) { /* not smaller */
        buffer_drop(pool, &made);
        return NULL;
    }
    made.len += n - k->z.avail_out;
    buffer_drop(pool, &c->out);
    c->out = made;
    return "gzip";
}
