/*
 * request_read.c - what all readers of requests stand on: pieces of the canonical form, words and
 * texts, the sampling settings that the dialects name alike.
 */
#include "keys.h"
#include "request.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Refusing ---- */

int read_fail(struct reader *r, int error, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(r->err->text, sizeof(r->err->text), fmt, ap);
    va_end(ap);
    return error;
}

static int no_memory(struct reader *r)
{
    return read_fail(r, -ENOMEM, "no memory for the request");
}

/* ---- Pieces ---- */

int count_piece(struct reader *r)
{
    if (++r->v.n_pieces > REQUEST_MAX_PIECES)
        return read_fail(r, -EINVAL, "the request has more than %u messages, parts and tools",
                         REQUEST_MAX_PIECES);
    return 0;
}

static void *piece(struct reader *r, size_t size, int *ret)
{
    void *p;

    *ret = count_piece(r);
    if (*ret != 0)
        return NULL;
    p = arena_take(r->c->arena, size);
    if (!p)
        *ret = no_memory(r);
    return p;
}

struct message *add_message(struct reader *r, int role, int *ret)
{
    struct message *m = piece(r, sizeof(*m), ret);

    if (!m)
        return NULL;
    m->role = role;
    m->end = &m->parts;
    r->last = m;
    *r->v.messages_end = m;
    r->v.messages_end = &m->next;
    return m;
}

struct part *add_part(struct reader *r, struct part ***end, int kind, int *ret)
{
    struct part *p = piece(r, sizeof(*p), ret);

    if (!p)
        return NULL;
    p->kind = kind;
    **end = p;
    *end = &p->next;
    return p;
}

struct tool *add_tool(struct reader *r, int *ret)
{
    struct tool *t;

    if (++r->v.n_tools > REQUEST_MAX_TOOLS) {
        *ret = read_fail(r, -EINVAL, "tools: more than %u", REQUEST_MAX_TOOLS);
        return NULL;
    }
    t = piece(r, sizeof(*t), ret);
    if (!t)
        return NULL;
    t->strict = -1;
    *r->v.tools_end = t;
    r->v.tools_end = &t->next;
    return t;
}

int keep_text(struct reader *r, const char *bytes, size_t len, struct raw *ret)
{
    struct grow g;
    char *copy;

    if (grow_init(&g, len + len / 8 + 16, 6 * len + 16) != 0)
        return no_memory(r);
    grow_escape(&g, bytes, len);
    copy = g.error ? NULL : arena_copy(r->c->arena, g.data, g.len);
    *ret = (struct raw){copy ? copy : "", copy ? g.len : 0};
    free(g.data);
    return copy ? 0 : no_memory(r);
}

/* ---- Words ---- */

int raw_is(struct raw text, const char *plain)
{
    size_t at = 0;

    for (; *plain; plain++, at++) {
        if (at + 1 < text.len && text.at[at] == '\\' && text.at[at + 1] == '/')
            at++;
        if (at >= text.len || text.at[at] != *plain)
            return 0;
    }
    return at == text.len;
}

int raw_same(struct raw a, struct raw b)
{
    return a.len == b.len && (!a.len || memcmp(a.at, b.at, a.len) == 0);
}

int raw_blank(struct raw text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\\' && i + 1 < text.len && memchr("nrt", text.at[i + 1], 3))
            i++;
        else if (text.at[i] != ' ')
            return 0;
    }
    return 1;
}

static const char *const efforts[] = {
    [EFFORT_UNSET] = "",      [EFFORT_NONE] = "none",     [EFFORT_MINIMAL] = "minimal",
    [EFFORT_LOW] = "low",     [EFFORT_MEDIUM] = "medium", [EFFORT_HIGH] = "high",
    [EFFORT_XHIGH] = "xhigh", [EFFORT_MAX] = "max"};

int effort_of(struct raw word)
{
    for (int i = EFFORT_NONE; i <= EFFORT_MAX; i++)
        if (raw_is(word, efforts[i]))
            return i;
    return EFFORT_UNSET;
}

const char *effort_word(int effort)
{
    return efforts[effort];
}

/* ---- Settings ---- */

static void read_limit(struct reader *r, const struct aiex_json_span *value)
{
    int64_t n;

    if (aiex_json_int(value, &n) == 0 && n > 0)
        r->v.max_tokens = n;
}

static struct raw either(struct raw a, struct raw b)
{
    return a.len ? a : b;
}

void read_sampling(struct reader *r, const struct members *m)
{
    struct conv *v = &r->v;

    v->temperature = number_of(&m->of[K_temperature]);
    v->top_p = number_of(&m->of[K_top_p]);
    v->top_k = number_of(&m->of[K_top_k]);
    v->seed = number_of(&m->of[K_seed]);
    v->presence = number_of(&m->of[K_presence_penalty]);
    v->frequency = number_of(&m->of[K_frequency_penalty]);
    v->user = either(text_of(&m->of[K_user]), text_of(&m->of[K_safety_identifier]));
    v->cache_key = text_of(&m->of[K_prompt_cache_key]);
    v->stop = m->of[K_stop];
    if (v->stop.type != AIEX_JSON_STRING && v->stop.type != AIEX_JSON_ARRAY)
        v->stop = (struct aiex_json_span){0};
    if (m->of[K_metadata].type == AIEX_JSON_OBJECT)
        v->metadata = json_of(&m->of[K_metadata]);
    if (m->of[K_parallel_tool_calls].type == AIEX_JSON_TRUE)
        v->parallel = 1;
    else if (m->of[K_parallel_tool_calls].type == AIEX_JSON_FALSE)
        v->parallel = 0;
    read_limit(r, &m->of[K_max_tokens]);
    read_limit(r, &m->of[K_max_completion_tokens]);
    read_limit(r, &m->of[K_max_output_tokens]);
    read_limit(r, &m->of[K_num_predict]);
}

void read_schema(struct reader *r, const struct members *m)
{
    struct conv *v = &r->v;

    if (m->of[K_schema].type != AIEX_JSON_OBJECT) {
        v->format = FORMAT_JSON;
        return;
    }
    v->format = FORMAT_SCHEMA;
    v->schema = json_of(&m->of[K_schema]);
    v->schema_name = text_of(&m->of[K_name]);
    v->schema_text = text_of(&m->of[K_description]);
    v->schema_strict = m->of[K_strict].type == AIEX_JSON_TRUE;
}
