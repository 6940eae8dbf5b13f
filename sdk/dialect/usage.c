/*
 * usage.c - token counts: as the vendor said them, or estimated where it said nothing or nonsense.
 *
 * A vendor may say counts several times; each is cumulative, the last word holds. Nonsense
 * is: negative, above 2^40, a part larger than its whole, nothing for text that is there.
 */
#include "answer.h"

#define MOST ((int64_t)1 << 40)

static void take_count(struct answer *a, int64_t said, int64_t *kept)
{
    if (said == -1)
        return;
    if (said < 0 || said > MOST)
        a->said_nonsense = 1;
    else
        *kept = said;
}

void usage_take(struct answer *a, const struct aiex_usage *u)
{
    take_count(a, u->input, &a->said.input);
    take_count(a, u->output, &a->said.output);
    take_count(a, u->cache_read, &a->said.cache_read);
    take_count(a, u->cache_write, &a->said.cache_write);
    take_count(a, u->reasoning, &a->said.reasoning);
}

/* A part that is larger than the whole: both are in doubt, the part is dropped. */
static int check_part(int64_t *part, int64_t whole)
{
    if (*part < 0 || whole < 0 || *part <= whole)
        return 0;
    *part = -1;
    return 1;
}

struct aiex_usage usage_now(const struct answer *a, int *ret_estimated)
{
    const struct aiex_chat_result *result = &a->c->result;
    int64_t text = aiex_tokens_estimate(result->text_bytes);
    int64_t prompt = aiex_tokens_estimate(a->c->prompt_bytes);
    struct aiex_usage u = a->said;
    int estimated = a->said_nonsense, embeds = aiex_dialect_op(a->c->setup.client) == AIEX_OP_EMBED;

    *ret_estimated = 0;
    if (!a->complete && !result->events && u.input < 0 && u.output < 0)
        return u; /* nothing was produced, nothing was said */
    if (u.input < 0 || (u.input == 0 && prompt > 0)) {
        u.input = prompt;
        estimated = 1;
    }
    if (embeds && u.output < 0)
        u.output = 0;
    if (u.output < 0 || (u.output == 0 && text > 0) || (!a->complete && u.output < text)) {
        u.output = text;
        estimated |= text > 0 || a->complete;
    }
    estimated |= check_part(&u.cache_read, u.input);
    estimated |= check_part(&u.cache_write, u.input);
    estimated |= check_part(&u.reasoning, u.output);
    *ret_estimated = estimated;
    return u;
}

struct aiex_usage answer_usage(const struct answer *a)
{
    int estimated;
    struct aiex_usage u = usage_now(a, &estimated);

    if (u.input < 0)
        u.input = aiex_tokens_estimate(a->c->prompt_bytes);
    if (u.output < 0)
        u.output = 0;
    return u;
}
