#include "splice.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EDITS      4
#define MAX_MODEL_JSON (256 * 6 + 3)

/* At `at`, `cut` bytes make room for `text`. */
struct edit {
    size_t at, cut;
    const char *text;
};

struct plan {
    struct aiex_slice body;
    struct edit edits[MAX_EDITS];
    int n;
    char model[MAX_MODEL_JSON];
    char front[MAX_MODEL_JSON + 128]; /* keys that are missing, put behind the first brace */
};

enum { MODEL, STREAM, OPTIONS, N_FIELDS };

static void replace(struct plan *p, const struct aiex_json_span *span, const char *text)
{
    p->edits[p->n++] = (struct edit){(size_t)((const uint8_t *)span->data - p->body.data),
                                     span->len, text};
}

static void add_front(struct plan *p, const char *key, const char *value)
{
    size_t n = strlen(p->front);

    snprintf(p->front + n, sizeof(p->front) - n, "%s\"%s\":%s", n ? "," : "", key, value);
}

/* Offset behind the brace that opens the object at `from`; *empty = nothing is inside. */
static size_t inside(struct aiex_slice body, size_t from, int *empty)
{
    size_t at = from, next;

    while (body.data[at] != '{')
        at++;
    for (next = at + 1; strchr(" \t\r\n", body.data[next]) && body.data[next];)
        next++;
    *empty = body.data[next] == '}';
    return at + 1;
}

static void plan_usage(struct plan *p, const struct aiex_json_field *options, int force,
                       int *usage_asked)
{
    struct aiex_json_span value;
    int empty;

    if (!options->seen) {
        if (force)
            add_front(p, "stream_options", "{\"include_usage\":true}");
        return;
    }
    if (options->value.type != AIEX_JSON_OBJECT) {
        if (force && options->value.type == AIEX_JSON_NULL)
            replace(p, &options->value, "{\"include_usage\":true}");
        return; /* other types are the vendor's to refuse */
    }
    if (aiex_json_find(&options->value, "include_usage", &value)) {
        *usage_asked = value.type == AIEX_JSON_TRUE;
        if (force && (value.type == AIEX_JSON_FALSE || value.type == AIEX_JSON_NULL))
            replace(p, &value, "true");
    } else if (force) {
        size_t at = (size_t)((const uint8_t *)options->value.data - p->body.data);

        at = inside(p->body, at, &empty);
        p->edits[p->n++] = (struct edit){
            at, 0, empty ? "\"include_usage\":true" : "\"include_usage\":true,"};
    }
}

static int write_model(struct plan *p, const char *model)
{
    struct aiex_json_out w;

    aiex_jw_init(&w, p->model, sizeof(p->model) - 1);
    aiex_jw_str(&w, model);
    if (w.failed)
        return -EINVAL;
    p->model[w.len] = 0;
    return 0;
}

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static int apply(struct plan *p, struct spliced *ret)
{
    size_t len = p->body.len, from = 0;
    uint8_t *out;

    qsort(p->edits, (size_t)p->n, sizeof(p->edits[0]), by_place);
    for (int i = 0; i < p->n; i++)
        len = len - p->edits[i].cut + strlen(p->edits[i].text);
    out = ret->mem = malloc(len);
    if (!out)
        return -ENOMEM;
    for (int i = 0; i < p->n; i++) {
        const struct edit *e = &p->edits[i];
        size_t n = strlen(e->text);

        memcpy(out, p->body.data + from, e->at - from);
        memcpy(out + (e->at - from), e->text, n);
        out += e->at - from + n;
        from = e->at + e->cut;
    }
    memcpy(out, p->body.data + from, p->body.len - from);
    ret->body = (struct aiex_slice){ret->mem, len};
    return 0;
}

static int scan(struct aiex_slice body, struct aiex_json_field *f, struct aiex_error *err)
{
    struct aiex_json_fault fault = {0, NULL};
    size_t line, column;
    int type = aiex_json_scan(body, AIEX_JSON_MAX_DEPTH, f, N_FIELDS, &fault);

    if (type < 0) {
        aiex_json_where(body, fault.offset, &line, &column);
        snprintf(err->text, sizeof(err->text),
                 "the request body is not JSON: %s at line %zu, column %zu", fault.reason, line,
                 column);
        return -EINVAL;
    }
    if (type != AIEX_JSON_OBJECT) {
        snprintf(err->text, sizeof(err->text), "the request body is JSON but not an object");
        return -EINVAL;
    }
    for (int i = 0; i < N_FIELDS; i++)
        if (f[i].seen > 1) {
            snprintf(err->text, sizeof(err->text),
                     "the request body says '%s' %u times; send it once", f[i].key, f[i].seen);
            return -EINVAL;
        }
    return 0;
}

int splice_body(struct aiex_slice body, const struct splice *want, struct spliced *ret,
                struct aiex_error *err)
{
    struct aiex_json_field f[N_FIELDS] = {
        {.key = "model"}, {.key = "stream"}, {.key = "stream_options"}};
    struct plan p = {.body = body};
    int empty;

    *ret = (struct spliced){.body = body};
    if (scan(body, f, err) != 0)
        return -EINVAL;
    if (write_model(&p, want->model) != 0) {
        snprintf(err->text, sizeof(err->text), "the model name is longer than 256 bytes");
        return -EINVAL;
    }
    if (!f[MODEL].seen)
        add_front(&p, "model", p.model);
    else if (!aiex_json_is(&f[MODEL].value, want->model))
        replace(&p, &f[MODEL].value, p.model);
    if ((f[STREAM].value.type == AIEX_JSON_TRUE) != (want->stream != 0)) {
        if (f[STREAM].seen)
            replace(&p, &f[STREAM].value, want->stream ? "true" : "false");
        else
            add_front(&p, "stream", "true");
    }
    if (want->stream)
        plan_usage(&p, &f[OPTIONS], want->force_usage, &ret->usage_asked);
    if (p.front[0]) {
        size_t at = inside(body, 0, &empty);

        if (!empty)
            strcat(p.front, ",");
        p.edits[p.n++] = (struct edit){at, 0, p.front};
    }
    return p.n ? apply(&p, ret) : 0;
}
