/*
 * rows.c - tables inside of a batch: conditions, puts, deletes, and the fields that are indexed.
 *
 * A row's version is the number of the transaction that wrote it, so that a row that was deleted
 * and made again never has a version that it had before. Indexes change with their row. A
 * table that nobody defined comes to be with its first put, without indexes.
 */
#include "store.h"

#include "bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    uint64_t version, expires;
    struct aiex_slice value;
    void *mem; /* free() */
};

/* 0 (version 0: there is none, or it is over) or negative errno. */
static int row_get(struct store *s, DB_TXN *txn, const struct table *t, struct aiex_slice key,
                   struct row *ret)
{
    uint8_t mem[ROW_KEY_MAX];
    DBT k = env_dbt(mem, row_key(t, key, mem)), v = {.flags = DB_DBT_MALLOC};
    DB *db = env_file(&s->env, ROWS);
    int r = env_errno(&s->env, db->get(db, txn, &k, &v, 0));

    memset(ret, 0, sizeof(*ret));
    if (r < 0)
        return r == -ENOENT ? 0 : r;
    ret->mem = v.data;
    if (v.size < ROW_HEAD) {
        free(v.data);
        return -EBADMSG;
    }
    ret->version = get_be(v.data, 8);
    ret->expires = get_be((uint8_t *)v.data + 8, 8);
    ret->value = (struct aiex_slice){(uint8_t *)v.data + ROW_HEAD, v.size - ROW_HEAD};
    return 0;
}

/* ---- Checks ---- */

static int check_condition(struct store *s, DB_TXN *txn, struct write *w, uint32_t i)
{
    const struct condition *c = &w->conditions[i];
    struct table *t = tables_find(&s->tables, c->table);
    struct row row = {0};
    uint64_t version;
    int r = t ? row_get(s, txn, t, c->key, &row) : 0;

    if (r < 0)
        return r;
    free(row.mem);
    version = row.expires && row.expires <= (uint64_t)wall_ms() ? 0 : row.version;
    if (version == (uint64_t)c->version)
        return 0;
    w->failed = i;
    w->actual = (int64_t)version;
    return refuse(w, AIEX_E_CONFLICT, "condition %u: the row has version %llu, not %lld", i,
                  (unsigned long long)version, (long long)c->version);
}

static int check_put(struct write *w, const struct op *op)
{
    uint8_t key[FIELD_KEY_MAX];

    for (uint32_t i = 0; i < op->in->n_indexes; i++)
        if (field_key(op->in, i, op->value, op->key, key) < 0)
            return refuse(w, AIEX_E_INVALID,
                          "field '%s' of the value is no %s of at most %u bytes, as index '%s' of "
                          "table '%s' needs",
                          op->in->indexes[i].field, field_type_name(op->in->indexes[i].type),
                          MAX_FIELD, op->in->indexes[i].name, op->in->name);
    return 0;
}

int rows_check(struct store *s, DB_TXN *txn, struct write *w)
{
    int r = 0;

    for (uint32_t i = 0; i < w->n_conditions && r == 0; i++)
        r = check_condition(s, txn, w, i);
    for (uint32_t i = 0; i < w->n_ops && r == 0; i++) {
        struct op *op = &w->ops[i];

        if (op->kind == OP_APPEND)
            continue;
        op->in = tables_find(&s->tables, op->table);
        if (op->kind == OP_PUT)
            r = op->in ? check_put(w, op)
                       : refuse(w, AIEX_E_BUSY, "%u tables are defined, no more fit", MAX_TABLES);
    }
    return r;
}

/* ---- Puts ---- */

static int put_field(struct store *s, DB_TXN *txn, const uint8_t *key, int len)
{
    return len > 0 ? env_put(&s->env, FIELDS, txn, key, (size_t)len, NULL, 0, 0) : 0;
}

static int del_field(struct store *s, DB_TXN *txn, const uint8_t *key, int len)
{
    return len > 0 ? env_del(&s->env, FIELDS, txn, key, (size_t)len) : 0;
}

/* Takes the old row out of the indexes and puts the new one in; either may be missing. */
static int turn_fields(struct store *s, DB_TXN *txn, const struct op *op, const struct row *old,
                       uint64_t expires)
{
    uint8_t from[FIELD_KEY_MAX], to[FIELD_KEY_MAX];
    const struct table *t = op->in;
    int r = 0;

    for (uint32_t i = 0; i < t->n_indexes && r == 0; i++) {
        int n = old->version ? field_key(t, i, old->value, op->key, from) : 0;
        int m = op->kind == OP_PUT ? field_key(t, i, op->value, op->key, to) : 0;

        if (n > 0 && n == m && memcmp(from, to, (size_t)n) == 0)
            continue;
        r = del_field(s, txn, from, n);
        r = r ? r : put_field(s, txn, to, m);
    }
    if (r == 0 && old->expires && old->expires != expires)
        r = del_field(s, txn, from, (int)expiry_key(t, old->expires, op->key, from));
    if (r == 0 && expires && old->expires != expires)
        r = put_field(s, txn, to, (int)expiry_key(t, expires, op->key, to));
    return r;
}

static int put_row(struct store *s, DB_TXN *txn, const struct op *op, uint64_t version,
                   uint64_t expires)
{
    uint8_t key[ROW_KEY_MAX], *value = writer_mem(s, ROW_HEAD + op->value.len);

    if (!value)
        return -ENOMEM;
    put_be(value, version, 8);
    put_be(value + 8, expires, 8);
    if (op->value.len)
        memcpy(value + ROW_HEAD, op->value.data, op->value.len);
    return env_put(&s->env, ROWS, txn, key, row_key(op->in, op->key, key), value,
                   ROW_HEAD + op->value.len, 0);
}

/* Readers of the table wait, until the batch is flushed or taken back. */
static void touch(struct writer *wr, struct table *t)
{
    if (atomic_load(&t->turn) & 1)
        return;
    atomic_fetch_add(&t->turn, 1);
    wr->touched[wr->n_touched++] = t;
}

void rows_release(struct store *s)
{
    struct writer *wr = &s->writer;

    while (wr->n_touched)
        atomic_fetch_add(&wr->touched[--wr->n_touched]->turn, 1);
}

int rows_put(struct store *s, DB_TXN *txn, struct op *op, uint64_t version)
{
    uint8_t key[ROW_KEY_MAX];
    uint64_t expires = op->kind == OP_PUT && op->ttl_ms ? (uint64_t)(wall_ms() + op->ttl_ms) : 0;
    struct row old;
    int r;

    if (!op->in) /* delete from a table that is not there */
        return 0;
    touch(&s->writer, op->in);
    r = row_get(s, txn, op->in, op->key, &old);
    if (r < 0)
        return r;
    pins_note(s, op->in,
              &(struct pinned_row){op->key, old.mem != NULL, old.version, old.expires, old.value});
    r = turn_fields(s, txn, op, &old, expires);
    if (r == 0 && op->kind == OP_PUT)
        r = put_row(s, txn, op, version, expires);
    else if (r == 0 && old.version)
        r = env_del(&s->env, ROWS, txn, key, row_key(op->in, op->key, key));
    free(old.mem);
    return r;
}

/* ---- The kind transact ---- */

static size_t transaction_key(struct aiex_slice id, uint8_t key[MAX_ID + 1])
{
    key[0] = 't';
    memcpy(key + 1, id.data, id.len);
    return id.len + 1;
}

/* 1 = it was done before, 0 = not, or negative errno. */
static int was_done(struct store *s, DB_TXN *txn, struct write *w)
{
    uint8_t key[MAX_ID + 1], value[8];
    int n;

    if (!w->transaction.len)
        return 0;
    n = env_get(&s->env, IDS, txn, key, transaction_key(w->transaction, key), value, 8);
    if (n != 8)
        return n == -ENOENT ? 0 : n < 0 ? n : -EBADMSG;
    w->version = get_be(value, 8);
    w->duplicate = 1;
    return 1;
}

/* 0 = to be put, UNCHANGED = all its events are known, REFUSED, negative errno. */
static int check_appends(struct store *s, DB_TXN *txn, struct write *w)
{
    uint32_t appends = 0, known = 0;

    for (uint32_t i = 0; i < w->n_ops; i++) {
        int r;

        if (w->ops[i].kind != OP_APPEND)
            continue;
        r = append_check(s, txn, w, i);
        w->failed = r == REFUSED ? (int64_t)i : -1;
        if (r != 0)
            return r;
        appends++;
        known += (uint32_t)w->ops[i].duplicate;
    }
    if (!known)
        return 0;
    if (known < appends)
        return refuse(w, AIEX_E_CONFLICT, "some of the events are stored already, others are not");
    w->duplicate = 1;
    return UNCHANGED;
}

static int put_all(struct store *s, DB_TXN *txn, struct write *w)
{
    uint8_t key[MAX_ID + 1], value[8];
    int r = 0;

    w->version = ++s->writer.draft.transactions;
    for (uint32_t i = 0; i < w->n_ops && r == 0; i++)
        r = w->ops[i].kind == OP_APPEND ? append_put(s, txn, &w->ops[i])
                                        : rows_put(s, txn, &w->ops[i], w->version);
    if (r < 0 || !w->transaction.len)
        return r;
    put_be(value, w->version, 8);
    return env_put(&s->env, IDS, txn, key, transaction_key(w->transaction, key), value, 8,
                   DB_NOOVERWRITE);
}

static int apply(struct store *s, DB_TXN *txn, struct write *w)
{
    int r = was_done(s, txn, w), done = r == 1;

    if (r < 0)
        return r;
    r = check_appends(s, txn, w);
    if (done) {
        w->code = NULL;
        w->failed = -1;
        return r < 0 ? r : UNCHANGED;
    }
    if (r != 0)
        return r;
    r = rows_check(s, txn, w);
    return r ? r : put_all(s, txn, w);
}

static void write_end(struct aiex_writer *out, const void *arg)
{
    const struct write *w = arg;
    uint32_t appends = 0;

    for (uint32_t i = 0; i < w->n_ops; i++)
        appends += w->ops[i].kind == OP_APPEND;
    aiex_w_map(out, appends ? 3 : 2);
    aiex_w_key_uint(out, "version", w->version);
    aiex_w_key_bool(out, "duplicate", w->duplicate);
    if (!appends)
        return;
    aiex_w_str(out, "appends");
    aiex_w_array(out, appends);
    for (uint32_t i = 0; i < w->n_ops; i++) {
        const struct op *op = &w->ops[i];

        if (op->kind != OP_APPEND)
            continue;
        aiex_w_map(out, 3);
        aiex_w_key_strn(out, "stream", (const char *)op->stream.data, op->stream.len);
        aiex_w_key_uint(out, "version", op->version);
        aiex_w_key_uint(out, "sequence", op->sequence);
    }
}

static void answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        store_reply(s, w->id, write_end, w);
}

const struct write_kind transact_kind = {.apply = apply, .answer = answer};
