/*
 * http_client_fault_test.c - what upstreams do wrong, one test each: floods that never end, answers
 * that are none, bombs in each coding, redirects, connections that go away at each moment.
 */
#include "rig.h"
#include "test.h"

#include <sys/socket.h>
#include <zlib.h>

#define FLOOD_MAX (4u << 20) /* what a peer may say before the client must have enough */

static struct rig rig;
static struct seen s;
static int fd;

static void begin(uint32_t flags, uint64_t max_body)
{
    struct aiex_http_request q;
    char url[64];

    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.flags = flags;
    q.max_body_bytes = max_body;
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "\r\n\r\nx"));
}

static void finish(void)
{
    seen_done(&s);
    close(fd);
}

/* Says it again and again until the request has ended; how many bytes that took. */
static size_t endlessly(const char *begins, const char *text)
{
    size_t said = strlen(begins), n = strlen(text);

    peer_say(fd, begins);
    while (!s.n_ends && said < FLOOD_MAX) {
        if (send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            said += n;
        rig_turn(&rig, 0);
    }
    CU_ASSERT_EQUAL(s.n_ends, 1);
    return said;
}

static void floods_end(void)
{
    static const struct {
        const char *begins, *again;
    } floods[] = {
        {"HTTP/1.1 200 OK\r\n", "X-Header: more of the same, and more, and more\r\n"},
        {"HTTP/1.1 200 OK\r\nX: ", "a line that never ends "},
        {"HTTP/1.1 200 ", "a reason that never ends "},
        {"", "HTTP/1.1 100 Continue\r\n\r\n"},
        {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"},
        {"", "\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "extension=that never ends;"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
         "Trailer: more and more\r\n"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "000000000000000000000000"},
    };

    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
        size_t said;

        begin(0, 0);
        said = endlessly(floods[i].begins, floods[i].again);
        if (s.result != AIEX_HTTP_MALFORMED || said > 1u << 20)
            printf("\n  flood %zu: result %u after %zu bytes: %s\n", i, s.result, said, s.text);
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_MALFORMED);
        CU_ASSERT(said <= 1u << 20);
        CU_ASSERT_TRUE(*s.text != 0);
        CU_ASSERT_EQUAL(s.n_body, 0);
        finish();
    }
    rig_close(&rig);
}

/* A head that drips in is waited for by the limits of time alone, and has them. */
static void interim_answers_are_no_answer(void)
{
    rig_open(&rig, NULL);
    begin(0, 0);
    peer_say(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n");
    for (int i = 0; i < 3; i++)
        rig_turn(&rig, 0);
    CU_ASSERT_EQUAL(s.n_heads, 0);
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.n_heads, 1);
    CU_ASSERT_EQUAL(s.status, 200);
    finish();
    rig_close(&rig);
}

static void wrong_framing(void)
{
    static const char *const bad[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        "HTTP/1.1 200 OK\r\nX y\r\n\r\n",
        "HTTP/1.1 200 OK\r\n X: folded\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/0.9 200 OK\r\n\r\n",
        "<html>no HTTP at all</html>\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01",
    };

    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        begin(0, 0);
        peer_say(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        CU_ASSERT_TRUE(wait_end(&s));
        if (s.result != AIEX_HTTP_MALFORMED && s.result != AIEX_HTTP_CUT)
            printf("\n  answer %zu: result %u\n", i, s.result);
        CU_ASSERT(s.result == AIEX_HTTP_MALFORMED || s.result == AIEX_HTTP_CUT);
        CU_ASSERT_TRUE(*s.text != 0);
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        finish();
    }
    rig_close(&rig);
}

/* Where it points at is the plugin's to know: no second request, whatever the status. */
static void redirects_are_not_followed(void)
{
    static const int statuses[] = {300, 301, 302, 303, 305, 307, 308};

    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        char answer[200];

        begin(0, 0);
        snprintf(
            answer, sizeof(answer),
            "HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:%u/elsewhere\r\nRefresh: 0; url=/\r\n"
            "Content-Length: 2\r\n\r\nok",
            statuses[i], rig.port);
        peer_say(fd, answer);
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
        CU_ASSERT_EQUAL(s.status, statuses[i]);
        CU_ASSERT_STRING_EQUAL(s.body, "ok");
        CU_ASSERT_PTR_NOT_NULL(strstr(s.headers, "location=http://"));
        CU_ASSERT_TRUE(peer_is_lonely(&rig));
        finish();
        rig_close(&rig);
        rig_open(&rig, NULL);
    }
    rig_close(&rig);
}

/* ---- Connections that go away ---- */

static void reset_before_the_head(void)
{
    rig_open(&rig, NULL);
    begin(0, 0);
    peer_reset(fd);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
    CU_ASSERT_EQUAL(s.sent, 1);
    CU_ASSERT_EQUAL(s.n_heads, 0);
    CU_ASSERT_TRUE(peer_is_lonely(&rig)); /* a fresh connection is not tried again */
    seen_done(&s);
    rig_close(&rig);
}

static void reset_in_the_body(void)
{
    rig_open(&rig, NULL);
    begin(0, 0);
    peer_say(fd, OK_HEAD(9) "part");
    CU_ASSERT_TRUE(wait_body(&s, 4));
    peer_reset(fd);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
    seen_done(&s);
    rig_close(&rig);
}

/* The peer has said all it will say, and stays: no answer can come any more. */
static void half_closed(void)
{
    static const char *const said[] = {
        "", "HTTP/1.1 200", OK_HEAD(9), OK_HEAD(9) "part",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"};

    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        begin(0, 0);
        peer_say(fd, said[i]);
        shutdown(fd, SHUT_WR);
        CU_ASSERT_TRUE(wait_end(&s)); /* at once, not when a limit has passed: the clock stands */
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        finish();
    }
    rig_close(&rig);
}

/* ---- Codings ---- */

enum coding { AS_GZIP, AS_ZLIB, AS_RAW, CODINGS };
static const int window_bits[CODINGS] = {31, 15, -15};

static size_t answer_in(enum coding coding, const void *body, size_t n, char *out, size_t cap)
{
    z_stream z = {0};
    size_t head, packed = cap - 300;

    deflateInit2(&z, 9, Z_DEFLATED, window_bits[coding], 9, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)body;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out + 300;
    z.avail_out = (uInt)packed;
    CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed = z.total_out;
    deflateEnd(&z);
    head = (size_t)snprintf(out, 300,
                            "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nX: y\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            coding == AS_GZIP ? "gzip" : "deflate", packed);
    memmove(out + head, out + 300, packed);
    return head + packed;
}

static void each_coding_is_undone(void)
{
    static char text[300000], answer[310000];
    size_t n;

    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)('a' + (i * i >> 7) % 23);
    rig_open(&rig, NULL);
    for (int coding = 0; coding < CODINGS; coding++)
        for (int step = 0; step < 3; step++) { /* whole, in pieces, byte by byte */
            static const size_t steps[] = {sizeof(answer), 1000, 1};
            size_t size = step == 2 ? 200 : sizeof(text) - 1;

            n = answer_in((enum coding)coding, text, size, answer, sizeof(answer));
            begin(AIEX_HTTP_DECODE, 0);
            for (size_t at = 0, k; at < n; at += k) {
                k = n - at < steps[step] ? n - at : steps[step];
                peer_write(fd, answer + at, k);
                rig_turn(&rig, 0);
            }
            CU_ASSERT_TRUE(wait_end(&s));
            CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
            CU_ASSERT_EQUAL(s.n_body, size);
            CU_ASSERT_EQUAL(memcmp(s.body, text, size), 0);
            CU_ASSERT_STRING_EQUAL(s.headers, "x=y;");
            finish();
        }
    rig_close(&rig);
}

/* 16 MiB of zeros in 16 KiB: never more than the limit, nor 200 times what came. */
static void bombs_in_each_coding(void)
{
    static char zeros[16 << 20], answer[40000];

    rig_open(&rig, NULL);
    for (int coding = 0; coding < CODINGS; coding++) {
        size_t n = answer_in((enum coding)coding, zeros, sizeof(zeros), answer, sizeof(answer));

        for (int small = 0; small < 2; small++) {
            begin(AIEX_HTTP_DECODE, small ? 100000 : 0);
            peer_write(fd, answer, n);
            CU_ASSERT_TRUE(wait_end(&s));
            CU_ASSERT_EQUAL(s.result, AIEX_HTTP_MALFORMED);
            CU_ASSERT(s.n_body <= (small ? 100000u : 200u * n + (1u << 20)));
            finish();
        }
    }
    rig_close(&rig);
}

static void damaged_codings(void)
{
    static char answer[2000];

    rig_open(&rig, NULL);
    for (int coding = 0; coding < CODINGS; coding++)
        for (int fault = 0; fault < 3; fault++) { /* a byte more, a byte less, another byte */
            size_t n = answer_in((enum coding)coding, "hello, hello, hello", 19, answer,
                                 sizeof(answer));
            char *length = strstr(answer, "Content-Length: ");
            size_t head = (size_t)(strstr(answer, "\r\n\r\n") + 4 - answer), body = n - head;

            CU_ASSERT_PTR_NOT_NULL_FATAL(length);
            begin(AIEX_HTTP_DECODE, 0);
            if (fault == 2)
                answer[head + (coding == AS_RAW ? 0 : 3)] ^= 0x66;
            body += fault == 0 ? 1 : fault == 1 ? (size_t)-1 : 0;
            answer[head + body] = 'x';
            memcpy(length + 16, (char[]){(char)('0' + body / 10), (char)('0' + body % 10)}, 2);
            peer_write(fd, answer, head + body);
            CU_ASSERT_TRUE(wait_end(&s));
            if (s.result == AIEX_HTTP_OK)
                printf("\n  coding %d, fault %d was taken\n", coding, fault);
            CU_ASSERT_NOT_EQUAL(s.result, AIEX_HTTP_OK);
            finish();
        }
    rig_close(&rig);
}

const struct test_case tests[] = {
    {"floods_end", floods_end},
    {"interim_answers_are_no_answer", interim_answers_are_no_answer},
    {"wrong_framing", wrong_framing},
    {"redirects_are_not_followed", redirects_are_not_followed},
    {"reset_before_the_head", reset_before_the_head},
    {"reset_in_the_body", reset_in_the_body},
    {"half_closed", half_closed},
    {"each_coding_is_undone", each_coding_is_undone},
    {"bombs_in_each_coding", bombs_in_each_coding},
    {"damaged_codings", damaged_codings},
    {0},
};
