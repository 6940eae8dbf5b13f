/* sandbox_scene.c - targets for the attacks, made before anything is sealed. */
#include "sandbox_attacks.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int file_with(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    int ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok ? 0 : -1;
}

static int make_files(struct scene *s)
{
    char text[160];

    snprintf(s->root, sizeof s->root, "/tmp/aiex-sandbox-XXXXXX");
    if (!mkdtemp(s->root))
        return -1;
    snprintf(s->outside, sizeof s->outside, "%s/outside", s->root);
    snprintf(s->data, sizeof s->data, "%s/data", s->root);
    snprintf(s->shared, sizeof s->shared, "%s/shared", s->root);
    snprintf(s->secret, sizeof s->secret, "%s/secret", s->outside);
    snprintf(s->link, sizeof s->link, "%s/link", s->outside);
    snprintf(text, sizeof text, "%s/text", s->shared);
    if (mkdir(s->outside, 0755) || mkdir(s->data, 0755) || mkdir(s->shared, 0755))
        return -1;
    if (file_with(s->secret, "secret") || file_with(text, "text") || symlink(s->secret, s->link))
        return -1;
    return 0;
}

static int inet_socket(int type, uint16_t *ret_port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a))
        return -1;
    if (type == SOCK_STREAM && listen(fd, 64))
        return -1;
    if (getsockname(fd, (struct sockaddr *)&a, &len))
        return -1;
    *ret_port = ntohs(a.sin_port);
    return fd;
}

/* path NULL = the abstract name. */
static int unix_socket(int type, const char *path, const char *abstract)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof a;
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

    if (path)
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    else
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          (size_t)snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", abstract));
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len))
        return -1;
    if (type == SOCK_STREAM && listen(fd, 64))
        return -1;
    return fd;
}

static int make_sockets(struct scene *s)
{
    snprintf(s->unix_path, sizeof s->unix_path, "%s/stream", s->outside);
    snprintf(s->dgram_path, sizeof s->dgram_path, "%s/dgram", s->outside);
    snprintf(s->abstract, sizeof s->abstract, "aiex-test-%d", (int)getpid());
    s->sockets[0] = s->listener = inet_socket(SOCK_STREAM, &s->good_port);
    s->sockets[1] = inet_socket(SOCK_STREAM, &s->bad_port);
    s->sockets[2] = inet_socket(SOCK_DGRAM, &s->udp_port);
    s->sockets[3] = unix_socket(SOCK_STREAM, s->unix_path, NULL);
    s->sockets[4] = unix_socket(SOCK_DGRAM, s->dgram_path, NULL);
    s->sockets[5] = unix_socket(SOCK_STREAM, NULL, s->abstract);
    for (size_t i = 0; i < sizeof s->sockets / sizeof *s->sockets; i++)
        if (s->sockets[i] < 0)
            return -1;
    return 0;
}

int scene_open(struct scene *s)
{
    memset(s, 0, sizeof *s);
    if (make_files(s) || make_sockets(s))
        return errno ? -errno : -EIO;
    s->host = getpid();
    s->victim = fork();
    if (s->victim < 0)
        return -errno;
    if (s->victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return 0;
}

void scene_close(struct scene *s)
{
    const char *const files[] = {s->unix_path, s->dgram_path, s->secret, s->link};
    char text[160];

    if (s->victim > 0) {
        kill(s->victim, SIGKILL);
        waitpid(s->victim, NULL, 0);
    }
    for (size_t i = 0; i < sizeof s->sockets / sizeof *s->sockets; i++)
        if (s->sockets[i] > 0)
            close(s->sockets[i]);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        unlink(files[i]);
    snprintf(text, sizeof text, "%s/text", s->shared);
    unlink(text);
    rmdir(s->outside);
    rmdir(s->shared);
    rmdir(s->data);
    rmdir(s->root);
}
