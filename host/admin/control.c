/*
 * control.c - the control socket: frames to calls and answers to frames. A client's
 * calls are cancelled when it goes away; what it does not read is bounded by the call
 * windows, because only what was written to it is credited.
 */
#include "admin/control_private.h"

#include "base/err.h"

#include <aiex/aiex_pack.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OUTPUT_MAX (64u * 1024u * 1024u)

static struct endpoint *endpoint_of(struct client *c)
{
    return inside_endpoint(node_inside(c->control->admin->node));
}

static void call_free(struct client_call *k)
{
    operator_free(k->operator_act);
    list_remove(&k->link);
    k->client->n_calls--;
    free(k);
}

static void client_free(struct client *c)
{
    while (!list_empty(&c->calls)) {
        struct client_call *k = list_of(c->calls.next, struct client_call, link);

        if (k->call)
            endpoint_cancel(endpoint_of(c), k->call);
        call_free(k);
    }
    loop_watch_free(c->watch);
    close(c->fd);
    buf_done(&c->in);
    buf_done(&c->out);
    list_remove(&c->link);
    c->control->n_clients--;
    free(c);
}

/* Writes what it can. Returns 0 when the client is gone (and freed). */
static int push(struct client *c)
{
    while (c->written < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->written, c->out.len - c->written, MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n < 0) {
            client_free(c);
            return 0;
        }
        c->written += (size_t)n;
    }
    if (c->written == c->out.len) {
        c->out.len = c->written = 0;
        if (c->closing) {
            client_free(c);
            return 0;
        }
    }
    loop_watch_set(c->watch, LOOP_READ | (c->out.len ? LOOP_WRITE : 0));
    return 1;
}

/* Puts a frame behind the output; it goes out when the socket is writable. */
static void queue_frame(struct client *c, const struct pack *p)
{
    struct aiex_slice s = pack_slice(p);
    uint8_t head[4] = {(uint8_t)s.len, (uint8_t)(s.len >> 8), (uint8_t)(s.len >> 16), (uint8_t)(s.len >> 24)};

    if (!s.len || buf_add(&c->out, head, 4) < 0 || buf_add(&c->out, s.data, s.len) < 0)
        c->closing = 1; /* an answer that can not be told must not look complete */
    loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
}

static void send_end(struct client *c, int64_t id, const struct aiex_answer *a)
{
    struct pack p;

    pack_init(&p, CONTROL_FRAME_MAX + 4096);
    pack_map(&p, a->code ? 6 : 3);
    pack_key_int(&p, "id", id);
    pack_key_str(&p, "kind", "end");
    pack_str(&p, "body");
    if (a->body.len)
        pack_whole(&p, a->body);
    else
        pack_map(&p, 0);
    if (a->code) {
        pack_key_str(&p, "code", a->code);
        pack_key_str(&p, "text", a->text);
        pack_key_int(&p, "retry_after_ms", a->retry_after_ms);
    }
    queue_frame(c, &p);
    pack_done(&p);
}

static void refuse(struct client *c, int64_t id, const char *code, const char *text)
{
    struct aiex_answer a = {.code = code, .text = text};

    send_end(c, id, &a);
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct client_call *k = arg;
    struct client *c = k->client;
    struct pack p;

    if (a->kind == AIEX_ANSWER_END) {
        operator_ended(k->operator_act, a);
        send_end(c, k->id, a);
        call_free(k);
        return;
    }
    pack_init(&p, CONTROL_FRAME_MAX + 4096);
    pack_map(&p, 3);
    pack_key_int(&p, "id", k->id);
    pack_key_str(&p, "kind", "part");
    pack_str(&p, "body");
    pack_bin(&p, a->body.data, a->body.len);
    queue_frame(c, &p);
    pack_done(&p);
}

static struct client_call *call_find(struct client *c, int64_t id)
{
    list_each(it, &c->calls) {
        struct client_call *k = list_of(it, struct client_call, link);

        if (k->id == id)
            return k;
    }
    return NULL;
}

/* A call that is begun at once, or when the audit log has said that it may. */
void control_begin(struct client_call *k, const struct aiex_request *req)
{
    struct client *c = k->client;
    int64_t id = k->id;
    int r = endpoint_call(endpoint_of(c), (unsigned)c->control->admin->control_index, req, on_answer, k, &k->call);

    if (r == 0)
        return;
    call_free(k);
    if (r == -EINVAL || r == -EMSGSIZE)
        refuse(c, id, AIEX_E_INVALID, "a name of the call is empty or too long, or its body is larger than 32 MiB");
    else
        refuse(c, id, AIEX_E_BUSY, "too many calls are open in the host");
}

void control_refuse(struct client_call *k, const char *code, const char *text)
{
    struct client *c = k->client;
    int64_t id = k->id;

    call_free(k);
    refuse(c, id, code, text);
}

static void start_call(struct client *c, int64_t id, struct aiex_slice frame)
{
    struct aiex_request req = {.struct_size = sizeof(req), .flags = AIEX_CALL_MANUAL, .window_bytes = CONTROL_WINDOW};
    char service[AIEX_MAX_NAME + 1] = "", method[AIEX_MAX_NAME + 1] = "";
    struct client_call *k;
    int64_t timeout = 0;

    if (aiex_get_text(frame, "service", service, sizeof(service)) != 1 ||
        aiex_get_text(frame, "method", method, sizeof(method)) != 1) {
        refuse(c, id, AIEX_E_INVALID, "a call needs 'service' and 'method'");
        return;
    }
    if (call_find(c, id) || c->n_calls == CONTROL_CALLS_MAX) {
        refuse(c, id, AIEX_E_INVALID, "this id is in use, or too many calls are open");
        return;
    }
    aiex_get_whole(frame, "body", &req.body);
    aiex_get_int(frame, "timeout_ms", &timeout);
    req.timeout_ms = timeout > 0 && timeout <= INT32_MAX ? (uint32_t)timeout : 0;
    /* this socket may do what plugins may not */
    req.service = strcmp(service, "host") ? service : "host.control";
    req.method = method;
    k = calloc(1, sizeof(*k));
    if (!k)
        return;
    k->client = c;
    k->id = id;
    list_append(&c->calls, &k->link);
    c->n_calls++;
    if (!operator_asks(k, &req))
        control_begin(k, &req);
}

/* One whole frame. Returns 0 when it is not understood. */
static int on_frame(struct client *c, struct aiex_slice frame)
{
    struct client_call *k;
    struct aiex_slice op;
    int64_t id, bytes = 0;

    if (!frame.len || !aiex_is_map(frame) || aiex_get_int(frame, "id", &id) != 1 ||
        aiex_get_str(frame, "op", &op) != 1)
        return 0;
    k = call_find(c, id);
    if (aiex_slice_is(op, "call"))
        start_call(c, id, frame);
    else if (aiex_slice_is(op, "credit") && k && k->call && aiex_get_int(frame, "bytes", &bytes) == 1 && bytes > 0)
        endpoint_credit(endpoint_of(c), k->call, bytes > INT32_MAX ? INT32_MAX : (uint32_t)bytes);
    else if (aiex_slice_is(op, "cancel") && k) {
        if (k->call)
            endpoint_cancel(endpoint_of(c), k->call);
        call_free(k);
    } else if (!aiex_slice_is(op, "credit") && !aiex_slice_is(op, "cancel"))
        return 0;
    return 1;
}

static void take_frames(struct client *c)
{
    size_t at = 0, had = c->in.len;

    while (!c->closing && c->in.len - at >= 4) {
        const uint8_t *p = c->in.data + at;
        size_t n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;

        if (n > CONTROL_FRAME_MAX || (n <= c->in.len - at - 4 && !on_frame(c, (struct aiex_slice){p + 4, n}))) {
            refuse(c, 0, AIEX_E_INVALID, "the frame is not a call, credit or cancel of this protocol");
            c->closing = 1;
        }
        if (n > c->in.len - at - 4)
            break;
        at += 4 + n;
    }
    buf_eat(&c->in, at);
    if (had > c->in.len) /* a frame may have held a secret */
        explicit_bzero(c->in.data + c->in.len, had - c->in.len);
}

static void on_client(void *arg, unsigned events)
{
    struct client *c = arg;
    uint8_t *room;
    ssize_t n;

    if (events & LOOP_READ) {
        room = buf_room(&c->in, 64 * 1024);
        n = room ? recv(c->fd, room, 64 * 1024, 0) : -1;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            client_free(c);
            return;
        }
        if (n > 0) {
            c->in.len += (size_t)n;
            take_frames(c);
        }
    }
    push(c);
}

static int same_user(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static struct client *client_new(struct control *control, int fd)
{
    struct client *c = control->n_clients < CONTROL_CLIENTS_MAX ? calloc(1, sizeof(*c)) : NULL;

    if (!c) {
        close(fd);
        return NULL;
    }
    c->control = control;
    c->fd = fd;
    buf_init(&c->in, CONTROL_FRAME_MAX + 128 * 1024);
    buf_init(&c->out, OUTPUT_MAX);
    list_init(&c->calls);
    list_append(&control->clients, &c->link);
    control->n_clients++;
    c->watch = loop_watch_new(node_loop(control->admin->node), fd, LOOP_READ, on_client, c);
    return c;
}

static void on_accept(void *arg, unsigned events)
{
    struct control *control = arg;
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0 && same_user(fd))
        client_new(control, fd);
    else if (fd >= 0)
        close(fd);
}

void control_save(struct control *control, struct pack *out)
{
    pack_array(out, control->n_clients);
    list_each(it, &control->clients) {
        struct client *c = list_of(it, struct client, link);

        pack_map(out, 5);
        pack_key_int(out, "fd", c->fd);
        pack_key_bool(out, "closing", c->closing);
        pack_str(out, "in");
        pack_bin(out, c->in.data, c->in.len);
        pack_str(out, "out");
        pack_bin(out, c->out.data + c->written, c->out.len - c->written);
        pack_str(out, "calls");
        pack_array(out, c->n_calls);
        list_each(jt, &c->calls) {
            struct client_call *k = list_of(jt, struct client_call, link);

            pack_array(out, 3);
            pack_int(out, k->id);
            pack_int(out, (int64_t)k->call);
            operator_save(k->operator_act, out);
        }
        fcntl(c->fd, F_SETFD, 0);
    }
}

static void load_call(struct client *c, doc_value v)
{
    struct client_call *k = calloc(1, sizeof(*k));

    if (!k)
        return;
    k->client = c;
    k->id = doc_int(doc_at(v, 0), 0);
    k->call = (uint64_t)doc_int(doc_at(v, 1), 0);
    list_append(&c->calls, &k->link);
    c->n_calls++;
    if (operator_load(k, doc_at(v, 2)) == 0)
        endpoint_rebind(endpoint_of(c), k->call, on_answer, k);
    else
        control_refuse(k, AIEX_E_UNAVAILABLE, "the host was upgraded before this was begun; ask again");
}

static void load_client(struct control *control, doc_value v)
{
    int fd = (int)doc_int(doc_get(v, "fd"), -1);
    struct aiex_slice in = doc_bytes(doc_get(v, "in")), out = doc_bytes(doc_get(v, "out"));
    doc_value calls = doc_get(v, "calls");
    struct client *c;

    fcntl(fd, F_SETFD, FD_CLOEXEC);
    c = client_new(control, fd);
    if (!c)
        return;
    buf_add(&c->in, in.data, in.len);
    buf_add(&c->out, out.data, out.len);
    c->closing = doc_bool(doc_get(v, "closing"), 0);
    for (size_t i = 0; i < doc_len(calls); i++)
        load_call(c, doc_at(calls, i));
    if (c->out.len)
        loop_watch_set(c->watch, LOOP_READ | LOOP_WRITE);
}

void control_load(struct control *control, const void *list)
{
    for (size_t i = 0; i < doc_len(list); i++)
        load_client(control, doc_at(list, i));
}

struct control *control_new(struct admin *admin, const char *path, struct aiex_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct control *control;
    mode_t mask;
    int fd, r;

    if (strlen(path) >= sizeof(at.sun_path)) {
        (void)fail(err, -EINVAL, "control socket '%s': the path is longer than %zu bytes; choose a shorter --data",
                   path, sizeof(at.sun_path) - 1);
        return NULL;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    control = calloc(1, sizeof(*control));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!control || fd < 0)
        goto failed;
    unlink(path); /* the data folder is locked: what is there is dead */
    mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&at, sizeof(at));
    umask(mask);
    if (r < 0 || listen(fd, 64) < 0)
        goto failed;
    control->admin = admin;
    control->fd = fd;
    snprintf(control->path, sizeof(control->path), "%s", path);
    list_init(&control->clients);
    control->watch = loop_watch_new(node_loop(admin->node), fd, LOOP_READ, on_accept, control);
    return control;
failed:
    (void)fail(err, -errno, "control socket '%s': %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    free(control);
    return NULL;
}

/* Ends of calls that the last cell's end decided are still told, as far as the sockets take them. */
static void tell_last(struct control *control)
{
    while (inside_turn(node_inside(control->admin->node)))
        ;
    list_each_safe(it, next, &control->clients)
        push(list_of(it, struct client, link));
}

void control_free(struct control *control)
{
    if (!control)
        return;
    tell_last(control);
    while (!list_empty(&control->clients))
        client_free(list_of(control->clients.next, struct client, link));
    loop_watch_free(control->watch);
    close(control->fd);
    unlink(control->path);
    free(control);
}
