/* json_read_test.c - strings, numbers and walks over accepted spans. */
#include "test.h"

#include <aiex_json.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct aiex_json_span span(int type, const char *text)
{
    return (struct aiex_json_span){type, text, strlen(text)};
}

static void undoes_escapes(void)
{
    static const struct {
        const char *json, *plain;
    } t[] = {
        {"\"\"", ""},
        {"\"abc\"", "abc"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
        {"\"\\ude00\"", "\xef\xbf\xbd"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf"},
    };
    char out[64];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_span s = span(AIEX_JSON_STRING, t[i].json);

        CU_ASSERT_EQUAL(aiex_json_text(&s, out, sizeof(out)), (long)strlen(t[i].plain));
        CU_ASSERT_STRING_EQUAL(out, t[i].plain);
        CU_ASSERT_TRUE(aiex_json_is(&s, t[i].plain));
        CU_ASSERT_FALSE(aiex_json_is(&s, "other"));
    }
}

static void needs_room(void)
{
    struct aiex_json_span s = span(AIEX_JSON_STRING, "\"a\\u20ac\"");
    char out[8];

    CU_ASSERT_EQUAL(aiex_json_text(&s, out, 5), 4);
    CU_ASSERT_EQUAL(aiex_json_text(&s, out, 4), -ENOSPC);
    CU_ASSERT_EQUAL(aiex_json_text(&s, out, 0), -ENOSPC);
    s = span(AIEX_JSON_NUMBER, "12");
    CU_ASSERT_EQUAL(aiex_json_text(&s, out, sizeof(out)), -EINVAL);
    CU_ASSERT_FALSE(aiex_json_is(&s, "12"));
}

static void counts_a_nul(void)
{
    struct aiex_json_span s = span(AIEX_JSON_STRING, "\"a\\u0000b\"");
    char out[8];

    CU_ASSERT_EQUAL(aiex_json_text(&s, out, sizeof(out)), 3);
    CU_ASSERT_EQUAL(memcmp(out, "a\0b", 4), 0);
    CU_ASSERT_FALSE(aiex_json_is(&s, "a"));
}

static void reads_whole_numbers(void)
{
    static const struct {
        const char *text;
        int r;
        int64_t v;
    } t[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"42", 0, 42},
        {"-42", 0, -42},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"99999999999999999999", -ERANGE, 0},
        {"1.5", -EINVAL, 0},
        {"1e3", -EINVAL, 0},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_span s = span(AIEX_JSON_NUMBER, t[i].text);
        int64_t v = 7;

        CU_ASSERT_EQUAL(aiex_json_int(&s, &v), t[i].r);
        CU_ASSERT_EQUAL(v, t[i].r ? 7 : t[i].v);
    }
}

static void walks_arrays(void)
{
    static const char text[] = "[ 1,\"a]\\\"\", {\"b\":[2]} ,[],null, true ]";
    static const struct {
        int type;
        const char *text;
    } want[] = {
        {AIEX_JSON_NUMBER, "1"},           {AIEX_JSON_STRING, "\"a]\\\"\""},
        {AIEX_JSON_OBJECT, "{\"b\":[2]}"}, {AIEX_JSON_ARRAY, "[]"},
        {AIEX_JSON_NULL, "null"},          {AIEX_JSON_TRUE, "true"},
    };
    struct aiex_json_span whole = span(AIEX_JSON_ARRAY, text), value;
    size_t at = 0, n = 0;

    while (aiex_json_next(&whole, &at, NULL, &value)) {
        CU_ASSERT_TRUE_FATAL(n < 6);
        CU_ASSERT_EQUAL(value.type, want[n].type);
        CU_ASSERT_EQUAL(value.len, strlen(want[n].text));
        CU_ASSERT_EQUAL(memcmp(value.data, want[n].text, value.len), 0);
        n++;
    }
    CU_ASSERT_EQUAL(n, 6);
    whole = span(AIEX_JSON_ARRAY, "[ ]");
    at = 0;
    CU_ASSERT_EQUAL(aiex_json_next(&whole, &at, NULL, &value), 0);
    whole = span(AIEX_JSON_NUMBER, "12");
    at = 0;
    CU_ASSERT_EQUAL(aiex_json_next(&whole, &at, NULL, &value), 0);
}

static void walks_and_finds_in_objects(void)
{
    static const char text[] =
        "{\"usage\" : {\"prompt_tokens\":12,\"x}\":1}, \"a\":false , \"\\u0061\":\"last\"}";
    struct aiex_json_span whole = span(AIEX_JSON_OBJECT, text), key, value, inner;
    size_t at = 0, n = 0;
    int64_t v = 0;

    while (aiex_json_next(&whole, &at, &key, &value)) {
        CU_ASSERT_EQUAL(key.type, AIEX_JSON_STRING);
        n++;
    }
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "usage", &value));
    CU_ASSERT_TRUE(aiex_json_find(&value, "prompt_tokens", &inner));
    CU_ASSERT_EQUAL(aiex_json_int(&inner, &v), 0);
    CU_ASSERT_EQUAL(v, 12);
    CU_ASSERT_TRUE(aiex_json_find(&whole, "a", &value));
    CU_ASSERT_TRUE(aiex_json_is(&value, "last"));
    CU_ASSERT_FALSE(aiex_json_find(&whole, "none", &value));
    CU_ASSERT_EQUAL(value.type, 0);
    CU_ASSERT_FALSE(aiex_json_find(&inner, "none", &value));
}

/* Spans that no scan has accepted end the walk, whatever they hold. */
static void survives_rubbish(void)
{
    static const char *const bad[] = {"{",      "{\"",     "{\"a",       "{\"a\":", "[1,",
                                      "[\"\\",  "[{\"a\"", "{\"a\":[[[", "[}",      "{]",
                                      "[\"\\u", "{:,:,",   "[nul",       "{\"a\":{"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aiex_json_span whole = span(bad[i][0] == '{' ? AIEX_JSON_OBJECT : AIEX_JSON_ARRAY,
                                           bad[i]);
        struct aiex_json_span key, value;
        size_t at = 0, n = 0;

        while (aiex_json_next(&whole, &at, &key, &value) && n < 20)
            n++;
        CU_ASSERT_TRUE(n < 20);
        CU_ASSERT_TRUE(at <= whole.len);
    }
}

static void unescapes_into_memory(void)
{
    static const struct {
        const char *inside, *plain;
    } t[] = {
        {"", ""},
        {"abc", "abc"},
        {"a\\nb\\\"\\\\c\\/", "a\nb\"\\c/"},
        {"\\u00e9\\ud83d\\ude00x", "\xc3\xa9\xf0\x9f\x98\x80x"},
        {"\\ud800", "\xef\xbf\xbd"},
    };
    char out[32];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        size_t n = aiex_json_unescape(t[i].inside, strlen(t[i].inside), out);

        CU_ASSERT_EQUAL(n, strlen(t[i].plain));
        CU_ASSERT_EQUAL(memcmp(out, t[i].plain, n), 0);
    }
}

/* As aiex_json_is() says it, whatever follows the key. */
static void tells_keys(void)
{
    static const char *const keys[] = {
        "\"\"",          "\"m\"",           "\"model\"",       "\"models\"",       "\"mode\"",
        "\"Model\"",     "\"mod\\u0065l\"", "\"\\u006dodel\"", "\"model\\u0000\"", "\"mod\\/l\"",
        "\"model\\\"\"", "\"\\\"\""};
    static const char *const plain[] = {"model", "m", "models", "mod/l", "x"};
    int found = 0;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        size_t len = strlen(keys[i]);
        char *copy = malloc(len); /* a sanitizer sees a step beyond it */
        struct aiex_json_span span = {AIEX_JSON_STRING, copy, len};

        memcpy(copy, keys[i], len);
        for (size_t k = 0; k < sizeof(plain) / sizeof(plain[0]); k++) {
            int is = aiex_json_key_is(copy, len, plain[k]);

            CU_ASSERT_EQUAL(is, aiex_json_is(&span, plain[k]));
            found += is;
        }
        free(copy);
    }
    CU_ASSERT_EQUAL(found, 6);
}

const struct test_case tests[] = {
    {"tells_keys", tells_keys},
    {"unescapes_into_memory", unescapes_into_memory},
    {"undoes_escapes", undoes_escapes},
    {"needs_room", needs_room},
    {"counts_a_nul", counts_a_nul},
    {"reads_whole_numbers", reads_whole_numbers},
    {"walks_arrays", walks_arrays},
    {"walks_and_finds_in_objects", walks_and_finds_in_objects},
    {"survives_rubbish", survives_rubbish},
    {0},
};
