/*
 * ollama_embed.c - POST /api/embeddings, Ollama's older way to ask for one vector.
 *
 * {"model","prompt"} goes on as /api/embed's {"model","input"}; of the answer
 * {"embeddings":[[...]]} the client gets {"embedding":[...]}.
 */
#include "ask.h"
#include "splice.h"

#include <string.h>

static void write_vector(struct aiex_json_out *w, const void *arg)
{
    const struct aiex_slice *vector = arg;

    aiex_jw_raw(w, "{\"embedding\":");
    aiex_jw_rawn(w, (const char *)vector->data, vector->len);
    aiex_jw_raw(w, "}");
}

/* The first vector of the document in the output, moved to where an answer has room for it. */
static void answer_vector(struct conn *c, struct aiex_slice end)
{
    struct aiex_slice doc = {c->out.data + c->out.off, buffer_size(&c->out)}, vector;
    struct aiex_json_field f[] = {{.key = "embeddings"}};
    struct aiex_json_span first = {0};
    struct buffer whole = c->out;
    size_t at = 0;

    if (aiex_json_scan(doc, 0, f, 1, NULL) != AIEX_JSON_OBJECT ||
        f[0].value.type != AIEX_JSON_ARRAY || !aiex_json_next(&f[0].value, &at, NULL, &first) ||
        first.type != AIEX_JSON_ARRAY) {
        error_respond(c, 502, "upstream_error", NULL, "the answer has no embedding");
        return;
    }
    vector = (struct aiex_slice){(const uint8_t *)first.data, first.len};
    c->out = (struct buffer){0}; /* the vector lies in the old one until it is written */
    respond_json(c, &(struct reply){.status = 200, .end = end}, write_vector, &vector);
    buffer_drop(&c->server->pool, &whole);
}

static void on_answer(struct conn *c, const struct aiex_answer *answer)
{
    if (answer->kind == AIEX_ANSWER_END && !answer->code && buffer_size(&c->out))
        answer_vector(c, answer->body);
    else
        answer_take(c, answer);
}

void ask_embedding(struct conn *c)
{
    struct aiex_json_field f[] = {{.key = "prompt"}, {.key = "input"}};
    struct splice s;
    struct ask ask;

    if (ask_scan(c, f, 2) != 0)
        return;
    if (f[0].seen == 1 && !f[1].seen &&
        (splice_rename(call_body(c), &f[0].value, "input", &s) != 0 ||
         call_replace_body(c, s.pieces, s.n) != 0)) {
        error_respond(c, 503, NULL, NULL, "no memory for the request");
        return;
    }
    if (ask_read(c, &ask) == 0)
        ask_send(c, &ask, on_answer);
}
