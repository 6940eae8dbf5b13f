/* provider_status_test.c - what the head of a vendor's answer means. */
#include "status.h"
#include "test.h"

#include <string.h>

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

static void what_is_left(void)
{
    static const struct aiex_http_header openai[] = {{"x-ratelimit-limit-requests", "60"},
                                                     {"x-ratelimit-remaining-requests", "59"},
                                                     {"x-ratelimit-remaining-tokens", "149984"},
                                                     {"x-ratelimit-reset-requests", "1s"},
                                                     {"x-ratelimit-reset-tokens", "6m0.5s"}};
    static const struct aiex_http_header anthropic[] = {
        {"anthropic-ratelimit-requests-remaining", "0"},
        {"anthropic-ratelimit-requests-reset", "1994-11-06T08:49:47Z"},
        {"anthropic-ratelimit-tokens-remaining", "12000"},
        {"anthropic-ratelimit-tokens-reset", "1994-11-06T08:49:50.25Z"}};
    struct rate r = status_rate(openai, 5, 784111780);

    CU_ASSERT_EQUAL(r.requests, 59);
    CU_ASSERT_EQUAL(r.tokens, 149984);
    CU_ASSERT_EQUAL(r.reset_ms, 360500);
    r = status_rate(anthropic, 4, 784111780);
    CU_ASSERT_EQUAL(r.requests, 0);
    CU_ASSERT_EQUAL(r.tokens, 12000);
    CU_ASSERT_EQUAL(r.reset_ms, 10000);
    r = status_rate(openai, 0, 784111780);
    CU_ASSERT(r.requests == -1 && r.tokens == -1 && r.reset_ms == -1);
}

static void odd_words_about_what_is_left(void)
{
    static const struct {
        const char *reset;
        int64_t ms;
    } rows[] = {{"20ms", 20},
                {"1h2m3s", 3723000},
                {"7", 7000},
                {"48h", 86400000},
                {"", -1},
                {"soon", -1},
                {"1x", -1},
                {"-1s", -1},
                {"1994-11-06T08:49:30Z", 0},
                {"1994-11-06 08:49:30", -1}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_http_header h[] = {{"x-ratelimit-reset-tokens", rows[i].reset},
                                       {"x-ratelimit-remaining-tokens", "-5"}};
        struct rate r = status_rate(h, 2, 784111780);

        CU_ASSERT_EQUAL(r.reset_ms, rows[i].ms);
        CU_ASSERT_EQUAL(r.tokens, -1);
    }
}

const struct test_case tests[] = {{"statuses", statuses},
                                  {"waits", waits},
                                  {"what_is_left", what_is_left},
                                  {"odd_words_about_what_is_left", odd_words_about_what_is_left},
                                  {0}};
