/* Asynchronous requests: submitted, polled, followed, cancelled, forgotten. */
#include "gateway_rig.h"
#include "jobs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES(text) ((struct aiex_slice){(const uint8_t *)(text), strlen(text)})

static char key[64], other[64];

static void with_two_keys(const struct aiex_fake_pair *pairs)
{
    begin(pairs);
    snprintf(key, sizeof(key), "%s",
             make_key(&(struct limits){.budget_day = 1000000, .soft_percent = 1}, "ann", NULL));
    snprintf(other, sizeof(other), "%s", make_key(NULL, "bob", NULL));
}

/* Submits a chat; its id is valid until the 8th text() after. */
static const char *submit(const char *credential)
{
    return text(ok(ask("gateway.submit", "credential", "s", credential, "method", "s",
                       "gateway.chat", "dialect", "s", "openai.chat", "model", "s", "m", "stream",
                       "b", 1, "body", "x", BYTES("{\"max_tokens\":10}"), NULL)),
                "id");
}

static uint64_t poll_for(const char *credential, const char *id, int wait_ms)
{
    return ask("gateway.poll", "credential", "s", credential, "id", "s", id, "wait_ms", "i",
               wait_ms, NULL);
}

static void has_state(const char *credential, const char *id, const char *state)
{
    CU_ASSERT_STRING_EQUAL(text(ok(poll_for(credential, id, 0)), "state"), state);
}

static void part(size_t n, const char *bytes)
{
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, made(n)->id, BYTES(bytes)), 0);
}

static void end_ok(size_t n)
{
    uint8_t mem[64];

    aiex_fake_answer_ok(
        h, made(n)->id,
        pack(mem, sizeof(mem), "finish", "s", "stop", "input_tokens", "i", 1, NULL));
}

static int body_is(struct aiex_slice end, const char *want)
{
    struct aiex_slice body = NOTHING;

    return aiex_get_bytes(end, "body", &body) == 1 && aiex_slice_is(body, want);
}

static void submitted_and_polled(void)
{
    struct aiex_slice end, inner = NOTHING;
    struct aiex_value list = {0};
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    CU_ASSERT_EQUAL(strlen(id), 16);
    CU_ASSERT_EQUAL(strspn(id, "0123456789abcdef"), 16);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    CU_ASSERT_EQUAL(made(0)->flags & AIEX_CALL_SPLICE, 0);
    CU_ASSERT_EQUAL(made(0)->parent, 0);
    CU_ASSERT_EQUAL(made(0)->trace,
                    strtoull(id, NULL, 16)); /* the correlation id of the whole request */
    CU_ASSERT_EQUAL(made(0)->timeout_ms, 600000);
    has_state(key, id, "running");
    part(0, "hel");
    part(0, "lo");
    has_state(key, id, "running");
    end_ok(0);
    settle(0, 10000, 1, 1);
    end = ok(poll_for(key, id, 0));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "done");
    CU_ASSERT(body_is(end, "hello"));
    CU_ASSERT_EQUAL(aiex_get_whole(end, "end", &inner), 1);
    CU_ASSERT_STRING_EQUAL(text(inner, "finish"), "stop");
    CU_ASSERT_EQUAL(aiex_get(end, "warnings", &list), 1);
    CU_ASSERT_EQUAL(list.count, 1);
    CU_ASSERT_EQUAL(status("requests"), 1);
    aiex_fake_advance(h, 599000);
    CU_ASSERT_EQUAL(status("requests"), 1);
    aiex_fake_advance(h, 2000); /* looked at once a second */
    failed(poll_for(key, id, 0), "not_found");
    CU_ASSERT_EQUAL(gw()->jobs->timer, 0);
    finish();
}

static void leave(void *arg, struct aiex_fake_host *host, const struct aiex_fake_record *given)
{
    aiex_fake_cancel(host, given->id);
}

static void drop_the_job(void *arg, struct aiex_fake_host *host,
                         const struct aiex_fake_record *given)
{
    aiex_fake_on_part(host, NULL, NULL);
    ok(ask("gateway.cancel", "credential", "s", key, "id", "s", arg, NULL));
}

/* In one cell a subscriber may leave, or end the whole request, while it is given a part. */
static void subscribers_act_while_they_are_given_a_part(void)
{
    char id[32];

    with_two_keys(NULL);
    for (int i = 0; i < 4; i++) {
        size_t n = (size_t)i;

        snprintf(id, sizeof(id), "%s", submit(key));
        if (i % 2)
            part(n, "before");
        aiex_fake_on_part(h, i < 2 ? leave : drop_the_job, id);
        ask("gateway.subscribe", "credential", "s", key, "id", "s", id, NULL);
        ask("gateway.subscribe", "credential", "s", key, "id", "s", id, NULL);
        if (i < 2 || i % 2 == 0)
            part(n, "after");
        aiex_fake_on_part(h, NULL, NULL);
        has_state(key, id, i < 2 ? "running" : "cancelled");
        if (i < 2)
            end_ok(n);
        settle(n, 1, 1, 1);
    }
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    finish();
}

static void a_poll_waits(void)
{
    uint64_t early, gone;
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    early = poll_for(key, id, 5000);
    CU_ASSERT(is_open(early));
    aiex_fake_advance(h, 4999);
    CU_ASSERT(is_open(early));
    aiex_fake_advance(h, 1);
    CU_ASSERT_STRING_EQUAL(text(ok(early), "state"), "running");
    early = poll_for(key, id, 5000);
    gone = poll_for(key, id, 5000);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, gone), 0);
    part(0, "x");
    CU_ASSERT(is_open(early));
    end_ok(0);
    CU_ASSERT_STRING_EQUAL(text(ok(early), "state"), "done");
    settle(0, 1, 1, 1);
    failed(ask("gateway.poll", "credential", "s", key, "id", "s", id, "wait_ms", "i", -1, NULL),
           "invalid");
    early = poll_for(key, submit(key), 999999); /* never beyond its own time to answer */
    aiex_fake_advance(h, 29900);
    CU_ASSERT_STRING_EQUAL(text(ok(early), "state"), "running");
    end_ok(1);
    settle(1, 1, 1, 1);
    finish();
}

static void errors_are_kept(void)
{
    struct aiex_slice end;
    char id[32];

    with_two_keys(NULL);
    world.chat = CHAT_ERROR;
    snprintf(id, sizeof(id), "%s", submit(key));
    settle(0, 0, 0, 0);
    end = ok(poll_for(key, id, 100));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "failed");
    CU_ASSERT_STRING_EQUAL(text(end, "code"), "upstream");
    CU_ASSERT_STRING_EQUAL(text(end, "text"), "cut");
    CU_ASSERT_EQUAL(number(end, "http_status"), 502);
    failed(ask("gateway.subscribe", "credential", "s", key, "id", "s", id, NULL), "upstream");
    finish();
}

static void refusals_end_a_job(void)
{
    struct aiex_slice end;
    char poor[64], id[32];

    begin(NULL);
    snprintf(poor, sizeof(poor), "%s", make_key(&(struct limits){.budget_day = 1}, NULL, NULL));
    snprintf(id, sizeof(id), "%s", submit(poor));
    end = ok(poll_for(poor, id, 0));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "failed");
    CU_ASSERT_EQUAL(number(end, "http_status"), 402);
    world.price_silent = 1; /* and one that is refused later */
    snprintf(id, sizeof(id), "%s", submit(poor));
    has_state(poor, id, "running");
    aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, "timeout", "", 0, NOTHING);
    has_state(poor, id, "running");
    end_ok(0);
    has_state(poor, id, "done");
    settle(0, 0, 0, 0);
    failed(ask("gateway.submit", "credential", "s", poor, "method", "s", "fly", "dialect", "s",
               "openai.chat", "model", "s", "m", "body", "x", BYTES("{}"), NULL),
           "invalid");
    failed(ask("gateway.submit", "dialect", "s", "openai.chat", "model", "s", "m", "method", "s",
               "chat", "body", "x", BYTES("{}"), NULL),
           "denied");
    finish();
}

/* ---- Subscribers ---- */

static uint64_t subscribe(const char *id)
{
    return ask("gateway.subscribe", "credential", "s", key, "id", "s", id, NULL);
}

static int has_parts(uint64_t request, const char *want)
{
    return aiex_slice_is(aiex_fake_parts(h, request), want);
}

static void subscribers_get_everything_from_the_first_part(void)
{
    uint64_t early, middle, late;
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    early = subscribe(id);
    part(0, "a");
    CU_ASSERT(has_parts(early, "a"));
    part(0, "b");
    middle = subscribe(id);
    CU_ASSERT(has_parts(middle, "ab"));
    part(0, "c");
    end_ok(0);
    settle(0, 1, 1, 1);
    late = subscribe(id);
    CU_ASSERT(has_parts(early, "abc"));
    CU_ASSERT(has_parts(middle, "abc"));
    CU_ASSERT(has_parts(late, "abc"));
    CU_ASSERT_STRING_EQUAL(text(ok(early), "finish"), "stop");
    ok(middle);
    ok(late);
    finish();
}

static void a_slow_subscriber_waits_alone(void)
{
    uint64_t slow, fast;
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    aiex_fake_window(h, 4);
    slow = subscribe(id);
    fast = subscribe(id);
    for (int i = 0; i < 4; i++) {
        part(0, "xyz");
        aiex_fake_resume(h, fast);
    }
    end_ok(0);
    settle(0, 1, 1, 1);
    CU_ASSERT(has_parts(slow, "xyzxyz")); /* paused at 4 bytes */
    CU_ASSERT(has_parts(fast, "xyzxyzxyzxyz"));
    CU_ASSERT(is_open(slow));
    ok(fast);
    aiex_fake_resume(h, slow);
    CU_ASSERT(has_parts(slow, "xyzxyzxyzxyz"));
    ok(slow);
    finish();
}

static void a_subscriber_may_leave(void)
{
    uint64_t a, b;
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    a = subscribe(id);
    b = subscribe(id);
    part(0, "1");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    part(0, "2");
    end_ok(0);
    settle(0, 1, 1, 1);
    CU_ASSERT(has_parts(a, "1"));
    CU_ASSERT(has_parts(b, "12"));
    CU_ASSERT_EQUAL(gw()->jobs->waiters.n, 0);
    finish();
}

/* ---- Given up ---- */

static void cancelled(void)
{
    uint64_t follower, waiting;
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    follower = subscribe(id);
    waiting = poll_for(key, id, 1000);
    part(0, "a");
    CU_ASSERT_STRING_EQUAL(
        text(ok(ask("gateway.cancel", "credential", "s", key, "id", "s", id, NULL)), "state"),
        "cancelled");
    CU_ASSERT_EQUAL(aiex_fake_answer_part(h, made(0)->id, BYTES("b")), -ENOENT);
    failed(follower, "cancelled");
    CU_ASSERT_STRING_EQUAL(text(ok(waiting), "state"), "cancelled");
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    CU_ASSERT(status("reserved") > 0); /* the record tells what it had cost */
    settle(0, 5, 1, 1);
    CU_ASSERT_EQUAL(status("reserved"), 0);
    ok(ask("gateway.cancel", "credential", "s", key, "id", "s", id, NULL)); /* again: no harm */
    has_state(key, id, "cancelled");
    finish();
}

static void cancelled_before_its_price_is_known(void)
{
    char id[32];

    with_two_keys(NULL);
    world.price_silent = 1;
    snprintf(id, sizeof(id), "%s", submit(key));
    CU_ASSERT_PTR_NULL(made(0));
    ok(ask("gateway.cancel", "credential", "s", key, "id", "s", id, NULL));
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(
                        h, aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.price", 0)->id, NOTHING),
                    -ENOENT);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void only_who_submitted_may_ask(void)
{
    struct aiex_value list = {0};
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    failed(poll_for(other, id, 0), "not_found");
    failed(ask("gateway.cancel", "credential", "s", other, "id", "s", id, NULL), "not_found");
    failed(ask("gateway.subscribe", "credential", "s", other, "id", "s", id, NULL), "not_found");
    failed(poll_for(key, "0123456789abcdef", 0), "not_found");
    failed(poll_for(key, "short", 0), "not_found");
    failed(ask("gateway.poll", "credential", "s", key, NULL), "invalid");
    failed(ask("gateway.poll", "id", "s", id, NULL), "denied");
    ok(ask("gateway.poll", "local", "b", 1, "id", "s", id, NULL)); /* an admin may */
    CU_ASSERT_EQUAL(
        aiex_get(ok(ask("gateway.requests", "credential", "s", other, NULL)), "requests", &list),
        1);
    CU_ASSERT_EQUAL(list.count, 0);
    CU_ASSERT_EQUAL(
        aiex_get(ok(ask("gateway.requests", "credential", "s", key, NULL)), "requests", &list), 1);
    CU_ASSERT_EQUAL(list.count, 1);
    CU_ASSERT_STRING_EQUAL(text(list.bytes, "state"), "running");
    CU_ASSERT_STRING_EQUAL(text(list.bytes, "model"), "m");
    CU_ASSERT_EQUAL(aiex_get(ok(ask("gateway.requests", "local", "b", 1, NULL)), "requests", &list),
                    1);
    CU_ASSERT_EQUAL(list.count, 1);
    end_ok(0);
    settle(0, 1, 1, 1);
    finish();
}

/* ---- Bounds ---- */

static void results_are_bounded_in_number(void)
{
    char first[32], second[32];

    with_two_keys((struct aiex_fake_pair[]){{"results_max", "2"}, {0}});
    snprintf(first, sizeof(first), "%s", submit(key));
    snprintf(second, sizeof(second), "%s", submit(key));
    failed(ask("gateway.submit", "credential", "s", key, "method", "s", "chat", "dialect", "s",
               "openai.chat", "model", "s", "m", "body", "x", BYTES("{}"), NULL),
           "busy");
    end_ok(0);
    settle(0, 1, 1, 1);
    submit(key); /* the oldest that is over makes room */
    failed(poll_for(key, first, 0), "not_found");
    has_state(key, second, "running");
    end_ok(1);
    end_ok(2);
    settle(1, 1, 1, 1);
    settle(2, 1, 1, 1);
    finish();
}

static void results_are_bounded_in_bytes(void)
{
    char big[900], id[32];
    struct aiex_slice end;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    with_two_keys((struct aiex_fake_pair[]){{"result_bytes", "1k"}, {"results_bytes", "2k"}, {0}});
    snprintf(id, sizeof(id), "%s", submit(key));
    part(0, big);
    part(0, big);
    end = ok(poll_for(key, id, 0));
    CU_ASSERT_STRING_EQUAL(text(end, "state"), "failed");
    CU_ASSERT_STRING_EQUAL(text(end, "code"), "busy");
    CU_ASSERT_EQUAL(aiex_fake_answer_ok(h, made(0)->id, NOTHING),
                    -ENOENT); /* its call was given up */
    settle(0, 1, 1, 1);
    for (size_t i = 1; i < 4; i++) {
        snprintf(id, sizeof(id), "%s", submit(key));
        part(i, big);
        end_ok(i);
        settle(i, 1, 1, 1);
        CU_ASSERT(gw()->jobs->bytes <= 2048);
        CU_ASSERT(body_is(ok(poll_for(key, id, 0)), big));
    }
    finish();
}

static void waiters_are_bounded(void)
{
    uint64_t waiting[MAX_WAITERS];
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    for (size_t i = 0; i < MAX_WAITERS; i++)
        waiting[i] = i % 2 ? poll_for(key, id, 1000) : subscribe(id);
    failed(poll_for(key, id, 1000), "busy");
    failed(subscribe(id), "busy");
    end_ok(0);
    settle(0, 1, 1, 1);
    for (size_t i = 0; i < MAX_WAITERS; i++)
        ok(waiting[i]);
    finish();
}

static void one_request_id_may_submit_twice(void)
{
    uint8_t mem[256];
    struct aiex_message m = {.method = "gateway.submit", .trace = 0xabc};
    char first[32], second[32];

    with_two_keys(NULL);
    m.body = pack(mem, sizeof(mem), "credential", "s", key, "method", "s", "embed", "dialect", "s",
                  "openai.embeddings", "model", "s", "m", "body", "x", BYTES("{}"), NULL);
    snprintf(first, sizeof(first), "%s", text(ok(aiex_fake_deliver(h, p, self, &m)), "id"));
    snprintf(second, sizeof(second), "%s", text(ok(aiex_fake_deliver(h, p, self, &m)), "id"));
    CU_ASSERT_STRING_EQUAL(first, "0000000000000abc");
    CU_ASSERT_STRING_NOT_EQUAL(first, second);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.embed", 1));
    finish();
}

/* Stopped while jobs run and others wait for them: nothing is left behind. */
static void stopped_in_the_middle(void)
{
    uint64_t follower;

    with_two_keys(NULL);
    follower = subscribe(submit(key));
    part(0, "a");
    submit(key);
    CU_ASSERT(is_open(follower));
    finish();
}

static void a_restart_loses_them(void)
{
    char id[32];

    with_two_keys(NULL);
    snprintf(id, sizeof(id), "%s", submit(key));
    end_ok(0);
    stop();
    restart(NULL);
    failed(poll_for(key, id, 0), "not_found");
    finish();
}

const struct test_case tests[] = {
    {"submitted_and_polled", submitted_and_polled},
    {"subscribers_act_while_they_are_given_a_part", subscribers_act_while_they_are_given_a_part},
    {"a_poll_waits", a_poll_waits},
    {"errors_are_kept", errors_are_kept},
    {"refusals_end_a_job", refusals_end_a_job},
    {"subscribers_get_everything_from_the_first_part",
     subscribers_get_everything_from_the_first_part},
    {"a_slow_subscriber_waits_alone", a_slow_subscriber_waits_alone},
    {"a_subscriber_may_leave", a_subscriber_may_leave},
    {"cancelled", cancelled},
    {"cancelled_before_its_price_is_known", cancelled_before_its_price_is_known},
    {"only_who_submitted_may_ask", only_who_submitted_may_ask},
    {"results_are_bounded_in_number", results_are_bounded_in_number},
    {"results_are_bounded_in_bytes", results_are_bounded_in_bytes},
    {"waiters_are_bounded", waiters_are_bounded},
    {"one_request_id_may_submit_twice", one_request_id_may_submit_twice},
    {"stopped_in_the_middle", stopped_in_the_middle},
    {"a_restart_loses_them", a_restart_loses_them},
    {0},
};
