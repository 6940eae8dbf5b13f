/* listen.c - extension "aiex.listen/1": asks the host over the control socket. */
#include "base/clock.h"
#include "base/err.h"
#include "channel/fdpass.h"
#include "runner/runner_private.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#define ANSWER_MS 5000

static int listen_open(const struct aiex_host *host, const char *address, struct aiex_error *err)
{
    struct instance *in = instance_of(host);
    struct pollfd p = {.fd = in->runner->fds[START_FD_CONTROL], .events = POLLIN};
    int fds[1] = {-1}, n_fds = 1, n;
    char text[512];
    ssize_t got;

    if (in->runner->inside)
        return in->runner->inside->listen(in->runner->inside_arg, in->index, address, err);
    if (in->runner->ready)
        return fail(err, -EINVAL, "listening sockets are opened in create() and start() only");
    n = snprintf(text, sizeof(text), "listen %u %.400s", in->index, address);
    if (fdpass_send(p.fd, text, (size_t)n + 1, NULL, 0) < 0 || poll(&p, 1, ANSWER_MS) != 1)
        return fail(err, -ETIMEDOUT, "listen = '%.200s': the host did not answer", address);
    got = fdpass_recv(p.fd, text, sizeof(text) - 1, fds, &n_fds);
    if (got <= 0)
        return fail(err, -ETIMEDOUT, "listen = '%.200s': the host went away", address);
    text[got] = 0;
    if (n_fds != 1)
        return fail(err, -EADDRINUSE, "%s", text);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    return fds[0];
}

const struct aiex_listen runner_listen = {.struct_size = sizeof(runner_listen), .open = listen_open};
