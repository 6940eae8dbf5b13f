/*
 * request_limits.c - how many tokens may be said, and how many a local server makes room for.
 *
 * Agents ask for answers of 32000 tokens and more whatever the model; vendors refuse what the model
 * can not give. A limit is lowered to that where it is known, between different dialects.
 *
 * Ollama loads a model with a small context unless it is told a number, cuts longer prompts
 * without a word, and loads the model anew for every other number: powers of two, and never less
 * than it is loaded with, keep that seldom.
 */
#include "keys.h"
#include "request.h"

#define MIN_CONTEXT 4096
#define MAX_CONTEXT ((int64_t)1 << 20) /* of a model of which nothing is known */
#define MIN_ROOM    8    /* an answer gets this part of the context, estimates or not */
#define USUAL_SAID  2048 /* by a client that sets no limit */

static int64_t prompt_tokens(struct aiex_slice body)
{
    const char *at = (const char *)body.data;
    struct aiex_json_span whole;
    int images, messages;
    int64_t bytes;

    while (*at != '{')
        at++;
    whole = (struct aiex_json_span){AIEX_JSON_OBJECT, at,
                                    body.len - (size_t)(at - (const char *)body.data)};
    bytes = text_bytes(&whole, &images, &messages);
    return prompt_estimate(bytes, images, messages);
}

void limits_settle(struct reader *r, struct aiex_slice body)
{
    struct aiex_chat *c = r->c;
    int64_t context = c->setup.context_tokens, cap = c->setup.max_output_tokens, room;

    if (context > 0) {
        room = context - prompt_tokens(body);
        if (room < context / MIN_ROOM)
            room = context / MIN_ROOM;
        if (cap <= 0 || cap > room)
            cap = room;
    }
    c->output_cap = cap > 0 ? cap : 0;
    if (c->output_cap && r->v.max_tokens > c->output_cap)
        r->v.max_tokens = c->output_cap;
}

/* The smallest power of two that holds both, within the model's context. */
static int64_t fitting(const struct aiex_chat_setup *s, int64_t prompt, int64_t said)
{
    int64_t most = s->context_tokens > 0 ? s->context_tokens : MAX_CONTEXT, n = MIN_CONTEXT;

    said = said > 0 ? said : USUAL_SAID;
    while (n < most && (n < prompt || n - prompt < said))
        n *= 2;
    return n < most ? n : most;
}

int64_t limits_context(struct aiex_chat *c, struct aiex_slice body, int64_t said)
{
    const struct aiex_chat_setup *s = &c->setup;
    int64_t n = s->num_ctx;

    if (n == AIEX_CHAT_FIT) {
        n = fitting(s, prompt_tokens(body), said);
        n = n > s->loaded_tokens ? n : s->loaded_tokens;
    }
    c->result.num_ctx = n > 0 ? n : 0;
    return c->result.num_ctx;
}
