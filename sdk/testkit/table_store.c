/* table_store.c - see table_store.h. */
#include "table_store.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 8192
#define MAX_OPEN 64

#define MAX_KEY 320u

struct key {
    uint8_t bytes[MAX_KEY];
    size_t len;
};

struct row {
    char table[64];
    struct key key;
    uint8_t *value;
    size_t len;
    int64_t version, ttl;
};

struct table_store {
    struct row rows[MAX_ROWS]; /* by table and key */
    size_t n;
    int64_t version;
    char ids[16][64]; /* of the last transactions */
    int64_t answers[16];
    unsigned n_ids, page, skip, times, n_open;
    char method[32], code[32];
    int done;
    uint64_t open[MAX_OPEN];
    struct {
        char method[32];
        unsigned n;
    } calls[8];
};

struct table_store *table_store_new(void)
{
    struct table_store *t = calloc(1, sizeof(*t));

    if (!t)
        abort();
    t->page = 1000;
    return t;
}

void table_store_clear(struct table_store *t, const char *table)
{
    size_t kept = 0;

    for (size_t i = 0; i < t->n; i++)
        if (table && strcmp(t->rows[i].table, table) != 0)
            t->rows[kept++] = t->rows[i];
        else
            free(t->rows[i].value);
    t->n = kept;
}

void table_store_free(struct table_store *t)
{
    table_store_clear(t, NULL);
    free(t);
}

void table_store_page(struct table_store *t, unsigned rows)
{
    t->page = rows;
}

/* ---- Rows ---- */

static void text_of(struct aiex_slice map, const char *key, char *out, size_t size)
{
    struct aiex_slice s = {NULL, 0};

    aiex_get_bytes(map, key, &s);
    snprintf(out, size, "%.*s", (int)s.len, s.len ? (const char *)s.data : "");
}

static struct key key_of(struct aiex_slice map, const char *name)
{
    struct aiex_slice s = {NULL, 0};
    struct key key = {.len = 0};

    aiex_get_bytes(map, name, &s);
    if (s.len > MAX_KEY)
        abort();
    if (s.len)
        memcpy(key.bytes, s.data, s.len);
    key.len = s.len;
    return key;
}

static int compare(const struct key *a, const struct key *b)
{
    int r = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);

    return r ? r : a->len < b->len ? -1 : a->len > b->len;
}

/* Where the row is, or would be. */
static size_t place_of(const struct table_store *t, const char *table, const struct key *key)
{
    size_t i = 0;
    int r = -1;

    for (; i < t->n && r < 0; i += r < 0) {
        r = strcmp(t->rows[i].table, table);
        r = r ? r : compare(&t->rows[i].key, key);
    }
    return i;
}

static struct row *row_of(struct table_store *t, const char *table, const struct key *key)
{
    size_t i = place_of(t, table, key);

    return i < t->n && strcmp(t->rows[i].table, table) == 0 && compare(&t->rows[i].key, key) == 0
               ? &t->rows[i]
               : NULL;
}

static void delete_row(struct table_store *t, struct row *row)
{
    free(row->value);
    memmove(row, row + 1, (size_t)(&t->rows[--t->n] - row) * sizeof(*row));
}

static void put_row(struct table_store *t, const char *table, const struct key *key,
                    struct aiex_slice op)
{
    struct row *row = row_of(t, table, key);
    struct aiex_slice value = {NULL, 0};
    size_t i = place_of(t, table, key);

    aiex_get_bytes(op, "value", &value);
    if (!row) {
        if (t->n == MAX_ROWS)
            abort();
        memmove(&t->rows[i + 1], &t->rows[i], (t->n++ - i) * sizeof(*row));
        row = &t->rows[i];
        memset(row, 0, sizeof(*row));
        snprintf(row->table, sizeof(row->table), "%s", table);
        row->key = *key;
    }
    free(row->value);
    row->value = malloc(value.len + 1);
    memcpy(row->value, value.data, value.len);
    row->len = value.len;
    row->version = t->version;
    row->ttl = 0;
    aiex_get_int(op, "ttl_ms", &row->ttl);
}

/* ---- Calls ---- */

static struct aiex_slice cut_one(struct aiex_slice *at)
{
    struct aiex_slice one = *at;

    if (aiex_r_skip(at) != 0)
        abort();
    one.len -= at->len;
    return one;
}

static int holds(struct table_store *t, struct aiex_slice body)
{
    char table[64];
    struct aiex_value v;
    struct key key;
    int64_t version = -1;

    if (aiex_get(body, "conditions", &v) != 1)
        return 1;
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice one = cut_one(&v.bytes);
        const struct row *row;

        text_of(one, "table", table, sizeof(table));
        key = key_of(one, "key");
        aiex_get_int(one, "version", &version);
        row = row_of(t, table, &key);
        if ((row ? row->version : 0) != version)
            return 0;
    }
    return 1;
}

static void apply(struct table_store *t, struct aiex_slice body)
{
    char table[64], op[16];
    struct aiex_value v;
    struct key key;

    if (aiex_get(body, "operations", &v) != 1)
        abort();
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice one = cut_one(&v.bytes);
        struct row *row;

        text_of(one, "table", table, sizeof(table));
        key = key_of(one, "key");
        text_of(one, "op", op, sizeof(op));
        row = row_of(t, table, &key);
        if (strcmp(op, "put") == 0)
            put_row(t, table, &key, one);
        else if (row)
            delete_row(t, row);
    }
}

/* 0 = a condition does not hold. */
static int transact(struct table_store *t, struct aiex_slice body, int64_t *ret_version)
{
    char id[64];

    text_of(body, "id", id, sizeof(id));
    for (unsigned i = 0; i < 16; i++)
        if (id[0] && strcmp(t->ids[i], id) == 0) {
            *ret_version = t->answers[i];
            return 1;
        }
    if (!holds(t, body))
        return 0;
    *ret_version = ++t->version;
    apply(t, body);
    strcpy(t->ids[t->n_ids % 16], id);
    t->answers[t->n_ids++ % 16] = t->version;
    return 1;
}

static void write_row(struct aiex_writer *w, const struct row *row)
{
    aiex_w_map(w, 3);
    aiex_w_key_bin(w, "key", row->key.bytes, row->key.len);
    aiex_w_key_bin(w, "value", row->value, row->len);
    aiex_w_key_int(w, "version", row->version);
}

static void range(struct table_store *t, struct aiex_fake_host *h, uint64_t call,
                  struct aiex_slice body, struct aiex_writer *end)
{
    const struct key from = key_of(body, "from"), to = key_of(body, "to");
    const struct key token = key_of(body, "token");
    char table[64];
    size_t i, size = 1 << 16;
    unsigned n = 0;

    text_of(body, "table", table, sizeof(table));
    for (i = place_of(t, table, token.len ? &token : &from);
         i < t->n && n < t->page && strcmp(t->rows[i].table, table) == 0 &&
         (!to.len || compare(&t->rows[i].key, &to) < 0);
         i++, n++) {
        struct aiex_writer w;
        uint8_t *mem = malloc(size + t->rows[i].len);

        aiex_writer_init(&w, mem, size + t->rows[i].len);
        aiex_w_array(&w, 1);
        write_row(&w, &t->rows[i]);
        aiex_fake_answer_part(h, call, aiex_written(&w));
        free(mem);
    }
    aiex_w_map(end, 1);
    if (n == t->page && i < t->n && strcmp(t->rows[i].table, table) == 0)
        aiex_w_key_bin(end, "next", t->rows[i].key.bytes, t->rows[i].key.len);
    else
        aiex_w_key_bool(end, "end", 1);
}

static void serve(struct table_store *t, struct aiex_fake_host *h,
                  const struct aiex_fake_record *call, const char *code)
{
    static uint8_t mem[4096];
    char table[64];
    struct aiex_writer w;
    const struct row *row;
    struct key key;
    int64_t version = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    if (strcmp(call->name, "store.range") == 0) {
        range(t, h, call->id, call->body, &w);
    } else if (strcmp(call->name, "store.transact") == 0) {
        if (!transact(t, call->body, &version)) {
            aiex_fake_answer_error(h, call->id, AIEX_E_CONFLICT, "a condition does not hold", 0,
                                   (struct aiex_slice){NULL, 0});
            return;
        }
        aiex_w_map(&w, 1);
        aiex_w_key_int(&w, "version", version);
    } else {
        text_of(call->body, "table", table, sizeof(table));
        key = key_of(call->body, "key");
        row = row_of(t, table, &key);
        aiex_w_map(&w, row ? 3 : 1);
        aiex_w_key_bool(&w, "found", row != NULL);
        if (row) {
            aiex_w_key_bin(&w, "value", row->value, row->len);
            aiex_w_key_int(&w, "version", row->version);
        }
    }
    if (code)
        aiex_fake_answer_error(h, call->id, code, "on order", 0, (struct aiex_slice){NULL, 0});
    else
        aiex_fake_answer_ok(h, call->id, aiex_written(&w));
}

static void count(struct table_store *t, const char *method)
{
    size_t i = 0;

    while (i < 7 && t->calls[i].method[0] && strcmp(t->calls[i].method, method) != 0)
        i++;
    snprintf(t->calls[i].method, sizeof(t->calls[i].method), "%s", method);
    t->calls[i].n++;
}

unsigned table_store_calls(const struct table_store *t, const char *method)
{
    for (size_t i = 0; i < 8; i++)
        if (strcmp(t->calls[i].method, method) == 0)
            return t->calls[i].n;
    return 0;
}

void table_store_fail(struct table_store *t, const char *method, unsigned skip, unsigned times,
                      const char *code, int done)
{
    snprintf(t->method, sizeof(t->method), "%s", method ? method : "");
    snprintf(t->code, sizeof(t->code), "%s", code ? code : "");
    t->skip = skip;
    t->times = times;
    t->done = done;
}

int table_store_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    struct table_store *t = arg;
    int fails = t->times && (!t->method[0] || strcmp(t->method, call->name) == 0);

    if (strncmp(call->name, "store.", 6) != 0)
        return 0;
    count(t, call->name);
    if (fails && t->skip) {
        t->skip--;
        fails = 0;
    }
    if (!fails) {
        serve(t, h, call, NULL);
        return 0;
    }
    t->times--;
    if (!t->code[0]) {
        if (t->n_open == MAX_OPEN)
            abort();
        t->open[t->n_open++] = call->id;
    } else if (t->done) {
        serve(t, h, call, t->code);
    } else {
        aiex_fake_answer_error(h, call->id, t->code, "on order", 0, (struct aiex_slice){NULL, 0});
    }
    return 0;
}

static const struct aiex_fake_record *record_of(struct aiex_fake_host *h, uint64_t id)
{
    const struct aiex_fake_record *r;

    for (size_t n = 0; (r = aiex_fake_nth(h, AIEX_FAKE_CALL, n)); n++)
        if (r->id == id)
            return r;
    abort();
}

void table_store_go_on(struct table_store *t, struct aiex_fake_host *h)
{
    t->times = 0;
    for (unsigned i = 0; i < t->n_open; i++)
        serve(t, h, record_of(h, t->open[i]), NULL);
    t->n_open = 0;
}

/* ---- What there is ---- */

unsigned table_store_rows(const struct table_store *t, const char *table)
{
    unsigned n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += strcmp(t->rows[i].table, table) == 0;
    return n;
}

size_t table_store_bytes(const struct table_store *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->rows[i].len;
    return n;
}

uint8_t *table_store_value(struct table_store *t, const char *table, unsigned n, size_t *ret_len)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->rows[i].table, table) == 0 && n-- == 0) {
            *ret_len = t->rows[i].len;
            return t->rows[i].value;
        }
    return NULL;
}

int table_store_expires(const struct table_store *t, const char *table)
{
    int all = 1;

    for (size_t i = 0; i < t->n; i++)
        all &= strcmp(t->rows[i].table, table) != 0 || t->rows[i].ttl > 0;
    return all;
}
