/*
 * http_responses_test.c - the memory of OpenAI's responses: what is fetched before a request, what
 * is put away after it, and what a client can ask about it.
 */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define H "HTTP/1.1\r\nHost: localhost\r\n"

static const struct aiex_slice nothing;
static const struct aiex_fake_pair no_wait[] = {{"responses_wait", "0s"}, {NULL, NULL}};

static struct aiex_slice principal_end(void)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "key", "k1");
    aiex_w_key_str(&w, "user", "ada");
    return aiex_written(&w);
}

static struct aiex_slice bin_end(const char *key, const char *bytes)
{
    static uint8_t mem[1024];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_bin(&w, key, bytes, strlen(bytes));
    CU_ASSERT_FALSE_FATAL(w.failed);
    return aiex_written(&w);
}

/* Is the principal of the gateway passed on as it is? */
static int names_principal(struct aiex_slice body)
{
    struct aiex_slice p;

    return aiex_get_whole(body, "principal", &p) == 1 && field_is(p, "key", "k1") &&
           field_is(p, "user", "ada");
}

/* The call of that method, with that body field; answers it with `end`. */
static const struct aiex_fake_record *answer_next(struct client *c, const char *method, size_t n,
                                                  struct aiex_slice end)
{
    const struct aiex_fake_record *call = wait_for_call(c->rig, method, n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_ok(c->rig->host, call->id, end);
    return call;
}

/* ---- Storing ---- */

static void stores_a_whole_response(void)
{
    static const char response[] = "{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[]}";
    const struct aiex_fake_record *call, *put;
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    call = call_for(&c, post_request("/v1/responses", "authorization: Bearer sk\r\n",
                                     "{\"model\":\"m\",\"input\":\"h\\\"i\"}"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_STRING_EQUAL(call->name, "gateway.check");
    CU_ASSERT_TRUE(field_is(call->body, "permission", "chat"));
    CU_ASSERT_TRUE(field_is(call->body, "credential", "sk"));
    aiex_fake_answer_ok(r.host, call->id, principal_end());
    call = wait_for_call(&r, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(field_is(call->body, "body", "{\"model\":\"m\",\"input\":\"h\\\"i\"}"));
    aiex_fake_answer_part(r.host, call->id, slice_of(response));
    CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    put = aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(put); /* before the client sees the answer */
    CU_ASSERT_STRING_EQUAL(put->service, "responses");
    CU_ASSERT_TRUE(aiex_is_map(put->body));
    CU_ASSERT_TRUE(field_is(put->body, "id", "resp_1"));
    CU_ASSERT_TRUE(field_is(put->body, "previous", ""));
    CU_ASSERT_TRUE(field_is(put->body, "response", response));
    CU_ASSERT_TRUE(field_is(put->body, "input",
                            "[{\"type\":\"message\",\"role\":\"user\",\"content\":\"h\\\"i\"}]"));
    CU_ASSERT_TRUE(names_principal(put->body));
    CU_ASSERT_EQUAL(client_ask(&c, "", response), 200);
    aiex_fake_answer_ok(r.host, put->id, nothing);
    client_close(&c);
    rig_stop(&r);
}

/* A stream's last event is put away as it passes, and only that. */
static void stores_a_streamed_response(void)
{
    static const struct {
        const char *part;
        int stored;
    } t[] = {
        {"event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
         "\"response\":{\"id\":\"resp_2\"}}\n\n",
         0},
        {"data: {\"type\":\"response.output_text.delta\",\"delta\":\"response.completed\"}\n\n", 0},
        {"data: {\"type\":\"response.completed\",\"response\":7}\n\n", 0},
        {"data: {\"type\":\"x\"}\n\nevent: response.completed\ndata: "
         "{\"type\":\"response.completed\","
         "\"response\":{\"id\":\"resp_2\",\"x\":[1]}}\n\n",
         1},
    };
    const struct aiex_fake_record *call, *put;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    call_for(&c, post_request("/v1/responses", "",
                              "{\"model\":\"m\",\"input\":[ {\"a\":1} ],\"stream\":true}"));
    answer_next(&c, "gateway.check", 0, principal_end());
    call = wait_for_call(&r, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        aiex_fake_answer_part(r.host, call->id, slice_of(t[i].part));
        CU_ASSERT_EQUAL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0) != NULL,
                        t[i].stored);
    }
    aiex_fake_answer_ok(r.host, call->id, nothing);
    put = aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(put);
    CU_ASSERT_TRUE(field_is(put->body, "response", "{\"id\":\"resp_2\",\"x\":[1]}"));
    CU_ASSERT_TRUE(field_is(put->body, "input", "[{\"a\":1}]"));
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_TRUE(p.complete);
    response_done(&p);
    aiex_fake_answer_ok(r.host, put->id, nothing);
    client_close(&c);
    rig_stop(&r);
}

static void stores_nothing_that_failed(void)
{
    static const char *const parts[] = {"{\"id\":\"resp_1\",\"status\":\"failed\"}",
                                        "{\"status\":\"completed\"}", "nonsense"};
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < 4; i++) {
        const struct aiex_fake_record *call;

        call_for(&c, post_request("/v1/responses", "", "{\"model\":\"m\",\"input\":\"x\"}"));
        answer_next(&c, "gateway.check", i, principal_end());
        call = wait_for_call(&r, "gateway.chat", i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_part(r.host, call->id, slice_of(parts[i % 3]));
        if (i == 3)
            aiex_fake_answer_error(r.host, call->id, "upstream", "cut", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", NULL), i == 3 ? 502 : 200);
    }
    CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0));
    client_close(&c);
    rig_stop(&r);
}

/* Nobody keeps responses here: after the first one that is known, and asked again later. */
static void does_without_the_service(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (int i = 0; i < 3; i++) {
        const struct aiex_fake_record *call;

        if (i == 2)
            aiex_fake_set_now(r.host, 60000000);
        aiex_fake_forget(r.host);
        call = call_for(&c, post_request("/v1/responses", "", "{\"model\":\"m\",\"input\":\"x\"}"));
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_STRING_EQUAL(call->name, i == 1 ? "gateway.chat" : "gateway.check");
        if (i != 1) {
            aiex_fake_answer_ok(r.host, call->id, principal_end());
            call = wait_for_call(&r, "gateway.chat", 0);
            CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        }
        aiex_fake_answer_part(r.host, call->id, slice_of("{\"id\":\"resp_1\"}"));
        aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", "resp_1"), 200);
        call = aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0);
        CU_ASSERT_EQUAL(call != NULL, i != 1);
        if (i == 0)
            aiex_fake_answer_error(r.host, call->id, "unavailable", "nobody", 0, nothing);
    }
    client_close(&c);
    rig_stop(&r); /* with a question to the service under way */
}

/* A service that answered once is told without asking. */
static void casts_to_a_known_service(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < 3; i++) {
        const struct aiex_fake_record *call, *put;

        call_for(&c, post_request("/v1/responses", "", "{\"model\":\"m\",\"input\":\"x\"}"));
        answer_next(&c, "gateway.check", i, principal_end());
        call = wait_for_call(&r, "gateway.chat", i);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_part(r.host, call->id, slice_of("{\"id\":\"resp_1\"}"));
        aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", "resp_1"), 200);
        put = aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", i);
        CU_ASSERT_EQUAL(put != NULL, i == 0);
        if (put)
            aiex_fake_answer_ok(r.host, put->id, nothing);
        CU_ASSERT_EQUAL(aiex_fake_find(r.host, AIEX_FAKE_CAST, "responses.put", i - 1) != NULL,
                        i > 0);
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- Its end comes when it is stored ---- */

#define DELTA "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n"
#define COMPLETED                                                                                  \
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":"      \
    "\"resp_2\"}}\n\n"

/* A stored response whose model has said all; the put. */
static const struct aiex_fake_record *all_said(struct client *c, int stream, int ended)
{
    struct aiex_fake_host *h = c->rig->host;
    const struct aiex_fake_record *call;

    call_for(c, post_request("/v1/responses", "",
                             stream ? "{\"model\":\"m\",\"input\":\"x\",\"stream\":true}"
                                    : "{\"model\":\"m\",\"input\":\"x\"}"));
    answer_next(c, "gateway.check", 0, principal_end());
    call = wait_for_call(c->rig, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    if (stream)
        aiex_fake_answer_part(h, call->id, slice_of(DELTA));
    aiex_fake_answer_part(h, call->id, slice_of(stream ? COMPLETED : "{\"id\":\"resp_2\"}"));
    if (ended == 1)
        aiex_fake_answer_ok(h, call->id, nothing);
    else if (ended == 2)
        aiex_fake_answer_error(h, call->id, "upstream", "late", 0, nothing);
    call = aiex_fake_find(h, AIEX_FAKE_CALL, "responses.put", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    return call;
}

static void the_end_waits_until_it_is_stored(void)
{
    /* stored, refused, away, too late */
    static const char *const codes[] = {NULL, "timeout", "unavailable", "-"};

    for (int i = 0; i < 8; i++) {
        const struct aiex_fake_record *put;
        const char *code = codes[i / 2];
        struct response p;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        client_open(&r, &c);
        put = all_said(&c, i & 1, 1);
        rig_settle(&r);
        client_read(&c, 65536);
        CU_ASSERT_PTR_NULL(c.n ? strstr(c.in, "resp_2") : NULL);
        if (!code)
            aiex_fake_answer_ok(r.host, put->id, nothing);
        else if (*code != '-')
            aiex_fake_answer_error(r.host, put->id, code, "x", 0, nothing);
        else
            aiex_fake_advance(r.host, 1000);
        CU_ASSERT_EQUAL(client_response(&c, &p), 200);
        CU_ASSERT_EQUAL(p.complete, i & 1); /* a stream has an end */
        CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "resp_2"));
        response_done(&p);
        client_close(&c);
        rig_stop(&r);
    }
}

static void what_comes_meanwhile_is_not_lost(void)
{
    const struct aiex_fake_record *put, *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    put = all_said(&c, 1, 0);
    call = aiex_fake_find(r.host, AIEX_FAKE_CALL, "gateway.chat", 0);
    aiex_fake_answer_part(r.host, call->id, slice_of("data: [DONE]\n\n"));
    aiex_fake_answer_ok(r.host, put->id, nothing); /* before the end */
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "resp_2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "[DONE]"));
    CU_ASSERT_TRUE(p.complete);
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
    rig_start(&r, NULL); /* a late error, and what was held comes before it */
    client_open(&r, &c);
    all_said(&c, 1, 2);
    client_response(&c, &p);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "resp_2"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "response.failed"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

/* The client leaves, or the plugin ends; what was sent is stored all the same. */
static void nobody_waits_any_more(void)
{
    for (int i = 0; i < 4; i++) {
        const struct aiex_fake_record *put;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        client_open(&r, &c);
        put = all_said(&c, i & 1, 1);
        if (i < 2) {
            client_close(&c);
            rig_settle(&r);
            CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CANCEL, "responses.put", 0));
            aiex_fake_answer_ok(r.host, put->id, nothing);
        }
        rig_stop(&r);
        if (i >= 2) { /* after the plugin, which has nothing left to say */
            close(c.fd);
            free(c.in);
        }
    }
}

/* ---- Building on an earlier one ---- */

static void puts_history_before_the_input(void)
{
    static const struct {
        const char *request, *items, *sent, *input; /* input NULL: not stored */
    } t[] = {
        {"{\"model\":\"m\",\"previous_response_id\":\"resp_1\",\"input\":\"x\"}", "[{\"h\":1}]",
         "{\"model\":\"m\",\"input\":[{\"h\":1},{\"type\":\"message\",\"role\":\"user\","
         "\"content\":\"x\"}]}",
         "[{\"type\":\"message\",\"role\":\"user\",\"content\":\"x\"}]"},
        {"{\"input\":[{\"n\":1}],\"model\":\"m\",\"previous_response_id\":\"resp_1\"}",
         " [ {\"h\":1},{\"h\":2} ] ", "{\"input\":[{\"h\":1},{\"h\":2},{\"n\":1}],\"model\":\"m\"}",
         "[{\"n\":1}]"},
        {"{\"previous_response_id\" : \"resp_1\" , \"input\":[],\"model\":\"m\",\"store\":false}",
         "[]", "{ \"input\":[],\"model\":\"m\",\"store\":false}", NULL},
    };
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call, *put;

        aiex_fake_forget(r.host);
        call_for(&c, post_request("/v1/responses", "", t[i].request));
        answer_next(&c, "gateway.check", 0, principal_end());
        call = answer_next(&c, "responses.history", 0, bin_end("items", t[i].items));
        CU_ASSERT_TRUE(field_is(call->body, "id", "resp_1"));
        CU_ASSERT_TRUE(names_principal(call->body));
        call = wait_for_call(&r, "gateway.chat", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_TRUE(field_is(call->body, "body", t[i].sent));
        CU_ASSERT_TRUE(aiex_is_map(call->body));
        aiex_fake_answer_part(r.host, call->id, slice_of("{\"id\":\"resp_2\"}"));
        aiex_fake_answer_ok(r.host, call->id, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", "resp_2"), 200);
        put = aiex_fake_find(r.host, AIEX_FAKE_CALL, "responses.put", 0);
        if (!put)
            put = aiex_fake_find(r.host, AIEX_FAKE_CAST, "responses.put", 0);
        CU_ASSERT_EQUAL(put != NULL, t[i].input != NULL);
        if (put) {
            CU_ASSERT_TRUE(field_is(put->body, "previous", "resp_1"));
            CU_ASSERT_TRUE(field_is(put->body, "input", t[i].input));
            aiex_fake_answer_ok(r.host, put->id, nothing);
        }
    }
    client_close(&c);
    rig_stop(&r);
}

static void tells_what_is_wrong_with_history(void)
{
    static const struct {
        const char *code, *items, *in_body;
        int status;
    } t[] = {
        {"not_found", NULL, "\"code\":\"previous_response_not_found\"", 400},
        {"unavailable", NULL, "Previous response with id 'resp_1' not found.", 400},
        {"timeout", NULL, "\"code\":\"timeout\"", 504},
        {NULL, "{}", "can not be read", 502},
        {NULL, "[1", "can not be read", 502},
        {NULL, NULL, "conversation is missing", 502},
    };
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;

        aiex_fake_forget(r.host);
        call_for(&c, post_request("/v1/responses", "",
                                  "{\"model\":\"m\",\"input\":\"x\","
                                  "\"previous_response_id\":\"resp_1\"}"));
        answer_next(&c, "gateway.check", 0, principal_end());
        call = wait_for_call(&r, "responses.history", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (t[i].code)
            aiex_fake_answer_error(r.host, call->id, t[i].code, "the reason", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id,
                                t[i].items ? bin_end("items", t[i].items) : nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].in_body), t[i].status);
        CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "gateway.chat", 0));
    }
    client_close(&c);
    rig_stop(&r);
}

/* ---- Asking about it ---- */

static void shows_what_was_stored(void)
{
    static const struct {
        const char *request, *method, *key, *bytes;
        const char *in_body;
        int status;
    } t[] = {
        {"GET /v1/responses/resp_1 " H "\r\n", "responses.get", "response", "{\"id\":\"resp_1\"}",
         "{\"id\":\"resp_1\"}", 200},
        {"GET /responses/resp%5F1?stream=false " H "\r\n", "responses.get", "response",
         "{\"id\":\"resp_1\"}", "{\"id\":\"resp_1\"}", 200},
        {"DELETE /v1/responses/resp_1 " H "\r\n", "responses.delete", NULL, NULL,
         "{\"id\":\"resp_1\",\"object\":\"response\",\"deleted\":true}", 200},
        {"GET /v1/responses/resp_1/input_items " H "\r\n", "responses.items", "items",
         " [{\"id\":\"a\"},{\"x\":1},{\"id\":\"b\"}]",
         "{\"object\":\"list\",\"data\":[{\"id\":\"a\"},{\"x\":1},{\"id\":\"b\"}],\"first_id\":"
         "\"a\","
         "\"last_id\":\"b\",\"has_more\":false}",
         200},
        {"GET /v1/responses/resp_1/input_items " H "\r\n", "responses.items", "items", "[]",
         "\"data\":[],\"first_id\":null,\"last_id\":null", 200},
        {"GET /v1/responses/resp_1/input_items " H "\r\n", "responses.items", "items", "{}",
         "can not be read", 502},
        {"POST /v1/responses/resp_1/cancel " H "\r\n", "responses.get", "response", "{}",
         "Cannot cancel a synchronous response.", 400},
    };
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < 2 * sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;

        aiex_fake_forget(r.host);
        client_send(&c, t[i / 2].request);
        answer_next(&c, "gateway.check", 0, principal_end());
        call = wait_for_call(&r, t[i / 2].method, 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_TRUE(field_is(call->body, "id", "resp_1"));
        CU_ASSERT_TRUE(names_principal(call->body));
        if (i & 1)
            aiex_fake_answer_error(r.host, call->id, "not_found", "no", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id,
                                t[i / 2].key ? bin_end(t[i / 2].key, t[i / 2].bytes) : nothing);
        CU_ASSERT_EQUAL(
            client_ask(&c, "", i & 1 ? "Response with id 'resp_1' not found." : t[i / 2].in_body),
            i & 1 ? 404 : t[i / 2].status);
    }
    client_close(&c);
    rig_stop(&r);
}

static void asks_who_is_there_first(void)
{
    static const char *const requests[] = {
        "GET /v1/responses/resp_1 " H "\r\n", "DELETE /v1/responses/resp_1 " H "\r\n",
        "GET /v1/responses/resp_1/input_items " H "\r\n",
        "POST /v1/responses/resp_1/cancel " H "content-length: 0\r\n\r\n",
        "POST /v1/responses " H "content-length: 25\r\n\r\n{\"model\":\"m\",\"input\":\"x\"}"};
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    client_open(&r, &c);
    for (size_t i = 0; i < 2 * sizeof(requests) / sizeof(requests[0]); i++) {
        const struct aiex_fake_record *call;

        aiex_fake_forget(r.host);
        client_send(&c, requests[i / 2]);
        call = wait_for_call(&r, "gateway.check", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (i & 1)
            aiex_fake_answer_ok(r.host, call->id, nothing); /* no principal */
        else
            aiex_fake_answer_error(r.host, call->id, "denied", "which key?", 0, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", i & 1 ? "no principal" : "which key?"),
                        i & 1 ? 502 : 403);
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CALL), 1);
    }
    client_close(&c);
    rig_stop(&r);
}

/* Whatever step is under way, a client that leaves ends it. */
static void cancels_in_each_step(void)
{
    struct client c;
    struct rig r;

    rig_start(&r, no_wait);
    for (int step = 0; step < 4; step++) {
        const struct aiex_fake_record *call;

        aiex_fake_forget(r.host);
        client_open(&r, &c);
        call = call_for(&c, post_request("/v1/responses", "",
                                         "{\"model\":\"m\",\"input\":\"x\",\"stream\":true,"
                                         "\"previous_response_id\":\"resp_1\"}"));
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        if (step > 0)
            answer_next(&c, "gateway.check", 0, principal_end());
        if (step > 1)
            answer_next(&c, "responses.history", 0, bin_end("items", "[]"));
        if (step > 2)
            aiex_fake_answer_part(r.host, wait_for_call(&r, "gateway.chat", 0)->id,
                                  slice_of("data: {}\n\n"));
        client_close(&c);
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
    }
    rig_stop(&r);
}

static void survives_every_lack_of_memory(void)
{
    for (size_t n = 1; n < 40; n++) {
        struct aiex_fake_live live;
        struct client c;
        struct rig r;

        rig_start(&r, no_wait);
        aiex_fake_fail_alloc(r.host, n);
        client_open(&r, &c);
        client_send(&c, "POST /v1/responses " H "content-length: 58\r\n\r\n"
                        "{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"resp_11\"}");
        rig_settle(&r);
        for (int i = 0; i < 6; i++) {
            const struct aiex_fake_record *call = aiex_fake_last(r.host, AIEX_FAKE_CALL);

            if (!call || call->result != 0)
                break;
            if (strcmp(call->name, "gateway.chat") == 0)
                aiex_fake_answer_part(r.host, call->id, slice_of("{\"id\":\"r\"}"));
            aiex_fake_answer_ok(r.host, call->id,
                                strcmp(call->name, "gateway.check") == 0
                                    ? principal_end()
                                    : bin_end("items", "[{\"h\":1}]"));
            rig_settle(&r);
        }
        aiex_fake_live(r.host, &live);
        CU_ASSERT_EQUAL(live.calls, 0);
        aiex_fake_advance(r.host, 200);
        rig_settle(&r);
        client_close(&c);
        rig_stop(&r);
    }
}

const struct test_case tests[] = {
    {"the_end_waits_until_it_is_stored", the_end_waits_until_it_is_stored},
    {"what_comes_meanwhile_is_not_lost", what_comes_meanwhile_is_not_lost},
    {"nobody_waits_any_more", nobody_waits_any_more},
    {"stores_a_whole_response", stores_a_whole_response},
    {"stores_a_streamed_response", stores_a_streamed_response},
    {"stores_nothing_that_failed", stores_nothing_that_failed},
    {"does_without_the_service", does_without_the_service},
    {"casts_to_a_known_service", casts_to_a_known_service},
    {"puts_history_before_the_input", puts_history_before_the_input},
    {"tells_what_is_wrong_with_history", tells_what_is_wrong_with_history},
    {"shows_what_was_stored", shows_what_was_stored},
    {"asks_who_is_there_first", asks_who_is_there_first},
    {"cancels_in_each_step", cancels_in_each_step},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};
