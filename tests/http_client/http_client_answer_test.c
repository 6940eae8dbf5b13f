/* http_client_answer_test.c - answers: cut anywhere, split anywhere, hostile, compressed, paused.
 */
#include "rig.h"
#include "test.h"

#include <sys/socket.h>
#include <zlib.h>

static struct rig rig;
static struct seen s;
static int fd;

static void send_with(const char *method, uint32_t flags, uint64_t max_body)
{
    struct aiex_http_request q;
    char url[64];

    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.method = method;
    q.flags = flags;
    q.max_body_bytes = max_body;
    rig_send(&s, &q);
}

/* A request on a fresh connection, read by the peer. */
static void begin(uint32_t flags, uint64_t max_body)
{
    send_with("POST", flags, max_body);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "\r\n\r\nx"));
}

static void finish(void)
{
    seen_done(&s);
    close(fd);
}

/* The whole answer at once, then the peer closes; what became of it. */
static uint32_t result_of(const char *answer, uint32_t flags, uint64_t max_body)
{
    begin(flags, max_body);
    peer_say(fd, answer);
    shutdown(fd, SHUT_WR);
    CU_ASSERT_TRUE(wait_end(&s));
    return s.result;
}

static size_t gzip(const void *bytes, size_t n, uint8_t *out, size_t cap)
{
    z_stream z = {0};

    deflateInit2(&z, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY);
    z.next_in = (Bytef *)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    CU_ASSERT_EQUAL(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = z.total_out;
    deflateEnd(&z);
    return n;
}

/* A response with that compressed body. */
static size_t gzip_answer(const void *body, size_t n, char *out, size_t cap, int n_members)
{
    static uint8_t packed[1 << 20];
    size_t k = 0, head;

    for (int i = 0; i < n_members; i++)
        k += gzip(body, n, packed + k, sizeof(packed) - k);
    head = (size_t)snprintf(out, cap,
                            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX: y\r\n"
                            "Content-Length: %zu\r\n\r\n",
                            k);
    memcpy(out + head, packed, k);
    return head + k;
}

/* Cut behind every byte: never an OK, never a retry. */
static void cut_everywhere(void)
{
    static char packed[512];
    const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n",
        packed,
    };
    size_t sizes[] = {strlen(answers[0]), strlen(answers[1]),
                      gzip_answer("hello", 5, packed, sizeof(packed), 1)};

    rig_open(&rig, NULL);
    for (int i = 0; i < 3; i++) {
        for (size_t cut = 0; cut < sizes[i]; cut++) {
            begin(AIEX_HTTP_DECODE, 0);
            peer_write(fd, answers[i], cut);
            shutdown(fd, SHUT_WR);
            CU_ASSERT_TRUE(wait_end(&s));
            CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
            CU_ASSERT_EQUAL(strncmp(s.body, "hello", s.n_body), 0);
            CU_ASSERT_TRUE(*s.text != 0);
            finish();
        }
    }
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    rig_close(&rig);
}

/* Split behind every byte on one connection: always the same. */
static void split_everywhere(void)
{
    static char packed[512];
    size_t n = gzip_answer("hello", 5, packed, sizeof(packed), 2);

    rig_open(&rig, NULL);
    begin(AIEX_HTTP_DECODE, 0);
    for (size_t at = 1; at < n; at++) {
        peer_write(fd, packed, at);
        for (int i = 0; i < 3; i++)
            rig_turn(&rig, 0);
        CU_ASSERT_EQUAL(s.n_ends, 0);
        peer_write(fd, packed + at, n - at);
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
        CU_ASSERT_STRING_EQUAL(s.body, "hellohello");
        CU_ASSERT_STRING_EQUAL(s.headers, "x=y;");
        seen_done(&s);
        send_with("POST", AIEX_HTTP_DECODE, 0);
        CU_ASSERT_TRUE(peer_expect(&rig, fd, "\r\n\r\nx"));
    }
    finish();
    rig_close(&rig);
}

static void complete_answers(void)
{
    rig_open(&rig, NULL);
    CU_ASSERT_EQUAL(result_of("HTTP/1.1 200 OK\r\n\r\nuntil the end", 0, 0), AIEX_HTTP_OK);
    CU_ASSERT_STRING_EQUAL(s.body, "until the end");
    finish();
    CU_ASSERT_EQUAL(result_of("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 204 None\r\n\r\n", 0, 0),
                    AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.n_heads, 1);
    CU_ASSERT_EQUAL(s.status, 204);
    finish();
    CU_ASSERT_EQUAL(
        result_of("HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 0, 0),
        AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.status, 302);
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    finish();
    CU_ASSERT_EQUAL(result_of("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                              "Content-Length: 5\r\n\r\nplain",
                              0, 0),
                    AIEX_HTTP_OK);
    CU_ASSERT_STRING_EQUAL(s.body, "plain"); /* nobody asked for decoding */
    finish();
    send_with("HEAD", 0, 0);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "HEAD /x"));
    peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    finish();
    rig_close(&rig);
}

static void malformed_answers(void)
{
    static const char *const bad[] = {
        "garbage\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
    };

    rig_open(&rig, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(result_of(bad[i], AIEX_HTTP_DECODE, 0), AIEX_HTTP_MALFORMED);
        CU_ASSERT_TRUE(*s.text != 0);
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        finish();
    }
    rig_close(&rig);
}

static void too_large(void)
{
    rig_open(&rig, NULL);
    CU_ASSERT_EQUAL(result_of(OK_HEAD(5) "hello", 0, 5), AIEX_HTTP_OK);
    finish();
    CU_ASSERT_EQUAL(result_of(OK_HEAD(6) "hello!", 0, 5), AIEX_HTTP_MALFORMED);
    CU_ASSERT_EQUAL(s.n_bodies, 0);
    finish();
    CU_ASSERT_EQUAL(result_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
                              0, 5),
                    AIEX_HTTP_MALFORMED);
    CU_ASSERT_STRING_EQUAL(s.body, "abc");
    finish();
    CU_ASSERT_EQUAL(result_of("HTTP/1.1 200 OK\r\n\r\nhello!", 0, 5), AIEX_HTTP_MALFORMED);
    finish();
    rig_close(&rig);
}

static void header_floods(void)
{
    static char flood[70000];
    size_t n;

    rig_open(&rig, NULL);
    n = (size_t)sprintf(flood, "HTTP/1.1 200 OK\r\nX: ");
    memset(flood + n, 'x', sizeof(flood) - n - 1);
    CU_ASSERT_EQUAL(result_of(flood, 0, 0), AIEX_HTTP_MALFORMED);
    finish();
    n = (size_t)sprintf(flood, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 101; i++)
        n += (size_t)sprintf(flood + n, "X: y\r\n");
    CU_ASSERT_EQUAL(result_of(flood, 0, 0), AIEX_HTTP_MALFORMED);
    finish();
    rig_close(&rig);
}

/* 8 MiB of zeros in 8 KiB: the ratio stops it, or the limit if that is smaller. */
static void bombs(void)
{
    static char zeros[8 << 20], answer[20000];
    size_t n = gzip_answer(zeros, sizeof(zeros), answer, sizeof(answer), 1);

    rig_open(&rig, NULL);
    for (int i = 0; i < 2; i++) {
        begin(AIEX_HTTP_DECODE, i ? 100000 : 0);
        peer_write(fd, answer, n);
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_MALFORMED);
        CU_ASSERT_TRUE(s.n_body <= (i ? 100000u : 3u << 20));
        finish();
    }
    rig_close(&rig);
}

static void large_gzip_with_pauses(void)
{
    enum { N = 600000 };
    static char text[N], answer[N];
    size_t n;

    for (size_t i = 0; i < N; i++)
        text[i] = (char)('a' + (i * i >> 7) % 23);
    n = gzip_answer(text, N, answer, sizeof(answer), 1);
    rig_open(&rig, NULL);
    begin(AIEX_HTTP_DECODE, 0);
    s.pause_at_body = 1;
    for (size_t at = 0, got = 0; got < N;) {
        size_t k = n - at < 30000 ? n - at : 30000;

        peer_write(fd, answer + at, k);
        at += k;
        CU_ASSERT_TRUE_FATAL(wait_body(&s, got + 1));
        while (s.n_body > got) { /* one piece for one resume, and none before it */
            got = s.n_body;
            for (int i = 0; i < 4; i++)
                rig_turn(&rig, 0);
            CU_ASSERT_EQUAL(s.n_body, got);
            CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
            for (int i = 0; i < 4; i++)
                rig_turn(&rig, 0);
        }
    }
    s.pause_at_body = 0;
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.n_body, N);
    CU_ASSERT_EQUAL(memcmp(s.body, text, N), 0);
    finish();
    rig_close(&rig);
}

/* While paused the socket is not read, so the peer's sends come to a stop. */
static void pause_is_back_pressure(void)
{
    static char block[65536];
    size_t sent = 0, total = 64u << 20;
    char head[64];
    ssize_t k;

    rig_open(&rig, NULL);
    begin(0, total);
    s.pause_at_body = 1;
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\nx", total);
    peer_say(fd, head);
    CU_ASSERT_TRUE(wait_body(&s, 1));
    for (int idle = 0; idle < 20 && sent < total - 1;) {
        k = send(fd, block, total - 1 - sent < sizeof(block) ? total - 1 - sent : sizeof(block),
                 MSG_NOSIGNAL);
        idle = k > 0 ? 0 : idle + 1;
        sent += k > 0 ? (size_t)k : 0;
        rig_turn(&rig, 1);
    }
    CU_ASSERT_TRUE(sent < 32u << 20);
    CU_ASSERT_EQUAL(s.n_body, 1);
    s.pause_at_body = 0;
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    for (int i = 0; i < 100000 && sent < total - 1; i++) {
        k = send(fd, block, total - 1 - sent < sizeof(block) ? total - 1 - sent : sizeof(block),
                 MSG_NOSIGNAL);
        sent += k > 0 ? (size_t)k : 0;
        rig_turn(&rig, 0);
    }
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.n_body, total);
    finish();
    rig_close(&rig);
}

/* All had come when the pause began: the end waits for the resume, the connection does not. */
static void pause_at_the_end(void)
{
    rig_open(&rig, NULL);
    begin(0, 0);
    s.pause_at_body = 1;
    peer_say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n");
    CU_ASSERT_TRUE(wait_body(&s, 1));
    for (int i = 0; i < 5; i++)
        rig_turn(&rig, 0);
    CU_ASSERT_STRING_EQUAL(s.body, "a");
    CU_ASSERT_EQUAL(s.n_ends, 0);
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    CU_ASSERT_TRUE(wait_body(&s, 3));
    CU_ASSERT_STRING_EQUAL(s.body, "abc");
    for (int i = 0; i < 5; i++)
        rig_turn(&rig, 0);
    CU_ASSERT_EQUAL(s.n_ends, 0); /* it paused again at the last piece */
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    seen_done(&s);
    send_with("POST", 0, 0);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "\r\n\r\nx"));
    peer_say(fd, OK_HEAD(0));
    CU_ASSERT_TRUE(wait_end(&s));
    finish();
    rig_close(&rig);
}

static void cancel_of_a_held_answer(void)
{
    rig_open(&rig, NULL);
    begin(0, 0);
    s.pause_at_body = 1;
    peer_say(fd,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    CU_ASSERT_TRUE(wait_body(&s, 1));
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    CU_ASSERT_EQUAL(rig.http->cancel(rig.host, s.id), 0);
    for (int i = 0; i < 5; i++)
        rig_turn(&rig, 0);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    CU_ASSERT_STRING_EQUAL(s.body, "a");
    finish();
    rig_close(&rig);
}

static void handlers_give_up(void)
{
    rig_open(&rig, NULL);
    for (int at_body = 0; at_body < 2; at_body++) {
        begin(0, 0);
        s.give_up_at_head = !at_body;
        s.give_up_at_body = at_body;
        peer_say(fd, OK_HEAD(9) "part");
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CANCELLED);
        CU_ASSERT_EQUAL(s.n_bodies, at_body);
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        finish();
    }
    rig_close(&rig);
}

/* The answer comes before the body was taken: it counts, the connection does not. */
static void early_answer(void)
{
    size_t n = 20u << 20;
    char *body = malloc(n + 1), url[64];
    struct aiex_http_request q;

    memset(body, 'x', n);
    body[n] = 0;
    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, body, url);
    rig_send(&s, &q);
    free(body); /* all was copied */
    fd = peer_accept(&rig);
    peer_say(fd, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    CU_ASSERT_EQUAL(s.status, 413);
    CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
    finish();
    rig_close(&rig);
}

static int took(void *arg)
{
    static char sink[1 << 20];
    ssize_t k = recv(fd, sink, sizeof(sink), 0);

    *(size_t *)arg -= k > 0 ? (size_t)k : 0;
    return *(size_t *)arg == 0;
}

static void large_body_is_sent_whole(void)
{
    size_t n = 30u << 20, left = n;
    char *body = malloc(n + 1), url[64], head[200];
    struct aiex_http_request q;

    memset(body, 'x', n);
    body[n] = 0;
    rig_open(&rig, NULL);
    left += (size_t)snprintf(head, sizeof(head),
                             "POST /x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUser-Agent: rig\r\n"
                             "Content-Length: %zu\r\n\r\n",
                             rig.port, n);
    seen_init(&s, &rig);
    q = rig_request(&rig, body, url);
    rig_send(&s, &q);
    free(body);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(wait_for(&rig, took, &left));
    peer_say(fd, OK_HEAD(0));
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    finish();
    rig_close(&rig);
}

/* ---- A borrowed body ---- */

enum { BORROWED = 24 * 1024 * 1024 }; /* more than sockets hold */

static uint8_t *lent;

static void give_back(struct seen *unused)
{
    (void)unused;
    memset(lent, '#', BORROWED);
}

/* Not a byte more. */
static void read_head(void)
{
    unsigned n = 0;
    char byte;

    while (n < 4) {
        ssize_t k = recv(fd, &byte, 1, MSG_DONTWAIT);

        if (k < 0)
            rig_turn(&rig, 1);
        if (k == 0)
            break;
        if (k > 0)
            n = byte == "\r\n\r\n"[n] ? n + 1 : byte == '\r';
    }
    CU_ASSERT_EQUAL(n, 4);
}

/* All of the body, as it was when it was lent. Returns bytes that were right. */
static size_t read_pattern(void)
{
    static uint8_t mem[1 << 16];
    size_t right = 0, rest = BORROWED;
    ssize_t n;

    while (rest && (n = recv(fd, mem, sizeof(mem), MSG_DONTWAIT)) != 0) {
        if (n < 0)
            rig_turn(&rig, 1);
        for (ssize_t i = 0; i < n; i++, rest--)
            right += mem[i] == (uint8_t)('a' + (BORROWED - rest) % 23);
    }
    return right;
}

/* The peer answers before it has read all: the plugin has its body back from the head on, and what
 * was not sent yet is sent all the same. Without a pause, and on a connection used before. */
static void borrowed_body_is_given_back(void)
{
    struct aiex_http_request q;
    char url[64];

    lent = malloc(BORROWED);
    rig_open(&rig, NULL);
    for (int round = 0; round < 2; round++) {
        seen_init(&s, &rig);
        for (size_t i = 0; i < BORROWED; i++)
            lent[i] = (uint8_t)('a' + i % 23);
        q = rig_request(&rig, "", url);
        q.body = (struct aiex_slice){lent, BORROWED};
        q.flags = AIEX_HTTP_BORROW;
        s.at_head = give_back;
        rig_send(&s, &q);
        if (round == 0)
            fd = peer_accept(&rig);
        read_head();
        peer_say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab");
        CU_ASSERT_TRUE(wait_body(&s, 2));
        CU_ASSERT_EQUAL(lent[0], '#');
        CU_ASSERT_EQUAL(read_pattern(), BORROWED);
        peer_say(fd, "cd");
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
        CU_ASSERT_STRING_EQUAL(s.body, "abcd");
        seen_done(&s);
    }
    close(fd);
    rig_close(&rig);
    free(lent);
}

const struct test_case tests[] = {
    {"cut_everywhere", cut_everywhere},
    {"split_everywhere", split_everywhere},
    {"complete_answers", complete_answers},
    {"malformed_answers", malformed_answers},
    {"too_large", too_large},
    {"header_floods", header_floods},
    {"bombs", bombs},
    {"large_gzip_with_pauses", large_gzip_with_pauses},
    {"pause_is_back_pressure", pause_is_back_pressure},
    {"pause_at_the_end", pause_at_the_end},
    {"cancel_of_a_held_answer", cancel_of_a_held_answer},
    {"handlers_give_up", handlers_give_up},
    {"early_answer", early_answer},
    {"large_body_is_sent_whole", large_body_is_sent_whole},
    {"borrowed_body_is_given_back", borrowed_body_is_given_back},
    {0},
};
