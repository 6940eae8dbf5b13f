#include "needs.h"

#include "keys.h"

#include <aiex/aiex_pack.h>
#include <string.h>

const char *const need_names[N_NEEDS] = {"tools", "vision", "json", "fim", "embeddings"};

/* A value that asks for nothing. */
static int is_nothing(struct aiex_slice body, size_t at)
{
    static const char *const nothing[] = {"null", "false", "[]", "{}", "\"\"", "\"text\""};

    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        size_t n = strlen(nothing[i]);

        if (body.len - at >= n && memcmp(body.data + at, nothing[i], n) == 0)
            return 1;
    }
    return 0;
}

/* Whether what ends before `at` was a key, not a value. */
static int is_key(struct aiex_slice body, size_t at)
{
    while (at && memchr(" \t\r\n", body.data[at - 1], 4))
        at--;
    return at && body.data[at - 1] == ':';
}

enum place { AS_KEY, ANYWHERE };

struct sign {
    unsigned need;
    const char *dialects; /* starts with; "" = all */
    const char *name;
    enum place place;
};

#define MAX_SIGNS 8u

unsigned needs_of(struct aiex_slice dialect, struct aiex_slice body)
{
    static const struct sign signs[] = {
        {NEED_TOOLS, "", "tools", AS_KEY},
        {NEED_TOOLS, "openai.chat", "functions", AS_KEY},
        {NEED_VISION, "openai.", "image_url", ANYWHERE},
        {NEED_VISION, "openai.", "input_image", ANYWHERE},
        {NEED_VISION, "anthropic.", "image", ANYWHERE},
        {NEED_VISION, "ollama.", "images", AS_KEY},
        {NEED_JSON, "openai.", "json_schema", ANYWHERE},
        {NEED_JSON, "openai.", "json_object", ANYWHERE},
        {NEED_JSON, "anthropic.", "output_config", AS_KEY},
        {NEED_JSON, "ollama.", "format", AS_KEY},
        {NEED_FIM, "openai.completions", "suffix", AS_KEY},
        {NEED_FIM, "ollama.generate", "suffix", AS_KEY},
    };
    const char *names[MAX_SIGNS];
    const struct sign *which[MAX_SIGNS];
    unsigned needs = 0, all = 0;
    size_t n = 0, at = 0;
    int found;

    if (aiex_slice_is(dialect, "openai.embeddings") || aiex_slice_is(dialect, "ollama.embed"))
        return NEED_EMBED;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]) && n < MAX_SIGNS; i++) {
        size_t len = strlen(signs[i].dialects);

        if (dialect.len < len || memcmp(dialect.data, signs[i].dialects, len) != 0)
            continue;
        names[n] = signs[i].name;
        which[n++] = &signs[i];
        all |= signs[i].need;
    }
    while (needs != all && (found = keys_next(body, &at, names, n)) >= 0)
        if ((which[found]->place == ANYWHERE || is_key(body, at)) && !is_nothing(body, at))
            needs |= which[found]->need;
    return needs;
}

unsigned needs_from(struct aiex_slice array, uint32_t count)
{
    unsigned needs = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct aiex_value v;

        if (aiex_r_value(&array, &v) != 0 || v.type != AIEX_T_STR)
            break;
        for (unsigned k = 0; k < N_NEEDS; k++)
            if (aiex_slice_is(v.bytes, need_names[k]))
                needs |= 1u << k;
    }
    return needs;
}
