/*
 * chat.c - one provider.chat: the request to the vendor, its answer, the end.
 *
 * A chat lives from chat_begin() until its HTTP request has ended and the caller has
 * its END. A stream is answered at [DONE]; the chat then fades: it waits, unknown to
 * the caller, for the HTTP request to end so that the connection can be used again.
 * A unary answer is collected, checked, and then pumped out in parts.
 */
#include "openai.h"
#include "splice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_BYTES (64u * 1024u)
#define MAX_TRAILING                                                                               \
    (64u * 1024u) /* bytes behind [DONE] that are read for the sake of keep-alive */

static struct chat **slot_of(struct openai *o, uint64_t id)
{
    struct chat **at = &o->chats[(id ^ id >> 32) % CHAT_BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void unlink_from(struct chat **at, struct chat *c)
{
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    c->next = NULL;
}

static void chat_free(struct chat *c)
{
    if (c->over)
        unlink_from(&c->o->fading, c);
    else
        unlink_from(slot_of(c->o, c->id), c);
    collect_done(&c->body);
    collect_done(&c->out);
    aiex_sse_done(&c->sse);
    c->o->host->release(c->o->host, c);
}

/* The caller has its end (or left). The memory stays until the HTTP request ended. */
static void fade(struct chat *c)
{
    if (c->over)
        return;
    unlink_from(slot_of(c->o, c->id), c);
    c->over = 1;
    c->next = c->o->fading;
    c->o->fading = c;
    if (c->paused && c->http)
        c->o->http->pause(c->o->host, c->http, 0);
}

int chat_part(struct chat *c, struct aiex_slice part)
{
    int r;

    if (c->over)
        return -EPIPE;
    r = c->o->host->stream(c->o->host, c->id, part);
    if (r == AIEX_PAUSE) {
        if (!c->paused && c->http)
            c->o->http->pause(c->o->host, c->http, 1);
        c->paused = 1;
    } else if (r == -ENOENT) {
        fade(c);
        return -EPIPE;
    } else if (r < 0) {
        chat_fail(c, &(struct chat_error){AIEX_E_INTERNAL, 500, 1, 0, {NULL, 0}},
                  "a part of %zu bytes was not taken (%d)", part.len, r);
        return -EPIPE;
    }
    c->sent_parts = 1;
    return 0;
}

static void put_count(struct aiex_writer *w, const char *key, int64_t n)
{
    if (n >= 0)
        aiex_w_key_int(w, key, n);
}

void chat_reply(struct chat *c)
{
    const struct answer *a = &c->answer;
    uint64_t now = c->o->host->now_ms(c->o->host);
    uint32_t pairs = 4u + (a->finish[0] != 0) + (a->input_tokens >= 0) + (a->output_tokens >= 0) +
                     (a->cached_tokens >= 0) + (c->attempt > 0);
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, pairs);
    aiex_w_key_str(&w, "model", a->model);
    aiex_w_key_str(&w, "provider", c->o->host->instance);
    aiex_w_key_uint(&w, "first_ms", c->first_ms - c->begun_ms);
    aiex_w_key_uint(&w, "total_ms", now - c->begun_ms);
    if (a->finish[0])
        aiex_w_key_str(&w, "finish", a->finish);
    put_count(&w, "input_tokens", a->input_tokens);
    put_count(&w, "output_tokens", a->output_tokens);
    put_count(&w, "cached_tokens", a->cached_tokens);
    if (c->attempt > 0)
        aiex_w_key_int(&w, "attempts", c->attempt);
    c->o->host->reply(c->o->host, c->id, aiex_written(&w));
    fade(c);
}

static int is_json(struct aiex_slice body)
{
    return body.len && body.len <= OPENAI_MAX_ERROR_BODY &&
           aiex_json_scan(body, 0, NULL, 0, NULL) == AIEX_JSON_OBJECT;
}

void chat_fail(struct chat *c, const struct chat_error *e, const char *format, ...)
{
    struct aiex_slice body = is_json(e->body) ? e->body : (struct aiex_slice){NULL, 0};
    struct aiex_writer w;
    uint8_t *mem;
    char text[400];
    va_list ap;

    if (c->over)
        return;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    mem = malloc(body.len + 256);
    aiex_writer_init(&w, mem, mem ? body.len + 256 : 0);
    aiex_w_map(&w, 3u + (body.len != 0) + (c->attempt > 0));
    aiex_w_key_str(&w, "provider", c->o->host->instance);
    aiex_w_key_int(&w, "http_status", e->http_status);
    aiex_w_key_bool(&w, "started", e->started);
    if (body.len)
        aiex_w_key_bin(&w, "body", body.data, body.len);
    if (c->attempt > 0)
        aiex_w_key_int(&w, "attempts", c->attempt);
    c->o->host->fail(c->o->host, c->id, e->code, text, e->retry_ms > 0 ? (uint32_t)e->retry_ms : 0,
                     aiex_written(&w));
    free(mem);
    fade(c);
}

/* ---- The answer of the vendor ---- */

static int has_type(const char *type, const char *wanted)
{
    size_t n = strlen(wanted);

    return strncmp(type, wanted, n) == 0 && (!type[n] || strchr("; \t", type[n]));
}

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct chat *c = arg;
    const char *type = status_header(headers, n, "content-type");

    c->status = status;
    c->retry_ms = status_retry_ms(headers, n, time(NULL));
    health_saw_status(c->o, status);
    snprintf(c->content_type, sizeof(c->content_type), "%s", type ? type : "none");
    for (char *p = c->content_type; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    if (c->stream)
        c->wrong_type = !has_type(c->content_type, "text/event-stream");
    else
        c->wrong_type = has_type(c->content_type, "text/html"); /* the JSON is checked anyway */
    if (status < 200 || status > 299 || c->wrong_type)
        c->body.max = OPENAI_MAX_ERROR_BODY;
    return 0;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct chat *c = arg;
    int good = c->status >= 200 && c->status <= 299 && !c->wrong_type, r;

    if (c->over) { /* after [DONE] only the end of the framing is of interest */
        c->trailing += bytes.len;
        return !c->done_seen || c->trailing > MAX_TRAILING;
    }
    if (!c->first_ms)
        c->first_ms = c->o->host->now_ms(c->o->host);
    if (good && c->stream)
        return stream_feed(c, bytes);
    r = collect_add(&c->body, bytes.data, bytes.len);
    if (r == 0 || !good)
        return r; /* a longer error document than is passed on: enough was read */
    chat_fail(c,
              &(struct chat_error){
                  r == -EMSGSIZE ? AIEX_E_UPSTREAM : AIEX_E_INTERNAL, 502, 1, 0, {NULL, 0}},
              r == -EMSGSIZE ? "the answer is longer than 32 MiB" : "no memory for the answer");
    return r;
}

static void pump(struct chat *c)
{
    while (!c->paused && c->body_sent < c->body.len) {
        size_t n = c->body.len - c->body_sent;
        struct aiex_slice part = {c->body.data + c->body_sent, n < PART_BYTES ? n : PART_BYTES};

        c->body_sent += part.len;
        if (chat_part(c, part) != 0)
            return;
    }
    if (c->body_sent == c->body.len)
        chat_reply(c);
}

static void unary_ended(struct chat *c)
{
    const char *why = NULL;
    int flags = answer_scan(&c->answer, collect_slice(&c->body), &why);
    struct chat_error e = {AIEX_E_UPSTREAM, 502, 1, 0, {NULL, 0}};

    if (flags < 0) {
        chat_fail(c, &e, "the answer of %s is not a JSON object: %s", c->o->config->base_url, why);
    } else if (flags & ANSWER_ERROR) {
        e.body = collect_slice(&c->body);
        chat_fail(c, &e, "%s reported an error with status %d", c->o->config->base_url, c->status);
    } else {
        pump(c);
    }
}

static void refused(struct chat *c)
{
    struct status_meaning m = status_meaning(c->status, c->retry_ms >= 0);
    struct chat_error e = {m.code, m.http_status, m.started, c->retry_ms, collect_slice(&c->body)};

    chat_fail(c, &e, "%s answered with status %d", c->o->config->base_url, c->status);
}

/* The HTTP request ended without a complete answer. */
static void cut(struct chat *c, uint32_t result, int sent, const char *text)
{
    static const struct {
        const char *code;
        int http_status;
    } ends[] = {
        [AIEX_HTTP_OK] = {AIEX_E_UPSTREAM, 502},
        [AIEX_HTTP_CONNECT] = {AIEX_E_UNAVAILABLE, 503},
        [AIEX_HTTP_TLS] = {AIEX_E_UNAVAILABLE, 503},
        [AIEX_HTTP_TIMEOUT] = {AIEX_E_TIMEOUT, 504},
        [AIEX_HTTP_CUT] = {AIEX_E_UPSTREAM, 502},
        [AIEX_HTTP_MALFORMED] = {AIEX_E_UPSTREAM, 502},
        [AIEX_HTTP_CANCELLED] = {AIEX_E_INTERNAL, 500},
    };
    int no_connection = result == AIEX_HTTP_CONNECT || result == AIEX_HTTP_TLS ||
                        (result == AIEX_HTTP_TIMEOUT && !sent);

    if (result > AIEX_HTTP_CANCELLED)
        result = AIEX_HTTP_MALFORMED;
    if (no_connection) {
        health_saw_no_connection(c->o, text);
        result = AIEX_HTTP_CONNECT;
    }
    chat_fail(
        c,
        &(struct chat_error){
            ends[result].code, ends[result].http_status, sent && !no_connection, 0, {NULL, 0}},
        "%s: %s", c->o->config->base_url, text ? text : "no answer");
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct chat *c = arg;

    c->http = 0;
    if (!c->over) {
        if (c->status && (c->status < 200 || c->status > 299))
            refused(c);
        else if (c->status && c->wrong_type)
            chat_fail(
                c, &(struct chat_error){AIEX_E_UPSTREAM, 502, 1, 0, collect_slice(&c->body)},
                "%s answered with content type '%s' where '%s' was asked for; is base_url right?",
                c->o->config->base_url, c->content_type,
                c->stream ? "text/event-stream" : "application/json");
        else if (result != AIEX_HTTP_OK)
            cut(c, result, sent, text);
        else if (c->stream)
            stream_closed(c);
        else
            unary_ended(c);
    }
    if (c->over)
        chat_free(c);
}

/* ---- The request of the caller ---- */

static int refuse(struct openai *o, uint64_t id, const char *code, int http_status,
                  const char *text)
{
    struct aiex_writer w;
    uint8_t mem[160];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "provider", o->host->instance);
    aiex_w_key_int(&w, "http_status", http_status);
    aiex_w_key_bool(&w, "started", 0);
    o->host->fail(o->host, id, code, text, 0, aiex_written(&w));
    return 0;
}

struct wanted {
    char model[OPENAI_MAX_MODEL + 1];
    struct aiex_slice body;
    int stream;
    int64_t attempt;
};

/* NULL, or what is wrong with the request. */
static const char *read_request(const struct aiex_message *m, struct wanted *q)
{
    struct aiex_slice dialect = {NULL, 0};

    if (aiex_get_str(m->body, "dialect", &dialect) != 1)
        return "field 'dialect' (str) is missing";
    if (!aiex_slice_is(dialect, "openai.chat"))
        return "this provider speaks the dialect openai.chat only";
    if (aiex_get_text(m->body, "model", q->model, sizeof(q->model)) != 1 || !q->model[0])
        return "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    if (aiex_get_bytes(m->body, "body", &q->body) != 1)
        return "field 'body' (bin) is missing";
    if (aiex_get_bool(m->body, "stream", &q->stream) < 0)
        return "field 'stream' is not a bool";
    if (aiex_get_int(m->body, "attempt", &q->attempt) < 0)
        return "field 'attempt' is not an int";
    return NULL;
}

static const char *without_prefix(const struct openai *o, const char *model)
{
    size_t n = strlen(o->config->model_prefix);

    return n && strncmp(model, o->config->model_prefix, n) == 0 && model[n] ? model + n : model;
}

static struct chat *chat_new(struct openai *o, const struct aiex_message *m, const struct wanted *q)
{
    struct chat *c = o->host->alloc(o->host, sizeof(*c));
    struct chat **slot;

    if (!c)
        return NULL;
    c->o = o;
    c->id = m->id;
    c->trace = m->trace;
    c->stream = q->stream;
    c->attempt = q->attempt;
    c->retry_ms = -1;
    c->begun_ms = o->host->now_ms(o->host);
    c->body.max = AIEX_MAX_BODY;
    c->out.max = AIEX_MAX_BODY;
    aiex_sse_init(&c->sse, AIEX_SSE_MAX_EVENT);
    answer_init(&c->answer);
    slot = slot_of(o, m->id);
    *slot = c;
    return c;
}

static int send_request(struct chat *c, struct aiex_slice body, struct aiex_error *err)
{
    static const struct aiex_http_handler handler = {sizeof(handler), 0, on_head, on_body, on_end};
    struct openai_texts t;
    struct aiex_http_request q;
    int r;

    openai_request(c->o, "/chat/completions", c->stream ? "text/event-stream" : "application/json",
                   &t, &q);
    t.headers[q.n_headers++] = (struct aiex_http_header){"content-type", "application/json"};
    q.method = "POST";
    q.body = body;
    /* a stream is bounded per event, not as a whole */
    q.max_body_bytes = c->stream ? UINT64_MAX : AIEX_MAX_BODY;
    r = c->o->http->request(c->o->host, &q, &handler, c, &c->http, err);
    explicit_bzero(t.bearer, sizeof(t.bearer));
    return r;
}

int chat_begin(struct openai *o, const struct aiex_message *m)
{
    struct wanted q = {.stream = 0};
    const char *wrong = read_request(m, &q);
    struct splice want = {without_prefix(o, q.model), q.stream, (int)o->config->stream_usage};
    struct aiex_error err = {""};
    struct spliced s;
    struct chat *c;
    int r;

    if (wrong)
        return refuse(o, m->id, AIEX_E_INVALID, 400, wrong);
    if (openai_blocked(o))
        return refuse(o, m->id, AIEX_E_UNAVAILABLE, 503, openai_blocked(o));
    r = splice_body(q.body, &want, &s, &err);
    if (r == -EINVAL)
        return refuse(o, m->id, AIEX_E_INVALID, 400, err.text);
    if (r != 0)
        return r;
    c = chat_new(o, m, &q);
    if (c) {
        c->usage_asked = s.usage_asked;
        r = send_request(c, s.body, &err);
    }
    free(s.mem);
    if (!c)
        return -ENOMEM;
    if (r == 0)
        return 0;
    chat_fail(c, &(struct chat_error){AIEX_E_UNAVAILABLE, 503, 0, 0, {NULL, 0}},
              "no request to %s could be made: %s", o->config->base_url,
              err.text[0] ? err.text : "no memory");
    chat_free(c);
    return 0;
}

void chat_cancel(struct openai *o, uint64_t id)
{
    struct chat *c = *slot_of(o, id);

    if (!c)
        return;
    if (c->http)
        o->http->cancel(o->host, c->http);
    chat_free(c);
}

void chat_resume(struct openai *o, uint64_t id)
{
    struct chat *c = *slot_of(o, id);

    if (!c || !c->paused)
        return;
    c->paused = 0;
    if (c->http) {
        o->http->pause(o->host, c->http, 0);
        return;
    }
    pump(c);
    if (c->over)
        chat_free(c);
}

void chat_free_all(struct openai *o)
{
    for (size_t i = 0; i <= CHAT_BUCKETS; i++) {
        struct chat **at = i < CHAT_BUCKETS ? &o->chats[i] : &o->fading;

        while (*at) {
            struct chat *c = *at;

            if (c->http)
                o->http->cancel(o->host, c->http);
            chat_free(c);
        }
    }
}
