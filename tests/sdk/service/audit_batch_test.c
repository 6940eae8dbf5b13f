/* sdk/service/audit_batch.c: acts are gathered, kept until they are recorded, and counted when
 * lost. */
#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_audit_batch.h>
#include <aiex_fake_host.h>
#include <stdio.h>
#include <string.h>

static struct aiex_fake_host *h;
static const struct aiex_host *host;
static struct aiex_audit_batch b;

static void begin(const char *service, size_t max)
{
    h = aiex_fake_host_new("service_x");
    host = aiex_fake_host_table(h);
    aiex_audit_batch_init(&b, host, service, max);
}

static void end(void)
{
    aiex_audit_batch_done(&b);
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void add(const char *subject)
{
    const struct aiex_audit_act act = {
        .type = "model.call", .actor = "k1", .subject = subject, .trace = 5};

    aiex_audit_batch_add(&b, &act);
}

/* The subjects of the acts of the n-th request, with blanks between them. */
static const char *subjects(size_t n)
{
    const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CALL, n);
    struct aiex_slice acts = {NULL, 0};
    static char out[4096];
    struct aiex_value v;

    out[0] = 0;
    if (!r)
        return "none";
    CU_ASSERT_STRING_EQUAL(r->service, "audit");
    CU_ASSERT_STRING_EQUAL(r->name, "audit.append_all");
    CU_ASSERT_TRUE((r->flags & AIEX_CALL_IDEMPOTENT) != 0);
    CU_ASSERT_EQUAL_FATAL(aiex_get_whole(r->body, "acts", &acts), 1);
    CU_ASSERT_EQUAL_FATAL(aiex_r_value(&acts, &v), 0);
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice one = acts;
        char text[64] = "?";
        int64_t time = 0;

        CU_ASSERT_EQUAL_FATAL(aiex_r_skip(&acts), 0);
        one.len -= acts.len;
        aiex_get_text(one, "subject", text, sizeof(text));
        CU_ASSERT_TRUE(aiex_get_int(one, "time", &time) == 1 && time > 0);
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%s%s", i ? " " : "", text);
    }
    CU_ASSERT_EQUAL(acts.len, 0);
    return out;
}

static int64_t number(size_t n, const char *key)
{
    int64_t v = -1;

    aiex_get_int(aiex_fake_nth(h, AIEX_FAKE_CALL, n)->body, key, &v);
    return v;
}

static void answer(size_t n, const char *code)
{
    const struct aiex_slice none = {NULL, 0};
    uint64_t id = aiex_fake_nth(h, AIEX_FAKE_CALL, n)->id;

    CU_ASSERT_EQUAL(code ? aiex_fake_answer_error(h, id, code, "no", 0, none)
                         : aiex_fake_answer_ok(h, id, none),
                    0);
}

static size_t n_calls(void)
{
    return aiex_fake_count(h, AIEX_FAKE_CALL);
}

static void test_gathered(void)
{
    begin("audit", 1 << 20);
    add("a");
    add("b");
    CU_ASSERT_EQUAL(n_calls(), 0);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(0), "a b");
    add("c"); /* while a request is open */
    aiex_fake_advance(h, 1000);
    CU_ASSERT_EQUAL(n_calls(), 1);
    answer(0, NULL);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(1), "c");
    CU_ASSERT_TRUE(number(0, "first") == 0 && number(1, "first") == 2);
    CU_ASSERT_TRUE(number(0, "sender") > 0 && number(0, "sender") == number(1, "sender"));
    answer(1, NULL);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_EQUAL(n_calls(), 2);
    CU_ASSERT_TRUE(b.recorded == 3 && b.lost == 0 && b.n == 0);
    end();
}

static void test_kept(void)
{
    static const char *const codes[] = {"unavailable", "timeout", "crashed", "read_only", "busy"};

    begin("audit", 1 << 20);
    add("a");
    for (size_t i = 0; i < 5; i++) {
        aiex_fake_advance(h, i ? 250 : 20);
        CU_ASSERT_STRING_EQUAL(subjects(i), i ? "a b" : "a");
        CU_ASSERT_EQUAL(number(i, "first"), 0);
        if (i == 0)
            add("b");
        answer(i, codes[i]);
        CU_ASSERT_EQUAL(n_calls(), i + 1);
    }
    aiex_fake_advance(h, 250);
    answer(5, NULL);
    CU_ASSERT_TRUE(b.recorded == 2 && b.lost == 0 && b.n == 0);
    end();
}

/* A full batch goes at once; what does not fit is told, and recorded when there is room. */
static void test_lost(void)
{
    const struct aiex_fake_record *e;
    unsigned i = 0;

    begin("audit", 4096);
    for (; b.lost == 0; i++)
        add("x");
    add("y");
    CU_ASSERT_EQUAL(b.lost, 2);
    e = aiex_fake_find(h, AIEX_FAKE_PUBLISH, "audit.alarm", 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(e);
    CU_ASSERT_STRING_EQUAL(e->type, "lost");
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "audit.alarm", 1));
    aiex_fake_advance(h, 20);
    answer(0, NULL);
    CU_ASSERT_EQUAL(b.recorded, i - 1);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(1), "2 acts were lost");
    answer(1, NULL);
    end();
}

static void test_large(void)
{
    begin("audit", 1 << 20);
    for (unsigned i = 0; n_calls() == 0 && i < 10000; i++)
        add("0123456789012345678901234567890123456789");
    CU_ASSERT_TRUE(b.len >= 32u << 10 && b.len < 33u << 10);
    end();
}

/* What the log does not understand is found and given up; all others are recorded. */
static void test_invalid(void)
{
    static const char *const alone[] = {"a", "bad", "c"};

    begin("audit", 1 << 20);
    for (int i = 0; i < 3; i++)
        add(alone[i]);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(0), "a bad c");
    answer(0, "invalid");
    add("d");
    for (size_t i = 0; i < 3; i++) {
        aiex_fake_advance(h, 1);
        CU_ASSERT_STRING_EQUAL(subjects(i + 1), alone[i]);
        answer(i + 1, i == 1 ? "invalid" : NULL);
    }
    CU_ASSERT_TRUE(b.recorded == 2 && b.lost == 1);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(4), "d 1 acts were lost");
    end();
}

/* The log goes away while they are sent one by one. */
static void test_invalid_and_away(void)
{
    begin("audit", 1 << 20);
    add("bad");
    add("b");
    aiex_fake_advance(h, 20);
    answer(0, "invalid");
    aiex_fake_advance(h, 1);
    answer(1, "unavailable");
    aiex_fake_advance(h, 250);
    CU_ASSERT_STRING_EQUAL(subjects(2), "bad");
    answer(2, "invalid");
    aiex_fake_advance(h, 20);
    answer(3, NULL);
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(subjects(4), "1 acts were lost");
    answer(4, NULL);
    CU_ASSERT_TRUE(b.recorded == 2 && b.lost == 1 && b.n == 0);
    end();
}

static int at_once(void *arg, struct aiex_fake_host *fake, const struct aiex_fake_record *call)
{
    return aiex_fake_answer_ok(fake, call->id, (struct aiex_slice){NULL, 0});
}

static int refuses(void *arg, struct aiex_fake_host *fake, const struct aiex_fake_record *call)
{
    return -ENOMEM;
}

static void test_same_cell(void)
{
    begin("audit", 1 << 20);
    aiex_fake_on_call(h, at_once, NULL);
    add("a");
    aiex_fake_advance(h, 20);
    CU_ASSERT_TRUE(b.recorded == 1 && b.call == 0);
    aiex_fake_on_call(h, refuses, NULL);
    add("b");
    aiex_fake_advance(h, 20);
    CU_ASSERT_TRUE(b.n == 1 && b.call == 0);
    aiex_fake_on_call(h, at_once, NULL);
    aiex_fake_advance(h, 250);
    CU_ASSERT_EQUAL(b.recorded, 2);
    end();
}

static void test_nobody(void)
{
    begin("none", 1 << 20);
    add("a");
    aiex_audit_batch_flush(&b);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_TRUE(n_calls() == 0 && b.n == 0 && b.lost == 0);
    end();
}

const struct test_case tests[] = {
    {"gathered", test_gathered},
    {"kept", test_kept},
    {"lost", test_lost},
    {"large", test_large},
    {"invalid", test_invalid},
    {"invalid_and_away", test_invalid_and_away},
    {"same_cell", test_same_cell},
    {"nobody", test_nobody},
    {0},
};
