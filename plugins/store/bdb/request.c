/*
 * request.c - bodies of requests become writes. On the loop; the body is copied once, everything
 * else points into the copy. What is wrong is refused here, with the field and what it should be.
 */
#include "store.h"

#include <aiex/aiex_pack.h>
#include <stdarg.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SET_SLOTS 2048u /* for MAX_EVENTS ids */

struct parse {
    struct store *s;
    struct aiex_error *err;
    size_t max_event;
    uint32_t n_events; /* of all operations */
    uint16_t seen[SET_SLOTS];
    const struct event *events[MAX_EVENTS]; /* by number in `seen`, minus one */
};

/* ---- Life ---- */

struct write *write_new(const struct write_kind *kind, uint64_t id, struct aiex_slice body)
{
    struct write *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->kind = kind;
    w->id = id;
    w->level = SYNCED;
    w->epoch = -1;
    w->failed = w->actual = -1;
    w->bytes = sizeof(*w) + body.len;
    w->body = malloc(body.len + 1);
    if (!w->body) {
        free(w);
        return NULL;
    }
    if (body.len)
        memcpy(w->body, body.data, body.len);
    return w;
}

void write_free(struct write *w)
{
    for (uint32_t i = 0; i < w->n_ops; i++)
        free(w->ops[i].events);
    free(w->ops);
    free(w->conditions);
    free(w->arg);
    free(w->body);
    free(w);
}

void write_submit(struct store *s, struct write *w)
{
    char why[320];

    if (s->draining)
        refuse(w, AIEX_E_UNAVAILABLE, "the store is closing");
    else if (!state_writes(&s->state, why, sizeof(why)) && w->kind != &accept_kind && !w->kind->run)
        refuse(w, state_now(&s->state) == FAILED ? AIEX_E_UNAVAILABLE : AIEX_E_READ_ONLY, "%s",
               why);
    else if (writer_put(s, w) == 0) {
        atomic_fetch_add(&s->writes, 1);
        return;
    } else
        refuse(w, AIEX_E_BUSY, "%u writes wait already", QUEUE_WRITES);
    if (w->kind->answer)
        w->kind->answer(s, w);
    write_free(w);
}

void write_refused(struct store *s, struct write *w)
{
    uint8_t mem[128];
    struct aiex_writer out;

    if (!w->id)
        return;
    aiex_writer_init(&out, mem, sizeof(mem));
    aiex_w_map(&out, (w->actual >= 0) + (w->failed >= 0) + (w->unknown != 0));
    if (w->actual >= 0)
        aiex_w_key_int(&out, "version", w->actual);
    if (w->failed >= 0)
        aiex_w_key_int(&out, "failed", w->failed);
    if (w->unknown)
        aiex_w_key_bool(&out, "unknown", 1);
    s->host->fail(s->host, w->id, w->code, w->text, strcmp(w->code, AIEX_E_BUSY) == 0 ? 50 : 0,
                  aiex_written(&out));
}

/* ---- Fields ---- */

static int wrong(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct parse *p, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(p->err->text, sizeof(p->err->text), format, args);
    va_end(args);
    return -EINVAL;
}

/* Names have no control characters: they are parts of keys and of log lines. */
static int is_name(struct aiex_slice s, size_t max)
{
    if (!s.len || s.len > max)
        return 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 32)
            return 0;
    return 1;
}

static int name_field(struct parse *p, struct aiex_slice map, const char *key, size_t max,
                      int required, struct aiex_slice *out)
{
    int r = aiex_get_str(map, key, out);

    if (r == 0 && !required)
        return 0;
    if (r == 1 && ((!required && !out->len) || is_name(*out, max)))
        return 0;
    return wrong(p, "field '%s' must be text of 1 to %zu bytes without control characters", key,
                 max);
}

/* ---- Events ---- */

static uint32_t hash_id(struct aiex_slice id)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < id.len; i++)
        h = (h ^ id.data[i]) * 16777619u;
    return h;
}

static int check_twice(struct parse *p, const struct event *e)
{
    for (uint32_t at = hash_id(e->id);; at++) {
        uint16_t *slot = &p->seen[at % SET_SLOTS];

        if (!*slot) {
            p->events[p->n_events - 1] = e;
            *slot = (uint16_t)p->n_events;
            return 0;
        }
        if (p->events[*slot - 1]->id.len == e->id.len &&
            memcmp(p->events[*slot - 1]->id.data, e->id.data, e->id.len) == 0)
            return wrong(p, "event id '%.*s' comes twice in one request", (int)e->id.len,
                         (const char *)e->id.data);
    }
}

static int take_field(struct event *e, struct aiex_slice key, const struct aiex_value *v,
                      struct aiex_slice whole)
{
    int is_text = v->type == AIEX_T_STR, is_bytes = is_text || v->type == AIEX_T_BIN;

    if (v->type == AIEX_T_NIL)
        return 1;
    if (aiex_slice_is(key, "id"))
        return is_text ? (e->id = v->bytes, 1) : 0;
    if (aiex_slice_is(key, "type"))
        return is_text ? (e->type = v->bytes, 1) : 0;
    if (aiex_slice_is(key, "data"))
        return is_bytes ? (e->data = v->bytes, e->has_data = 1) : 0;
    if (aiex_slice_is(key, "time"))
        return v->type == AIEX_T_INT && v->i >= 0 ? (e->time = v->i, 1) : 0;
    if (aiex_slice_is(key, "correlation"))
        return is_text ? (e->correlation = v->bytes, 1) : 0;
    if (aiex_slice_is(key, "causation"))
        return is_text ? (e->causation = v->bytes, 1) : 0;
    if (aiex_slice_is(key, "meta"))
        return v->type == AIEX_T_MAP ? (e->meta = whole, 1) : 0;
    return 1;
}

static int check_event(struct parse *p, const struct event *e)
{
    size_t bytes = e->data.len + e->meta.len;

    if (!is_name(e->id, MAX_ID))
        return wrong(p, "event %u: 'id' must be text of 1 to %u bytes", p->n_events, MAX_ID);
    if (!is_name(e->type, MAX_TYPE))
        return wrong(p, "event %u: 'type' must be text of 1 to %u bytes", p->n_events, MAX_TYPE);
    if ((e->correlation.len && !is_name(e->correlation, MAX_CORRELATION)) ||
        (e->causation.len && !is_name(e->causation, MAX_CORRELATION)))
        return wrong(p, "event %u: 'correlation' and 'causation' have at most %u bytes",
                     p->n_events, MAX_CORRELATION);
    if (bytes > p->max_event || e->meta.len > MAX_META)
        return wrong(p,
                     "event %u: %zu bytes of data and meta; max_event is %zu bytes, meta at most "
                     "%u; keep large things elsewhere",
                     p->n_events, bytes, p->max_event, MAX_META);
    return check_twice(p, e);
}

static int event_parse(struct parse *p, struct aiex_slice *at, struct event *e)
{
    struct aiex_value map, key, v;

    p->n_events++;
    if (aiex_r_value(at, &map) != 0 || map.type != AIEX_T_MAP)
        return wrong(p, "event %u is no map", p->n_events);
    for (uint32_t i = 0; i < map.count; i++) {
        struct aiex_slice start, head;

        if (aiex_r_value(at, &key) != 0 || key.type != AIEX_T_STR)
            return wrong(p, "event %u: a key is no text", p->n_events);
        start = head = *at;
        if (aiex_r_value(&head, &v) != 0 || aiex_r_skip(at) != 0)
            return wrong(p, "event %u is cut or nested too deep", p->n_events);
        start.len -= at->len;
        if (!take_field(e, key.bytes, &v, start))
            return wrong(p, "event %u: '%.*s' has the wrong type", p->n_events,
                         (int)(key.bytes.len > 40 ? 40 : key.bytes.len),
                         (const char *)key.bytes.data);
    }
    return check_event(p, e);
}

static int events_parse(struct parse *p, struct aiex_slice map, struct op *op)
{
    struct aiex_value v;
    int r = aiex_get(map, "events", &v);

    if (r != 1 || v.type != AIEX_T_ARRAY || !v.count || v.count + p->n_events > MAX_EVENTS)
        return wrong(p, "field 'events' must be an array of 1 to %u events in one request",
                     MAX_EVENTS);
    op->events = calloc(v.count, sizeof(*op->events));
    if (!op->events)
        return -ENOMEM;
    op->n_events = v.count;
    r = 0;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        op->events[i].time = -1;
        r = event_parse(p, &v.bytes, &op->events[i]);
        if (op->events[i].time < 0)
            op->events[i].time = wall_ms();
    }
    return r;
}

/* ---- Operations and conditions ---- */

static int append_parse(struct parse *p, struct aiex_slice map, struct op *op)
{
    int r = name_field(p, map, "stream", MAX_STREAM, 1, &op->stream);

    op->kind = OP_APPEND;
    op->expected = -1;
    if (r == 0 && (aiex_get_int(map, "expected", &op->expected) < 0 || op->expected < -2))
        r = wrong(p, "field 'expected' must be -1 (any), -2 (exists), 0 (does not exist) or a "
                     "version");
    return r ? r : events_parse(p, map, op);
}

static int key_field(struct parse *p, struct aiex_slice map, struct aiex_slice *table,
                     struct aiex_slice *key)
{
    int r = name_field(p, map, "table", MAX_TABLE, 1, table);

    if (r == 0 && (aiex_get_bytes(map, "key", key) != 1 || !key->len || key->len > MAX_KEY))
        r = wrong(p, "field 'key' must have 1 to %u bytes", MAX_KEY);
    return r;
}

static int row_parse(struct parse *p, struct aiex_slice map, struct op *op)
{
    int r = key_field(p, map, &op->table, &op->key);

    if (r == 0 && op->kind == OP_PUT &&
        (aiex_get_bytes(map, "value", &op->value) < 0 || op->value.len > MAX_VALUE))
        r = wrong(p, "field 'value' must have at most %u bytes", MAX_VALUE);
    if (r == 0 && (aiex_get_int(map, "ttl_ms", &op->ttl_ms) < 0 || op->ttl_ms < 0 ||
                   op->ttl_ms > (int64_t)1 << 48))
        r = wrong(p, "field 'ttl_ms' must be a number of milliseconds, 0 = for ever");
    return r;
}

static int op_parse(struct parse *p, struct aiex_slice map, struct op *op)
{
    struct aiex_slice kind = {NULL, 0};

    if (aiex_get_str(map, "op", &kind) < 0)
        return wrong(p, "field 'op' must be text");
    if (aiex_slice_is(kind, "append"))
        return append_parse(p, map, op);
    op->kind = aiex_slice_is(kind, "put") ? OP_PUT : OP_DELETE;
    if (op->kind == OP_DELETE && !aiex_slice_is(kind, "delete"))
        return wrong(p, "op '%.*s' is none of put, delete, append",
                     (int)(kind.len > 40 ? 40 : kind.len), (const char *)kind.data);
    return row_parse(p, map, op);
}

static int condition_parse(struct parse *p, struct aiex_slice map, struct condition *c)
{
    int r = key_field(p, map, &c->table, &c->key);

    if (r == 0 && (aiex_get_int(map, "version", &c->version) != 1 || c->version < 0))
        r = wrong(p, "a condition's 'version' must be 0 (no such row) or a row's version");
    return r;
}

/* The maps of an array one by one. */
static int next_map(struct parse *p, struct aiex_slice *at, const char *what,
                    struct aiex_slice *ret)
{
    struct aiex_slice start = *at, head = *at;
    struct aiex_value v;

    if (aiex_r_value(&head, &v) != 0 || v.type != AIEX_T_MAP || aiex_r_skip(at) != 0)
        return wrong(p, "an item of '%s' is no map", what);
    *ret = start;
    ret->len -= at->len;
    return 0;
}

static int array_field(struct parse *p, struct aiex_slice map, const char *key, uint32_t max,
                       struct aiex_value *v)
{
    int r = aiex_get(map, key, v);

    if (r == 0 || (r == 1 && v->type == AIEX_T_NIL)) {
        v->count = 0;
        return 0;
    }
    if (r != 1 || v->type != AIEX_T_ARRAY || v->count > max)
        return wrong(p, "field '%s' must be an array of at most %u maps", key, max);
    return 0;
}

static int conditions_parse(struct parse *p, struct aiex_slice map, struct write *w)
{
    struct aiex_value v;
    struct aiex_slice one = {NULL, 0};
    int r = array_field(p, map, "conditions", MAX_OPS, &v);

    if (r < 0 || !v.count)
        return r;
    w->conditions = calloc(v.count, sizeof(*w->conditions));
    if (!w->conditions)
        return -ENOMEM;
    w->n_conditions = v.count;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        r = next_map(p, &v.bytes, "conditions", &one);
        r = r ? r : condition_parse(p, one, &w->conditions[i]);
    }
    return r;
}

static int ops_parse(struct parse *p, struct aiex_slice map, struct write *w)
{
    struct aiex_value v;
    struct aiex_slice one = {NULL, 0};
    int r = array_field(p, map, "operations", MAX_OPS, &v);

    if (r == 0 && !v.count)
        return wrong(p, "field 'operations' must have 1 to %u operations", MAX_OPS);
    if (r == 0)
        w->ops = calloc(v.count, sizeof(*w->ops));
    if (r < 0 || !w->ops)
        return r ? r : -ENOMEM;
    w->n_ops = v.count;
    for (uint32_t i = 0; i < v.count && r == 0; i++) {
        r = next_map(p, &v.bytes, "operations", &one);
        r = r ? r : op_parse(p, one, &w->ops[i]);
    }
    return r;
}

static int level_parse(struct parse *p, struct aiex_slice map, struct write *w)
{
    char level[17] = "synced";

    if (aiex_get_text(map, "level", level, sizeof(level)) < 0)
        return wrong(p, "field 'level' must be applied, written or synced");
    if (strcmp(level, "quorum") == 0)
        return wrong(p, "level 'quorum': this store has no replicas; ask for synced");
    w->level = strcmp(level, "applied") == 0   ? APPLIED
               : strcmp(level, "written") == 0 ? WRITTEN
                                               : SYNCED;
    if (w->level == SYNCED && strcmp(level, "synced") != 0)
        return wrong(p, "level '%s' is none of applied, written, synced", level);
    if (aiex_get_int(map, "epoch", &w->epoch) < 0 || w->epoch < -1)
        return wrong(p, "field 'epoch' must be a number from 0 on");
    return name_field(p, map, "owner", MAX_ID, 0, &w->owner);
}

/* ---- Methods ---- */

static struct write *begin(struct store *s, const struct aiex_message *m,
                           const struct write_kind *kind)
{
    struct write *w = write_new(kind, m->id, m->body);

    if (!w)
        aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    return w;
}

static const char *code_of(int r)
{
    return r == -ENOMEM ? AIEX_E_BUSY : r == -EACCES ? AIEX_E_DENIED : AIEX_E_INVALID;
}

/* `r`: what the parser said. */
static int submit(struct store *s, const struct aiex_message *m, struct write *w, int r,
                  struct aiex_error *err)
{
    r = r ? r : write_deny(s, m, w, err);
    if (r == 0) {
        write_submit(s, w);
        return 0;
    }
    aiex_refuse(s->host, w->id, code_of(r), "%s",
                r == -ENOMEM ? "no memory for the request" : err->text);
    write_free(w);
    return 0;
}

static int with_events(struct store *s, const struct aiex_message *m, const struct write_kind *kind)
{
    struct aiex_error err = {""};
    struct parse p = {.s = s, .err = &err, .max_event = (size_t)s->config.max_event};
    struct write *w = begin(s, m, kind);
    struct aiex_slice body = {w ? w->body : NULL, m->body.len};
    int r;

    if (!w)
        return 0;
    r = level_parse(&p, body, w);
    if (r == 0 && kind == &append_kind) {
        w->ops = calloc(1, sizeof(*w->ops));
        w->n_ops = w->ops != NULL;
        r = w->ops ? append_parse(&p, body, w->ops) : -ENOMEM;
    } else if (r == 0) {
        r = name_field(&p, body, "id", MAX_ID, 0, &w->transaction);
        r = r ? r : conditions_parse(&p, body, w);
        r = r ? r : ops_parse(&p, body, w);
    }
    w->events = p.n_events;
    w->bytes += p.n_events * sizeof(struct event) + w->n_ops * sizeof(struct op);
    return submit(s, m, w, r, &err);
}

int append_take(void *self, const struct aiex_message *m)
{
    return with_events(self, m, &append_kind);
}

int transact_take(void *self, const struct aiex_message *m)
{
    return with_events(self, m, &transact_kind);
}

static int index_parse(struct parse *p, struct aiex_slice map, struct table *t)
{
    struct index *x = &t->indexes[t->n_indexes++];
    struct aiex_slice name = {NULL, 0}, field = {NULL, 0}, type = {NULL, 0};
    int r = name_field(p, map, "name", MAX_TABLE, 1, &name);

    r = r ? r : name_field(p, map, "field", MAX_TABLE, 1, &field);
    if (r < 0)
        return r;
    memcpy(x->name, name.data, name.len);
    memcpy(x->field, field.data, field.len);
    for (uint32_t i = 0; i + 1 < t->n_indexes; i++)
        if (strcmp(t->indexes[i].name, x->name) == 0)
            return wrong(p, "index '%s' is defined twice", x->name);
    if (aiex_get_str(map, "type", &type) < 0)
        type.len = 0;
    for (x->type = 0; x->type < N_FIELD_TYPES; x->type++)
        if (aiex_slice_is(type, field_type_name(x->type)))
            return 0;
    return wrong(p, "index '%s': 'type' is none of str, int, bin", x->name);
}

static int table_parse(struct parse *p, struct aiex_slice body, struct table *t)
{
    struct aiex_slice name = {NULL, 0}, one = {NULL, 0};
    struct aiex_value v;
    int r = name_field(p, body, "table", MAX_TABLE, 1, &name);

    if (r == 0) {
        memcpy(t->name, name.data, name.len);
        r = array_field(p, body, "indexes", MAX_INDEXES, &v);
    }
    for (uint32_t i = 0; r == 0 && i < v.count; i++) {
        r = next_map(p, &v.bytes, "indexes", &one);
        r = r ? r : index_parse(p, one, t);
    }
    return r;
}

int define_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct aiex_error err = {""};
    struct parse p = {.s = s, .err = &err};
    struct write *w = begin(s, m, &define_kind);
    int r;

    if (!w)
        return 0;
    w->arg = calloc(1, sizeof(struct table));
    r = w->arg ? table_parse(&p, m->body, w->arg) : -ENOMEM;
    return submit(s, m, w, r, &err);
}

/* a, b: versions from and to; c: close the stream. */
static int take_erase(struct store *s, const struct aiex_message *m, int compact)
{
    struct aiex_error err = {""};
    struct parse p = {.s = s, .err = &err};
    struct write *w = begin(s, m, &erase_kind);
    struct aiex_slice body = {w ? w->body : NULL, m->body.len};
    int64_t from = 1, to = INT64_MAX;
    int r, close = 0;

    if (!w)
        return 0;
    w->ops = calloc(1, sizeof(*w->ops));
    w->n_ops = w->ops != NULL;
    r = w->ops ? name_field(&p, body, "stream", MAX_STREAM, 1, &w->ops->stream) : -ENOMEM;
    if (r == 0 && compact) {
        if (aiex_get_int(body, "keep_from", &to) != 1 || to-- < 1)
            r = wrong(&p, "field 'keep_from' must be a version");
    } else if (r == 0 && (aiex_get_int(body, "from", &from) < 0 || from < 1 ||
                          aiex_get_int(body, "to", &to) < 0 || to < from ||
                          aiex_get_bool(body, "close", &close) < 0)) {
        r = wrong(&p, "'from' and 'to' must be versions in order, 'close' a bool");
    }
    w->a = (uint64_t)from;
    w->b = (uint64_t)to;
    w->c = (uint64_t)close;
    return submit(s, m, w, r, &err);
}

int compact_take(void *self, const struct aiex_message *m)
{
    return take_erase(self, m, 1);
}

int erase_take(void *self, const struct aiex_message *m)
{
    return take_erase(self, m, 0);
}

int accept_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct write *w = begin(s, m, &accept_kind);

    if (w)
        write_submit(s, w);
    return 0;
}

int freeze_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    int on = 1;

    if (aiex_get_bool(m->body, "on", &on) < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_INVALID, "field 'on' must be a bool");
    if (on)
        state_set(s, OPERATOR, "an operator stopped writing (store.freeze)");
    else
        state_clear(s, OPERATOR);
    return aiex_reply_done(s->host, m->id);
}
