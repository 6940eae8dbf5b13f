/* http1_write_test.c - what is written is what is read; nothing is injected; small memory is told.
 */
#include "test.h"
#include "transcript.h"

static uint8_t mem[4096];
static struct aiex_http1_writer w;

static void begin(void)
{
    aiex_http1_writer_init(&w, mem, sizeof(mem));
}

static int wrote(const char *want)
{
    return !w.failed && w.len == strlen(want) && memcmp(mem, want, w.len) == 0;
}

static void a_response(void)
{
    struct aiex_http1_date date = {0};

    begin();
    aiex_http1_w_status(&w, 200);
    aiex_http1_w_header(&w, "Content-Type", "text/event-stream");
    aiex_http1_w_number(&w, "Content-Length", UINT64_MAX);
    aiex_http1_w_number(&w, "Age", 0);
    aiex_http1_w_date(&w, &date, 784111777999);
    aiex_http1_w_end(&w);
    aiex_http1_w_raw(&w, "body", 4);
    CU_ASSERT_TRUE(wrote("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         "Content-Length: 18446744073709551615\r\nAge: 0\r\n"
                         "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\nbody"));
}

static void a_request(void)
{
    begin();
    aiex_http1_w_request(&w, "POST", "/v1/x?y=%20");
    aiex_http1_w_headern(&w, "X", "ab", 1);
    aiex_http1_w_end(&w);
    CU_ASSERT_TRUE(wrote("POST /v1/x?y=%20 HTTP/1.1\r\nX: a\r\n\r\n"));
}

static void the_date_changes_with_the_second(void)
{
    struct aiex_http1_date date = {0};

    begin();
    aiex_http1_w_date(&w, &date, 0);
    CU_ASSERT_STRING_EQUAL(date.text, "Thu, 01 Jan 1970 00:00:00 GMT");
    strcpy(date.text, "kept");
    aiex_http1_w_date(&w, &date, 999);
    CU_ASSERT_STRING_EQUAL(date.text, "kept");
    aiex_http1_w_date(&w, &date, 951782400000);
    CU_ASSERT_STRING_EQUAL(date.text, "Tue, 29 Feb 2000 00:00:00 GMT");
    CU_ASSERT_EQUAL(w.failed, 0);
    aiex_http1_w_date(&w, &date, INT64_MAX);
    CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
}

static void nothing_is_injected(void)
{
    static const char *const values[] = {"a\r\nX: 1", "a\nb", "a\rb", "\x01", "\x7f"};
    static const char *const names[] = {"", "A B", "A:", "A\r\n", "\xc3\xa4"};
    static const char *const targets[] = {"", "/a b", "/a\r\nX: 1", "/\xff", "/\x7f"};

    for (size_t i = 0; i < 5; i++) {
        begin();
        aiex_http1_w_header(&w, "A", values[i]);
        CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
        begin();
        aiex_http1_w_header(&w, names[i], "v");
        CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
        begin();
        aiex_http1_w_request(&w, "GET", targets[i]);
        CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
    }
    begin();
    aiex_http1_w_headern(&w, "A", "a\0b", 3);
    CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
    begin();
    aiex_http1_w_request(&w, "GET /", "/");
    CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
    begin();
    aiex_http1_w_status(&w, 99);
    CU_ASSERT_EQUAL(w.failed, AIEX_HTTP1_W_BAD);
    begin();
    aiex_http1_w_header(&w, "A", "tab\tand \xc3\xa4 are fine");
    CU_ASSERT_EQUAL(w.failed, 0);
}

/* Values are looked at by eight bytes: the odd one at every place of every length. */
static void controls_are_seen_anywhere(void)
{
    char value[24];

    for (size_t n = 1; n <= sizeof(value); n++)
        for (size_t at = 0; at < n; at++)
            for (int c = 0; c < 256; c++) {
                memset(value, 0xe9, sizeof(value));
                value[at] = (char)c;
                begin();
                aiex_http1_w_headern(&w, "x", value, n);
                if ((w.failed != 0) != ((c < 0x20 && c != '\t') || c == 0x7f))
                    CU_FAIL("a byte in a value is judged wrongly");
            }
    CU_ASSERT_EQUAL(w.failed, 0);
}

static void too_small_is_told(void)
{
    static const char want[] = "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n";

    for (size_t cap = 0; cap <= sizeof(want); cap++) {
        uint8_t *exact = malloc(cap ? cap : 1);

        aiex_http1_writer_init(&w, exact, cap);
        aiex_http1_w_status(&w, 404);
        aiex_http1_w_header(&w, "A", "b");
        aiex_http1_w_end(&w);
        CU_ASSERT_EQUAL(w.len, sizeof(want) - 1);
        CU_ASSERT_EQUAL(w.failed, cap < sizeof(want) - 1 ? AIEX_HTTP1_W_FULL : 0);
        free(exact);
    }
}

static void chunks_are_read_back(void)
{
    static const size_t sizes[] = {1, 9, 10, 15, 16, 255, 256, 4095, 4096, 60000};
    static char body[60000], wire[70000];
    static struct transcript t;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t n = 0, k = sizes[i];
        char *at;

        memset(body, 'x', k);
        n += (size_t)sprintf(wire, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        n += aiex_http1_chunk_head(wire + n, k);
        memcpy(wire + n, body, k);
        n += k;
        n += (size_t)sprintf(wire + n, "\r\n" AIEX_HTTP1_CHUNK_END);
        tell(&t, AIEX_HTTP1_RESPONSE, wire, n, n / 2, n / 2 + 1);
        at = strchr(t.text, '<');
        CU_ASSERT_PTR_NOT_NULL_FATAL(at);
        CU_ASSERT_EQUAL(strspn(at + 1, "x"), k);
        CU_ASSERT_STRING_EQUAL(at + 1 + k, ">.EOF");
    }
    char head[AIEX_HTTP1_CHUNK_HEAD];
    CU_ASSERT_EQUAL(aiex_http1_chunk_head(head, SIZE_MAX), 18);
    CU_ASSERT_EQUAL(memcmp(head, "ffffffffffffffff\r\n", 18), 0);
}

static void reasons(void)
{
    CU_ASSERT_STRING_EQUAL(aiex_http1_reason(429), "Too Many Requests");
    CU_ASSERT_STRING_EQUAL(aiex_http1_reason(799), "");
}

const struct test_case tests[] = {
    {"a_response", a_response},
    {"a_request", a_request},
    {"the_date_changes_with_the_second", the_date_changes_with_the_second},
    {"nothing_is_injected", nothing_is_injected},
    {"controls_are_seen_anywhere", controls_are_seen_anywhere},
    {"too_small_is_told", too_small_is_told},
    {"chunks_are_read_back", chunks_are_read_back},
    {"reasons", reasons},
    {0},
};
