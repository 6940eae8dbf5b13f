/* http1.c - a parser's life: new, feed, end of file, next message. */
#include "http1_parser.h"

#define HEAD_BYTES   (64u * 1024u)
#define N_HEADERS    100u
#define TARGET_BYTES (8u * 1024u)

struct aiex_http1 *aiex_http1_new(uint32_t kind, const struct aiex_http1_limits *limits,
                                  const struct aiex_http1_events *events, void *arg)
{
    struct aiex_http1 *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    p->kind = kind;
    p->arg = arg;
    if (limits)
        p->limits = *limits;
    if (events)
        p->events = *events;
    if (!p->limits.head_bytes)
        p->limits.head_bytes = HEAD_BYTES;
    if (!p->limits.n_headers)
        p->limits.n_headers = N_HEADERS;
    if (!p->limits.target_bytes)
        p->limits.target_bytes = TARGET_BYTES;
    if (!p->limits.body_bytes)
        p->limits.body_bytes = AIEX_MAX_BODY;
    aiex_http1_next(p);
    return p;
}

void aiex_http1_free(struct aiex_http1 *p)
{
    if (!p)
        return;
    http1_head_done(p);
    free(p);
}

void aiex_http1_next(struct aiex_http1 *p)
{
    http1_head_reset(p);
    p->phase = PHASE_HEAD;
    p->head_seen = 0;
    p->head_request = 0;
    p->left = p->body_seen = 0;
    p->chunk = CHUNK_SIZE;
    p->n_digits = 0;
    p->trailer_seen = 0;
    p->status = 0;
    p->text = "";
}

void aiex_http1_bind(struct aiex_http1 *p, void *arg, uint64_t body_bytes)
{
    p->arg = arg;
    p->limits.body_bytes = body_bytes ? body_bytes : AIEX_MAX_BODY;
}

void aiex_http1_expect_head(struct aiex_http1 *p)
{
    p->head_request = 1;
}

int http1_refuse(struct aiex_http1 *p, int code, int status, const char *text)
{
    if (p->phase != PHASE_DEAD) {
        p->phase = PHASE_DEAD;
        p->status = status;
        p->text = text;
    }
    return code;
}

int aiex_http1_feed(struct aiex_http1 *p, const void *bytes, size_t n, size_t *ret_used)
{
    const char *at = bytes;
    size_t left = n, took = 0;
    int r = 1;

    while (r == 1) {
        if (p->phase == PHASE_DONE) {
            r = AIEX_HTTP1_DONE;
            break;
        }
        if (p->phase == PHASE_DEAD) {
            r = p->status ? -EPROTO : AIEX_HTTP1_STOP;
            break;
        }
        if (left == 0) {
            r = AIEX_HTTP1_MORE;
            break;
        }
        r = p->phase == PHASE_HEAD ? http1_head_feed(p, at, left, &took)
                                   : http1_body_feed(p, at, left, &took);
        at += took;
        left -= took;
    }
    if (r == AIEX_HTTP1_STOP)
        p->phase = PHASE_DEAD;
    *ret_used = n - left;
    return r;
}

int aiex_http1_eof(struct aiex_http1 *p)
{
    if (p->phase == PHASE_UNTIL_EOF)
        p->phase = PHASE_DONE;
    if (p->phase == PHASE_DONE)
        return AIEX_HTTP1_DONE;
    if (aiex_http1_is_idle(p))
        return AIEX_HTTP1_MORE;
    if (p->phase == PHASE_DEAD)
        return p->status ? -EPROTO : AIEX_HTTP1_STOP;
    return http1_refuse(p, -EPROTO, 400,
                        p->phase == PHASE_HEAD ? "the connection ended inside a message head"
                                               : "the connection ended inside a message body");
}

int aiex_http1_is_idle(const struct aiex_http1 *p)
{
    return p->phase == PHASE_HEAD && p->n_first == 0 &&
           !(p->kind == AIEX_HTTP1_RESPONSE && p->head_seen);
}

const struct aiex_http1_head *aiex_http1_head(const struct aiex_http1 *p)
{
    return p->has_head ? &p->head : NULL;
}

int aiex_http1_status(const struct aiex_http1 *p)
{
    return p->status;
}

const char *aiex_http1_text(const struct aiex_http1 *p)
{
    return p->text;
}

const char *aiex_http1_get(const struct aiex_http1_head *head, const char *name)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const char *have = head->headers[i].name;

        if (*have == *name && strcmp(have, name) == 0)
            return head->headers[i].value;
    }
    return NULL;
}
