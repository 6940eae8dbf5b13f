/* fdpass_test.c - descriptors over a socket: as many as promised, none lost, none leaked. */
#include "channel/fdpass.h"
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int n_open(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void test_round_trip(void)
{
    int pair[2], fds[FDPASS_MAX], got[FDPASS_MAX], n_got = FDPASS_MAX, before = n_open();
    char text[16];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (int i = 0; i < FDPASS_MAX; i++)
        fds[i] = dup(pair[0]);
    CU_ASSERT_EQUAL(fdpass_send(pair[0], "hello", 5, fds, FDPASS_MAX), 5);
    CU_ASSERT_EQUAL(fdpass_recv(pair[1], text, sizeof(text), got, &n_got), 5);
    CU_ASSERT_EQUAL(n_got, FDPASS_MAX);
    for (int i = 0; i < n_got; i++) {
        CU_ASSERT(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        close(got[i]);
    }
    CU_ASSERT_EQUAL(fdpass_send(pair[0], "hello", 5, fds, FDPASS_MAX + 1), -EINVAL);
    for (int i = 0; i < FDPASS_MAX; i++)
        close(fds[i]);
    close(pair[0]);
    n_got = FDPASS_MAX;
    CU_ASSERT_EQUAL(fdpass_recv(pair[1], text, sizeof(text), got, &n_got), 0); /* closed */
    CU_ASSERT_EQUAL(n_got, 0);
    CU_ASSERT_EQUAL(fdpass_send(pair[1], "x", 1, NULL, 0), -EPIPE); /* and no SIGPIPE */
    close(pair[1]);
    CU_ASSERT_EQUAL(n_open(), before);
}

/* More descriptors than the receiver has room for are closed, not leaked. */
static void test_too_many(void)
{
    int pair[2], fds[5], got[2], n_got = 2, before = n_open();
    char text[16];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    for (int i = 0; i < 5; i++)
        fds[i] = dup(pair[0]);
    CU_ASSERT_EQUAL(fdpass_send(pair[0], "hello", 5, fds, 5), 5);
    CU_ASSERT_EQUAL(fdpass_recv(pair[1], text, sizeof(text), got, &n_got), 5);
    CU_ASSERT_EQUAL(n_got, 2);
    for (int i = 0; i < n_got; i++)
        close(got[i]);
    n_got = 0;
    CU_ASSERT_EQUAL(fdpass_send(pair[0], "hello", 5, fds, 5), 5);
    CU_ASSERT_EQUAL(fdpass_recv(pair[1], text, sizeof(text), NULL, &n_got), 5);
    for (int i = 0; i < 5; i++)
        close(fds[i]);
    close(pair[0]);
    close(pair[1]);
    CU_ASSERT_EQUAL(n_open(), before);
}

/* Half a message is no message. */
static void test_too_long(void)
{
    int pair[2], fd, got[2], n_got = 2, before = n_open();
    char text[4];

    CU_ASSERT_EQUAL_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    fd = dup(pair[0]);
    CU_ASSERT_EQUAL(fdpass_send(pair[0], "hello", 5, &fd, 1), 5);
    CU_ASSERT_EQUAL(fdpass_recv(pair[1], text, sizeof(text), got, &n_got), -EMSGSIZE);
    CU_ASSERT_EQUAL(n_got, 0);
    close(fd);
    close(pair[0]);
    close(pair[1]);
    CU_ASSERT_EQUAL(n_open(), before);
}

const struct test_case tests[] = {
    {"round_trip", test_round_trip},
    {"too_many", test_too_many},
    {"too_long", test_too_long},
    {0},
};
