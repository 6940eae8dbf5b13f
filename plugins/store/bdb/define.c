/* define.c - definitions of tables: made by store.define, or by the first put into a table. */
#include "store.h"

#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEFINITION (16u + MAX_INDEXES * (2u * (MAX_TABLE + 1u) + 1u))

static size_t encode(const struct table *t, uint8_t *out)
{
    size_t n = 6;

    put_be(out, t->id, 4);
    out[4] = (uint8_t)t->n_indexes;
    out[5] = (uint8_t)t->defined;
    for (uint32_t i = 0; i < t->n_indexes; i++) {
        const struct index *x = &t->indexes[i];

        out[n++] = (uint8_t)x->type;
        n += strlen(strcpy((char *)out + n, x->name)) + 1;
        n += strlen(strcpy((char *)out + n, x->field)) + 1;
    }
    return n;
}

/* Copies a text with its end. Bytes taken, 0 = it has none. */
static size_t take_text(const uint8_t *p, size_t left, char out[MAX_TABLE + 1])
{
    size_t n = strnlen((const char *)p, left);

    if (n == left || n > MAX_TABLE)
        return 0;
    memcpy(out, p, n + 1);
    return n + 1;
}

static int decode(const uint8_t *p, size_t len, struct table *t)
{
    size_t at = 6, n, m;

    if (len < 6 || p[4] > MAX_INDEXES)
        return -EBADMSG;
    t->id = (uint32_t)get_be(p, 4);
    t->n_indexes = p[4];
    t->defined = p[5];
    for (uint32_t i = 0; i < t->n_indexes; i++) {
        struct index *x = &t->indexes[i];

        if (at >= len || p[at] >= N_FIELD_TYPES)
            return -EBADMSG;
        x->type = p[at++];
        n = take_text(p + at, len - at, x->name);
        m = n ? take_text(p + at + n, len - at - n, x->field) : 0;
        if (!m)
            return -EBADMSG;
        at += n + m;
    }
    return 0;
}

static int load_one(struct store *s, const DBT *k, const DBT *v)
{
    struct table *t = calloc(1, sizeof(*t));
    int r = t ? decode(v->data, v->size, t) : -ENOMEM;

    if (r == 0 && k->size - 1 > MAX_TABLE)
        r = -EBADMSG;
    if (r == 0) {
        memcpy(t->name, (const char *)k->data + 1, k->size - 1);
        r = tables_add(&s->tables, t);
    }
    if (r < 0)
        free(t);
    return r;
}

int tables_load(struct store *s)
{
    uint8_t key[MAX_TABLE + 2] = {'d'}, value[MAX_DEFINITION];
    DBT k = env_room(key, sizeof(key)), v = env_room(value, sizeof(value));
    DB *db = env_file(&s->env, META);
    DBC *c;
    int got, r = env_errno(&s->env, db->cursor(db, NULL, &c, 0));

    if (r < 0)
        return r;
    k.size = 1;
    got = c->get(c, &k, &v, DB_SET_RANGE);
    while (r == 0 && got == 0 && key[0] == 'd') {
        r = load_one(s, &k, &v);
        got = c->get(c, &k, &v, DB_NEXT);
    }
    c->close(c);
    if (r == 0 && got != DB_NOTFOUND && key[0] == 'd')
        r = env_errno(&s->env, got);
    return r;
}

static uint32_t next_id(struct tables *t)
{
    uint32_t highest = 0;

    for (uint32_t i = 0; i < t->n; i++)
        highest = t->all[i]->id > highest ? t->all[i]->id : highest;
    return highest + 1; /* 0 is the index of what expires */
}

static int save(struct store *s, DB_TXN *txn, const struct table *t)
{
    uint8_t key[MAX_TABLE + 2] = {'d'}, value[MAX_DEFINITION];
    size_t n = strlen(t->name);

    memcpy(key + 1, t->name, n);
    return env_put(&s->env, META, txn, key, n + 1, value, encode(t, value), 0);
}

/* An unindexed table in a transaction of its own. */
static int make_plain(struct store *s, struct aiex_slice name)
{
    struct table *t = calloc(1, sizeof(*t));
    int r = t ? 0 : -ENOMEM;

    if (r == 0) {
        memcpy(t->name, name.data, name.len);
        t->id = next_id(&s->tables);
        r = save(s, NULL, t);
        r = r ? r : tables_add(&s->tables, t);
    }
    if (r < 0)
        free(t);
    return r;
}

int tables_prepare(struct store *s, struct write *w)
{
    for (uint32_t i = 0; i < w->n_ops; i++) {
        int r;

        if (w->ops[i].kind != OP_PUT || tables_find(&s->tables, w->ops[i].table))
            continue;
        if (s->tables.n == MAX_TABLES)
            return 0; /* its own check says so */
        r = make_plain(s, w->ops[i].table);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- store.define ---- */

static int is_same(const struct table *a, const struct table *b)
{
    if (a->n_indexes != b->n_indexes)
        return 0;
    for (uint32_t i = 0; i < a->n_indexes; i++)
        if (strcmp(a->indexes[i].name, b->indexes[i].name) != 0 ||
            strcmp(a->indexes[i].field, b->indexes[i].field) != 0 ||
            a->indexes[i].type != b->indexes[i].type)
            return 0;
    return 1;
}

/* The definition becomes known with the commit of its batch, in which it is alone. */
static int apply(struct store *s, DB_TXN *txn, struct write *w)
{
    struct table *wanted = w->arg;
    const struct aiex_slice name = {(const uint8_t *)wanted->name, strlen(wanted->name)};
    const struct table *known = tables_find(&s->tables, name);

    w->a = 0;
    if (known)
        return is_same(known, wanted)
                   ? UNCHANGED
                   : refuse(w, AIEX_E_CONFLICT,
                            "table '%s' is defined with other indexes (%u, not %u, or others)",
                            wanted->name, known->n_indexes, wanted->n_indexes);
    if (s->tables.n == MAX_TABLES)
        return refuse(w, AIEX_E_BUSY, "%u tables are defined, no more fit", MAX_TABLES);
    wanted->id = next_id(&s->tables);
    wanted->defined = 1;
    w->a = 1;
    return save(s, txn, wanted);
}

static void committed(struct store *s, struct write *w)
{
    if (w->a && tables_add(&s->tables, w->arg) == 0)
        w->arg = NULL;
}

static void answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        aiex_reply_done(s->host, w->id);
}

const struct write_kind define_kind = {
    .apply = apply, .committed = committed, .answer = answer, .alone = 1};
