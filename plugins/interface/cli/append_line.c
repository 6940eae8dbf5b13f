/*
 * append_line.c - from a line of JSON to the body of a request. See append_line.h.
 *
 * The line is checked as a whole first; then each event is taken apart into slices of the line and
 * of one arena for undone escapes, which are never longer than the line. Only then is the
 * body written.
 */
#include "append_line.h"

#include "base64.h"
#include "json_in.h"
#include "reason.h"
#include "uuid7.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

/* One event as it stands in the line. */
struct given {
    struct aiex_slice type, data, correlation, causation, stream;
    struct aiex_slice meta; /* msgpack, owned */
    int64_t time, expected;
    int has_data, has_time, has_expect;
};

struct parse {
    const struct append_defaults *defaults;
    struct append_line *line;
    struct given *given;
    char *arena; /* what is free of it */
    uint32_t at; /* event, from 0 */
    int batch;
    struct aiex_error *err;
};

int append_expect(const char *text, int64_t *ret_expected)
{
    char *end;
    long long n;

    if (strcmp(text, "any") == 0)
        n = EXPECT_ANY;
    else if (strcmp(text, "none") == 0)
        n = 0;
    else if (strcmp(text, "exists") == 0)
        n = EXPECT_EXISTS;
    else {
        errno = 0;
        n = strtoll(text, &end, 10);
        if (errno || *end || *text < '0' || *text > '9')
            return -EINVAL;
    }
    *ret_expected = n;
    return 0;
}

void append_line_free(struct append_line *l)
{
    if (!l)
        return;
    free((void *)(uintptr_t)l->body.data);
    free(l->streams);
    free(l->events);
    free(l);
}

/* ---- Fields ---- */

static int wrong(struct parse *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct parse *p, const char *format, ...)
{
    char text[400];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!p->batch)
        return fail(p->err, -EINVAL, "%s", text);
    return fail(p->err, -EINVAL, "event %u: %s", p->at + 1, text);
}

enum key {
    KEY_ID,
    KEY_TYPE,
    KEY_DATA,
    KEY_DATA_BASE64,
    KEY_TIME,
    KEY_CORRELATION,
    KEY_CAUSATION,
    KEY_META,
    KEY_STREAM,
    KEY_EXPECT,
    N_KEYS
};

static const char *const keys[N_KEYS] = {"id",     "type",        "data",      "data_base64",
                                         "time",   "correlation", "causation", "meta",
                                         "stream", "expect"};

static int is_there(const struct aiex_json_field *f)
{
    return f->seen && f->value.type != AIEX_JSON_NULL;
}

static int take_text(struct parse *p, const struct aiex_json_field *f, struct aiex_slice *out)
{
    if (!is_there(f))
        return 0;
    if (f->value.type != AIEX_JSON_STRING)
        return wrong(p, "'%s' must be text", f->key);
    out->data = (uint8_t *)p->arena;
    out->len = aiex_json_unescape(f->value.data + 1, f->value.len - 2, p->arena);
    p->arena += out->len;
    return 0;
}

static int take_bytes(struct parse *p, const struct aiex_json_field *f, struct given *g)
{
    long n;
    int r = take_text(p, f, &g->data);

    if (r || !is_there(f))
        return r;
    if (g->has_data)
        return wrong(p, "'data' and 'data_base64' exclude each other");
    n = base64_read((const char *)g->data.data, g->data.len, (uint8_t *)(uintptr_t)g->data.data);
    if (n < 0)
        return wrong(p, "'data_base64' is not base64");
    g->data.len = (size_t)n;
    g->has_data = 1;
    return 0;
}

static int take_time(struct parse *p, const struct aiex_json_field *f, struct given *g)
{
    if (!is_there(f))
        return 0;
    g->has_time = 1;
    if (f->value.type == AIEX_JSON_NUMBER && aiex_json_int(&f->value, &g->time) == 0 &&
        g->time >= 0)
        return 0;
    return wrong(p, "'time' must be a whole number of milliseconds since 1970");
}

static int take_expect(struct parse *p, const struct aiex_json_field *f, struct given *g)
{
    char text[32];
    long n;

    if (!is_there(f) || !p->defaults->keeps_expect)
        return 0;
    g->has_expect = 1;
    if (f->value.type == AIEX_JSON_NUMBER && aiex_json_int(&f->value, &g->expected) == 0 &&
        g->expected >= 0)
        return 0;
    n = aiex_json_text(&f->value, text, sizeof(text));
    if (n > 0 && append_expect(text, &g->expected) == 0)
        return 0;
    return wrong(p, "'expect' must be any, none, exists or a version");
}

static int take_meta(struct parse *p, const struct aiex_json_field *f, struct given *g)
{
    struct aiex_error why;
    int r;

    if (!is_there(f))
        return 0;
    r = json_in(f->value.data, f->value.len, &g->meta, &why);
    return r == -EINVAL ? wrong(p, "'meta': %.300s", why.text) : r;
}

static int take_id(struct parse *p, const struct aiex_json_field *f)
{
    struct append_event *e = &p->line->events[p->at];
    struct aiex_slice id = {NULL, 0};
    int r = take_text(p, f, &id);

    if (r)
        return r;
    if (!is_there(f)) {
        uuid7_make(e->id);
        return 0;
    }
    if (!id.len || id.len > APPEND_ID || memchr(id.data, 0, id.len))
        return wrong(p, "'id' must be text of 1 to %d bytes", APPEND_ID);
    memcpy(e->id, id.data, id.len);
    return 0;
}

/* ---- Events ---- */

/* Most lines are of one stream; that of the event before is looked at first. */
static int place_event(struct parse *p, const struct given *g)
{
    struct append_line *l = p->line;
    struct aiex_slice name = g->stream;
    struct append_event *e = &l->events[p->at];
    uint32_t i = p->at ? l->events[p->at - 1].stream : 0;

    if (!name.len && p->defaults->stream) {
        name.data = (const uint8_t *)p->defaults->stream;
        name.len = strlen(p->defaults->stream);
    }
    if (!name.len || name.len > APPEND_STREAM || memchr(name.data, 0, name.len))
        return wrong(p, "'stream' must be text of 1 to %d bytes", APPEND_STREAM);
    if (i >= l->n_streams || !aiex_slice_is(name, l->streams[i].name))
        for (i = 0; i < l->n_streams && !aiex_slice_is(name, l->streams[i].name); i++)
            ;
    if (i < l->n_streams && g->has_expect)
        return wrong(p, "'expect' may stand in the first event of a stream only");
    if (i == l->n_streams) {
        memcpy(l->streams[i].name, name.data, name.len);
        l->streams[i].expected = g->has_expect ? g->expected : p->defaults->expected;
        l->n_streams++;
    }
    e->stream = i;
    e->place = l->streams[i].n_events++;
    return 0;
}

static int take_event(struct parse *p, const struct aiex_json_span *span)
{
    struct aiex_slice text = {(const uint8_t *)span->data, span->len};
    struct aiex_json_field f[N_KEYS] = {0};
    struct given *g = &p->given[p->at];
    int r = 0;

    for (size_t i = 0; i < N_KEYS; i++)
        f[i].key = keys[i];
    if (span->type != AIEX_JSON_OBJECT)
        return wrong(p, "an event must be an object, as in {\"type\": \"x\"}");
    aiex_json_scan(text, 0, f, N_KEYS, NULL);
    for (size_t i = 0; i < N_KEYS; i++)
        if (f[i].seen > 1)
            return wrong(p, "'%s' stands there twice", keys[i]);
    if (is_there(&f[KEY_DATA])) {
        g->data.data = (const uint8_t *)f[KEY_DATA].value.data;
        g->data.len = f[KEY_DATA].value.len;
        g->has_data = 1;
    }
    r = take_text(p, &f[KEY_TYPE], &g->type);
    if (r == 0 && !g->type.len)
        r = wrong(p, "'type' is missing");
    r = r ? r : take_id(p, &f[KEY_ID]);
    r = r ? r : take_bytes(p, &f[KEY_DATA_BASE64], g);
    r = r ? r : take_time(p, &f[KEY_TIME], g);
    r = r ? r : take_text(p, &f[KEY_CORRELATION], &g->correlation);
    r = r ? r : take_text(p, &f[KEY_CAUSATION], &g->causation);
    r = r ? r : take_meta(p, &f[KEY_META], g);
    r = r ? r : take_text(p, &f[KEY_STREAM], &g->stream);
    r = r ? r : take_expect(p, &f[KEY_EXPECT], g);
    return r ? r : place_event(p, g);
}

/* ---- The body ---- */

static void put_text(struct aiex_writer *w, const char *key, struct aiex_slice text)
{
    if (text.len)
        aiex_w_key_strn(w, key, (const char *)text.data, text.len);
}

static void put_event(struct aiex_writer *w, const struct given *g, const char *id)
{
    aiex_w_map(w, 2u + (g->has_data != 0) + (g->has_time != 0) + (g->correlation.len != 0) +
                      (g->causation.len != 0) + (g->meta.len != 0));
    aiex_w_key_str(w, "id", id);
    put_text(w, "type", g->type);
    if (g->has_time)
        aiex_w_key_int(w, "time", g->time);
    if (g->has_data)
        aiex_w_key_bin(w, "data", g->data.data, g->data.len);
    put_text(w, "correlation", g->correlation);
    put_text(w, "causation", g->causation);
    if (g->meta.len) {
        aiex_w_str(w, "meta");
        aiex_w_raw(w, g->meta.data, g->meta.len);
    }
}

/* Three pairs. */
static void put_stream(struct aiex_writer *w, const struct parse *p, uint32_t stream)
{
    const struct append_line *l = p->line;
    const struct append_stream *s = &l->streams[stream];

    aiex_w_key_str(w, "stream", s->name);
    aiex_w_key_int(w, "expected", s->expected);
    aiex_w_str(w, "events");
    aiex_w_array(w, s->n_events);
    for (uint32_t i = 0; i < l->n_events; i++)
        if (l->events[i].stream == stream)
            put_event(w, &p->given[i], l->events[i].id);
}

static void put_body(struct aiex_writer *w, const struct parse *p)
{
    const struct append_line *l = p->line;

    aiex_w_map(w, l->n_streams == 1 ? 4 : 2);
    aiex_w_key_str(w, "level", p->defaults->level);
    if (l->n_streams == 1) {
        put_stream(w, p, 0);
        return;
    }
    aiex_w_str(w, "operations");
    aiex_w_array(w, l->n_streams);
    for (uint32_t i = 0; i < l->n_streams; i++) {
        aiex_w_map(w, 4);
        aiex_w_key_str(w, "op", "append");
        put_stream(w, p, i);
    }
}

static int make_body(struct parse *p)
{
    struct aiex_writer w;
    void *mem;

    aiex_writer_init(&w, NULL, 0);
    put_body(&w, p);
    mem = malloc(w.len);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, w.len);
    put_body(&w, p);
    p->line->body = aiex_written(&w);
    p->line->method = p->line->n_streams == 1 ? "store.append" : "store.transact";
    return 0;
}

/* ---- The line ---- */

static uint32_t count_events(const struct aiex_json_span *whole)
{
    struct aiex_json_span value;
    uint32_t n = 0;
    size_t at = 0;

    while (n <= APPEND_EVENTS && aiex_json_next(whole, &at, NULL, &value))
        n++;
    return n;
}

static int take_events(struct parse *p, const struct aiex_json_span *whole)
{
    struct aiex_json_span value;
    size_t at = 0;
    int r = 0;

    if (!p->batch)
        r = take_event(p, whole);
    for (; p->batch && r == 0 && aiex_json_next(whole, &at, NULL, &value); p->at++)
        r = take_event(p, &value);
    return r ? r : make_body(p);
}

/* 0 and the one value, blanks around it left out. */
static int scan(struct aiex_slice text, struct aiex_json_span *ret, struct aiex_error *err)
{
    struct aiex_json_fault fault = {0, NULL};
    int type = aiex_json_scan(text, 0, NULL, 0, &fault);

    if (type < 0)
        return fail(err, -EINVAL, "the JSON is wrong at column %zu: %s", fault.offset + 1,
                    fault.reason);
    if (type != AIEX_JSON_OBJECT && type != AIEX_JSON_ARRAY)
        return fail(err, -EINVAL, "a line must be an object (one event) or an array (a batch)");
    while (*text.data != '{' && *text.data != '[') {
        text.data++;
        text.len--;
    }
    while (text.data[text.len - 1] != '}' && text.data[text.len - 1] != ']')
        text.len--;
    *ret = (struct aiex_json_span){type, (const char *)text.data, text.len};
    return 0;
}

static int parse(struct parse *p, const struct aiex_json_span *whole)
{
    uint32_t n = p->batch ? count_events(whole) : 1;
    struct append_line *l = p->line;
    char *arena;
    int r;

    if (n == 0 || n > APPEND_EVENTS)
        return fail(p->err, -EINVAL, "a batch must have 1 to %d events", APPEND_EVENTS);
    l->n_events = n;
    l->events = calloc(n, sizeof(*l->events));
    l->streams = calloc(n, sizeof(*l->streams));
    p->given = calloc(n, sizeof(*p->given));
    p->arena = arena = malloc(whole->len);
    r = l->events && l->streams && p->given && arena ? take_events(p, whole) : -ENOMEM;
    for (uint32_t i = 0; p->given && i < n; i++)
        free((void *)(uintptr_t)p->given[i].meta.data);
    free(p->given);
    free(arena);
    return r;
}

int append_line_parse(const char *text, size_t len, const struct append_defaults *defaults,
                      struct append_line **ret_line, struct aiex_error *err)
{
    const struct aiex_slice bytes = {(const uint8_t *)text, len};
    struct parse p = {.defaults = defaults, .err = err};
    struct aiex_json_span whole;
    int r = scan(bytes, &whole, err);

    if (r)
        return r;
    p.batch = whole.type == AIEX_JSON_ARRAY;
    p.line = calloc(1, sizeof(*p.line));
    r = p.line ? parse(&p, &whole) : -ENOMEM;
    if (r) {
        append_line_free(p.line);
        return r == -ENOMEM ? fail(err, -ENOMEM, "out of memory") : r;
    }
    *ret_line = p.line;
    return 0;
}
