/* sdk/service/ask.c: what is asked again, for how long, and who learns what when nobody knows. */
#include "test.h"

#include <aiex_ask.h>
#include <aiex_fake_host.h>
#include <errno.h>
#include <string.h>

static struct aiex_fake_host *host;
static struct aiex_ask ask;
static int ends, lates, parts, resets, enough_at;
static char code[32];

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    if (!part.data) {
        resets++;
        parts = 0;
        return 0;
    }
    return ++parts == enough_at;
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    CU_ASSERT(!a->active);
    ends++;
    snprintf(code, sizeof(code), "%s", end->code ? end->code : "");
}

static void on_late(struct aiex_ask *a)
{
    CU_ASSERT(a->active && a->unknown);
    lates++;
}

static void write_body(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, 1);
    aiex_w_key_str(w, "id", arg);
}

static void begin(void)
{
    host = aiex_fake_host_new("service_asker");
    ends = lates = parts = resets = enough_at = 0;
    ask = (struct aiex_ask){.host = aiex_fake_host_table(host),
                            .service = "store",
                            .method = "store.append",
                            .wait_ms = 2000,
                            .part = on_part,
                            .end = on_end};
}

static void finish(void)
{
    aiex_ask_stop(&ask);
    CU_ASSERT_EQUAL(aiex_fake_host_free(host), 0);
}

static size_t calls(void)
{
    return aiex_fake_count(host, AIEX_FAKE_CALL);
}

static void answer(const char *error)
{
    const struct aiex_fake_record *call = aiex_fake_last(host, AIEX_FAKE_CALL);
    const struct aiex_slice none = {NULL, 0};

    CU_ASSERT_PTR_NOT_NULL_FATAL(call);
    CU_ASSERT_EQUAL(error ? aiex_fake_answer_error(host, call->id, error, "no", 0, none)
                          : aiex_fake_answer_ok(host, call->id, none),
                    0);
}

/* Answers with this error until the end comes or `ms` are over. */
static void answer_for(const char *error, unsigned ms)
{
    for (unsigned at = 0; at < ms && !ends; at += 50) {
        if (!ask.timer)
            answer(error);
        aiex_fake_advance(host, 50);
    }
}

static void test_asked_again(void)
{
    static const char *const passing[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,
                                          AIEX_E_CRASHED};
    const struct aiex_fake_record *r;
    struct aiex_slice id = {NULL, 0};

    begin();
    aiex_ask_by(&ask, write_body, "same");
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(calls(), i + 1);
        answer(passing[i]);
        CU_ASSERT_EQUAL(ask.unknown, i >= 2);
        aiex_fake_advance(host, 250);
    }
    answer(NULL);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_STRING_EQUAL(code, "");
    CU_ASSERT_EQUAL(resets, 4);
    for (size_t i = 0; i < 5; i++) {
        r = aiex_fake_nth(host, AIEX_FAKE_CALL, i);
        CU_ASSERT_STRING_EQUAL(r->service, "store");
        CU_ASSERT_EQUAL(aiex_get_str(r->body, "id", &id), 1);
        CU_ASSERT(aiex_slice_is(id, "same"));
        CU_ASSERT(r->timeout_ms <= 1000);
    }
    finish();
}

static void test_final(void)
{
    static const char *const final[] = {AIEX_E_CONFLICT, AIEX_E_INVALID, AIEX_E_READ_ONLY,
                                        AIEX_E_DENIED, AIEX_E_INTERNAL};

    for (size_t i = 0; i < sizeof(final) / sizeof(*final); i++) {
        begin();
        aiex_ask_by(&ask, write_body, "x");
        answer(final[i]);
        CU_ASSERT_EQUAL(ends, 1);
        CU_ASSERT_STRING_EQUAL(code, final[i]);
        CU_ASSERT_EQUAL(ask.unknown, strcmp(final[i], AIEX_E_INTERNAL) == 0);
        finish();
    }
}

static void test_time_is_over(void)
{
    begin();
    aiex_ask_by(&ask, write_body, "x");
    answer_for(AIEX_E_UNAVAILABLE, 4000);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_STRING_EQUAL(code, AIEX_E_UNAVAILABLE);
    CU_ASSERT(!ask.unknown);
    finish();
}

/* A write that may have been done is asked on until the store says what became of it. */
static void test_late(void)
{
    begin();
    ask.late = on_late;
    aiex_ask_by(&ask, write_body, "x");
    answer_for(AIEX_E_CRASHED, 10000);
    CU_ASSERT_EQUAL(ends, 0);
    CU_ASSERT_EQUAL(lates, 1);
    answer_for(AIEX_E_READ_ONLY, 1000); /* says nothing about the first try */
    CU_ASSERT_EQUAL(ends, 0);
    answer_for(AIEX_E_CONFLICT, 1000);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_STRING_EQUAL(code, AIEX_E_CONFLICT);
    CU_ASSERT_EQUAL(lates, 1);
    finish();
}

/* Nothing was done, so nothing is asked for ever. */
static void test_late_but_known(void)
{
    begin();
    ask.late = on_late;
    aiex_ask_by(&ask, write_body, "x");
    answer_for(AIEX_E_BUSY, 4000);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_EQUAL(lates, 0);
    finish();
}

static void test_enough(void)
{
    const struct aiex_slice part = {(const uint8_t *)"\xc0", 1};
    uint64_t call;

    begin();
    enough_at = 2;
    aiex_ask_by(&ask, write_body, "x");
    call = aiex_fake_last(host, AIEX_FAKE_CALL)->id;
    CU_ASSERT_EQUAL(aiex_fake_answer_part(host, call, part), 0);
    CU_ASSERT_EQUAL(ends, 0);
    aiex_fake_answer_part(host, call, part);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_STRING_EQUAL(code, "");
    CU_ASSERT_EQUAL(aiex_fake_count(host, AIEX_FAKE_CANCEL), 1);
    finish();
}

static int at_once(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    const struct aiex_slice none = {NULL, 0};

    aiex_fake_answer_ok(h, call->id, none);
    return 0;
}

static void test_answered_within_call(void)
{
    begin();
    aiex_fake_on_call(host, at_once, NULL);
    aiex_ask_by(&ask, write_body, "x");
    CU_ASSERT_EQUAL(ends, 1);
    aiex_ask_by(&ask, write_body, "y");
    CU_ASSERT_EQUAL(ends, 2);
    finish();
}

static int too_long(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    return -EMSGSIZE;
}

static void test_refused(void)
{
    begin();
    aiex_fake_on_call(host, too_long, NULL);
    aiex_ask_by(&ask, write_body, "x");
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT_STRING_EQUAL(code, AIEX_E_INVALID);
    aiex_fake_on_call(host, NULL, NULL);
    aiex_ask_start(&ask, (struct aiex_slice){NULL, 0}); /* no memory */
    CU_ASSERT_EQUAL(ends, 2);
    CU_ASSERT_STRING_EQUAL(code, AIEX_E_BUSY);
    aiex_fake_fail_alloc(host, 1); /* of the call: a timer tries again */
    aiex_ask_by(&ask, write_body, "x");
    aiex_fake_advance(host, 250);
    answer(NULL);
    CU_ASSERT_EQUAL(ends, 3);
    finish();
}

static void test_stop(void)
{
    begin();
    aiex_ask_by(&ask, write_body, "x");
    aiex_ask_stop(&ask);
    CU_ASSERT_EQUAL(aiex_fake_count(host, AIEX_FAKE_CANCEL), 1);
    aiex_ask_by(&ask, write_body, "x");
    answer(AIEX_E_BUSY);
    aiex_ask_stop(&ask); /* in the pause */
    CU_ASSERT_EQUAL(aiex_fake_advance(host, 5000), 0);
    CU_ASSERT_EQUAL(ends, 0);
    finish();
}

static int stop_by_part(struct aiex_ask *a, struct aiex_slice part)
{
    parts++;
    aiex_ask_stop(a);
    return 0;
}

static int say_part(void *arg, struct aiex_fake_host *h, const struct aiex_fake_record *call)
{
    return aiex_fake_answer_part(h, call->id, (struct aiex_slice){(const uint8_t *)"x", 1});
}

/* The store may be in the same cell: its parts come before the call has returned. */
static void stopped_within_the_call(void)
{
    begin();
    ask.part = stop_by_part;
    aiex_fake_on_call(host, say_part, NULL);
    aiex_ask_by(&ask, write_body, "e1");
    CU_ASSERT(parts == 1 && !ask.active && !ends);
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(host, aiex_fake_last(host, AIEX_FAKE_CALL)->id,
                                        (struct aiex_slice){NULL, 0}),
                    -ENOENT); /* nobody is left to hear it */
    CU_ASSERT(!ends);
    finish();
}

const struct test_case tests[] = {
    {"asked_again", test_asked_again},
    {"final", test_final},
    {"time_is_over", test_time_is_over},
    {"late", test_late},
    {"late_but_known", test_late_but_known},
    {"enough", test_enough},
    {"answered_within_call", test_answered_within_call},
    {"refused", test_refused},
    {"stop", test_stop},
    {"stopped_within_the_call", stopped_within_the_call},
    {0},
};
