/* http_splice_test.c - small changes of documents (splice.h), compared as text. */
#include "splice.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct aiex_slice slice_of(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

/* The pieces one behind the other. */
static const char *joined(const struct splice *s)
{
    static char out[1024];
    size_t n = 0;

    CU_ASSERT_TRUE_FATAL(s->n <= SPLICE_PIECES);
    for (size_t i = 0; i < s->n; i++) {
        CU_ASSERT_TRUE_FATAL(n + s->pieces[i].len < sizeof(out));
        memcpy(out + n, s->pieces[i].data, s->pieces[i].len);
        n += s->pieces[i].len;
    }
    out[n] = 0;
    return out;
}

static void puts_history_first(void)
{
    static const struct {
        const char *doc, *items, *want; /* want NULL: refused */
    } t[] = {
        {"{\"previous_response_id\":\"r\",\"input\":[1]}", "[0]", "{\"input\":[0,1]}"},
        {"{\"input\":[1],\"previous_response_id\":\"r\"}", "[0]", "{\"input\":[0,1]}"},
        {"{\"a\":1,\"input\":[1] , \"previous_response_id\" : \"r\" }", "[0]",
         "{\"a\":1,\"input\":[0,1] }"},
        {"{\"a\":1,\"previous_response_id\":\"r\",\"b\":2,\"input\":[1],\"c\":3}", "[0]",
         "{\"a\":1,\"b\":2,\"input\":[0,1],\"c\":3}"},
        {"{\"input\":\"x\",\"previous_response_id\":\"r\",\"b\":2}", "[0]",
         "{\"input\":[0,{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"}],\"b\":2}"},
        {"{\"input\":\"x\",\"previous_response_id\":\"r\"}", "[]",
         "{\"input\":[{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"}]}"},
        {"{\"previous_response_id\":\"r\",\"input\":null}", "[0]", "{\"input\":[0]}"},
        {"{\"previous_response_id\":\"r\"}", "[0]", "{\"input\":[0]}"},
        {"{\"m\":1,\"previous_response_id\":\"r\",\"n\":2}", "[0]",
         "{\"m\":1,\"input\":[0],\"n\":2}"},
        {"{\"previous_response_id\":\"r\",\"input\":[ ]}", " [ ] ", "{\"input\":[]}"},
        {"{\"input\":[1],\"x\":{\"previous_response_id\":\"no\"},\"previous\\u005fresponse_id\":"
         "\"r\"}",
         "[0]", "{\"input\":[0,1],\"x\":{\"previous_response_id\":\"no\"}}"},
        {"{\"previous_response_id\":\"r\",\"input\":[1]}", "{}", NULL},
        {"{\"previous_response_id\":\"r\",\"input\":[1]}", "", NULL},
        {"{\"previous_response_id\":\"r\",\"input\":[1]}", "[1,", NULL},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_field f[] = {{.key = "input"}, {.key = "previous_response_id"}};
        struct splice s;
        int r;

        CU_ASSERT_EQUAL_FATAL(aiex_json_scan(slice_of(t[i].doc), 0, f, 2, NULL), AIEX_JSON_OBJECT);
        r = splice_history(slice_of(t[i].doc), &f[0].value, &f[1].value, slice_of(t[i].items), &s);
        CU_ASSERT_EQUAL(r == 0, t[i].want != NULL);
        if (r == 0)
            CU_ASSERT_STRING_EQUAL(joined(&s), t[i].want);
    }
}

static void makes_items_of_input(void)
{
    static const char *const t[][2] = {
        {"{\"input\":\"a\\\"b\"}",
         "[{\"type\":\"message\",\"role\":\"user\",\"content\":\"a\\\"b\"}]"},
        {"{\"input\":[ 1, 2 ]}", "[1, 2]"},
        {"{\"input\":null}", "[]"},
        {"{}", "[]"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_field f[] = {{.key = "input"}};
        struct splice s;

        aiex_json_scan(slice_of(t[i][0]), 0, f, 1, NULL);
        splice_input(&f[0].value, &s);
        CU_ASSERT_STRING_EQUAL(joined(&s), t[i][1]);
    }
}

static void renames_members(void)
{
    static const char *const t[][2] = {
        {"{\"prompt\":\"x\"}", "{\"input\":\"x\"}"},
        {"{ \"a\" : {\"prompt\":1} , \"prompt\" \n:\t\"prompt\" }",
         "{ \"a\" : {\"prompt\":1} , \"input\" \n:\t\"prompt\" }"},
        {"{\"\\u0070rompt\":[1]}", "{\"input\":[1]}"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_json_field f[] = {{.key = "prompt"}};
        struct splice s;

        aiex_json_scan(slice_of(t[i][0]), 0, f, 1, NULL);
        CU_ASSERT_EQUAL(splice_rename(slice_of(t[i][0]), &f[0].value, "input", &s), 0);
        CU_ASSERT_STRING_EQUAL(joined(&s), t[i][1]);
    }
}

const struct test_case tests[] = {
    {"puts_history_first", puts_history_first},
    {"makes_items_of_input", makes_items_of_input},
    {"renames_members", renames_members},
    {0},
};
