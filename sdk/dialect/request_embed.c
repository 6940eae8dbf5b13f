/*
 * request_embed.c - POST /v1/embeddings, /api/embed and the older /api/embeddings ({prompt}), which
 * is told from /api/embed by its key.
 */
#include "keys.h"
#include "request.h"

#include <stdlib.h>

/* How many inputs; 0 = tokens, or not to be known. */
static int count_inputs(const struct aiex_json_span *input, int *ret_tokens)
{
    struct aiex_json_span one;
    size_t at = 0;
    int n = 0;

    *ret_tokens = 0;
    if (input->type == AIEX_JSON_STRING)
        return 1;
    while (aiex_json_next(input, &at, NULL, &one)) {
        if (one.type == AIEX_JSON_NUMBER) {
            *ret_tokens = 1;
            return 1;
        }
        if (one.type == AIEX_JSON_ARRAY)
            *ret_tokens = 1;
        n++;
    }
    return n;
}

static void keep(struct writer *w, const struct members *m, enum key key)
{
    if (!m->of[key].type || m->of[key].type == AIEX_JSON_NULL)
        return;
    grow_key(&w->g, key_name(key));
    grow_raw(&w->g, json_of(&m->of[key]));
}

static void put_request(struct writer *w, const struct members *m,
                        const struct aiex_json_span *input)
{
    const struct aiex_chat *c = w->c;

    grow_open(&w->g, '{');
    grow_key(&w->g, "model");
    grow_text(&w->g, w->model);
    grow_key(&w->g, "input");
    grow_raw(&w->g, json_of(input));
    keep(w, m, K_dimensions);
    if (c->setup.vendor == AIEX_OPENAI_EMBEDDINGS) {
        grow_key(&w->g, "encoding_format");
        grow_str(&w->g, "float");
    } else if (c->setup.client == AIEX_OLLAMA_EMBED) {
        keep(w, m, K_truncate);
        keep(w, m, K_options);
        keep(w, m, K_keep_alive);
    }
    grow_close(&w->g, '}');
}

static int convert(struct reader *r, const struct members *m, const struct aiex_json_span *input)
{
    struct aiex_slice model = vendor_model(r->c);
    struct writer w = {.r = r, .c = r->c, .v = &r->v};
    int rc = keep_text(r, (const char *)model.data, model.len, &w.model);

    if (rc == 0)
        rc = grow_init(&w.g, input->len + 512, AIEX_MAX_BODY);
    if (rc == 0)
        put_request(&w, m, input);
    if (rc == 0)
        rc = w.g.error;
    if (rc != 0) {
        free(w.g.data);
        return rc == -ENOMEM ? read_fail(r, rc, "no memory for the request")
                             : read_fail(r, -EINVAL, "the request is too large for the vendor");
    }
    r->c->request = (uint8_t *)w.g.data;
    r->c->request_len = w.g.len;
    return 0;
}

int request_embed(struct aiex_chat *c, struct aiex_slice body, const struct members *m,
                  struct aiex_error *err)
{
    const struct aiex_json_span *input = &m->of[K_input];
    struct reader r = {.c = c, .err = err};
    int tokens;

    if (!input->type && c->setup.client == AIEX_OLLAMA_EMBED && m->of[K_prompt].type) {
        input = &m->of[K_prompt];
        c->one_input = 1;
    }
    if (input->type != AIEX_JSON_STRING && input->type != AIEX_JSON_ARRAY)
        return read_fail(&r, -EINVAL, "input: a string or an array of strings is needed");
    c->n_inputs = count_inputs(input, &tokens);
    c->base64 = aiex_json_is(&m->of[K_encoding_format], "base64");
    c->same = c->setup.client == c->setup.vendor && !c->one_input;
    if (c->same)
        return request_splice(c, body, m, err);
    if (tokens)
        return read_fail(&r, -ENOTSUP, "input: tokens can not be sent to this provider; send text");
    return convert(&r, m, input);
}
