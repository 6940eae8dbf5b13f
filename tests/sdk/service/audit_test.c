/* sdk/service/audit.c: what is sent, and what the answers mean for the act. */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_audit.h>
#include <aiex_fake_host.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct aiex_fake_host *h;
static const struct aiex_host *host;
static int called, went;
static int64_t number;
static char why[200];

static void begin(void)
{
    h = aiex_fake_host_new("service_x");
    host = aiex_fake_host_table(h);
    called = went = 0;
    number = -2;
}

static void end(void)
{
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void on_act(void *arg, int may_go, int64_t seq, const char *reason)
{
    CU_ASSERT_PTR_EQUAL(arg, &called);
    called++;
    went = may_go;
    number = seq;
    strcpy(why, reason);
}

static const char *text(struct aiex_slice map, const char *key)
{
    static char out[4][2000];
    static unsigned turn;
    char *mem = out[turn++ % 4];

    strcpy(mem, "?");
    aiex_get_text(map, key, mem, 2000);
    return mem;
}

static void test_cast(void)
{
    struct aiex_audit_act act = {.type = "key.created",
                                 .actor = "ann",
                                 .subject = "k1",
                                 .writer = "gateway",
                                 .payload = {(const uint8_t *)"more", 4},
                                 .trace = 0x1234};
    const struct aiex_fake_record *r;
    struct aiex_slice payload = {NULL, 0};

    begin();
    CU_ASSERT_EQUAL(aiex_audit_cast(host, "audit", &act), 0);
    r = aiex_fake_last(h, AIEX_FAKE_CAST);
    CU_ASSERT_STRING_EQUAL(r->service, "audit");
    CU_ASSERT_STRING_EQUAL(r->name, "audit.append");
    CU_ASSERT_STRING_EQUAL(text(r->body, "type"), "key.created");
    CU_ASSERT_STRING_EQUAL(text(r->body, "actor"), "ann");
    CU_ASSERT_STRING_EQUAL(text(r->body, "subject"), "k1");
    CU_ASSERT_STRING_EQUAL(text(r->body, "writer"), "gateway");
    CU_ASSERT_STRING_EQUAL(text(r->body, "correlation"), "0000000000001234");
    CU_ASSERT_EQUAL(aiex_get_bytes(r->body, "payload", &payload), 1);
    CU_ASSERT_EQUAL(payload.len, 4);
    CU_ASSERT_STRING_EQUAL(text(r->body, "must"), "?");
    end();
}

/* Within the limits of the contract, and between characters. */
static void test_cut(void)
{
    char subject[1100];
    struct aiex_audit_act act = {.type = "t", .actor = "", .subject = subject};
    struct aiex_slice s = {NULL, 0};

    memset(subject, 'x', sizeof(subject));
    memcpy(subject + 1023, "\xc3\xbc", 3);
    begin();
    CU_ASSERT_EQUAL(aiex_audit_cast(host, "audit", &act), 0);
    CU_ASSERT_EQUAL(aiex_get_str(aiex_fake_last(h, AIEX_FAKE_CAST)->body, "subject", &s), 1);
    CU_ASSERT_EQUAL(s.len, 1023);
    CU_ASSERT_STRING_EQUAL(text(aiex_fake_last(h, AIEX_FAKE_CAST)->body, "actor"), "unknown");
    end();
}

static uint64_t ask(int must)
{
    struct aiex_audit_act act = {.type = "t", .actor = "a", .must = must};
    struct aiex_audit_asked *asked;

    CU_ASSERT_EQUAL(aiex_audit_ask(host, "audit", &act, on_act, &called, &asked), 0);
    CU_ASSERT_PTR_NOT_NULL(asked);
    return aiex_fake_last(h, AIEX_FAKE_CALL)->id;
}

static struct aiex_slice pair(uint8_t *mem, const char *key, const char *value, int64_t n)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, 64);
    aiex_w_map(&w, 1);
    if (value)
        aiex_w_key_str(&w, key, value);
    else
        aiex_w_key_int(&w, key, n);
    return aiex_written(&w);
}

static void test_answers(void)
{
    static const struct {
        const char *code, *act;
        int must, goes;
    } ends[] = {
        {"read_only", "must", 0, 0}, {"read_only", "may", 0, 1}, {"read_only", "may", 1, 0},
        {"unavailable", NULL, 1, 0}, {"timeout", NULL, 1, 0},    {"crashed", NULL, 1, 0},
        {"invalid", NULL, 0, 0},     {"busy", NULL, 1, 0},
    };
    uint8_t mem[64];

    begin();
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, ask(0), pair(mem, "seq", NULL, 7)), 0);
    CU_ASSERT_TRUE(called == 1 && went == 1 && number == 7);
    for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
        struct aiex_slice details = {NULL, 0};

        if (ends[i].act)
            details = pair(mem, "act", ends[i].act, 0);
        called = 0;
        aiex_fake_answer_error(h, ask(ends[i].must), ends[i].code, "the disk is full", 0, details);
        CU_ASSERT_EQUAL(called, 1);
        CU_ASSERT_EQUAL(went, ends[i].goes);
        CU_ASSERT_EQUAL(number, -1);
        CU_ASSERT_STRING_EQUAL(
            why, ends[i].act ? "the disk is full"
                             : "not recorded: the audit log does not answer: the disk is full");
    }
    end();
}

/* The log can not be asked: the host knows whether that matters. */
static void test_no_log(void)
{
    static const char *const codes[] = {"unavailable", "timeout", "crashed", "busy"};
    const struct aiex_slice none = {NULL, 0};
    const struct aiex_fake_record *r;
    uint8_t mem[64];
    struct aiex_writer w;

    for (int i = 0; i < 12; i++) {
        int must = i % 3; /* 2: a host that does not know */

        begin();
        aiex_fake_answer_error(h, ask(0), codes[i / 3], "it is dead", 0, none);
        CU_ASSERT_EQUAL(called, 0);
        r = aiex_fake_last(h, AIEX_FAKE_CALL);
        CU_ASSERT_STRING_EQUAL(r->service, "host");
        CU_ASSERT_STRING_EQUAL(r->name, "host.act_policy");
        CU_ASSERT_STRING_EQUAL(text(r->body, "type"), "t");
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 1);
        aiex_w_key_bool(&w, "must", must);
        if (must < 2)
            aiex_fake_answer_ok(h, r->id, aiex_written(&w));
        else
            aiex_fake_answer_error(h, r->id, "not_found", "no such method", 0, none);
        CU_ASSERT_EQUAL(called, 1);
        CU_ASSERT_EQUAL(went, must != 1);
        CU_ASSERT_STRING_EQUAL(why,
                               i < 3 ? "not recorded: no audit log runs: it is dead"
                                     : "not recorded: the audit log does not answer: it is dead");
        end();
    }
}

/* A host that is too busy to say might have said that it must be recorded. */
static void test_host_does_not_answer(void)
{
    static const char *const codes[] = {"timeout", "busy", "unavailable"};
    const struct aiex_slice none = {NULL, 0};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        begin();
        aiex_fake_answer_error(h, ask(0), "unavailable", "it is dead", 0, none);
        aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, codes[i], "", 0, none);
        CU_ASSERT_EQUAL(called, 1);
        CU_ASSERT_EQUAL(went, 0);
        end();
    }
}

static int answer_at_once(void *arg, struct aiex_fake_host *fake,
                          const struct aiex_fake_record *call)
{
    uint8_t mem[64];

    return aiex_fake_answer_ok(fake, call->id, pair(mem, "seq", NULL, 3));
}

/* The log may be in the same cell. */
static void test_answered_at_once(void)
{
    struct aiex_audit_act act = {.type = "t", .actor = "a"};
    struct aiex_audit_asked *asked;

    begin();
    aiex_fake_on_call(h, answer_at_once, NULL);
    CU_ASSERT_EQUAL(aiex_audit_ask(host, "audit", &act, on_act, &called, &asked), 0);
    CU_ASSERT_PTR_NULL(asked);
    CU_ASSERT_TRUE(called == 1 && number == 3);
    end();
}

static void test_given_up(void)
{
    struct aiex_audit_act act = {.type = "t", .actor = "a"};
    struct aiex_audit_asked *asked;

    begin();
    CU_ASSERT_EQUAL(aiex_audit_ask(host, "audit", &act, on_act, &called, &asked), 0);
    aiex_audit_cancel(asked);
    aiex_audit_cancel(NULL);
    CU_ASSERT_EQUAL(
        aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, (struct aiex_slice){NULL, 0}),
        -ENOENT);
    aiex_fake_fail_alloc(h, 1);
    CU_ASSERT_EQUAL(aiex_audit_ask(host, "audit", &act, on_act, &called, &asked), -ENOMEM);
    CU_ASSERT_EQUAL(called, 0);
    end();
}

const struct test_case tests[] = {
    {"cast", test_cast},
    {"cut", test_cut},
    {"answers", test_answers},
    {"no_log", test_no_log},
    {"host_does_not_answer", test_host_does_not_answer},
    {"answered_at_once", test_answered_at_once},
    {"given_up", test_given_up},
    {0},
};
