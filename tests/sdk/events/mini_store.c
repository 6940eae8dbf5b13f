#include "mini_store.h"

#include <stdio.h>
#include <stdlib.h>

#define PART_EVENTS 3 /* few, so that answers have several parts */

static uint8_t memory[1 << 20];

struct mini_store *mini_new(struct aiex_fake_host *h)
{
    struct mini_store *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->h = h;
    return s;
}

void mini_free(struct mini_store *s)
{
    free(s);
}

void mini_host(struct mini_store *s, struct aiex_fake_host *h)
{
    s->h = h;
    s->seen_calls = s->seen_casts = 0;
}

static int64_t version_of(const struct mini_store *s, const char *stream)
{
    int64_t version = 0;

    for (size_t i = 0; i < s->n_events; i++)
        if (strcmp(s->events[i].stream, stream) == 0)
            version = s->events[i].version;
    return version;
}

static struct mini_event *put_event(struct mini_store *s, const char *stream)
{
    struct mini_event *e = &s->events[s->n_events];
    int64_t version = version_of(s, stream) + 1;

    if (s->n_events + 1 == sizeof(s->events) / sizeof(*s->events))
        abort();
    memset(e, 0, sizeof(*e));
    snprintf(e->stream, sizeof(e->stream), "%s", stream);
    e->version = version;
    e->sequence = (int64_t)++s->n_events;
    return e;
}

int64_t mini_append(struct mini_store *s, const char *stream, const char *type, const char *data)
{
    struct mini_event *e = put_event(s, stream);

    snprintf(e->id, sizeof(e->id), "m%zu", s->n_events);
    snprintf(e->type, sizeof(e->type), "%s", type);
    snprintf(e->data, sizeof(e->data), "%s", data);
    return e->version;
}

struct mini_row *mini_row(struct mini_store *s, const char *table, const void *key, size_t len)
{
    for (size_t i = 0; i < s->n_rows; i++)
        if (strcmp(s->rows[i].table, table) == 0 && s->rows[i].key_len == len &&
            memcmp(s->rows[i].key, key, len) == 0)
            return &s->rows[i];
    return NULL;
}

size_t mini_count(const struct mini_store *s, const char *stream)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_events; i++)
        n += strcmp(s->events[i].stream, stream) == 0;
    return n;
}

size_t mini_rows(const struct mini_store *s, const char *table)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n_rows; i++)
        n += strcmp(s->rows[i].table, table) == 0;
    return n;
}

/* ---- Answers ---- */

static void end(struct mini_store *s, uint64_t call, const struct aiex_writer *w)
{
    if (w->failed)
        abort();
    aiex_fake_answer_ok(s->h, call, aiex_written(w));
}

static void refuse(struct mini_store *s, uint64_t call, const char *code, const char *text,
                   int64_t version)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, version >= 0);
    if (version >= 0)
        aiex_w_key_int(&w, "version", version);
    aiex_fake_answer_error(s->h, call, code, text, 0, aiex_written(&w));
}

static size_t known(const struct mini_store *s, struct aiex_slice id)
{
    for (size_t i = 0; i < s->n_events; i++)
        if (aiex_slice_is(id, s->events[i].id))
            return i + 1;
    return 0;
}

static void copy(char *out, size_t size, struct aiex_slice text)
{
    if (text.len >= size)
        abort();
    memcpy(out, text.data, text.len);
    out[text.len] = 0;
}

static int64_t store_events(struct mini_store *s, struct aiex_slice body, const char *stream,
                            int *duplicate)
{
    struct aiex_slice at, field = {NULL, 0};
    struct aiex_value v;
    int64_t sequence = 0;

    if (aiex_get(body, "events", &v) != 1 || v.type != AIEX_T_ARRAY)
        abort();
    at = v.bytes;
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice map = at;
        struct mini_event *e;
        size_t was;

        aiex_r_skip(&at);
        map.len -= at.len;
        aiex_get_str(map, "id", &field);
        was = known(s, field);
        *duplicate = was != 0;
        e = was ? &s->events[was - 1] : put_event(s, stream);
        sequence = e->sequence;
        if (was)
            continue;
        copy(e->id, sizeof(e->id), field);
        aiex_get_str(map, "type", &field);
        copy(e->type, sizeof(e->type), field);
        field.len = 0;
        aiex_get_bytes(map, "data", &field);
        copy(e->data, sizeof(e->data), field);
    }
    return sequence;
}

/* Whether the first event is known already: the same request again. */
static int is_again(struct mini_store *s, struct aiex_slice body)
{
    struct aiex_slice id = {NULL, 0};
    struct aiex_value v;

    aiex_get(body, "events", &v);
    return aiex_get_str(v.bytes, "id", &id) == 1 && known(s, id);
}

static void append(struct mini_store *s, uint64_t call, struct aiex_slice body)
{
    char stream[64] = "";
    int64_t expected = -1, sequence;
    struct aiex_writer w;
    int duplicate = 0;

    s->appends++;
    if (s->before_append)
        s->before_append(s);
    aiex_get_text(body, "stream", stream, sizeof(stream));
    aiex_get_int(body, "expected", &expected);
    if (!is_again(s, body) && expected >= 0 && expected != version_of(s, stream)) {
        refuse(s, call, AIEX_E_CONFLICT, "another version", version_of(s, stream));
        return;
    }
    sequence = store_events(s, body, stream, &duplicate);
    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "version", s->events[sequence - 1].version);
    aiex_w_key_int(&w, "sequence", sequence);
    aiex_w_key_bool(&w, "duplicate", duplicate);
    end(s, call, &w);
}

static int passes(const struct mini_event *e, struct aiex_slice body, int64_t from)
{
    struct aiex_slice text = {NULL, 0};
    int one = aiex_get_str(body, "stream", &text) == 1;

    if (e->erased || (one && !aiex_slice_is(text, e->stream)) ||
        (one ? e->version : e->sequence) < from)
        return 0;
    return aiex_get_str(body, "type", &text) != 1 || aiex_slice_is(text, e->type);
}

static void write_event(struct aiex_writer *w, const struct mini_event *e)
{
    aiex_w_map(w, 7);
    aiex_w_key_str(w, "stream", e->stream);
    aiex_w_key_int(w, "version", e->version);
    aiex_w_key_int(w, "sequence", e->sequence);
    aiex_w_key_str(w, "id", e->id);
    aiex_w_key_str(w, "type", e->type);
    aiex_w_key_int(w, "time", 1);
    aiex_w_key_bin(w, "data", e->data, strlen(e->data));
}

static void send_part(struct mini_store *s, uint64_t call, const size_t *which, size_t n)
{
    struct aiex_writer w;

    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_array(&w, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        write_event(&w, &s->events[which[i]]);
    if (n)
        aiex_fake_answer_part(s->h, call, aiex_written(&w));
}

static void read_events(struct mini_store *s, uint64_t call, struct aiex_slice body)
{
    int64_t from = 1, limit = 0, shown = 0;
    size_t part[PART_EVENTS], n = 0;
    struct aiex_writer w;
    int whole = 1;

    s->reads++;
    aiex_get_int(body, "from", &from);
    aiex_get_int(body, "limit", &limit);
    s->last_from = from;
    for (size_t i = 0; i < s->n_events && whole; i++) {
        if (!passes(&s->events[i], body, from))
            continue;
        whole = !limit || shown < limit;
        if (!whole)
            break;
        part[n++] = i;
        shown++;
        if (n == PART_EVENTS) {
            send_part(s, call, part, n);
            n = 0;
        }
    }
    send_part(s, call, part, n);
    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "events", shown);
    aiex_w_key_bool(&w, "end", whole);
    aiex_w_key_uint(&w, "sequence", s->n_events);
    end(s, call, &w);
}

static struct mini_row *row_of(struct mini_store *s, struct aiex_slice map)
{
    struct aiex_slice key = {NULL, 0};
    char table[64] = "";

    aiex_get_text(map, "table", table, sizeof(table));
    aiex_get_bytes(map, "key", &key);
    return mini_row(s, table, key.data, key.len);
}

static void get(struct mini_store *s, uint64_t call, struct aiex_slice body)
{
    const struct mini_row *row = row_of(s, body);
    struct aiex_writer w;

    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_map(&w, row ? 3 : 1);
    aiex_w_key_bool(&w, "found", row != NULL);
    if (row) {
        aiex_w_key_bin(&w, "value", row->value, row->len);
        aiex_w_key_int(&w, "version", row->version);
    }
    end(s, call, &w);
}

static void operate(struct mini_store *s, struct aiex_slice op)
{
    struct aiex_slice kind = {NULL, 0}, key = {NULL, 0}, value = {NULL, 0};
    struct mini_row *row = row_of(s, op);

    aiex_get_str(op, "op", &kind);
    if (aiex_slice_is(kind, "delete")) {
        if (row)
            *row = s->rows[--s->n_rows];
        return;
    }
    if (!row)
        row = &s->rows[s->n_rows++];
    if (s->n_rows == sizeof(s->rows) / sizeof(*s->rows))
        abort();
    aiex_get_text(op, "table", row->table, sizeof(row->table));
    aiex_get_bytes(op, "key", &key);
    aiex_get_bytes(op, "value", &value);
    if (key.len > sizeof(row->key) || value.len > sizeof(row->value))
        abort();
    memcpy(row->key, key.data, key.len);
    row->key_len = key.len;
    memcpy(row->value, value.data, value.len);
    row->len = value.len;
    row->version = s->transactions;
}

typedef int (*item_fn)(struct mini_store *s, struct aiex_slice item);

static int holds(struct mini_store *s, struct aiex_slice item)
{
    const struct mini_row *row = row_of(s, item);
    int64_t version = 0;

    aiex_get_int(item, "version", &version);
    return version == (row ? row->version : 0);
}

static int do_operation(struct mini_store *s, struct aiex_slice item)
{
    operate(s, item);
    return 1;
}

static int each(struct mini_store *s, struct aiex_slice body, const char *key, item_fn fn)
{
    struct aiex_value v;
    struct aiex_slice at;
    int good = 1;

    if (aiex_get(body, key, &v) != 1)
        return 1;
    at = v.bytes;
    for (uint32_t i = 0; i < v.count && good; i++) {
        struct aiex_slice item = at;

        aiex_r_skip(&at);
        item.len -= at.len;
        good = fn(s, item);
    }
    return good;
}

static void transact(struct mini_store *s, uint64_t call, struct aiex_slice body)
{
    struct aiex_writer w;

    s->transacts++;
    if (!each(s, body, "conditions", holds)) {
        refuse(s, call, AIEX_E_CONFLICT, "a condition does not hold", -1);
        return;
    }
    s->transactions++;
    each(s, body, "operations", do_operation);
    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, "version", s->transactions);
    end(s, call, &w);
}

static void range(struct mini_store *s, uint64_t call, struct aiex_slice body)
{
    struct aiex_slice to = {NULL, 0};
    char table[64] = "";
    struct aiex_writer w;
    size_t which[512];
    uint32_t n = 0;

    aiex_get_text(body, "table", table, sizeof(table));
    aiex_get_bytes(body, "to", &to);
    for (size_t i = 0; i < s->n_rows && n < 5; i++)
        if (strcmp(s->rows[i].table, table) == 0 && s->rows[i].key_len >= to.len &&
            memcmp(s->rows[i].key, to.data, to.len) < 0)
            which[n++] = i;
    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_array(&w, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct mini_row *row = &s->rows[which[i]];

        aiex_w_map(&w, 2);
        aiex_w_key_bin(&w, "key", row->key, row->key_len);
        aiex_w_key_bin(&w, "value", row->value, row->len);
    }
    if (n)
        aiex_fake_answer_part(s->h, call, aiex_written(&w));
    aiex_writer_init(&w, memory, sizeof(memory));
    aiex_w_map(&w, 1);
    aiex_w_key_uint(&w, "rows", n);
    end(s, call, &w);
}

static const struct {
    const char *method;
    void (*serve)(struct mini_store *s, uint64_t call, struct aiex_slice body);
} methods[] = {
    {"store.append", append},     {"store.read", read_events}, {"store.get", get},
    {"store.transact", transact}, {"store.range", range},
};

/* ---- Faults ---- */

/* 1 when this call is to fail. */
static int is_faulty(struct mini_store *s, const char *method)
{
    struct mini_fault *f = &s->fault;

    if (!f->times || (f->method && strcmp(f->method, method) != 0))
        return 0;
    if (f->skip) {
        f->skip--;
        return 0;
    }
    f->times--;
    return 1;
}

static void serve(struct mini_store *s, const char *method, uint64_t call, struct aiex_slice body)
{
    int faulty = call && is_faulty(s, method);

    /* what is done although it fails is done for a call that nobody made */
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        if (strcmp(methods[i].method, method) == 0 && (!faulty || s->fault.done))
            methods[i].serve(s, faulty ? 0 : call, body);
    if (faulty)
        refuse(s, call, s->fault.code, "as the test wants", -1);
}

size_t mini_answer(struct mini_store *s, size_t max)
{
    const struct aiex_fake_record *r;
    size_t n = 0;

    while ((r = aiex_fake_nth(s->h, AIEX_FAKE_CAST, s->seen_casts)) != NULL) {
        s->seen_casts++;
        if (r->result == 0)
            serve(s, r->name, 0, r->body);
    }
    while (n < max && (r = aiex_fake_nth(s->h, AIEX_FAKE_CALL, s->seen_calls)) != NULL) {
        s->seen_calls++;
        if (r->result < 0)
            continue;
        n++;
        serve(s, r->name, r->id, r->body);
    }
    return n;
}

static struct aiex_host inline_host;
static struct mini_store *inline_store;

static int inline_call(const struct aiex_host *host, const struct aiex_request *r,
                       aiex_answer_fn fn, void *arg, uint64_t *ret_call)
{
    uint64_t call = 0;
    int failed = aiex_fake_host_table(inline_store->h)->call(host, r, fn, arg, &call);

    mini_answer(inline_store, 1000);
    *ret_call = call;
    return failed;
}

const struct aiex_host *mini_inline(struct mini_store *s)
{
    inline_store = s;
    inline_host = *aiex_fake_host_table(s->h);
    inline_host.call = inline_call;
    return &inline_host;
}

void mini_settle(struct mini_store *s)
{
    /* looks for new events go on for ever: quiet is when nothing is written any more */
    for (int quiet = 0, i = 0; quiet < 40 && i < 20000; i++) {
        size_t before = s->transacts + s->appends + s->n_rows;

        mini_answer(s, 1000);
        aiex_fake_advance(s->h, 50);
        quiet = s->transacts + s->appends + s->n_rows == before ? quiet + 1 : 0;
    }
}
