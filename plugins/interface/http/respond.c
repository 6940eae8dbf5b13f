/*
 * respond.c - heads of answers and the way bodies follow them.
 *
 * A whole answer is built body first: respond_begin() leaves room at the front of the
 * output, and respond_end(), when the length is known, puts the head right before the
 * body, so nothing is copied twice and head and body leave in one send.
 */
#include "server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define HEAD_ROOM 1024

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME_COARSE, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What every head begins with. */
static void write_start(struct conn *c, struct aiex_http1_writer *w, int status, const char *type)
{
    char id[17];

    if (!c->trace)
        c->trace = c->server->next_trace++;
    snprintf(id, sizeof(id), "%016" PRIx64, c->trace);
    aiex_http1_w_status(w, status);
    aiex_http1_w_date(w, &c->server->date, wall_ms());
    if (type)
        aiex_http1_w_header(w, "content-type", type);
    aiex_http1_w_header(w, "x-request-id", id);
    if (c->origin) {
        aiex_http1_w_header(w, "access-control-allow-origin", c->origin);
        aiex_http1_w_header(w, "access-control-expose-headers",
                            "x-request-id, x-aiex-provider, x-aiex-offline, retry-after");
        aiex_http1_w_header(w, "vary", "origin");
    }
    if (c->server->draining)
        c->keep_alive = 0;
    if (!c->keep_alive)
        aiex_http1_w_header(w, "connection", "close");
    else if (c->http10)
        aiex_http1_w_header(w, "connection", "keep-alive");
}

static void write_preflight(struct aiex_http1_writer *w, const char *allow)
{
    aiex_http1_w_header(w, "access-control-allow-methods", allow);
    aiex_http1_w_header(w, "access-control-allow-headers", "*, authorization");
    aiex_http1_w_header(w, "access-control-max-age", "600");
}

static void write_retry(struct aiex_http1_writer *w, uint32_t ms)
{
    aiex_http1_w_number(w, "retry-after", ((uint64_t)ms + 999) / 1000);
    aiex_http1_w_number(w, "retry-after-ms", ms);
}

static void write_head(struct conn *c, struct aiex_http1_writer *w, const struct reply *r,
                       size_t length)
{
    int has_body = r->status != 204;

    write_start(c, w, r->status, !has_body ? NULL : r->type ? r->type : "application/json");
    if (has_body)
        aiex_http1_w_number(w, "content-length", length);
    if (r->allow)
        aiex_http1_w_header(w, "allow", r->allow);
    if (r->preflight && c->origin)
        write_preflight(w, r->allow);
    if (r->provider)
        aiex_http1_w_header(w, "x-aiex-provider", r->provider);
    if (r->offline)
        aiex_http1_w_header(w, "x-aiex-offline", "true");
    if (r->retry_after_ms)
        write_retry(w, r->retry_after_ms);
    aiex_http1_w_end(w);
}

int respond_begin(struct conn *c)
{
    struct pool *pool = &c->server->pool;

    if (c->phase == PHASE_CLOSED)
        return -EPIPE;
    buffer_drop(pool, &c->out);
    if (!buffer_room(pool, &c->out, HEAD_ROOM, HEAD_ROOM)) {
        conn_close(c);
        return -ENOMEM;
    }
    c->out.off = c->out.len = HEAD_ROOM;
    return 0;
}

void respond_end(struct conn *c, const struct reply *reply)
{
    struct aiex_http1_writer w;
    uint8_t head[HEAD_ROOM];

    if (c->phase == PHASE_CLOSED)
        return;
    aiex_http1_writer_init(&w, head, sizeof(head));
    write_head(c, &w, reply, buffer_size(&c->out));
    if (w.failed) { /* a name that is no header value: better without it than not at all */
        aiex_http1_writer_init(&w, head, sizeof(head));
        c->origin = NULL;
        write_head(c, &w, &(struct reply){.status = reply->status, .type = reply->type},
                   buffer_size(&c->out));
    }
    if (c->head_only || reply->status == 204)
        c->out.len = c->out.off;
    c->out.off -= w.len;
    memcpy(c->out.data + c->out.off, head, w.len);
    c->status = reply->status;
    c->ended = 1;
    if (c->phase != PHASE_ANSWER && c->phase != PHASE_SEND)
        deadline_phase(c, PHASE_ANSWER);
    output_soon(c);
}

void respond(struct conn *c, const struct reply *reply, const void *body, size_t len)
{
    if (respond_begin(c) == 0 && output_add(c, body, len) == 0)
        respond_end(c, reply);
}

int respond_stream(struct conn *c)
{
    struct aiex_http1_writer w;
    uint8_t head[HEAD_ROOM];

    if (c->http10)
        c->keep_alive = 0; /* only closing can end it */
    aiex_http1_writer_init(&w, head, sizeof(head));
    write_start(c, &w, 200, "text/event-stream");
    aiex_http1_w_header(&w, "cache-control", "no-cache");
    if (!c->http10)
        aiex_http1_w_header(&w, "transfer-encoding", "chunked");
    aiex_http1_w_end(&w);
    if (w.failed) {
        conn_close(c);
        return -EMSGSIZE;
    }
    c->status = 200;
    c->chunked = !c->http10;
    return output_add(c, head, w.len);
}

void respond_stream_end(struct conn *c)
{
    if (c->chunked && output_add(c, AIEX_HTTP1_CHUNK_END, sizeof(AIEX_HTTP1_CHUNK_END) - 1) != 0)
        return;
    c->ended = 1;
    output_soon(c);
}

void respond_no_keep_alive(struct conn *c, int linger)
{
    c->keep_alive = 0;
    c->linger = linger != 0;
}
