/* The pure parts of provider_openai: body splice, status table, Retry-After, document scan. */
#include "answer.h"
#include "splice.h"
#include "status.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct aiex_slice slice(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

static void splice_changes_only_what_it_must(void)
{
    static const struct {
        const char *body;
        int stream, force;
        const char *result; /* NULL = untouched */
        int asked;
    } rows[] = {
        {"{\"model\":\"m\",\"x\" : 1}", 0, 1, NULL, 0},
        {"{ \"x\":[1,2], \"model\" : \"other\" , \"y\":{} }", 0, 1,
         "{ \"x\":[1,2], \"model\" : \"m\" , \"y\":{} }", 0},
        {"{\"x\":1}", 0, 0, "{\"model\":\"m\",\"x\":1}", 0},
        {" {} ", 0, 0, " {\"model\":\"m\"} ", 0},
        {"{\"model\":7}", 0, 0, "{\"model\":\"m\"}", 0},
        {"{\"model\":\"\\u006d\"}", 0, 0, NULL, 0},
        {"{\"model\":\"m\",\"stream\":true}", 1, 1,
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}", 0},
        {"{\"model\":\"m\",\"stream\":true}", 1, 0, NULL, 0},
        {"{\"model\":\"m\"}", 1, 0, "{\"stream\":true,\"model\":\"m\"}", 0},
        {"{\"model\":\"m\",\"stream\":true}", 0, 1, "{\"model\":\"m\",\"stream\":false}", 0},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", 1, 1,
         NULL, 1},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\": false}}", 1, 1,
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\": true}}", 0},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{}}", 1, 1,
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", 0},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":{ \"o\":1}}", 1, 1,
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true, \"o\":1}}",
         0},
        {"{\"model\":\"m\",\"stream\":true,\"stream_options\":null}", 1, 1,
         "{\"model\":\"m\",\"stream\":true,\"stream_options\":{\"include_usage\":true}}", 0},
        {"{\"stream_options\":null,\"model\":\"o\"}", 1, 1,
         "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"model\":\"m\"}", 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct splice want = {"m", rows[i].stream, rows[i].force};
        struct aiex_error err = {""};
        struct spliced s;

        CU_ASSERT_EQUAL(splice_body(slice(rows[i].body), &want, &s, &err), 0);
        CU_ASSERT_EQUAL(s.mem == NULL, rows[i].result == NULL);
        if (rows[i].result) {
            CU_ASSERT_EQUAL(s.body.len, strlen(rows[i].result));
            CU_ASSERT_NSTRING_EQUAL(s.body.data, rows[i].result, s.body.len);
        }
        CU_ASSERT_EQUAL(s.usage_asked, rows[i].asked);
        free(s.mem);
    }
}

static void splice_refuses(void)
{
    static const struct {
        const char *body, *reason;
    } rows[] = {{"", "not JSON"},       {"[]", "not an object"},
                {"{\"a\":}", "line 1"}, {"{\"model\":\"a\",\"model\":\"b\"}", "'model' 2 times"},
                {"{} x", "not JSON"},   {"{\"stream\":true,\"stream\":false}", "'stream' 2 times"}};
    struct splice want = {"m", 0, 1};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_error err = {""};
        struct spliced s;

        CU_ASSERT_EQUAL(splice_body(slice(rows[i].body), &want, &s, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rows[i].reason));
        CU_ASSERT_PTR_NULL(s.mem);
    }
}

static void splice_escapes_the_model(void)
{
    struct splice want = {"a\"b\\c", 0, 0};
    struct aiex_error err;
    struct spliced s;

    CU_ASSERT_EQUAL(splice_body(slice("{\"model\":\"x\"}"), &want, &s, &err), 0);
    CU_ASSERT_NSTRING_EQUAL(s.body.data, "{\"model\":\"a\\\"b\\\\c\"}", s.body.len);
    free(s.mem);
}

static void statuses(void)
{
    static const struct {
        int status, waits;
        const char *code;
        int http_status, started;
    } rows[] = {
        {400, 0, "invalid", 400, 0},  {401, 0, "denied", 401, 0},    {402, 0, "denied", 402, 0},
        {403, 0, "denied", 403, 0},   {404, 0, "not_found", 404, 0}, {408, 0, "timeout", 408, 1},
        {409, 0, "conflict", 409, 0}, {410, 0, "not_found", 410, 0}, {413, 0, "invalid", 413, 0},
        {422, 0, "invalid", 422, 0},  {429, 0, "busy", 429, 0},      {429, 1, "busy", 429, 0},
        {500, 0, "upstream", 500, 1}, {500, 1, "upstream", 500, 1},  {502, 0, "upstream", 502, 1},
        {503, 0, "upstream", 503, 0}, {503, 1, "busy", 503, 0},      {504, 0, "timeout", 504, 1},
        {529, 0, "busy", 529, 0},     {302, 0, "upstream", 502, 0},  {700, 0, "upstream", 502, 0},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct status_meaning m = status_meaning(rows[i].status, rows[i].waits);

        CU_ASSERT_STRING_EQUAL(m.code, rows[i].code);
        CU_ASSERT_EQUAL(m.http_status, rows[i].http_status);
        CU_ASSERT_EQUAL(m.started, rows[i].started);
    }
}

static void waits(void)
{
    static const struct {
        const char *ms, *after, *date;
        int64_t wait;
    } rows[] = {
        {NULL, NULL, NULL, -1},
        {NULL, "0", NULL, 0},
        {NULL, "2", NULL, 2000},
        {NULL, "1.5", NULL, 1500},
        {"250", "2", NULL, 250},
        {"soon", "2", NULL, 2000},
        {NULL, "-1", NULL, -1},
        {NULL, "2 s", NULL, -1},
        {NULL, "1e999", NULL, -1},
        {NULL, "99999999999", NULL, 86400000},
        {NULL, "Sun, 06 Nov 1994 08:49:47 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 10000},
        {NULL, "Sun, 06 Nov 1994 08:49:27 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
        {NULL, "Sun, 06 Nov 1994 08:49:47 GMT", NULL, 7000}, /* wall_now below */
        {NULL, "Sun, 06 Nov 1994 08:49:47 GMT", "yesterday", 7000},
        {NULL, "Sun, 06 Nov 1995 08:49:47 GMT", NULL, 86400000},
        {NULL, "Sun, 06 Xxx 1994 08:49:47 GMT", NULL, -1},
        {NULL, "Sun, 06 anF 1994 08:49:47 GMT", NULL, -1},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_http_header h[3];
        size_t n = 0;

        if (rows[i].ms)
            h[n++] = (struct aiex_http_header){"retry-after-ms", rows[i].ms};
        if (rows[i].after)
            h[n++] = (struct aiex_http_header){"retry-after", rows[i].after};
        if (rows[i].date)
            h[n++] = (struct aiex_http_header){"date", rows[i].date};
        CU_ASSERT_EQUAL(status_retry_ms(h, n, 784111780), rows[i].wait);
    }
}

static void documents(void)
{
    struct answer a;
    const char *why = NULL;

    answer_init(&a);
    CU_ASSERT_EQUAL(answer_scan(&a,
                                slice("{\"model\":\"m-1\",\"choices\":[{\"finish_reason\":null,"
                                      "\"delta\":{\"content\":\"x\"}}],\"usage\":null}"),
                                &why),
                    0);
    CU_ASSERT_STRING_EQUAL(a.finish, "");
    CU_ASSERT_STRING_EQUAL(a.model, "m-1");
    CU_ASSERT_EQUAL(a.input_tokens, -1);
    CU_ASSERT_EQUAL(
        answer_scan(&a, slice("{\"choices\":[{\"finish_reason\":\"tool_calls\"}]}"), &why), 0);
    CU_ASSERT_STRING_EQUAL(a.finish, "tool_calls");
    CU_ASSERT_EQUAL(
        answer_scan(&a,
                    slice("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,"
                          "\"prompt_tokens_details\":{\"cached_tokens\":3}}}"),
                    &why),
        ANSWER_USAGE_ONLY);
    CU_ASSERT_EQUAL(a.input_tokens, 7);
    CU_ASSERT_EQUAL(a.output_tokens, 5);
    CU_ASSERT_EQUAL(a.cached_tokens, 3);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("{\"error\":{\"message\":\"m\"}}"), &why), ANSWER_ERROR);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("{\"error\":null,\"choices\":[{}]}"), &why), 0);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("{\"choices\":[],\"prompt_filter_results\":[]}"), &why),
                    0);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("{\"choices\":"), &why), -EINVAL);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("17"), &why), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(why);
    CU_ASSERT_EQUAL(answer_scan(&a, slice("{\"a\":\"\xff\"}"), &why), -EINVAL);
}

const struct test_case tests[] = {
    {"splice_changes_only_what_it_must", splice_changes_only_what_it_must},
    {"splice_refuses", splice_refuses},
    {"splice_escapes_the_model", splice_escapes_the_model},
    {"statuses", statuses},
    {"waits", waits},
    {"documents", documents},
    {0}};
