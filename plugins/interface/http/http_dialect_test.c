/*
 * http_dialect_test.c - every model endpoint: what goes to the gateway, and how each dialect is
 * answered when it works, when it fails at once, and when it fails in mid-stream.
 */
#include "http_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static const struct aiex_slice nothing;

/* What is asked, and what must come of it. */
static const struct endpoint {
    const char *path, *body, *streamed; /* streamed NULL: never */
    const char *method, *dialect;
    int streams; /* what `body` asks for */
    const char *type;
    const char *error;     /* in the document of an error */
    const char *mid_error; /* the event of one in mid-stream begins so */
} endpoints[] = {
    {"/v1/chat/completions", "{\"model\":\"m\",\"messages\":[]}",
     "{\"stream\":true,\"model\":\"m\",\"messages\":[]}", "gateway.chat", "openai.chat", 0,
     "text/event-stream", "{\"error\":{\"message\":\"the reason\"",
     "data: {\"error\":{\"message\":\"the reason\""},
    {"/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"store\":false}",
     "{\"stream\":true,\"model\":\"m\",\"input\":[],\"store\":false}", "gateway.chat",
     "openai.responses", 0, "text/event-stream", "{\"error\":{\"message\":\"the reason\"",
     "event: response.failed\ndata: {\"type\":\"response.failed\""},
    {"/v1/messages", "{\"model\":\"m\",\"messages\":[],\"max_tokens\":1}",
     "{\"stream\":true,\"model\":\"m\",\"messages\":[],\"max_tokens\":1}", "gateway.chat",
     "anthropic.messages", 0, "text/event-stream", "{\"type\":\"error\",\"error\":{\"type\":",
     "event: error\ndata: {\"type\":\"error\",\"error\":"},
    {"/v1/completions", "{\"model\":\"m\",\"prompt\":\"x\"}",
     "{\"stream\":true,\"model\":\"m\",\"prompt\":[1,2]}", "gateway.complete", "openai.completions",
     0, "text/event-stream", "{\"error\":{\"message\":\"the reason\"",
     "data: {\"error\":{\"message\":\"the reason\""},
    {"/v1/embeddings", "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}", NULL, "gateway.embed",
     "openai.embeddings", 0, NULL, "{\"error\":{\"message\":\"the reason\"", NULL},
    {"/api/chat", "{\"model\":\"m\",\"messages\":[],\"stream\":false}",
     "{\"model\":\"m\",\"messages\":[]}", "gateway.chat", "ollama.chat", 0, "application/x-ndjson",
     "{\"error\":\"the reason\"}", "{\"error\":\"the reason\"}\n"},
    {"/api/generate", "{\"model\":\"m\",\"prompt\":\"x\",\"stream\":false}",
     "{\"model\":\"m\",\"prompt\":\"x\"}", "gateway.complete", "ollama.generate", 0,
     "application/x-ndjson", "{\"error\":\"the reason\"}", "{\"error\":\"the reason\"}\n"},
    {"/api/embed", "{\"model\":\"m\",\"input\":[\"x\"]}", NULL, "gateway.embed", "ollama.embed", 0,
     NULL, "{\"error\":\"the reason\"}", NULL},
};

#define N_ENDPOINTS (sizeof(endpoints) / sizeof(endpoints[0]))

static const struct aiex_fake_record *ask(struct client *c, const char *path, const char *headers,
                                          const char *body)
{
    const struct aiex_fake_record *call = call_for(c, post_request(path, headers, body));

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    return call;
}

static int bool_of(struct aiex_slice body, const char *key)
{
    int v = -1;

    return aiex_get_bool(body, key, &v) == 1 ? v : -1;
}

/* ---- What goes to the gateway ---- */

static void passes_each_dialect_on(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const struct endpoint *e = &endpoints[i];
        const char *bodies[] = {e->body, e->streamed};

        for (int k = 0; k < 2 && bodies[k]; k++) {
            char path[64];
            const struct aiex_fake_record *call;

            /* a query, and the path without /v1, change nothing */
            snprintf(path, sizeof(path), "%s?beta=true",
                     k && strncmp(e->path, "/v1", 3) == 0 ? e->path + 3 : e->path);
            call = ask(&c, path, "", bodies[k]);
            CU_ASSERT_STRING_EQUAL(call->service, "gateway");
            CU_ASSERT_STRING_EQUAL(call->name, e->method);
            CU_ASSERT_TRUE(field_is(call->body, "dialect", e->dialect));
            CU_ASSERT_TRUE(field_is(call->body, "model", "m"));
            CU_ASSERT_TRUE(field_is(call->body, "body", bodies[k]));
            CU_ASSERT_TRUE(field_is(call->body, "interface", "interface_http"));
            CU_ASSERT_EQUAL(bool_of(call->body, "stream"), k);
            CU_ASSERT_EQUAL(bool_of(call->body, "local"), -1);
            CU_ASSERT_EQUAL(bool_of(call->body, "demand_key"), -1);
            aiex_fake_answer_part(r.host, call->id, slice_of(k ? "data: {}\n\n" : "{}"));
            aiex_fake_answer_ok(r.host, call->id, nothing);
            CU_ASSERT_EQUAL(client_ask(&c, "", "{}"), 200);
        }
    }
    client_close(&c);
    rig_stop(&r);
}

static void takes_the_key_from_every_place(void)
{
    static const struct {
        const char *headers, *key; /* NULL: none */
    } t[] = {
        {"", NULL},
        {"Authorization: Bearer sk-1\r\n", "sk-1"},
        {"authorization: bearer   sk-1\r\n", "sk-1"},
        {"X-Api-Key: sk-2\r\n", "sk-2"},
        {"api-key: sk-3\r\n", "sk-3"},
        {"Authorization: Bearer sk-1\r\nx-api-key: sk-2\r\n", "sk-1"},
        {"Authorization: Basic dXNlcjpzay00\r\n", "sk-4"},
        {"Authorization: Basic OnNrLTQ=\r\n", "sk-4"},
        {"Authorization: Basic dXNlcg==\r\n", NULL},
        {"Authorization: Basic dXNlcjpzay00!\r\n", NULL},
        {"Authorization: Basic\r\n", NULL},
        {"Authorization: Digest x\r\n", NULL},
        {"Authorization: Bearer\r\n", NULL},
        {"Authorization: Bearer \r\nx-api-key: sk-2\r\n", "sk-2"},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        struct aiex_slice key;

        client_open(&r, &c);
        call = ask(&c, "/v1/messages", t[i].headers, "{\"model\":\"m\",\"messages\":[]}");
        CU_ASSERT_EQUAL(aiex_get_str(call->body, "credential", &key), t[i].key != NULL);
        CU_ASSERT_TRUE(!t[i].key || field_is(call->body, "credential", t[i].key));
        client_close(&c);
    }
    rig_stop(&r);
}

/* A key of any length is passed on or cut, never a reason to fall over. */
static void takes_long_keys(void)
{
    static const size_t sizes[] = {500, 4096, 5000, 20000};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *header = calloc(1, sizes[i] + 40);
        const struct aiex_fake_record *call;
        struct aiex_slice key = {0};

        strcpy(header, "Authorization: Bearer ");
        memset(header + strlen(header), 'k', sizes[i]);
        strcat(header, "\r\n");
        client_open(&r, &c);
        call = ask(&c, "/v1/messages", header, "{\"model\":\"m\",\"messages\":[]}");
        CU_ASSERT_EQUAL(aiex_get_str(call->body, "credential", &key), 1);
        CU_ASSERT_EQUAL(key.len, sizes[i] < 4096 ? sizes[i] : 4096);
        client_close(&c);
        free(header);
    }
    rig_stop(&r);
}

/* The session is a name only; http_session_test.c has those that are found. */
static const struct aiex_fake_pair unbound[] = {{"sessions", ""}, {NULL, NULL}};

static void passes_wishes_on(void)
{
    static const struct {
        const char *headers, *body, *session, *cache;
    } t[] = {
        {"", "", NULL, NULL},
        {"x-aiex-session: s1\r\n", "", "s1", NULL},
        {"", ",\"prompt_cache_key\":\"k\\u0031\"", "k1", NULL},
        {"x-aiex-session: s1\r\n", ",\"prompt_cache_key\":\"k1\"", "s1", NULL},
        {"", ",\"prompt_cache_key\":7", NULL, NULL},
        {"cache-control: no-store\r\n", "", NULL, "off"},
        {"cache-control: max-age=0, No-Cache\r\n", "", NULL, "off"},
        {"cache-control: only-if-cached\r\n", "", NULL, "only"},
        {"cache-control: max-age=5\r\n", "", NULL, NULL},
        {"x-aiex-cache: ON\r\ncache-control: no-store\r\n", "", NULL, "on"},
        {"x-aiex-cache: only\r\n", "", NULL, "only"},
        {"x-aiex-cache: what\r\n", "", NULL, NULL},
    };
    struct client c;
    struct rig r;

    rig_start(&r, unbound);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        struct aiex_slice s;
        char body[128];

        snprintf(body, sizeof(body), "{\"model\":\"m\",\"messages\":[]%s}", t[i].body);
        client_open(&r, &c);
        call = ask(&c, "/v1/chat/completions", t[i].headers, body);
        CU_ASSERT_EQUAL(aiex_get_str(call->body, "session", &s), t[i].session != NULL);
        CU_ASSERT_TRUE(!t[i].session || field_is(call->body, "session", t[i].session));
        CU_ASSERT_EQUAL(aiex_get_str(call->body, "cache", &s), t[i].cache != NULL);
        CU_ASSERT_TRUE(!t[i].cache || field_is(call->body, "cache", t[i].cache));
        client_close(&c);
    }
    rig_stop(&r);
}

static void passes_tags_and_betas_on(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice map = {0};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = ask(&c, "/v1/messages",
               "x-aiex-tags: team=red ,  cost = a b,bare, =x,,long=0123456789012345678901234567890"
               "123456789012345678901234567890123456789\r\nanthropic-beta: b1,b2\r\n",
               "{\"model\":\"m\",\"messages\":[],\"metadata\":{\"user_id\":\"u1\"}}");
    CU_ASSERT_TRUE(aiex_is_map(call->body));
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "tags", &map), 1);
    CU_ASSERT_TRUE(field_is(map, "team", "red"));
    CU_ASSERT_TRUE(field_is(map, "cost", "a b"));
    CU_ASSERT_TRUE(field_is(map, "bare", ""));
    CU_ASSERT_FALSE(field_is(map, "", "x"));
    CU_ASSERT_EQUAL(map.data[0], 0x83);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "headers", &map), 1);
    CU_ASSERT_TRUE(field_is(map, "anthropic-beta", "b1,b2"));
    CU_ASSERT_TRUE(field_is(call->body, "session", "u1"));
    client_close(&c);
    rig_stop(&r);
}

/* Everything at its limit at once still fits the message. */
static void takes_all_of_it_at_once(void)
{
    static char headers[12000], body[1200];
    const struct aiex_fake_record *call;
    struct aiex_slice tags = {0};
    struct client c;
    struct rig r;
    size_t n = 0;

    n += (size_t)sprintf(headers + n, "Authorization: Bearer ");
    memset(headers + n, 'k', 4096);
    n += 4096;
    n += (size_t)sprintf(headers + n, "\r\nx-aiex-tags: ");
    for (int i = 0; i < 20; i++)
        n += (size_t)sprintf(headers + n, "%02d%062d=%064d,", i, 0, 0);
    n += (size_t)sprintf(headers + n, "\r\nanthropic-beta: %0512d\r\nx-aiex-session: %0256d\r\n", 0,
                         0);
    sprintf(body, "{\"model\":\"%0256d\",\"messages\":[]}", 0);
    rig_start(&r, unbound);
    client_open(&r, &c);
    call = ask(&c, "/v1/messages", headers, body);
    CU_ASSERT_TRUE(aiex_is_map(call->body));
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "tags", &tags), 1);
    CU_ASSERT_EQUAL(tags.data[0], 0x8e); /* 14 of them */
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "headers", &tags), 1);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "session", &tags), 1);
    client_close(&c);
    rig_stop(&r);
}

/* Whoever comes by a unix socket is the operator, unless he speaks for others. */
static void knows_operators(void)
{
    static const struct {
        const char *headers, *authentication;
        int local, demand;
    } t[] = {{"", "auto", 1, -1},
             {"X-Forwarded-For: 192.0.2.1\r\n", "auto", -1, -1},
             {"Forwarded: for=192.0.2.1\r\n", "auto", -1, -1},
             {"X-Real-IP: 192.0.2.1\r\n", "auto", -1, -1},
             {"Via: 1.1 proxy\r\n", "auto", -1, -1},
             {"", "required", -1, 1}};
    char path[64], option[80];
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(path, sizeof(path), "/tmp/http_dialect_test.%d", (int)getpid());
    snprintf(option, sizeof(option), "unix:%s", path);
    strcpy(a.sun_path, path);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        struct client c = {0};
        struct rig r;

        unlink(path);
        rig_start(&r, (struct aiex_fake_pair[]){
                          {"listen", option}, {"authentication", t[i].authentication}, {0}});
        c.rig = &r;
        c.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CU_ASSERT_EQUAL_FATAL(connect(c.fd, (struct sockaddr *)&a, sizeof(a)), 0);
        call = ask(&c, "/v1/chat/completions", t[i].headers, CHAT_UNARY);
        CU_ASSERT_EQUAL(bool_of(call->body, "local"), t[i].local);
        CU_ASSERT_EQUAL(bool_of(call->body, "demand_key"), t[i].demand);
        client_close(&c);
        rig_stop(&r);
    }
    unlink(path);
}

/* ---- What is refused here ---- */

static void refuses_in_the_dialect(void)
{
    static const struct {
        const char *path, *body, *in_body;
    } t[] = {
        {"/v1/messages", "{", "{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\""},
        {"/v1/messages", "{\"model\":\"m\"}", "you must provide a messages parameter"},
        {"/v1/completions", "{\"model\":\"m\"}", "you must provide a prompt parameter"},
        {"/v1/completions", "{\"model\":\"m\",\"prompt\":7}", "a string or an array"},
        {"/v1/embeddings", "{\"model\":\"m\"}", "you must provide an input parameter"},
        {"/v1/responses", "{\"input\":\"x\"}", "you must provide a model parameter"},
        {"/v1/responses", "{\"model\":\"m\",\"input\":{}}", "a string or an array"},
        {"/v1/responses", "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":7}",
         "previous_response_id must be a string"},
        {"/api/chat", "[]", "{\"error\":\"the request body must be a JSON object\"}"},
        {"/api/chat", "{\"model\":\"m\",\"messages\":{}}",
         "{\"error\":\"messages must be an array"},
        {"/api/generate", "{\"prompt\":\"x\"}", "{\"error\":\"you must provide a model parameter"},
        {"/api/embed", "{\"model\":\"m\",\"model\":\"m\"}", "{\"error\":\"the key occurs"},
        {"/api/embeddings", "{\"model\":7}", "{\"error\":\"the model must be a string"},
        {"/api/show", "{}", "{\"error\":\"you must provide a model parameter"},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *request = post_request(t[i].path, "", t[i].body);

        CU_ASSERT_EQUAL(client_ask(&c, request, t[i].in_body), 400);
        free(request);
    }
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    /* unknown paths, too */
    CU_ASSERT_EQUAL(client_ask(&c, "GET /api/nope " H "\r\n", "{\"error\":\"unknown"), 404);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /v1/nope " H "anthropic-version: 1\r\n\r\n",
                               "{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\""),
                    404);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /v1/nope " H "\r\n", "{\"error\":{\"message\""), 404);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /api/chat " H "\r\n", "only POST"), 405);
    client_close(&c);
    rig_stop(&r);
}

/* An empty request loads a model, says Ollama; that is the provider's business. */
static void lets_ollama_load_models(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    CU_ASSERT_EQUAL(bool_of(ask(&c, "/api/generate", "", "{\"model\":\"m\"}")->body, "stream"), 1);
    client_close(&c);
    rig_stop(&r);
}

/* ---- How it is answered ---- */

static void streams_in_each_dialect(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const struct endpoint *e = &endpoints[i];
        const struct aiex_fake_record *call;
        struct response p;

        if (!e->streamed)
            continue;
        call = ask(&c, e->path, "", e->streamed);
        aiex_fake_answer_part(r.host, call->id, slice_of("data: {\"x\":1}\n\n"));
        CU_ASSERT_TRUE(client_sees(&c, "{\"x\":1}\n\n"));
        aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_TRUE(p.complete);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, e->type));
        CU_ASSERT_EQUAL(strstr(p.head, "\nrequest-id: ") != NULL, strstr(e->path, "messages") != 0);
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

static struct aiex_slice error_end(uint8_t *mem, size_t size, int status, const char *reason)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4);
    aiex_w_key_int(&w, "http_status", status);
    aiex_w_key_str(&w, "reason", reason);
    aiex_w_key_str(&w, "provider", "provider_x");
    aiex_w_key_int(&w, "attempts", 3);
    return aiex_written(&w);
}

static void fails_at_once_in_each_dialect(void)
{
    struct client c;
    struct rig r;
    uint8_t mem[256];

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const struct endpoint *e = &endpoints[i];
        const char *bodies[] = {e->body, e->streamed};

        for (int k = 0; k < 2 && bodies[k]; k++) {
            const struct aiex_fake_record *call = ask(&c, e->path, "", bodies[k]);
            const uint64_t trace = call->trace;
            struct response p;
            char id[40];

            aiex_fake_answer_error(r.host, call->id, "busy", "the reason", 2500,
                                   error_end(mem, sizeof(mem), 429, "rate_limit"));
            CU_ASSERT_EQUAL(client_response(&c, &p), 429);
            CU_ASSERT_TRUE(p.body && strncmp(p.body, e->error, strlen(e->error)) == 0);
            CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "the reason"));
            CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: application/json"));
            CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "retry-after: 3\r\nretry-after-ms: 2500"));
            CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-provider: provider_x"));
            CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-attempts: 3"));
            CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-request-id: "));
            snprintf(id, sizeof(id), "\"request_id\":\"%016" PRIx64 "\"}", trace);
            CU_ASSERT_EQUAL(strstr(p.body, id) != NULL, strstr(e->path, "messages") != NULL);
            response_done(&p);
        }
    }
    client_close(&c);
    rig_stop(&r);
}

static void fails_in_mid_stream_in_each_dialect(void)
{
    struct client c;
    struct rig r;
    uint8_t mem[256];

    rig_start(&r, NULL);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const struct endpoint *e = &endpoints[i];
        const struct aiex_fake_record *call;
        struct response p;

        if (!e->streamed)
            continue;
        client_open(&r, &c);
        call = ask(&c, e->path, "", e->streamed);
        aiex_fake_answer_part(r.host, call->id, slice_of("first\n"));
        aiex_fake_answer_error(r.host, call->id, "upstream", "the reason", 0,
                               error_end(mem, sizeof(mem), 529, "overloaded"));
        CU_ASSERT_TRUE(client_ended(&c));
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_TRUE(p.chunked && !p.complete);
        CU_ASSERT_TRUE(strncmp(p.body, "first\n", 6) == 0);
        CU_ASSERT_TRUE(strncmp(p.body + 6, e->mid_error, strlen(e->mid_error)) == 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "the reason"));
        response_done(&p);
        client_close(&c);
    }
    rig_stop(&r);
}

/* OpenAI's responses are counted and named: the failure goes on where the stream stopped. */
static void continues_the_sequence_of_responses(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = ask(&c, "/v1/responses", "",
               "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,\"store\":false}");
    aiex_fake_answer_part(
        r.host, call->id,
        slice_of("event: response.created\ndata: {\"type\":\"response.created\","
                 "\"sequence_number\":0,\"response\":{\"id\":\"resp_7\",\"model\":\"m9\"}}\n\n"));
    aiex_fake_answer_part(r.host, call->id,
                          slice_of("event: x\ndata: {\"type\":\"x\",\"sequence_number\":41}\n\n"));
    aiex_fake_answer_error(r.host, call->id, "timeout", "too slow", 0, nothing);
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "\"type\":\"response.failed\",\"sequence_number\":42"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "\"id\":\"resp_7\""));
    CU_ASSERT_FALSE(p.complete);
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static struct aiex_slice full_end(uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 10);
    aiex_w_key_str(&w, "model", "m-\r\nx: y");
    aiex_w_key_str(&w, "provider", "provider_openai:work");
    aiex_w_key_int(&w, "input_tokens", 5);
    aiex_w_key_bool(&w, "offline", 0);
    aiex_w_key_int(&w, "attempts", 2);
    aiex_w_key_str(&w, "cached", "exact");
    aiex_w_key_int(&w, "left_requests", 9);
    aiex_w_key_int(&w, "left_tokens", 900);
    aiex_w_key_int(&w, "reset_ms", 1500);
    aiex_w_str(&w, "warnings");
    aiex_w_array(&w, 2);
    aiex_w_str(&w, "80 percent of the day's budget are used");
    aiex_w_str(&w, "second");
    return aiex_written(&w);
}

static void tells_how_it_was_answered(void)
{
    static const char *const want[] = {
        "x-aiex-provider: provider_openai:work\r\n",
        "x-aiex-model: m-\?\?x: y\r\n", /* a line end does not become a header */
        "x-aiex-attempts: 2\r\n",
        "x-aiex-cached: exact\r\n",
        "x-ratelimit-remaining-requests: 9\r\n",
        "x-ratelimit-remaining-tokens: 900\r\n",
        "x-ratelimit-reset-ms: 1500\r\n",
        "x-aiex-warning: 80 percent of the day's budget are used\r\n",
        "x-aiex-warning: second",
    };
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[512];

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = ask(&c, "/api/chat", "", endpoints[5].body);
    aiex_fake_answer_part(r.host, call->id, slice_of("{}"));
    aiex_fake_answer_ok(r.host, call->id, full_end(mem, sizeof(mem)));
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, want[i]));
    CU_ASSERT_PTR_NULL(strstr(p.head, "x-aiex-offline"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void counts_tokens(void)
{
    struct aiex_slice body = {0};
    const struct aiex_fake_record *call;
    struct aiex_writer w;
    struct client c;
    struct rig r;
    uint8_t mem[64];

    rig_start(&r, NULL);
    client_open(&r, &c);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "input_tokens", 421);
    aiex_w_key_bool(&w, "exact", 1);
    body = aiex_written(&w);
    for (int i = 0; i < 3; i++) {
        call = ask(&c, "/v1/messages/count_tokens?beta=true", "x-api-key: k\r\n",
                   "{\"model\":\"m\",\"messages\":[]}");
        CU_ASSERT_STRING_EQUAL(call->name, "gateway.count");
        CU_ASSERT_TRUE(field_is(call->body, "dialect", "anthropic.messages"));
        CU_ASSERT_TRUE(field_is(call->body, "credential", "k"));
        if (i == 2)
            aiex_fake_answer_error(r.host, call->id, "denied", "who?", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id, i ? nothing : body);
        CU_ASSERT_EQUAL(
            client_ask(&c, "", i == 0 ? "{\"input_tokens\":421}" : "\"type\":\"error\""),
            i == 0   ? 200
            : i == 1 ? 502
                     : 403);
    }
    client_close(&c);
    rig_stop(&r);
}

static void serves_the_older_embeddings(void)
{
    static const struct {
        const char *request, *sent, *answer, *in_body;
        int status;
    } t[] = {
        {"{\"model\":\"m\", \"prompt\" : \"hi\",\"x\":1}",
         "{\"model\":\"m\", \"input\" : \"hi\",\"x\":1}",
         "{\"model\":\"m\",\"embeddings\":[[1,2]]}", "{\"embedding\":[1,2]}", 200},
        {"{\"model\":\"m\",\"input\":\"hi\"}", "{\"model\":\"m\",\"input\":\"hi\"}",
         "{\"embeddings\":[[0.5],[1]]}", "{\"embedding\":[0.5]}", 200},
        {"{\"model\":\"m\",\"prompt\":\"hi\"}", "{\"model\":\"m\",\"input\":\"hi\"}",
         "{\"embeddings\":[]}", "{\"error\":\"the answer has no embedding\"}", 502},
        {"{\"model\":\"m\",\"prompt\":\"hi\"}", "{\"model\":\"m\",\"input\":\"hi\"}", "nonsense",
         "{\"error\":\"the answer has no embedding\"}", 502},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call = ask(&c, "/api/embeddings", "", t[i].request);

        CU_ASSERT_STRING_EQUAL(call->name, "gateway.embed");
        CU_ASSERT_TRUE(field_is(call->body, "dialect", "ollama.embed"));
        CU_ASSERT_TRUE(field_is(call->body, "body", t[i].sent));
        aiex_fake_answer_part(r.host, call->id, slice_of(t[i].answer));
        aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].in_body), t[i].status);
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- Together ---- */

/* Requests of every dialect in one go: answered in order, each in its own form. */
static void pipelines_mixed_dialects(void)
{
    char all[8192] = "";
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        char *request = post_request(endpoints[i].path, "", endpoints[i].body);

        strcat(all, request);
        free(request);
    }
    client_send(&c, all);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const struct aiex_fake_record *call;

        rig_settle(&r);
        CU_ASSERT_EQUAL_FATAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), i + 1);
        call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
        CU_ASSERT_TRUE(field_is(call->body, "dialect", endpoints[i].dialect));
        aiex_fake_answer_error(r.host, call->id, "internal", "the reason", 0, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", endpoints[i].error), 500);
    }
    client_close(&c);
    rig_stop(&r);
}

static void cancels_every_dialect(void)
{
    struct client c;
    struct rig r;
    size_t n = 0;

    rig_start(&r, NULL);
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        const char *bodies[] = {endpoints[i].body, endpoints[i].streamed};

        for (int k = 0; k < 2 && bodies[k]; k++) {
            const struct aiex_fake_record *call;

            client_open(&r, &c);
            call = ask(&c, endpoints[i].path, "", bodies[k]);
            if (i & 1)
                aiex_fake_answer_part(r.host, call->id, slice_of("{}\n"));
            client_close(&c);
            CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), ++n);
        }
    }
    rig_stop(&r);
}

static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 24; n++) {
        for (size_t i = 0; i < N_ENDPOINTS; i++) {
            char *request = post_request(endpoints[i].path, "accept-encoding: gzip\r\n",
                                         n & 1 && endpoints[i].streamed ? endpoints[i].streamed
                                                                        : endpoints[i].body);
            const struct aiex_fake_record *call;
            struct aiex_fake_live live;
            struct client c;
            struct rig r;

            rig_start(&r, NULL);
            aiex_fake_fail_alloc(r.host, n);
            client_open(&r, &c);
            client_send(&c, request);
            rig_settle(&r);
            call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
            if (call && call->result == 0) {
                aiex_fake_answer_part(r.host, call->id, slice_of("{}"));
                aiex_fake_answer_ok(r.host, call->id, nothing);
            }
            rig_settle(&r);
            aiex_fake_live(r.host, &live);
            CU_ASSERT_EQUAL(live.calls, 0);
            aiex_fake_advance(r.host, 200);
            rig_settle(&r);
            client_close(&c);
            free(request);
            rig_stop(&r);
        }
    }
}

const struct test_case tests[] = {
    {"passes_each_dialect_on", passes_each_dialect_on},
    {"takes_the_key_from_every_place", takes_the_key_from_every_place},
    {"takes_long_keys", takes_long_keys},
    {"passes_wishes_on", passes_wishes_on},
    {"passes_tags_and_betas_on", passes_tags_and_betas_on},
    {"takes_all_of_it_at_once", takes_all_of_it_at_once},
    {"knows_operators", knows_operators},
    {"refuses_in_the_dialect", refuses_in_the_dialect},
    {"lets_ollama_load_models", lets_ollama_load_models},
    {"streams_in_each_dialect", streams_in_each_dialect},
    {"fails_at_once_in_each_dialect", fails_at_once_in_each_dialect},
    {"fails_in_mid_stream_in_each_dialect", fails_in_mid_stream_in_each_dialect},
    {"continues_the_sequence_of_responses", continues_the_sequence_of_responses},
    {"tells_how_it_was_answered", tells_how_it_was_answered},
    {"counts_tokens", counts_tokens},
    {"serves_the_older_embeddings", serves_the_older_embeddings},
    {"pipelines_mixed_dialects", pipelines_mixed_dialects},
    {"cancels_every_dialect", cancels_every_dialect},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};
