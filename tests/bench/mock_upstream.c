/* mock_upstream.c - see mock_upstream.h. */
#include "mock_upstream.h"

#include "deployment.h"
#include "measure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define IN_MAX  (1u << 20) /* of one request */
#define STREAMS 512        /* that run at once */
#define BURST   16         /* events of one stream before others get their turn */
#define EVENT_HEAD                                                                                 \
    "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"       \
    "\"model\":\"mock\","

struct conn {
    int fd, gone;
    char *in;
    size_t in_len, in_cap;
    char *out;
    size_t out_len, out_at, out_cap;
    int wants_write;
    int streaming;
    int in_bursts; /* one send for all that is due */
    long events, sent;
    uint64_t every_ns, due;
    struct conn *next_gone;
};

static struct {
    int epoll, listener;
    struct mock_stats *stats;
    struct conn *streams[STREAMS];
    size_t n_streams;
    struct conn *gone;
    char unary[4096];
    size_t unary_len;
} mock;

static void want_write(struct conn *c, int on)
{
    struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP | (on ? EPOLLOUT : 0u), .data.ptr = c};

    if (c->wants_write == on)
        return;
    c->wants_write = on;
    epoll_ctl(mock.epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void stream_over(struct conn *c)
{
    for (size_t i = 0; i < mock.n_streams; i++)
        if (mock.streams[i] == c) {
            mock.streams[i] = mock.streams[--mock.n_streams];
            break;
        }
    c->streaming = 0;
    mock.stats->streams_open--;
}

/* Freed at the end of the turn: events of this turn may still name it. */
static void conn_end(struct conn *c)
{
    if (c->gone)
        return;
    c->gone = 1;
    if (c->streaming) {
        stream_over(c);
        mock.stats->streams_cancelled++;
        mock.stats->events_of_cancelled += c->sent;
    }
    close(c->fd);
    c->next_gone = mock.gone;
    mock.gone = c;
}

static void put(struct conn *c, const void *bytes, size_t n)
{
    if (c->out_at == c->out_len)
        c->out_at = c->out_len = 0;
    if (c->out_len + n > c->out_cap) {
        c->out_cap = (c->out_len + n) * 2;
        c->out = realloc(c->out, c->out_cap);
        if (!c->out)
            _exit(1);
    }
    memcpy(c->out + c->out_len, bytes, n);
    c->out_len += n;
}

/* 1 = all is out. */
static int push(struct conn *c)
{
    while (c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            want_write(c, 1);
            return 0;
        }
        if (n < 0) {
            conn_end(c);
            return 0;
        }
        c->out_at += (size_t)n;
    }
    want_write(c, 0);
    return 1;
}

static void put_event(struct conn *c, const char *json, int n)
{
    char chunk[1024];

    put(c, chunk,
        (size_t)snprintf(chunk, sizeof(chunk), "%x\r\ndata: %.*s\n\n\r\n", n + 8, n, json));
}

static void put_last_events(struct conn *c)
{
    static const char stop[] = EVENT_HEAD
        "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}";
    char usage[512];
    int n = snprintf(usage, sizeof(usage),
                     EVENT_HEAD
                     "\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":%ld,"
                     "\"total_tokens\":%ld}}",
                     c->events, c->events + 21);

    put_event(c, stop, sizeof(stop) - 1);
    put_event(c, usage, n);
    put_event(c, "[DONE]", 6);
    put(c, "0\r\n\r\n", 5);
}

/* Writes what is due of a stream: each event is a send of its own, or a whole burst is one. */
static void stream_on(struct conn *c)
{
    for (int burst = 0; c->streaming && burst < BURST; burst++) {
        uint64_t now = now_ns();
        char json[400];
        int n;

        if (c->wants_write || (c->every_ns && c->due > now))
            return;
        if (c->sent == c->events) {
            stream_over(c);
            mock.stats->streams_done++;
            put_last_events(c);
            push(c);
            return;
        }
        n = snprintf(json, sizeof(json),
                     EVENT_HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"T%019llu\"},"
                                "\"finish_reason\":null}]}",
                     (unsigned long long)now);
        put_event(c, json, n);
        c->sent++;
        c->due += c->every_ns;
        if (!c->in_bursts)
            push(c);
    }
    if (!c->gone)
        push(c);
}

static long number_after(const char *model, const char *key, long otherwise)
{
    const char *at = strstr(model, key);

    return at ? atol(at + strlen(key)) : otherwise;
}

static void begin_stream(struct conn *c, const char *model)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

    if (mock.n_streams == STREAMS) {
        conn_end(c);
        return;
    }
    c->events = number_after(model, "-n", 200);
    c->every_ns = (uint64_t)number_after(model, "-i", 0) * 1000;
    c->in_bursts = strstr(model, "-bursts") != NULL;
    c->sent = 0;
    c->due = now_ns();
    c->streaming = 1;
    mock.streams[mock.n_streams++] = c;
    mock.stats->streams_open++;
    put(c, head, sizeof(head) - 1);
    stream_on(c);
}

/* The text behind "key": in the first bytes of a body, up to its quote; good enough for our own
 * load. */
static const char *value_of(const char *body, size_t len, const char *key)
{
    const char *at = memmem(body, len, key, strlen(key));

    if (!at)
        return NULL;
    at += strlen(key);
    while (*at == ' ' || *at == ':' || *at == '"')
        at++;
    return at;
}

static void answer(struct conn *c, const char *head, const char *body, size_t len)
{
    static const char models[] = "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":"
                                 "\"model\",\"created\":1700000000}]}";
    const char *at, *stream;
    char model[128] = "mock", get[512];
    int n;

    if (!strncmp(head, "GET ", 4)) {
        n = snprintf(get, sizeof(get),
                     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     sizeof(models) - 1, models);
        put(c, get, (size_t)n);
        push(c);
        return;
    }
    mock.stats->requests++;
    if ((at = value_of(body, len, "\"model\"")))
        snprintf(model, sizeof(model), "%.*s", (int)strcspn(at, "\""), at);
    stream = value_of(body, len, "\"stream\"");
    if (stream && !strncmp(stream, "true", 4)) {
        begin_stream(c, model);
        return;
    }
    put(c, mock.unary, mock.unary_len);
    push(c);
}

/* Length of the whole request at the start of the input, 0 = not all there. Chunked bodies are not
 * understood: none of our gateways sends them. */
static size_t request_len(const struct conn *c, size_t *ret_head)
{
    const char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4), *at;
    size_t body = 0;

    if (!end)
        return 0;
    *ret_head = (size_t)(end - c->in) + 4;
    for (at = c->in; at < end; at++)
        if (*at == '\n' && !strncasecmp(at + 1, "content-length:", 15))
            body = strtoul(at + 16, NULL, 10);
    return c->in_len >= *ret_head + body ? *ret_head + body : 0;
}

static void take_requests(struct conn *c)
{
    size_t len, head;

    while (!c->gone && !c->streaming && (len = request_len(c, &head))) {
        answer(c, c->in, c->in + head, len - head);
        c->in_len -= len;
        memmove(c->in, c->in + len, c->in_len);
        c->in[c->in_len] = 0;
    }
}

static void read_some(struct conn *c)
{
    ssize_t n;

    do {
        if (c->in_cap - c->in_len < 65536) {
            c->in_cap = c->in_cap ? c->in_cap * 2 : 131072;
            c->in = c->in_cap <= 2 * IN_MAX ? realloc(c->in, c->in_cap) : NULL;
            if (!c->in)
                _exit(1);
        }
        n = recv(c->fd, c->in + c->in_len, c->in_cap - c->in_len - 1, 0);
        if (n > 0) {
            c->in_len += (size_t)n;
            c->in[c->in_len] = 0;
        }
    } while (n > 0 && c->in_cap - c->in_len == 1);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_end(c);
    else
        take_requests(c);
}

static void accept_all(void)
{
    int fd, one = 1;

    while ((fd = accept4(mock.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));

        if (!c)
            _exit(1);
        c->fd = fd;
        mock.stats->connections++;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        epoll_ctl(mock.epoll, EPOLL_CTL_ADD, fd,
                  &(struct epoll_event){.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c});
    }
}

/* Nanoseconds until the next event is due; -1 = nothing waits for time. */
static int64_t next_due(void)
{
    uint64_t now = now_ns(), least = UINT64_MAX;

    for (size_t i = 0; i < mock.n_streams; i++)
        if (!mock.streams[i]->wants_write && mock.streams[i]->due < least)
            least = mock.streams[i]->every_ns ? mock.streams[i]->due : 0;
    return least == UINT64_MAX ? -1 : least > now ? (int64_t)(least - now) : 0;
}

static void turn(void)
{
    int64_t wait = next_due();
    struct timespec limit = {wait / 1000000000, wait % 1000000000};
    struct epoll_event events[256];
    int n = epoll_pwait2(mock.epoll, events, 256, wait < 0 ? NULL : &limit, NULL);

    for (int i = 0; i < n; i++) {
        struct conn *c = events[i].data.ptr;

        if (!c) {
            accept_all();
            continue;
        }
        if (!c->gone && (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
            read_some(c);
        if (!c->gone && (events[i].events & EPOLLOUT) && push(c))
            take_requests(c);
    }
    for (size_t i = mock.n_streams; i-- > 0;)
        if (i < mock.n_streams)
            stream_on(mock.streams[i]);
    while (mock.gone) {
        struct conn *c = mock.gone;

        mock.gone = c->next_gone;
        free(c->in);
        free(c->out);
        free(c);
    }
}

static void make_unary(void)
{
    char text[1024] = "", body[3072];
    size_t n = 0;

    for (int i = 0; n < 950; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "The answer in sentence %d. ", i);
    n = (size_t)snprintf(
        body, sizeof(body),
        "{\"id\":\"chatcmpl-mock\",\"object\":\"chat.completion\",\"created\":1700000000,\"model\":"
        "\"mock\","
        "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\","
        "\"refusal\":null},"
        "\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":21,"
        "\"completion_tokens\":200,"
        "\"total_tokens\":221,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},\"service_"
        "tier\":\"default\","
        "\"system_fingerprint\":\"fp_mock\"}",
        text);
    mock.unary_len = (size_t)snprintf(mock.unary, sizeof(mock.unary),
                                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                      "Content-Length: %zu\r\n\r\n%s",
                                      n, body);
}

void mock_start(struct mock *ret, int cpu)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) < 0)
        give_up("no port for the mock upstream: %s", strerror(errno));
    ret->port = ntohs(at.sin_port);
    ret->stats = mmap(NULL, sizeof(*ret->stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
    if (ret->stats == MAP_FAILED)
        give_up("no shared memory");
    ret->pid = fork();
    if (ret->pid < 0)
        give_up("no process for the mock upstream");
    if (ret->pid > 0) {
        close(fd);
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bind_cpu(cpu);
    mock.listener = fd;
    mock.stats = ret->stats;
    mock.epoll = epoll_create1(0);
    epoll_ctl(mock.epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN});
    make_unary();
    for (;;)
        turn();
}

void mock_stop(struct mock *m)
{
    end_process(m->pid);
    munmap(m->stats, sizeof(*m->stats));
}
