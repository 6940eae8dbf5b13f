#include "http_rig.h"
#include "http_rig_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 250 /* polls of 20 ms */

/* ---- The server ---- */

void rig_start(struct rig *r, const struct aiex_fake_pair *options)
{
    struct aiex_error err = {{0}};
    int error;

    r->host = aiex_fake_host_new("interface_http");
    r->plugin = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    error = aiex_fake_start(r->host, r->plugin, options, &r->self, &err);
    if (error)
        fprintf(stderr, "start: %s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

void rig_stop(struct rig *r)
{
    aiex_fake_stop(r->host, r->plugin, r->self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(r->host), 0);
}

void rig_settle(struct rig *r)
{
    while (aiex_fake_poll(r->host, 0))
        ;
}

/* ---- Clients ---- */

void client_open(struct rig *r, struct client *c)
{
    client_open_at(r, c, 0);
}

void client_open_at(struct rig *r, struct client *c, size_t listener)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(aiex_fake_listen_port(r->host, listener)),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    *c = (struct client){.rig = r};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_EQUAL_FATAL(connect(c->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    rig_settle(r);
}

void client_close(struct client *c)
{
    rig_tls_free(c);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->in);
    c->in = NULL;
    rig_settle(c->rig);
}

void client_sendn(struct client *c, const void *bytes, size_t n)
{
    const char *p = bytes;

    for (int i = 0; n && i < PATIENCE * 100; i++) {
        ssize_t sent = c->tls ? rig_tls_send(c, p, n)
                              : send(c->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent > 0) {
            p += sent;
            n -= (size_t)sent;
        } else if (errno != EAGAIN) {
            c->reset = 1; /* the server does not take it any more */
            return;
        }
        rig_settle(c->rig);
    }
}

void client_send(struct client *c, const char *text)
{
    client_sendn(c, text, strlen(text));
}

size_t client_read(struct client *c, size_t n)
{
    ssize_t got;

    if (c->n + n + 1 > c->cap) {
        c->cap = (c->n + n + 1) * 2;
        c->in = realloc(c->in, c->cap);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c->in);
    }
    got = c->tls ? rig_tls_receive(c, c->in + c->n, n) : recv(c->fd, c->in + c->n, n, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        c->ended = 1;
    if (got < 0 && errno == ECONNRESET)
        c->reset = 1;
    if (got > 0)
        c->n += (size_t)got;
    c->in[c->n] = 0;
    return got > 0 ? (size_t)got : 0;
}

/* Lets both sides work until `done` or nothing comes any more. */
static int wait_for(struct client *c, int (*done)(struct client *c, const void *arg),
                    const void *arg)
{
    for (int i = 0; i < PATIENCE; i++) {
        while (client_read(c, 65536))
            ;
        if (done(c, arg))
            return 1;
        if (c->ended)
            return 0;
        aiex_fake_poll(c->rig->host, i ? 20 : 0);
    }
    return 0;
}

static int has_text(struct client *c, const void *text)
{
    return c->in && strstr(c->in, text) != NULL;
}

int client_sees(struct client *c, const char *text)
{
    return wait_for(c, has_text, text);
}

static int has_ended(struct client *c, const void *arg)
{
    (void)arg;
    return c->ended;
}

int client_ended(struct client *c)
{
    return wait_for(c, has_ended, NULL);
}

/* ---- Responses ---- */

static void take_chunks(struct response *r, const char **p)
{
    r->body = calloc(1, strlen(*p) + 1);
    for (;;) {
        char *end;
        size_t n = strtoul(*p, &end, 16);

        if (end == *p || strncmp(end, "\r\n", 2) != 0 || strlen(end + 2) < n + 2)
            return;
        memcpy(r->body + r->n_body, end + 2, n);
        r->n_body += n;
        *p = end + 2 + n + 2;
        if (n == 0) {
            r->complete = 1;
            return;
        }
    }
}

/* 1 when one response is complete (or as complete as it gets); then it is in *out. */
static int parse(struct client *c, struct response *out)
{
    const char *end = c->in ? strstr(c->in, "\r\n\r\n") : NULL, *body, *length;
    size_t n_head = end ? (size_t)(end - c->in) : 0;

    if (!end || n_head >= sizeof(out->head))
        return 0;
    memset(out, 0, sizeof(*out));
    memcpy(out->head, c->in, n_head);
    body = end + 4;
    sscanf(out->head, "HTTP/1.1 %d", &out->status);
    length = strstr(out->head, "content-length: ");
    out->chunked = strstr(out->head, "transfer-encoding: chunked") != NULL;
    if (length && (size_t)atol(length + 16) > strlen(body))
        return 0;
    if (out->chunked) {
        take_chunks(out, &body);
        if (!out->complete && !c->ended) {
            response_done(out);
            return 0;
        }
    } else if (length) {
        out->n_body = (size_t)atol(length + 16);
        out->body = strndup(body, out->n_body);
        body += out->n_body;
    } else if (out->status == 204 || c->ended) {
        out->body = strdup(out->status == 204 ? "" : body);
        out->n_body = strlen(out->body);
        body += out->n_body;
    } else {
        return 0;
    }
    c->n -= (size_t)(body - c->in);
    memmove(c->in, body, c->n + 1);
    return 1;
}

static int has_response(struct client *c, const void *out)
{
    return parse(c, (struct response *)(uintptr_t)out);
}

int client_response(struct client *c, struct response *out)
{
    memset(out, 0, sizeof(*out));
    if (!wait_for(c, has_response, out) && !parse(c, out))
        return 0;
    return out->status;
}

void response_done(struct response *r)
{
    free(r->body);
    r->body = NULL;
}

int client_ask(struct client *c, const char *request, const char *in_body)
{
    struct response r;

    client_send(c, request);
    client_response(c, &r);
    if (in_body && !(r.body && strstr(r.body, in_body))) {
        fprintf(stderr, "%d, not '%s' but: %s\n", r.status, in_body, r.body ? r.body : "-");
        CU_FAIL("text missing in the body");
    }
    response_done(&r);
    return r.status;
}

/* ---- Chat ---- */

struct aiex_slice slice_of(const char *text)
{
    return (struct aiex_slice){(const uint8_t *)text, strlen(text)};
}

char *post_request(const char *path, const char *headers, const char *body)
{
    char *text = NULL;

    if (asprintf(&text,
                 "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 "%sContent-Length: %zu\r\n\r\n%s",
                 path, headers, strlen(body), body) < 0)
        abort();
    return text;
}

const struct aiex_fake_record *call_for(struct client *c, char *request)
{
    size_t before = aiex_fake_count(c->rig->host, AIEX_FAKE_CALL);

    client_send(c, request);
    free(request);
    for (int i = 0; i < PATIENCE && aiex_fake_count(c->rig->host, AIEX_FAKE_CALL) == before; i++)
        aiex_fake_poll(c->rig->host, 20);
    return aiex_fake_nth(c->rig->host, AIEX_FAKE_CALL, before);
}

const struct aiex_fake_record *wait_for_call(struct rig *r, const char *method, size_t n)
{
    for (int i = 0; i < PATIENCE && !aiex_fake_find(r->host, AIEX_FAKE_CALL, method, n); i++)
        aiex_fake_poll(r->host, 20);
    return aiex_fake_find(r->host, AIEX_FAKE_CALL, method, n);
}

int field_is(struct aiex_slice body, const char *key, const char *want)
{
    struct aiex_slice s;

    return aiex_get_bytes(body, key, &s) == 1 && aiex_slice_is(s, want);
}

char *chat_request(const char *json)
{
    return post_request("/v1/chat/completions", "", json);
}

const struct aiex_fake_record *chat_call(struct client *c, const char *json)
{
    return call_for(c, chat_request(json));
}
