/*
 * plan.c - what a restore does to tables.
 *
 * The rows of the checkpoint and those that are there now are both sorted by key and are walked at
 * once: what is missing is put, what differs is put, what came since is deleted (unless it is to be
 * kept). What is the same is not touched, so that a second restore, or one that goes on after a
 * crash, finds nothing to do where the first one was.
 *
 * Rows whose time was over are not brought back. A put counts its time from the moment at which the
 * store takes it, so an end of life that is a minute off is the same one.
 */
#include "checkpoints.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAGE_ROWS 1000
#define RANGE_MS  600000u
#define SAME_MS   60000
#define MAX_TOKEN 2048u
#define MAX_KEY   1024u

/* ---- Rows that are there now ---- */

struct now {
    struct restore *x;
    const char *table;
    struct call call;
    struct patience patience;
    int open, end;
    uint8_t token[MAX_TOKEN], last[MAX_KEY];
    size_t token_len, last_len; /* of the page; key of the last row */
    struct aiex_slice part;     /* rows that are left of it */
    struct aiex_slice key, value;
    int64_t version, expires;
    int there;
};

static void write_range(struct aiex_writer *w, const void *arg)
{
    const struct now *n = arg;

    aiex_w_map(w, n->token_len ? 3 : 2);
    aiex_w_key_str(w, "table", n->table);
    aiex_w_key_int(w, "limit", PAGE_ROWS);
    if (n->token_len)
        aiex_w_key_bin(w, "token", n->token, n->token_len);
}

static int wrong_rows(struct now *n)
{
    return job_fail(n->x->job, AIEX_E_INTERNAL, "the store's rows of table '%s' can not be read",
                    n->table);
}

static int open_page(struct now *n)
{
    struct job *j = n->x->job;

    n->part = (struct aiex_slice){NULL, 0};
    n->open = 1;
    return call_begin(j, &n->call, j->s->config->store, "store.range", write_range, n, RANGE_MS);
}

/* The page ended: is there another one? */
static int end_page(struct now *n)
{
    const struct aiex_slice body = {n->call.body, n->call.body_len};
    struct aiex_slice token = {NULL, 0};
    int end = 0;

    aiex_get_bool(body, "end", &end);
    if (!end && (aiex_get_bytes(body, "next", &token) != 1 || token.len > MAX_TOKEN))
        return wrong_rows(n);
    n->end = end;
    n->token_len = token.len;
    if (token.len)
        memcpy(n->token, token.data, token.len);
    n->patience.until = 0;
    call_done(&n->call);
    n->open = 0;
    return 0;
}

/* The page was lost: from its begin again; rows that were seen are passed over. */
static int lost_page(struct now *n)
{
    struct job *j = n->x->job;
    int r = -EREMOTEIO;

    if (is_passing(n->call.code))
        r = try_later(j, &n->patience, n->call.retry_ms);
    if (r == -EREMOTEIO || r == -ETIMEDOUT)
        r = job_refused_by(j, &n->call, "the rows that are there can not be read");
    call_done(&n->call);
    n->open = 0;
    return r;
}

static int next_part(struct now *n)
{
    struct aiex_value v;
    struct aiex_slice part;
    int r = n->open ? 0 : open_page(n);

    r = r ? r : call_part(&n->call, &part);
    if (r == 0)
        return end_page(n);
    if (r == -EREMOTEIO)
        return lost_page(n);
    if (r < 0)
        return job_errno(n->x->job, r, "the rows that are there");
    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return wrong_rows(n);
    n->part = part;
    return 0;
}

static int take_row(struct now *n)
{
    struct aiex_slice row = n->part;

    if (aiex_r_skip(&n->part) != 0)
        return wrong_rows(n);
    row.len -= n->part.len;
    n->expires = 0;
    if (aiex_get_bytes(row, "key", &n->key) != 1 || !n->key.len || n->key.len > MAX_KEY ||
        aiex_get_bytes(row, "value", &n->value) != 1 ||
        aiex_get_int(row, "version", &n->version) != 1 ||
        aiex_get_int(row, "expires", &n->expires) < 0)
        return wrong_rows(n);
    if (n->last_len && slice_order(n->key, (struct aiex_slice){n->last, n->last_len}) <= 0)
        return 0;
    memcpy(n->last, n->key.data, n->key.len);
    n->last_len = n->key.len;
    n->there = 1;
    return 0;
}

static int now_next(struct now *n)
{
    int r = 0;

    n->there = 0;
    while (r == 0 && !n->there) {
        if (n->part.len)
            r = take_row(n);
        else if (n->end && !n->open)
            return 0;
        else
            r = next_part(n);
    }
    return r;
}

/* ---- Rows of then ---- */

struct then {
    struct walk walk;
    struct aiex_slice key, value;
    int64_t expires;
    int there;
};

static int then_next(struct restore *x, struct then *t)
{
    struct aiex_error err = {""};
    struct aiex_slice row;
    int r;

    t->there = 0;
    while ((r = walk_next(&t->walk, &row, &err)) == 1) {
        t->expires = 0;
        if (aiex_get_bytes(row, "key", &t->key) != 1 ||
            aiex_get_bytes(row, "value", &t->value) != 1 ||
            aiex_get_int(row, "expires", &t->expires) < 0)
            return job_fail(x->job, AIEX_E_INTERNAL, "a row has no key; see checkpoints.verify");
        if (t->expires && t->expires <= wall_ms())
            continue;
        t->there = 1;
        return 0;
    }
    return r < 0 ? job_errno(x->job, r, err.text) : 0;
}

/* ---- Both ---- */

static int is_same(const struct then *t, const struct now *n)
{
    int64_t off = t->expires - n->expires;

    if (slice_order(t->value, n->value) != 0 || !t->expires != !n->expires)
        return 0;
    return off >= -SAME_MS && off <= SAME_MS;
}

static int change_row(struct restore *x, const char *table, const struct then *t,
                      const struct now *n)
{
    const struct aiex_slice none = {NULL, 0};
    const struct aiex_slice key = t ? t->key : n->key;
    int is_session = strcmp(table, SESSION_TABLE) == 0;

    if (t && n && is_same(t, n))
        return 0;
    if (is_session && (!t || !replayed_session(x, key)))
        return 0; /* what this store's own sessions are */
    if (!t && x->keep_added)
        return 0;
    restore_touches(x, table);
    return batch_row(&x->batch, table, key, t ? t->value : none, t ? t->expires : 0,
                     n ? n->version : 0);
}

static int merge(struct restore *x, const char *table, struct then *t, struct now *n)
{
    int r = then_next(x, t);

    r = r ? r : now_next(n);
    while (r == 0 && (t->there || n->there)) {
        int order = !t->there ? 1 : !n->there ? -1 : slice_order(t->key, n->key);

        r = change_row(x, table, order <= 0 ? t : NULL, order >= 0 ? n : NULL);
        if (r == 0 && order <= 0)
            r = then_next(x, t);
        if (r == 0 && order >= 0)
            r = now_next(n);
    }
    return r;
}

static int restore_rows(struct restore *x, const char *table, const struct chunk_list *chunks)
{
    struct now *n = calloc(1, sizeof(*n));
    struct then t = {.there = 0};
    int r;

    if (!n)
        return job_errno(x->job, -ENOMEM, "a table");
    n->x = x;
    n->table = table;
    walk_begin(&t.walk, &x->job->s->chunks, chunks);
    r = merge(x, table, &t, n);
    walk_done(&t.walk);
    call_done(&n->call);
    free(n);
    return r ? r : batch_flush(&x->batch);
}

/* ---- Definitions ---- */

static void write_definition(struct aiex_writer *w, const void *arg)
{
    const struct table_part *t = arg;

    aiex_w_raw(w, t->definition, t->definition_len);
}

/* 1 = it has the indexes of then, 0 = it has others (counted), negative. */
static int define(struct restore *x, const struct table_part *t)
{
    struct job *j = x->job;
    struct call c = {0};
    int defined = 0, r;

    if (t->definition)
        aiex_get_bool((struct aiex_slice){t->definition, t->definition_len}, "defined", &defined);
    if (!defined || x->dry)
        return 1;
    r = ask(j, &c, j->s->config->store, "store.define", write_definition, t);
    if (r == -EREMOTEIO && strcmp(c.code, AIEX_E_CONFLICT) == 0) {
        char part[MAX_PART + 1];
        const struct aiex_slice key = {(const uint8_t *)t->name, strlen(t->name)};

        snprintf(part, sizeof(part), "table:%s", t->name);
        r = tally_add(&x->tally, part, CONFLICT, key, "it has other indexes here");
    } else if (r == -EREMOTEIO)
        r = job_refused_by(j, &c, "a table can not be defined");
    else if (r == 0)
        r = 1;
    call_done(&c);
    return r < 0 ? job_errno(j, r, "a table can not be defined") : r;
}

/* ---- Tables ---- */

/* Rows of sessions are their service's affair, unless their streams come from elsewhere. */
static int is_rolled_back(const struct restore *x, const char *table)
{
    return x->same_store && strcmp(table, SESSION_TABLE) == 0;
}

static void write_nothing(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 0);
}

/* Names of the tables that are there: the first part of a snapshot, the rest is not wanted. */
static int read_names(struct job *j, struct call *c, struct aiex_slice *ret_part)
{
    struct patience p = {0};
    int r;

    for (;;) {
        r = call_begin(j, c, j->s->config->store, "store.snapshot", write_nothing, NULL, RANGE_MS);
        r = r ? r : call_part(c, ret_part);
        if (r == 1)
            return 0;
        if (r == 0)
            return job_fail(j, AIEX_E_INTERNAL, "the store's snapshot is empty");
        if (r == -EREMOTEIO && is_passing(c->code))
            r = try_later(j, &p, c->retry_ms);
        if (r == -EREMOTEIO || r == -ETIMEDOUT)
            return job_refused_by(j, c, "the names of the tables can not be read");
        if (r < 0)
            return job_errno(j, r, "the names of the tables");
        call_done(c);
    }
}

/* A table that was not there then had no rows. */
static int empty_new_table(struct restore *x, struct aiex_slice map)
{
    const struct chunk_list none = {NULL, 0, 0};
    char name[MAX_TABLE + 1] = "";

    if (aiex_get_text(map, "table", name, sizeof(name)) != 1)
        return job_fail(x->job, AIEX_E_INTERNAL, "a table of the store has no name");
    if (!restore_has_table(x, name) || manifest_table(&x->m, name) || is_rolled_back(x, name))
        return 0;
    return restore_rows(x, name, &none);
}

static int copy_names(struct restore *x, uint8_t **ret_mem, size_t *ret_len)
{
    struct aiex_slice part = {NULL, 0};
    struct call c = {0};
    int r = read_names(x->job, &c, &part);

    *ret_mem = r ? NULL : malloc(part.len + 1);
    if (*ret_mem) {
        memcpy(*ret_mem, part.data, part.len);
        *ret_len = part.len;
    } else if (r == 0)
        r = job_errno(x->job, -ENOMEM, "the names of the tables");
    call_done(&c);
    return r;
}

static int empty_new_tables(struct restore *x)
{
    struct aiex_value v;
    uint8_t *mem = NULL;
    size_t len = 0;
    int r = copy_names(x, &mem, &len);

    if (r == 0 &&
        (aiex_get((struct aiex_slice){mem, len}, "tables", &v) != 1 || v.type != AIEX_T_ARRAY))
        r = job_fail(x->job, AIEX_E_INTERNAL, "the store's snapshot is not what it should be");
    for (uint32_t i = 0; r == 0 && i < v.count; i++) {
        struct aiex_slice one = v.bytes;

        if (aiex_r_skip(&v.bytes) != 0)
            r = job_fail(x->job, AIEX_E_INTERNAL, "the names of the tables are cut");
        one.len -= v.bytes.len;
        r = r ? r : empty_new_table(x, one);
    }
    free(mem);
    return r;
}

int restore_tables(struct restore *x)
{
    int r = 0;

    for (int64_t i = 0; i < x->m.about.n_tables && r == 0; i++) {
        const struct table_part *t = &x->m.tables[i];

        if (!restore_has_table(x, t->name) || is_rolled_back(x, t->name))
            continue;
        r = define(x, t);
        if (r == 1)
            r = restore_rows(x, t->name, &t->chunks);
    }
    return r || x->keep_added ? r : empty_new_tables(x);
}
