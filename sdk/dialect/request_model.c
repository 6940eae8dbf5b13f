/*
 * request_model.c - what the name of a model tells about it.
 *
 * Dialects say how a thing is written, not which models take it: newer models refuse settings that
 * older ones take, and the other way round. Names are all there is to know it by. A row counts
 * when the name contains its word; the first row that does decides. Unknown names have no
 * traits: they are asked for nothing special.
 *
 * Sources: OpenAI reasoning guide (temperature and max_tokens of reasoning models), Anthropic
 * extended and adaptive thinking, structured outputs, Ollama thinking.
 */
#include "request.h"

#define OPENAI_REASONER (MODEL_OPENAI | MODEL_NO_SAMPLING | MODEL_NEW_LIMIT | MODEL_EFFORT)
#define OPENAI_PLAIN    (MODEL_OPENAI | MODEL_NO_EFFORT)

static const struct {
    const char *word;
    int at_start; /* of the name or behind a '/' */
    unsigned traits;
} rows[] = {
    {"gpt-5-chat", 1, OPENAI_PLAIN | MODEL_NEW_LIMIT},
    {"gpt-5", 1, OPENAI_REASONER},
    {"gpt-6", 1, OPENAI_REASONER},
    {"codex", 1, OPENAI_REASONER},
    {"o1", 1, OPENAI_REASONER | MODEL_NO_PARALLEL},
    {"o3", 1, OPENAI_REASONER | MODEL_NO_PARALLEL},
    {"o4", 1, OPENAI_REASONER | MODEL_NO_PARALLEL},
    {"gpt-4", 1, OPENAI_PLAIN},
    {"gpt-3", 1, OPENAI_PLAIN},
    {"chatgpt-4", 1, OPENAI_PLAIN},
    {"gpt-oss", 0, MODEL_EFFORT | MODEL_LEVELS},

    {"claude-2", 0, MODEL_NO_EFFORT},
    {"claude-instant", 0, MODEL_NO_EFFORT},
    {"claude-3-7", 0, 0},
    {"claude-3.7", 0, 0},
    {"claude-3", 0, MODEL_NO_EFFORT},
    {"opus-4-1", 0, MODEL_SCHEMA},
    {"opus-4-5", 0, MODEL_SCHEMA},
    {"opus-4.5", 0, MODEL_SCHEMA},
    {"sonnet-4-5", 0, MODEL_SCHEMA},
    {"sonnet-4.5", 0, MODEL_SCHEMA},
    {"claude-haiku-4", 0, MODEL_SCHEMA},
    {"opus-4-6", 0, MODEL_ADAPTIVE | MODEL_SCHEMA},
    {"opus-4.6", 0, MODEL_ADAPTIVE | MODEL_SCHEMA},
    {"sonnet-4-6", 0, MODEL_ADAPTIVE | MODEL_SCHEMA},
    {"sonnet-4.6", 0, MODEL_ADAPTIVE | MODEL_SCHEMA},
    {"claude-opus-4-2", 0, 0},
    {"claude-opus-4-0", 0, 0},
    {"claude-sonnet-4-2", 0, 0},
    {"claude-sonnet-4-0", 0, 0},
    {"claude-", 0, MODEL_ADAPTIVE | MODEL_SCHEMA | MODEL_NO_SAMPLING},

    {"deepseek", 0, MODEL_SHOWS_REASON},
    {"kimi", 0, MODEL_SHOWS_REASON},
    {"glm-", 0, MODEL_SHOWS_REASON},
    {"minimax", 0, MODEL_SHOWS_REASON},
    {"mimo", 0, MODEL_SHOWS_REASON},
};

static int contains(struct raw name, const char *word, int at_start)
{
    size_t n = strlen(word);

    for (size_t i = 0; i + n <= name.len; i++) {
        size_t k = 0;

        if (at_start && i && name.at[i - 1] != '/')
            continue;
        while (k < n && (name.at[i + k] |
                         (name.at[i + k] >= 'A' && name.at[i + k] <= 'Z' ? 32 : 0)) == word[k])
            k++;
        if (k == n)
            return 1;
    }
    return 0;
}

unsigned model_traits(struct raw name)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (contains(name, rows[i].word, rows[i].at_start))
            return rows[i].traits;
    return 0;
}
