/*
 * request_splice.c - equal dialects: the client's bytes, with a few places changed.
 *
 * Changed are the model, `stream`, for the openai dialects the wish for usage in the stream, and
 * for Ollama the context; what is missing is put behind the first brace. Everything else stays byte
 * for byte.
 */
#include "keys.h"
#include "request.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_EDITS    5
#define CONTEXT_TEXT 64 /* {"num_ctx":N} */

/* At `at`, `cut` bytes make room for `text`. */
struct edit {
    size_t at, cut;
    struct raw text;
};

struct plan {
    struct aiex_slice body;
    struct edit edits[MAX_EDITS];
    int n;
    struct grow front; /* members that are missing */
};

static void edit(struct plan *p, const char *place, size_t cut, struct raw text)
{
    p->edits[p->n++] = (struct edit){(size_t)(place - (const char *)p->body.data), cut, text};
}

static void replace(struct plan *p, const struct aiex_json_span *span, struct raw text)
{
    edit(p, span->data, span->len, text);
}

/* Behind the brace that opens an object; whether nothing is inside. */
static const char *inside(const char *object, int *empty)
{
    const char *at, *next;

    for (at = object; *at != '{';)
        at++;
    for (next = ++at; memchr(" \t\r\n", *next, 4);)
        next++;
    *empty = *next == '}';
    return at;
}

/* ---- What changes ---- */

static int plan_model(struct plan *p, struct aiex_chat *c, const struct members *m,
                      struct aiex_error *err)
{
    struct reader r = {.c = c, .err = err};
    struct aiex_slice want = vendor_model(c);
    char *quoted;
    struct raw text;
    int rc;

    if (m->of[K_model].len > 2 && c->model.len == want.len &&
        memcmp(c->model.data, want.data, want.len) == 0)
        return 0;
    rc = keep_text(&r, (const char *)want.data, want.len, &text);
    quoted = rc == 0 ? arena_raw(c->arena, text.len + 2) : NULL;
    if (!quoted)
        return read_fail(&r, -ENOMEM, "no memory for the request");
    quoted[0] = quoted[text.len + 1] = '"';
    memcpy(quoted + 1, text.at, text.len);
    text = (struct raw){quoted, text.len + 2};
    if (m->of[K_model].type) {
        replace(p, &m->of[K_model], text);
    } else {
        grow_key(&p->front, "model");
        grow_raw(&p->front, text);
    }
    return 0;
}

static int is_ollama(int dialect)
{
    return dialect == AIEX_OLLAMA_CHAT || dialect == AIEX_OLLAMA_GENERATE;
}

static void plan_stream(struct plan *p, const struct aiex_chat *c, const struct members *m)
{
    const struct aiex_json_span *stream = &m->of[K_stream];
    int says = is_ollama(c->setup.vendor) ? stream->type != AIEX_JSON_FALSE
                                          : stream->type == AIEX_JSON_TRUE;
    struct raw want = c->vendor_stream ? RAW("true") : RAW("false");

    if (says == c->vendor_stream)
        return;
    if (stream->type) {
        replace(p, stream, want);
    } else {
        grow_key(&p->front, "stream");
        grow_raw(&p->front, want);
    }
}

static void ask_usage(struct plan *p, const struct aiex_json_span *options)
{
    struct aiex_json_span value;
    const char *at;
    int empty;

    if (!options->type) {
        grow_key(&p->front, "stream_options");
        grow_raw(&p->front, RAW("{\"include_usage\":true}"));
    } else if (options->type == AIEX_JSON_NULL) {
        replace(p, options, RAW("{\"include_usage\":true}"));
    } else if (options->type != AIEX_JSON_OBJECT) {
        return; /* the vendor's to refuse */
    } else if (aiex_json_find(options, "include_usage", &value)) {
        if (value.type == AIEX_JSON_FALSE || value.type == AIEX_JSON_NULL)
            replace(p, &value, RAW("true"));
    } else {
        at = inside(options->data, &empty);
        edit(p, at, 0, empty ? RAW("\"include_usage\":true") : RAW("\"include_usage\":true,"));
    }
}

static void plan_usage(struct plan *p, const struct aiex_chat *c, const struct members *m)
{
    const struct aiex_json_span *options = &m->of[K_stream_options];

    if (c->setup.vendor != AIEX_OPENAI_CHAT && c->setup.vendor != AIEX_OPENAI_COMPLETIONS)
        return;
    if (c->vendor_stream && !(c->setup.flags & AIEX_CHAT_NO_USAGE_ASK))
        ask_usage(p, options);
    else if (!c->vendor_stream && options->type == AIEX_JSON_OBJECT &&
             m->of[K_stream].type == AIEX_JSON_TRUE)
        replace(p, options, RAW("null")); /* refused without a stream */
}

/* A text for an edit: `before`, "num_ctx":N, `behind`; at NULL: no memory. */
static struct raw context_text(struct aiex_chat *c, const char *before, int64_t n,
                               const char *behind)
{
    char *text = arena_raw(c->arena, CONTEXT_TEXT);

    if (text)
        snprintf(text, CONTEXT_TEXT, "%s\"num_ctx\":%lld%s", before, (long long)n, behind);
    return (struct raw){text, text ? strlen(text) : 0};
}

/* There are options, without a context. */
static int add_context(struct plan *p, struct aiex_chat *c, const struct aiex_json_span *options,
                       int64_t n)
{
    int empty;
    const char *at = inside(options->data, &empty);
    struct raw text = context_text(c, "", n, empty ? "" : ",");

    if (!text.at)
        return -ENOMEM;
    edit(p, at, 0, text);
    return 0;
}

/* A client that gives a context of its own knows why. */
static int plan_context(struct plan *p, struct aiex_chat *c, const struct members *m)
{
    const struct aiex_json_span *options = &m->of[K_options];
    int object = options->type == AIEX_JSON_OBJECT;
    struct aiex_json_span limit;
    int64_t n, said = 0;
    struct raw text;

    if (!is_ollama(c->setup.vendor) ||
        (!object && options->type && options->type != AIEX_JSON_NULL) ||
        aiex_json_find(options, "num_ctx", &limit))
        return 0;
    if (aiex_json_find(options, "num_predict", &limit))
        (void)aiex_json_int(&limit, &said);
    n = limits_context(c, p->body, said);
    if (n && object)
        return add_context(p, c, options, n);
    text = n ? context_text(c, "{", n, "}") : RAW("");
    if (!text.at)
        return -ENOMEM;
    if (n && options->type) {
        replace(p, options, text);
    } else if (n) {
        grow_key(&p->front, "options");
        grow_raw(&p->front, text);
    }
    return 0;
}

/* ---- Doing it ---- */

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;

    return x->at < y->at ? -1 : x->at > y->at;
}

static int apply(struct plan *p, struct aiex_chat *c)
{
    size_t len = p->body.len, from = 0;
    uint8_t *out;

    qsort(p->edits, (size_t)p->n, sizeof(p->edits[0]), by_place);
    for (int i = 0; i < p->n; i++)
        len = len - p->edits[i].cut + p->edits[i].text.len;
    out = malloc(len);
    if (!out)
        return -ENOMEM;
    c->request = out;
    c->request_len = len;
    for (int i = 0; i < p->n; i++) {
        const struct edit *e = &p->edits[i];

        memcpy(out, p->body.data + from, e->at - from);
        memcpy(out + (e->at - from), e->text.at, e->text.len);
        out += e->at - from + e->text.len;
        from = e->at + e->cut;
    }
    memcpy(out, p->body.data + from, p->body.len - from);
    return 0;
}

static int splice(struct plan *p, struct aiex_chat *c, const struct members *m,
                  struct aiex_error *err)
{
    const char *at;
    int empty, rc;

    rc = plan_model(p, c, m, err);
    if (rc != 0)
        return rc;
    if (aiex_dialect_op(c->setup.vendor) != AIEX_OP_EMBED) {
        plan_stream(p, c, m);
        plan_usage(p, c, m);
        rc = plan_context(p, c, m);
    }
    if (rc != 0)
        return rc;
    at = inside((const char *)p->body.data, &empty);
    if (p->front.len && !empty)
        grow_lit(&p->front, ",");
    if (p->front.len)
        edit(p, at, 0, (struct raw){p->front.data, p->front.len});
    return p->front.error ? p->front.error : apply(p, c);
}

int request_splice(struct aiex_chat *c, struct aiex_slice body, const struct members *m,
                   struct aiex_error *err)
{
    struct plan p = {.body = body, .front = {.max = 8192}}; /* mostly nothing is missing */
    int rc = splice(&p, c, m, err);

    free(p.front.data);
    if (rc == -ENOMEM)
        snprintf(err->text, sizeof(err->text), "no memory for the request");
    return rc;
}
