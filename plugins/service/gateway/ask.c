/* ask.c - see ask.h: one table of fields. */
#include "ask.h"

#include <aiex/aiex_pack.h>
#include <string.h>

enum kind { IS_STR, IS_BYTES, IS_BOOL, IS_INT, IS_MAP };

/* Those of a chat first, in the order in which interfaces write them. */
static const struct field {
    struct aiex_key name;
    enum kind kind;
    int passed;
    int offset; /* in struct ask, -1 = only passed on */
    size_t max;
    const char *wrong;
} fields[] = {
    {AIEX_KEY("body"), IS_BYTES, 1, offsetof(struct ask, body), AIEX_MAX_BODY,
     "field 'body' is no bin"},
    {AIEX_KEY("dialect"), IS_STR, 1, offsetof(struct ask, dialect), MAX_DIALECT,
     "field 'dialect' is no str of at most 32 bytes"},
    {AIEX_KEY("model"), IS_STR, 1, offsetof(struct ask, model), MAX_MODEL,
     "field 'model' is no str of at most 256 bytes"},
    {AIEX_KEY("stream"), IS_BOOL, 1, offsetof(struct ask, stream), 0, "field 'stream' is no bool"},
    {AIEX_KEY("template"), IS_BOOL, 0, offsetof(struct ask, template), 0,
     "field 'template' is no bool"},
    {AIEX_KEY("interface"), IS_STR, 1, offsetof(struct ask, interface), MAX_INTERFACE,
     "field 'interface' is no str of at most 63 bytes"},
    {AIEX_KEY("address"), IS_STR, 0, offsetof(struct ask, address), 63,
     "field 'address' is no str of at most 63 bytes"},
    {AIEX_KEY("credential"), IS_STR, 0, offsetof(struct ask, credential), 4096,
     "field 'credential' is no str of at most 4096 bytes"},
    {AIEX_KEY("local"), IS_BOOL, 0, offsetof(struct ask, local), 0, "field 'local' is no bool"},
    {AIEX_KEY("demand_key"), IS_BOOL, 0, offsetof(struct ask, demand_key), 0,
     "field 'demand_key' is no bool"},
    {AIEX_KEY("tags"), IS_MAP, 1, offsetof(struct ask, tags), MAX_TAGS,
     "field 'tags' is no map of at most 2048 bytes"},
    {AIEX_KEY("content"), IS_MAP, 0, offsetof(struct ask, content), MAX_CONTENT,
     "field 'content' is no map of at most 256 bytes"},
    {AIEX_KEY("headers"), IS_MAP, 1, -1, MAX_HEADERS,
     "field 'headers' is no map of at most 9216 bytes"},
    {AIEX_KEY("method"), IS_STR, 0, offsetof(struct ask, method), AIEX_MAX_NAME,
     "field 'method' is no str of at most 63 bytes"},
    {AIEX_KEY("session"), IS_STR, 1, -1, 256, "field 'session' is no str of at most 256 bytes"},
    {AIEX_KEY("priority"), IS_INT, 1, -1, 0, "field 'priority' is no int"},
    {AIEX_KEY("cache"), IS_STR, 1, -1, 16, "field 'cache' is no str of at most 16 bytes"},
    {AIEX_KEY("first_token_ms"), IS_INT, 1, -1, 0, "field 'first_token_ms' is no int"},
    {AIEX_KEY("idle_ms"), IS_INT, 1, -1, 0, "field 'idle_ms' is no int"},
    {AIEX_KEY("total_ms"), IS_INT, 1, -1, 0, "field 'total_ms' is no int"},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

_Static_assert(N_FIELDS <= 32, "a bit for each");

static int fits(const struct field *f, const struct aiex_value *v, size_t whole_len)
{
    switch (f->kind) {
    case IS_STR:
        return v->type == AIEX_T_STR && v->bytes.len <= f->max;
    case IS_BYTES:
        return (v->type == AIEX_T_STR || v->type == AIEX_T_BIN) && v->bytes.len <= f->max;
    case IS_BOOL:
        return v->type == AIEX_T_BOOL;
    case IS_INT:
        return v->type == AIEX_T_INT;
    case IS_MAP:
        return v->type == AIEX_T_MAP && whole_len <= f->max;
    }
    return 0;
}

static void keep(struct ask *a, const struct field *f, const struct aiex_value *v,
                 struct aiex_slice whole)
{
    char *at = (char *)a + f->offset;

    if (f->offset < 0)
        return;
    if (f->kind == IS_BOOL)
        *(int *)(void *)at = (int)v->i;
    else
        *(struct aiex_slice *)(void *)at = f->kind == IS_MAP ? whole : v->bytes;
}

/* `next`: the row that comes after the last one in the table. */
static const char *read_pair(struct ask *a, struct aiex_slice *at, uint32_t *seen, size_t *next)
{
    static const char broken[] = "the request's body is not one msgpack map with str keys";
    struct aiex_slice pair = *at;
    struct aiex_entry e;
    size_t row;

    if (aiex_r_entry(at, &e) != 0)
        return broken;
    pair.len -= at->len;
    row = aiex_row_of(fields, sizeof(fields[0]), N_FIELDS, *next, e.key);
    if (row == N_FIELDS || e.v.type == AIEX_T_NIL)
        return NULL;
    if (!fits(&fields[row], &e.v, e.whole.len))
        return fields[row].wrong;
    if (*seen & 1u << row) /* two readers might take different ones */
        return "a field occurs twice";
    *seen |= 1u << row;
    *next = row + 1;
    keep(a, &fields[row], &e.v, e.whole);
    if (!fields[row].passed)
        return NULL;
    a->passed[a->n_passed++] = pair;
    a->passed_bytes += pair.len;
    return NULL;
}

const char *ask_read(const struct aiex_message *m, struct ask *a)
{
    struct aiex_slice map = m->body;
    const char *wrong = NULL;
    struct aiex_value head;
    uint32_t seen = 0;
    size_t next = 0;

    memset(a, 0, sizeof(*a));
    a->template = -1;
    if (map.len == 0)
        return NULL;
    if (aiex_r_value(&map, &head) != 0 || head.type != AIEX_T_MAP)
        return "the request's body is not one msgpack map";
    for (uint32_t i = 0; i < head.count && !wrong; i++)
        wrong = read_pair(a, &map, &seen, &next);
    a->local = a->local && m->caller[0];
    return wrong;
}

const char *ask_chat(const struct ask *a)
{
    if (a->dialect.len == 0)
        return "field 'dialect' is missing";
    if (a->model.len == 0)
        return "field 'model' is missing";
    return a->body.data ? NULL : "field 'body' is missing";
}
