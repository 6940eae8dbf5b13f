/*
 * http1_test.c - good messages: what is understood, however the bytes are cut.
 *
 * Each sample is fed whole, byte by byte, and cut at every place (short ones: at
 * every pair of places); the transcripts must be the same.
 */
#include "test.h"
#include "transcript.h"

struct sample {
    uint32_t kind;
    const char *bytes;
    const char *want; /* transcript */
};

#define H "Host: a\r\n"

static const struct sample samples[] = {
    {AIEX_HTTP1_REQUEST, "GET / HTTP/1.1\r\n" H "\r\n", "[GET /? 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "\r\n\r\nGET /a%20b?x=%41&y HTTP/1.1\r\n" H "\r\n",
     "[GET /a%20b?x=%41&y 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "OPTIONS * HTTP/1.1\r\n" H "\r\n", "[OPTIONS *? 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET http://h:1/p?q HTTP/1.1\r\n" H "\r\n",
     "[GET /p?q 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET http://h?q HTTP/1.1\r\n" H "\r\n",
     "[GET /?q 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET /u?to=http://x/y HTTP/1.1\r\n" H "\r\n",
     "[GET /u?to=http://x/y 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_REQUEST, "POST /x HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello",
     "[POST /x? 0 1.1 5 kb]host=a;content-length=5;<hello>.EOF"},
    {AIEX_HTTP1_REQUEST, "POST /x HTTP/1.1\r\n" H "content-length: 0\r\n\r\n",
     "[POST /x? 0 1.1 0 k]host=a;content-length=0;>.EOF"},
    {AIEX_HTTP1_REQUEST,
     "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
     "5;ext=\"v\"\r\nhello\r\n0006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n",
     "[POST /x? 0 1.1 -1 kcb]host=a;transfer-encoding=Chunked;<hello world>.EOF"},
    {AIEX_HTTP1_REQUEST, "POST /x HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "[POST /x? 0 1.1 -1 kcb]host=a;transfer-encoding=chunked;>.EOF"},
    {AIEX_HTTP1_REQUEST,
     "PUT /x HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\nok",
     "[PUT /x? 0 1.1 2 keb]host=a;expect=100-Continue;content-length=2;<ok>.EOF"},
    {AIEX_HTTP1_REQUEST,
     "GET /x HTTP/1.1\r\n" H "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
     "[GET /x? 0 1.1 -1 ku]host=a;connection=Upgrade, HTTP2-Settings;upgrade=h2c;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET /x HTTP/1.1\r\n" H "Connection: foo , Close\r\n\r\n",
     "[GET /x? 0 1.1 -1 ]host=a;connection=foo , Close;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET /x HTTP/1.0\r\n\r\n", "[GET /x? 0 1.0 -1 ]>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "[GET /x? 0 1.0 -1 k]connection=keep-alive;>.EOF"},
    {AIEX_HTTP1_REQUEST, "GET /x HTTP/1.1\r\n" H "A:\r\nB:  \t \r\nC: \tc d \t\r\n\r\n",
     "[GET /x? 0 1.1 -1 k]host=a;a=;b=;c=c d;>.EOF"},
    {AIEX_HTTP1_REQUEST,
     "POST /1 HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\n" H
     "\r\n\r\nGET /3 HTTP/1.1\r\n" H "\r\n",
     "[POST /1? 0 1.1 1 kb]host=a;content-length=1;<x>.[GET /2? 0 1.1 -1 k]host=a;>."
     "[GET /3? 0 1.1 -1 k]host=a;>.EOF"},
    {AIEX_HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     "[ ? 200 1.1 5 kb]content-length=5;<hello>.EOF"},
    {AIEX_HTTP1_RESPONSE, "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
     "[ ? 200 1.1 1 kb]content-length=1;<x>.EOF"},
    {AIEX_HTTP1_RESPONSE,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
     "HTTP/1.1 204 No Content\r\n\r\n",
     "[ ? 204 1.1 -1 k]>.EOF"},
    {AIEX_HTTP1_RESPONSE, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
     "[ ? 304 1.1 7 k]content-length=7;>.EOF"},
    {AIEX_HTTP1_RESPONSE, "HTTP/1.1 200 OK\r\n\r\nall of it",
     "[ ? 200 1.1 -1 bz]<all of itEOF-DONE"},
    {AIEX_HTTP1_RESPONSE, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
     "[ ? 200 1.0 1 kb]connection=keep-alive;content-length=1;<x>.EOF"},
    {AIEX_HTTP1_RESPONSE,
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n",
     "[ ? 200 1.1 -1 kcb]transfer-encoding=chunked;<ab>.EOF"},
};

#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static struct transcript t;

static void check(const struct sample *s, size_t a, size_t b)
{
    tell(&t, s->kind, s->bytes, strlen(s->bytes), a, b);
    if (strcmp(t.text, s->want) != 0)
        fprintf(stderr, "cut at %zu, %zu:\n  got  %s\n  want %s\n", a, b, t.text, s->want);
    CU_ASSERT_STRING_EQUAL(t.text, s->want);
}

static void whole(void)
{
    for (size_t i = 0; i < N_SAMPLES; i++)
        check(&samples[i], 0, 0);
}

static void byte_by_byte(void)
{
    for (size_t i = 0; i < N_SAMPLES; i++)
        check(&samples[i], SIZE_MAX, 0);
}

static void cut_at_every_pair(void)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        size_t n = strlen(samples[i].bytes);

        for (size_t a = 1; a < n; a++) {
            for (size_t b = a; b < n; b += n < 90 ? 1 : 7)
                check(&samples[i], a, b);
        }
    }
}

/* A message that ends too early is never a complete one. */
static void every_prefix_is_cut(void)
{
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const struct sample *s = &samples[i];
        size_t n = strlen(s->bytes);

        if (strstr(s->want, "EOF-DONE") || strstr(s->want, ">.["))
            continue;
        for (size_t a = 1; a < n; a++) {
            tell(&t, s->kind, s->bytes, a, 0, 0);
            CU_ASSERT_PTR_NULL(strstr(t.text, ">."));
            if (strstr(t.text, "EOF")) {
                CU_ASSERT_STRING_EQUAL(t.text, "EOF"); /* only empty lines so far */
            } else {
                CU_ASSERT_PTR_NOT_NULL(strstr(t.text, "!400 the connection ended inside"));
            }
        }
    }
}

static void answer_to_head_has_no_body(void)
{
    static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP";
    struct aiex_http1 *p = aiex_http1_new(AIEX_HTTP1_RESPONSE, NULL, &note_events, &t);
    size_t used;

    memset(&t, 0, sizeof(t));
    aiex_http1_expect_head(p);
    CU_ASSERT_EQUAL(aiex_http1_feed(p, bytes, sizeof(bytes) - 1, &used), AIEX_HTTP1_DONE);
    CU_ASSERT_EQUAL(used, sizeof(bytes) - 1 - 4);
    CU_ASSERT_STRING_EQUAL(t.text, "[ ? 200 1.1 5 k]content-length=5;");
    aiex_http1_next(p);
    CU_ASSERT_EQUAL(aiex_http1_feed(p, bytes, sizeof(bytes) - 1, &used), AIEX_HTTP1_MORE);
    aiex_http1_free(p);
}

static void callbacks_stop(void)
{
    static const char bytes[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    struct aiex_http1 *p = aiex_http1_new(AIEX_HTTP1_RESPONSE, NULL, &note_events, &t);
    size_t used;

    memset(&t, 0, sizeof(t));
    t.stop_at_head = 1;
    CU_ASSERT_EQUAL(aiex_http1_feed(p, bytes, sizeof(bytes) - 1, &used), AIEX_HTTP1_STOP);
    CU_ASSERT_EQUAL(used, sizeof(bytes) - 1 - 5);
    CU_ASSERT_EQUAL(aiex_http1_feed(p, "h", 1, &used), AIEX_HTTP1_STOP);
    CU_ASSERT_EQUAL(used, 0);
    aiex_http1_next(p);
    t.stop_at_head = 0;
    t.stop_at_body = 1;
    CU_ASSERT_EQUAL(aiex_http1_feed(p, bytes, sizeof(bytes) - 1, &used), AIEX_HTTP1_STOP);
    CU_ASSERT_EQUAL(aiex_http1_eof(p), AIEX_HTTP1_STOP);
    aiex_http1_free(p);
}

/* Names become lower case, eight letters at a time: every length, every character of a token. */
static void names_in_lower_case(void)
{
    static const struct aiex_http1_events deaf = {NULL, NULL};
    static const char token[] = "!#$%&'*+-.09AZ^_`az|~";
    char wire[128];

    for (size_t n = 1; n < 20; n++)
        for (size_t i = 0; i < sizeof(token) - 1; i++) {
            struct aiex_http1 *p = aiex_http1_new(AIEX_HTTP1_RESPONSE, NULL, &deaf, NULL);
            size_t used, len, at = i % n;
            const char *name;

            CU_ASSERT_PTR_NOT_NULL_FATAL(p);
            len = (size_t)sprintf(wire, "HTTP/1.1 204 No Content\r\n%.*s: V\r\n\r\n", (int)n,
                                  "QQQQQQQQQQQQQQQQQQQQ");
            wire[25 + at] = token[i];
            CU_ASSERT_TRUE_FATAL(aiex_http1_feed(p, (const uint8_t *)wire, len, &used) >= 0);
            name = aiex_http1_head(p)->headers[0].name;
            CU_ASSERT_EQUAL(strlen(name), n);
            CU_ASSERT_EQUAL(strspn(name, "q"), token[i] == 'Q' ? n : at);
            CU_ASSERT_EQUAL(name[at],
                            token[i] >= 'A' && token[i] <= 'Z' ? token[i] + 32 : token[i]);
            aiex_http1_free(p);
        }
}

static void idle_until_the_first_byte(void)
{
    struct aiex_http1 *p = aiex_http1_new(AIEX_HTTP1_REQUEST, NULL, NULL, NULL);
    size_t used;

    CU_ASSERT_TRUE(aiex_http1_is_idle(p));
    CU_ASSERT_EQUAL(aiex_http1_feed(p, "\r\n", 2, &used), AIEX_HTTP1_MORE);
    CU_ASSERT_TRUE(aiex_http1_is_idle(p));
    CU_ASSERT_EQUAL(aiex_http1_eof(p), AIEX_HTTP1_MORE);
    CU_ASSERT_EQUAL(aiex_http1_feed(p, "G", 1, &used), AIEX_HTTP1_MORE);
    CU_ASSERT_FALSE(aiex_http1_is_idle(p));
    CU_ASSERT_PTR_NULL(aiex_http1_head(p));
    CU_ASSERT_TRUE(aiex_http1_eof(p) < 0);
    aiex_http1_free(p);
    aiex_http1_free(NULL);
}

static void lists_of_tokens(void)
{
    static const struct aiex_http_header h[] = {
        {"accept-encoding", "br;q=1, gzip ;q=0.0, *"}, {"te", "x"}, {"accept-encoding", "Zstd"}};
    struct aiex_http1_head head = {.headers = h, .n_headers = 3};

    CU_ASSERT_TRUE(aiex_http1_has(&head, "accept-encoding", "br"));
    CU_ASSERT_FALSE(aiex_http1_has(&head, "accept-encoding", "gzip"));
    CU_ASSERT_FALSE(aiex_http1_has(&head, "accept-encoding", "b"));
    CU_ASSERT_TRUE(aiex_http1_has(&head, "accept-encoding", "zstd"));
    CU_ASSERT_FALSE(aiex_http1_has(&head, "accept", "br"));
    CU_ASSERT_STRING_EQUAL(aiex_http1_get(&head, "te"), "x");
    CU_ASSERT_PTR_NULL(aiex_http1_get(&head, "tea"));
}

const struct test_case tests[] = {
    {"whole", whole},
    {"byte_by_byte", byte_by_byte},
    {"cut_at_every_pair", cut_at_every_pair},
    {"every_prefix_is_cut", every_prefix_is_cut},
    {"answer_to_head_has_no_body", answer_to_head_has_no_body},
    {"callbacks_stop", callbacks_stop},
    {"names_in_lower_case", names_in_lower_case},
    {"idle_until_the_first_byte", idle_until_the_first_byte},
    {"lists_of_tokens", lists_of_tokens},
    {0},
};
