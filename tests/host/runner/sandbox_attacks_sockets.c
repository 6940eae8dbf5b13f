/* sandbox_attacks_sockets.c - talking to anybody but the allowed. */
#include "sandbox_attack_list.h"

#include "runner/sandbox/profile.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_FASTOPEN
#define MSG_FASTOPEN 0x20000000
#endif
#define PROTO_MPTCP 262

static int open_socket(int family, int type, int protocol)
{
    return attack_outcome_fd(socket(family, type, protocol));
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
}

static int tcp_to(uint16_t port, int protocol)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM, protocol);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(connect(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_STREAM, 0);
}

static int tcp_other_port(const struct scene *s)
{
    return tcp_to(s->bad_port, 0);
}

static int mptcp(const struct scene *s)
{
    return tcp_to(s->bad_port, PROTO_MPTCP);
}

static int tcp_bind(const struct scene *s)
{
    struct sockaddr_in a = loopback(0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(bind(fd, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_listen(const struct scene *s)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(listen(fd, 1));
    close(fd);
    return rc;
}

static int tcp_fast_open(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->bad_port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int tcp_fast_open_message(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->bad_port);
    struct iovec iov = {"x", 1};
    struct msghdr m = {.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &iov, .msg_iovlen = 1};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(sendmsg(fd, &m, MSG_FASTOPEN));
    close(fd);
    return rc;
}

static int many_messages(const struct scene *s)
{
    return attack_gate(syscall(SYS_sendmmsg, -1, NULL, 1, MSG_FASTOPEN));
}

static int option_fast_open(const struct scene *s)
{
    int on = 1;

    return attack_gate(setsockopt(-1, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on));
}

static int udp_send(const struct scene *s)
{
    struct sockaddr_in a = loopback(s->udp_port);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    int rc;

    if (fd < 0)
        return errno;
    rc = attack_outcome(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a));
    close(fd);
    return rc;
}

static int udp6(const struct scene *s)
{
    return open_socket(AF_INET6, SOCK_DGRAM, 0);
}

static int raw_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static int ping_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
}

static int packet_socket(const struct scene *s)
{
    return open_socket(AF_PACKET, SOCK_RAW, 0);
}

static int netlink_socket(const struct scene *s)
{
    return open_socket(AF_NETLINK, SOCK_RAW, 0);
}

static int sctp_socket(const struct scene *s)
{
    return open_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static int vsock_socket(const struct scene *s)
{
    return open_socket(AF_VSOCK, SOCK_STREAM, 0);
}

static int crypto_socket(const struct scene *s)
{
    return open_socket(AF_ALG, SOCK_SEQPACKET, 0);
}

static int unix_pair(const struct scene *s)
{
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds))
        return errno;
    close(fds[0]);
    close(fds[1]);
    return 0;
}

static int unix_to(int type, const char *path, const char *abstract)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    socklen_t len = sizeof a;
    int fd = socket(AF_UNIX, type, 0);
    int rc;

    if (fd < 0)
        return errno;
    if (path)
        snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    else
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
                          (size_t)snprintf(a.sun_path + 1, sizeof a.sun_path - 1, "%s", abstract));
    rc = attack_outcome(connect(fd, (struct sockaddr *)&a, len));
    close(fd);
    return rc;
}

static int unix_stream(const struct scene *s)
{
    return unix_to(SOCK_STREAM, s->unix_path, NULL);
}

static int unix_dgram(const struct scene *s)
{
    return unix_to(SOCK_DGRAM, s->dgram_path, NULL);
}

static int unix_abstract(const struct scene *s)
{
    return unix_to(SOCK_STREAM, NULL, s->abstract);
}

static int old_ioctl_net(const struct scene *s)
{
    return attack_gate(ioctl(0, 0x8912 /* SIOCGIFCONF */, NULL));
}

const struct attack attacks_on_sockets[] = {
    {"tcp socket", tcp_socket, ATTACK_SURE, SET_HTTP | SET_NAMES, 0},
    {"tcp to another port", tcp_other_port, ATTACK_SURE, 0, SET_HTTP | SET_NAMES},
    {"mptcp", mptcp, 0, 0, 0},
    {"tcp bind", tcp_bind, ATTACK_SURE, 0, 0},
    {"tcp listen", tcp_listen, ATTACK_SURE, 0, 0},
    {"tcp fast open", tcp_fast_open, ATTACK_SURE, 0, 0},
    {"tcp fast open by sendmsg", tcp_fast_open_message, ATTACK_SURE, 0, 0},
    {"sendmmsg", many_messages, ATTACK_SURE, 0, 0},
    {"tcp fast open by option", option_fast_open, ATTACK_SURE, 0, 0},
    {"udp", udp_send, ATTACK_SURE, SET_NAMES, 0},
    {"udp over IPv6", udp6, 0, SET_NAMES, 0},
    {"raw socket", raw_socket, ATTACK_ROOT, 0, 0},
    {"ping socket", ping_socket, 0, 0, 0},
    {"packet socket", packet_socket, 0, 0, 0},
    {"netlink", netlink_socket, ATTACK_SURE, 0, 0},
    {"sctp", sctp_socket, 0, 0, 0},
    {"vsock", vsock_socket, 0, 0, 0},
    {"kernel crypto", crypto_socket, 0, 0, 0},
    {"unix pair", unix_pair, ATTACK_SURE, 0, 0},
    {"unix stream by path", unix_stream, ATTACK_SURE, 0, 0},
    {"unix datagram by path", unix_dgram, ATTACK_SURE, 0, 0},
    {"unix abstract", unix_abstract, ATTACK_SURE, 0, 0},
    {"network ioctl", old_ioctl_net, ATTACK_SURE, 0, 0},
    {0},
};
