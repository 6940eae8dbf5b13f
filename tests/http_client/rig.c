#include "rig.h"
#include "runner/http/http_module.h"
#include "test.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#define REAL_MS 5000

static int64_t real_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *symbol(const char *name)
{
    static void *module;

    if (!module)
        module = dlopen(AIEX_BUILD_DIR "/lib/aiex/aiex_http.so", RTLD_NOW | RTLD_LOCAL);
    if (!module) {
        fprintf(stderr, "%s\n", dlerror());
        exit(97);
    }
    return dlsym(module, name);
}

static void listen_on_loopback(struct rig *rig)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);

    rig->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(bind(rig->listener, (void *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL_FATAL(listen(rig->listener, 512), 0);
    getsockname(rig->listener, (void *)&a, &n);
    rig->port = ntohs(a.sin_port);
}

void rig_open(struct rig *rig, const char *ca)
{
    struct aiex_http_env env = {.struct_size = sizeof(env), .ca_file = ca, .user_agent = "rig"};

    aiex_http_open_fn open_fn = (aiex_http_open_fn)symbol(AIEX_HTTP_OPEN);
    struct aiex_error err = {""};

    env.flags = ca ? AIEX_HTTP_ENV_TLS : 0;
    memset(rig, 0, sizeof(*rig));
    rig->fake = aiex_fake_host_new("provider_test");
    rig->host = aiex_fake_host_table(rig->fake);
    rig->http = open_fn(rig->host, &env, &err);
    if (!rig->http)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(rig->http);
    listen_on_loopback(rig);
}

void rig_close(struct rig *rig)
{
    ((aiex_http_close_fn)symbol(AIEX_HTTP_CLOSE))(rig->host);
    CU_ASSERT_EQUAL(aiex_fake_host_free(rig->fake), 0);
    close(rig->listener);
}

/* ---- The handler ---- */

static int on_head(void *arg, int status, const struct aiex_http_header *headers, size_t n)
{
    struct seen *s = arg;

    CU_ASSERT_EQUAL(s->n_ends, 0);
    s->n_heads++;
    s->status = status;
    s->headers[0] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t used = strlen(s->headers);

        snprintf(s->headers + used, sizeof(s->headers) - used, "%s=%s;", headers[i].name,
                 headers[i].value);
    }
    if (s->at_head)
        s->at_head(s);
    return s->give_up_at_head;
}

static int on_body(void *arg, struct aiex_slice bytes)
{
    struct seen *s = arg;

    CU_ASSERT_EQUAL(s->n_ends, 0);
    CU_ASSERT_EQUAL(s->n_heads, 1);
    CU_ASSERT_TRUE(bytes.len > 0);
    s->n_bodies++;
    if (s->n_body + bytes.len >= s->cap_body)
        s->body = realloc(s->body, s->cap_body = 2 * (s->n_body + bytes.len) + 1);
    memcpy(s->body + s->n_body, bytes.data, bytes.len);
    s->n_body += bytes.len;
    s->body[s->n_body] = 0;
    if (s->pause_at_body)
        CU_ASSERT_EQUAL(s->rig->http->pause(s->rig->host, s->id, 1), 0);
    if (s->cancel_at_body)
        CU_ASSERT_EQUAL(s->rig->http->cancel(s->rig->host, s->id), 0);
    return s->give_up_at_body;
}

static void on_end(void *arg, uint32_t result, int sent, const char *text)
{
    struct seen *s = arg;

    s->n_ends++;
    s->result = result;
    s->sent = sent;
    snprintf(s->text, sizeof(s->text), "%s", text);
    CU_ASSERT_EQUAL(s->rig->http->cancel(s->rig->host, s->id), -ENOENT);
    if (s->at_end)
        s->at_end(s);
}

static const struct aiex_http_handler handler = {sizeof(handler), 0, on_head, on_body, on_end};

void seen_init(struct seen *s, struct rig *rig)
{
    memset(s, 0, sizeof(*s));
    s->rig = rig;
    s->body = calloc(1, 1);
}

void seen_done(struct seen *s)
{
    free(s->body);
}

struct aiex_http_request rig_request(struct rig *rig, const char *body, char url[64])
{
    struct aiex_http_request q = {.struct_size = sizeof(q), .method = "POST", .url = url};

    snprintf(url, 64, "http://127.0.0.1:%u/x", rig->port);
    q.body.data = (const uint8_t *)body;
    q.body.len = strlen(body);
    return q;
}

int rig_try(struct seen *s, const struct aiex_http_request *q)
{
    struct aiex_error err = {""};
    int before = s->n_ends;
    int r = s->rig->http->request(s->rig->host, q, &handler, s, &s->id, &err);

    CU_ASSERT_EQUAL(s->n_ends, before);
    CU_ASSERT_EQUAL(r != 0, *err.text != 0);
    return r;
}

void rig_send(struct seen *s, const struct aiex_http_request *q)
{
    CU_ASSERT_EQUAL(rig_try(s, q), 0);
}

void rig_post(struct seen *s, const char *body)
{
    char url[64];
    struct aiex_http_request q = rig_request(s->rig, body, url);

    rig_send(s, &q);
}

/* ---- The loop ---- */

void rig_turn(struct rig *rig, int ms)
{
    aiex_fake_advance(rig->fake, 0);
    aiex_fake_run_posts(rig->fake);
    aiex_fake_poll(rig->fake, ms);
}

int wait_for(struct rig *rig, int (*is)(void *arg), void *arg)
{
    int64_t until = real_ms() + REAL_MS;

    while (!is(arg)) {
        if (real_ms() > until)
            return 0;
        rig_turn(rig, 2);
    }
    return 1;
}

static int ended(void *arg)
{
    return ((struct seen *)arg)->n_ends > 0;
}

int wait_end(struct seen *s)
{
    return wait_for(s->rig, ended, s) && s->n_ends == 1;
}

struct body_wanted {
    struct seen *s;
    size_t n;
};

static int has_body(void *arg)
{
    struct body_wanted *w = arg;

    return w->s->n_body >= w->n;
}

int wait_body(struct seen *s, size_t n)
{
    struct body_wanted w = {s, n};

    return wait_for(s->rig, has_body, &w);
}

/* ---- The peer ---- */

struct accepting {
    int listener, fd;
};

static int accepted(void *arg)
{
    struct accepting *a = arg;

    a->fd = accept4(a->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return a->fd >= 0;
}

int peer_accept(struct rig *rig)
{
    struct accepting a = {rig->listener, -1};

    CU_ASSERT_TRUE_FATAL(wait_for(rig, accepted, &a));
    return a.fd;
}

int peer_is_lonely(struct rig *rig)
{
    struct accepting a = {rig->listener, -1};

    for (int i = 0; i < 5; i++)
        rig_turn(rig, 0);
    return !accepted(&a);
}

struct expecting {
    int fd, closed;
    const char *text;
    char *seen;
    size_t n, cap;
};

static int has_come(void *arg)
{
    struct expecting *e = arg;
    ssize_t k;

    if (e->cap - e->n < 65536)
        e->seen = realloc(e->seen, e->cap = e->cap * 2 + 131072);
    k = recv(e->fd, e->seen + e->n, 65536, 0);
    e->closed |= k == 0 || (k < 0 && errno == ECONNRESET);
    e->n += k > 0 ? (size_t)k : 0;
    return e->closed || (e->text && memmem(e->seen, e->n, e->text, strlen(e->text)));
}

int peer_expect(struct rig *rig, int fd, const char *text)
{
    struct expecting e = {.fd = fd, .text = text};
    int r = wait_for(rig, has_come, &e) && !e.closed;

    if (!r)
        fprintf(stderr, "expected '%s', got %zu bytes '%.*s'\n", text, e.n, (int)e.n, e.seen);
    free(e.seen);
    return r;
}

int peer_sees_close(struct rig *rig, int fd)
{
    struct expecting e = {.fd = fd};
    int r = wait_for(rig, has_come, &e) && e.closed;

    free(e.seen);
    return r;
}

void peer_write(int fd, const void *bytes, size_t n)
{
    ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);

    CU_ASSERT_EQUAL(k, (ssize_t)n);
}

void peer_say(int fd, const char *text)
{
    peer_write(fd, text, strlen(text));
}

void peer_reset(int fd)
{
    struct linger l = {1, 0};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(fd);
}
