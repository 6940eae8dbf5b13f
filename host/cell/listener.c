#include "cell/listener.h"

#include "base/err.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTENERS_MAX 64
#define BACKLOG       1024
#define SYSTEMD_FIRST 3 /* SD_LISTEN_FDS_START */

struct listener {
    char address[128];
    int fd;
};

struct listeners {
    struct listener all[LISTENERS_MAX];
    unsigned n;
};

struct listeners *listeners_new(void)
{
    return calloc(1, sizeof(struct listeners));
}

void listeners_free(struct listeners *l)
{
    if (!l)
        return;
    for (unsigned i = 0; i < l->n; i++) {
        if (!strncmp(l->all[i].address, "unix:", 5))
            unlink(l->all[i].address + 5);
        close(l->all[i].fd);
    }
    free(l);
}

int listeners_adopt(struct listeners *l, const char *address, int fd)
{
    if (l->n == LISTENERS_MAX || strlen(address) >= sizeof(l->all[0].address))
        return -ENOSPC;
    snprintf(l->all[l->n].address, sizeof(l->all[0].address), "%s", address);
    l->all[l->n++].fd = fd;
    return fd;
}

int listeners_each(const struct listeners *l, unsigned i, const char **address, int *fd)
{
    if (i >= l->n)
        return 0;
    *address = l->all[i].address;
    *fd = l->all[i].fd;
    return 1;
}

/* Splits "host:port" or "[host]:port" into a socket address. */
static int parse_tcp(const char *address, struct sockaddr_storage *ret, socklen_t *ret_len)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
    char host[64], *end;
    size_t n;
    long port;

    memset(ret, 0, sizeof(*ret));
    if (!colon || colon == address || (n = (size_t)(colon - address)) >= sizeof(host))
        return -EINVAL;
    port = strtol(colon + 1, &end, 10);
    if (*end || !isdigit((unsigned char)colon[1]) || port > 65535)
        return -EINVAL;
    memcpy(host, address, n);
    host[n] = 0;
    if (host[0] == '[' && host[n - 1] == ']') {
        host[n - 1] = 0;
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(*v6);
        return inet_pton(AF_INET6, host + 1, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
    }
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *ret_len = sizeof(*v4);
    return inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &v4->sin_addr) == 1
               ? 0
               : -EINVAL;
}

static int open_tcp(const char *address, struct aiex_error *err)
{
    struct sockaddr_storage at;
    int fd, one = 1, r;
    socklen_t len;

    if (parse_tcp(address, &at, &len) < 0)
        return fail(err, -EINVAL,
                    "listen = '%s': expected an address and port such as 127.0.0.1:7420 or [::1]:7420, "
                    "unix:/path or systemd:NAME",
                    address);
    fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(err, -errno, "listen = '%s': %s", address, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, BACKLOG) < 0) {
        r = -errno;
        close(fd);
        return fail(err, r, "listen = '%s': %s%s", address, strerror(-r),
                    r == -EADDRINUSE ? "; another program (or another aiex-host) has this port, stop it or "
                                       "choose another address"
                                     : "");
    }
    return fd;
}

static int open_unix(const char *address, struct aiex_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const char *path = address + 5;
    struct stat st;
    mode_t mask;
    int fd, probe, r;

    if (strlen(path) >= sizeof(at.sun_path) || path[0] != '/')
        return fail(err, -EINVAL, "listen = '%s': the path must be absolute and shorter than %zu bytes",
                    address, sizeof(at.sun_path));
    memcpy(at.sun_path, path, strlen(path) + 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        /* left behind by a dead process, or in use (then perhaps too busy to take us)? */
        probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        r = probe < 0 || connect(probe, (struct sockaddr *)&at, sizeof(at)) < 0 ? -errno : 0;
        if (probe >= 0)
            close(probe);
        if (r != -ECONNREFUSED)
            return fail(err, -EADDRINUSE, "listen = '%s': another program listens there", address);
        unlink(path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mask = umask(0177); /* who can connect may be taken for an operator */
    r = fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
    umask(mask);
    if (r < 0) {
        if (fd >= 0)
            close(fd);
        return fail(err, r, "listen = '%s': %s", address, strerror(-r));
    }
    return fd;
}

static int from_systemd(const char *name, struct aiex_error *err)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
    int n = count ? atoi(count) : 0;

    if (!pid || atoi(pid) != getpid() || n <= 0)
        return fail(err, -ENOENT, "listen = 'systemd:%s': no sockets were passed (LISTEN_FDS)", name);
    for (int i = 0; i < n; i++) {
        size_t len = names ? strcspn(names, ":") : 0;

        if ((names && len == strlen(name) && !strncmp(names, name, len)) || (!names && i == atoi(name))) {
            int fd = fcntl(SYSTEMD_FIRST + i, F_DUPFD_CLOEXEC, 10);

            if (fd >= 0)
                fcntl(fd, F_SETFL, O_NONBLOCK);
            return fd >= 0 ? fd : fail(err, -errno, "listen = 'systemd:%s': %s", name, strerror(errno));
        }
        if (names)
            names += len + (names[len] == ':');
    }
    return fail(err, -ENOENT, "listen = 'systemd:%s': no passed socket has that name", name);
}

int listeners_get(struct listeners *l, const char *address, struct aiex_error *err)
{
    int fd;

    for (unsigned i = 0; i < l->n; i++)
        if (!strcmp(l->all[i].address, address))
            return l->all[i].fd;
    if (l->n == LISTENERS_MAX || strlen(address) >= sizeof(l->all[0].address))
        return fail(err, -ENOSPC, "listen = '%.100s': too many listening sockets or too long", address);
    if (!strncmp(address, "unix:", 5))
        fd = open_unix(address, err);
    else if (!strncmp(address, "systemd:", 8))
        fd = from_systemd(address + 8, err);
    else
        fd = open_tcp(address, err);
    return fd < 0 ? fd : listeners_adopt(l, address, fd);
}
