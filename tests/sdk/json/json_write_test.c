/* json_write_test.c - what is written is JSON again. */
#include "test.h"

#include <aiex_json.h>
#include <string.h>

static int written_is(const struct aiex_json_out *w, const char *text)
{
    return !w->failed && w->len == strlen(text) && memcmp(w->data, text, w->len) == 0;
}

static void escapes(void)
{
    static const struct {
        const char *plain, *json;
    } t[] = {
        {"", "\"\""},
        {"abc", "\"abc\""},
        {"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
        {"\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\""},
        {"\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\""},
        {"\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"x\xffy", "\"x\xef\xbf\xbdy\""},
        {"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    };
    char mem[64];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_out w;

        aiex_jw_init(&w, mem, sizeof(mem));
        aiex_jw_str(&w, t[i].plain);
        CU_ASSERT_TRUE(written_is(&w, t[i].json));
        CU_ASSERT_EQUAL(
            aiex_json_scan((struct aiex_slice){(uint8_t *)mem, w.len}, 0, NULL, 0, NULL),
            AIEX_JSON_STRING);
    }
}

/* Every byte, alone and between others, gives a string that the scan accepts. */
static void any_byte_becomes_json(void)
{
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'}, mem[32];
        struct aiex_json_out w;

        aiex_jw_init(&w, mem, sizeof(mem));
        aiex_jw_strn(&w, text, 3);
        CU_ASSERT_FALSE(w.failed);
        CU_ASSERT_EQUAL(
            aiex_json_scan((struct aiex_slice){(uint8_t *)mem, w.len}, 0, NULL, 0, NULL),
            AIEX_JSON_STRING);
    }
}

static void writes_numbers(void)
{
    struct aiex_json_out w;
    char mem[64];

    aiex_jw_init(&w, mem, sizeof(mem));
    aiex_jw_int(&w, INT64_MIN);
    aiex_jw_raw(&w, " ");
    aiex_jw_int(&w, 0);
    CU_ASSERT_TRUE(written_is(&w, "-9223372036854775808 0"));
}

static void counts_what_does_not_fit(void)
{
    char mem[16] = "................";
    struct aiex_json_out w;

    aiex_jw_init(&w, NULL, 0);
    aiex_jw_str(&w, "ab\ncd");
    CU_ASSERT_EQUAL(w.failed, 1);
    CU_ASSERT_EQUAL(w.len, 8);
    aiex_jw_init(&w, mem, 8);
    aiex_jw_str(&w, "ab\ncd");
    CU_ASSERT_TRUE(written_is(&w, "\"ab\\ncd\""));
    aiex_jw_init(&w, mem, 7);
    aiex_jw_str(&w, "ab\ncd");
    CU_ASSERT_EQUAL(w.failed, 1);
    CU_ASSERT_EQUAL(w.len, 8);
    CU_ASSERT_EQUAL(mem[8], '.');
}

const struct test_case tests[] = {
    {"escapes", escapes},
    {"any_byte_becomes_json", any_byte_becomes_json},
    {"writes_numbers", writes_numbers},
    {"counts_what_does_not_fit", counts_what_does_not_fit},
    {0},
};
