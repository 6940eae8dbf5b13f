/*
 * models.c - the list of models: fixed by the option, or as GET /models last said. The
 * probe brings it, so that provider.models seldom has to wait; a list that is a minute
 * old is asked for again, one of a vendor that is away is given as remembered.
 */
#include "openai.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_MS   60000u
#define MAX_MODELS 4096u

struct entry {
    char id[OPENAI_MAX_MODEL + 128];
    char owned_by[128];
    int64_t created, context;
};

static void write_entry(struct aiex_writer *w, const struct entry *e)
{
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "id", e->id);
    aiex_w_key_int(w, "created", e->created);
    aiex_w_key_str(w, "owned_by", e->owned_by);
    aiex_w_key_int(w, "context", e->context);
}

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

static uint32_t write_fixed(const struct openai *o, struct aiex_writer *w)
{
    const char *at = o->config->models, *name;
    uint32_t count = 0;
    size_t n;

    while ((n = next_name(&at, &name)) != 0) {
        struct entry e = {.owned_by = ""};

        snprintf(e.id, sizeof(e.id), "%s%.*s", o->config->model_prefix, (int)n, name);
        write_entry(w, &e);
        count++;
    }
    return count;
}

int models_init(struct openai *o, struct aiex_error *err)
{
    struct models *m = &o->models;
    struct aiex_writer w;

    if (!o->config->models[0])
        return 0;
    aiex_writer_init(&w, NULL, 0);
    write_fixed(o, &w);
    m->packed = malloc(w.len + 1);
    if (!m->packed)
        return -ENOMEM;
    aiex_writer_init(&w, m->packed, w.len);
    m->n = write_fixed(o, &w);
    m->packed_len = w.len;
    m->fixed = 1;
    if (m->n)
        return 0;
    snprintf(err->text, sizeof(err->text), "option 'models' is '%.100s' and names no model",
             o->config->models);
    return -EINVAL;
}

void models_done(struct openai *o)
{
    free(o->models.packed);
    o->models.packed = NULL;
}

/* ---- The list of the vendor ---- */

/* Servers name the size of the context differently. */
static int64_t context_of(const struct aiex_json_span *model)
{
    static const char *const keys[] = {"context_length", "max_model_len", "context_window",
                                       "max_context_length"};
    struct aiex_json_span v;
    int64_t n;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (aiex_json_find(model, keys[i], &v) && aiex_json_int(&v, &n) == 0 && n > 0)
            return n;
    return 0;
}

/* 0, or -EINVAL: has no usable id and is left out. */
static int read_entry(const struct openai *o, const struct aiex_json_span *model, struct entry *e)
{
    size_t n = (size_t)snprintf(e->id, sizeof(e->id), "%s", o->config->model_prefix);
    struct aiex_json_span v;

    if (!aiex_json_find(model, "id", &v) ||
        aiex_json_text(&v, e->id + n, OPENAI_MAX_MODEL + 1) <= 0)
        return -EINVAL;
    e->created = 0;
    e->owned_by[0] = 0;
    if (aiex_json_find(model, "created", &v) && aiex_json_int(&v, &e->created) != 0)
        e->created = 0;
    if (aiex_json_find(model, "owned_by", &v) &&
        aiex_json_text(&v, e->owned_by, sizeof(e->owned_by)) < 0)
        e->owned_by[0] = 0;
    e->context = context_of(model);
    return 0;
}

static uint32_t write_list(const struct openai *o, const struct aiex_json_span *data,
                           struct aiex_writer *w)
{
    struct aiex_json_span model;
    struct entry e;
    uint32_t count = 0;
    size_t at = 0;

    while (count < MAX_MODELS && aiex_json_next(data, &at, NULL, &model))
        if (read_entry(o, &model, &e) == 0) {
            write_entry(w, &e);
            count++;
        }
    return count;
}

int models_read(struct openai *o, struct aiex_slice json)
{
    struct aiex_json_field data = {.key = "data"};
    struct models *m = &o->models;
    struct aiex_writer w;
    uint8_t *mem;

    if (m->fixed)
        return 0;
    if (aiex_json_scan(json, 0, &data, 1, NULL) != AIEX_JSON_OBJECT ||
        data.value.type != AIEX_JSON_ARRAY)
        return -EINVAL;
    aiex_writer_init(&w, NULL, 0);
    write_list(o, &data.value, &w);
    mem = malloc(w.len + 1);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, w.len);
    free(m->packed);
    m->n = write_list(o, &data.value, &w);
    m->packed = mem;
    m->packed_len = w.len;
    m->read_ms = o->host->now_ms(o->host);
    return 0;
}

/* ---- provider.models ---- */

static int answer(struct openai *o, uint64_t id, int complete)
{
    const struct models *m = &o->models;
    size_t cap = m->packed_len + 64;
    struct aiex_writer w;
    uint8_t *mem = malloc(cap);

    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "complete", complete);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, m->n);
    aiex_w_raw(&w, m->packed, m->packed_len);
    o->host->reply(o->host, id, aiex_written(&w));
    free(mem);
    return 0;
}

int models_request(struct openai *o, uint64_t id)
{
    struct models *m = &o->models;
    int fresh = m->packed && o->host->now_ms(o->host) - m->read_ms < FRESH_MS;

    if (m->fixed || fresh)
        return answer(o, id, 1);
    if (openai_blocked(o) || o->health.state == OPENAI_DOWN ||
        m->n_waiting == sizeof(m->waiting) / sizeof(m->waiting[0]))
        return answer(o, id, 0);
    m->waiting[m->n_waiting++] = id;
    health_probe(o);
    return 0;
}

void models_cancel(struct openai *o, uint64_t id)
{
    struct models *m = &o->models;

    for (size_t i = 0; i < m->n_waiting; i++)
        if (m->waiting[i] == id)
            m->waiting[i] = m->waiting[--m->n_waiting];
}

void models_settle(struct openai *o, int fresh)
{
    struct models *m = &o->models;

    while (m->n_waiting) {
        uint64_t id = m->waiting[--m->n_waiting];

        if (answer(o, id, fresh || m->fixed) != 0)
            o->host->fail(o->host, id, AIEX_E_INTERNAL, "no memory for the list of models", 0,
                          (struct aiex_slice){NULL, 0});
    }
}
