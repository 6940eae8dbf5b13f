/*
 * call.c - one chat, completion or embedding: its request, and its life until both sides are done.
 *
 * A call lives from call_begin() until its HTTP request has ended and the caller has its END. One
 * that has been answered fades: it waits, unknown to the caller, for the HTTP request to end so
 * that the connection can be used again.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ACCOUNT   4096u
#define DEFAULT_LIMIT 32000 /* tokens; models that can say more are seldom meant to */
#define LATEST        ":latest"
#define BORROWED      (16u * 1024u) /* bytes from which a body is not copied once more */

/* ---- The table of calls ---- */

static struct call **slot_of(struct aiex_provider *p, uint64_t id)
{
    struct call **at = &p->calls[(id ^ id >> 32) % N_BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void unlink_from(struct call **at, struct call *c)
{
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    c->next = NULL;
}

void call_stop_timer(struct call *c)
{
    if (c->timer)
        c->p->host->unwatch(c->p->host, c->timer);
    c->timer = 0;
}

void call_free(struct call *c)
{
    if (c->over)
        unlink_from(&c->p->fading, c);
    else
        unlink_from(slot_of(c->p, c->id), c);
    call_stop_timer(c);
    aiex_chat_free(c->chat);
    collect_done(&c->body);
    collect_done(&c->held);
    c->p->host->release(c->p->host, c);
}

void call_fade(struct call *c)
{
    unlink_from(slot_of(c->p, c->id), c);
    c->over = 1;
    c->next = c->p->fading;
    c->p->fading = c;
    call_stop_timer(c);
    if (c->paused && c->http)
        c->p->http->pause(c->p->host, c->http, 0);
}

/* ---- The request of the caller ---- */

struct wanted {
    char model[AIEX_PROVIDER_MAX_MODEL + 1], settle[AIEX_MAX_NAME + 1];
    struct aiex_slice body, account, headers;
    int dialect, stream, has_body;
    int64_t attempt, first_token_ms, idle_ms, total_ms;
};

/* 1, or 0: no string, longer than that, or with a 0 inside. */
static int take_text(const struct aiex_value *v, char *out, size_t size)
{
    if (v->type != AIEX_T_STR || v->bytes.len >= size || memchr(v->bytes.data, 0, v->bytes.len))
        return 0;
    memcpy(out, v->bytes.data, v->bytes.len);
    out[v->bytes.len] = 0;
    return 1;
}

static const char *take_limit(struct wanted *q, struct aiex_slice key, const struct aiex_value *v)
{
    static const struct {
        const char *key;
        size_t offset;
    } limits[] = {{"first_token_ms", offsetof(struct wanted, first_token_ms)},
                  {"idle_ms", offsetof(struct wanted, idle_ms)},
                  {"total_ms", offsetof(struct wanted, total_ms)}};

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (!aiex_slice_is(key, limits[i].key))
            continue;
        if (v->type != AIEX_T_INT || v->i < 0 || v->i > INT32_MAX)
            return "a limit is not a number of milliseconds";
        memcpy((uint8_t *)q + limits[i].offset, &v->i, sizeof(v->i));
    }
    return NULL;
}

static const char *take_detail(struct wanted *q, struct aiex_slice key, const struct aiex_value *v)
{
    if (aiex_slice_is(key, "stream")) {
        q->stream = (int)v->i;
        return v->type == AIEX_T_BOOL ? NULL : "field 'stream' is not a bool";
    }
    if (aiex_slice_is(key, "attempt")) {
        q->attempt = v->i;
        return v->type == AIEX_T_INT ? NULL : "field 'attempt' is not an int";
    }
    if (aiex_slice_is(key, "account")) {
        q->account = v->bytes;
        return (v->type == AIEX_T_STR || v->type == AIEX_T_BIN) && v->bytes.len <= MAX_ACCOUNT
                   ? NULL
                   : "field 'account' is not bytes, at most 4 KiB";
    }
    if (aiex_slice_is(key, "settle"))
        return take_text(v, q->settle, sizeof(q->settle))
                   ? NULL
                   : "field 'settle' is not the name of a service";
    return take_limit(q, key, v);
}

/* One pair of the request, `whole` its value with its head. NULL, or what is wrong with it. */
static const char *take_pair(struct wanted *q, struct aiex_slice key, const struct aiex_value *v,
                             struct aiex_slice whole)
{
    if (v->type == AIEX_T_NIL)
        return NULL;
    if (aiex_slice_is(key, "body")) {
        q->has_body = v->type == AIEX_T_STR || v->type == AIEX_T_BIN;
        q->body = v->bytes;
    } else if (aiex_slice_is(key, "model")) {
        if (!take_text(v, q->model, sizeof(q->model)))
            q->model[0] = 0;
    } else if (aiex_slice_is(key, "dialect")) {
        q->dialect = v->type == AIEX_T_STR ? aiex_dialect_of(v->bytes) : -1;
    } else if (aiex_slice_is(key, "headers")) {
        q->headers = whole;
    } else {
        return take_detail(q, key, v);
    }
    return NULL;
}

/* NULL, or what is wrong with the request. */
static const char *read_wanted(const struct aiex_message *m, int op, struct wanted *q)
{
    struct aiex_slice at = m->body;
    struct aiex_value head = {.count = 0};
    const char *wrong = NULL;

    q->dialect = -1;
    if (at.len && aiex_r_value(&at, &head) != 0) /* the endpoint has checked that it is a map */
        return "the request is no map";
    for (uint32_t i = 0; i < head.count && !wrong; i++) {
        struct aiex_slice key, whole, rest;
        struct aiex_value value;

        if (aiex_r_pair(&at, &key, &whole) != 0)
            return "the request is no map";
        rest = whole;
        if (aiex_r_value(&rest, &value) != 0)
            return "the request is no map";
        wrong = take_pair(q, key, &value, whole);
    }
    if (wrong)
        return wrong;
    if (aiex_dialect_op(q->dialect) != op)
        return "field 'dialect' is missing, unknown, or not one of this method";
    if (!q->model[0])
        return "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    return q->has_body ? NULL : "field 'body' (bin) is missing";
}

/* The shorter of two limits, 0 = none. */
static uint32_t shorter(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return (uint32_t)(a + b);
    return (uint32_t)(a < b ? a : b);
}

static struct call *call_new(struct aiex_provider *p, const struct aiex_message *m,
                             const struct wanted *q)
{
    struct call *c = p->host->alloc(p->host, sizeof(*c) + q->account.len);

    if (!c)
        return NULL;
    c->p = p;
    c->id = m->id;
    c->trace = m->trace;
    c->client = q->dialect;
    c->attempt = q->attempt;
    c->retry_ms = -1;
    c->rate = (struct rate){-1, -1, -1};
    c->begun_ms = p->host->now_ms(p->host);
    c->first_token_ms = shorter(p->options->first_token_timeout, q->first_token_ms);
    c->body.max = MAX_ERROR_BODY;
    c->held.max = AIEX_MAX_BODY;
    memccpy(c->model, provider_bare_model(p, q->model), 0, sizeof(c->model)); /* of the same size */
    memcpy(c->settle, q->settle, sizeof(c->settle));
    c->account = (struct aiex_slice){(uint8_t *)(c + 1), q->account.len};
    if (q->account.len)
        memcpy(c + 1, q->account.data, q->account.len);
    return c;
}

/* What the list says of the call's model, or NULL. Ollama's names may leave their tag out. */
static struct aiex_provider_model *listed(const struct call *c)
{
    const struct aiex_provider_list *l = &c->p->models.list;
    struct aiex_provider_model *m = aiex_provider_list_find(l, c->model);
    char name[sizeof(c->model) + sizeof(LATEST)];

    if (m || strchr(c->model, ':'))
        return m;
    snprintf(name, sizeof(name), "%s" LATEST, c->model);
    return aiex_provider_list_find(l, name);
}

/* default_max_tokens: for a vendor that demands a limit where the client gave none. */
static void set_limits(const struct call *c, const struct aiex_provider_model *m,
                       struct aiex_chat_setup *s)
{
    const struct aiex_provider *p = c->p;

    s->num_ctx = p->vendor->num_ctx ? p->vendor->num_ctx(p->config) : 0;
    if (!m)
        return;
    s->default_max_tokens = m->output < DEFAULT_LIMIT ? m->output : DEFAULT_LIMIT;
    s->max_output_tokens = m->output;
    s->context_tokens = s->num_ctx && m->limit ? m->limit : m->context;
    s->loaded_tokens = m->running;
}

static int convert(struct call *c, const struct wanted *q, struct aiex_error *err)
{
    struct aiex_provider *p = c->p;
    struct aiex_provider_model *m = listed(c);
    struct aiex_chat_setup setup = {
        .struct_size = sizeof(setup),
        .flags = p->vendor->quirks ? p->vendor->quirks(p->config, c->vendor) : 0,
        .client = c->client,
        .vendor = c->vendor,
        .stream = q->stream,
        .model = {(const uint8_t *)c->model, strlen(c->model)},
        .now_s = (uint64_t)time(NULL),
        .random = provider_random(p),
    };
    int r;

    set_limits(c, m, &setup);
    r = aiex_chat_new(&setup, q->body, &c->chat, err);
    if (r != 0)
        return r;
    c->stream = aiex_chat_vendor_streams(c->chat);
    if (m && aiex_chat_result(c->chat)->num_ctx) /* until the list says it */
        m->running = aiex_chat_result(c->chat)->num_ctx;
    return 0;
}

static int send(struct call *c, const struct wanted *q, const char *path, struct aiex_error *err)
{
    const struct aiex_provider_options *o = c->p->options;
    struct outgoing out = {
        .path = path,
        .accept = c->stream ? aiex_dialect_stream_type(c->vendor) : "application/json",
        .body = aiex_chat_request(c->chat),
        .first_byte_ms = c->stream ? shorter(o->first_byte_timeout, c->first_token_ms) : 0,
        .idle_ms = shorter(o->idle_timeout, q->idle_ms),
        .total_ms = shorter(o->total_timeout, q->total_ms),
        /* a stream is bounded per event, not as a whole */
        .max_body_bytes = c->stream ? UINT64_MAX : AIEX_MAX_BODY,
        .client_headers = c->client == c->vendor ? q->headers : (struct aiex_slice){NULL, 0},
    };
    int r;

    out.borrowed = out.body.len >= BORROWED;
    r = provider_send(c->p, &out, &answer_handler, c, &c->http, err);
    if (!out.borrowed)
        aiex_chat_drop_request(c->chat);
    return r;
}

static int refuse(struct aiex_provider *p, uint64_t id, const char *code, int http_status,
                  const char *reason, const char *text)
{
    return report_refusal(
        p, id, &(struct trouble){.code = code, .http_status = http_status, .reason = reason}, text);
}

/* A call that was made but could not be sent. */
static int unsent(struct call *c, const char *code, int http_status, const char *reason,
                  const char *text)
{
    refuse(c->p, c->id, code, http_status, reason, text);
    call_free(c);
    return 0;
}

int call_begin(struct aiex_provider *p, const struct aiex_message *m, int op)
{
    struct wanted q = {.stream = 0};
    const struct aiex_vendor_dialect *route;
    struct aiex_error err = {""};
    const char *why;
    struct call *c;
    char text[640];
    int r;

    if (!provider_has_op(p, op))
        return refuse(p, m->id, AIEX_E_NOT_FOUND, 404, "request",
                      "this provider does not have that method");
    why = read_wanted(m, op, &q);
    if (why)
        return refuse(p, m->id, AIEX_E_INVALID, 400, "request", why);
    route = provider_route(p, q.dialect);
    if (!route)
        return refuse(p, m->id, AIEX_E_INVALID, 400, "request",
                      "this provider can not take that dialect");
    why = provider_blocked(p);
    if (why)
        return refuse(p, m->id, AIEX_E_UNAVAILABLE, 503, "auth", why);
    c = call_new(p, m, &q);
    if (!c)
        return -ENOMEM;
    c->vendor = route->dialect;
    *slot_of(p, m->id) = c;
    r = convert(c, &q, &err);
    if (r == -EINVAL || r == -ENOTSUP)
        return unsent(c, AIEX_E_INVALID, 400, "request", err.text);
    if (r != 0)
        return unsent(c, AIEX_E_INTERNAL, 500, "", "no memory for the request");
    r = send(c, &q, route->path, &err);
    if (r == 0)
        return 0;
    snprintf(text, sizeof(text), "no request to %.100s could be made: %s", p->base,
             err.text[0] ? err.text : "no memory");
    return unsent(c, AIEX_E_UNAVAILABLE, 503, "connect", text);
}

/* ---- What the caller says on the way ---- */

void call_cancel(struct aiex_provider *p, uint64_t id)
{
    struct call *c = *slot_of(p, id);

    if (!c)
        return;
    if (c->giving) { /* answer.c is at work with it and ends the HTTP request */
        report_cancelled(c);
        call_fade(c);
        return;
    }
    if (c->http)
        p->http->cancel(p->host, c->http);
    report_cancelled(c);
    call_free(c);
}

void call_resume(struct aiex_provider *p, uint64_t id)
{
    struct call *c = *slot_of(p, id);

    if (!c || !c->paused)
        return;
    c->paused = 0;
    answer_pump(c);
    if (c->over && !c->finished && c->http) {
        p->http->cancel(p->host, c->http);
        c->http = 0;
    }
    if (c->over && !c->http)
        call_free(c);
    else if (!c->over && !c->paused && c->http)
        p->http->pause(p->host, c->http, 0);
}

void call_free_all(struct aiex_provider *p)
{
    for (size_t i = 0; i <= N_BUCKETS; i++) {
        struct call **at = i < N_BUCKETS ? &p->calls[i] : &p->fading;

        while (*at) {
            struct call *c = *at;

            if (c->http)
                p->http->cancel(p->host, c->http);
            call_free(c);
        }
    }
}
