/* http1_refuse_test.c - hostile messages and limits: each is refused with its status, however cut.
 */
#include "test.h"
#include "transcript.h"

struct bad {
    uint32_t kind;
    int status;
    const char *bytes;
    size_t n; /* 0 = strlen */
};

#define REQ      AIEX_HTTP1_REQUEST
#define RES      AIEX_HTTP1_RESPONSE
#define H        "Host: a\r\n"
#define POST     "POST / HTTP/1.1\r\n" H
#define CHUNKED  POST "Transfer-Encoding: chunked\r\n\r\n"
#define BYTES(s) s, sizeof(s) - 1

static const struct bad bads[] = {
    /* two lengths, or a length that is none */
    {REQ, 400, BYTES(POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {REQ, 400, BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 3, 3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: +3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: -3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 0x3\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 3 4\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length:\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 18446744073709551617\r\n\r\n")},
    {REQ, 400, BYTES(POST "Content-Length: 9999999999999999999\r\n\r\n")},
    {REQ, 413, BYTES(POST "Content-Length: 33554433\r\n\r\n")},
    /* codings */
    {REQ, 501, BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n")},
    {REQ, 400, BYTES(POST "Transfer-Encoding: gzip\r\n\r\n")},
    {REQ, 400, BYTES(POST "Transfer-Encoding: chunked, gzip\r\n\r\n")},
    {REQ, 400, BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n")},
    {REQ, 400,
     BYTES(POST "Transfer-Encoding: \x0b"
                "chunked\r\n\r\n")},
    {REQ, 400, BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {REQ, 400, BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")},
    /* lines */
    {REQ, 400, BYTES("GET / HTTP/1.1\nHost: a\n\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\n\rX: 1\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\n\tHost: a\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost : a\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nnocolon\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a\r\nX(1): 1\r\n\r\n")},
    {REQ, 400, BYTES("\rGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
    {REQ, 400, BYTES("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")},
    /* request lines */
    {REQ, 501, BYTES("BREW / HTTP/1.1\r\n" H "\r\n")},
    {REQ, 501, BYTES("CONNECT a:1 HTTP/1.1\r\n" H "\r\n")},
    {REQ, 501, BYTES("M-SEARCH / HTTP/1.1\r\n" H "\r\n")},
    {REQ, 501, BYTES("TRACE / HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("get / HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400,
     BYTES("\x16\x03\x01\x02"
           "\r\n\r\n")},
    {REQ, 505, BYTES("GET / HTTP/2.0\r\n" H "\r\n")},
    {REQ, 505, BYTES("GET / HTTP/1.2\r\n" H "\r\n")},
    {REQ, 505, BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {REQ, 505, BYTES("GET /\r\n\r\n")},
    {REQ, 400, BYTES("GET  / HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET / x HTTP/1.1\r\n" H "\r\n")},
    {REQ, 505, BYTES("GET / HTTP/1.1 \r\n" H "\r\n")},
    {REQ, 400, BYTES("GET /%zz HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET /%4 HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET /%00 HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET /\xff HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET /a#b HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET a/b HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET ftp://h/b HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET * HTTP/1.1\r\n" H "\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\n" H H "\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n")},
    {REQ, 400, BYTES("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n")},
    {REQ, 417, BYTES("GET / HTTP/1.1\r\n" H "Expect: tea\r\n\r\n")},
    /* chunks */
    {REQ, 400, BYTES(CHUNKED "g\r\n")},
    {REQ, 400, BYTES(CHUNKED "\r\n")},
    {REQ, 400, BYTES(CHUNKED " 5\r\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5 \r\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "+5\r\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "0x5\r\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5\rxhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5\r\nhello\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5\r\nhellox\r\n0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "5\r\nhello0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "0\r\n\n")},
    {REQ, 400, BYTES(CHUNKED "0\r\nX: 1\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "0\r\n folded: 1\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "0\r\nX: \0\r\n\r\n")},
    {REQ, 400, BYTES(CHUNKED "10000000000000000\r\n")},
    {REQ, 413, BYTES(CHUNKED "fffffffffffffff\r\n")},
    {REQ, 413, BYTES(CHUNKED "2000001\r\n")},
    {REQ, 413, BYTES(CHUNKED "1\r\na\r\n2000000\r\n")},
    /* responses */
    {RES, 400, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")},
    {RES, 400, BYTES("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")},
    {RES, 501, BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")},
    {RES, 400,
     BYTES("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")},
    {RES, 505, BYTES("HTTP/2.0 200 OK\r\n\r\n")},
    {RES, 400, BYTES("HTTP/1.1 99 x\r\n\r\n")},
    {RES, 400, BYTES("HTTP/1.1 2000 x\r\n\r\n")},
    {RES, 400, BYTES("HTTP/1.1 abc x\r\n\r\n")},
    {RES, 400, BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n")},
    {RES, 400, BYTES("garbage\r\n\r\n")},
    {RES, 400, BYTES("HTTP/1.1 200 OK\nA: b\n\n")},
    {RES, 400, BYTES("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n")},
};

static struct transcript t;

static void check(const struct bad *b, size_t cut)
{
    char want[16];

    snprintf(want, sizeof(want), "!%d ", b->status);
    tell(&t, b->kind, b->bytes, b->n, cut, cut);
    if (!strstr(t.text, want) || strstr(t.text, "connection ended"))
        fprintf(stderr, "sample %zu '%s' cut %zu: %s, want %s\n", (size_t)(b - bads), b->bytes, cut,
                t.text, want);
    CU_ASSERT_PTR_NOT_NULL(strstr(t.text, want));
    CU_ASSERT_PTR_NULL(strstr(t.text, "connection ended"));
    CU_ASSERT_PTR_NULL(strstr(t.text, ">."));
}

static void hostile_messages(void)
{
    for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        check(&bads[i], 0);
        check(&bads[i], SIZE_MAX);
        for (size_t cut = 1; cut < bads[i].n; cut++)
            check(&bads[i], cut);
    }
}

/* Feeds `n` times the same piece between begin and end; returns the status, 0 = fine. */
static int flood(const struct aiex_http1_limits *limits, uint32_t kind, const char *begin,
                 const char *piece, size_t n, const char *end)
{
    struct aiex_http1 *p = aiex_http1_new(kind, limits, NULL, NULL);
    size_t used;
    int r = aiex_http1_feed(p, begin, strlen(begin), &used), status;

    while (n-- && r == 0)
        r = aiex_http1_feed(p, piece, strlen(piece), &used);
    if (r == 0)
        r = aiex_http1_feed(p, end, strlen(end), &used);
    status = r < 0 ? aiex_http1_status(p) : 0;
    if (r < 0) { /* an error stays, with the same status */
        CU_ASSERT_TRUE(aiex_http1_feed(p, "x", 1, &used) < 0);
        CU_ASSERT_EQUAL(aiex_http1_status(p), status);
        aiex_http1_next(p);
        CU_ASSERT_EQUAL(aiex_http1_status(p), 0);
    } else {
        CU_ASSERT_EQUAL(r, AIEX_HTTP1_DONE);
    }
    aiex_http1_free(p);
    return status;
}

static void limits_of_heads(void)
{
    static const char begin[] = "GET / HTTP/1.1\r\n" H, x100[] = "X: 1234567890\r\n";
    struct aiex_http1_limits small = {.head_bytes = 100, .n_headers = 3, .target_bytes = 10};

    CU_ASSERT_EQUAL(flood(NULL, REQ, begin, x100, 99, "\r\n"), 0);
    CU_ASSERT_EQUAL(flood(NULL, REQ, begin, x100, 100, "\r\n"), 431);
    CU_ASSERT_EQUAL(
        flood(NULL, REQ, "GET / HTTP/1.1\r\nHost: a\r\nX: ", "0123456789abcdef", 4090, "\r\n\r\n"),
        0);
    CU_ASSERT_EQUAL(
        flood(NULL, REQ, "GET / HTTP/1.1\r\nHost: a\r\nX: ", "0123456789abcdef", 4096, "\r\n\r\n"),
        431);
    CU_ASSERT_EQUAL(flood(NULL, REQ, "GET /", "0123456789abcdef", 511, " HTTP/1.1\r\n" H "\r\n"),
                    0);
    CU_ASSERT_EQUAL(flood(NULL, REQ, "GET /", "0123456789abcdef", 512, " HTTP/1.1\r\n" H "\r\n"),
                    414);
    CU_ASSERT_EQUAL(flood(NULL, REQ, "", "\r\n", 40000, begin), 431);
    CU_ASSERT_EQUAL(flood(&small, REQ, "GET /234567890 HTTP/1.1\r\n", "", 0, H "\r\n"), 0);
    CU_ASSERT_EQUAL(flood(&small, REQ, "GET /2345678901 HTTP/1.1\r\n", "", 0, H "\r\n"), 414);
    CU_ASSERT_EQUAL(flood(&small, REQ, begin, "A: b\r\n", 2, "\r\n"), 0);
    CU_ASSERT_EQUAL(flood(&small, REQ, begin, "A: b\r\n", 3, "\r\n"), 431);
    CU_ASSERT_EQUAL(flood(NULL, RES, "", "HTTP/1.1 100 Continue\r\n\r\n", 4000, ""), 431);
}

/* The limit is exact to the byte, also when all comes at once. */
static void head_limit_to_the_byte(void)
{
    static const char head[] = "GET / HTTP/1.1\r\n" H "\r\n";
    struct aiex_http1_limits at = {.head_bytes = sizeof(head) - 1};
    struct aiex_http1_limits below = {.head_bytes = sizeof(head) - 2};

    CU_ASSERT_EQUAL(flood(&at, REQ, head, "", 0, ""), 0);
    CU_ASSERT_EQUAL(flood(&below, REQ, head, "", 0, ""), 431);
}

static void limits_of_bodies(void)
{
    struct aiex_http1_limits ten = {.body_bytes = 10};
    static const char eof_head[] = "HTTP/1.1 200 OK\r\n\r\n";

    CU_ASSERT_EQUAL(flood(&ten, REQ, POST "Content-Length: 10\r\n\r\n", "12345", 1, "67890"), 0);
    CU_ASSERT_EQUAL(flood(&ten, REQ, POST "Content-Length: 11\r\n\r\n", "", 0, ""), 413);
    CU_ASSERT_EQUAL(flood(&ten, REQ, CHUNKED, "5\r\nhello\r\n", 2, "0\r\n\r\n"), 0);
    CU_ASSERT_EQUAL(flood(&ten, REQ, CHUNKED, "5\r\nhello\r\n", 3, "0\r\n\r\n"), 413);
    CU_ASSERT_EQUAL(flood(&ten, RES, eof_head, "hello", 3, ""), 413);
    CU_ASSERT_EQUAL(flood(NULL, REQ, CHUNKED "1;", "eeeeeeeeeeeeeeee", 4097, "\r\n"), 431);
    CU_ASSERT_EQUAL(flood(NULL, REQ, CHUNKED "0\r\n", "Trailer: x\r\n", 6000, "\r\n"), 431);
}

const struct test_case tests[] = {
    {"hostile_messages", hostile_messages},
    {"limits_of_heads", limits_of_heads},
    {"head_limit_to_the_byte", head_limit_to_the_byte},
    {"limits_of_bodies", limits_of_bodies},
    {0},
};
