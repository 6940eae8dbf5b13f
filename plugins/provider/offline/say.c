/* say.c - the texts of answers: what was found about code, or what to do to get a model. */
#include "say.h"

#include "explain.h"

#include <string.h>

#define MAX_CODE (1024u * 1024u) /* bytes of the conversation's code that are looked at */

static void add_notice(struct text *t)
{
    text_add(
        t, "**Offline answer.** No language model is reachable, so this was made without one.\n\n");
}

void say_help(struct text *t, const struct question *q, int has_root, int limited)
{
    add_notice(t);
    if (q->wants_tools)
        text_add(t, "Tools were offered with this request; without a model none is called.\n\n");
    if (limited)
        text_add(
            t, "The search below the configured folders stopped at its limits before it found what "
               "was asked for; name the file or ask for a smaller folder.\n\n");
    text_add(
        t,
        "To get answers from a model, do one of these and repeat the request:\n\n"
        "- start Ollama or LM Studio on this machine: they are found by themselves (`OLLAMA_HOST` "
        "and "
        "`LMSTUDIO_BASE_URL` say where else they are);\n"
        "- set `OPENAI_API_KEY` or `ANTHROPIC_API_KEY` (or `api_key` in the section of the "
        "provider);\n"
        "- point `OPENAI_BASE_URL` (or `base_url`) to any server that speaks the OpenAI API;\n"
        "- if both are set, look why the provider is down: `GET /readyz` or `aiex call coordinator "
        "coordinator.status`.\n\n"
        "What works without a model: paste code in a fenced block and ask about it, or name a "
        "function of it, and it is explained from the code itself: signature, parameters, calls, "
        "control flow, returns.");
    text_add(t,
             has_root
                 ? " Names of functions and files below the configured folders work as well.\n"
                 : " With the option `root` of `provider_offline`, files in those folders can be "
                   "asked about by name.\n");
}

/* The definition that was asked for, or the longest when all of the code was. */
static const struct definition *main_definition(const struct source *s)
{
    const struct definition *best = NULL;

    for (size_t i = 0; i < s->n_defs; i++)
        if (!best || s->defs[i].end - s->defs[i].start > best->end - best->start)
            best = &s->defs[i];
    return best;
}

void say_definition(struct text *t, const struct source *s, const struct definition *d)
{
    add_notice(t);
    if (!d)
        d = main_definition(s);
    if (!d) {
        text_addf(t, "The code was read as %s; no definition was found in %s (%zu bytes).\n",
                  s->language ? s->language->name : "an unknown language", s->label, s->len);
        return;
    }
    explain_definition(t, s, d);
    explain_list(t, s, d);
}

int say_conversation(struct text *t, const struct question *q)
{
    for (int named = 1; named >= 0; named--) {
        size_t bytes = 0;

        for (size_t i = 0; i < q->n_blocks && bytes < MAX_CODE; i++) {
            const struct block *b = &q->blocks[i];
            const struct definition *d = NULL;
            struct source s;
            int done = 0;

            bytes += b->len;
            if (source_init(&s, b->text, b->len, b->language, "the code in the conversation") ==
                0) {
                d = question_names(q, &s, 1);
                done = named ? d != NULL : b->in_last;
            }
            if (done)
                say_definition(t, &s, d);
            source_done(&s);
            if (done)
                return 1;
        }
    }
    return 0;
}
