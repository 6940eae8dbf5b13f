/*
 * http_client_tls_test.c - TLS: a certificate made by `openssl req` at test time, trusted or
 * not, and a peer that answers from a child process with blocking calls.
 */
#include "rig.h"
#include "test.h"
#include "tls_peer.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

static struct rig rig;
static struct seen s;
static char dir[] = "/tmp/aiex-tls-XXXXXX";
static char key[64], cert[64];
static const char *served = cert; /* what the peer shows */
static char other[64];            /* a certificate with the same key that nobody trusts */
static int newest;                /* TLS version of the peer, 0 = any */

static void make_certificates(void)
{
    if (*key)
        return;
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    snprintf(other, sizeof(other), "%s/other.pem", dir);
    tls_make("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout", key, cert);
    tls_make("-key", key, other);
}

static pid_t begin(const char *host, uint32_t flags, int n, const char *answer)
{
    struct aiex_http_request q;
    char url[64], https[64];
    pid_t pid;

    seen_init(&s, &rig);
    pid = fork();
    if (pid == 0)
        tls_serve(rig.listener, &(struct tls_peer){served, key, n, answer, newest});
    q = rig_request(&rig, "x", url);
    snprintf(https, sizeof(https), "https://%s:%u/", host, rig.port);
    q.url = https;
    q.flags = flags;
    rig_send(&s, &q);
    return pid;
}

static void finish(pid_t pid)
{
    int status;

    seen_done(&s);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static void trusted(void)
{
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert);
    pid = begin("localhost", 0, 5, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    CU_ASSERT_STRING_EQUAL(s.body, "ok");
    for (int i = 1; i < 5; i++) {
        struct aiex_http_request q;
        char url[64], https[64];

        seen_done(&s);
        seen_init(&s, &rig);
        q = rig_request(&rig, "x", url);
        snprintf(https, sizeof(https), "https://localhost:%u/", rig.port);
        q.url = https;
        rig_send(&s, &q);
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    }
    CU_ASSERT_TRUE(peer_is_lonely(&rig));
    finish(pid);
    rig_close(&rig);
}

/* The certificate is for localhost, not for the address. */
static void wrong_name(void)
{
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert);
    pid = begin("127.0.0.1", 0, 1, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    finish(pid);
    pid = begin("127.0.0.1", AIEX_HTTP_NO_VERIFY, 1, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    finish(pid);
    rig_close(&rig);
}

static void untrusted(void)
{
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert);
    served = other;
    pid = begin("localhost", 0, 1, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "certificate"));
    finish(pid);
    pid = begin("localhost", AIEX_HTTP_NO_VERIFY, 1, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    finish(pid);
    served = cert;
    rig_close(&rig);
}

/* After open() no file is needed, as in a sealed cell; with the store made ready and without. */
static void files_are_gone(void)
{
    char away[80];
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert); /* the process has read the bundle */
    rig_close(&rig);
    snprintf(away, sizeof(away), "%s.away", cert);
    for (int ready = 0; ready < 2; ready++) {
        if (!ready)
            CU_ASSERT_EQUAL(rename(cert, away), 0);
        rig_open(&rig, cert);
        if (ready)
            CU_ASSERT_EQUAL(rename(cert, away), 0);
        served = away;
        pid = begin("localhost", 0, 1, OK_HEAD(2) "ok");
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
        finish(pid);
        served = cert;
        rig_close(&rig);
        CU_ASSERT_EQUAL(rename(away, cert), 0);
    }
}

static void not_tls(void)
{
    struct aiex_http_request q;
    char url[64], https[64];
    int fd;

    make_certificates();
    rig_open(&rig, cert);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    snprintf(https, sizeof(https), "https://localhost:%u/", rig.port);
    q.url = https;
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    peer_say(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

/* Bytes that TLS has decrypted already are not seen by poll: a resume must not wait for the socket.
 */
static void pause_in_the_middle(void)
{
    static char answer[300000];
    size_t n = (size_t)sprintf(answer, OK_HEAD(200000)), got = 0;
    pid_t pid;

    make_certificates();
    memset(answer + n, 'y', 200000);
    rig_open(&rig, cert);
    pid = begin("localhost", 0, 1, answer);
    s.pause_at_body = 1;
    while (s.n_body < 200000 && wait_body(&s, got + 1)) {
        got = s.n_body;
        for (int i = 0; i < 3; i++)
            rig_turn(&rig, 0);
        CU_ASSERT_EQUAL(s.n_body, got);
        CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    }
    CU_ASSERT_EQUAL(s.n_body, 200000);
    CU_ASSERT_EQUAL(s.n_ends, 0);
    CU_ASSERT_EQUAL(rig.http->pause(rig.host, s.id, 0), 0);
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    finish(pid);
    rig_close(&rig);
}

static void cut_inside_tls(void)
{
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert);
    pid = begin("localhost", 0, 1, OK_HEAD(9) "part");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_CUT);
    CU_ASSERT_STRING_EQUAL(s.body, "part");
    finish(pid);
    rig_close(&rig);
}

/* Nothing newer than TLS 1.1. */
static void too_old(void)
{
    pid_t pid;

    make_certificates();
    rig_open(&rig, cert);
    newest = TLS1_1_VERSION;
    pid = begin("localhost", 0, 1, OK_HEAD(2) "ok");
    newest = 0;
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    finish(pid);
    rig_close(&rig);
}

static void expired(void)
{
    char past[64];
    pid_t pid;

    make_certificates();
    snprintf(past, sizeof(past), "%s/past.pem", dir);
    tls_expire(cert, key, past);
    rig_open(&rig, cert);
    served = past;
    pid = begin("localhost", 0, 1, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text, "certificate"));
    finish(pid);
    served = cert;
    rig_close(&rig);
    unlink(past);
}

/* The peer goes away, or says nothing, in the middle of the handshake. */
static void handshake_ends_early(void)
{
    for (int silent = 0; silent < 2; silent++) {
        struct aiex_http_request q;
        char url[64], https[64];
        int fd;

        make_certificates();
        rig_open(&rig, cert);
        seen_init(&s, &rig);
        q = rig_request(&rig, "x", url);
        snprintf(https, sizeof(https), "https://localhost:%u/", rig.port);
        q.url = https;
        q.connect_ms = 400;
        rig_send(&s, &q);
        fd = peer_accept(&rig);
        if (silent) {
            rig_turn(&rig, 0);
            aiex_fake_advance(rig.fake, 400);
        } else {
            peer_reset(fd);
        }
        CU_ASSERT_TRUE(wait_end(&s));
        CU_ASSERT_EQUAL(s.result, silent ? AIEX_HTTP_TIMEOUT : AIEX_HTTP_TLS);
        CU_ASSERT_EQUAL(s.sent, 0);
        CU_ASSERT_TRUE(*s.text != 0);
        if (silent)
            close(fd);
        seen_done(&s);
        rig_close(&rig);
    }
}

static void remove_files(void)
{
    if (!*key)
        return;
    unlink(key);
    unlink(cert);
    unlink(other);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

const struct test_case tests[] = {
    {"trusted", trusted},
    {"wrong_name", wrong_name},
    {"untrusted", untrusted},
    {"files_are_gone", files_are_gone},
    {"not_tls", not_tls},
    {"pause_in_the_middle", pause_in_the_middle},
    {"cut_inside_tls", cut_inside_tls},
    {"too_old", too_old},
    {"expired", expired},
    {"handshake_ends_early", handshake_ends_early},
    {"remove_files", remove_files},
    {0},
};
