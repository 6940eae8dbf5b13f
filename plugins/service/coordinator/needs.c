#include "needs.h"

#include <aiex/aiex_pack.h>
#include <string.h>

const char *const need_names[N_NEEDS] = {"tools", "vision", "json", "fim", "embeddings"};

static const uint8_t *find(struct aiex_slice body, const char *quoted)
{
    return body.len ? memmem(body.data, body.len, quoted, strlen(quoted)) : NULL;
}

static const uint8_t *pass(const uint8_t *at, const uint8_t *end, const char *what)
{
    while (at < end && strchr(what, *at) && *at)
        at++;
    return at;
}

/* The key is there and its value is not null, false, empty or "text". */
static int has(struct aiex_slice body, const char *quoted)
{
    static const char *const nothing[] = {"null", "false", "[]", "{}", "\"\"", "\"text\""};
    const uint8_t *end = body.data + body.len, *at = find(body, quoted);

    if (!at)
        return 0;
    at = pass(at + strlen(quoted), end, " \t\r\n:");
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        size_t n = strlen(nothing[i]);

        if ((size_t)(end - at) >= n && memcmp(at, nothing[i], n) == 0)
            return 0;
    }
    return 1;
}

struct sign {
    unsigned need;
    const char *dialects; /* starts with; "" = all */
    const char *key;
};

unsigned needs_of(struct aiex_slice dialect, struct aiex_slice body)
{
    static const struct sign signs[] = {
        {NEED_TOOLS, "", "\"tools\""},
        {NEED_TOOLS, "openai.chat", "\"functions\""},
        {NEED_VISION, "openai.", "\"image_url\""},
        {NEED_VISION, "openai.", "\"input_image\""},
        {NEED_VISION, "anthropic.", "\"image\""},
        {NEED_VISION, "ollama.", "\"images\""},
        {NEED_JSON, "openai.", "\"json_schema\""},
        {NEED_JSON, "openai.", "\"json_object\""},
        {NEED_JSON, "anthropic.", "\"output_config\""},
        {NEED_JSON, "ollama.", "\"format\""},
        {NEED_FIM, "openai.completions", "\"suffix\""},
        {NEED_FIM, "ollama.generate", "\"suffix\""},
    };
    unsigned needs = 0;

    if (aiex_slice_is(dialect, "openai.embeddings") || aiex_slice_is(dialect, "ollama.embed"))
        return NEED_EMBED;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t n = strlen(signs[i].dialects);

        if (needs & signs[i].need || dialect.len < n ||
            memcmp(dialect.data, signs[i].dialects, n) != 0)
            continue;
        if (has(body, signs[i].key))
            needs |= signs[i].need;
    }
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
