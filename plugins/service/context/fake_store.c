/* fake_store.c - see fake_store.h. Rows are one array in the order of table and key. */
#include "fake_store.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARTS 64
#define PART_ROWS 3 /* few, so that answers come in several parts */

struct row {
    char table[65];
    uint8_t *key, *value;
    size_t key_len, value_len;
    int64_t version;
};

struct index {
    char table[65], name[65], field[65], type[8];
};

struct fake_store {
    struct row *rows;
    size_t n, cap;
    struct index indexes[64];
    size_t n_indexes;
    char (*ids)[65]; /* of transactions */
    int64_t *versions;
    size_t n_ids, cap_ids;
    int64_t version, epoch;
};

struct fake_store *fake_store_new(void)
{
    return calloc(1, sizeof(struct fake_store));
}

void fake_store_free(struct fake_store *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->rows[i].key);
        free(s->rows[i].value);
    }
    free(s->rows);
    free(s->ids);
    free(s->versions);
    free(s);
}

size_t fake_store_rows(const struct fake_store *s, const char *table)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += !table || strcmp(s->rows[i].table, table) == 0;
    return n;
}

void fake_store_take(struct fake_store *s, int64_t epoch)
{
    s->epoch = epoch;
}

/* ---- Rows ---- */

static int bytes_compare(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
    size_t least = n < m ? n : m;
    int r = least ? memcmp(a, b, least) : 0;

    return r ? r : (n > m) - (n < m);
}

/* The place of the first row that is not before. */
static size_t place(const struct fake_store *s, const char *table, const uint8_t *key, size_t len)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t at = (low + high) / 2;
        int r = strcmp(s->rows[at].table, table);

        r = r ? r : bytes_compare(s->rows[at].key, s->rows[at].key_len, key, len);
        if (r < 0)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

static struct row *find(struct fake_store *s, const char *table, struct aiex_slice key)
{
    size_t at = place(s, table, key.data, key.len);

    if (at < s->n && strcmp(s->rows[at].table, table) == 0 &&
        bytes_compare(s->rows[at].key, s->rows[at].key_len, key.data, key.len) == 0)
        return &s->rows[at];
    return NULL;
}

static uint8_t *copy(struct aiex_slice from)
{
    uint8_t *mem = malloc(from.len + 1);

    if (from.len)
        memcpy(mem, from.data, from.len);
    return mem;
}

static void put(struct fake_store *s, const char *table, struct aiex_slice key,
                struct aiex_slice value)
{
    struct row *row = find(s, table, key);
    size_t at;

    if (!row) {
        if (s->n == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 256;
            s->rows = realloc(s->rows, s->cap * sizeof(*s->rows));
        }
        at = place(s, table, key.data, key.len);
        memmove(&s->rows[at + 1], &s->rows[at], (s->n - at) * sizeof(*s->rows));
        s->n++;
        row = &s->rows[at];
        memset(row, 0, sizeof(*row));
        snprintf(row->table, sizeof(row->table), "%s", table);
        row->key = copy(key);
        row->key_len = key.len;
    }
    free(row->value);
    row->value = copy(value);
    row->value_len = value.len;
    row->version = s->version;
}

static void delete (struct fake_store *s, const char *table, struct aiex_slice key)
{
    struct row *row = find(s, table, key);

    if (!row)
        return;
    free(row->key);
    free(row->value);
    s->n--;
    memmove(row, row + 1, (size_t)(&s->rows[s->n] - row) * sizeof(*row));
}

void fake_store_lose(struct fake_store *s, const char *table, const void *key, size_t len)
{
    delete (s, table, (struct aiex_slice){key, len});
}

int fake_store_touch(struct fake_store *s, const char *table, const void *key, size_t len)
{
    struct row *row = find(s, table, (struct aiex_slice){key, len});

    if (row)
        row->version = ++s->version;
    return row != NULL;
}

/* ---- Answers ---- */

struct reply {
    struct aiex_fake_host *h;
    uint64_t call;
    int half; /* of the parts, and then crashed */
};

static int refuse(struct reply *r, const char *code, const char *text, const char *key1, int64_t n1,
                  const char *key2, int64_t n2)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, (key1 != NULL) + (key2 != NULL));
    if (key1)
        aiex_w_key_int(&w, key1, n1);
    if (key2)
        aiex_w_key_int(&w, key2, n2);
    aiex_fake_answer_error(r->h, r->call, code, text, 0, aiex_written(&w));
    return -1;
}

static int invalid(struct reply *r, const char *text)
{
    fprintf(stderr, "fake store: %s\n", text);
    return refuse(r, AIEX_E_INVALID, text, NULL, 0, NULL, 0);
}

static int read_key(struct aiex_slice map, char table[65], struct aiex_slice *key)
{
    return aiex_get_text(map, "table", table, 65) == 1 && table[0] &&
           aiex_get_bytes(map, "key", key) == 1 && key->len >= 1 && key->len <= 1024;
}

/* The n-th map of an array; 0 = there are fewer. */
static int item(struct aiex_slice body, const char *key, uint32_t n, struct aiex_slice *ret)
{
    struct aiex_value v;
    struct aiex_slice start;

    if (aiex_get(body, key, &v) != 1 || v.type != AIEX_T_ARRAY || n >= v.count)
        return 0;
    for (uint32_t i = 0;; i++) {
        start = v.bytes;
        if (aiex_r_skip(&v.bytes) != 0)
            return 0;
        start.len -= v.bytes.len;
        if (i == n)
            return *ret = start, 1;
    }
}

static uint32_t items(struct aiex_slice body, const char *key)
{
    struct aiex_value v;

    return aiex_get(body, key, &v) == 1 && v.type == AIEX_T_ARRAY ? v.count : 0;
}

/* ---- store.define ---- */

static int define(struct fake_store *s, struct reply *r, struct aiex_slice body)
{
    struct aiex_slice map;
    char table[65];

    if (aiex_get_text(body, "table", table, sizeof(table)) != 1)
        return invalid(r, "define without table");
    for (size_t i = 0; i < s->n_indexes; i++)
        if (strcmp(s->indexes[i].table, table) == 0)
            return 0;
    for (uint32_t i = 0; item(body, "indexes", i, &map); i++) {
        struct index *x = &s->indexes[s->n_indexes++];

        strcpy(x->table, table);
        if (i >= 8 || aiex_get_text(map, "name", x->name, 65) != 1 ||
            aiex_get_text(map, "field", x->field, 65) != 1 ||
            aiex_get_text(map, "type", x->type, 8) != 1)
            return invalid(r, "bad index");
    }
    return 0;
}

static struct index *find_index(struct fake_store *s, const char *table, const char *name)
{
    for (size_t i = 0; i < s->n_indexes; i++)
        if (strcmp(s->indexes[i].table, table) == 0 && strcmp(s->indexes[i].name, name) == 0)
            return &s->indexes[i];
    return NULL;
}

/* An indexed field as bytes that sort: its length, -1 = there is none, -2 = it has a wrong type. */
static int field_bytes(const struct index *x, const struct aiex_value *v, uint8_t out[1100])
{
    if (strcmp(x->type, "int") == 0) {
        if (v->type != AIEX_T_INT)
            return -2;
        for (int i = 0; i < 8; i++)
            out[i] = (uint8_t)(((uint64_t)v->i ^ (uint64_t)1 << 63) >> (56 - 8 * i));
        return 8;
    }
    if (v->type != AIEX_T_STR || v->bytes.len > 1024)
        return -2;
    memcpy(out, v->bytes.data, v->bytes.len);
    return (int)v->bytes.len;
}

static int row_field(const struct index *x, struct aiex_slice value, uint8_t out[1100])
{
    struct aiex_value v;
    int r = aiex_get(value, x->field, &v);

    return r == 1 ? field_bytes(x, &v, out) : r == 0 ? -1 : -2;
}

static int fields_are_good(struct fake_store *s, const char *table, struct aiex_slice value)
{
    uint8_t out[1100];

    for (size_t i = 0; i < s->n_indexes; i++)
        if (strcmp(s->indexes[i].table, table) == 0 &&
            (!aiex_is_map(value) || row_field(&s->indexes[i], value, out) == -2))
            return 0;
    return 1;
}

/* ---- store.transact ---- */

static int64_t *known_id(struct fake_store *s, const char *id)
{
    for (size_t i = s->n_ids; id[0] && i-- > 0;)
        if (strcmp(s->ids[i], id) == 0)
            return &s->versions[i];
    return NULL;
}

static void remember(struct fake_store *s, const char *id)
{
    if (!id[0])
        return;
    if (s->n_ids == s->cap_ids) {
        s->cap_ids = s->cap_ids ? s->cap_ids * 2 : 64;
        s->ids = realloc(s->ids, s->cap_ids * sizeof(*s->ids));
        s->versions = realloc(s->versions, s->cap_ids * sizeof(*s->versions));
    }
    strcpy(s->ids[s->n_ids], id);
    s->versions[s->n_ids++] = s->version;
}

static int conditions_hold(struct fake_store *s, struct reply *r, struct aiex_slice body)
{
    struct aiex_slice map, key;
    char table[65];

    for (uint32_t i = 0; item(body, "conditions", i, &map); i++) {
        const struct row *row;
        int64_t version;

        if (!read_key(map, table, &key) || aiex_get_int(map, "version", &version) != 1)
            return invalid(r, "bad condition"), 0;
        row = find(s, table, key);
        if ((row ? row->version : 0) != version)
            return refuse(r, AIEX_E_CONFLICT, "condition", "failed", i, "version",
                          row ? row->version : 0),
                   0;
    }
    return 1;
}

static int operations_are_good(struct fake_store *s, struct reply *r, struct aiex_slice body)
{
    uint32_t n = items(body, "operations");
    struct aiex_slice key, value = {NULL, 0};
    struct aiex_value v;
    char table[65];

    if (!n || n > 1000 || items(body, "conditions") > 1000)
        return invalid(r, "1 to 1000 operations"), 0;
    aiex_get(body, "operations", &v);
    for (uint32_t i = 0; i < n; i++) {
        struct aiex_slice map = v.bytes, op;

        if (aiex_r_skip(&v.bytes) != 0)
            return invalid(r, "bad operations"), 0;
        map.len -= v.bytes.len;
        if (!read_key(map, table, &key) || aiex_get_str(map, "op", &op) != 1)
            return invalid(r, "bad operation"), 0;
        if (aiex_slice_is(op, "put") && (aiex_get_bytes(map, "value", &value) != 1 ||
                                         value.len > 8 << 20 || !fields_are_good(s, table, value)))
            return invalid(r, "bad value"), 0;
    }
    return v.bytes.data != NULL;
}

static void apply(struct fake_store *s, struct aiex_slice body)
{
    struct aiex_slice key = {NULL, 0}, value = {NULL, 0}, op = {NULL, 0};
    struct aiex_value v;
    char table[65];

    s->version++;
    aiex_get(body, "operations", &v);
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice map = v.bytes;

        aiex_r_skip(&v.bytes);
        map.len -= v.bytes.len;
        read_key(map, table, &key);
        aiex_get_str(map, "op", &op);
        if (aiex_slice_is(op, "put")) {
            aiex_get_bytes(map, "value", &value);
            put(s, table, key, value);
        } else {
            delete (s, table, key);
        }
    }
}

static void write_done(struct aiex_writer *w, int64_t version, int duplicate)
{
    aiex_w_map(w, 2);
    aiex_w_key_int(w, "version", version);
    aiex_w_key_bool(w, "duplicate", duplicate);
}

static int transact(struct fake_store *s, struct reply *r, struct aiex_slice body,
                    struct aiex_writer *end)
{
    int64_t epoch = -1, *known;
    char id[65] = "";

    if (!aiex_is_map(body) || aiex_get_text(body, "id", id, sizeof(id)) < 0)
        return invalid(r, "bad transaction");
    if (!operations_are_good(s, r, body))
        return -1;
    aiex_get_int(body, "epoch", &epoch);
    if (epoch >= 0 && epoch < s->epoch)
        return refuse(r, AIEX_E_CONFLICT, "epoch", "version", s->epoch, NULL, 0);
    s->epoch = epoch > s->epoch ? epoch : s->epoch;
    known = known_id(s, id);
    if (known) {
        write_done(end, *known, 1);
        return 0;
    }
    if (!conditions_hold(s, r, body))
        return -1;
    apply(s, body);
    remember(s, id);
    write_done(end, s->version, 0);
    return 0;
}

/* ---- store.get and store.range ---- */

static int get(struct fake_store *s, struct reply *r, struct aiex_slice body,
               struct aiex_writer *end)
{
    struct aiex_slice key;
    const struct row *row;
    char table[65];

    if (!read_key(body, table, &key))
        return invalid(r, "bad get");
    row = find(s, table, key);
    aiex_w_map(end, row ? 3 : 1);
    aiex_w_key_bool(end, "found", row != NULL);
    if (row) {
        aiex_w_key_bin(end, "value", row->value, row->value_len);
        aiex_w_key_int(end, "version", row->version);
    }
    return 0;
}

/* A row in the order of the range: its sort key is what tokens and bounds are compared with. */
struct sorted {
    uint8_t *key;
    size_t len;
    const struct row *row;
};

static int by_key(const void *a, const void *b)
{
    const struct sorted *x = a, *y = b;

    return bytes_compare(x->key, x->len, y->key, y->len);
}

/* Rows by key are those from `low` to before `high` already; by an index all that are in it. */
static size_t sort_rows(struct fake_store *s, const char *table, const struct index *x,
                        struct aiex_slice from, struct aiex_slice to, struct sorted *out)
{
    const uint8_t *low = x ? NULL : from.data, *high = to.data;
    size_t low_len = x ? 0 : from.len, high_len = to.len, n = 0;

    for (size_t i = place(s, table, low, low_len); i < s->n; i++) {
        const struct row *row = &s->rows[i];
        struct aiex_slice value = {row->value, row->value_len};
        uint8_t field[1100 + 1030];
        int len = 0;

        if (strcmp(row->table, table) != 0 ||
            (!x && high_len && bytes_compare(row->key, row->key_len, high, high_len) >= 0))
            break;
        if ((x && (len = row_field(x, value, field)) < 0))
            continue;
        if (x) /* a field ends before its row's key begins */
            field[len++] = 0;
        memcpy(field + len, row->key, row->key_len);
        out[n].len = (size_t)len + row->key_len;
        out[n].key = copy((struct aiex_slice){field, out[n].len});
        out[n++].row = row;
    }
    qsort(out, n, sizeof(*out), by_key);
    return n;
}

/* 0 = there is none; -1 = bad. */
static int bound(struct aiex_slice body, const char *name, const struct index *x, uint8_t out[1100])
{
    struct aiex_value v;
    int r = aiex_get(body, name, &v);

    if (r <= 0 || v.type == AIEX_T_NIL)
        return r < 0 ? -1 : 0;
    if (x)
        return field_bytes(x, &v, out) < 0 ? -1 : field_bytes(x, &v, out);
    if ((v.type != AIEX_T_BIN && v.type != AIEX_T_STR) || v.bytes.len > 1024)
        return -1;
    memcpy(out, v.bytes.data, v.bytes.len);
    return (int)v.bytes.len;
}

static void send_rows(struct reply *r, const struct sorted *rows, size_t n)
{
    static uint8_t mem[16 << 20];
    size_t upto = r->half ? n / 2 : n;
    struct aiex_writer w;

    for (size_t i = 0; i < upto; i += PART_ROWS) {
        size_t m = upto - i < PART_ROWS ? upto - i : PART_ROWS;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_array(&w, (uint32_t)m);
        for (size_t k = i; k < i + m; k++) {
            aiex_w_map(&w, 3);
            aiex_w_key_bin(&w, "key", rows[k].row->key, rows[k].row->key_len);
            aiex_w_key_bin(&w, "value", rows[k].row->value, rows[k].row->value_len);
            aiex_w_key_int(&w, "version", rows[k].row->version);
        }
        aiex_fake_answer_part(r->h, r->call, aiex_written(&w));
    }
}

static void turn(struct sorted *rows, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct sorted other = rows[i];

        rows[i] = rows[n - 1 - i];
        rows[n - 1 - i] = other;
    }
}

static int range(struct fake_store *s, struct reply *r, struct aiex_slice body,
                 struct aiex_writer *end)
{
    struct sorted *all = calloc(s->n + 1, sizeof(*all)), *rows = all;
    char table[65] = "", name[65] = "";
    uint8_t from[1100], to[1100];
    struct aiex_slice token = {NULL, 0};
    const struct index *x = NULL;
    int backwards = 0, from_len, to_len, good;
    int64_t limit = 0;
    size_t n = 0, total = 0, shown, bytes = 0;

    good = aiex_get_text(body, "table", table, 65) == 1 &&
           aiex_get_text(body, "index", name, 65) >= 0 &&
           aiex_get_int(body, "limit", &limit) >= 0 &&
           aiex_get_bool(body, "backwards", &backwards) >= 0 &&
           aiex_get_bytes(body, "token", &token) >= 0;
    if (good && name[0])
        good = (x = find_index(s, table, name)) != NULL;
    from_len = good ? bound(body, "from", x, from) : -1;
    to_len = good ? bound(body, "to", x, to) : -1;
    if (from_len < 0 || to_len < 0) {
        free(all);
        return invalid(r, "bad range");
    }
    total = n = sort_rows(s, table, x, (struct aiex_slice){from, (size_t)from_len},
                          (struct aiex_slice){to, (size_t)to_len}, all);
    while (n && from_len && bytes_compare(rows->key, rows->len, from, (size_t)from_len) < 0)
        rows++, n--;
    while (n && to_len && bytes_compare(rows[n - 1].key, rows[n - 1].len, to, (size_t)to_len) >= 0)
        n--;
    if (backwards)
        turn(rows, n);
    while (n && token.len && bytes_compare(rows->key, rows->len, token.data, token.len) != 0)
        rows++, n--;
    for (shown = 0; shown < n && (!limit || shown < (size_t)limit) && bytes < 2 << 20; shown++)
        bytes += rows[shown].len + rows[shown].row->value_len;
    send_rows(r, rows, shown);
    aiex_w_map(end, shown < n ? 3 : 2);
    aiex_w_key_uint(end, "rows", shown);
    aiex_w_key_bool(end, "end", shown == n);
    if (shown < n)
        aiex_w_key_bin(end, "next", rows[shown].key, rows[shown].len);
    for (size_t i = 0; i < total; i++)
        free(all[i].key);
    free(all);
    return 0;
}

/* ---- Calls ---- */

static int is_write(const char *method)
{
    return strcmp(method, "store.transact") == 0 || strcmp(method, "store.define") == 0;
}

/* 1 = it has an answer that says that nothing was done. */
static int fails_before(struct reply *r, enum fate fate, int writes)
{
    static const char *const codes[N_FATES] = {
        [FATE_BUSY] = AIEX_E_BUSY,           [FATE_UNAVAILABLE] = AIEX_E_UNAVAILABLE,
        [FATE_READ_ONLY] = AIEX_E_READ_ONLY, [FATE_LOST_REQUEST] = AIEX_E_TIMEOUT,
        [FATE_INTERNAL] = AIEX_E_INTERNAL,
    };

    if (fate == FATE_SILENT)
        return 1;
    if (!codes[fate] || (fate == FATE_READ_ONLY && !writes))
        return 0;
    refuse(r, codes[fate], "as the test wants it", NULL, 0, NULL, 0);
    return 1;
}

void fake_store_answer(struct fake_store *s, struct aiex_fake_host *h,
                       const struct aiex_fake_record *call, enum fate fate)
{
    static uint8_t mem[10 << 20];
    int late = fate == FATE_LOST_ANSWER || fate == FATE_CRASHED, done = -1;
    struct reply r = {h, call->id, late};
    struct aiex_writer end, unknown;
    uint8_t small[32];

    aiex_writer_init(&end, mem, sizeof(mem));
    if (fails_before(&r, fate, is_write(call->name)))
        return;
    if (strcmp(call->name, "store.transact") == 0)
        done = transact(s, &r, call->body, &end);
    else if (strcmp(call->name, "store.get") == 0)
        done = get(s, &r, call->body, &end);
    else if (strcmp(call->name, "store.range") == 0)
        done = range(s, &r, call->body, &end);
    else if (strcmp(call->name, "store.define") == 0)
        done = define(s, &r, call->body);
    else
        invalid(&r, "no such method");
    if (done != 0)
        return; /* it was refused */
    aiex_writer_init(&unknown, small, sizeof(small));
    aiex_w_map(&unknown, 1);
    aiex_w_key_bool(&unknown, "unknown", 1);
    if (late)
        aiex_fake_answer_error(h, call->id, fate == FATE_CRASHED ? AIEX_E_CRASHED : AIEX_E_TIMEOUT,
                               "as the test wants it", 0, aiex_written(&unknown));
    else
        aiex_fake_answer_ok(h, call->id, aiex_written(&end));
}
