/* io.c - bytes of a connection, whether the socket carries them plainly or under TLS. */
#include "server.h"
#include "tls.h"

#include <sys/socket.h>

ssize_t io_receive(struct conn *c, void *mem, size_t n)
{
    return c->tls ? tls_receive(c, mem, n) : recv(c->fd, mem, n, 0);
}

ssize_t io_send(struct conn *c, const void *bytes, size_t n)
{
    return c->tls ? tls_send(c, bytes, n) : send(c->fd, bytes, n, MSG_NOSIGNAL);
}

void io_end(struct conn *c)
{
    if (c->tls)
        tls_end(c);
    shutdown(c->fd, SHUT_WR);
}

void io_break(struct conn *c)
{
    if (c->tls)
        shutdown(c->fd, SHUT_RDWR);
}
