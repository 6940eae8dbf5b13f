/*
 * request_effort.c - how hard a model is to think.
 *
 * openai has a word, anthropic tokens or a word, ollama on and off or a word. What a client says
 * only because its own vendor's models can (agents send anthropic's `thinking` always) is not
 * asked of models that are not known to take it: servers refuse it.
 */
#include "request.h"

static int effort_of_budget(int64_t budget)
{
    return budget <= 2048 ? EFFORT_LOW : budget <= 8192 ? EFFORT_MEDIUM : EFFORT_HIGH;
}

int64_t budget_of_effort(int effort)
{
    static const int64_t budgets[] = {
        [EFFORT_MINIMAL] = 1024, [EFFORT_LOW] = 2048,    [EFFORT_MEDIUM] = 8192,
        [EFFORT_HIGH] = 16384,   [EFFORT_XHIGH] = 32768, [EFFORT_MAX] = 32768,
    };

    return effort < EFFORT_MINIMAL ? 0 : budgets[effort];
}

static int highest_known(int effort)
{
    return effort > EFFORT_HIGH ? EFFORT_HIGH : effort;
}

int thinking_effort(const struct writer *w)
{
    const struct conv *v = w->v;
    int client = w->c->setup.client;
    int openai = client == AIEX_OPENAI_CHAT || client == AIEX_OPENAI_RESPONSES;

    if (w->traits & MODEL_NO_EFFORT)
        return EFFORT_UNSET;
    if (openai)
        return v->effort == EFFORT_MAX ? EFFORT_XHIGH : v->effort;
    if (!(w->traits & MODEL_EFFORT) || v->think == 0)
        return EFFORT_UNSET;
    if (v->effort != EFFORT_UNSET)
        return highest_known(v->effort);
    return v->budget ? effort_of_budget(v->budget) : EFFORT_UNSET;
}

/* ---- Reasoning that only its vendor can read or check ---- */

static int starts_as_openai(struct raw sealed)
{
    return sealed.len > 5 && memcmp(sealed.at, "gAAAA", 5) == 0;
}

int sealed_by_openai(const struct part *p)
{
    return p->kind == PART_REASONING && starts_as_openai(p->sealed);
}

/* Without its text a signature may be anything that was redacted. */
int sealed_by_anthropic(const struct part *p)
{
    return p->kind == PART_REASONING && p->sealed.len && p->text.len &&
           !starts_as_openai(p->sealed);
}
