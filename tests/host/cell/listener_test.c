/* listener_test.c - addresses that are none, sockets that are there already, sockets from systemd.
 */
#include "cell/listener.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct listeners *l;
static char folder[64], address[128];
static struct aiex_error err;

static void begin(void)
{
    l = listeners_new();
    CU_ASSERT_PTR_NOT_NULL_FATAL(l);
    strcpy(folder, "/tmp/aiex-listener-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(address, sizeof(address), "unix:%s/sock", folder);
    err.text[0] = 0;
}

static void finish(void)
{
    listeners_free(l);
    CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing was left in it */
}

static void test_bad_addresses(void)
{
    static const char *const bad[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:x",
        "127.0.0.1:80x",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1: 80",
        "127.0.0.1:+80",
        "127.0.0.1:99999999999999999999",
        "1.2.3:80",
        "300.0.0.1:80",
        "example.org:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[]:80",
        "[:80",
        "[zz]:80",
        "unix:",
        "unix:relative",
        "systemd:none",
        "localhost",
        "*:80",
        "111111111111111111111111111111111111111111111111111111111111111111111111:80",
    };
    char wide[300] = "unix:/";

    begin();
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err.text[0] = 0;
        if (listeners_get(l, bad[i], &err) >= 0)
            printf("'%s' ", bad[i]);
        CU_ASSERT(listeners_get(l, bad[i], &err) < 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i][0] ? bad[i] : "''"));
        CU_ASSERT(listeners_get(l, bad[i], NULL) < 0);
    }
    memset(wide + 6, 'x', 110);
    CU_ASSERT_EQUAL(listeners_get(l, wide, &err), -EINVAL);
    memset(wide + 6, 'x', 290);
    CU_ASSERT_EQUAL(listeners_get(l, wide, &err), -ENOSPC);
    finish();
}

static void test_tcp(void)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char taken[64];
    int fd, other;

    begin();
    fd = listeners_get(l, "127.0.0.1:0", &err);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(listeners_get(l, "127.0.0.1:0", &err), fd); /* the same socket */
    other = listeners_get(l, "localhost:0", &err);
    CU_ASSERT(other >= 0 && other != fd);
    CU_ASSERT(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CU_ASSERT(fcntl(fd, F_GETFL) & O_NONBLOCK);
    CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&at)->sin_port));
    CU_ASSERT_EQUAL(listeners_get(l, taken, &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "choose another address"));
    fd = listeners_get(l, "[::1]:0", &err); /* machines without IPv6 may refuse */
    CU_ASSERT(fd >= 0 || fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT);
    finish();
}

static int connect_to(const char *unix_address)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", unix_address + 5);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void test_unix(void)
{
    struct listeners *second = listeners_new();
    int fd, client;

    begin();
    fd = listeners_get(l, address, &err);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(listeners_get(l, address, &err), fd);
    client = connect_to(address);
    CU_ASSERT(client >= 0);
    close(client);
    /* another host does not take it away */
    CU_ASSERT_EQUAL(listeners_get(second, address, &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "another program listens there"));
    client = connect_to(address);
    CU_ASSERT(client >= 0);
    close(client);
    listeners_free(second);
    finish();
}

/* Left behind by a process that died: taken over. */
static void test_unix_left_over(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd, client;

    begin();
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", address + 5);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    CU_ASSERT(listeners_get(l, address, &err) >= 0);
    client = connect_to(address);
    CU_ASSERT(client >= 0);
    close(client);
    finish();
}

/* In use by one who is too busy to accept: neither waited for nor taken away. */
static void test_unix_busy(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd, clients[16], n = 0;

    begin();
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", address + 5);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 0), 0);
    while (n < 16 && (clients[n] = connect_to(address)) >= 0)
        n++;
    CU_ASSERT(n < 16); /* the backlog is full */
    CU_ASSERT_EQUAL(listeners_get(l, address, &err), -EADDRINUSE);
    CU_ASSERT_EQUAL(access(address + 5, F_OK), 0);
    while (n)
        close(clients[--n]);
    close(fd);
    unlink(address + 5);
    finish();
}

/* A file that is no socket is nobody's to remove. */
static void test_unix_other_file(void)
{
    int fd;

    begin();
    fd = open(address + 5, O_CREAT | O_WRONLY, 0600);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(write(fd, "mine", 4), 4);
    close(fd);
    CU_ASSERT_EQUAL(listeners_get(l, address, &err), -EADDRINUSE);
    CU_ASSERT_EQUAL(access(address + 5, F_OK), 0);
    CU_ASSERT(listeners_get(l, "unix:/proc/nowhere/sock", &err) < 0);
    unlink(address + 5);
    finish();
}

static void test_table(void)
{
    const char *where = NULL;
    char name[32];
    int fd = -1;

    begin();
    CU_ASSERT_EQUAL(listeners_each(l, 0, &where, &fd), 0);
    for (int i = 1; i <= 64; i++) {
        snprintf(name, sizeof(name), "127.0.0.1:%d", i);
        CU_ASSERT(listeners_adopt(l, name, dup(2)) >= 0);
    }
    CU_ASSERT_EQUAL(listeners_adopt(l, "127.0.0.1:65", 2), -ENOSPC);
    CU_ASSERT_EQUAL(listeners_get(l, "127.0.0.1:0", &err), -ENOSPC);
    CU_ASSERT(listeners_get(l, "127.0.0.1:7", &err) >= 0); /* adopted: not opened again */
    CU_ASSERT_EQUAL(listeners_each(l, 63, &where, &fd), 1);
    CU_ASSERT_STRING_EQUAL(where, "127.0.0.1:64");
    CU_ASSERT_EQUAL(listeners_each(l, 64, &where, &fd), 0);
    finish();
}

/* Who can connect is taken for an operator: no umask may invite others. */
static void unix_sockets_are_the_owners(void)
{
    struct stat st;
    mode_t mask = umask(0);

    begin();
    CU_ASSERT(listeners_get(l, address, &err) >= 0);
    CU_ASSERT_EQUAL(stat(address + 5, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
    CU_ASSERT_EQUAL(umask(mask), 0);
    finish();
}

const struct test_case tests[] = {
    {"unix_sockets_are_the_owners", unix_sockets_are_the_owners},
    {"bad_addresses", test_bad_addresses},
    {"tcp", test_tcp},
    {"unix", test_unix},
    {"unix_left_over", test_unix_left_over},
    {"unix_busy", test_unix_busy},
    {"unix_other_file", test_unix_other_file},
    {"table", test_table},
    {0},
};
