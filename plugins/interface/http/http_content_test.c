/* http_content_test.c - hashes of what a client sent and got: over which bytes, told to whom, and
 * when. */
#include "http_rig.h"

#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct aiex_fake_pair plain[] = {{"content_hash", "sha256"}, {0}};
static const struct aiex_fake_pair salted[] = {{"content_hash", "salted"}, {0}};
static const struct aiex_slice nothing;

/* What somebody computes who has the bytes, and perhaps the salt of the record. */
static int hash_is(struct aiex_slice found, struct aiex_slice salt, const void *bytes, size_t n)
{
    uint8_t want[32];

    if (salt.len)
        HMAC(EVP_sha256(), salt.data, (int)salt.len, bytes, n, want, NULL);
    else
        SHA256(bytes, n, want);
    return found.len == sizeof(want) && memcmp(found.data, want, sizeof(want)) == 0;
}

static struct aiex_slice field(struct aiex_slice map, const char *key)
{
    struct aiex_slice s = {NULL, 0};

    aiex_get_bytes(map, key, &s);
    return s;
}

static int64_t number(struct aiex_slice map, const char *key)
{
    int64_t n = -1;

    aiex_get_int(map, key, &n);
    return n;
}

/* The field of a call, which must be of this policy and of this request. Returns the salt. */
static struct aiex_slice promised(const struct aiex_fake_record *call, const char *policy,
                                  const char *body)
{
    struct aiex_slice content = {NULL, 0}, salt;

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL_FATAL(aiex_get_whole(call->body, "content", &content), 1);
    CU_ASSERT_TRUE(field_is(content, "hash", policy));
    salt = field(content, "salt");
    CU_ASSERT_EQUAL(salt.len, strcmp(policy, "salted") == 0 ? 32 : 0);
    CU_ASSERT_TRUE(hash_is(field(content, "request"), salt, body, strlen(body)));
    CU_ASSERT_EQUAL(number(content, "bytes"), (int64_t)strlen(body));
    return salt;
}

static const struct aiex_fake_record *told(struct rig *r, size_t n)
{
    return aiex_fake_find(r->host, AIEX_FAKE_CAST, "gateway.content", n);
}

/* The n-th cast is of that call and of these bytes. */
static void check_told(struct rig *r, size_t n, const struct aiex_fake_record *call,
                       struct aiex_slice salt, const void *bytes, size_t len)
{
    const struct aiex_fake_record *cast = told(r, n);
    struct aiex_value trace = {0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(cast);
    CU_ASSERT_STRING_EQUAL(cast->service, "gateway");
    CU_ASSERT_EQUAL(cast->flags & AIEX_CALL_LAZY, AIEX_CALL_LAZY);
    CU_ASSERT_EQUAL(aiex_get(cast->body, "trace", &trace), 1);
    CU_ASSERT_EQUAL(trace.u, call->trace);
    CU_ASSERT_TRUE(hash_is(field(cast->body, "answer"), salt, bytes, len));
    CU_ASSERT_EQUAL(number(cast->body, "bytes"), (int64_t)len);
    CU_ASSERT_PTR_NULL(told(r, n + 1));
}

static void open_with(struct rig *r, struct client *c, const struct aiex_fake_pair *options)
{
    rig_start(r, options);
    client_open(r, c);
}

static void close_all(struct rig *r, struct client *c)
{
    client_close(c);
    rig_stop(r);
}

static void answer(struct rig *r, const struct aiex_fake_record *call, const char *a, const char *b)
{
    aiex_fake_answer_part(r->host, call->id, slice_of(a));
    aiex_fake_answer_part(r->host, call->id, slice_of(b));
    aiex_fake_answer_ok(r->host, call->id, nothing);
}

/* ---- Whole answers and streams ---- */

static void off_says_nothing(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice content;
    struct response p;
    struct client c;
    struct rig r;

    open_with(&r, &c, NULL);
    call = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "content", &content), 0);
    answer(&r, call, "{\"a\":", "1}");
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_PTR_NULL(told(&r, 0));
    response_done(&p);
    close_all(&r, &c);
}

static void check_exchange(const struct aiex_fake_pair *options, const char *policy,
                           const char *json, const char *a, const char *b)
{
    const struct aiex_fake_record *call;
    struct aiex_slice salt, other;
    struct response p;
    struct client c;
    struct rig r;

    open_with(&r, &c, options);
    call = chat_call(&c, json);
    salt = promised(call, policy, json);
    CU_ASSERT_PTR_NULL(told(&r, 0));
    answer(&r, call, a, b);
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_EQUAL(p.n_body, strlen(a) + strlen(b));
    check_told(&r, 0, call, salt, p.body, p.n_body);
    response_done(&p);

    call = chat_call(&c, json); /* the next request of the connection has its own */
    other = promised(call, policy, json);
    CU_ASSERT_TRUE(!salt.len || memcmp(salt.data, other.data, salt.len) != 0);
    answer(&r, call, b, "");
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    check_told(&r, 1, call, other, b, strlen(b));
    response_done(&p);
    close_all(&r, &c);
}

static void hashes_whole_answers(void)
{
    check_exchange(plain, "sha256", CHAT_UNARY, "{\"a\":", "\"\xc3\xa9\"}");
    check_exchange(salted, "salted", CHAT_UNARY, "{\"a\":", "1}");
}

static void hashes_streams(void)
{
    check_exchange(plain, "sha256", CHAT_STREAM, "data: {\"x\":1}\n\n", "data: [DONE]\n\n");
    check_exchange(salted, "salted", CHAT_STREAM, "data: {}\n\n", "data: [DONE]\n\n");
}

static void hashes_what_is_compressed(void)
{
    char text[3000] = "{\"t\":\"";
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    memset(text + 6, 'a', 2000);
    strcpy(text + 2006, "\"}");
    open_with(&r, &c, plain);
    call = call_for(&c,
                    post_request("/v1/chat/completions", "Accept-Encoding: gzip\r\n", CHAT_UNARY));
    answer(&r, call, text, "");
    CU_ASSERT_TRUE(client_sees(&c, "content-encoding: gzip"));
    check_told(&r, 0, call, nothing, text, strlen(text));
    client_response(&c, &p);
    response_done(&p);
    close_all(&r, &c);
}

static void hashes_what_the_client_sent(void)
{
    static const char json[] = "{\"model\":\"m\",\"prompt\":\"hi\"}",
                      vector[] = "{\"embedding\":[1,2]}";
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    open_with(&r, &c, plain);
    call = call_for(&c, post_request("/api/embeddings", "", json));
    promised(call, "sha256", json);
    CU_ASSERT_TRUE(field_is(call->body, "body", "{\"model\":\"m\",\"input\":\"hi\"}"));
    answer(&r, call, "{\"embeddings\":", "[[1,2]]}");
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    CU_ASSERT_STRING_EQUAL(p.body, vector);
    check_told(&r, 0, call, nothing, vector, strlen(vector));
    response_done(&p);
    close_all(&r, &c);
}

static void hashes_model_requests_only(void)
{
    const struct aiex_fake_record *call;
    struct aiex_slice content;
    struct client c;
    char *refused;
    struct rig r;

    open_with(&r, &c, plain);
    CU_ASSERT_EQUAL(client_ask(&c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", NULL), 200);
    refused = chat_request("{\"model\":");
    CU_ASSERT_EQUAL(client_ask(&c, refused, "invalid_json"), 400);
    free(refused);
    call = call_for(&c, post_request("/v1/messages/count_tokens", "", CHAT_UNARY));
    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(aiex_get_whole(call->body, "content", &content), 0);
    aiex_fake_answer_error(r.host, call->id, "invalid", "no", 0, nothing);
    rig_settle(&r);
    CU_ASSERT_PTR_NULL(told(&r, 0));
    close_all(&r, &c);
}

/* ---- Ends that are none ---- */

static void hashes_errors(void)
{
    const struct aiex_fake_record *call;
    struct response p;
    struct client c;
    struct rig r;

    open_with(&r, &c, plain);
    call = chat_call(&c, CHAT_STREAM);
    aiex_fake_answer_error(r.host, call->id, "busy", "later", 0, nothing);
    CU_ASSERT_EQUAL(client_response(&c, &p), 429);
    check_told(&r, 0, call, nothing, p.body, p.n_body);
    response_done(&p);
    call = chat_call(&c, CHAT_STREAM);
    aiex_fake_answer_part(r.host, call->id, slice_of("data: {}\n\n"));
    aiex_fake_answer_error(r.host, call->id, "upstream", "cut", 0, nothing);
    CU_ASSERT_TRUE(client_ended(&c));
    client_response(&c, &p);
    CU_ASSERT_FALSE(p.complete);
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "data: {}\n\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(p.body, "error"));
    check_told(&r, 1, call, nothing, p.body, p.n_body);
    response_done(&p);
    close_all(&r, &c);
}

/* Where the first record of this kind and name stands among all of them. */
static size_t place_of(struct rig *r, uint32_t kind, const char *name)
{
    const struct aiex_fake_record *found;
    size_t n = 0;

    while ((found = aiex_fake_nth(r->host, AIEX_FAKE_ANY, n)) != NULL &&
           (found->kind != kind || strcmp(found->name, name) != 0))
        n++;
    CU_ASSERT_PTR_NOT_NULL(found);
    return n;
}

/* The hash is told before the gateway hears that the client is gone. */
static void hashes_what_came_before_the_client_left(void)
{
    static const char part[] = "data: {\"x\":1}\n\n";
    const struct aiex_fake_record *call;
    struct client c;
    struct rig r;

    open_with(&r, &c, plain);
    call = chat_call(&c, CHAT_STREAM);
    aiex_fake_answer_part(r.host, call->id, slice_of(part));
    CU_ASSERT_TRUE(client_sees(&c, part));
    client_close(&c);
    CU_ASSERT_TRUE(place_of(&r, AIEX_FAKE_CAST, "gateway.content") <
                   place_of(&r, AIEX_FAKE_CANCEL, ""));
    check_told(&r, 0, call, nothing, part, strlen(part));
    rig_stop(&r);

    open_with(&r, &c, plain);
    call = chat_call(&c, CHAT_UNARY); /* before there was a byte */
    client_close(&c);
    check_told(&r, 0, call, nothing, "", 0);
    rig_stop(&r);
}

static void follows_a_reload(void)
{
    const struct aiex_fake_record *first, *second;
    struct aiex_slice content;
    struct response p;
    struct client c;
    struct rig r;

    open_with(&r, &c, plain);
    first = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_EQUAL(aiex_fake_reload(r.host, r.plugin, r.self, NULL, NULL), 0);
    answer(&r, first, "{}", ""); /* what was promised is kept */
    CU_ASSERT_EQUAL(client_response(&c, &p), 200);
    check_told(&r, 0, first, nothing, "{}", 2);
    response_done(&p);
    second = chat_call(&c, CHAT_UNARY);
    CU_ASSERT_EQUAL(aiex_get_whole(second->body, "content", &content), 0);
    close_all(&r, &c);
}

/* A request that is to be hashed and can not be is not made. */
static void survives_every_lack_of_memory(void)
{
    char *request = chat_request(CHAT_UNARY);
    int refused = 0, whole = 0;

    for (size_t n = 1; n < 40; n++) {
        const struct aiex_fake_record *call;
        struct aiex_slice content;
        struct client c;
        struct rig r;

        open_with(&r, &c, salted);
        aiex_fake_fail_alloc(r.host, n);
        client_send(&c, request);
        rig_settle(&r);
        call = aiex_fake_last(r.host, AIEX_FAKE_CALL);
        if (call && call->result == 0) {
            CU_ASSERT_EQUAL(aiex_get_whole(call->body, "content", &content), 1);
            answer(&r, call, "{}", "");
        }
        rig_settle(&r);
        while (client_read(&c, 4096))
            ;
        refused += c.in && strstr(c.in, "can not be made") != NULL;
        whole += c.in && strstr(c.in, "200 OK") && told(&r, 0);
        client_close(&c);
        rig_stop(&r);
    }
    free(request);
    CU_ASSERT_TRUE(refused > 0);
    CU_ASSERT_TRUE(whole > 0);
}

const struct test_case tests[] = {
    {"off_says_nothing", off_says_nothing},
    {"hashes_whole_answers", hashes_whole_answers},
    {"hashes_streams", hashes_streams},
    {"hashes_what_is_compressed", hashes_what_is_compressed},
    {"hashes_what_the_client_sent", hashes_what_the_client_sent},
    {"hashes_model_requests_only", hashes_model_requests_only},
    {"hashes_errors", hashes_errors},
    {"hashes_what_came_before_the_client_left", hashes_what_came_before_the_client_left},
    {"follows_a_reload", follows_a_reload},
    {"survives_every_lack_of_memory", survives_every_lack_of_memory},
    {0},
};
