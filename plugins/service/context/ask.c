/*
 * ask.c - what is asked of the store: rows, ranges and transactions.
 *
 * A write whose outcome is unknown when `store_wait` is over is asked on, until the store has said
 * what became of it (aiex_ask.h): memory and store never part. A transaction's id makes that safe.
 */
#include "context.h"

#include <stdio.h>

void ask_by(struct aiex_ask *a, const char *method, aiex_write_fn write, const void *arg)
{
    const struct context *c = a->owner;

    a->host = c->host;
    a->service = c->config->store;
    a->method = method;
    a->wait_ms = (uint32_t)c->config->store_wait;
    aiex_ask_by(a, write, arg);
}

/* ---- Reading ---- */

struct key {
    const char *table;
    const void *key;
    size_t len;
};

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct key *k = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", k->table);
    aiex_w_key_bin(w, "key", k->key, k->len);
}

void ask_row(struct aiex_ask *a, const char *table, const void *key, size_t len)
{
    const struct key k = {table, key, len};

    ask_by(a, "store.get", write_get, &k);
}

static void write_bound(struct aiex_writer *w, const struct range *r, const char *key,
                        struct aiex_slice bytes, int64_t number)
{
    if (r->ints)
        aiex_w_key_int(w, key, number);
    else if (bytes.len && r->index)
        aiex_w_key_strn(w, key, (const char *)bytes.data, bytes.len);
    else if (bytes.len)
        aiex_w_key_bin(w, key, bytes.data, bytes.len);
    else
        aiex_w_str(w, key), aiex_w_nil(w);
}

void write_range(struct aiex_writer *w, const void *arg)
{
    const struct range *r = arg;

    aiex_w_map(w, 5 + (r->index != NULL) + (r->token.len != 0));
    aiex_w_key_str(w, "table", r->table);
    if (r->index)
        aiex_w_key_str(w, "index", r->index);
    write_bound(w, r, "from", r->from, r->from_int);
    write_bound(w, r, "to", r->to, r->to_int);
    aiex_w_key_bool(w, "backwards", r->backwards);
    aiex_w_key_int(w, "limit", r->limit);
    if (r->token.len)
        aiex_w_key_bin(w, "token", r->token.data, r->token.len);
}

void rows_each(struct aiex_slice part, void (*fn)(void *arg, const struct row_seen *row), void *arg)
{
    struct aiex_value v, head;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < v.count; i++) {
        struct row_seen row = {{NULL, 0}, {NULL, 0}, 0};
        struct aiex_slice map = part, peek = part;

        if (aiex_r_value(&peek, &head) != 0 || aiex_r_skip(&part) != 0)
            return;
        map.len -= part.len;
        if (head.type == AIEX_T_MAP && aiex_get_bytes(map, "key", &row.key) == 1 &&
            aiex_get_bytes(map, "value", &row.value) >= 0 &&
            aiex_get_int(map, "version", &row.version) >= 0)
            fn(arg, &row);
    }
}

/* ---- Transactions ---- */

void transact_id(struct context *c, struct transact *t)
{
    t->c = c;
    snprintf(t->id, sizeof(t->id), "context-%llx-%llx", (unsigned long long)c->epoch,
             (unsigned long long)++c->transactions);
}

void write_transact(struct aiex_writer *w, const struct transact *t, uint32_t conditions)
{
    static const char *const levels[] = {"applied", "written", "synced"};

    aiex_w_map(w, 6);
    aiex_w_key_str(w, "id", t->id);
    aiex_w_key_str(w, "level", levels[t->c->config->level]);
    aiex_w_key_str(w, "owner", "context");
    aiex_w_key_int(w, "epoch", t->c->epoch);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, conditions);
}

void write_condition(struct aiex_writer *w, const char *table, const void *key, size_t len,
                     int64_t version)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
    aiex_w_key_int(w, "version", version);
}

void write_operations(struct aiex_writer *w, uint32_t n)
{
    aiex_w_str(w, "operations");
    aiex_w_array(w, n);
}

void write_put(struct aiex_writer *w, const char *table, const void *key, size_t len)
{
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
    aiex_w_str(w, "value");
}

void write_delete(struct aiex_writer *w, const char *table, const void *key, size_t len)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "op", "delete");
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
}

int look_fenced(struct context *c, const struct aiex_answer *end)
{
    int64_t failed, holds = 0;

    if (!end->code || strcmp(end->code, AIEX_E_CONFLICT) != 0 ||
        aiex_get_int(end->body, "failed", &failed) == 1 ||
        aiex_get_int(end->body, "version", &holds) != 1 || holds <= c->epoch)
        return 0;
    if (c->phase != FENCED)
        aiex_logf(c->host, AIEX_LOG_ERROR, 0,
                  "another instance (epoch %lld) keeps the contexts now; this one (epoch %lld) "
                  "writes no more",
                  (long long)holds, (long long)c->epoch);
    c->phase = FENCED;
    return 1;
}

void doc_key(int64_t doc, uint8_t out[8])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)doc >> (56 - 8 * i));
}
