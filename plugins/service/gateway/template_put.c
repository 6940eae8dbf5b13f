/* template_put.c - where a system prompt stands in each dialect: one table. */
#include "template.h"

#include <aiex_chat.h>
#include <string.h>

enum place {
    NOWHERE,
    IN_MESSAGES, /* an array of messages: a first one of role system */
    IN_TEXT,     /* a string that may be missing */
    IN_BLOCKS,   /* a string or an array of text blocks, either may be missing */
    IN_PROMPT,   /* a string that must be there */
};

static const struct {
    const char *member;
    enum place place;
} places[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] = {"messages", IN_MESSAGES},
    [AIEX_OLLAMA_CHAT] = {"messages", IN_MESSAGES},
    [AIEX_OPENAI_RESPONSES] = {"instructions", IN_TEXT},
    [AIEX_ANTHROPIC_MESSAGES] = {"system", IN_BLOCKS},
    [AIEX_OLLAMA_GENERATE] = {"system", IN_TEXT},
    [AIEX_OPENAI_COMPLETIONS] = {"prompt", IN_PROMPT},
};

static void put_escaped(struct aiex_json_out *out, struct aiex_slice text)
{
    aiex_jw_escape(out, (const char *)text.data, text.len);
}

/* The text before what the string has already. */
static void put_string(struct aiex_json_out *out, struct aiex_slice text,
                       const struct aiex_json_span *old)
{
    aiex_jw_raw(out, "\"");
    put_escaped(out, text);
    if (old->type == AIEX_JSON_STRING && old->len > 2) {
        aiex_jw_raw(out, "\\n\\n");
        aiex_jw_rawn(out, old->data + 1, old->len - 2);
    }
    aiex_jw_raw(out, "\"");
}

/* The first item of an array, then its other ones. */
static void put_first(struct aiex_json_out *out, const char *before, struct aiex_slice text,
                      const struct aiex_json_span *array)
{
    struct aiex_json_span item;
    size_t at = 0;

    aiex_jw_raw(out, "[");
    aiex_jw_raw(out, before);
    aiex_jw_raw(out, "\"");
    put_escaped(out, text);
    aiex_jw_raw(out, "\"}");
    while (aiex_json_next(array, &at, NULL, &item)) {
        aiex_jw_raw(out, ",");
        aiex_jw_rawn(out, item.data, item.len);
    }
    aiex_jw_raw(out, "]");
}

static const char *put_value(enum place place, struct aiex_json_out *out, struct aiex_slice text,
                             const struct aiex_json_span *old)
{
    int missing = old->type == 0 || old->type == AIEX_JSON_NULL;

    if (place == IN_MESSAGES) {
        if (old->type != AIEX_JSON_ARRAY)
            return "a template needs 'messages' to be an array";
        put_first(out, "{\"role\":\"system\",\"content\":", text, old);
    } else if (place == IN_BLOCKS && old->type == AIEX_JSON_ARRAY) {
        put_first(out, "{\"type\":\"text\",\"text\":", text, old);
    } else if (old->type == AIEX_JSON_STRING || (missing && place != IN_PROMPT)) {
        put_string(out, text, old);
    } else {
        return "a template needs the prompt, or the system prompt, to be a string";
    }
    return NULL;
}

const char *template_put(int dialect, struct aiex_slice body, struct aiex_slice text,
                         struct aiex_json_out *out)
{
    struct aiex_json_span whole = {AIEX_JSON_OBJECT, (const char *)body.data, body.len}, key, value;
    const char *wrong, *member = places[dialect].member;
    struct aiex_json_span old = {0};
    size_t at = 0;

    if (places[dialect].place == NOWHERE)
        return "a template is for chats and completions only";
    while (whole.len && *whole.data != '{') { /* the scan has accepted it: only blanks */
        whole.data++;
        whole.len--;
    }
    aiex_json_find(&whole, member, &old);
    aiex_jw_raw(out, "{\"");
    aiex_jw_raw(out, member);
    aiex_jw_raw(out, "\":");
    wrong = put_value(places[dialect].place, out, text, &old);
    while (!wrong && aiex_json_next(&whole, &at, &key, &value)) {
        if (aiex_json_is(&key, "aiex_template") || aiex_json_is(&key, member))
            continue;
        aiex_jw_raw(out, ",");
        aiex_jw_rawn(out, key.data, key.len);
        aiex_jw_raw(out, ":");
        aiex_jw_rawn(out, value.data, value.len);
    }
    aiex_jw_raw(out, "}");
    return wrong;
}
