/*
 * control.c - the blocking client of the control socket (control.h).
 *
 * The socket is non-blocking and every wait is one poll() on it and on a pipe that the signal
 * handler writes to, so an interrupt between a check and a wait is never lost. A call goes through
 * three states: running, cancelling (cancel is sent, parts are dropped, the end has a deadline) and
 * over. Frames of earlier calls may still arrive and are skipped by their id.
 */
#include "control.h"

#include "control_private.h"
#include "reason.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* One running call. */
struct call {
    struct control *control;
    int64_t id;
    control_part_fn part;
    void *arg;
    int64_t deadline_ms; /* monotonic; -1 = none */
    int cancelling;      /* cancel was sent */
    int result;          /* with cancelling: what control_call() is to return */
};

/* ---- Interrupts ---- */

static volatile sig_atomic_t interrupted;
static int interrupt_pipe[2] = {-1, -1};

static void on_interrupt(int signal_number)
{
    int kept = errno;

    if (interrupted)
        _exit(128 + signal_number);
    interrupted = 1;
    if (write(interrupt_pipe[1], "", 1) < 0) {
        /* the pipe holds a byte already, which is as good */
    }
    errno = kept;
}

int control_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt};

    if (pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        return -errno;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGINT, &action, NULL) != 0 || sigaction(SIGTERM, &action, NULL) != 0)
        return -errno;
    return 0;
}

int control_interrupted(void)
{
    return interrupted;
}

int control_interrupt_fd(void)
{
    return interrupt_pipe[0];
}

/* ---- Connecting ---- */

int control_path(const char *option, char *out, size_t size, struct aiex_error *err)
{
    const char *given = option ? option : getenv("AIEX_SOCKET");
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;

    if (given && *given)
        n = snprintf(out, size, "%s", given);
    else if (state && *state)
        n = snprintf(out, size, "%s/aiex/run/aiex.sock", state);
    else if (home && *home)
        n = snprintf(out, size, "%s/.local/state/aiex/run/aiex.sock", home);
    else
        return fail(err, -ENOENT, "no socket is named and HOME is not set; give --socket PATH");
    if ((size_t)n >= size)
        return fail(err, -ENAMETOOLONG, "the socket's path is longer than %zu bytes", size - 1);
    return 0;
}

/* A socket address holds 107 bytes. For a longer path the folder is opened and the address goes
 * through its descriptor, which *ret_dir keeps open until connect() is done. */
static int address_of(const char *path, struct sockaddr_un *address, int *ret_dir)
{
    const char *name = strrchr(path, '/');
    char dir[1024];

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (strlen(path) < sizeof(address->sun_path)) {
        strcpy(address->sun_path, path);
        return 0;
    }
    if (!name || (size_t)(name - path) >= sizeof(dir))
        return -ENAMETOOLONG;
    snprintf(dir, sizeof(dir), "%.*s", (int)(name - path), path);
    *ret_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*ret_dir < 0)
        return -errno;
    if ((size_t)snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d%.90s",
                         *ret_dir, name) >= sizeof(address->sun_path) ||
        strlen(name) > 90)
        return -ENAMETOOLONG;
    return 0;
}

static int refuse_connect(const char *path, int error, struct aiex_error *err)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ECONNREFUSED:
        return fail(err, -ENOENT, "no host listens on %s; start one with ./run or set AIEX_SOCKET",
                    path);
    case -EACCES:
    case -EPERM:
        return fail(err, -EACCES,
                    "no permission to use %s; the host answers only the user that started it",
                    path);
    case -EPROTOTYPE:
        return fail(err, -EPROTO, "%s is a socket of another kind, not a host's", path);
    default:
        return fail(err, error, "can not connect to %s: %s", path, strerror(-error));
    }
}

/* connect() tells a plain file from a dead socket only by the file's type. */
static int is_no_socket(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address;
    int dir = -1, result;

    result = address_of(path, &address, &dir);
    if (result == 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        result = -errno;
    if (dir >= 0)
        close(dir);
    return result;
}

int control_open(const char *path, struct control **ret_control, struct aiex_error *err)
{
    struct control *c;
    int result;

    if (is_no_socket(path))
        return fail(err, -ENOTSOCK,
                    "%s is not a socket; name a host's with --socket or AIEX_SOCKET", path);
    c = calloc(1, sizeof(*c));
    if (!c)
        return fail(err, -ENOMEM, "out of memory");
    frame_reader_init(&c->reader);
    snprintf(c->path, sizeof(c->path), "%s", path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    result = c->fd < 0 ? -errno : connect_to(c->fd, path);
    if (result == 0 && fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        result = -errno;
    if (result) {
        control_free(c);
        return refuse_connect(path, result, err);
    }
    *ret_control = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    frame_reader_done(&c->reader);
    free(c);
}

/* ---- Waiting ---- */

int64_t control_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int control_gone(const struct control *c, struct aiex_error *err)
{
    return fail(err, -ECONNRESET,
                "the host on %.400s closed the connection before the answer was complete", c->path);
}

int control_broken(const struct control *c, int got, struct aiex_error *err)
{
    return fail(err, got,
                got == -EMSGSIZE
                    ? "the peer on %s sent a frame above 32 MiB; it is no Aiex host"
                    : "the peer on %s does not speak the control protocol; it is no Aiex host, "
                      "or one of another version",
                c->path);
}

/* Waits for the socket. 0, -EINTR (a signal, unless the call is being cancelled), -ETIMEDOUT. */
static int await(struct call *call, short events, struct aiex_error *err)
{
    struct pollfd fds[2] = {{.fd = call->control->fd, .events = events},
                            {.fd = call->cancelling ? -1 : interrupt_pipe[0], .events = POLLIN}};

    for (;;) {
        int64_t left = call->deadline_ms < 0 ? -1 : call->deadline_ms - control_now_ms();
        int n;

        if (interrupted && !call->cancelling)
            return fail(err, -EINTR, "interrupted");
        if (call->deadline_ms >= 0 && left <= 0)
            return fail(err, -ETIMEDOUT, "no answer from the host on %.400s in time",
                        call->control->path);
        n = poll(fds, 2, left > 60000 ? 60000 : (int)left);
        if (n < 0 && errno != EINTR)
            return fail(err, -errno, "poll: %s", strerror(errno));
        if (n > 0 && fds[0].revents)
            return 0;
    }
}

static int send_some(struct call *call, const uint8_t **bytes, size_t *len, struct aiex_error *err)
{
    ssize_t n = send(call->control->fd, *bytes, *len, MSG_NOSIGNAL);

    if (n >= 0) {
        *bytes += n;
        *len -= (size_t)n;
        return 0;
    }
    if (errno == EPIPE || errno == ECONNRESET)
        return control_gone(call->control, err);
    if (errno != EAGAIN && errno != EINTR)
        return fail(err, -errno, "can not write to %.400s: %s", call->control->path,
                    strerror(errno));
    return await(call, POLLOUT, err);
}

static int send_all(struct call *call, const uint8_t *bytes, size_t len, struct aiex_error *err)
{
    size_t whole = len;
    int failed = 0;

    if (call->control->torn)
        return control_gone(call->control, err);
    while (len && !failed)
        failed = send_some(call, &bytes, &len, err);
    if (failed && len < whole)
        call->control->torn = 1;
    return failed;
}

/* Tells the host that the call is no longer wanted; `result` is what the caller will see. */
static int begin_cancel(struct call *call, int result)
{
    uint8_t frame[FRAME_SMALL];
    size_t len = frame_make_cancel(call->id, frame);

    call->cancelling = 1;
    call->result = result;
    call->deadline_ms = control_now_ms() + CONTROL_CANCEL_MS;
    return send_all(call, frame, len, NULL);
}

/* ---- Answers ---- */

static void copy_text(char *out, size_t size, struct aiex_slice text)
{
    snprintf(out, size, "%.*s", (int)(text.len < size ? text.len : size), (const char *)text.data);
}

static int keep_end(const struct frame_reply *reply, struct control_end *end)
{
    if (reply->code.len) {
        copy_text(end->code, sizeof(end->code), reply->code);
        if (reply->text.len)
            copy_text(end->text, sizeof(end->text), reply->text);
    }
    end->retry_after_ms = reply->retry_after_ms;
    if (reply->body.len) {
        uint8_t *copy = malloc(reply->body.len);

        if (!copy)
            return -ENOMEM;
        memcpy(copy, reply->body.data, reply->body.len);
        end->body.data = copy;
        end->body.len = reply->body.len;
    }
    return 0;
}

static int take_part(struct call *call, struct aiex_slice part, struct aiex_error *err)
{
    uint8_t frame[FRAME_SMALL];
    int wish;

    if (call->cancelling)
        return 0;
    wish = call->part ? call->part(call->arg, part) : 0;
    if (wish)
        return begin_cancel(call, wish > 0 ? 0 : wish);
    wish = send_all(call, frame, frame_make_credit(call->id, part.len, frame), err);
    /* a host that has closed may have sent the end before: reading finds out */
    return wish == -ECONNRESET ? 0 : wish;
}

/* Uses up the frames that are there. 1 = the end came, 0 = read on. */
static int take_frames(struct call *call, struct control_end *end, struct aiex_error *err)
{
    struct frame_reply reply;
    int got, result;

    while ((got = frame_next(&call->control->reader, &reply)) == 1) {
        if (reply.id != call->id)
            continue;
        if (reply.kind == FRAME_END) {
            result = call->cancelling ? 0 : keep_end(&reply, end);
            return result ? fail(err, result, "out of memory") : 1;
        }
        result = take_part(call, reply.body, err);
        if (result)
            return result;
    }
    if (got < 0)
        return control_broken(call->control, got, err);
    return 0;
}

static int receive(struct call *call, struct aiex_error *err)
{
    struct control *c = call->control;

    for (;;) {
        ssize_t n = read(c->fd, c->bytes, sizeof(c->bytes));
        int failed;

        if (n > 0)
            return frame_feed(&c->reader, c->bytes, (size_t)n) ? fail(err, -ENOMEM, "out of memory")
                                                               : 0;
        if (n == 0 || errno == ECONNRESET)
            return control_gone(c, err);
        if (errno != EAGAIN && errno != EINTR)
            return fail(err, -errno, "can not read from %.400s: %s", c->path, strerror(errno));
        failed = await(call, POLLIN, err);
        if (failed)
            return failed;
    }
}

static int run(struct call *call, const uint8_t *frame, size_t len, struct control_end *end,
               struct aiex_error *err)
{
    int result = send_all(call, frame, len, err);

    while (result == 0) {
        result = take_frames(call, end, err);
        if (result == 0)
            result = receive(call, err);
        if (result == -EINTR || (result == -ETIMEDOUT && !call->cancelling))
            result = begin_cancel(call, result);
    }
    /* once cancelled, whatever ends the call ends it as its canceller wished */
    return call->cancelling ? call->result : result < 0 ? result : 0;
}

int control_call(struct control *c, const struct control_request *request, control_part_fn part,
                 void *arg, struct control_end *ret_end, struct aiex_error *err)
{
    struct frame_call frame = {.id = ++c->last_id,
                               .service = request->service,
                               .method = request->method,
                               .body = request->body,
                               .timeout_ms = request->timeout_ms};
    struct call call = {.control = c, .id = frame.id, .part = part, .arg = arg, .deadline_ms = -1};
    uint8_t *bytes = NULL;
    size_t len = 0;
    int result;

    memset(ret_end, 0, sizeof(*ret_end));
    result = frame_make_call(&frame, &bytes, &len);
    if (result)
        return fail(err, result,
                    result == -EMSGSIZE ? "the request is larger than 32 MiB" : "out of memory");
    if (request->timeout_ms)
        call.deadline_ms = control_now_ms() + request->timeout_ms + CONTROL_GRACE_MS;
    result = run(&call, bytes, len, ret_end, err);
    free(bytes);
    return result;
}

void control_end_done(struct control_end *end)
{
    free((void *)(uintptr_t)end->body.data);
    memset(end, 0, sizeof(*end));
}
