/* control.c - see control.h. */
#include "control.h"

#include "measure.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEPT_MAX 64

struct control {
    int fd;
    int64_t last;
    struct {
        int64_t id; /* 0 = free */
        struct ending end;
    } kept[KEPT_MAX];
};

struct control *control_open(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct control *c = calloc(1, sizeof(*c));

    if (!c || strlen(path) >= sizeof(at.sun_path))
        give_up("control socket '%s' can not be named", path);
    memcpy(at.sun_path, path, strlen(path) + 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
        control_close(c);
        return NULL;
    }
    return c;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    if (c->fd >= 0)
        close(c->fd);
    for (int i = 0; i < KEPT_MAX; i++)
        ending_done(&c->kept[i].end);
    free(c);
}

static void move(struct control *c, void *bytes, size_t n, int out)
{
    uint8_t *at = bytes;

    while (n) {
        ssize_t k = out ? send(c->fd, at, n, MSG_NOSIGNAL) : recv(c->fd, at, n, 0);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            give_up("the host closed the control socket");
        at += k;
        n -= (size_t)k;
    }
}

int64_t control_send(struct control *c, const char *service, const char *method,
                     struct aiex_slice body, unsigned timeout_ms)
{
    static const uint8_t empty[] = {0x80};
    uint8_t mem[4096];
    struct aiex_writer w;

    aiex_writer_init(&w, mem + 4, sizeof(mem) - 4);
    aiex_w_map(&w, 6);
    aiex_w_key_int(&w, "id", ++c->last);
    aiex_w_key_str(&w, "op", "call");
    aiex_w_key_str(&w, "service", service);
    aiex_w_key_str(&w, "method", method);
    aiex_w_str(&w, "body");
    aiex_w_raw(&w, body.len ? body.data : empty, body.len ? body.len : 1);
    aiex_w_key_int(&w, "timeout_ms", timeout_ms);
    if (w.failed)
        give_up("a request of %zu bytes is too long", w.len);
    for (int i = 0; i < 4; i++)
        mem[i] = (uint8_t)(w.len >> (8 * i));
    move(c, mem, 4 + w.len, 1);
    return c->last;
}

/* Reads one frame; 1 and the call's number when it is an end. */
static int take_end(struct control *c, int64_t *ret_id, struct ending *ret)
{
    uint8_t head[4], *frame;
    struct aiex_slice all, kind, body;
    size_t len;
    int is_end;

    move(c, head, 4, 0);
    len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
    frame = malloc(len + 1);
    if (!frame)
        give_up("no memory for a frame of %zu bytes", len);
    move(c, frame, len, 0);
    all = (struct aiex_slice){frame, len};
    if (aiex_get_int(all, "id", ret_id) <= 0 || aiex_get_str(all, "kind", &kind) <= 0)
        give_up("the host sent a frame without id or kind");
    is_end = aiex_slice_is(kind, "end");
    *ret = (struct ending){0};
    if (is_end) {
        aiex_get_text(all, "code", ret->code, sizeof(ret->code));
        aiex_get_text(all, "text", ret->text, sizeof(ret->text));
        if (aiex_get_whole(all, "body", &body) > 0 && (ret->body = malloc(body.len + 1))) {
            memcpy(ret->body, body.data, body.len);
            ret->len = body.len;
        }
    }
    free(frame);
    return is_end;
}

static void keep(struct control *c, int64_t id, const struct ending *end)
{
    for (int i = 0; i < KEPT_MAX; i++)
        if (!c->kept[i].id) {
            c->kept[i].id = id;
            c->kept[i].end = *end;
            return;
        }
    give_up("more than %d answers that nobody took", KEPT_MAX);
}

void control_wait(struct control *c, int64_t id, struct ending *ret)
{
    int64_t got;

    for (int i = 0; i < KEPT_MAX; i++)
        if (c->kept[i].id == id) {
            *ret = c->kept[i].end;
            c->kept[i].id = 0;
            c->kept[i].end = (struct ending){0};
            return;
        }
    for (;;) {
        if (!take_end(c, &got, ret))
            continue;
        if (got == id)
            return;
        keep(c, got, ret);
    }
}

void ending_done(struct ending *e)
{
    free(e->body);
    *e = (struct ending){0};
}

int64_t ending_int(const struct ending *e, const char *key)
{
    int64_t v = 0;

    aiex_get_int((struct aiex_slice){e->body, e->len}, key, &v);
    return v;
}

int64_t control_ask(struct control *c, const char *service, const char *method,
                    struct aiex_slice body, const char *key)
{
    struct ending end;
    int64_t v;

    control_wait(c, control_send(c, service, method, body, 120000), &end);
    if (end.code[0])
        give_up("%s of %s failed: %s, %s", method, service, end.code, end.text);
    v = key ? ending_int(&end, key) : 0;
    ending_done(&end);
    return v;
}
