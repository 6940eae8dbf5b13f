/*
 * http_session_test.c - requests that belong to a session: found, its history put before them,
 * recorded as they pass; and clients that leave, services that fail.
 */
#include "http_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAT "/v1/chat/completions"
#define HI   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define HI_STREAM                                                                                  \
    "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}"
#define HELLO                                                                                      \
    "{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"  \
    "\"hello\"},\"finish_reason\":\"stop\"}]}"
#define PIECE "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hel\"}}]}\n\n"

static const struct aiex_slice nothing;

static struct aiex_slice principal_end(void)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "principal");
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "key", "k1");
    return aiex_written(&w);
}

static struct aiex_slice session_end(const char *id, int messages)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "session", id);
    aiex_w_key_str(&w, "state", "open");
    aiex_w_key_int(&w, "messages", messages);
    return aiex_written(&w);
}

/* One turn, question "a" and answer "b", newest first. */
static struct aiex_slice history_end(void)
{
    static uint8_t mem[512];
    static const char *const said[2][2] = {{"assistant", "b"}, {"user", "a"}};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "events");
    aiex_w_array(&w, 2);
    for (int i = 0; i < 2; i++) {
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "type", "session.message");
        aiex_w_str(&w, "data");
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "role", said[i][0]);
        aiex_w_key_str(&w, "content", said[i][1]);
    }
    return aiex_written(&w);
}

/* The n-th call of that method, answered with `end`. */
static const struct aiex_fake_record *answer(struct rig *r, const char *method, size_t n,
                                             struct aiex_slice end)
{
    const struct aiex_fake_record *call = wait_for_call(r, method, n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    aiex_fake_answer_ok(r->host, call->id, end);
    return call;
}

/* Field of the one message that an append has. */
static int said(const struct aiex_fake_record *append, unsigned at, const char *key,
                const char *want)
{
    struct aiex_slice all = {NULL, 0};
    struct aiex_value v;

    if (!append || aiex_get_whole(append->body, "messages", &all) != 1 ||
        aiex_r_value(&all, &v) != 0 || at >= v.count)
        return 0;
    while (at--)
        aiex_r_skip(&all);
    return field_is(all, key, want);
}

/* A request up to the call of the gateway. */
static const struct aiex_fake_record *bound(struct rig *r, struct client *c, const char *headers,
                                            const char *body)
{
    char all[400];

    snprintf(all, sizeof(all), "authorization: Bearer sk\r\nx-aiex-session: s1\r\n%s", headers);
    client_open(r, c);
    call_for(c, post_request(CHAT, all, body));
    answer(r, "gateway.check", 0, principal_end());
    answer(r, "sessions.get", 0, session_end("s1", 0));
    return wait_for_call(r, "gateway.chat", 0);
}

static void a_whole_answer_is_recorded(void)
{
    const struct aiex_fake_record *call, *append, *get;
    struct aiex_slice p;
    struct response p2;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    call = bound(&r, &c, "", HI);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(field_is(call->body, "session", "s1"));
    CU_ASSERT_TRUE(field_is(call->body, "body", HI));
    get = aiex_fake_find(r.host, AIEX_FAKE_CALL, "sessions.get", 0);
    CU_ASSERT_EQUAL(aiex_get_whole(get->body, "principal", &p), 1);
    CU_ASSERT_TRUE(field_is(p, "key", "k1"));
    append = aiex_fake_find(r.host, AIEX_FAKE_CALL, "sessions.append", 0);
    CU_ASSERT_TRUE(said(append, 0, "content", "hi")); /* nobody waits for it */
    aiex_fake_answer_ok(r.host, append->id, nothing);
    aiex_fake_answer_part(r.host, call->id, slice_of(HELLO));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p2), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p2.head, "x-aiex-session: s1"));
    response_done(&p2);
    append = answer(&r, "sessions.append", 1, nothing);
    CU_ASSERT_TRUE(said(append, 0, "content", "hello"));
    CU_ASSERT_FALSE(said(append, 0, "outcome", "cut"));
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", NULL), 200);
    client_close(&c);
    rig_stop(&r);
}

static void a_stream_is_recorded_with_its_end(void)
{
    static const struct {
        const char *code, *outcome;
    } t[] = {{NULL, NULL}, {"upstream", "cut"}};

    for (size_t i = 0; i < 2; i++) {
        const struct aiex_fake_record *call, *append;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        call = bound(&r, &c, "", HI_STREAM);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        answer(&r, "sessions.append", 0, nothing);
        aiex_fake_answer_part(r.host, call->id, slice_of(PIECE));
        CU_ASSERT_TRUE(client_sees(&c, "x-aiex-session: s1"));
        if (t[i].code)
            aiex_fake_answer_error(r.host, call->id, t[i].code, "x", 0, nothing);
        else
            aiex_fake_answer_ok(r.host, call->id, nothing);
        append = answer(&r, "sessions.append", 1, nothing);
        CU_ASSERT_TRUE(said(append, 0, "content", "hel"));
        if (t[i].outcome)
            CU_ASSERT_TRUE(said(append, 0, "outcome", t[i].outcome));
        client_close(&c);
        rig_stop(&r);
    }
}

static void a_client_that_leaves_is_recorded_as_cancelled(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    call = bound(&r, &c, "", HI_STREAM);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    answer(&r, "sessions.append", 0, nothing);
    aiex_fake_answer_part(r.host, call->id, slice_of(PIECE));
    CU_ASSERT_TRUE(client_sees(&c, "hel"));
    client_close(&c);
    CU_ASSERT_TRUE(said(answer(&r, "sessions.append", 1, nothing), 0, "outcome", "cancelled"));
    rig_stop(&r);
}

/* At each question before the gateway is asked. */
static void a_client_may_leave_before(void)
{
    for (int step = 0; step < 2; step++) {
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        client_open(&r, &c);
        call_for(&c, post_request(CHAT, "x-aiex-session: s1\r\n", HI));
        if (step)
            answer(&r, "gateway.check", 0, principal_end());
        CU_ASSERT_PTR_NOT_NULL(wait_for_call(&r, step ? "sessions.get" : "gateway.check", 0));
        client_close(&c);
        rig_settle(&r);
        CU_ASSERT_EQUAL(aiex_fake_count(r.host, AIEX_FAKE_CANCEL), 1);
        CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "sessions.append", 0));
        rig_stop(&r);
    }
}

static void anothers_session_does_not_exist(void)
{
    static const struct {
        const char *path, *body, *form;
    } t[] = {
        {CHAT, HI, "\"code\":\"session_not_found\""},
        {"/v1/messages", HI, "{\"type\":\"error\",\"error\":{"},
        {"/api/chat", HI, "{\"error\":\"there is no session 's1'"},
        {"/v1/responses", "{\"model\":\"m\",\"store\":false,\"input\":\"hi\"}", "there is no"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        client_open(&r, &c);
        call_for(&c, post_request(t[i].path, "x-aiex-session: s1\r\n", t[i].body));
        answer(&r, "gateway.check", 0, principal_end());
        call = wait_for_call(&r, "sessions.get", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        aiex_fake_answer_error(r.host, call->id, "not_found", "x", 0, nothing);
        CU_ASSERT_EQUAL(client_ask(&c, "", t[i].form), 404);
        CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "gateway.chat", 0));
        client_close(&c);
        rig_stop(&r);
    }
}

static void a_new_one_is_made(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call_for(&c,
             post_request(CHAT, "x-aiex-session: new\r\nx-aiex-session-title: My talk\r\n", HI));
    answer(&r, "gateway.check", 0, principal_end());
    call = answer(&r, "sessions.create", 0, session_end("n7", 0));
    CU_ASSERT_TRUE(field_is(call->body, "title", "My talk"));
    call = wait_for_call(&r, "gateway.chat", 0);
    CU_ASSERT_TRUE(field_is(call->body, "session", "n7"));
    aiex_fake_answer_part(r.host, call->id, slice_of(HELLO));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-session: n7"));
    response_done(&p);
    client_close(&c);
    rig_stop(&r);
}

static void a_service_that_is_away_keeps_nobody_waiting(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call_for(&c, post_request(CHAT, "x-aiex-session: s1\r\n", HI));
    answer(&r, "gateway.check", 0, principal_end());
    call = wait_for_call(&r, "sessions.get", 0);
    aiex_fake_answer_error(r.host, call->id, "unavailable", "nobody", 0, nothing);
    call = wait_for_call(&r, "gateway.chat", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_TRUE(field_is(call->body, "session", "s1"));
    aiex_fake_answer_part(r.host, call->id, slice_of(HELLO));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.head, "x-aiex-session-recorded: no"));
    CU_ASSERT_PTR_NULL(strstr(p.head, "x-aiex-session: "));
    response_done(&p);
    CU_ASSERT_PTR_NULL(aiex_fake_find(r.host, AIEX_FAKE_CALL, "sessions.append", 0));
    client_close(&c);
    rig_stop(&r);
}

static void the_history_goes_before_the_request(void)
{
#define A "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"}"
    static const struct {
        const char *path, *body, *sent;
    } t[] = {
        {CHAT, HI, "{\"model\":\"m\",\"messages\":[" A ",{\"role\":\"user\",\"content\":\"hi\"}]}"},
        {CHAT,
         "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"} , {\"role\":\"user\",\"content\":"
         "\"hi\"}],\"model\":\"m\"}",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}," A
         " , {\"role\":\"user\",\"content\":\"hi\"}],\"model\":\"m\"}"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        const struct aiex_fake_record *call, *append;
        struct client c;
        struct rig r;

        rig_start(&r, NULL);
        client_open(&r, &c);
        call_for(&c, post_request(t[i].path, "x-aiex-session: s1\r\nx-aiex-history: send\r\n",
                                  t[i].body));
        answer(&r, "gateway.check", 0, principal_end());
        answer(&r, "sessions.get", 0, session_end("s1", 2));
        answer(&r, "sessions.history", 0, history_end());
        call = wait_for_call(&r, "gateway.chat", 0);
        CU_ASSERT_PTR_NOT_NULL_FATAL(call);
        CU_ASSERT_TRUE(field_is(call->body, "body", t[i].sent));
        append = aiex_fake_find(r.host, AIEX_FAKE_CALL, "sessions.append", 0);
        CU_ASSERT_TRUE(said(append, 0, "content", "hi"));
        CU_ASSERT_FALSE(said(append, 1, "content", "hi"));
        client_close(&c);
        rig_stop(&r);
    }
}

static void a_history_that_is_away_is_an_error(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    client_open(&r, &c);
    call_for(&c, post_request(CHAT, "x-aiex-session: s1\r\nx-aiex-history: send\r\n", HI));
    answer(&r, "gateway.check", 0, principal_end());
    call = wait_for_call(&r, "sessions.get", 0);
    aiex_fake_answer_error(r.host, call->id, "unavailable", "nobody", 0, nothing);
    CU_ASSERT_EQUAL(client_ask(&c, "", "the history of the session can not be read now"), 503);
    client_close(&c);
    rig_stop(&r);
}

static void without_the_option_the_header_is_a_name(void)
{
    static const struct aiex_fake_pair off[] = {{"sessions", ""}, {NULL, NULL}};
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, off);
    client_open(&r, &c);
    call = call_for(&c, post_request(CHAT, "x-aiex-session: s1\r\n", HI));
    CU_ASSERT_STRING_EQUAL(call->name, "gateway.chat");
    CU_ASSERT_TRUE(field_is(call->body, "session", "s1"));
    client_close(&c);
    client_open(&r, &c); /* and nothing else than a chat has turns */
    call = call_for(&c, post_request("/v1/embeddings", "x-aiex-session: s2\r\n",
                                     "{\"model\":\"m\",\"input\":\"x\"}"));
    CU_ASSERT_STRING_EQUAL(call->name, "gateway.embed");
    CU_ASSERT_TRUE(field_is(call->body, "session", "s2"));
    client_close(&c);
    rig_stop(&r);
}

static void draining_waits_for_what_is_not_recorded_yet(void)
{
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    rig_start(&r, NULL);
    call = bound(&r, &c, "", HI);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    answer(&r, "sessions.append", 0, nothing);
    aiex_fake_answer_part(r.host, call->id, slice_of(HELLO));
    aiex_fake_answer_ok(r.host, call->id, nothing);
    CU_ASSERT_TRUE(client_sees(&c, "hello"));
    CU_ASSERT_PTR_NOT_NULL(wait_for_call(&r, "sessions.append", 1));
    client_close(&c);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drain(r.host, r.plugin, r.self), 0);
    answer(&r, "sessions.append", 1, nothing);
    rig_settle(&r);
    CU_ASSERT_EQUAL(aiex_fake_drained(r.host), 1);
    rig_stop(&r);
}

const struct test_case tests[] = {
    {"a_whole_answer_is_recorded", a_whole_answer_is_recorded},
    {"a_stream_is_recorded_with_its_end", a_stream_is_recorded_with_its_end},
    {"a_client_that_leaves_is_recorded_as_cancelled",
     a_client_that_leaves_is_recorded_as_cancelled},
    {"a_client_may_leave_before", a_client_may_leave_before},
    {"anothers_session_does_not_exist", anothers_session_does_not_exist},
    {"a_new_one_is_made", a_new_one_is_made},
    {"a_service_that_is_away_keeps_nobody_waiting", a_service_that_is_away_keeps_nobody_waiting},
    {"the_history_goes_before_the_request", the_history_goes_before_the_request},
    {"a_history_that_is_away_is_an_error", a_history_that_is_away_is_an_error},
    {"without_the_option_the_header_is_a_name", without_the_option_the_header_is_a_name},
    {"draining_waits_for_what_is_not_recorded_yet", draining_waits_for_what_is_not_recorded_yet},
    {0},
};
