#include "client.h"

#include "process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SEND_MS    10000
#define READ_BYTES (256u * 1024u)
#define FRAME_MAX  (32u * 1024u * 1024u)

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

struct client {
    int fd;
    int64_t last_id;
    struct bytes in, out;
    size_t at; /* of `in`: behind the frames handed out */
};

static void *grown(void *mem, size_t size)
{
    void *p = realloc(mem, size);

    if (!p)
        abort();
    return p;
}

static void add(struct bytes *b, const void *bytes, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->data = grown(b->data, b->cap);
    }
    memcpy(b->data + b->len, bytes, len);
    b->len += len;
}

struct client *client_open(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct client *c;
    int fd;

    if (strlen(path) >= sizeof(at.sun_path))
        return NULL;
    memcpy(at.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        close(fd);
        return NULL;
    }
    c = calloc(1, sizeof(*c));
    if (!c)
        abort();
    c->fd = fd;
    return c;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    close(c->fd);
    free(c->in.data);
    free(c->out.data);
    free(c);
}

int client_fd(const struct client *c)
{
    return c->fd;
}

void client_raw(struct client *c, const void *bytes, size_t len)
{
    add(&c->out, bytes, len);
}

static void queue_frame(struct client *c, struct aiex_slice s)
{
    uint8_t head[4] = {(uint8_t)s.len, (uint8_t)(s.len >> 8), (uint8_t)(s.len >> 16),
                       (uint8_t)(s.len >> 24)};

    add(&c->out, head, 4);
    add(&c->out, s.data, s.len);
}

int64_t client_call(struct client *c, const char *service, const char *method,
                    struct aiex_slice body, uint32_t timeout_ms)
{
    size_t cap = 256 + strlen(service) + strlen(method) + body.len;
    uint8_t *mem = grown(NULL, cap);
    struct aiex_writer w;

    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 6);
    aiex_w_key_int(&w, "id", ++c->last_id);
    aiex_w_key_str(&w, "op", "call");
    aiex_w_key_str(&w, "service", service);
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_uint(&w, "timeout_ms", timeout_ms);
    aiex_w_str(&w, "body");
    if (body.len)
        aiex_w_raw(&w, body.data, body.len);
    else
        aiex_w_map(&w, 0);
    queue_frame(c, aiex_written(&w));
    free(mem);
    return c->last_id;
}

void client_credit(struct client *c, int64_t id, uint32_t bytes)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "op", "credit");
    aiex_w_key_uint(&w, "bytes", bytes);
    queue_frame(c, aiex_written(&w));
}

void client_cancel(struct client *c, int64_t id)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "id", id);
    aiex_w_key_str(&w, "op", "cancel");
    queue_frame(c, aiex_written(&w));
}

/* Takes what the socket holds now. 0, or -1 at its end. */
static int take_input(struct client *c)
{
    ssize_t n;

    if (c->at == c->in.len) {
        c->at = c->in.len = 0;
    } else if (c->at > c->in.cap / 2) {
        memmove(c->in.data, c->in.data + c->at, c->in.len - c->at);
        c->in.len -= c->at;
        c->at = 0;
    }
    if (c->in.cap - c->in.len < READ_BYTES) {
        c->in.cap = c->in.cap * 2 + READ_BYTES;
        c->in.data = grown(c->in.data, c->in.cap);
    }
    n = recv(c->fd, c->in.data + c->in.len, c->in.cap - c->in.len, MSG_DONTWAIT);
    if (n > 0)
        c->in.len += (size_t)n;
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? 0 : -1;
}

int client_send(struct client *c)
{
    size_t written = 0;
    int r = 0;

    while (r == 0 && written < c->out.len) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN | POLLOUT};
        ssize_t n;

        if (poll(&p, 1, SEND_MS) <= 0)
            r = -1;
        if (r == 0 && (p.revents & (POLLIN | POLLHUP)))
            r = take_input(c);
        if (r < 0 || !(p.revents & POLLOUT))
            continue;
        n = send(c->fd, c->out.data + written, c->out.len - written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            written += (size_t)n;
        else if (errno != EAGAIN && errno != EINTR)
            r = -1;
    }
    c->out.len = 0;
    return r;
}

static int unpack(struct aiex_slice map, struct frame *f)
{
    struct aiex_slice kind;
    int r;

    *f = (struct frame){0};
    if (!aiex_is_map(map) || aiex_get_int(map, "id", &f->id) != 1 ||
        aiex_get_str(map, "kind", &kind) != 1)
        return -1;
    f->is_part = aiex_slice_is(kind, "part");
    if (f->is_part)
        return aiex_get_bytes(map, "body", &f->body) == 1 ? 1 : -1;
    r = aiex_get_text(map, "code", f->code, sizeof(f->code));
    if (!aiex_slice_is(kind, "end") || r < 0)
        return -1;
    if (r == 1 && (aiex_get_text(map, "text", f->text, sizeof(f->text)) != 1 ||
                   aiex_get_int(map, "retry_after_ms", &f->retry_after_ms) < 0))
        return -1;
    return aiex_get_whole(map, "body", &f->body) == 1 ? 1 : -1;
}

int client_next(struct client *c, struct frame *f, int wait_ms)
{
    int64_t until = now_ms() + wait_ms;

    if (client_send(c) < 0)
        return -1;
    for (;;) {
        const uint8_t *p = c->in.data ? c->in.data + c->at : NULL;
        struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
        int64_t left = until - now_ms();

        if (c->in.len - c->at >= 4) {
            size_t n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

            if (n > FRAME_MAX)
                return -1;
            if (c->in.len - c->at - 4 >= n) {
                c->at += 4 + n;
                return unpack((struct aiex_slice){p + 4, n}, f);
            }
        }
        if (poll(&pfd, 1, left > 0 ? (int)left : 0) <= 0)
            return 0;
        if (take_input(c) < 0)
            return -1;
    }
}

struct aiex_slice body_of(int64_t n, const char *text)
{
    static uint8_t mem[4][4096];
    static unsigned turn;
    struct aiex_writer w;

    aiex_writer_init(&w, mem[turn++ % 4], sizeof(mem[0]));
    aiex_w_map(&w, text ? 2 : 1);
    aiex_w_key_int(&w, "n", n);
    if (text)
        aiex_w_key_str(&w, "text", text);
    return aiex_written(&w);
}
