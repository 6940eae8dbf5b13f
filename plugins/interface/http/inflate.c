/*
 * inflate.c - request bodies with Content-Encoding gzip or deflate (RFC 9110 8.4.1).
 *
 * Bytes are taken apart as they come, straight into the message for the call. A body may
 * become max_body large and no larger, however small it was sent; its state (about 40 KiB)
 * lives until the body is complete.
 */
#include "server.h"

#define ZLIB_CONST
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define STEP_BYTES 16384

struct inflater {
    z_stream z;
    int begun; /* zlib's state exists */
    int gzip;
    int ended;
    uint64_t n_out;
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

int inflate_begin(struct conn *c, const char *coding, const char **ret_why)
{
    const struct aiex_host *host = c->server->host;
    int gzip = strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0;

    if (strcasecmp(coding, "identity") == 0 || !*coding)
        return 0;
    if (!gzip && strcasecmp(coding, "deflate") != 0) {
        *ret_why = "this Content-Encoding is not known here; send gzip, deflate or none";
        return 415;
    }
    c->inflater = host->alloc(host, sizeof(*c->inflater));
    if (!c->inflater) {
        *ret_why = "no memory for the request";
        return 503;
    }
    c->inflater->gzip = gzip;
    c->inflater->z.zalloc = z_alloc;
    c->inflater->z.zfree = z_free;
    c->inflater->z.opaque = (void *)(uintptr_t)host;
    return 0;
}

/* "deflate" is the zlib format; some clients send the bare one, which begins otherwise. */
static int window_bits(const struct inflater *f, uint8_t first)
{
    if (f->gzip)
        return 15 + 16;
    return (first & 0x0f) == Z_DEFLATED && first >> 4 <= 7 ? 15 : -15;
}

/* One step into the body. Z_OK to go on, Z_STREAM_END, or a status with *ret_why. */
static int step(struct conn *c, uint64_t most, const char **ret_why)
{
    struct inflater *f = c->inflater;
    uint8_t *at = buffer_room(&c->server->pool, &c->body, STEP_BYTES, SIZE_MAX / 2);
    size_t n;
    int r;

    if (!at) {
        *ret_why = "no memory for the request";
        return 503;
    }
    f->z.next_out = at;
    f->z.avail_out = STEP_BYTES;
    r = inflate(&f->z, Z_NO_FLUSH);
    n = STEP_BYTES - f->z.avail_out;
    c->body.len += n;
    f->n_out += n;
    if (f->n_out > most) {
        *ret_why = "the body is too large when it is uncompressed";
        return 413;
    }
    if (r == Z_OK || r == Z_STREAM_END || (r == Z_BUF_ERROR && f->z.avail_in == 0))
        return r == Z_BUF_ERROR ? Z_OK : r;
    *ret_why = r == Z_MEM_ERROR ? "no memory for the request"
                                : "the body is not what its Content-Encoding says";
    return r == Z_MEM_ERROR ? 503 : 400;
}

int inflate_feed(struct conn *c, const uint8_t *bytes, size_t n, const char **ret_why)
{
    struct inflater *f = c->inflater;
    uint64_t most = conn_body_limit(c->server);
    int r = Z_OK;

    if (!f->begun && inflateInit2(&f->z, window_bits(f, *bytes)) != Z_OK) {
        *ret_why = "no memory for the request";
        return 503;
    }
    f->begun = 1;
    f->z.next_in = bytes;
    f->z.avail_in = (uInt)n;
    if (f->ended) {
        *ret_why = "something follows the compressed body";
        return 400;
    }
    /* a full step may have left more inside zlib, so it is asked again even without input */
    do
        r = step(c, most, ret_why);
    while (r == Z_OK && (f->z.avail_in || f->z.avail_out == 0));
    if (r == Z_STREAM_END) {
        f->ended = 1;
        if (f->z.avail_in == 0)
            return 0;
        *ret_why = "something follows the compressed body";
        return 400;
    }
    return r;
}

int inflate_end(struct conn *c, const char **ret_why)
{
    int ended = c->inflater->ended;

    inflate_drop(c);
    if (ended)
        return 0;
    *ret_why = "the compressed body ends too early";
    return 400;
}

void inflate_drop(struct conn *c)
{
    struct inflater *f = c->inflater;

    if (!f)
        return;
    if (f->begun)
        inflateEnd(&f->z);
    c->server->host->release(c->server->host, f);
    c->inflater = NULL;
}
