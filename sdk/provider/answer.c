/*
 * answer.c - the vendor's answer on its way to the caller.
 *
 * What comes in goes through aiex_chat_feed(), what that gives goes to the caller at once; when the
 * caller has no room, reading stops and what was already made is held. A stream is answered as soon
 * as the vendor has said that it is complete.
 *
 * Nothing ends cleanly that is not whole: every way out is finish() or fail().
 */
#include "engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_BYTES   (64u * 1024u)
#define MAX_TRAILING (64u * 1024u) /* bytes behind the end that are read for keep-alive's sake */

static void fail(struct call *c, const struct trouble *t, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct call *c, const struct trouble *t, const char *format, ...)
{
    char text[480];
    va_list ap;

    if (c->over)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    report_trouble(c, t, text);
    call_fade(c);
}

/* ---- Parts to the caller ---- */

/* 0 or -EPIPE: nobody wants more. */
static int give(struct call *c, struct aiex_slice part)
{
    int r;

    c->giving = 1;
    r = c->p->host->stream(c->p->host, c->id, part);
    c->giving = 0;
    if (c->over)
        return -EPIPE;
    if (r == AIEX_PAUSE) {
        if (!c->paused && c->http)
            c->p->http->pause(c->p->host, c->http, 1);
        c->paused = 1;
    } else if (r == -ENOENT) {
        report_cancelled(c);
        call_fade(c);
        return -EPIPE;
    } else if (r < 0) {
        fail(c, &(struct trouble){.code = AIEX_E_INTERNAL, .http_status = 500, .started = 1},
             "a part of %zu bytes was not taken (%d)", part.len, r);
        return -EPIPE;
    }
    if (!c->sent_parts) {
        c->sent_parts = 1;
        c->first_ms = c->p->host->now_ms(c->p->host);
        call_stop_timer(c);
    }
    return 0;
}

/* Bytes of the next part: a stream's events and lines stay whole. */
static size_t portion(const struct call *c, struct aiex_slice bytes)
{
    const char *mark = aiex_dialect_stream_type(c->client)[0] == 't' ? "\n\n" : "\n";
    const uint8_t *end;

    if (bytes.len <= PART_BYTES || !aiex_chat_streams(c->chat))
        return bytes.len < PART_BYTES ? bytes.len : PART_BYTES;
    end = memmem(bytes.data + PART_BYTES, bytes.len - PART_BYTES, mark, strlen(mark));
    return end ? (size_t)(end - bytes.data) + strlen(mark) : bytes.len;
}

/* The aiex_chat_sink. */
static int hand_out(void *arg, struct aiex_slice bytes)
{
    struct call *c = arg;

    while (!c->over && !c->paused && bytes.len) {
        struct aiex_slice part = {bytes.data, portion(c, bytes)};

        bytes.data += part.len;
        bytes.len -= part.len;
        if (give(c, part) != 0)
            return -EPIPE;
    }
    if (c->over)
        return -EPIPE;
    if (bytes.len && collect_add(&c->held, bytes.data, bytes.len) != 0) {
        fail(c, &(struct trouble){.code = AIEX_E_INTERNAL, .http_status = 500, .started = 1},
             "no memory for what a slow caller does not take");
        return -EPIPE;
    }
    return 0;
}

static void succeed(struct call *c)
{
    report_success(c);
    call_fade(c);
}

void answer_pump(struct call *c)
{
    while (!c->paused && c->held_sent < c->held.len) {
        struct aiex_slice part = {c->held.data + c->held_sent, c->held.len - c->held_sent};

        part.len = portion(c, part);
        c->held_sent += part.len;
        if (give(c, part) != 0)
            return;
    }
    if (c->held_sent < c->held.len)
        return;
    c->held.len = c->held_sent = 0;
    if (c->finished)
        succeed(c);
}

/* ---- The answer of the vendor ---- */

/* The vendor said in a good answer that it failed. */
static void vendor_failed(struct call *c, const struct aiex_chat_result *r)
{
    int status = r->error_status >= 400 ? r->error_status : 502;
    struct status_meaning m = status_meaning(status, 0);
    struct aiex_chat_error e = {.status = m.http_status, .reason = r->error_reason};
    struct trouble t = {.code = m.code,
                        .http_status = m.http_status,
                        .reason = aiex_reason_name(r->error_reason),
                        .started = 1};
    char *mem = malloc(MAX_ERROR_BODY);

    snprintf(e.message, sizeof(e.message), "%s", r->fault);
    if (mem)
        t.body = report_document(c, &e, (struct aiex_slice){NULL, 0}, mem);
    fail(c, &t, "%s reported an error in its answer: %s", c->p->base, r->fault);
    free(mem);
}

/* What aiex_chat_feed() or _close() said no to. */
static void broken(struct call *c, int why)
{
    const struct aiex_chat_result *r = aiex_chat_result(c->chat);

    if (c->over)
        return;
    if (why == -ENOMEM)
        fail(c, &(struct trouble){.code = AIEX_E_INTERNAL, .http_status = 500, .started = 1},
             "no memory for the answer");
    else if (r->vendor_error)
        vendor_failed(c, r);
    else
        fail(c,
             &(struct trouble){
                 .code = AIEX_E_UPSTREAM, .http_status = 502, .reason = "stream", .started = 1},
             "the answer of %s is broken: %s", c->p->base, r->fault);
}

/* The answer is whole. */
static void finish(struct call *c)
{
    int r = aiex_chat_close(c->chat, hand_out, c);

    if (c->over)
        return;
    if (r != 0) {
        broken(c, r);
        return;
    }
    c->finished = 1;
    call_stop_timer(c);
    if (c->held_sent == c->held.len)
        succeed(c);
}

static int has_type(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncmp(type, wanted, n) == 0 && (!type[n] || strchr("; \t", type[n]));
}

/* NULL, or why this is not the kind of answer that was asked for. */
static const char *wrong_kind(const struct call *c, const char *encoding)
{
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return "in a content encoding that was not asked for";
    if (c->stream && !has_type(c->content_type, aiex_dialect_stream_type(c->vendor)))
        return "where a stream was asked for";
    if (!c->stream && has_type(c->content_type, "text/html")) /* JSON is checked anyway */
        return "where a JSON document was asked for";
    return NULL;
}

static void on_silence(void *arg);

static void watch_first_token(struct call *c)
{
    uint64_t passed = c->p->host->now_ms(c->p->host) - c->begun_ms;
    uint64_t left = passed < c->first_token_ms ? c->first_token_ms - passed : 1;

    c->p->host->timer(c->p->host, left, 0, on_silence, c, &c->timer);
}

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct call *c = arg;
    const char *type = status_header(headers, n, "content-type");
    time_t wall = time(NULL);

    aiex_chat_drop_request(c->chat);
    c->status = status;
    c->retry_ms = status_retry_ms(headers, n, wall);
    c->rate = status_rate(headers, n, wall);
    health_saw_status(c->p, status);
    type = type ? type : "none";
    for (size_t i = 0; i < sizeof(c->content_type) - 1 && type[i]; i++) /* the rest is zero */
        c->content_type[i] = type[i] >= 'A' && type[i] <= 'Z' ? (char)(type[i] + 32) : type[i];
    if (status >= 200 && status <= 299)
        c->wrong = wrong_kind(c, status_header(headers, n, "content-encoding"));
    if (status >= 200 && status <= 299 && !c->wrong && c->stream)
        watch_first_token(c);
    return 0;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct call *c = arg;
    int r;

    if (c->over || c->finished) { /* only the end of the framing is of interest */
        c->trailing += bytes.len;
        return !c->finished || c->trailing > MAX_TRAILING;
    }
    if (c->status < 200 || c->status > 299 || c->wrong)
        return collect_add(&c->body, bytes.data, bytes.len); /* too long: enough was read */
    r = aiex_chat_feed(c->chat, bytes, hand_out, c);
    if (c->over)
        return -EPIPE;
    if (r != 0) {
        broken(c, r);
        return r;
    }
    if (c->timer && aiex_chat_result(c->chat)->events)
        call_stop_timer(c); /* the caller may want the answer whole: nothing is handed out yet */
    if (c->stream && aiex_chat_complete(c->chat))
        finish(c);
    return c->over && !c->finished;
}

/* The vendor's own words, when its status says that there is no answer. */
static void refused(struct call *c)
{
    struct status_meaning m = status_meaning(c->status, c->retry_ms >= 0);
    struct aiex_slice doc = collect_slice(&c->body);
    struct trouble t = {.code = m.code, .http_status = m.http_status, .started = m.started};
    char *mem = malloc(MAX_ERROR_BODY);
    struct aiex_chat_error e;

    aiex_chat_read_error(c->vendor, c->status, doc, &e);
    e.status = m.http_status;
    t.reason = aiex_reason_name(e.reason);
    t.retry_ms = c->retry_ms;
    if (c->retry_ms < 0 && c->status == 429 && (c->rate.requests == 0 || c->rate.tokens == 0))
        t.retry_ms = c->rate.reset_ms;
    if (mem)
        t.body = report_document(c, &e, doc, mem);
    fail(c, &t, "%s answered with status %d: %.250s", c->p->base, c->status, e.message);
    free(mem);
}

static void wrong(struct call *c)
{
    struct trouble t = {
        .code = AIEX_E_UPSTREAM, .http_status = 502, .reason = "stream", .started = 1};

    t.body = report_document(c, NULL, collect_slice(&c->body), NULL);
    fail(c, &t, "%s answered with content type '%s' %s; is base_url right?", c->p->base,
         c->content_type, c->wrong);
}

/* The HTTP request ended without a complete answer. */
static void cut(struct call *c, uint32_t result, int sent, const char *text)
{
    static const struct trouble ends[] = {
        [AIEX_HTTP_OK] = {AIEX_E_UPSTREAM, 502, "stream", 0, 0, {NULL, 0}},
        [AIEX_HTTP_CONNECT] = {AIEX_E_UNAVAILABLE, 503, "connect", 0, 0, {NULL, 0}},
        [AIEX_HTTP_TLS] = {AIEX_E_UNAVAILABLE, 503, "tls", 0, 0, {NULL, 0}},
        [AIEX_HTTP_TIMEOUT] = {AIEX_E_TIMEOUT, 504, "timeout", 0, 0, {NULL, 0}},
        [AIEX_HTTP_CUT] = {AIEX_E_UPSTREAM, 502, "stream", 0, 0, {NULL, 0}},
        [AIEX_HTTP_MALFORMED] = {AIEX_E_UPSTREAM, 502, "stream", 0, 0, {NULL, 0}},
        [AIEX_HTTP_CANCELLED] = {AIEX_E_INTERNAL, 500, "", 0, 0, {NULL, 0}},
    };
    struct trouble t;

    if (result > AIEX_HTTP_CANCELLED)
        result = AIEX_HTTP_MALFORMED;
    if (result == AIEX_HTTP_TIMEOUT && !sent)
        result = AIEX_HTTP_CONNECT;
    t = ends[result];
    if (result == AIEX_HTTP_CONNECT || result == AIEX_HTTP_TLS)
        health_saw_no_connection(c->p, text);
    else
        t.started = sent;
    fail(c, &t, "%s: %s", c->p->base, text ? text : "no answer");
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct call *c = arg;

    c->http = 0;
    if (!c->over && !c->finished) {
        if (c->status && (c->status < 200 || c->status > 299))
            refused(c);
        else if (c->status && c->wrong)
            wrong(c);
        else if (result != AIEX_HTTP_OK)
            cut(c, result, sent, text);
        else
            finish(c);
    }
    if (c->over)
        call_free(c);
}

/* Nothing that counts came in time: what comes later helps nobody. */
static void on_silence(void *arg)
{
    struct call *c = arg;

    c->timer = 0;
    fail(c,
         &(struct trouble){
             .code = AIEX_E_TIMEOUT, .http_status = 504, .reason = "timeout", .started = 1},
         "%s: no event of the answer within %u ms", c->p->base, c->first_token_ms);
    if (c->http)
        c->p->http->cancel(c->p->host, c->http);
    call_free(c);
}

const struct aiex_http_handler answer_handler = {sizeof(answer_handler), 0, on_head, on_body,
                                                 on_end};
