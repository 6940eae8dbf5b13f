/* http_chat_test.c - POST /v1/chat/completions: what goes in, what comes out, how it fails. */
#include "http_rig.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The end map of a good answer. */
static struct aiex_slice good_end(uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "provider", "provider_openai:work");
    aiex_w_key_bool(&w, "offline", 1);
    return aiex_written(&w);
}

/* The end map of a bad one; vendor may be NULL, status 0. */
static struct aiex_slice bad_end(uint8_t *mem, size_t size, int status, const char *vendor)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, (status != 0) + (vendor != NULL));
    if (status)
        aiex_w_key_int(&w, "http_status", status);
    if (vendor)
        aiex_w_key_bin(&w, "body", vendor, strlen(vendor));
    return aiex_written(&w);
}

/* ---- What is refused ---- */

static void refuses_wrong_documents(void)
{
    static const struct {
        const char *json, *in_body;
    } t[] = {
        {"", "text ends too early at line 1 column 1 (byte 0)"},
        {"{", "text ends too early"},
        {"{\"model\":\n  nope}", "expected a value at line 2 column 4 (byte 13)"},
        {"[]", "must be a JSON object"},
        {"\"model\"", "must be a JSON object"},
        {"{\"model\":\"m\",\"messages\":[]} x", "something follows the document"},
        {"{\"model\":\"\xff\",\"messages\":[]}", "broken UTF-8"},
        {"{\"model\":\"m\",\"messages\":[\"\xed\xa0\x80\"]}", "broken UTF-8"},
        {"{\"messages\":[]}", "\"param\":\"model\""},
        {"{\"model\":null,\"messages\":[]}", "\"param\":\"model\""},
        {"{\"model\":1,\"messages\":[]}", "the model must be a string"},
        {"{\"model\":\"\",\"messages\":[]}", "1 to 256 bytes"},
        {"{\"model\":\"m\"}", "\"param\":\"messages\""},
        {"{\"model\":\"m\",\"messages\":{}}", "messages must be an array"},
        {"{\"model\":\"m\",\"messages\":\"x\"}", "messages must be an array"},
        {"{\"model\":\"m\",\"messages\":[],\"stream\":1}", "\"param\":\"stream\""},
        {"{\"model\":\"m\",\"messages\":[],\"stream\":\"true\"}", "stream must be true or false"},
        {"{\"model\":\"m\",\"messages\":[],\"model\":\"n\"}", "more than once"},
        {"{\"model\":\"m\",\"messages\":[],\"mod\\u0065l\":\"n\"}", "more than once"},
    };
    char deep[512], *request;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        request = chat_request(t[i].json);
        CU_ASSERT_EQUAL(client_ask(&c, request, t[i].in_body), 400);
        free(request);
    }
    strcpy(deep, "{\"model\":\"m\",\"messages\":");
    memset(deep + strlen(deep), '[', 100);
    deep[124] = 0;
    request = chat_request(deep);
    CU_ASSERT_EQUAL(client_ask(&c, request, "nested too deeply"), 400);
    free(request);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
    client_close(&c);
    rig_stop(&r);
}

static void takes_a_model_of_256_bytes(void)
{
    char json[400] = "{\"messages\":[],\"model\":\"", *request;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    memset(json + strlen(json), 'm', 257);
    strcat(json, "\"}");
    request = chat_request(json);
    CU_ASSERT_EQUAL(client_ask(&c, request, "1 to 256 bytes"), 400);
    free(request);
    strcpy(json + strlen(json) - 3, "\"}");
    CU_ASSERT_PTR_NOT_NULL(chat_call(&c, json));
    client_close(&c);
    rig_stop(&r);
}

/* ---- What goes to the gateway ---- */

static void passes_the_request_on(void)
{
    static const char json[] = " {\"future_key\":{\"x\":[1]},\"model\":\"org\\/m\\u0031\","
                               "\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\xa9\"}]} ";
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;
    int stream = 1;

    rig_start(&r, (struct aiex_fake_pair[]){{"timeout", "90s"}, {"write_high_water", "8k"}, {0}});
    client_open(&r, &c);
    call = chat_call(&c, json);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_STRING_EQUAL(call->service, "gateway");
    CU_ASSERT_STRING_EQUAL(call->name, "gateway.chat");
    CU_ASSERT_EQUAL(call->flags, AIEX_CALL_MANUAL);
    CU_ASSERT_EQUAL(call->timeout_ms, 90000);
    CU_ASSERT_EQUAL(call->window_bytes, 8192);
    CU_ASSERT_TRUE(call->trace != 0);
    CU_ASSERT_TRUE(aiex_is_map(call->body));
    CU_ASSERT_TRUE(field_is(call->body, "dialect", "openai.chat"));
    CU_ASSERT_TRUE(field_is(call->body, "model", "org/m1"));
    CU_ASSERT_TRUE(field_is(call->body, "body", json));
    CU_ASSERT_TRUE(field_is(call->body, "client", "127.0.0.1"));
    CU_ASSERT_EQUAL(aiex_get_bool(call->body, "stream", &stream), 1);
    CU_ASSERT_EQUAL(stream, 0);
    client_close(&c);
    rig_stop(&r);
}

/* Bodies of every size that changes how they are packed or buffered. */
static void passes_bodies_of_all_sizes(void)
{
    static const size_t sizes[] = {100,   255,   256,    15000,   16384,
                                   65535, 65536, 131072, 1 << 20, 3 << 20};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *json = malloc(sizes[i] + 1), *request;
        const struct aiex_fake_record *call;
        struct aiex_slice body = {0};

        memset(json, ' ', sizes[i]);
        json[sizes[i]] = 0;
        memcpy(json, "{\"model\":\"m\",\"messages\":[\"", 26);
        memset(json + 26, 'x', sizes[i] - 29);
        memcpy(json + sizes[i] - 3, "\"]}", 3);
        call = chat_call(&c, json);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_TRUE(aiex_is_map(call->body));
        CU_ASSERT_EQUAL(aiex_get_bytes(call->body, "body", &body), 1);
        CU_ASSERT_TRUE(body.len == sizes[i] && memcmp(body.data, json, body.len) == 0);
        CU_ASSERT_TRUE(field_is(call->body, "model", "m"));
        aiex_fake_answer_part(r.host, call->id, slice_of("{}"));
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        request = strdup("");
        CU_ASSERT_EQUAL(client_ask(&c, request, "{}"), 200);
        free(request);
        free(json);
        aiex_fake_forget(r.host);
    }
    client_close(&c);
    rig_stop(&r);
}

static void takes_chunks_byte_by_byte(void)
{
    static const char request[] = "POST /v1/chat/completions?x=1 HTTP/1.1\r\nhost: localhost\r\n"
                                  "transfer-encoding: chunked\r\n\r\n"
                                  "5\r\n{\"mod\r\n17;ext=1\r\nel\":\"m1\",\"messages\":[]}\r\n"
                                  "0\r\ntrailer: x\r\n\r\n";
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 0);
        client_sendn(&c, request + i, 1);
        rig_settle(&r);
    }
    CU_ASSERT_EQUAL_FATAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 1);
    CU_ASSERT_TRUE(field_is(aiex_fake_last(r.host, AIEX_FAKE_CALL)->body, "body",
                            "{\"model\":\"m1\",\"messages\":[]}"));
    client_close(&c);
    rig_stop(&r);
}

static void gives_leave_to_send_the_body(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    "Content-Length: 28\r\nExpect: 100-continue\r\n\r\n");
    CU_ASSERT_TRUE(client_sees(&c, "HTTP/1.1 100 Continue\r\n\r\n"));
    client_send(&c, "{\"model\":\"m1\",\"messages\":[]}");
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 1);
    client_close(&c);

    client_open(&r, &c); /* no leave for a body that would be refused */
    CU_ASSERT_EQUAL(client_ask(&c,
                               "POST /nope HTTP/1.1\r\nHost: localhost\r\n"
                               "Content-Length: 28\r\nExpect: 100-continue\r\n\r\n",
                               "unknown request url"),
                    404);
    client_close(&c);
    rig_stop(&r);
}

/* ---- Good answers ---- */

static void answers_whole(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[128];
    char id[64];

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < 3; i++) { /* on one connection */
        call = chat_call(&c, CHAT_UNARY);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        snprintf(id, sizeof(id), "x-request-id: %016" PRIx64 "\r\n", call->trace);
        aiex_fake_answer_part(r.host, call->id, slice_of("{\"id\":"));
        aiex_fake_answer_part(r.host, call->id, (struct aiex_slice){0});
        rig_settle(&r);
        CU_ASSERT_EQUAL(client_read(&c, 100), 0); /* nothing before the length is known */
        aiex_fake_answer_part(r.host, call->id, slice_of("\"x\"}"));
        aiex_fake_answer_ok(r.host, call->id, good_end(mem, sizeof(mem)));
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_STRING_EQUAL(p.body, "{\"id\":\"x\"}");
        CU_ASSERT_FALSE(p.chunked);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-length: 10"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: application/json"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-provider: provider_openai:work"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-offline: true"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, id));
        CU_ASSERT_PTR_NOT_NULL(strcasestr(p.head, "\ndate: "));
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

static void answers_in_events(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < 3; i++) {
        call = chat_call(&c, CHAT_STREAM);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_EQUAL(client_read(&c, 100), 0);
        aiex_fake_answer_part(r.host, call->id, slice_of("data: {\"a\":1}\n\n"));
        CU_ASSERT_TRUE(client_sees(&c, "\r\n\r\nf\r\ndata: {\"a\":1}\n\n\r\n"));
        aiex_fake_answer_part(r.host, call->id, slice_of("data: {\"b\":\"\xc3\xa9\"}\n\n"));
        aiex_fake_answer_part(r.host, call->id, slice_of("data: [DONE]\n\n"));
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_TRUE(p.chunked && p.complete);
        CU_ASSERT_STRING_EQUAL(p.body, "data: {\"a\":1}\n\ndata: {\"b\":\"\xc3\xa9\"}\n\n"
                                       "data: [DONE]\n\n");
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: text/event-stream"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "cache-control: no-cache"));
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-request-id: "));
        CU_ASSERT_PTR_NULL(strstr(p.head, "connection: close"));
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

/* A client of HTTP/1.0 gets bytes and the end of the connection. */
static void answers_http10(void)
{
    static const char request[] = "POST /v1/chat/completions HTTP/1.0\r\nConnection: keep-alive\r\n"
                                  "Content-Length: 42\r\n\r\n" CHAT_STREAM;
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    client_send(&c, request);
    rig_settle(&r);
    call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of("data: [DONE]\n\n"));
    aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_FALSE(p.chunked);
    CU_ASSERT_STRING_EQUAL(p.body, "data: [DONE]\n\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "connection: close"));
    response_done(&p);
    CU_ASSERT_TRUE(client_ended(&c));
    client_close(&c);
    rig_stop(&r);
}

/* ---- Errors before the first part ---- */

static void maps_errors(void)
{
    static const struct {
        const char *code;
        uint32_t retry_ms;
        int http_status;
        const char *vendor;
        int status;
        const char *head, *body;
    } t[] = {
        {"invalid", 0, 0, NULL, 400, NULL, "\"type\":\"invalid_request_error\""},
        {"denied", 0, 0, NULL, 403, NULL, "\"code\":\"permission_denied\""},
        {"denied", 0, 401, NULL, 401, "www-authenticate: Bearer", "\"code\":\"invalid_api_key\""},
        {"denied", 0, 402, NULL, 402, NULL, "\"code\":\"insufficient_quota\""},
        {"not_found", 0, 0, NULL, 404, NULL, "\"code\":\"model_not_found\""},
        {"conflict", 0, 0, NULL, 409, NULL, "\"code\":\"conflict\""},
        {"busy", 0, 0, NULL, 429, "retry-after: 1\r\nretry-after-ms: 1000", "rate_limit_error"},
        {"busy", 2500, 0, NULL, 429, "retry-after: 3\r\nretry-after-ms: 2500", "the reason"},
        {"busy", 700, 503, NULL, 503, "retry-after: 1\r\nretry-after-ms: 700", "server_error"},
        {"cancelled", 0, 0, NULL, 499, NULL, "\"code\":\"cancelled\""},
        {"internal", 0, 0, NULL, 500, NULL, "\"message\":\"the reason\",\"type\":\"server_error\""},
        {"upstream", 0, 0, NULL, 502, NULL, "\"param\":null,\"code\":\"upstream_error\""},
        {"crashed", 0, 0, NULL, 502, NULL, "\"code\":\"provider_crashed\""},
        {"unavailable", 0, 0, NULL, 503, "retry-after: 1", "\"code\":\"unavailable\""},
        {"read_only", 0, 0, NULL, 503, NULL, "\"code\":\"read_only\""},
        {"timeout", 0, 0, NULL, 504, NULL, "\"code\":\"timeout\""},
        {"from_the_future", 0, 0, NULL, 500, NULL, "\"code\":\"internal_error\""},
        {"invalid", 0, 422, "{\"error\":{\"message\":\"theirs\"}}", 422, NULL,
         "{\"error\":{\"message\":\"theirs\"}}"},
        {"upstream", 0, 500, "<html>oops</html>", 500, NULL, "\"message\":\"the reason\""},
        {"upstream", 0, 200, NULL, 502, NULL, "the reason"},
        {"upstream", 0, 99999, NULL, 502, NULL, "the reason"},
    };
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call = chat_call(&c, i & 1 ? CHAT_STREAM : CHAT_UNARY);
        struct response p;
        uint8_t mem[256];

        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_error(r.host, call->id, t[i / 2].code, "the reason", t[i / 2].retry_ms,
                               bad_end(mem, sizeof(mem), t[i / 2].http_status, t[i / 2].vendor));
        CU_ASSERT_EQUAL(client_response(&c, &p), t[i / 2].status);
        CU_ASSERT_FALSE(p.chunked);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "content-type: application/json"));
        CU_ASSERT_TRUE(p.body && strstr(p.body, t[i / 2].body) != NULL);
        CU_ASSERT_TRUE(!t[i / 2].head || strstr(p.head, t[i / 2].head) != NULL);
        if (p.status != 429 && p.status != 503)
            CU_ASSERT_PTR_NULL(strstr(p.head, "retry-after"));
        response_done(&p);
    }
    client_close(&c);
    rig_stop(&r);
}

/* A text that is no JSON, or longer than our patience, is told all the same. */
static void quotes_hostile_texts(void)
{
    static char text[5000];
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    memset(text, 0x01, sizeof(text) - 1);
    memcpy(text, "a\"b\\\n\xff", 6);
    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_error(r.host, call->id, "upstream", text, 0, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_response(&c, &p), 502);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "\"message\":\"a\\\"b\\\\\\n\xef\xbf\xbd\\u0001"));
    CU_ASSERT_STRING_EQUAL(p.body + p.n_body - 2, "}}");
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void an_empty_answer_is_an_error(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (int i = 0; i < 2; i++) {
        const struct aiex_fake_record *call = chat_call(&c, i ? CHAT_STREAM : CHAT_UNARY);

        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        CU_ASSERT_EQUAL(client_ask(&c, "", "the provider sent no answer"), 502);
    }
    client_close(&c);
    rig_stop(&r);
}

static void drops_half_an_answer(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of("{\"half\":"));
    aiex_fake_answer_error(r.host, call->id, "crashed", "it died", 0, (struct aiex_slice){0});
    CU_ASSERT_EQUAL(client_ask(&c, "", "{\"error\":{\"message\":\"it died\""), 502);
    client_close(&c);
    rig_stop(&r);
}

static void bounds_a_whole_answer(void)
{
    const struct aiex_fake_record *call;
    char part[600];
    struct client c;
    struct rig r;

    memset(part, 'x', sizeof(part));
    rig_start(&r, (struct aiex_fake_pair[]){{"max_body", "1k"}, {0}});
    client_open(&r, &c);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, (struct aiex_slice){(uint8_t *)part, sizeof(part)});
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 0);
    aiex_fake_answer_part(r.host, call->id, (struct aiex_slice){(uint8_t *)part, sizeof(part)});
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
    CU_ASSERT_EQUAL(client_ask(&c, "", "answer_too_large"), 502);
    CU_ASSERT_PTR_NOT_NULL(chat_call(&c, CHAT_UNARY)); /* and the connection goes on */
    client_close(&c);
    rig_stop(&r);
}

/* ---- Errors after the first part ---- */

static void a_cut_stream_never_looks_complete(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;
    uint8_t mem[128];

    rig_start(&r, NULL);
    client_open(&r, &c);
    call = chat_call(&c, CHAT_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
    aiex_fake_answer_error(r.host, call->id, "upstream", "the stream was cut", 0,
                           bad_end(mem, sizeof(mem), 529, "{\n\"theirs\":1}"));
    CU_ASSERT_TRUE(client_ended(&c));
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_TRUE(p.chunked && !p.complete);
    CU_ASSERT_STRING_EQUAL(
        p.body, "data: {}\n\ndata: {\"error\":{\"message\":\"the stream was cut\",\"type\""
                ":\"server_error\",\"param\":null,\"code\":\"upstream_error\"}}\n\n");
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

/* ---- Calls that do not begin, or end before call() returns ---- */

static int answer_at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    aiex_fake_answer_part(h, call->id, slice_of("{\"at\":\"once\"}"));
    return aiex_fake_answer_ok(h, call->id, (struct aiex_slice){0});
}

static int refuse_call(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    return *(int *)arg;
}

static void survives_answers_inside_the_call(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    aiex_fake_on_call(r.host, answer_at_once, NULL);
    client_open(&r, &c);
    for (int i = 0; i < 3; i++) {
        char *request = chat_request(CHAT_UNARY);

        CU_ASSERT_EQUAL(client_ask(&c, request, "{\"at\":\"once\"}"), 200);
        free(request);
    }
    client_close(&c);
    CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 0);
    rig_stop(&r);
}

static void tells_why_a_call_did_not_begin(void)
{
    static const struct {
        int error, status;
    } t[] = {{-EBUSY, 429}, {-ENOMEM, 503}, {-EMSGSIZE, 413}, {-EINVAL, 500}};
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        char *request = chat_request(i & 1 ? CHAT_STREAM : CHAT_UNARY);
        int error = t[i].error;

        aiex_fake_on_call(r.host, refuse_call, &error);
        CU_ASSERT_EQUAL(client_ask(&c, request, "\"error\""), t[i].status);
        free(request);
    }
    client_close(&c);
    rig_stop(&r);
}

/* Whatever allocation fails, the client gets an answer or the end of the connection, the call that
 * was begun is ended or cancelled, and nothing is left behind (rig_stop looks). */
static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 30; n++) {
        const struct aiex_fake_record *call;
        struct aiex_fake_live live;
        struct client c;
        struct rig r;
        char *request = chat_request(n & 1 ? CHAT_STREAM : CHAT_UNARY);

        rig_start(&r, NULL);
        aiex_fake_fail_alloc(r.host, n);
        client_open(&r, &c);
        client_send(&c, request);
        rig_settle(&r);
        call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
        if (call && call->result == 0) {
            aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
            aiex_fake_answer_ok(r.host, call->id, (struct aiex_slice){0});
        }
        rig_settle(&r);
        aiex_fake_live(r.host, &live);
        CU_ASSERT_EQUAL(live.calls, 0);
        while (client_read(&c, 4096))
            ;
        aiex_fake_advance(r.host, 200); /* listening again after a shortage */
        rig_settle(&r);
        while (client_read(&c, 4096))
            ;
        CU_ASSERT_TRUE(c.ended || c.n > 0 || aiex_fake_count(r.host, AIEX_FAKE_CALL) == 1);
        client_close(&c);
        free(request);
        rig_stop(&r);
    }
}

const struct test_case tests[] = {
    {"refuses_wrong_documents", refuses_wrong_documents},
    {"takes_a_model_of_256_bytes", takes_a_model_of_256_bytes},
    {"passes_the_request_on", passes_the_request_on},
    {"passes_bodies_of_all_sizes", passes_bodies_of_all_sizes},
    {"takes_chunks_byte_by_byte", takes_chunks_byte_by_byte},
    {"gives_leave_to_send_the_body", gives_leave_to_send_the_body},
    {"answers_whole", answers_whole},
    {"answers_in_events", answers_in_events},
    {"answers_http10", answers_http10},
    {"maps_errors", maps_errors},
    {"quotes_hostile_texts", quotes_hostile_texts},
    {"an_empty_answer_is_an_error", an_empty_answer_is_an_error},
    {"drops_half_an_answer", drops_half_an_answer},
    {"bounds_a_whole_answer", bounds_a_whole_answer},
    {"a_cut_stream_never_looks_complete", a_cut_stream_never_looks_complete},
    {"survives_answers_inside_the_call", survives_answers_inside_the_call},
    {"tells_why_a_call_did_not_begin", tells_why_a_call_did_not_begin},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};
