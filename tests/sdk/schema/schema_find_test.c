/* JSON and code blocks out of what models write. */
#include "test.h"

#include <aiex_schema.h>
#include <string.h>

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static void test_json_in_answers(void)
{
    static const struct {
        const char *text, *json;
    } t[] = {
        {"{\"a\":1}", "{\"a\":1}"},
        {"  [1, 2]\n", "[1, 2]"},
        {"Here it is:\n```json\n{\"a\": [1]}\n```\nDone.", "{\"a\": [1]}"},
        {"```\n{\"a\":1}\n```", "{\"a\":1}"},
        {"```python\nx = {}\n```\n```JSON\n{\"b\":2}\n```", "{\"b\":2}"},
        {"```c\n{\"first\":1}\n```\n```json\n{\"b\":2}\n```", "{\"b\":2}"},
        {"~~~json\n{\"a\":\"```\"}\n~~~", "{\"a\":\"```\"}"},
        {"````json\n{\"a\":\"\\n```\\n\"}\n````", "{\"a\":\"\\n```\\n\"}"},
        {"```json\n{\"cut\":", NULL},
        {"```json\n{\"no end\":1}", "{\"no end\":1}"},
        {"The answer is {\"a\":\"}{\"} as you see {x}", "{\"a\":\"}{\"}"},
        {"use {braces} and then [1,{\"k\":null}] here", "[1,{\"k\":null}]"},
        {"no json, only 12 and \"text\"", NULL},
        {"{\"a\":1", NULL},
        {"", NULL},
        {"{\"a\":1} trailing", "{\"a\":1}"},
        {"[[[[", NULL},
        {"} ] {\"a\":1}", "{\"a\":1}"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_slice json = {NULL, 0};
        int r = aiex_schema_find_json(slice(t[i].text), &json);

        CU_ASSERT_EQUAL(r, t[i].json != NULL);
        if (!t[i].json)
            continue;
        if (json.len != strlen(t[i].json) || memcmp(json.data, t[i].json, json.len) != 0)
            CU_FAIL(t[i].text);
    }
}

static void test_blocks(void)
{
    struct aiex_slice text = slice(
        "a\n```c title=\"x\"\nint x;\n\n```\n   ~~~\nb\n```\n~~~~ \n```x``` "
        "inline\n    ```\nnot one\n```sh\nend");
    static const char *const want[][2] = {{"c", "int x;\n\n"}, {"", "b\n```\n"}, {"sh", "end"}};
    struct aiex_slice language, content;
    size_t at = 0;

    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL_FATAL(aiex_schema_next_block(text, &at, &language, &content), 1);
        CU_ASSERT_EQUAL(language.len, strlen(want[i][0]));
        CU_ASSERT_EQUAL(memcmp(language.data, want[i][0], language.len), 0);
        CU_ASSERT_EQUAL(content.len, strlen(want[i][1]));
        CU_ASSERT_EQUAL(memcmp(content.data, want[i][1], content.len), 0);
    }
    CU_ASSERT_EQUAL(aiex_schema_next_block(text, &at, &language, &content), 0);
    CU_ASSERT_EQUAL(aiex_schema_next_block(text, &at, &language, &content), 0);
}

/* Many brackets that lead nowhere: tried so often, and no more. */
static void test_tries_are_bounded(void)
{
    char text[4096];
    struct aiex_slice json;

    memset(text, '[', 300);
    strcpy(text + 300, "x {\"a\":1}");
    CU_ASSERT_EQUAL(aiex_schema_find_json(slice(text), &json), 0);
    memset(text, ' ', 290);
    CU_ASSERT_EQUAL(aiex_schema_find_json(slice(text), &json), 1);
}

const struct test_case tests[] = {
    {"json in answers", test_json_in_answers},
    {"blocks", test_blocks},
    {"tries are bounded", test_tries_are_bounded},
    {0},
};
