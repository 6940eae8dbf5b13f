/*
 * models.c - the list of models: fixed by the option, or as the vendor last said. The probe brings
 * it, so that provider.models seldom has to wait; a list that is a minute old is asked for again,
 * one of a vendor that is away is given as remembered. Some lists take several requests, one after
 * the other (pages, details of each model): the vendor's callback says what to ask next.
 */
#include "engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS       60000u
#define TURN_TOTAL_MS  15000u
#define READING_MS     30000u
#define MAX_LIST_BYTES (8u * 1024u * 1024u)

static const char *const capabilities[AIEX_N_CAPABILITIES] = {
    "chat", "tools", "vision", "json", "embeddings", "fim", "reasoning"};

/* ---- The fixed list ---- */

static size_t next_name(const char **at, const char **name)
{
    size_t n;

    *at += strspn(*at, ", \t");
    *name = *at;
    n = strcspn(*at, ",");
    *at += n;
    while (n && ((*name)[n - 1] == ' ' || (*name)[n - 1] == '\t'))
        n--;
    return n;
}

int models_init(struct aiex_provider *p, struct aiex_error *err)
{
    const char *at = p->options->models, *name;
    struct models *m = &p->models;
    size_t n;

    if (!*at)
        return 0;
    while ((n = next_name(&at, &name)) != 0) {
        struct aiex_provider_model *e = aiex_provider_list_add(&m->list);

        if (!e || n > AIEX_PROVIDER_MAX_MODEL) {
            snprintf(err->text, sizeof(err->text), "option 'models': %s",
                     e ? "a name is longer than 256 bytes" : "no memory for the list");
            return e ? -EINVAL : -ENOMEM;
        }
        if (memchr(name, ' ', n) || memchr(name, '\t', n)) {
            snprintf(err->text, sizeof(err->text),
                     "option 'models': '%.*s' holds a blank; separate names by commas", (int)n,
                     name);
            return -EINVAL;
        }
        memcpy(e->id, name, n);
    }
    m->fixed = m->known = 1;
    if (m->list.n)
        return 0;
    snprintf(err->text, sizeof(err->text), "option 'models' is '%.100s' and names no model",
             p->options->models);
    return -EINVAL;
}

static void list_done(struct aiex_provider_list *l)
{
    free(l->models);
    *l = (struct aiex_provider_list){0};
}

void models_done(struct aiex_provider *p)
{
    list_done(&p->models.list);
    list_done(&p->models.fresh);
    collect_done(&p->models.body);
}

/* ---- provider.models ---- */

static int count_bits(uint32_t bits)
{
    int n = 0;

    for (; bits; bits &= bits - 1)
        n++;
    return n;
}

static void write_text(struct aiex_writer *w, const char *key, const char *text)
{
    if (text[0])
        aiex_w_key_str(w, key, text);
}

/* What a chat can be asked for in place of it: a suffix, where completions go to a chat. */
static uint32_t emulated(const struct aiex_provider *p)
{
    const struct aiex_vendor_dialect *d = provider_route(p, AIEX_OPENAI_COMPLETIONS);

    if (!d || aiex_dialect_op(d->dialect) != AIEX_OP_CHAT)
        return 0;
    if (p->vendor->quirks && (p->vendor->quirks(p->config, d->dialect) & AIEX_CHAT_NO_SUFFIX))
        return 0;
    return AIEX_CAN_FIM;
}

static void write_entry(struct aiex_writer *w, const char *prefix, uint32_t more,
                        const struct aiex_provider_model *e)
{
    size_t before = strlen(prefix), n = strlen(e->id);
    uint32_t can = e->can & AIEX_CAN_CHAT ? e->can | more : e->can;
    uint32_t pairs = 5u + !!e->name[0] + !!can + (e->loaded >= 0) + (e->bytes > 0) +
                     !!e->family[0] + !!e->parameters[0] + !!e->quantization[0];

    aiex_w_map(w, pairs);
    aiex_w_str(w, "id");
    aiex_w_str_head(w, before + n);
    aiex_w_raw(w, prefix, before);
    aiex_w_raw(w, e->id, n);
    aiex_w_key_int(w, "created", e->created);
    aiex_w_key_str(w, "owned_by", e->owned_by);
    aiex_w_key_int(w, "context", e->context);
    aiex_w_key_int(w, "output", e->output);
    write_text(w, "name", e->name);
    if (can) {
        aiex_w_str(w, "capabilities");
        aiex_w_array(w, (uint32_t)count_bits(can));
        for (unsigned i = 0; i < AIEX_N_CAPABILITIES; i++)
            if (can & 1u << i)
                aiex_w_str(w, capabilities[i]);
    }
    if (e->loaded >= 0)
        aiex_w_key_bool(w, "loaded", e->loaded);
    if (e->bytes > 0)
        aiex_w_key_int(w, "bytes", e->bytes);
    write_text(w, "family", e->family);
    write_text(w, "parameters", e->parameters);
    write_text(w, "quantization", e->quantization);
}

static void write_answer(const struct aiex_provider *p, int complete, struct aiex_writer *w)
{
    const struct aiex_provider_list *l = &p->models.list;
    uint32_t more = emulated(p);

    aiex_w_map(w, 2);
    aiex_w_key_bool(w, "complete", complete);
    aiex_w_str(w, "models");
    aiex_w_array(w, l->n);
    for (uint32_t i = 0; i < l->n; i++)
        write_entry(w, p->options->model_prefix, more, &l->models[i]);
}

static int answer(struct aiex_provider *p, uint64_t id, int complete)
{
    struct aiex_writer w;
    uint8_t *mem;

    aiex_writer_init(&w, NULL, 0);
    write_answer(p, complete, &w);
    mem = malloc(w.len);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, w.len);
    write_answer(p, complete, &w);
    p->host->reply(p->host, id, aiex_written(&w));
    free(mem);
    return 0;
}

int models_request(struct aiex_provider *p, uint64_t id)
{
    struct models *m = &p->models;
    int fresh = m->known && p->host->now_ms(p->host) - m->read_ms < FRESH_MS;

    if (m->fixed || fresh)
        return answer(p, id, 1);
    if (provider_blocked(p) || p->health.state == PROVIDER_DOWN ||
        m->n_waiting == sizeof(m->waiting) / sizeof(m->waiting[0]))
        return answer(p, id, 0);
    m->waiting[m->n_waiting++] = id;
    models_ask(p);
    return 0;
}

void models_cancel(struct aiex_provider *p, uint64_t id)
{
    struct models *m = &p->models;

    for (size_t i = 0; i < m->n_waiting; i++)
        if (m->waiting[i] == id)
            m->waiting[i] = m->waiting[--m->n_waiting];
}

void models_settle(struct aiex_provider *p, int fresh)
{
    struct models *m = &p->models;

    while (m->n_waiting) {
        uint64_t id = m->waiting[--m->n_waiting];

        if (answer(p, id, fresh || m->fixed) != 0)
            p->host->fail(p->host, id, AIEX_E_INTERNAL, "no memory for the list of models", 0,
                          (struct aiex_slice){NULL, 0});
    }
}

/* ---- Reading the vendor's list ---- */

static void reading_done(struct aiex_provider *p)
{
    struct models *m = &p->models;

    list_done(&m->fresh);
    collect_done(&m->body);
    p->host->release(p->host, m->turn);
    m->turn = NULL;
}

/* The reading is over; `whole` = the fresh list takes the old one's place. */
static void over(struct aiex_provider *p, int whole)
{
    struct models *m = &p->models;

    if (whole) {
        list_done(&m->list);
        m->list = m->fresh;
        m->fresh = (struct aiex_provider_list){0};
        m->known = 1;
        m->read_ms = p->host->now_ms(p->host);
    }
    reading_done(p);
    models_settle(p, whole);
}

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct aiex_provider *p = arg;

    p->models.status = status;
    return 0;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct aiex_provider *p = arg;

    return collect_add(&p->models.body, bytes.data, bytes.len);
}

static void on_end(void *arg, uint32_t result, int sent, const char *text);

static int send_turn(struct aiex_provider *p, const char *path, const char *post,
                     struct aiex_error *err)
{
    static const struct aiex_http_handler handler = {sizeof(handler), 0, on_head, on_body, on_end};
    struct models *m = &p->models;
    struct outgoing out = {.path = path,
                           .accept = "application/json",
                           .body = {(const uint8_t *)post, strlen(post)},
                           .first_byte_ms = TURN_TOTAL_MS,
                           .total_ms = TURN_TOTAL_MS,
                           .max_body_bytes = MAX_LIST_BYTES};
    int r;

    m->status = 0;
    m->body.len = 0;
    m->body.max = MAX_LIST_BYTES;
    r = provider_send(p, &out, &handler, p, &m->http, err);
    if (r != 0)
        m->http = 0;
    return r;
}

/* Hands one answer to the vendor's callback. 1 = another request is under way. */
static int take_turn(struct aiex_provider *p, int good)
{
    struct models *m = &p->models;
    struct aiex_provider_turn *t = m->turn;
    char path[sizeof(t->path)], post[sizeof(t->post)];
    struct aiex_error err;
    int r;

    t->status = m->status;
    t->body = good ? collect_slice(&m->body) : (struct aiex_slice){NULL, 0};
    t->path[0] = t->post[0] = 0;
    r = p->vendor->models(t);
    t->turn++;
    if (r != 0)
        return r;
    if (!t->path[0] || p->host->now_ms(p->host) - m->begun_ms > READING_MS)
        return 0;
    memcpy(path, t->path, sizeof(path));
    memcpy(post, t->post, sizeof(post));
    return send_turn(p, path, post, &err) == 0;
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct aiex_provider *p = arg;
    struct models *m = &p->models;
    int good = result == AIEX_HTTP_OK && m->status >= 200 && m->status <= 299, r = 0;

    m->http = 0;
    if (m->turn->turn == 0)
        health_probed(p, m->status, text);
    if (m->fixed || (m->turn->turn == 0 && !m->status))
        r = -EINVAL;
    else
        r = take_turn(p, good);
    if (r != 1)
        over(p, r == 0);
}

void models_ask(struct aiex_provider *p)
{
    struct models *m = &p->models;
    struct aiex_error err = {""};
    struct aiex_provider_turn *t;

    if (m->http || provider_blocked(p))
        return;
    m->begun_ms = p->host->now_ms(p->host);
    t = m->turn = p->host->alloc(p->host, sizeof(*t));
    if (t) {
        t->config = p->config;
        t->old = &m->list;
        t->list = &m->fresh;
        if (send_turn(p, p->vendor->models_path, "", &err) == 0)
            return;
    }
    health_probed(p, 0, err.text[0] ? err.text : "no memory for a probe");
    over(p, 0);
}

void models_stop(struct aiex_provider *p)
{
    if (p->models.http)
        p->http->cancel(p->host, p->models.http);
    p->models.http = 0;
    reading_done(p);
}
