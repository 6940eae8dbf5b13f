/* http_client_reuse_test.c - connections: reuse, stale ones, many at once, cancel, the pool's ends.
 */
#include "rig.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

static struct rig rig;

/* One whole exchange on a connection that the peer has. */
static void serve(int fd, struct seen *s, const char *body)
{
    rig_post(s, body);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, body));
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(s));
    CU_ASSERT_EQUAL(s->result, AIEX_HTTP_OK);
    CU_ASSERT_STRING_EQUAL(s->body, "ok");
    CU_ASSERT_EQUAL(s->sent, 1);
}

static int first(struct seen *s, const char *body)
{
    int fd;

    rig_post(s, body);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, body));
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(s));
    CU_ASSERT_EQUAL(s->result, AIEX_HTTP_OK);
    return fd;
}

static void what_is_sent(void)
{
    struct aiex_http_header h[] = {{"Content-Type", "application/json"}, {"X-Y", "z"}};
    struct aiex_http_request q;
    char url[64], want[512];
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    q = rig_request(&rig, "{}", url);
    q.headers = h;
    q.n_headers = 2;
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    snprintf(
        want, sizeof(want),
        "POST /x HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Type: application/json\r\nX-Y: z\r\n"
        "User-Agent: rig\r\nContent-Length: 2\r\n\r\n{}",
        rig.port);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, want));
    peer_say(fd, "HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.status, 429);
    CU_ASSERT_STRING_EQUAL(s.headers, "retry-after=3;content-length=0;");
    CU_ASSERT_EQUAL(s.n_bodies, 0);
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

static void keep_alive_is_used(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    for (int i = 0; i < 20; i++) {
        seen_done(&s);
        seen_init(&s, &rig);
        serve(fd, &s, "again");
    }
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

static struct seen next;

static void start_next(struct seen *s)
{
    (void)s;
    rig_post(&next, "from end");
}

static void end_may_start_the_next(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    seen_init(&next, &rig);
    s.at_end = start_next;
    fd = first(&s, "one");
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "from end"));
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&next));
    CU_ASSERT_EQUAL(next.result, AIEX_HTTP_OK);
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    close(fd);
    seen_done(&next);
    seen_done(&s);
    rig_close(&rig);
}

/* The peer closes an idle connection: the next request does not notice. */
static void closed_while_idle(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    close(fd);
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    seen_done(&s);
    seen_init(&s, &rig);
    fd = first(&s, "two");
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

/* The peer closes just as the request is sent: tried again once, on a fresh connection. */
static void stale_is_retried(int with_reset)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    seen_done(&s);
    seen_init(&s, &rig);
    rig_post(&s, "two"); /* the loop has not turned: the client can not know */
    if (with_reset)
        peer_reset(fd);
    else
        close(fd);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "two"));
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

static void stale_with_eof(void)
{
    stale_is_retried(0);
}

static void stale_with_reset(void)
{
    stale_is_retried(1);
}

static void closed_before_the_send(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    peer_reset(fd);
    seen_done(&s);
    seen_init(&s, &rig);
    fd = first(&s, "two");
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

/* Only once, and never when part of an answer had come. */
static void no_second_retry(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    seen_done(&s);
    seen_init(&s, &rig);
    rig_post(&s, "two");
    close(fd);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "two"));
    close(fd);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
    CU_ASSERT_EQUAL(s.sent, 1);

    seen_done(&s);
    seen_init(&s, &rig);
    fd = first(&s, "three");
    seen_done(&s);
    seen_init(&s, &rig);
    rig_post(&s, "four");
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "four"));
    peer_say(fd, "H");
    close(fd);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    seen_done(&s);
    rig_close(&rig);
}

static void close_is_obeyed(void)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK_HEAD(2) "okHTTP/1.1 200 unasked",
    };
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    for (int i = 0; i < 3; i++) {
        seen_init(&s, &rig);
        rig_post(&s, "x");
        fd = peer_accept(&rig);
        CU_ASSERT_TRUE(peer_expect(&rig, fd, "x"));
        peer_say(fd, answers[i]);
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
        CU_ASSERT_STRING_EQUAL(s.body, "ok");
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        close(fd);
        seen_done(&s);
    }
    rig_close(&rig);
}

static void speaking_unasked_closes(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    peer_say(fd, "HTTP/1.1 408 Timeout\r\n\r\n");
    CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

static void idle_connections_end(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    fd = first(&s, "one");
    aiex_fake_advance(rig.fake, 59999);
    seen_done(&s);
    seen_init(&s, &rig);
    serve(fd, &s, "two");
    aiex_fake_advance(rig.fake, 59999);
    seen_done(&s);
    seen_init(&s, &rig);
    serve(fd, &s, "three");
    aiex_fake_advance(rig.fake, 60001);
    CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

#define MANY 100

static void many_at_once(void)
{
    static struct seen s[MANY];
    static int fds[MANY];
    struct aiex_fake_live live;
    char body[32];

    rig_open(&rig, NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            seen_init(&s[i], &rig);
            snprintf(body, sizeof(body), "<%d>", i);
            rig_post(&s[i], body);
        }
        /* 64 connections were kept, 36 are new */
        for (int i = 0; i < MANY; i++) {
            if (round == 0 || fds[i] < 0)
                fds[i] = peer_accept(&rig);
        }
        for (int i = 0; i < MANY; i++) {
            CU_ASSERT_TRUE(peer_expect(&rig, fds[i], ">"));
            peer_say(fds[i], OK_HEAD(2) "ok");
        }
        for (int i = 0; i < MANY; i++) {
            CU_ASSERT_TRUE(wait_end(&s[i]));
            CU_ASSERT_EQUAL(s[i].result, AIEX_HTTP_OK);
            seen_done(&s[i]);
        }
        for (int i = 0, n = 0; i < MANY; i++) {
            char c;

            if (recv(fds[i], &c, 1, 0) == 0) {
                close(fds[i]);
                fds[i] = -1;
                n++;
            }
            if (i == MANY - 1)
                CU_ASSERT_EQUAL(n, MANY - 64);
        }
    }
    aiex_fake_live(rig.fake, &live);
    CU_ASSERT_EQUAL(live.watches, 64);
    for (int i = 0; i < MANY; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    rig_close(&rig);
}

static void cancel_closes_at_once(void)
{
    struct seen s;
    int fd;

    rig_open(&rig, NULL);
    for (int stage = 0; stage < 4; stage++) {
        seen_init(&s, &rig);
        rig_post(&s, "x");
        if (stage == 0) { /* before anything moved */
            CU_ASSERT_EQUAL(rig.http->cancel(rig.host, s.id), 0);
            CU_ASSERT_EQUAL(rig.http->cancel(rig.host, s.id), -ENOENT);
            CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 1), -ENOENT);
            seen_done(&s);
            continue;
        }
        fd = peer_accept(&rig);
        CU_ASSERT_TRUE(peer_expect(&rig, fd, "x"));
        if (stage >= 2) {
            peer_say(fd, OK_HEAD(9) "part");
            s.cancel_at_body = stage == 3;
            CU_ASSERT_TRUE(wait_body(&s, 4));
        }
        if (stage < 3)
            CU_ASSERT_EQUAL(rig.http->cancel(rig.host, s.id), 0);
        CU_ASSERT_TRUE(peer_sees_close(&rig, fd));
        CU_ASSERT_EQUAL(s.n_ends, 0);
        close(fd);
        seen_done(&s);
    }
    rig_close(&rig);
}

static void close_drops_everything(void)
{
    struct seen s[3];
    int fd;

    rig_open(&rig, NULL);
    for (int i = 0; i < 3; i++)
        seen_init(&s[i], &rig);
    rig_post(&s[0], "a");
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "a"));
    rig_post(&s[1], "b");
    s[0].pause_at_body = 1;
    peer_say(fd, OK_HEAD(9) "part");
    CU_ASSERT_TRUE(wait_body(&s[0], 4));
    rig_post(&s[2], "c");
    rig_close(&rig);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(s[i].n_ends, 0);
        seen_done(&s[i]);
    }
    close(fd);
}

/* Plays the peer for one request that may fail anywhere, to its end. */
static void serve_if_asked(struct seen *s)
{
    struct pollfd p = {rig.listener, POLLIN, 0};
    int fd = -1;

    for (int i = 0; i < 2000 && !s->n_ends; i++) {
        rig_turn(&rig, 1);
        if (fd < 0 && poll(&p, 1, 0) == 1) {
            fd = peer_accept(&rig);
            peer_say(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok");
            shutdown(fd, SHUT_WR);
        }
    }
    CU_ASSERT_EQUAL(s->n_ends, 1);
    if (fd < 0 && poll(&p, 1, 0) == 1)
        fd = peer_accept(&rig);
    if (fd >= 0)
        close(fd);
}

/* Each allocation, timer and watch fails once: refused or ended, never leaked or silent. */
static void without_memory(void)
{
    struct aiex_http_request q;
    struct seen s;
    char url[64];
    int n_good = 0;

    rig_open(&rig, NULL);
    q = rig_request(&rig, "x", url);
    for (size_t n = 1; n < 60 && n_good < 3; n++) {
        seen_init(&s, &rig);
        aiex_fake_fail_alloc(rig.fake, n);
        if (rig_try(&s, &q) == 0) {
            serve_if_asked(&s);
            CU_ASSERT_TRUE(s.result == AIEX_HTTP_OK || s.result == AIEX_HTTP_CONNECT ||
                           s.result == AIEX_HTTP_CUT);
            n_good += s.result == AIEX_HTTP_OK;
        }
        aiex_fake_fail_alloc(rig.fake, 0);
        seen_done(&s);
    }
    CU_ASSERT_EQUAL(n_good, 3);
    rig_close(&rig);
}

static void refused_requests(void)
{
    static const struct aiex_http_header bad[] = {{"Host", "x"},
                                                  {"content-length", "1"},
                                                  {"Connection", "close"},
                                                  {"A B", "x"},
                                                  {"A", "x\r\nB: y"}};
    static const char *const urls[] = {"",
                                       "ftp://a/",
                                       "http://",
                                       "http:///x",
                                       "http://a:0/",
                                       "http://a:65536/",
                                       "http://a:x/",
                                       "http://u@a/",
                                       "http://[::1/",
                                       "http://[x]/",
                                       "http://a b/",
                                       "http://a/b c",
                                       "http://a/\r\nX: y",
                                       "http://a/\xc3\xa4"};
    static const char *const methods[] = {"", "get", "GET /", "CONNECT", "G\r\nET"};
    struct aiex_http_request q;
    struct seen s;
    char url[64];

    rig_open(&rig, NULL);
    seen_init(&s, &rig);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        q = rig_request(&rig, "x", url);
        q.headers = &bad[i];
        q.n_headers = 1;
        CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        q = rig_request(&rig, "x", url);
        q.url = urls[i];
        CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        q = rig_request(&rig, "x", url);
        q.method = methods[i];
        CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    }
    q = rig_request(&rig, "x", url);
    q.struct_size = 8;
    CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    seen_done(&s);
    rig_close(&rig);
}

const struct test_case tests[] = {
    {"what_is_sent", what_is_sent},
    {"keep_alive_is_used", keep_alive_is_used},
    {"end_may_start_the_next", end_may_start_the_next},
    {"closed_while_idle", closed_while_idle},
    {"stale_with_eof", stale_with_eof},
    {"stale_with_reset", stale_with_reset},
    {"closed_before_the_send", closed_before_the_send},
    {"no_second_retry", no_second_retry},
    {"close_is_obeyed", close_is_obeyed},
    {"speaking_unasked_closes", speaking_unasked_closes},
    {"idle_connections_end", idle_connections_end},
    {"many_at_once", many_at_once},
    {"cancel_closes_at_once", cancel_closes_at_once},
    {"close_drops_everything", close_drops_everything},
    {"without_memory", without_memory},
    {"refused_requests", refused_requests},
    {0},
};
