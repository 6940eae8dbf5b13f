/* Hashes that an interface makes come into the usage record, whichever of the two is first, and a
 * record is never lost for want of them. */
#include "gateway_rig.h"

#include <stdio.h>
#include <string.h>

#define TRACE UINT64_C(0xf00000000000000a) /* interface_http's have the highest bit */

static const uint8_t REQUEST[33] = "the request's hash, of 32 bytes.";
static const uint8_t ANSWER[33] = "the answer's hash, of 32 bytes..";
static const uint8_t SALT[33] = "a salt that must not get outside";

static struct aiex_slice hash(const uint8_t *bytes)
{
    return (struct aiex_slice){bytes, 32};
}

/* A chat with this field `content`. */
static uint64_t chat_with(uint64_t trace, struct aiex_slice content)
{
    struct aiex_message m = {.method = "gateway.chat", .trace = trace};
    uint8_t mem[2048];

    m.body = pack(mem, sizeof(mem), "local", "b", 1, "dialect", "s", "openai.chat", "model", "s",
                  "m", "body", "x", (struct aiex_slice){(const uint8_t *)"{}", 2}, "content", "r",
                  content, NULL);
    return aiex_fake_deliver(h, p, self, &m);
}

static struct aiex_slice promise(void *mem, size_t size, const char *policy)
{
    return strcmp(policy, "salted") == 0
               ? pack(mem, size, "hash", "s", policy, "request", "x", hash(REQUEST), "bytes", "i",
                      77, "salt", "x", hash(SALT), NULL)
               : pack(mem, size, "hash", "s", policy, "request", "x", hash(REQUEST), "bytes", "i",
                      77, NULL);
}

static uint64_t hashed_chat(uint64_t trace, const char *policy)
{
    uint8_t mem[256];

    return chat_with(trace, promise(mem, sizeof(mem), policy));
}

static void tell_of(uint64_t trace)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_uint(&w, "trace", trace);
    aiex_w_key_bin(&w, "answer", ANSWER, 32);
    aiex_w_key_int(&w, "bytes", 99);
    cast("gateway.content", aiex_written(&w));
}

/* The n-th record that the ledger was sent; empty = not yet. */
static struct aiex_slice record(size_t n)
{
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CAST, "ledger.record", n);

    return r ? r->body : NOTHING;
}

static void hex_is(struct aiex_slice map, const char *key, const uint8_t *bytes)
{
    char want[65] = "";

    for (int i = 0; bytes && i < 32; i++)
        sprintf(want + 2 * i, "%02x", bytes[i]);
    CU_ASSERT_STRING_EQUAL(text(map, key), want);
}

static void check(size_t n, const char *policy, int answered)
{
    struct aiex_slice r = record(n);

    CU_ASSERT_TRUE_FATAL(aiex_is_map(r));
    CU_ASSERT_STRING_EQUAL(text(r, "id"), "00000000000000ff");
    CU_ASSERT_EQUAL(number(r, "cost"), 20);
    CU_ASSERT_STRING_EQUAL(text(r, "hash"), policy);
    hex_is(r, "request_hash", REQUEST);
    CU_ASSERT_EQUAL(number(r, "request_bytes"), 77);
    hex_is(r, "answer_hash", answered ? ANSWER : NULL);
    CU_ASSERT_EQUAL(number(r, "answer_bytes"), answered ? 99 : -999);
    hex_is(r, "salt", strcmp(policy, "salted") == 0 ? SALT : NULL);
    CU_ASSERT_EQUAL(record(n + 1).len, 0);
}

/* ---- Both orders ---- */

static void test_hash_first(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    tell_of(TRACE);
    answer_ok(0);
    settle(0, 20, 3, 4);
    check(0, "sha256", 1);
    finish();
}

static void test_record_first(void)
{
    begin(NULL);
    hashed_chat(TRACE, "salted");
    answer_ok(0);
    settle(0, 20, 3, 4);
    CU_ASSERT_EQUAL(record(0).len, 0);
    CU_ASSERT_EQUAL(number(ok(ask("gateway.status", NULL)), "in_flight"), 0);
    tell_of(TRACE);
    check(0, "salted", 1);
    tell_of(TRACE); /* twice is once */
    aiex_fake_advance(h, 5000);
    check(0, "salted", 1);
    finish();
}

static void test_record_before_the_end(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    settle(0, 20, 3, 4);
    CU_ASSERT_EQUAL(record(0).len, 0);
    tell_of(TRACE);
    check(0, "sha256", 1);
    answer_ok(0);
    finish();
}

static void test_cancelled(void)
{
    uint64_t id;

    begin(NULL);
    id = hashed_chat(TRACE, "sha256");
    tell_of(TRACE);
    aiex_fake_cancel(h, id);
    aiex_fake_advance(h, 3000); /* the provider's bill takes its time */
    settle(0, 20, 3, 4);
    check(0, "sha256", 1);
    finish();
}

static void test_many_at_once(void)
{
    begin(NULL);
    for (uint64_t i = 0; i < 8; i++)
        hashed_chat(TRACE + i, "sha256");
    for (size_t i = 0; i < 8; i++)
        settle(i, 20, 3, 4);
    for (uint64_t i = 8; i-- > 0;) {
        tell_of(TRACE + i);
        check(7 - i, "sha256", 1);
    }
    for (size_t i = 0; i < 8; i++)
        answer_ok(i);
    finish();
}

/* ---- No hash comes ---- */

static void test_answer_never_told(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    answer_ok(0);
    settle(0, 20, 3, 4);
    aiex_fake_advance(h, 999);
    CU_ASSERT_EQUAL(record(0).len, 0);
    aiex_fake_advance(h, 1);
    check(0, "sha256", 0);
    tell_of(TRACE); /* too late */
    check(0, "sha256", 0);
    finish();
}

static void test_drain_and_stop(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    answer_ok(0);
    settle(0, 20, 3, 4);
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    check(0, "sha256", 0);
    finish();

    begin(NULL);
    hashed_chat(TRACE, "sha256");
    answer_ok(0);
    settle(0, 20, 3, 4);
    hashed_chat(TRACE + 1, "salted"); /* one that is still running */
    aiex_fake_stop(h, p, self);
    check(0, "sha256", 0);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 1); /* the one that is running has no answer */
    restart(NULL);
    finish();
}

static void test_no_timer(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    answer_ok(0);
    aiex_fake_fail_alloc(h, 1);
    settle(0, 20, 3, 4);
    check(0, "sha256", 0);
    finish();
}

/* ---- Nonsense ---- */

static void test_broken_promises(void)
{
    static const char *const policies[] = {"md5", ""};
    uint8_t mem[256];

    begin(NULL);
    for (size_t i = 0; i < 2; i++)
        hashed_chat(TRACE + i, policies[i]);
    chat_with(TRACE + 2, pack(mem, sizeof(mem), "hash", "s", "sha256", NULL));
    chat_with(TRACE + 3, pack(mem, sizeof(mem), "hash", "s", "salted", "request", "x",
                              hash(REQUEST), "bytes", "i", 1, NULL));
    chat_with(TRACE + 4, pack(mem, sizeof(mem), "hash", "s", "sha256", "request", "x",
                              (struct aiex_slice){REQUEST, 31}, "bytes", "i", 1, NULL));
    chat_with(TRACE + 5, pack(mem, sizeof(mem), "hash", "s", "sha256", "request", "x",
                              hash(REQUEST), "bytes", "i", -1, NULL));
    for (size_t i = 0; i < 6; i++) {
        settle(i, 20, 3, 4); /* goes on at once, as it came */
        CU_ASSERT_TRUE(record(i).len > 0);
        CU_ASSERT_STRING_EQUAL(text(record(i), "request_hash"), "");
        answer_ok(i);
    }
    finish();
}

static void test_broken_hashes(void)
{
    uint8_t mem[128];

    begin(NULL);
    cast("gateway.content", NOTHING);
    cast("gateway.content", (struct aiex_slice){(const uint8_t *)"\xc1", 1});
    tell_of(TRACE); /* of nobody */
    hashed_chat(TRACE, "sha256");
    cast("gateway.content", pack(mem, sizeof(mem), "trace", "s", "x", NULL));
    cast("gateway.content", pack(mem, sizeof(mem), "trace", "I", (int64_t)7, "answer", "x",
                                 hash(ANSWER), "bytes", "i", 1, NULL));
    settle(0, 20, 3, 4);
    CU_ASSERT_EQUAL(record(0).len, 0);
    tell_of(TRACE);
    check(0, "sha256", 1);
    answer_ok(0);
    finish();
}

/* The same trace twice is no request of an interface of ours: the second goes without. */
static void test_one_trace_twice(void)
{
    begin(NULL);
    hashed_chat(TRACE, "sha256");
    hashed_chat(TRACE, "sha256");
    settle(1, 20, 3, 4);
    CU_ASSERT_STRING_EQUAL(text(record(0), "hash"), "");
    settle(0, 20, 3, 4);
    tell_of(TRACE);
    check(1, "sha256", 1);
    answer_ok(0);
    answer_ok(1);
    finish();
}

static void test_not_for_coordinators(void)
{
    struct aiex_slice content;

    begin(NULL);
    hashed_chat(TRACE, "salted");
    CU_ASSERT_EQUAL(aiex_get_whole(made(0)->body, "content", &content), 0);
    answer_ok(0);
    finish();
}

const struct test_case tests[] = {
    {"hash_first", test_hash_first},
    {"record_first", test_record_first},
    {"record_before_the_end", test_record_before_the_end},
    {"cancelled", test_cancelled},
    {"many_at_once", test_many_at_once},
    {"answer_never_told", test_answer_never_told},
    {"drain_and_stop", test_drain_and_stop},
    {"no_timer", test_no_timer},
    {"broken_promises", test_broken_promises},
    {"broken_hashes", test_broken_hashes},
    {"one_trace_twice", test_one_trace_twice},
    {"not_for_coordinators", test_not_for_coordinators},
    {0},
};
