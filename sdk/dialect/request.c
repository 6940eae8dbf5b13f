/*
 * request.c - the client's request becomes the vendor's: the entry of this half of the library.
 *
 * The body is checked once, whole; from then on nothing can be malformed. Equal dialects go to
 * request_splice.c, embeddings to request_embed.c, all others through the canonical form.
 */
#include "request.h"
#include "keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_MODEL 256

static int fail(struct aiex_error *err, int error, const char *text)
{
    snprintf(err->text, sizeof(err->text), "%s", text);
    return error;
}

/* ---- The body ---- */

struct noted {
    struct members *m;
    int disguised; /* "Model": servers that take keys in any case would take that one */
};

static int is_disguised_model(const struct aiex_json_span *key)
{
    char plain[sizeof("model")];

    if (key->len < sizeof("\"model\"") - 1 ||
        (key->len > sizeof("\"model\"") - 1 && !memchr(key->data, '\\', key->len)))
        return 0; /* most keys */
    return aiex_json_text(key, plain, sizeof(plain)) == 5 && strcasecmp(plain, "model") == 0 &&
           strcmp(plain, "model") != 0;
}

static void note_member(void *arg, const struct aiex_json_span *key,
                        const struct aiex_json_span *value)
{
    struct noted *n = arg;

    members_add(n->m, key, value);
    n->disguised |= is_disguised_model(key);
}

static int scan(struct aiex_chat *c, struct aiex_slice body, struct members *ret, int *surrogates,
                struct aiex_error *err)
{
    struct aiex_json_fault fault = {0, ""};
    struct noted noted = {.m = ret};
    struct aiex_json_notes notes;
    size_t line, column;
    int type;

    members_init(ret);
    type = aiex_json_scan_members(body, AIEX_JSON_MAX_DEPTH, note_member, &noted, &notes, &fault);
    if (type < 0) {
        aiex_json_where(body, fault.offset, &line, &column);
        snprintf(err->text, sizeof(err->text),
                 "the request body is not JSON: %s at line %zu, column %zu", fault.reason, line,
                 column);
        return -EINVAL;
    }
    if (type != AIEX_JSON_OBJECT)
        return fail(err, -EINVAL, "the request body is JSON but not an object");
    if (noted.disguised)
        return fail(err, -EINVAL, "model: the key is written in small letters only");
    c->prompt_bytes = body.len - notes.data_bytes;
    *surrogates = notes.surrogates;
    return 0;
}

static int keep(struct aiex_chat *c, const void *bytes, size_t len, struct aiex_slice *ret,
                struct aiex_error *err)
{
    const char *copy = arena_copy(c->arena, bytes, len);

    if (!copy)
        return fail(err, -ENOMEM, "no memory for the request");
    *ret = (struct aiex_slice){(const uint8_t *)copy, len};
    return 0;
}

/* Both names: the client's and the vendor's. */
static int keep_models(struct aiex_chat *c, const struct aiex_json_span *model,
                       struct aiex_error *err)
{
    char plain[MAX_MODEL + 1];
    long n = 0;
    int rc;

    if (model->type && model->type != AIEX_JSON_STRING)
        return fail(err, -EINVAL, "model: a string is needed");
    if (model->type)
        n = aiex_json_text(model, plain, sizeof(plain));
    if (n < 0 || c->setup.model.len > MAX_MODEL)
        return fail(err, -EINVAL, "model: a name has at most 256 bytes");
    if (!n && !c->setup.model.len)
        return fail(err, -EINVAL, "model: which one? the request names none");
    rc = keep(c, c->setup.model.data, c->setup.model.len, &c->setup.model, err);
    if (rc != 0 || !n)
        c->model = c->setup.model;
    else
        rc = keep(c, plain, (size_t)n, &c->model, err);
    return rc;
}

static int is_ollama(int dialect)
{
    return dialect == AIEX_OLLAMA_CHAT || dialect == AIEX_OLLAMA_GENERATE;
}

static void settle_stream(struct aiex_chat *c, const struct members *m)
{
    const struct aiex_json_span *stream = &m->of[K_stream];
    struct aiex_json_span asked;

    c->client_stream = c->setup.stream;
    if (c->setup.stream < 0)
        c->client_stream = is_ollama(c->setup.client) ? stream->type != AIEX_JSON_FALSE
                                                      : stream->type == AIEX_JSON_TRUE;
    if (aiex_dialect_op(c->setup.client) == AIEX_OP_EMBED)
        c->client_stream = 0;
    c->vendor_stream = c->client_stream;
    c->client_usage = c->client_stream &&
                      aiex_json_find(&m->of[K_stream_options], "include_usage", &asked) &&
                      asked.type == AIEX_JSON_TRUE;
}

/* ---- Through the canonical form ---- */

static int (*const readers[AIEX_N_DIALECTS])(struct reader *, const struct members *) = {
    [AIEX_OPENAI_CHAT] = read_openai_chat,        [AIEX_OPENAI_RESPONSES] = read_responses,
    [AIEX_ANTHROPIC_MESSAGES] = read_anthropic,   [AIEX_OLLAMA_CHAT] = read_ollama,
    [AIEX_OPENAI_COMPLETIONS] = read_completions, [AIEX_OLLAMA_GENERATE] = read_generate,
};

static int (*const writers[AIEX_N_DIALECTS])(struct writer *) = {
    [AIEX_OPENAI_CHAT] = write_openai_chat,        [AIEX_OPENAI_RESPONSES] = write_responses,
    [AIEX_ANTHROPIC_MESSAGES] = write_anthropic,   [AIEX_OLLAMA_CHAT] = write_ollama,
    [AIEX_OPENAI_COMPLETIONS] = write_completions, [AIEX_OLLAMA_GENERATE] = write_generate,
};

static int write_all(struct reader *r, struct aiex_slice body)
{
    struct aiex_chat *c = r->c;
    struct writer w = {.r = r, .c = c, .v = &r->v};
    int rc = keep_text(r, (const char *)vendor_model(c).data, vendor_model(c).len, &w.model);

    if (rc == 0)
        rc = grow_init(&w.g, body.len + body.len / 8 + 1024, AIEX_MAX_BODY);
    if (rc != 0)
        return fail(r->err, rc, "no memory for the request");
    w.traits = model_traits(w.model);
    if (is_ollama(c->setup.vendor))
        w.num_ctx = limits_context(c, body, r->v.max_tokens);
    grow_open(&w.g, '{');
    grow_key(&w.g, "model");
    grow_text(&w.g, w.model);
    rc = writers[c->setup.vendor](&w);
    grow_close(&w.g, '}');
    if (rc == 0 && w.g.error)
        rc = w.g.error == -ENOMEM
                 ? fail(r->err, -ENOMEM, "no memory for the request")
                 : fail(r->err, -EINVAL, "the request is too large for the vendor");
    if (rc != 0) {
        free(w.g.data);
        return rc;
    }
    c->request = (uint8_t *)w.g.data;
    c->request_len = w.g.len;
    return 0;
}

/* Lone surrogates are grammar but no characters: many vendors refuse the whole request. */
static int mend(struct aiex_chat *c, struct aiex_slice body, struct members *m,
                struct aiex_error *err)
{
    char *copy = arena_copy(c->arena, body.data, body.len);
    int surrogates;

    if (!copy)
        return fail(err, -ENOMEM, "no memory for the request");
    aiex_json_mend_surrogates(copy, body.len);
    body.data = (const uint8_t *)copy;
    return scan(c, body, m, &surrogates, err);
}

static int convert(struct aiex_chat *c, const struct members *m, struct aiex_slice body,
                   struct aiex_error *err)
{
    struct reader r = {.c = c, .err = err};
    int rc;

    r.v.messages_end = &r.v.messages;
    r.v.tools_end = &r.v.tools;
    r.v.parallel = -1;
    r.v.think = -1;
    rc = readers[c->setup.client](&r, m);
    if (rc == 0)
        rc = turns_settle(&r);
    if (rc == 0)
        rc = names_settle(&r);
    if (rc == 0 && c->setup.client == AIEX_OPENAI_RESPONSES)
        rc = request_echo(c, m, err);
    limits_settle(&r, body);
    return rc == 0 ? write_all(&r, body) : rc;
}

struct aiex_slice vendor_model(const struct aiex_chat *c)
{
    return c->setup.model.len ? c->setup.model : c->model;
}

/* Keys that two readers could take differently. */
static int refuse_doubles(const struct members *m, struct aiex_error *err)
{
    if (m->doubled == N_KEYS)
        return 0;
    snprintf(err->text, sizeof(err->text), "%s: the request says it twice; send it once",
             key_name(m->doubled));
    return -EINVAL;
}

int request_convert(struct aiex_chat *c, struct aiex_slice body, struct aiex_error *err)
{
    struct members m;
    int surrogates, rc;

    if (body.len > AIEX_MAX_BODY)
        return fail(err, -EINVAL, "the request body is larger than 32 MiB");
    rc = scan(c, body, &m, &surrogates, err);
    if (rc != 0)
        return rc;
    if (!c->arena)
        c->arena = arena_new(REQUEST_MAX_ARENA);
    if (!c->arena)
        return fail(err, -ENOMEM, "no memory for the request");
    rc = refuse_doubles(&m, err);
    if (rc == 0)
        rc = keep_models(c, &m.of[K_model], err);
    if (rc != 0)
        return rc;
    settle_stream(c, &m);
    if (aiex_dialect_op(c->setup.client) == AIEX_OP_EMBED)
        return request_embed(c, body, &m, err);
    c->same = c->setup.client == c->setup.vendor;
    if (!c->same && !aiex_dialect_bridges(c->setup.client, c->setup.vendor))
        return fail(err, -ENOTSUP, "the provider has nothing that answers this kind of request");
    if (c->same && aiex_dialect_op(c->setup.client) == AIEX_OP_COMPLETE)
        rc = request_suffix(c, &m, err);
    if (rc != 0)
        return rc;
    if (c->same)
        return request_splice(c, body, &m, err);
    if (surrogates)
        rc = mend(c, body, &m, err);
    return rc == 0 ? convert(c, &m, body, err) : rc;
}
