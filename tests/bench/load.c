/* load.c - see load.h. The parser trusts the gateway's framing, but counts whatever is not a whole
 * good answer as bad: a wrong status, an early end, a stream without its own end. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_NS 20000000000ull /* without a byte: something hangs */

enum in { HEAD, WHOLE, CHUNK_SIZE, CHUNK, CHUNK_END, LAST_LINE };

struct conn {
    int fd, busy;
    enum in in;
    char head[8192], line[1024], error[120];
    size_t head_len, line_len, left, written;
    int status, keep, done_seen, n_events;
    uint64_t t0;
};

static struct {
    const struct load_plan *plan;
    struct load_result *result;
    struct sockaddr_in to;
    int epoll;
    char *request;
    size_t request_len;
    long started;
    uint64_t t0, until, heard;
    char bytes[1 << 18];
} load;

static void watch(struct conn *c, unsigned events, int how)
{
    epoll_ctl(load.epoll, how, c->fd, &(struct epoll_event){.events = events, .data.ptr = c});
}

static void drop(struct conn *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

static void write_some(struct conn *c)
{
    while (c->written < load.request_len) {
        ssize_t n = send(c->fd, load.request + c->written, load.request_len - c->written,
                         MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
            return;
        }
        c->written += (size_t)n;
        if (c->written == load.request_len)
            watch(c, EPOLLIN, EPOLL_CTL_MOD);
    }
}

static void dial(struct conn *c)
{
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        give_up("no socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(c->fd, (struct sockaddr *)&load.to, sizeof(load.to)) < 0 && errno != EINPROGRESS)
        give_up("no connection: %s", strerror(errno));
    watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

/* When the next request is to start; UINT64_MAX = no more. */
static uint64_t next_start(void)
{
    const struct load_plan *p = load.plan;
    uint64_t now = now_ns();

    if ((p->requests && load.started >= p->requests) || (load.until && now >= load.until))
        return UINT64_MAX;
    return p->rate > 0 ? load.t0 + (uint64_t)((double)load.started * 1e9 / p->rate) : now;
}

static int begin(struct conn *c)
{
    uint64_t at = next_start();

    if (at > now_ns())
        return 0;
    load.started++;
    c->busy = 1;
    c->in = HEAD;
    c->head_len = c->line_len = c->left = c->written = 0;
    c->status = c->done_seen = c->n_events = 0;
    c->keep = 1;
    c->error[0] = 0;
    c->t0 = at;
    if (c->fd < 0)
        dial(c);
    else
        write_some(c);
    return 1;
}

static void finish(struct conn *c, const char *error)
{
    struct load_result *r = load.result;

    if (!error && c->status != 200)
        error = "status";
    if (!error && load.plan->stream && !c->done_seen && !load.plan->leave_after)
        error = "a stream without its end";
    if (error) {
        if (!r->bad++)
            snprintf(r->error, sizeof(r->error), "%.60s, status %d: %.100s", error, c->status,
                     c->error);
    } else {
        r->good++;
        series_add(&r->took_us, (double)(now_ns() - c->t0) / 1e3);
    }
    r->events += c->n_events;
    c->busy = 0;
    if (error || !c->keep || load.plan->leave_after)
        drop(c);
}

/* One line of a stream. 1 = enough of it. */
static int take_line(struct conn *c, uint64_t now)
{
    char *at;

    c->line[c->line_len] = 0;
    if (strncmp(c->line, "data:", 5))
        return 0;
    if (strstr(c->line, load.plan->messages ? "\"message_stop\"" : "[DONE]"))
        c->done_seen = 1;
    else if ((at = strstr(c->line, "\"T"))) {
        uint64_t sent = strtoull(at + 2, NULL, 10);

        series_add(&load.result->delay_us, now > sent ? (double)(now - sent) / 1e3 : 0);
        c->n_events++;
    }
    return load.plan->leave_after && c->n_events >= load.plan->leave_after;
}

static int take_body(struct conn *c, const char *at, size_t n, uint64_t now)
{
    if (c->status != 200 && !c->error[0])
        snprintf(c->error, sizeof(c->error), "%.*s", (int)(n < 119 ? n : 119), at);
    while (load.plan->stream && n) {
        const char *end = memchr(at, '\n', n);
        size_t k = end ? (size_t)(end - at) : n;

        if (c->line_len + k < sizeof(c->line)) {
            memcpy(c->line + c->line_len, at, k);
            c->line_len += k;
        }
        if (!end)
            break;
        if (take_line(c, now))
            return 1;
        c->line_len = 0;
        at = end + 1;
        n -= k + 1;
    }
    return 0;
}

/* Returns bytes of the head taken, 0 when more is needed. */
static size_t take_head(struct conn *c, const char *at, size_t n)
{
    size_t room = sizeof(c->head) - 1 - c->head_len, k = n < room ? n : room, before = c->head_len;
    char *end, *length;

    memcpy(c->head + before, at, k);
    c->head[before + k] = 0;
    end = strstr(c->head, "\r\n\r\n");
    if (!end) {
        c->head_len += k;
        return 0;
    }
    end[2] = 0;
    c->status = atoi(c->head + 9);
    c->keep = !strcasestr(c->head, "\r\nconnection: close");
    length = strcasestr(c->head, "\r\ncontent-length:");
    c->left = length ? strtoul(length + 17, NULL, 10) : 0;
    c->in = strcasestr(c->head, "\r\ntransfer-encoding: chunked") ? CHUNK_SIZE : WHOLE;
    c->head_len = 0;
    return (size_t)(end + 4 - c->head) - before;
}

static size_t take_size(struct conn *c, char byte)
{
    int lower = byte | 32;

    if (byte == '\n')
        c->in = c->left ? CHUNK : LAST_LINE;
    else if (byte >= '0' && byte <= '9')
        c->left = c->left * 16 + (size_t)(byte - '0');
    else if (lower >= 'a' && lower <= 'f')
        c->left = c->left * 16 + (size_t)(lower - 'a' + 10);
    return 1;
}

/* 1 = the answer is complete, 2 = enough of it. */
static int take(struct conn *c, const char *at, size_t n, uint64_t now)
{
    while (n) {
        size_t k = 1;

        switch (c->in) {
        case HEAD:
            k = take_head(c, at, n);
            if (!k)
                return 0;
            if (c->in == WHOLE && !c->left)
                return 1;
            break;
        case WHOLE:
        case CHUNK:
            k = n < c->left ? n : c->left;
            if (take_body(c, at, k, now))
                return 2;
            c->left -= k;
            if (!c->left && c->in == WHOLE)
                return 1;
            if (!c->left)
                c->in = CHUNK_END;
            break;
        case CHUNK_SIZE:
            k = take_size(c, *at);
            break;
        case CHUNK_END:
            if (*at == '\n')
                c->in = CHUNK_SIZE;
            break;
        case LAST_LINE:
            if (*at == '\n')
                return 1;
            break;
        }
        at += k;
        n -= k;
    }
    return 0;
}

static void read_some(struct conn *c)
{
    for (;;) {
        ssize_t n = recv(c->fd, load.bytes, sizeof(load.bytes), 0);
        uint64_t now = now_ns();

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        load.heard = now;
        if (n <= 0) {
            if (c->busy)
                finish(c, "the connection ended");
            drop(c);
            return;
        }
        if (c->busy && take(c, load.bytes, (size_t)n, now)) {
            finish(c, NULL);
            if (c->fd < 0 || !begin(c))
                return;
        }
        if ((size_t)n < sizeof(load.bytes))
            return;
    }
}

static const char chat_body[] =
    "{\"model\":\"%s\",\"messages\":[{\"role\":\"system\",\"content\":\"You are a helpful coding "
    "assistant.\"},{\"role\":\"user\",\"content\":\"Write a short answer about load testing. "
    "%s\"}],"
    "\"max_tokens\":256,\"temperature\":0.7%s%s}";
static const char messages_body[] =
    "{\"model\":\"%s\",\"system\":\"You are a helpful coding assistant.\",\"messages\":[{\"role\":"
    "\"user\",\"content\":\"Write a short answer about load testing. %s\"}],\"max_tokens\":256,"
    "\"temperature\":0.7%s%s}";

static void make_request(int port)
{
    const struct load_plan *p = load.plan;
    char *padding = calloc(1, p->prompt_bytes + 1), *body = NULL;
    int n;

    if (!padding)
        give_up("no memory");
    memset(padding, 'p', p->prompt_bytes);
    n = asprintf(&body, p->messages ? messages_body : chat_body, p->model, padding,
                 p->stream ? ",\"stream\":true" : "",
                 p->stream && !p->messages ? ",\"stream_options\":{\"include_usage\":true}" : "");
    if (n < 0)
        give_up("no memory");
    n = asprintf(&load.request,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
                 "Accept: %s\r\n%s%s%sContent-Length: %d\r\n\r\n%s",
                 p->messages ? "/v1/messages" : "/v1/chat/completions", port,
                 p->stream ? "text/event-stream" : "application/json",
                 p->key ? "Authorization: Bearer " : "", p->key ? p->key : "", p->key ? "\r\n" : "",
                 n, body);
    if (n < 0)
        give_up("no memory");
    load.request_len = (size_t)n;
    free(body);
    free(padding);
}

static struct timespec wait_time(int idle)
{
    uint64_t at = load.plan->rate > 0 && idle ? next_start() : UINT64_MAX, now = now_ns(),
             ns = 500000000;

    if (at != UINT64_MAX)
        ns = at > now ? (at - now < ns ? at - now : ns) : 0;
    return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

static int turn(struct conn *conns)
{
    struct epoll_event events[256];
    struct timespec limit;
    int busy = 0, n;

    for (int i = 0; i < load.plan->connections; i++)
        busy += conns[i].busy || begin(&conns[i]);
    if (!busy && next_start() == UINT64_MAX)
        return 0;
    if (now_ns() - load.heard > SILENCE_NS) {
        load.result->bad += busy;
        snprintf(load.result->error, sizeof(load.result->error), "%d requests without an answer",
                 busy);
        return 0;
    }
    limit = wait_time(busy < load.plan->connections);
    n = epoll_pwait2(load.epoll, events, 256, &limit, NULL);
    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if (c->fd >= 0 && (events[i].events & EPOLLOUT) && c->busy)
            write_some(c);
        if (c->fd >= 0 && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            read_some(c);
    }
    return 1;
}

void load_run_plan(const struct load_plan *plan, int port, struct load_result *ret)
{
    struct conn *conns = calloc((size_t)plan->connections, sizeof(*conns));

    if (!conns)
        give_up("no memory");
    *ret = (struct load_result){0};
    load.plan = plan;
    load.result = ret;
    load.to = (struct sockaddr_in){.sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    load.started = 0;
    make_request(port);
    for (int i = 0; i < plan->connections; i++)
        conns[i].fd = -1;
    load.t0 = load.heard = now_ns();
    load.until = plan->requests ? 0 : load.t0 + (uint64_t)(plan->seconds * 1e9);
    while (turn(conns))
        ;
    ret->seconds = (double)(now_ns() - load.t0) / 1e9;
    for (int i = 0; i < plan->connections; i++)
        drop(&conns[i]);
    close(load.epoll);
    free(load.request);
    free(conns);
}

void load_done(struct load_result *r)
{
    series_done(&r->took_us);
    series_done(&r->delay_us);
}
