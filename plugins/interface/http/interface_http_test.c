/* interface_http_test.c - routes, refusals, access, pages, and the life of the plugin. */
#include "http_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define H "HTTP/1.1\r\nHost: localhost:7420\r\n"

/* ---- Routes ---- */

static void answers_simple_routes(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET / " H "\r\n", "\"name\":\"aiex\""), 200);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /?beta=true " H "\r\n", "aiex"), 200);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz?x " H "\r\n", "\"status\":\"ok\""), 200);
    CU_ASSERT_EQUAL(client_ask(&c, "GET http://localhost:7420/healthz " H "\r\n", "ok"), 200);

    client_send(&c, "HEAD / " H "\r\n");
    CU_ASSERT_TRUE(client_sees(&c, "\r\n\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.in, "HTTP/1.1 200 OK\r\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(c.in, "content-length: "));
    CU_ASSERT_STRING_EQUAL(strstr(c.in, "\r\n\r\n"), "\r\n\r\n"); /* no body */
    c.n = 0;
    c.in[0] = 0;

    client_send(&c, "OPTIONS /v1/models " H "\r\n");
    CU_ASSERT_EQUAL(client_response(&c, &p), 204);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "allow: GET, HEAD, OPTIONS"));
    CU_ASSERT_PTR_NULL(strstr(p.head, "content-length"));
    response_done(&p);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    client_close(&c);
    rig_stop(&r);
}

static void refuses_unknown_paths_and_methods(void)
{
    static const struct {
        const char *request;
        int status;
        const char *allow;
    } t[] = {
        {"GET /nope " H "\r\n", 404, NULL},
        {"GET /v1/model " H "\r\n", 404, NULL},
        {"GET /healthz/ " H "\r\n", 404, NULL},
        {"GET /HEALTHZ " H "\r\n", 404, NULL},
        {"OPTIONS /nope " H "\r\n", 404, NULL},
        {"POST /healthz " H "Content-Length: 0\r\n\r\n", 405, "allow: GET, HEAD, OPTIONS"},
        {"DELETE /v1/models " H "\r\n", 405, "allow: GET, HEAD, OPTIONS"},
        {"GET /v1/chat/completions " H "\r\n", 405, "allow: POST, OPTIONS"},
        {"HEAD /v1/chat/completions " H "\r\n", 405, "allow: POST, OPTIONS"},
    };
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct response p;
        struct client c;

        client_open(&r, &c);
        client_send(&c, t[i].request);
        if (strncmp(t[i].request, "HEAD", 4) == 0) {
            CU_ASSERT_TRUE(client_sees(&c, "HTTP/1.1 405 "));
        } else {
            CU_ASSERT_EQUAL(client_response(&c, &p), t[i].status);
            CU_ASSERT_PTR_NOT_NULL_FATAL(p.body);
            CU_ASSERT_EQUAL(strncmp(p.body, "{\"error\":{\"message\":\"", 21), 0);
            CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "\"type\":\"invalid_request_error\""));
            CU_ASSERT_PTR_NULL(strstr(p.head, "connection: close"));
            if (t[i].allow)
                CU_ASSERT_PTR_NOT_NULL(strstr(p.head, t[i].allow));
            response_done(&p);
            CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "ok"), 200);
        }
        client_close(&c);
    }
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    rig_stop(&r);
}

/* An error known at the head is told without taking the body, and the connection ends; what the
 * client is still sending must not reset what was answered. */
static void refuses_early_when_a_body_follows(void)
{
    char *body = calloc(1, 400001);
    struct response p;
    struct client c;
    struct rig r;

    memset(body, 'x', 400000);
    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "POST /nope " H "Content-Length: 1000000\r\n\r\n");
    client_send(&c, body);
    CU_ASSERT_EQUAL(client_response(&c, &p), 404);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "connection: close"));
    response_done(&p);
    client_send(&c, body);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_FALSE(c.reset);
    client_close(&c);
    free(body);
    rig_stop(&r);
}

static void ignores_a_small_body_where_none_is_wanted(void)
{
    struct client c;
    struct rig r;
    char *big = calloc(1, 70001);

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "Content-Length: 3\r\n\r\nabc", "ok"), 200);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "\r\n", "ok"), 200);
    client_send(&c, "GET /healthz " H "Content-Length: 70000\r\n\r\n");
    memset(big, 'x', 70000);
    CU_ASSERT_EQUAL(client_ask(&c, big, "takes no body"), 413);
    client_close(&c);
    free(big);
    rig_stop(&r);
}

/* ---- Malformed requests ---- */

static void refuses_malformed_requests(void)
{
    static const struct {
        const char *request;
        int status;
    } t[] = {
        {"GARBAGE\r\n\r\n", 400},
        {"GET\r\n\r\n", 400},
        {"GET /v1/models/m% " H "\r\n", 400},
        {"GET /v1/models/m%zz " H "\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505},
        {"GET / HTTP/1.1\r\n\r\n", 400}, /* no Host */
        {"GET / " H "Host: other\r\n\r\n", 400},
        {"GET / " H "A b: c\r\n\r\n", 400},
        {"GET / " H "A : c\r\n\r\n", 400},
        {"GET / " H " folded: x\r\n\r\n", 400},
        {"GET / " H "A: \x01\r\n\r\n", 400},
        {"POST /v1/chat/completions " H "Content-Length: x\r\n\r\n", 400},
        {"POST /v1/chat/completions " H "Content-Length: -1\r\n\r\n", 400},
        {"POST /v1/chat/completions " H "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"POST /v1/chat/completions " H
         "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         400},
        {"POST /v1/chat/completions " H "Transfer-Encoding: gzip\r\n\r\n", 400},
        {"POST /v1/chat/completions " H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST /v1/chat/completions " H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST /v1/chat/completions " H "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
        {"POST /v1/chat/completions " H "Content-Length: 2000\r\n\r\n", 413},
        {"POST /v1/chat/completions " H "Content-Length: 99999999999999\r\n\r\n", 413},
        {"POST /v1/chat/completions " H "Transfer-Encoding: chunked\r\n\r\nfff\r\n", 413},
    };
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"max_body", "1k"}, {0}});
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct response p;
        struct client c;

        client_open(&r, &c);
        client_send(&c, t[i].request);
        CU_ASSERT_EQUAL(client_response(&c, &p), t[i].status);
        if (p.status != t[i].status)
            fprintf(stderr, "%zu: %d instead of %d for: %s\n", i, p.status, t[i].status,
                    t[i].request);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "connection: close"));
        CU_ASSERT_TRUE(p.body && strstr(p.body, "\"error\"") != NULL);
        response_done(&p);
        CU_ASSERT_TRUE(client_ended(&c));
        client_close(&c);
    }
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    rig_stop(&r);
}

static void refuses_large_heads(void)
{
    char *text = calloc(1, 40000);
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"max_head", "16k"}, {0}});
    client_open(&r, &c);
    strcpy(text, "GET /");
    memset(text + 5, 'a', 9000);
    CU_ASSERT_EQUAL(client_ask(&c, text, NULL), 414);
    client_close(&c);
    client_open(&r, &c);
    strcpy(text, "GET / " H "X: ");
    memset(text + strlen(text), 'a', 20000);
    CU_ASSERT_EQUAL(client_ask(&c, text, NULL), 431);
    client_close(&c);
    free(text);
    rig_stop(&r);
}

/* ---- Access ---- */

static void checks_host_on_loopback(void)
{
    static const struct {
        const char *host;
        int status;
    } t[] = {
        {"localhost", 200},  {"LocalHost:7420", 200}, {"127.0.0.1:1", 200},
        {"[::1]:7420", 200}, {"evil.example", 421},   {"localhost.evil", 421},
        {"127.0.0.2", 421},  {"[::2]", 421},          {"localhost.:80", 421},
    };
    char request[256];
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        snprintf(request, sizeof(request), "GET /healthz HTTP/1.1\r\nHost: %s\r\n\r\n", t[i].host);
        CU_ASSERT_EQUAL(client_ask(&c, request, t[i].status == 200 ? "ok" : "allowed_hosts"),
                        t[i].status);
    }
    CU_ASSERT_EQUAL(client_ask(&c, "GET http://evil.example/ " H "\r\n", NULL) / 100, 4);
    client_close(&c);
    rig_stop(&r);

    rig_start(&r, (struct aiex_fake_pair[]){{"allowed_hosts", "a.example, *"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz HTTP/1.1\r\nHost: any\r\n\r\n", "ok"), 200);
    client_close(&c);
    rig_stop(&r);
}

static void checks_origin(void)
{
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, (struct aiex_fake_pair[]){{"cors_origins", "https://app.example"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "Origin: http://localhost:7420\r\n\r\n", "ok"),
                    200);
    CU_ASSERT_EQUAL(
        client_ask(&c, "GET /healthz " H "Origin: http://localhost:1\r\n\r\n", "cors_origins"),
        403);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz " H "Origin: null\r\n\r\n", NULL), 403);
    client_send(&c, "GET /healthz " H "Origin: https://app.example\r\n\r\n");
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "access-control-allow-origin: https://app.example"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "vary: origin"));
    response_done(&p);
    client_send(&c, "OPTIONS /v1/chat/completions " H "Origin: https://app.example\r\n"
                    "Access-Control-Request-Method: POST\r\n\r\n");
    CU_ASSERT_EQUAL(client_response(&c, &p), 204);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "access-control-allow-methods: POST, OPTIONS"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "access-control-allow-headers: *, authorization"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static int create_with(const struct aiex_fake_pair *options, char *ret_text, size_t size)
{
    struct aiex_fake_host *h = aiex_fake_host_new("interface_http");
    const struct aiex_plugin *p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    struct aiex_error err = {{0}};
    void *self = NULL;
    int error = aiex_fake_start(h, p, options, &self, &err);

    snprintf(ret_text, size, "%s", err.text);
    if (error == 0)
        aiex_fake_stop(h, p, self);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    return error;
}

static void refuses_public_addresses(void)
{
    static const struct {
        const char *listen, *insecure, *authentication;
        int error;
        const char *text;
    } t[] = {
        {"127.0.0.1:0", "no", "auto", 0, NULL},
        {"127.9.9.9:7420", "no", "auto", 0, NULL},
        {"[::ffff:127.0.0.1]:7420", "no", "auto", 0, NULL},
        {"0.0.0.0:7420", "no", "auto", -EPERM,
         "set listen = tls:ADDRESS:PORT with tls_cert and tls_key and authentication = required"},
        {"0.0.0.0:7420", "no", "required", -EPERM,
         "without TLS; set listen = tls:ADDRESS:PORT with tls_cert and tls_key, or"},
        {"tls:0.0.0.0:7420", "no", "auto", -EPERM,
         "without authentication; set authentication = required, or"},
        {"tls:0.0.0.0:7420", "no", "required", -EINVAL, "set tls_cert = file:/path"},
        {"192.0.2.1:7420", "no", "auto", -EPERM, "insecure_public = yes"},
        {"[::]:7420", "no", "auto", -EPERM, "insecure_public = yes"},
        {"127.0.0.1:7420, 0.0.0.0:7421", "no", "auto", -EPERM, "'0.0.0.0:7421'"},
        {"0.0.0.0:7420", "yes", "auto", 0, NULL},
        {"", "no", "auto", -EINVAL, "no usable address"},
        {" , ", "no", "auto", -EINVAL, "no usable address"},
        {"7420", "no", "auto", -EINVAL, "'7420' is not ADDRESS:PORT"},
        {"localhost", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
        {"127.0.0.1:", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
        {"127.0.0.1:http", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
        {"tls:", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
        {"tls:tls:127.0.0.1:1", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
        {"unix:", "no", "auto", -EINVAL, "is not ADDRESS:PORT"},
    };
    char text[512];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_fake_pair options[] = {{"listen", t[i].listen},
                                           {"insecure_public", t[i].insecure},
                                           {"authentication", t[i].authentication},
                                           {0}};
        int error = create_with(options, text, sizeof(text));

        CU_ASSERT_EQUAL(error, t[i].error);
        if (error != t[i].error || (error && !strstr(text, t[i].text)))
            fprintf(stderr, "'%s': %d %s\n", t[i].listen, error, text);
        CU_ASSERT_TRUE(!error || strstr(text, t[i].text) != NULL);
    }
}

static void tells_why_it_can_not_listen(void)
{
    struct aiex_fake_host *h = aiex_fake_host_new("interface_http");
    const struct aiex_plugin *p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    struct aiex_error err = {{0}};
    void *self;

    aiex_fake_listen_fail(h, -EADDRINUSE);
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -EADDRINUSE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "127.0.0.1:7420"));
    aiex_fake_listen_fail(h, 0);
    aiex_fake_extension(h, "aiex.listen/1", NULL);
    CU_ASSERT_EQUAL(aiex_fake_start(h, p, NULL, &self, &err), -ENOSYS);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void listens_on_unix_sockets(void)
{
    char path[64], option[80];
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct client c = {0};
    struct rig r;

    snprintf(path, sizeof(path), "/tmp/interface_http_test.%d", (int)getpid());
    snprintf(option, sizeof(option), "unix:%s", path);
    unlink(path);
    rig_start(&r, (struct aiex_fake_pair[]){{"listen", option}, {0}});
    c.rig = &r;
    c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(a.sun_path, path);
    CU_ASSERT_EQUAL_FATAL(connect(c.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz HTTP/1.1\r\nHost: whatever\r\n\r\n", "ok"), 200);
    client_close(&c);
    rig_stop(&r);
    unlink(path);
}

/* ---- Pages that ask a service ---- */

/* {"models": [...]} with a broken and a nameless entry between the good ones. */
static struct aiex_slice model_list(uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, 4);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", "org/small \"q\"");
    aiex_w_key_int(&w, "created", 1700000000);
    aiex_w_key_str(&w, "owned_by", "org");
    aiex_w_key_str(&w, "provider", "provider_openai:work");
    aiex_w_int(&w, 7);
    aiex_w_map(&w, 0);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "id", "m2");
    aiex_w_key_str(&w, "provider", "provider_ollama");
    CU_ASSERT_FALSE(w.failed);
    return aiex_written(&w);
}

/* Sends a request, then answers the call that it leads to. */
static int ask_and_answer(struct client *c, const char *request, const char *method,
                          const char *code, struct aiex_slice body, struct response *out)
{
    const struct aiex_fake_record *call;

    aiex_fake_forget(c->rig->host);
    client_send(c, request);
    for (int i = 0; i < 100 && !aiex_fake_count(c->rig->host, AIEX_FAKE_CALL); i++)
        aiex_fake_poll(c->rig->host, 20);
    call = aiex_fake_last(c->rig->host, AIEX_FAKE_CALL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_STRING_EQUAL(call->name, method);
    if (code)
        aiex_fake_answer_error(c->rig->host, call->id, code, "the reason", 0, body);
    else
        aiex_fake_answer_ok(c->rig->host, call->id, body);
    return client_response(c, out);
}

static void lists_models(void)
{
    static const char want[] =
        "{\"object\":\"list\",\"data\":[{\"id\":\"org/small \\\"q\\\"\",\"object\":\"model\","
        "\"created\":1700000000,\"owned_by\":\"org\"},{\"id\":\"m2\",\"object\":\"model\","
        "\"created\":0,\"owned_by\":\"provider_ollama\"}]}";
    struct aiex_slice none = {0};
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[512];

    rig_start(&r, (struct aiex_fake_pair[]){{"gateway", "boss"}, {0}});
    client_open(&r, &c);
    CU_ASSERT_EQUAL(ask_and_answer(&c, "GET /v1/models " H "\r\n", "gateway.models", NULL,
                                   model_list(mem, sizeof(mem)), &p),
                    200);
    CU_ASSERT_STRING_EQUAL(p.body, want);
    CU_ASSERT_STRING_EQUAL(aiex_fake_last(r.host, AIEX_FAKE_CALL)->service, "boss");
    response_done(&p);
    CU_ASSERT_EQUAL(
        ask_and_answer(&c, "GET /v1/models " H "\r\n", "gateway.models", NULL, none, &p), 502);
    response_done(&p);
    CU_ASSERT_EQUAL(
        ask_and_answer(&c, "GET /v1/models " H "\r\n", "gateway.models", "unavailable", none, &p),
        503);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "retry-after: 1"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void shows_one_model(void)
{
    static const struct {
        const char *id;
        int status;
        const char *in_body;
    } t[] = {
        {"m2", 200, "{\"id\":\"m2\",\"object\":\"model\""},
        {"org%2Fsmall%20%22q%22", 200, "\"owned_by\":\"org\""},
        {"org/small%20%22q%22", 200, "\"owned_by\":\"org\""},
        {"m", 404, "model_not_found"},
        {"m22", 404, "'m22' does not exist"},
    };
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[512];
    char request[128];

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        snprintf(request, sizeof(request), "GET /v1/models/%s " H "\r\n", t[i].id);
        CU_ASSERT_EQUAL(
            ask_and_answer(&c, request, "gateway.models", NULL, model_list(mem, sizeof(mem)), &p),
            t[i].status);
        CU_ASSERT_TRUE(p.body && strstr(p.body, t[i].in_body) != NULL);
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

static struct aiex_slice provider_list(uint8_t *mem, size_t size, int n, int healthy)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "providers");
    aiex_w_array(&w, (uint32_t)n);
    for (int i = 0; i < n; i++) {
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "name", i ? "p1" : "p0");
        aiex_w_key_bool(&w, "healthy", i < healthy);
        aiex_w_key_str(&w, "reason", i < healthy ? "" : "connection \"refused\"");
    }
    CU_ASSERT_FALSE(w.failed);
    return aiex_written(&w);
}

static void tells_readiness(void)
{
    static const struct {
        int n, healthy;
        const char *code;
        int status;
        const char *body;
    } t[] = {
        {2, 2, NULL, 200, "{\"ready\":true,\"healthy\":2,\"providers\":2,\"reasons\":[]}"},
        {2, 1, NULL, 200, "\"reasons\":[\"p1: connection \\\"refused\\\"\"]}"},
        {2, 0, NULL, 503,
         "{\"ready\":false,\"healthy\":0,\"providers\":2,\"reasons\":[\"p0: connection "
         "\\\"refused\\\"\",\"p1: connection \\\"refused\\\"\"]}"},
        {0, 0, NULL, 503, "no provider is configured"},
        {-1, 0, NULL, 503, "coordinator: its answer can not be read"},
        {-1, 0, "timeout", 503, "\"reasons\":[\"coordinator: the reason\"]"},
    };
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[512];

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct aiex_slice body = {0};

        if (t[i].n >= 0)
            body = provider_list(mem, sizeof(mem), t[i].n, t[i].healthy);
        CU_ASSERT_EQUAL(
            ask_and_answer(&c, "GET /readyz " H "\r\n", "coordinator.status", t[i].code, body, &p),
            t[i].status);
        CU_ASSERT_TRUE(p.body && strstr(p.body, t[i].body) != NULL);
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- The plugin itself ---- */

static void answers_its_status(void)
{
    static const struct {
        const char *key;
        int64_t value;
    } want[] = {{"clients", 1}, {"in_flight", 1}, {"requests", 2}, {"errors", 1}};
    struct aiex_slice none = {0}, body, addresses = {0}, text = {0};
    struct client c;
    uint64_t id;
    struct rig r;
    int healthy = 0;

    rig_start(&r, NULL);
    CU_ASSERT_STRING_EQUAL(aiex_fake_last(r.host, AIEX_FAKE_JOIN)->name, "interface");
    client_open(&r, &c);
    client_ask(&c, "GET / " H "\r\n", "aiex");
    client_ask(&c, "GET /nope " H "\r\n", NULL);
    CU_ASSERT_PTR_NOT_NULL(chat_call(&c, CHAT_UNARY));
    id = aiex_fake_request(r.host, r.plugin, r.self, "interface.status", none, 0);
    CU_ASSERT_EQUAL_FATAL(aiex_fake_answer(r.host, id)->kind, AIEX_FAKE_REPLY);
    body = aiex_fake_answer(r.host, id)->body;
    CU_ASSERT_TRUE(aiex_get_str(body, "protocol", &text) == 1 && aiex_slice_is(text, "http"));
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        int64_t n = -1;

        CU_ASSERT_EQUAL(aiex_get_int(body, want[i].key, &n), 1);
        CU_ASSERT_EQUAL(n, want[i].value);
    }
    CU_ASSERT_EQUAL(aiex_get_whole(body, "addresses", &addresses), 1);
    CU_ASSERT_TRUE(addresses.len == 16 && memcmp(addresses.data + 2, "127.0.0.1:7420", 14) == 0);

    id = aiex_fake_request(r.host, r.plugin, r.self, "interface.health", none, 0);
    body = aiex_fake_answer(r.host, id)->body;
    CU_ASSERT_TRUE(aiex_get_bool(body, "healthy", &healthy) == 1 && healthy == 1);
    id = aiex_fake_request(r.host, r.plugin, r.self, "interface.none", none, 0);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(r.host, id)->code, AIEX_E_NOT_FOUND);
    CU_ASSERT_EQUAL(aiex_fake_cast(r.host, r.plugin, r.self, "interface.status", none), 0);
    client_close(&c);
    rig_stop(&r);
}

static size_t registrations(struct rig *r)
{
    size_t n = 0;

    while (aiex_fake_find(r->host, AIEX_FAKE_CAST, "gateway.register", n))
        n++;
    return n;
}

/* The gateway hears of this interface at the start, and again when somebody came up. */
static void registers_with_the_gateway(void)
{
    static const char *const events[][2] = {
        {"down", "service_gateway"}, {"up", "interface_http"}, {"up", "service_gateway"}};
    const struct aiex_fake_record *told;
    struct aiex_value list = {0};
    struct rig r;

    rig_start(&r, NULL);
    told = aiex_fake_find(r.host, AIEX_FAKE_CAST, "gateway.register", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told);
    CU_ASSERT_STRING_EQUAL(told->service, "gateway");
    CU_ASSERT_TRUE(aiex_is_map(told->body));
    CU_ASSERT_TRUE(field_is(told->body, "name", "interface_http"));
    CU_ASSERT_TRUE(field_is(told->body, "protocol", "http"));
    CU_ASSERT_EQUAL(aiex_get(told->body, "addresses", &list), 1);
    CU_ASSERT_EQUAL(list.count, 1);
    for (int i = 0; i < 3; i++) {
        uint8_t mem[128];
        struct aiex_writer w;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "type", events[i][0]);
        aiex_w_key_str(&w, "subject", events[i][1]);
        aiex_fake_event(r.host, r.plugin, r.self, "host.plugin", aiex_written(&w));
        CU_ASSERT_EQUAL(registrations(&r), i == 2 ? 2 : 1);
    }
    rig_stop(&r);
}

static void logs_requests_when_asked(void)
{
    const struct aiex_fake_record *line;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_ask(&c, "GET /healthz " H "\r\n", "ok");
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_LOG), 0);
    CU_ASSERT_EQUAL(aiex_fake_reload(r.host, r.plugin, r.self,
                                     (struct aiex_fake_pair[]){{"access_log", "yes"}, {0}}, NULL),
                    0);
    client_ask(&c, "GET /healthz?q=secret " H "\r\n", "ok");
    rig_settle(&r);
    line = aiex_fake_last(r.host, AIEX_FAKE_LOG);
    CU_ASSERT_PTR_NOT_NULL_FATAL(line);
    CU_ASSERT_EQUAL(line->level, AIEX_LOG_INFO);
    CU_ASSERT_EQUAL(strncmp(line->text, "127.0.0.1 GET /healthz 200 ", 27), 0);
    CU_ASSERT_TRUE(line->trace != 0);
    client_close(&c);
    rig_stop(&r);
}

/* Whatever allocation fails while starting, nothing is left behind and there is a reason. */
static void starts_without_memory(void)
{
    int started = 0;

    for (size_t n = 1; n < 40 && !started; n++) {
        struct aiex_fake_host *h = aiex_fake_host_new("interface_http");
        const struct aiex_plugin *p = aiex_plugin_entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
        struct aiex_error err = {{0}};
        void *self;
        int error;

        aiex_fake_fail_alloc(h, n);
        error = aiex_fake_start(h, p, NULL, &self, &err);
        CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
        if (error)
            CU_ASSERT_TRUE(err.text[0] != 0);
        started = error == 0;
        if (started)
            aiex_fake_stop(h, p, self);
        CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
    }
    CU_ASSERT_TRUE(started);
}

const struct test_case tests[] = {
    {"answers_simple_routes", answers_simple_routes},
    {"refuses_unknown_paths_and_methods", refuses_unknown_paths_and_methods},
    {"refuses_early_when_a_body_follows", refuses_early_when_a_body_follows},
    {"ignores_a_small_body_where_none_is_wanted", ignores_a_small_body_where_none_is_wanted},
    {"refuses_malformed_requests", refuses_malformed_requests},
    {"refuses_large_heads", refuses_large_heads},
    {"checks_host_on_loopback", checks_host_on_loopback},
    {"checks_origin", checks_origin},
    {"refuses_public_addresses", refuses_public_addresses},
    {"tells_why_it_can_not_listen", tells_why_it_can_not_listen},
    {"listens_on_unix_sockets", listens_on_unix_sockets},
    {"lists_models", lists_models},
    {"shows_one_model", shows_one_model},
    {"tells_readiness", tells_readiness},
    {"answers_its_status", answers_its_status},
    {"registers_with_the_gateway", registers_with_the_gateway},
    {"logs_requests_when_asked", logs_requests_when_asked},
    {"starts_without_memory", starts_without_memory},
    {0},
};
