/* http_client_limits_test.c - time: each limit to the millisecond, on a clock that the test moves.
 */
#include "rig.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <sys/socket.h>

static struct rig rig;
static struct seen s;
static int fd;

/* A request with these limits (0 = default), the peer having read it. */
static void begin(uint32_t first_byte_ms, uint32_t idle_ms, uint32_t total_ms)
{
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "body", url);
    q.first_byte_ms = first_byte_ms;
    q.idle_ms = idle_ms;
    q.total_ms = total_ms;
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "body"));
}

static void finish(void)
{
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

/* Nothing happens until the last millisecond, then the request ends with this text. */
static void runs_out(uint64_t ms, const char *text)
{
    aiex_fake_advance(rig.fake, ms - 1);
    rig_turn(&rig, 0);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    aiex_fake_advance(rig.fake, 1);
    CU_ASSERT_EQUAL(s.n_ends, 1);
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TIMEOUT);
    CU_ASSERT_STRING_EQUAL(s.text, text);
}

static void first_byte(void)
{
    begin(700, 50, 0);
    runs_out(700, "no first byte of the answer within 700 ms");
    CU_ASSERT_EQUAL(s.sent, 1);
    CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
    finish();
}

static void first_byte_default(void)
{
    begin(0, 0, 0);
    runs_out(60000, "no first byte of the answer within 60000 ms");
    finish();
}

/* Interim answers, and a head that comes byte by byte, do not put the limit off. */
static void a_dripping_head(void)
{
    static const char *const drips[] = {"HTTP/1.1 102 Processing\r\n\r\n", "HTTP/1.1 200", " OK\r\nX",
                                        ": y\r\n"};

    begin(1000, 300, 0);
    for (size_t i = 0; i < sizeof(drips) / sizeof(drips[0]); i++) {
        peer_say(fd, drips[i]);
        for (int k = 0; k < 3; k++)
            rig_turn(&rig, 0);
        aiex_fake_advance(rig.fake, 200);
        CU_ASSERT_EQUAL(s.n_ends, 0);
    }
    runs_out(200, "no whole head of the answer within 1000 ms");
    CU_ASSERT_EQUAL(s.n_heads, 0);
    finish();
}

static void between_bytes(void)
{
    begin(5000, 300, 0);
    for (int i = 0; i < 10; i++) {
        peer_say(fd, i ? "x" : OK_HEAD(99) "x");
        CU_ASSERT_TRUE(wait_body(&s, (size_t)i + 1));
        aiex_fake_advance(rig.fake, 299);
        CU_ASSERT_EQUAL(s.n_ends, 0);
    }
    peer_say(fd, "x");
    CU_ASSERT_TRUE(wait_body(&s, 11));
    runs_out(300, "no further bytes moved within 300 ms");
    finish();
}

static void total_beats_a_drip(void)
{
    begin(5000, 300, 1000);
    peer_say(fd, OK_HEAD(99) "x");
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_TRUE(wait_body(&s, (size_t)i + 1));
        aiex_fake_advance(rig.fake, 250);
        CU_ASSERT_EQUAL(s.n_ends, 0);
        peer_say(fd, "x");
    }
    CU_ASSERT_TRUE(wait_body(&s, 4));
    runs_out(250, "not complete within total_ms");
    finish();
}

static void a_pause_stops_the_clock(void)
{
    begin(5000, 300, 0);
    s.pause_at_body = 1;
    peer_say(fd, OK_HEAD(2) "x");
    CU_ASSERT_TRUE(wait_body(&s, 1));
    aiex_fake_advance(rig.fake, 100000);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    s.pause_at_body = 0;
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    runs_out(300, "no further bytes moved within 300 ms");
    finish();
}

static void total_runs_during_a_pause(void)
{
    begin(5000, 300, 1000);
    s.pause_at_body = 1;
    peer_say(fd, OK_HEAD(2) "x");
    CU_ASSERT_TRUE(wait_body(&s, 1));
    runs_out(1000, "not complete within total_ms");
    finish();
}

/* The peer takes nothing of a large body. */
static void sending_stalls(void)
{
    size_t n = 30u << 20;
    char *body = malloc(n + 1), url[64];
    struct aiex_http_request q;

    memset(body, 'x', n);
    body[n] = 0;
    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, body, url);
    q.idle_ms = 400;
    q.first_byte_ms = 100;
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    for (int i = 0; i < 50; i++)
        rig_turn(&rig, 1);
    runs_out(400, "no further bytes moved within 400 ms");
    CU_ASSERT_EQUAL(s.sent, 1);
    free(body);
    finish();
}

/* A listener whose queue is full answers no more. */
static void connecting(void)
{
    struct aiex_http_request q;
    struct seen blocked[8];
    char url[64];

    rig_open(&rig, NULL);
    CU_ASSERT_EQUAL_FATAL(listen(rig.listener, 0), 0);
    q = rig_request(&rig, "x", url);
    q.connect_ms = 500;
    q.first_byte_ms = 100000;
    for (int i = 0; i < 8; i++) {
        seen_init(&blocked[i], &rig);
        rig_send(&blocked[i], &q);
    }
    for (int i = 0; i < 20; i++)
        rig_turn(&rig, 1);
    aiex_fake_advance(rig.fake, 499);
    CU_ASSERT_EQUAL(blocked[7].n_ends, 0);
    aiex_fake_advance(rig.fake, 1);
    CU_ASSERT_EQUAL(blocked[7].n_ends, 1);
    CU_ASSERT_EQUAL(blocked[7].result, AIEX_HTTP_TIMEOUT);
    CU_ASSERT_EQUAL(blocked[7].sent, 0);
    CU_ASSERT_STRING_EQUAL(blocked[7].text, "no connection within 500 ms");
    for (int i = 0; i < 8; i++)
        seen_done(&blocked[i]);
    rig_close(&rig);
}

static void resolving(void)
{
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.url = "http://model.example/";
    rig_send(&s, &q);
    CU_ASSERT_EQUAL(aiex_fake_count(rig.fake, AIEX_FAKE_CALL), 1);
    runs_out(10000, "no connection within 10000 ms");
    CU_ASSERT_EQUAL(aiex_fake_count(rig.fake, AIEX_FAKE_CANCEL), 1);
    seen_done(&s);
    rig_close(&rig);
}

/* Many limits at once end in order of their time. */
static void many_limits(void)
{
    enum { N = 200 };
    static struct seen many[N];
    struct aiex_http_request q;
    char url[64];

    rig_open(&rig, NULL);
    q = rig_request(&rig, "x", url);
    q.url = "http://model.example/";
    for (int i = 0; i < N; i++) {
        seen_init(&many[i], &rig);
        q.connect_ms = 1 + (uint32_t)(i * 7919 % N);
        rig_send(&many[i], &q);
    }
    for (int i = 0; i < N; i += 3)
        CU_ASSERT_EQUAL(rig.http->cancel(rig.host, many[i].id), 0);
    for (uint32_t t = 1; t <= N; t++) {
        aiex_fake_advance(rig.fake, 1);
        for (int i = 0; i < N; i++)
            CU_ASSERT_EQUAL(many[i].n_ends, i % 3 && 1 + (uint32_t)(i * 7919 % N) <= t);
    }
    for (int i = 0; i < N; i++)
        seen_done(&many[i]);
    rig_close(&rig);
}

const struct test_case tests[] = {
    {"first_byte", first_byte},
    {"first_byte_default", first_byte_default},
    {"a_dripping_head", a_dripping_head},
    {"between_bytes", between_bytes},
    {"total_beats_a_drip", total_beats_a_drip},
    {"a_pause_stops_the_clock", a_pause_stops_the_clock},
    {"total_runs_during_a_pause", total_runs_during_a_pause},
    {"sending_stalls", sending_stalls},
    {"connecting", connecting},
    {"resolving", resolving},
    {"many_limits", many_limits},
    {0},
};
