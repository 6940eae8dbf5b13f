/* memory_store.c - see memory_store.h. */
#include "memory_store.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event {
    char id[80];
    int64_t version, sequence;
    uint8_t *map; /* as it came */
    size_t len;
};

struct stream {
    char name[80];
    int64_t version;
    struct event *events;
    size_t n;
};

struct row {
    char table[64], key[80];
    uint8_t *value;
    size_t len;
    int64_t version;
};

struct sorted {
    char order[80];
    size_t at;
};

struct fault {
    char method[32], code[32];
    unsigned skip, times;
    enum when when;
};

struct memory_store {
    struct stream *streams;
    struct row *rows;
    struct sorted *sorted;
    size_t n_streams, n_rows, cap_rows, n_sorted;
    int changed;
    int64_t sequence, transactions;
    struct fault fault;
    char elsewhere[32];
    struct {
        char method[32];
        unsigned n;
    } calls[16];
};

/* What a call ends with. */
struct end {
    const char *code;
    char text[200];
    uint8_t *mem;
    struct aiex_writer w;
};

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void copy_text(char *out, size_t size, struct aiex_slice s)
{
    snprintf(out, size, "%.*s", (int)s.len, (const char *)s.data);
}

struct memory_store *memory_store_new(void)
{
    return must(calloc(1, sizeof(struct memory_store)));
}

void memory_store_free(struct memory_store *m)
{
    for (size_t i = 0; i < m->n_streams; i++) {
        for (size_t k = 0; k < m->streams[i].n; k++)
            free(m->streams[i].events[k].map);
        free(m->streams[i].events);
    }
    for (size_t i = 0; i < m->n_rows; i++)
        free(m->rows[i].value);
    free(m->streams);
    free(m->rows);
    free(m->sorted);
    free(m);
}

/* ---- Streams ---- */

static struct stream *stream_of(const struct memory_store *m, const char *name)
{
    for (size_t i = 0; i < m->n_streams; i++)
        if (strcmp(m->streams[i].name, name) == 0)
            return &m->streams[i];
    return NULL;
}

unsigned memory_store_events(const struct memory_store *m, const char *stream)
{
    const struct stream *s = stream_of(m, stream);

    return s ? (unsigned)s->n : 0;
}

long long memory_store_version(const struct memory_store *m, const char *stream)
{
    const struct stream *s = stream_of(m, stream);

    return s ? s->version : 0;
}

static const struct event *event_with_id(const struct memory_store *m, const char *id,
                                         const struct stream **ret)
{
    for (size_t i = 0; i < m->n_streams; i++)
        for (size_t k = 0; k < m->streams[i].n; k++)
            if (strcmp(m->streams[i].events[k].id, id) == 0) {
                *ret = &m->streams[i];
                return &m->streams[i].events[k];
            }
    return NULL;
}

static struct stream *stream_make(struct memory_store *m, const char *name)
{
    struct stream *s = stream_of(m, name);

    if (s)
        return s;
    m->streams = must(realloc(m->streams, (m->n_streams + 1) * sizeof(*m->streams)));
    s = &m->streams[m->n_streams++];
    memset(s, 0, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    return s;
}

static void add_event(struct memory_store *m, struct stream *s, struct aiex_slice map)
{
    struct aiex_slice id = {NULL, 0};
    struct event *e;

    s->events = must(realloc(s->events, (s->n + 1) * sizeof(*s->events)));
    e = &s->events[s->n++];
    aiex_get_str(map, "id", &id);
    copy_text(e->id, sizeof(e->id), id);
    e->version = ++s->version;
    e->sequence = ++m->sequence;
    e->map = must(malloc(map.len));
    e->len = map.len;
    memcpy(e->map, map.data, map.len);
}

/* ---- Rows ---- */

static struct row *row_of(const struct memory_store *m, const char *table, const char *key)
{
    for (size_t i = 0; i < m->n_rows; i++)
        if (strcmp(m->rows[i].key, key) == 0 && strcmp(m->rows[i].table, table) == 0)
            return &m->rows[i];
    return NULL;
}

static struct row *row_make(struct memory_store *m, const char *table, const char *key)
{
    struct row *r;

    if (m->n_rows == m->cap_rows) {
        m->cap_rows = m->cap_rows ? 2 * m->cap_rows : 16;
        m->rows = must(realloc(m->rows, m->cap_rows * sizeof(*m->rows)));
    }
    r = &m->rows[m->n_rows++];
    memset(r, 0, sizeof(*r));
    snprintf(r->table, sizeof(r->table), "%s", table);
    snprintf(r->key, sizeof(r->key), "%s", key);
    return r;
}

static void row_set(struct memory_store *m, struct row *r, struct aiex_slice value)
{
    free(r->value);
    r->value = must(malloc(value.len + 1));
    memcpy(r->value, value.data, value.len);
    r->len = value.len;
    r->version = ++m->transactions;
    m->changed = 1;
}

void memory_store_put(struct memory_store *m, const char *table, const char *key,
                      struct aiex_slice value)
{
    struct row *r = row_of(m, table, key);

    row_set(m, r ? r : row_make(m, table, key), value);
}

void memory_store_add(struct memory_store *m, const char *table, const char *key,
                      struct aiex_slice value)
{
    row_set(m, row_make(m, table, key), value);
}

/* ---- Requests ---- */

static void text_field(struct aiex_slice body, const char *key, char *out, size_t size)
{
    struct aiex_slice s = {NULL, 0};

    aiex_get_bytes(body, key, &s);
    copy_text(out, size, s);
}

static int next_map(struct aiex_slice *at, struct aiex_slice *ret)
{
    *ret = *at;
    if (aiex_r_skip(at) != 0)
        return 0;
    ret->len -= at->len;
    return 1;
}

static int refuse(struct end *end, const char *code, const char *key, int64_t value,
                  const char *text)
{
    end->code = code;
    snprintf(end->text, sizeof(end->text), "%s", text);
    aiex_w_map(&end->w, 1);
    aiex_w_key_int(&end->w, key, value);
    return -1;
}

static int check_conditions(struct memory_store *m, struct aiex_slice body, struct end *end)
{
    char table[64], key[80];
    struct aiex_value v;
    struct aiex_slice one;

    if (aiex_get(body, "conditions", &v) != 1)
        return 0;
    for (uint32_t i = 0; i < v.count && next_map(&v.bytes, &one); i++) {
        int64_t version = -1;
        const struct row *r;

        text_field(one, "table", table, sizeof(table));
        text_field(one, "key", key, sizeof(key));
        aiex_get_int(one, "version", &version);
        r = row_of(m, table, key);
        if ((r ? r->version : 0) != version)
            return refuse(end, AIEX_E_CONFLICT, "failed", i, "a condition does not hold");
    }
    return 0;
}

/* 1 = all known, 0 = none, -1 refused. */
static int check_append(struct memory_store *m, struct aiex_slice op, struct end *end)
{
    char name[80], id[80];
    const struct stream *s, *other = NULL;
    int64_t expected = -1;
    struct aiex_value v;
    struct aiex_slice one;
    uint32_t known = 0, n;

    text_field(op, "stream", name, sizeof(name));
    aiex_get_int(op, "expected", &expected);
    s = stream_of(m, name);
    if (aiex_get(op, "events", &v) != 1 || !v.count)
        return refuse(end, AIEX_E_INVALID, "failed", 0, "no events");
    n = v.count;
    for (uint32_t i = 0; i < n && next_map(&v.bytes, &one); i++) {
        text_field(one, "id", id, sizeof(id));
        if (strlen(id) > 64)
            return refuse(end, AIEX_E_INVALID, "failed", 0, "an id of more than 64 bytes");
        if (event_with_id(m, id, &other)) {
            known++;
            if (other != s)
                return refuse(end, AIEX_E_CONFLICT, "version", 0, "an id of another stream");
        }
    }
    if (known == n)
        return 1;
    if (known)
        return refuse(end, AIEX_E_CONFLICT, "failed", 1, "some of the events are stored already");
    if (expected >= 0 && expected != (s ? s->version : 0))
        return refuse(end, AIEX_E_CONFLICT, "version", s ? s->version : 0,
                      "the stream has another version");
    return 0;
}

static int is_op(struct aiex_slice op, const char *kind)
{
    struct aiex_slice s = {NULL, 0};

    return aiex_get_str(op, "op", &s) == 1 && aiex_slice_is(s, kind);
}

static void add_events(struct memory_store *m, const char *stream, struct aiex_slice op)
{
    struct stream *s = stream_make(m, stream);
    struct aiex_value v;
    struct aiex_slice one;

    if (aiex_get(op, "events", &v) != 1)
        abort();
    for (uint32_t i = 0; i < v.count && next_map(&v.bytes, &one); i++)
        add_event(m, s, one);
}

static void apply(struct memory_store *m, struct aiex_slice op)
{
    char table[64], key[80];
    struct aiex_slice value = {(const uint8_t *)"", 0};

    if (is_op(op, "append")) {
        text_field(op, "stream", key, sizeof(key));
        add_events(m, key, op);
        return;
    }
    text_field(op, "table", table, sizeof(table));
    text_field(op, "key", key, sizeof(key));
    aiex_get_bytes(op, "value", &value);
    memory_store_put(m, table, key, value);
}

static void transact(struct memory_store *m, struct aiex_slice body, struct end *end)
{
    struct aiex_value v;
    struct aiex_slice at, one;
    int known = 0;

    if (aiex_get(body, "operations", &v) != 1) {
        refuse(end, AIEX_E_INVALID, "failed", 0, "no operations");
        return;
    }
    at = v.bytes;
    for (uint32_t i = 0; i < v.count && next_map(&at, &one); i++)
        if (is_op(one, "append")) {
            int r = check_append(m, one, end);

            if (r < 0)
                return;
            known |= r;
        }
    if (!known && check_conditions(m, body, end) < 0)
        return;
    for (uint32_t i = 0; !known && i < v.count && next_map(&v.bytes, &one); i++)
        apply(m, one);
    aiex_w_map(&end->w, 2);
    aiex_w_key_int(&end->w, "version", m->transactions);
    aiex_w_key_bool(&end->w, "duplicate", known);
}

static void append(struct memory_store *m, struct aiex_slice body, struct end *end)
{
    int known = check_append(m, body, end);
    const struct stream *s;
    char name[80];

    if (known < 0)
        return;
    text_field(body, "stream", name, sizeof(name));
    if (!known)
        add_events(m, name, body);
    s = stream_of(m, name);
    aiex_w_map(&end->w, 3);
    aiex_w_key_int(&end->w, "version", s->version);
    aiex_w_key_int(&end->w, "sequence", s->events[s->n - 1].sequence);
    aiex_w_key_bool(&end->w, "duplicate", known);
}

static void get(struct memory_store *m, struct aiex_slice body, struct end *end)
{
    char table[64], key[80];
    const struct row *r;

    text_field(body, "table", table, sizeof(table));
    text_field(body, "key", key, sizeof(key));
    r = row_of(m, table, key);
    aiex_w_map(&end->w, r ? 3 : 1);
    aiex_w_key_bool(&end->w, "found", r != NULL);
    if (!r)
        return;
    aiex_w_key_bin(&end->w, "value", r->value, r->len);
    aiex_w_key_int(&end->w, "version", r->version);
}

/* ---- Reads that stream ---- */

struct reading {
    struct aiex_fake_host *h;
    uint64_t call;
    struct aiex_writer part;
    uint8_t *mem;
    uint32_t n, total;
    size_t size;
};

static void flush(struct reading *r)
{
    uint8_t *whole = must(malloc(r->part.len + 5));
    struct aiex_writer w;

    aiex_writer_init(&w, whole, r->part.len + 5);
    aiex_w_array(&w, r->n);
    aiex_w_raw(&w, r->mem, r->part.len);
    if (r->n)
        aiex_fake_answer_part(r->h, r->call, aiex_written(&w));
    free(whole);
    r->n = 0;
    aiex_writer_init(&r->part, r->mem, r->size);
}

static void make_room(struct reading *r, size_t bytes)
{
    if (r->part.len + bytes <= r->size && r->n < 100)
        return;
    if (r->n)
        flush(r);
    if (bytes > r->size) {
        r->size = bytes;
        r->mem = must(realloc(r->mem, r->size));
    }
    aiex_writer_init(&r->part, r->mem, r->size);
}

static void put_event(struct reading *r, const struct stream *s, const struct event *e)
{
    struct aiex_slice at = {e->map, e->len};
    struct aiex_value v;

    make_room(r, e->len + 200);
    if (aiex_r_value(&at, &v) != 0)
        abort();
    aiex_w_map(&r->part, v.count + 3);
    aiex_w_key_str(&r->part, "stream", s->name);
    aiex_w_key_int(&r->part, "version", e->version);
    aiex_w_key_int(&r->part, "sequence", e->sequence);
    aiex_w_raw(&r->part, at.data, at.len);
    r->n++;
    r->total++;
}

static void read_stream(struct memory_store *m, struct aiex_slice body, struct reading *r,
                        struct end *end)
{
    char name[80];
    int64_t from = 0, limit = 0;
    int backwards = 0;
    const struct stream *s;

    text_field(body, "stream", name, sizeof(name));
    aiex_get_int(body, "from", &from);
    aiex_get_int(body, "limit", &limit);
    aiex_get_bool(body, "backwards", &backwards);
    s = stream_of(m, name);
    for (size_t i = 0; s && i < s->n && (!limit || r->total < limit); i++) {
        const struct event *e = &s->events[backwards ? s->n - 1 - i : i];

        if (backwards ? (from && e->version > from) : e->version < from)
            continue;
        put_event(r, s, e);
    }
    aiex_w_map(&end->w, 2);
    aiex_w_key_int(&end->w, "events", r->total);
    aiex_w_key_bool(&end->w, "end", !limit || r->total < limit);
}

static int by_order(const void *a, const void *b)
{
    return strcmp(((const struct sorted *)a)->order, ((const struct sorted *)b)->order);
}

/* Rows that have an `order`, as the index would have them. */
static void sort(struct memory_store *m, const char *table)
{
    if (!m->changed)
        return;
    m->changed = 0;
    m->n_sorted = 0;
    m->sorted = must(realloc(m->sorted, (m->n_rows + 1) * sizeof(*m->sorted)));
    for (size_t i = 0; i < m->n_rows; i++) {
        const struct row *row = &m->rows[i];
        struct sorted *one = &m->sorted[m->n_sorted];

        one->at = i;
        text_field((struct aiex_slice){row->value, row->len}, "order", one->order,
                   sizeof(one->order));
        m->n_sorted += strcmp(row->table, table) == 0 && one->order[0];
    }
    qsort(m->sorted, m->n_sorted, sizeof(*m->sorted), by_order);
}

static void put_row(struct reading *r, const struct row *row)
{
    make_room(r, row->len + 200);
    aiex_w_map(&r->part, 3);
    aiex_w_key_bin(&r->part, "key", row->key, strlen(row->key));
    aiex_w_key_bin(&r->part, "value", row->value, row->len);
    aiex_w_key_int(&r->part, "version", row->version);
    r->n++;
    r->total++;
}

static void read_range(struct memory_store *m, struct aiex_slice body, struct reading *r,
                       struct end *end)
{
    char table[64], from[80], to[80];
    int64_t limit = 0;
    int backwards = 0;
    size_t i;

    text_field(body, "table", table, sizeof(table));
    text_field(body, "from", from, sizeof(from));
    text_field(body, "to", to, sizeof(to));
    aiex_get_int(body, "limit", &limit);
    aiex_get_bool(body, "backwards", &backwards);
    sort(m, table);
    for (i = 0; i < m->n_sorted && (!limit || r->total < limit); i++) {
        const struct sorted *one = &m->sorted[backwards ? m->n_sorted - 1 - i : i];

        if (strcmp(one->order, from) >= 0 && strcmp(one->order, to) < 0)
            put_row(r, &m->rows[one->at]);
    }
    aiex_w_map(&end->w, 2);
    aiex_w_key_int(&end->w, "rows", r->total);
    aiex_w_key_bool(&end->w, "end", i == m->n_sorted);
}

static void compact(struct memory_store *m, struct aiex_slice body, struct end *end)
{
    char name[80];
    int64_t keep = 0;
    struct stream *s;
    size_t kept = 0;

    text_field(body, "stream", name, sizeof(name));
    aiex_get_int(body, "keep_from", &keep);
    s = stream_of(m, name);
    for (size_t i = 0; s && i < s->n; i++) {
        if (s->events[i].version >= keep)
            s->events[kept++] = s->events[i];
        else
            free(s->events[i].map);
    }
    if (s)
        s->n = kept;
    aiex_w_map(&end->w, 0);
}

/* ---- Calls ---- */

void memory_store_forget(struct memory_store *m, const char *stream, long long version)
{
    struct stream *s = stream_of(m, stream);

    while (s && s->n && s->events[s->n - 1].version > version)
        free(s->events[--s->n].map);
    if (s && s->version > version)
        s->version = version;
}

void memory_store_append(struct memory_store *m, const char *stream, const char *id,
                         const char *type)
{
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", type);
    aiex_w_key_bin(&w, "data", "\x80", 1);
    add_event(m, stream_make(m, stream), aiex_written(&w));
}

int memory_store_event(const struct memory_store *m, const char *stream, unsigned n,
                       struct aiex_slice *ret_map)
{
    const struct stream *s = stream_of(m, stream);

    if (!s || n >= s->n)
        return 0;
    *ret_map = (struct aiex_slice){s->events[n].map, s->events[n].len};
    return 1;
}

void memory_store_fail(struct memory_store *m, const char *method, unsigned skip, unsigned times,
                       const char *code, enum when when)
{
    m->fault = (struct fault){.skip = skip, .times = times, .when = when};
    snprintf(m->fault.method, sizeof(m->fault.method), "%s", method ? method : "");
    snprintf(m->fault.code, sizeof(m->fault.code), "%s", code ? code : "");
}

void memory_store_elsewhere(struct memory_store *m, const char *service)
{
    snprintf(m->elsewhere, sizeof(m->elsewhere), "%s", service);
}

void memory_store_heal(struct memory_store *m)
{
    m->fault.times = 0;
}

unsigned memory_store_calls(const struct memory_store *m, const char *method)
{
    for (size_t i = 0; i < 16; i++)
        if (strcmp(m->calls[i].method, method) == 0)
            return m->calls[i].n;
    return 0;
}

static void count_call(struct memory_store *m, const char *method)
{
    size_t i = 0;

    while (m->calls[i].method[0] && strcmp(m->calls[i].method, method) != 0)
        i++;
    snprintf(m->calls[i].method, sizeof(m->calls[i].method), "%s", method);
    m->calls[i].n++;
}

static int fault_now(struct memory_store *m, const char *method)
{
    struct fault *f = &m->fault;

    if (!f->times || (f->method[0] && strcmp(f->method, method) != 0))
        return 0;
    if (f->skip) {
        f->skip--;
        return 0;
    }
    f->times--;
    return 1;
}

static void perform(struct memory_store *m, const char *method, struct aiex_slice body,
                    struct reading *r, struct end *end)
{
    if (strcmp(method, "store.transact") == 0)
        transact(m, body, end);
    else if (strcmp(method, "store.append") == 0)
        append(m, body, end);
    else if (strcmp(method, "store.get") == 0)
        get(m, body, end);
    else if (strcmp(method, "store.read") == 0)
        read_stream(m, body, r, end);
    else if (strcmp(method, "store.range") == 0)
        read_range(m, body, r, end);
    else if (strcmp(method, "store.compact") == 0)
        compact(m, body, end);
    else if (strcmp(method, "store.define") == 0)
        aiex_w_map(&end->w, 0);
    else
        end->code = AIEX_E_NOT_FOUND;
}

int memory_store_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    struct memory_store *m = arg;
    struct reading r = {.h = h, .call = call->id, .size = 64 << 10};
    struct end end = {.mem = NULL};
    enum when when = m->fault.when;
    int fault;

    if (strcmp(call->service, m->elsewhere) == 0)
        return 0;
    fault = fault_now(m, call->name);
    end.mem = must(malloc(64 << 10));
    count_call(m, call->name);
    r.mem = must(malloc(r.size));
    aiex_writer_init(&r.part, r.mem, r.size);
    aiex_writer_init(&end.w, end.mem, 64 << 10);
    if (!fault || when == DONE)
        perform(m, call->name, call->body, &r, &end);
    if (fault && when != HANGS)
        aiex_fake_answer_error(h, call->id, m->fault.code, "as the test wanted", 0,
                               (struct aiex_slice){NULL, 0});
    if (!fault) {
        flush(&r);
        if (end.code)
            aiex_fake_answer_error(h, call->id, end.code, end.text, 0, aiex_written(&end.w));
        else
            aiex_fake_answer_ok(h, call->id, aiex_written(&end.w));
    }
    free(r.mem);
    free(end.mem);
    return 0;
}
