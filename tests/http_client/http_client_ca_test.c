/*
 * http_client_ca_test.c - requests that bring their own certificates to believe: a peer with a
 * private authority is reached, nobody else is trusted because of it, and connections are not
 * shared.
 */
#include "rig.h"
#include "test.h"
#include "tls_peer.h"

#include <errno.h>

static struct rig rig;
static struct seen s;
static char dir[] = "/tmp/aiex-ca-XXXXXX";
static char key[64], cert[64], other[64];
static char pem[8192], other_pem[8192]; /* what the files hold */

static void read_pem(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    out[fread(out, 1, size - 1, f)] = 0;
    fclose(f);
}

static void begin(void)
{
    if (!*key) {
        CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
        snprintf(key, sizeof(key), "%s/key.pem", dir);
        snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
        snprintf(other, sizeof(other), "%s/other.pem", dir);
        tls_make("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout", key, cert);
        tls_make("-key", key, other);
        read_pem(cert, pem, sizeof(pem));
        read_pem(other, other_pem, sizeof(other_pem));
    }
    rig_open(&rig, NULL);
}

static pid_t peer(int n)
{
    pid_t pid = fork();

    if (pid == 0)
        tls_serve(rig.listener, &(struct tls_peer){cert, key, n, OK_HEAD(2) "ok", 0});
    return pid;
}

static void peer_end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* How a request ends that believes in these. */
static uint32_t result_with(const char *ca, uint32_t flags)
{
    struct aiex_http_request q;
    char url[64], https[64];

    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    snprintf(https, sizeof(https), "https://localhost:%u/", rig.port);
    q.url = https;
    q.flags = flags;
    q.ca_pem = ca;
    rig_send(&s, &q);
    CU_ASSERT_TRUE(wait_end(&s));
    seen_done(&s);
    return s.result;
}

static void believed(void)
{
    pid_t pid;

    begin();
    pid = peer(3);
    for (int i = 0; i < 3; i++) /* one connection */
        CU_ASSERT_EQUAL(result_with(pem, 0), AIEX_HTTP_OK);
    peer_end(pid);
    rig_close(&rig);
}

/* A second certificate of the same name and key: nobody's word for it but the first one's. */
static void only_these_are_believed(void)
{
    pid_t pid;

    begin();
    pid = peer(1);
    CU_ASSERT_EQUAL(result_with(other_pem, 0), AIEX_HTTP_TLS);
    CU_ASSERT_EQUAL(s.sent, 0);
    peer_end(pid);
    pid = peer(1);
    CU_ASSERT_EQUAL(result_with(NULL, 0), AIEX_HTTP_TLS); /* the system's do not know it */
    peer_end(pid);
    rig_close(&rig);
}

/* A connection that is kept is used by requests with the same belief only. */
static void connections_are_not_shared(void)
{
    pid_t pid, second;

    begin();
    pid = peer(2);
    CU_ASSERT_EQUAL(result_with(pem, 0), AIEX_HTTP_OK);
    second = peer(1);
    CU_ASSERT_EQUAL(result_with(other_pem, 0), AIEX_HTTP_TLS);
    peer_end(second);
    second = peer(1);
    CU_ASSERT_EQUAL(result_with(NULL, 0), AIEX_HTTP_TLS);
    peer_end(second);
    CU_ASSERT_EQUAL(result_with(pem, 0), AIEX_HTTP_OK); /* on the first one */
    peer_end(pid);
    rig_close(&rig);
}

static void more_than_one(void)
{
    char both[16384];
    pid_t pid;

    begin();
    snprintf(both, sizeof(both), "# a comment\n%s%s", other_pem, pem);
    pid = peer(1);
    CU_ASSERT_EQUAL(result_with(both, 0), AIEX_HTTP_OK);
    peer_end(pid);
    rig_close(&rig);
}

static void what_is_no_certificate(void)
{
    static char large[300 * 1024];
    struct aiex_http_request q;
    char url[64];
    pid_t pid;

    begin();
    memset(large, 'x', sizeof(large) - 1);
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.ca_pem = "";
    CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    q.ca_pem = "-----BEGIN PRIVATE KEY-----";
    CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    q.ca_pem = large;
    CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    seen_done(&s);
    pid = peer(1);
    CU_ASSERT_EQUAL(
        result_with("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n", 0),
        AIEX_HTTP_TLS);
    peer_end(pid);
    rig_close(&rig);
}

/* A plugin that was built for 1.0 knows nothing of the field. */
static void a_shorter_request(void)
{
    struct aiex_http_request q;
    char url[64];
    int fd;

    begin();
    seen_init(&s, &rig);
    q = rig_request(&rig, "x", url);
    q.ca_pem = (const char *)1; /* behind its end: not looked at */
    q.struct_size = offsetof(struct aiex_http_request, ca_pem);
    rig_send(&s, &q);
    fd = peer_accept(&rig);
    CU_ASSERT_TRUE(peer_expect(&rig, fd, "\r\n\r\nx"));
    peer_say(fd, OK_HEAD(2) "ok");
    CU_ASSERT_TRUE(wait_end(&s));
    CU_ASSERT_EQUAL(s.result, AIEX_HTTP_OK);
    q.struct_size--;
    CU_ASSERT_EQUAL(rig_try(&s, &q), -EINVAL);
    close(fd);
    seen_done(&s);
    rig_close(&rig);
}

static void remove_files(void)
{
    unlink(key);
    unlink(cert);
    unlink(other);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

const struct test_case tests[] = {
    {"believed", believed},
    {"only_these_are_believed", only_these_are_believed},
    {"connections_are_not_shared", connections_are_not_shared},
    {"more_than_one", more_than_one},
    {"what_is_no_certificate", what_is_no_certificate},
    {"a_shorter_request", a_shorter_request},
    {"remove_files", remove_files},
    {0},
};
