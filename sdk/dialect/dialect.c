/* dialect.c - the dialects as a table: names, what they are for, how their streams look. */
#include "aiex_chat.h"

#include <string.h>

static const struct dialect {
    const char *name;
    int op;
    const char *stream_type;
} dialects[AIEX_N_DIALECTS] = {
    [AIEX_DIALECT_NONE] = {"", 0, ""},
    [AIEX_OPENAI_CHAT] = {"openai.chat", AIEX_OP_CHAT, "text/event-stream"},
    [AIEX_OPENAI_RESPONSES] = {"openai.responses", AIEX_OP_CHAT, "text/event-stream"},
    [AIEX_ANTHROPIC_MESSAGES] = {"anthropic.messages", AIEX_OP_CHAT, "text/event-stream"},
    [AIEX_OLLAMA_CHAT] = {"ollama.chat", AIEX_OP_CHAT, "application/x-ndjson"},
    [AIEX_OPENAI_COMPLETIONS] = {"openai.completions", AIEX_OP_COMPLETE, "text/event-stream"},
    [AIEX_OLLAMA_GENERATE] = {"ollama.generate", AIEX_OP_COMPLETE, "application/x-ndjson"},
    [AIEX_OPENAI_EMBEDDINGS] = {"openai.embeddings", AIEX_OP_EMBED, "application/json"},
    [AIEX_OLLAMA_EMBED] = {"ollama.embed", AIEX_OP_EMBED, "application/json"},
};

static const struct dialect *row(int dialect)
{
    return &dialects[dialect > 0 && dialect < AIEX_N_DIALECTS ? dialect : AIEX_DIALECT_NONE];
}

int aiex_dialect_of(struct aiex_slice name)
{
    for (int i = 1; i < AIEX_N_DIALECTS; i++)
        if (strlen(dialects[i].name) == name.len &&
            memcmp(dialects[i].name, name.data, name.len) == 0)
            return i;
    return AIEX_DIALECT_NONE;
}

const char *aiex_dialect_name(int dialect)
{
    return row(dialect)->name;
}

int aiex_dialect_op(int dialect)
{
    return row(dialect)->op;
}

const char *aiex_dialect_stream_type(int dialect)
{
    return row(dialect)->stream_type;
}

int aiex_dialect_bridges(int from, int to)
{
    int a = aiex_dialect_op(from), b = aiex_dialect_op(to);

    return a && (a == b || (a == AIEX_OP_COMPLETE && b == AIEX_OP_CHAT));
}
