/* request_words_test.c - the small things that requests stand on: keys, growing JSON, names of
 * models, how much text there is. */
#include "test.h"

#include "grow.h"
#include "keys.h"
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))

/* The table is sorted, and each key is found by its name; names beside them are not. */
static void keys(void)
{
    for (int i = 0; i < N_KEYS; i++) {
        char text[64];
        struct aiex_json_span name = {AIEX_JSON_STRING, text, 0};

        CU_ASSERT_TRUE(i == 0 || strcmp(key_name((enum key)(i - 1)), key_name((enum key)i)) < 0);
        name.len = (size_t)snprintf(text, sizeof(text), "\"%s\"", key_name((enum key)i));
        CU_ASSERT_EQUAL((int)key_of(&name), i);
        name.len = (size_t)snprintf(text, sizeof(text), "\"%sx\"", key_name((enum key)i));
        CU_ASSERT_EQUAL(key_of(&name), N_KEYS);
        name.len = (size_t)snprintf(text, sizeof(text), "\"\\u00%02x%s\"", *key_name((enum key)i),
                                    key_name((enum key)i) + 1);
        CU_ASSERT_EQUAL((int)key_of(&name), i);
    }
    CU_ASSERT_STRING_EQUAL(key_name(N_KEYS), "");
}

static void walks_arrays(void)
{
    static const char text[] = "[ {\"role\":\"a\",\"id\":{\"x\":[1]}} , \"s\",7,[{}],{},null]";
    static const int types[] = {AIEX_JSON_OBJECT, AIEX_JSON_STRING, AIEX_JSON_NUMBER,
                                AIEX_JSON_ARRAY,  AIEX_JSON_OBJECT, AIEX_JSON_NULL};
    struct aiex_json_span array = {AIEX_JSON_ARRAY, text, sizeof(text) - 1}, string;
    struct members m;
    size_t at = 0;

    for (size_t i = 0; i < N(types); i++) {
        CU_ASSERT_TRUE_FATAL(members_next(&array, &at, &m, &string));
        CU_ASSERT_EQUAL(m.type, types[i]);
        CU_ASSERT_EQUAL(string.type != 0, i == 1);
        CU_ASSERT_EQUAL(aiex_json_is(&m.of[K_role], "a"), i == 0);
        CU_ASSERT_EQUAL(m.of[K_id].len, i == 0 ? 9 : 0);
    }
    CU_ASSERT_FALSE(members_next(&array, &at, &m, &string));
    array.type = AIEX_JSON_STRING;
    at = 0;
    CU_ASSERT_FALSE(members_next(&array, &at, &m, &string));
}

static void grows(void)
{
    struct grow g;

    CU_ASSERT_EQUAL_FATAL(grow_init(&g, 1, 1000), 0);
    grow_open(&g, '{');
    grow_key(&g, "a");
    grow_int(&g, INT64_MIN);
    grow_key(&g, "b");
    grow_open(&g, '[');
    grow_bool(&g, 1);
    grow_str(&g, "x");
    grow_quote(&g);
    grow_escape(&g, "\"\\\n\x01/\xc3\xa9", 7);
    grow_unquote(&g);
    grow_close(&g, ']');
    grow_close(&g, '}');
    CU_ASSERT_EQUAL(g.error, 0);
    grow_put(&g, "", 1);
    CU_ASSERT_STRING_EQUAL(g.data, "{\"a\":-9223372036854775808,\"b\":[true,\"x\","
                                   "\"\\\"\\\\\\n\\u0001/\xc3\xa9\"]}");
    free(g.data);
}

static void stops_at_the_maximum(void)
{
    struct grow g;

    CU_ASSERT_EQUAL_FATAL(grow_init(&g, 4, 10), 0);
    grow_put(&g, "12345678", 8);
    grow_put(&g, "90", 2);
    CU_ASSERT_EQUAL(g.error, 0);
    grow_put(&g, "x", 1);
    CU_ASSERT_EQUAL(g.error, -EMSGSIZE);
    grow_escape(&g, "y", 1);
    CU_ASSERT_EQUAL(g.len, 10);
    CU_ASSERT_EQUAL(memcmp(g.data, "1234567890", 10), 0);
    free(g.data);
}

static void knows_models(void)
{
    static const struct {
        const char *name;
        unsigned yes, no;
    } t[] = {
        {"gpt-4o-mini", MODEL_OPENAI | MODEL_NO_EFFORT, MODEL_NEW_LIMIT},
        {"openai/gpt-5.1-codex", MODEL_NEW_LIMIT | MODEL_EFFORT, MODEL_NO_EFFORT},
        {"gpt-5-chat-latest", MODEL_NEW_LIMIT | MODEL_NO_EFFORT, MODEL_NO_SAMPLING},
        {"o3-mini", MODEL_NO_PARALLEL | MODEL_EFFORT, 0},
        {"foo3", 0, ~0u},
        {"GPT-OSS:20b", MODEL_LEVELS | MODEL_EFFORT, MODEL_OPENAI},
        {"claude-3-5-sonnet-latest", MODEL_NO_EFFORT, MODEL_ADAPTIVE},
        {"claude-3-7-sonnet-latest", 0, ~0u},
        {"claude-sonnet-4-20250514", 0, ~0u},
        {"anthropic/claude-opus-4.5", MODEL_SCHEMA, MODEL_ADAPTIVE},
        {"claude-opus-4-6", MODEL_ADAPTIVE | MODEL_SCHEMA, MODEL_NO_SAMPLING},
        {"claude-opus-4-7", MODEL_ADAPTIVE | MODEL_NO_SAMPLING, 0},
        {"claude-sonnet-5", MODEL_ADAPTIVE | MODEL_NO_SAMPLING, 0},
        {"deepseek-r1:70b", MODEL_SHOWS_REASON, MODEL_EFFORT},
        {"", 0, ~0u},
    };

    for (size_t i = 0; i < N(t); i++) {
        unsigned traits = model_traits((struct raw){t[i].name, strlen(t[i].name)});

        if ((traits & t[i].yes) != t[i].yes || (traits & t[i].no))
            printf("%s: %#x\n", t[i].name, traits);
        CU_ASSERT_EQUAL(traits & t[i].yes, t[i].yes);
        CU_ASSERT_EQUAL(traits & t[i].no, 0);
    }
}

static int64_t count(const char *text, int *images, int *messages)
{
    return request_text_bytes(AIEX_OPENAI_CHAT,
                              (struct aiex_slice){(const uint8_t *)text, strlen(text)}, images,
                              messages);
}

static struct aiex_chat_size size_of(const char *text)
{
    struct aiex_chat_size size;

    aiex_chat_size((struct aiex_slice){(const uint8_t *)text, strlen(text)}, &size);
    return size;
}

/* The walk that checks nothing says the same as the one that does, and survives anything. */
static void sizes_requests(void)
{
    static const char whole[] =
        " {\"model\":\"m\",\"n\":3,\"max_tokens\":7,\"max_completion_tokens\":9,\"messages\":"
        "[{\"role\":\"user\",\"content\":\"say \\\"max_tokens\\\":100\"},{\"role\":\"user\","
        "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:,AAAA\"}}]}]}";
    struct aiex_slice body = {(const uint8_t *)whole, sizeof(whole) - 1};
    char cut[sizeof(whole)];

    CU_ASSERT_EQUAL(size_of(whole).prompt, aiex_chat_prompt_tokens(AIEX_OPENAI_CHAT, body));
    CU_ASSERT_EQUAL(size_of(whole).output, 9);
    CU_ASSERT_EQUAL(size_of(whole).choices, 3);
    CU_ASSERT_EQUAL(size_of("{\"options\":{\"num_predict\":5},\"prompt\":\"abc\"}").output, 5);
    CU_ASSERT_EQUAL(size_of("{\"max_output_tokens\":-5,\"n\":0}").output, 0);
    CU_ASSERT_EQUAL(size_of("{\"max_output_tokens\":-5,\"n\":0}").choices, 1);
    CU_ASSERT_EQUAL(size_of("").prompt, 0);
    CU_ASSERT_EQUAL(size_of("[[[").prompt, 0);
    for (size_t n = 0; n < sizeof(whole); n++) {
        memcpy(cut, whole, n);
        cut[n] = 0;
        CU_ASSERT_TRUE(size_of(cut).prompt <= size_of(whole).prompt + 2);
    }
}

static void counts_text(void)
{
    int images, messages;

    CU_ASSERT_EQUAL(
        count("{\"model\":\"xxxx\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
              "\"text\",\"text\":\"12345\"},{\"type\":\"image_url\",\"image_url\":{\"url\":"
              "\"data:image/png;base64,AAAAAAAA\"}}]},{\"role\":\"tool\",\"tool_call_id\":"
              "\"cccccc\",\"content\":\"678\"}]}",
              &images, &messages),
        5 + 3 + 4 + 4);
    CU_ASSERT_EQUAL(images, 1);
    CU_ASSERT_EQUAL(messages, 2);
    CU_ASSERT_EQUAL(
        count(" {\"messages\":[{\"role\":\"user\",\"content\":\"é\",\"images\":[\"A\",\"B\"]}],"
              "\"tools\":[{\"a\": 1}]}",
              &images, &messages),
        4 + 2 + 10);
    CU_ASSERT_EQUAL(images, 2);
    CU_ASSERT_EQUAL(
        count("{\"system\":\"abc\",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
              "\"image\",\"source\":{\"type\":\"base64\",\"data\":\"AAAA\"}}]}]}",
              &images, &messages),
        3 + 4);
    CU_ASSERT_EQUAL(images, 1);
    CU_ASSERT_EQUAL(count("{\"prompt\":\"abc\"", NULL, NULL), -1);
    CU_ASSERT_EQUAL(count("", NULL, NULL), -1);
    CU_ASSERT_EQUAL(count("[]", NULL, NULL), 0);
}

const struct test_case tests[] = {
    {"keys", keys},
    {"walks arrays", walks_arrays},
    {"grows", grows},
    {"stops at the maximum", stops_at_the_maximum},
    {"knows models", knows_models},
    {"counts text", counts_text},
    {"sizes requests", sizes_requests},
    {0},
};
