#include "channel/fdpass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * FDPASS_MAX)];
};

ssize_t fdpass_send(int sock, const void *bytes, size_t len, const int *fds, int n_fds)
{
    struct iovec v = {(void *)bytes, len};
    union control control;
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    ssize_t n;

    memset(&control, 0, sizeof(control));
    if (n_fds > FDPASS_MAX)
        return -EINVAL;
    if (n_fds) {
        struct cmsghdr *c;

        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n_fds);
    }
    do
        n = sendmsg(sock, &m, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t fdpass_recv(int sock, void *bytes, size_t size, int *fds, int *n_fds)
{
    struct iovec v = {bytes, size};
    union control control;
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    int room = *n_fds;
    ssize_t n;

    *n_fds = 0;
    do
        n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        int got[FDPASS_MAX];
        int k = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        memcpy(got, CMSG_DATA(c), (size_t)k * sizeof(int));
        for (int i = 0; i < k; i++) {
            if (*n_fds < room)
                fds[(*n_fds)++] = got[i];
            else
                close(got[i]);
        }
    }
    if (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) { /* half a message is none */
        while (*n_fds)
            close(fds[--*n_fds]);
        return -EMSGSIZE;
    }
    return n;
}
