/*
 * answer.c - what comes in: head, body, decoding, pause, and when it is complete.
 *
 * A body piece goes parser -> on_body() -> give() -> [gzip] -> hand() -> the plugin.
 * While the plugin pauses, the connection is not read; what was read already waits in the
 * request's spill, in framed but undecoded form, and comes first afterwards.
 */
#include "client.h"

/* Why the feed was stopped, for answer_feed() to end the request with. Always returns 1. */
static int stop(struct request *r, uint32_t result, const char *text)
{
    r->result = result;
    snprintf(r->text, sizeof(r->text), "%s", text);
    return 1;
}

/* ---- Body ---- */

/* To the plugin. 1 = stop: the reason is set, or the request is gone. */
static int hand(struct request *r, const uint8_t *bytes, size_t n)
{
    struct client *cl = r->cl;
    uint64_t id = r->id;
    int gave_up;

    if (n > r->max_body - r->body_seen)
        return stop(r, AIEX_HTTP_MALFORMED, "the body is larger than max_body_bytes");
    r->body_seen += n;
    if (!r->handler.body)
        return 0;
    gave_up = r->handler.body(r->arg, (struct aiex_slice){bytes, n});
    if (request_find(cl, id) != r)
        return 1;
    return gave_up ? stop(r, AIEX_HTTP_CANCELLED, "given up by the body handler") : 0;
}

static int spill(struct request *r, const uint8_t *bytes, size_t n)
{
    const struct aiex_host *host = r->cl->host;
    size_t cap = r->n_spill + n;
    uint8_t *mem;

    if (n == 0)
        return 0;
    if (cap > r->cap_spill) {
        cap += cap / 2;
        mem = host->alloc(host, cap);
        if (!mem)
            return stop(r, AIEX_HTTP_CUT, "no memory for bytes that came during a pause");
        if (r->n_spill)
            memcpy(mem, r->spill, r->n_spill);
        host->release(host, r->spill);
        r->spill = mem;
        r->cap_spill = cap;
    }
    memcpy(r->spill + r->n_spill, bytes, n);
    r->n_spill += n;
    return 0;
}

static int decode(struct request *r, const uint8_t *bytes, size_t n)
{
    struct aiex_slice out, rest;
    int k;

    gzip_give(r->gzip, bytes, n);
    while ((k = gzip_next(r->gzip, &out)) == 1) {
        if (hand(r, out.data, out.len) != 0)
            return 1;
        if (r->paused) {
            rest = gzip_take_back(r->gzip);
            return spill(r, rest.data, rest.len);
        }
    }
    if (k == -EMSGSIZE)
        return stop(r, AIEX_HTTP_MALFORMED, "the compressed body expands too much");
    return k < 0 ? stop(r, AIEX_HTTP_MALFORMED, "the compressed body is damaged") : 0;
}

static int give(struct request *r, const uint8_t *bytes, size_t n)
{
    if (r->paused || r->n_spill)
        return spill(r, bytes, n);
    return r->gzip ? decode(r, bytes, n) : hand(r, bytes, n);
}

/* ---- Parser callbacks ---- */

static enum gzip_kind coding_of(const struct aiex_http1_head *h)
{
    const char *coding = aiex_http1_get(h, "content-encoding");

    if (coding && (strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0))
        return GZIP_GZIP;
    return coding && strcasecmp(coding, "deflate") == 0 ? GZIP_DEFLATE : GZIP_NONE;
}

/* Headers that describe the bytes on the wire are not true of the decoded ones. */
static size_t without_coding(const struct aiex_http1_head *h, struct aiex_http_header *out)
{
    size_t n = 0;

    for (size_t i = 0; i < h->n_headers; i++) {
        if (strcmp(h->headers[i].name, "content-encoding") != 0 &&
            strcmp(h->headers[i].name, "content-length") != 0)
            out[n++] = h->headers[i];
    }
    return n;
}

static int on_head(void *arg, const struct aiex_http1_head *h)
{
    struct conn *c = arg;
    struct request *r = c->req;
    struct client *cl = c->cl;
    struct aiex_http_header kept[128];
    const struct aiex_http_header *headers = h->headers;
    size_t n = h->n_headers;
    enum gzip_kind kind = r->flags & AIEX_HTTP_DECODE ? coding_of(h) : GZIP_NONE;
    uint64_t id = r->id;
    int gave_up;

    r->has_head = 1;
    if (request_keep_body(r) != 0)
        return stop(r, AIEX_HTTP_CUT, "no memory for the rest of the body");
    if (kind && (h->flags & AIEX_HTTP1_HAS_BODY)) {
        if (n > sizeof(kept) / sizeof(kept[0]) || !(r->gzip = gzip_new(kind)))
            return stop(r, AIEX_HTTP_CUT, "no memory for decompression");
        n = without_coding(h, kept);
        headers = kept;
    }
    if (!r->handler.head)
        return 0;
    gave_up = r->handler.head(r->arg, h->status, headers, n);
    if (request_find(cl, id) != r)
        return 1;
    return gave_up ? stop(r, AIEX_HTTP_CANCELLED, "given up by the head handler") : 0;
}

static int on_body(void *arg, const uint8_t *bytes, size_t n)
{
    struct conn *c = arg;

    return give(c->req, bytes, n);
}

const struct aiex_http1_events answer_events = {on_head, on_body};

/* ---- Completeness ---- */

static void end_when_given(struct request *r)
{
    if (r->paused || r->n_spill)
        return;
    if (r->gzip && !gzip_complete(r->gzip))
        request_end(r, AIEX_HTTP_CUT, "the compressed body ends too early");
    else
        request_end(r, AIEX_HTTP_OK, "");
}

static void complete(struct conn *c, int keep)
{
    struct request *r = c->req;

    r->complete = 1;
    conn_release(c, keep);
    if (r->paused)
        request_progress(r);
    end_when_given(r);
}

static void peer_closed(struct conn *c)
{
    struct request *r = c->req;
    int k = aiex_http1_eof(c->parser);

    if (k == AIEX_HTTP1_DONE)
        complete(c, 0);
    else if (k == AIEX_HTTP1_MORE)
        request_broken(r, "the connection was closed before the answer began");
    else
        request_broken(r, aiex_http1_text(c->parser));
}

void answer_feed(struct conn *c, const uint8_t *bytes, size_t n)
{
    struct request *r = c->req;
    size_t used;
    int k, whole;

    if (n == 0) {
        peer_closed(c);
        return;
    }
    r->received = 1;
    k = aiex_http1_feed(c->parser, bytes, n, &used);
    if (c->dead)
        return; /* a callback cancelled the request */
    switch (k) {
    case AIEX_HTTP1_MORE:
        request_progress(r);
        break;
    case AIEX_HTTP1_DONE:
        whole = used == n && r->off_out == r->n_out && !r->cut_short;
        complete(c, whole && (aiex_http1_head(c->parser)->flags & AIEX_HTTP1_KEEP_ALIVE));
        break;
    case AIEX_HTTP1_STOP:
        request_end(r, r->result, r->text);
        break;
    default:
        request_end(r, AIEX_HTTP_MALFORMED, aiex_http1_text(c->parser));
        break;
    }
}

/* ---- Pause ---- */

void answer_pause(struct request *r, int on)
{
    struct conn *c = r->conn;

    if (!on == !r->paused)
        return;
    r->paused = on != 0;
    if (!c || c->phase != CONN_ACTIVE) {
        if (!on)
            request_kick(r);
        return;
    }
    request_progress(r);
    if (on)
        return; /* the watch is changed when something comes: often a resume comes first */
    conn_rewatch(c);
    if (r->n_spill || r->gzip || c->origin->tls)
        request_kick(r);
}

void answer_resume(struct request *r)
{
    struct client *cl = r->cl;
    const struct aiex_host *host = cl->host;
    uint8_t *held = r->spill;
    size_t n = r->n_spill;
    uint64_t id = r->id;
    int stopped;

    if (n == 0 && !r->gzip && !r->complete)
        return;
    r->spill = NULL;
    r->n_spill = r->cap_spill = 0;
    stopped = n || r->gzip ? give(r, held, n) : 0;
    host->release(host, held);
    if (request_find(cl, id) != r)
        return;
    if (stopped)
        request_end(r, r->result, r->text);
    else if (r->complete)
        end_when_given(r);
}
