/* report.c - the ends of a call as messages: success, trouble, and the bill. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What was used up ---- */

struct spent {
    struct aiex_usage usage;
    int estimated;
    const char *model;
    int finish;
};

/* What the vendor did not say is estimated from what was sent and received. */
static struct spent spent_by(const struct call *c)
{
    const struct aiex_chat_result *r = aiex_chat_result(c->chat);
    struct spent s = {r->usage, r->usage_estimated, r->model[0] ? r->model : c->model, r->finish};

    if (s.usage.input < 0) {
        s.usage.input = aiex_tokens_estimate(r->prompt_bytes);
        s.estimated = 1;
    }
    if (s.usage.output < 0 && aiex_dialect_op(c->client) != AIEX_OP_EMBED) {
        s.usage.output = r->text_bytes ? aiex_tokens_estimate(r->text_bytes) : 0;
        s.estimated = 1;
    }
    return s;
}

static uint32_t n_spent(const struct spent *s)
{
    return (uint32_t)((s->usage.input >= 0) + (s->usage.output >= 0) + (s->usage.cache_read >= 0) +
                      (s->usage.cache_write >= 0) + (s->usage.reasoning >= 0) +
                      (s->estimated != 0));
}

static void put_count(struct aiex_writer *w, const char *key, int64_t n)
{
    if (n >= 0)
        aiex_w_key_int(w, key, n);
}

static void put_spent(struct aiex_writer *w, const struct spent *s)
{
    put_count(w, "input_tokens", s->usage.input);
    put_count(w, "output_tokens", s->usage.output);
    put_count(w, "cached_tokens", s->usage.cache_read);
    put_count(w, "cache_write_tokens", s->usage.cache_write);
    put_count(w, "reasoning_tokens", s->usage.reasoning);
    if (s->estimated)
        aiex_w_key_bool(w, "estimated", 1);
}

static uint64_t first_ms(const struct call *c)
{
    return c->first_ms ? c->first_ms - c->begun_ms : 0;
}

static uint64_t total_ms(const struct call *c)
{
    return c->p->host->now_ms(c->p->host) - c->begun_ms;
}

/* ---- The bill ---- */

enum billing {
    BILL_SEND, /* nothing else tells what the call has cost */
    BILL_KEEP, /* its end does; the bill is for a coordinator that dies before it has read that */
};

static void bill(struct call *c, const struct spent *s, const char *code, enum billing how)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .service = c->settle,
                             .method = "coordinator.settle",
                             .trace = c->trace};
    uint8_t mem[4096 + 1024]; /* the account, and what is said about it */
    struct aiex_writer w;

    if (!c->settle[0])
        return;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6u + n_spent(s));
    aiex_w_key_bin(&w, "account", c->account.data, c->account.len);
    aiex_w_key_str(&w, "provider", c->p->host->instance);
    aiex_w_key_str(&w, "model", s->model);
    aiex_w_key_str(&w, "code", code);
    aiex_w_key_uint(&w, "first_ms", first_ms(c));
    aiex_w_key_uint(&w, "total_ms", total_ms(c));
    put_spent(&w, s);
    q.body = aiex_written(&w);
    if (how == BILL_KEEP)
        aiex_recast_keep(&c->p->bills, &q);
    else if (aiex_recast_send(&c->p->bills, &q) != 0)
        provider_log(c->p, AIEX_LOG_WARN, c->trace,
                     "'%s' could not be told what a cancelled call has cost", c->settle);
}

void report_cancelled(struct call *c)
{
    struct spent s = spent_by(c);

    bill(c, &s, AIEX_E_CANCELLED, BILL_SEND);
}

/* ---- Ends ---- */

void report_success(struct call *c)
{
    struct spent s = spent_by(c);
    const char *finish = aiex_finish_name(s.finish);
    uint32_t pairs = 4u + (finish[0] != 0) + n_spent(&s) + (c->attempt > 0) +
                     (c->rate.requests >= 0) + (c->rate.tokens >= 0) + (c->rate.reset_ms >= 0);
    uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, pairs);
    aiex_w_key_str(&w, "model", s.model);
    aiex_w_key_str(&w, "provider", c->p->host->instance);
    aiex_w_key_uint(&w, "first_ms", first_ms(c));
    aiex_w_key_uint(&w, "total_ms", total_ms(c));
    if (finish[0])
        aiex_w_key_str(&w, "finish", finish);
    put_spent(&w, &s);
    if (c->attempt > 0)
        aiex_w_key_int(&w, "attempts", c->attempt);
    put_count(&w, "left_requests", c->rate.requests);
    put_count(&w, "left_tokens", c->rate.tokens);
    put_count(&w, "reset_ms", c->rate.reset_ms);
    bill(c, &s, "", BILL_KEEP);
    c->p->host->reply(c->p->host, c->id, aiex_written(&w));
}

static void write_trouble(struct aiex_writer *w, const struct aiex_provider *p,
                          const struct trouble *t, uint32_t more)
{
    aiex_w_map(w, 3u + (t->reason && t->reason[0]) + (t->body.len != 0) + more);
    aiex_w_key_str(w, "provider", p->host->instance);
    aiex_w_key_int(w, "http_status", t->http_status);
    aiex_w_key_bool(w, "started", t->started);
    if (t->reason && t->reason[0])
        aiex_w_key_str(w, "reason", t->reason);
    if (t->body.len)
        aiex_w_key_bin(w, "body", t->body.data, t->body.len);
}

/* Bytes of the UTF-8 character at `s`; 0 = not one, or cut. */
static size_t utf8_length(const char *s)
{
    unsigned char lead = (unsigned char)*s;
    size_t n = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* What a vendor says may hold anything; a reason is one line of UTF-8. */
static void one_line(char *text)
{
    while (*text) {
        unsigned char c = (unsigned char)*text;
        size_t n = c < 0x80 ? 1 : utf8_length(text);

        if (c < 0x20 || c == 0x7f)
            *text = ' ';
        else if (n == 0)
            *text = '?';
        text += n ? n : 1;
    }
}

void report_trouble(struct call *c, const struct trouble *t, char *text)
{
    struct spent s = {.estimated = 0};
    size_t cap = t->body.len + 512;
    uint8_t *mem = malloc(cap);
    struct aiex_writer w;

    one_line(text);
    if (c->sent_parts)
        s = spent_by(c);
    aiex_writer_init(&w, mem, mem ? cap : 0);
    write_trouble(&w, c->p, t, (c->attempt > 0) + (c->sent_parts ? n_spent(&s) : 0));
    if (c->attempt > 0)
        aiex_w_key_int(&w, "attempts", c->attempt);
    if (c->sent_parts) {
        put_spent(&w, &s);
        bill(c, &s, t->code, BILL_KEEP);
    }
    c->p->host->fail(c->p->host, c->id, t->code, text, t->retry_ms > 0 ? (uint32_t)t->retry_ms : 0,
                     aiex_written(&w));
    free(mem);
}

int report_refusal(struct aiex_provider *p, uint64_t id, const struct trouble *t, const char *text)
{
    struct aiex_writer w;
    uint8_t mem[256];

    aiex_writer_init(&w, mem, sizeof(mem));
    write_trouble(&w, p, t, 0);
    p->host->fail(p->host, id, t->code, text, 0, aiex_written(&w));
    return 0;
}

/* ---- Error documents ---- */

/* 1: already what a client of the dialect reads, so that it goes through as it is. */
static int fits(int client, struct aiex_slice json)
{
    enum { ERROR, TYPE, N };
    struct aiex_json_field f[N] = {{.key = "error"}, {.key = "type"}};

    if (json.len == 0 || json.len > MAX_ERROR_BODY ||
        aiex_json_scan(json, 0, f, N, NULL) != AIEX_JSON_OBJECT)
        return 0;
    if (client == AIEX_OLLAMA_CHAT || client == AIEX_OLLAMA_GENERATE || client == AIEX_OLLAMA_EMBED)
        return f[ERROR].value.type == AIEX_JSON_STRING;
    if (f[ERROR].value.type != AIEX_JSON_OBJECT)
        return 0;
    return client == AIEX_ANTHROPIC_MESSAGES ? aiex_json_is(&f[TYPE].value, "error")
                                             : !f[TYPE].seen;
}

struct aiex_slice report_document(const struct call *c, const struct aiex_chat_error *e,
                                  struct aiex_slice vendors, char *out)
{
    size_t n;

    if (fits(c->client, vendors))
        return vendors;
    if (!e)
        return (struct aiex_slice){NULL, 0};
    n = aiex_chat_write_error(c->client, e, out, MAX_ERROR_BODY);
    return (struct aiex_slice){(const uint8_t *)out, n <= MAX_ERROR_BODY ? n : 0};
}
