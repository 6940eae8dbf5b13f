/* flight.c - many calls over one control connection. See flight.h. */
#include "flight.h"

#include "control_private.h"
#include "reason.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct flight {
    struct control *control;
    flight_end_fn fn;
    void *arg;
    uint8_t *out; /* frames to be sent: len bytes from `sent` on */
    size_t sent, len, cap;
};

struct flight *flight_new(struct control *c, flight_end_fn fn, void *arg)
{
    struct flight *f = calloc(1, sizeof(*f));

    if (!f)
        return NULL;
    f->control = c;
    f->fn = fn;
    f->arg = arg;
    return f;
}

void flight_free(struct flight *f)
{
    if (!f)
        return;
    free(f->out);
    free(f);
}

size_t flight_queued(const struct flight *f)
{
    return f->len;
}

/* ---- Out ---- */

static int queue(struct flight *f, const uint8_t *bytes, size_t n)
{
    if (f->sent && f->sent + f->len + n > f->cap) {
        memmove(f->out, f->out + f->sent, f->len);
        f->sent = 0;
    }
    if (f->len + n > f->cap) {
        size_t cap = f->cap ? f->cap : READ_BYTES;
        uint8_t *grown;

        while (cap < f->len + n)
            cap *= 2;
        grown = realloc(f->out, cap);
        if (!grown)
            return -ENOMEM;
        f->out = grown;
        f->cap = cap;
    }
    memcpy(f->out + f->sent + f->len, bytes, n);
    f->len += n;
    return 0;
}

int flight_call(struct flight *f, const struct control_request *request, int64_t *ret_call,
                struct aiex_error *err)
{
    struct frame_call frame = {.id = ++f->control->last_id,
                               .service = request->service,
                               .method = request->method,
                               .body = request->body,
                               .timeout_ms = request->timeout_ms};
    uint8_t *bytes = NULL;
    size_t len = 0;
    int failed = frame_make_call(&frame, &bytes, &len);

    if (!failed)
        failed = queue(f, bytes, len);
    free(bytes);
    if (failed)
        return fail(err, failed, "%s",
                    failed == -EMSGSIZE ? "the request is larger than 32 MiB" : "out of memory");
    *ret_call = frame.id;
    return 0;
}

static int send_some(struct flight *f, struct aiex_error *err)
{
    while (f->len) {
        ssize_t n = send(f->control->fd, f->out + f->sent, f->len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return control_gone(f->control, err);
        if (n < 0)
            return fail(err, -errno, "can not write to %.400s: %s", f->control->path,
                        strerror(errno));
        f->sent += (size_t)n;
        f->len -= (size_t)n;
    }
    f->sent = 0;
    return 0;
}

/* ---- In ---- */

static int deliver(struct flight *f, struct aiex_error *err)
{
    struct frame_reply reply;
    int got;

    while ((got = frame_next(&f->control->reader, &reply)) == 1) {
        const struct flight_end end = {.call = reply.id,
                                       .code = reply.code,
                                       .text = reply.text,
                                       .body = reply.body,
                                       .retry_after_ms = reply.retry_after_ms};

        if (reply.kind == FRAME_END)
            f->fn(f->arg, &end);
    }
    return got < 0 ? control_broken(f->control, got, err) : 0;
}

/* What has arrived; the host's last words are taken before its end is told. */
static int receive(struct flight *f, struct aiex_error *err)
{
    struct control *c = f->control;

    for (;;) {
        ssize_t n = read(c->fd, c->bytes, sizeof(c->bytes));
        int failed;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return control_gone(c, err);
        if (n < 0)
            return fail(err, -errno, "can not read from %.400s: %s", c->path, strerror(errno));
        if (frame_feed(&c->reader, c->bytes, (size_t)n) != 0)
            return fail(err, -ENOMEM, "out of memory");
        failed = deliver(f, err);
        if (failed)
            return failed;
    }
}

/* ---- Waiting ---- */

static int wait_for(struct flight *f, struct pollfd fds[3], int64_t deadline_ms,
                    struct aiex_error *err)
{
    int64_t left = deadline_ms < 0 ? -1 : deadline_ms - control_now_ms();
    int n;

    if (deadline_ms >= 0 && left <= 0)
        return fail(err, -ETIMEDOUT, "no answer from the host on %.400s in time", f->control->path);
    n = poll(fds, 3, left > 60000 ? 60000 : (int)left);
    if (n < 0 && errno != EINTR)
        return fail(err, -errno, "poll: %s", strerror(errno));
    if (n < 0)
        fds[0].revents = fds[1].revents = fds[2].revents = 0;
    return 0;
}

int flight_turn(struct flight *f, int input, int64_t deadline_ms, int stopping, int *ret_readable,
                struct aiex_error *err)
{
    struct pollfd fds[3] = {{.fd = f->control->fd, .events = POLLIN},
                            {.fd = stopping ? -1 : control_interrupt_fd(), .events = POLLIN},
                            {.fd = input, .events = POLLIN}};
    int lost = send_some(f, err), failed;

    *ret_readable = 0;
    if (lost) { /* answers may have come before */
        failed = receive(f, err);
        return failed ? failed : lost;
    }
    if (f->len)
        fds[0].events |= POLLOUT;
    if (control_interrupted() && !stopping)
        return fail(err, -EINTR, "interrupted");
    failed = wait_for(f, fds, deadline_ms, err);
    if (failed)
        return failed;
    *ret_readable = fds[2].revents != 0;
    return fds[0].revents & (POLLIN | POLLHUP | POLLERR) ? receive(f, err) : 0;
}
