/*
 * service_coordinator under upstream faults: each row of "what a vendor can do" that is the
 * coordinator's to handle, with the outcome that is right.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <string.h>

static const char *const first = "provider_a", *const second = "provider_b";

static void one(const struct aiex_fake_pair *pairs)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin(pairs);
}

static void two(const struct aiex_fake_pair *pairs)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_b", "provider_openai", 1, {"m", "other"}, NULL}}};
    begin(pairs);
}

static const struct fault rate_limit = {
    .code = "busy", .reason = "rate_limit", .retry_after_ms = 2000, .http_status = 429};
static const struct fault broken = {.code = "upstream", .reason = "server", .http_status = 500};
static const struct fault away = {.code = "upstream", .reason = "server", .http_status = 503};

/* ---- 429 ---- */

static void a_429_goes_elsewhere_and_all_others_stay_away(void)
{
    uint64_t id;

    two(NULL);
    id = chat("m");
    answer_fault(0, &rate_limit);
    went_to(1, second, "m");
    answer_ok(1);
    ended_well(id);
    CU_ASSERT_EQUAL(status(first, "wait_ms"), 2000);
    chat("m"); /* the next request does not even try */
    went_to(2, second, "m");
    answer_ok(2);
    aiex_fake_advance(h, 2000);
    chat("m");
    went_to(3, first, "m");
    answer_ok(3);
    finish();
}

static void a_429_of_the_only_provider_is_waited_for(void)
{
    uint64_t id, later;

    one(NULL);
    id = chat("m");
    answer_fault(0, &rate_limit);
    later = chat("m"); /* shares the wait */
    CU_ASSERT_PTR_NULL(made(1));
    CU_ASSERT_EQUAL(status(first, "queued"), 2);
    aiex_fake_advance(h, 1999);
    CU_ASSERT_PTR_NULL(made(1));
    aiex_fake_advance(h, 2);
    CU_ASSERT_PTR_NOT_NULL(made(2));
    answer_ok(1);
    answer_ok(2);
    ended_well(id);
    ended_well(later);
    finish();
}

static void an_older_retry_after_shortens_nothing(void)
{
    struct fault longer = rate_limit, shorter = rate_limit;

    longer.retry_after_ms = 9000;
    shorter.retry_after_ms = 1000;
    one((struct aiex_fake_pair[]){{"retry_wait", "0s"}, {0}});
    chat("m");
    chat("m");
    answer_fault(0, &longer);
    answer_fault(1, &shorter);
    CU_ASSERT_EQUAL(status(first, "wait_ms"), 9000);
    finish();
}

static void a_429_for_ever_reaches_the_client_as_429(void)
{
    uint64_t id;

    one(NULL);
    id = chat("m");
    CU_ASSERT_EQUAL(exhaust(0, &rate_limit), 2); /* three attempts */
    failed(id, "busy");
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 429);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->retry_after_ms, 2000);
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "attempts"), 3);
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "breaker"), -999);
    finish();
}

static void a_long_retry_after_is_told_at_once(void)
{
    struct fault f = rate_limit;
    uint64_t id;

    f.retry_after_ms = 60000;
    one(NULL);
    id = chat("m");
    answer_fault(0, &f);
    failed(id, "busy");
    id = chat("m"); /* nor do others wait a minute */
    failed(id, "busy");
    CU_ASSERT_EQUAL(aiex_fake_answer(h, id)->retry_after_ms, 60000);
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 429);
    CU_ASSERT_PTR_NULL(made(1));
    finish();
}

static void what_is_left_is_honoured(void)
{
    struct aiex_writer w;
    uint8_t body[128];

    two(NULL);
    chat("m");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "left_requests", 0);
    aiex_w_key_int(&w, "reset_ms", 700);
    aiex_fake_answer_ok(h, made(0)->id, aiex_written(&w));
    CU_ASSERT_EQUAL(status(first, "wait_ms"), 700);
    chat("m");
    went_to(1, second, "m");
    answer_ok(1);
    finish();
}

/* ---- 5xx, silence, connections ---- */

static void a_500_once_is_repeated_after_a_pause(void)
{
    uint64_t id;

    one(NULL);
    id = chat("m");
    answer_fault(0, &broken);
    CU_ASSERT_PTR_NULL(made(1));
    aiex_fake_advance(h, 200);
    went_to(1, first, "m");
    CU_ASSERT_EQUAL(number(made(1)->body, "attempt"), 2);
    answer_ok(1);
    ended_well(id);
    finish();
}

static void a_503_for_ever_opens_the_breaker(void)
{
    uint64_t id;

    one((struct aiex_fake_pair[]){{"breaker_failures", "2"}, {"breaker_open", "20s"}, {0}});
    id = chat("m");
    CU_ASSERT_EQUAL(exhaust(0, &away), 2); /* three attempts of one request: one failure */
    failed(id, "upstream");
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 503);
    id = chat("m");
    CU_ASSERT_EQUAL(exhaust(3, &away), 3); /* the second failure: nothing passes any more */
    failed(id, "upstream");
    id = chat("m"); /* refused without a call */
    failed(id, "unavailable");
    CU_ASSERT(aiex_fake_answer(h, id)->retry_after_ms > 10000);
    CU_ASSERT_PTR_NULL(made(4));
    finish();
}

static void flapping_opens_probes_closes(void)
{
    two((struct aiex_fake_pair[]){{"breaker_failures", "2"}, {"breaker_open", "3s"}, {0}});
    for (size_t i = 0; i < 2; i++) {
        chat("m");
        answer_fault(2 * i, &broken);
        went_to(2 * i + 1, second, "m");
        answer_ok(2 * i + 1);
    }
    chat("m");
    went_to(4, second, "m"); /* open: a is left out */
    answer_ok(4);
    aiex_fake_advance(h, 3000);
    chat("m");
    went_to(5, first, "m"); /* one probe */
    chat("m");
    went_to(6, second, "m"); /* and no second one */
    answer_fault(5, &broken);
    went_to(7, second, "m");
    answer_ok(7);
    answer_ok(6);
    aiex_fake_advance(h, 3000);
    chat("m");
    went_to(8, second, "m"); /* it opened for twice as long */
    answer_ok(8);
    aiex_fake_advance(h, 3000);
    chat("m");
    went_to(9, first, "m");
    answer_ok(9);
    chat("m");
    went_to(10, first, "m"); /* closed */
    answer_ok(10);
    finish();
}

static void client_faults_open_no_breaker(void)
{
    static const struct fault faults[] = {
        {.code = "invalid", .reason = "request"},
        {.code = "invalid", .reason = "context_length"},
        {.code = "invalid", .reason = "content_filter"},
        {.code = "conflict"},
        {.code = "denied", .reason = "auth"},
        {.code = "busy", .reason = "rate_limit"},
    };
    size_t n = 0;

    one((struct aiex_fake_pair[]){{"breaker_failures", "1"}, {0}});
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++, n++) {
        uint64_t id = chat("m");

        answer_fault(n, &faults[i]);
        failed(id, faults[i].code);
    }
    chat("m");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, aiex_fake_last(h, AIEX_FAKE_CALL)->parent), 0);
    chat("m");
    went_to(n + 1, first, "m");
    answer_ok(n + 1);
    finish();
}

static void a_cut_stream_counts_and_is_not_repeated(void)
{
    uint64_t id;

    two((struct aiex_fake_pair[]){{"breaker_failures", "1"}, {0}});
    id = chat("m");
    answer_part(0, "half");
    answer_fault(0, &(struct fault){.code = "upstream", .reason = "stream"});
    failed(id, "upstream");
    CU_ASSERT_PTR_NULL(made(1));
    chat("m");
    went_to(1, second, "m");
    answer_ok(1);
    finish();
}

static void slow_calls_count(void)
{
    two((struct aiex_fake_pair[]){{"breaker_failures", "1"}, {"slow_call", "4s"}, {0}});
    chat("m");
    aiex_fake_advance(h, 5000);
    answer_ok(0);
    chat("m");
    went_to(1, second, "m");
    answer_ok(1);
    finish();
}

static void a_timeout_goes_elsewhere_at_once(void)
{
    uint64_t id;

    two((struct aiex_fake_pair[]){{"first_token", "2s"}, {"idle", "3s"}, {"total", "1m"}, {0}});
    id = chat("m");
    CU_ASSERT_EQUAL(number(made(0)->body, "first_token_ms"), 2000);
    CU_ASSERT_EQUAL(number(made(0)->body, "idle_ms"), 3000);
    CU_ASSERT_EQUAL(number(made(0)->body, "total_ms"), 60000);
    answer_fault(0, &(struct fault){.code = "timeout", .reason = "timeout", .started = 1});
    went_to(1, second, "m");
    answer_ok(1);
    ended_well(id);
    finish();
}

static void a_refused_key_rests(void)
{
    uint64_t id;

    two(NULL);
    id = chat("m");
    answer_fault(0, &(struct fault){.code = "denied", .reason = "auth", .http_status = 401});
    went_to(1, second, "m");
    answer_ok(1);
    ended_well(id);
    chat("m");
    went_to(2, second, "m"); /* others first for a while */
    answer_fault(2, &broken);
    went_to(3, first, "m"); /* but better than nobody */
    answer_fault(3, &(struct fault){.code = "denied", .reason = "auth", .http_status = 401});
    answer_ok((aiex_fake_advance(h, 1000), 4)); /* b again after a pause */
    aiex_fake_advance(h, 70000);
    chat("m");
    went_to(5, first, "m");
    answer_ok(5);
    finish();
}

/* An outage: all fail at once, a fifth of them and ten more are repeated. */
static void repeats_stay_within_their_budget(void)
{
    one((struct aiex_fake_pair[]){
        {"breaker_failures", "0"}, {"breaker_percent", "0"}, {"attempts", "2"}, {0}});
    for (size_t i = 0; i < 100; i++)
        chat("m");
    for (size_t i = 0; i < 100; i++)
        answer_fault(i, &broken);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_FAIL), 70);
    aiex_fake_advance(h, 200);
    for (size_t i = 100; i < 130; i++)
        answer_ok(i);
    CU_ASSERT_PTR_NULL(made(130));
    finish();
}

/* ---- Fallbacks ---- */

static const struct aiex_fake_pair by_reason[] = {{"alias.big", "a/m"},
                                                  {"alias.small", "b/other"},
                                                  {"fallback.big.overloaded", "small"},
                                                  {"fallback.big.context_length", "small"},
                                                  {"fallback.content_filter", "small"},
                                                  {"fallback.big.unavailable", "small"},
                                                  {0}};

static void fallback_by_reason(void)
{
    static const struct fault faults[] = {
        {.code = "busy", .reason = "overloaded"},
        {.code = "busy", .reason = "rate_limit"},
        {.code = "invalid", .reason = "context_length"},
        {.code = "invalid", .reason = "content_filter"},
        {.code = "upstream", .reason = "server"},
        {.code = "unavailable", .reason = "connect"},
        {.code = "timeout", .reason = "timeout"},
    };

    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        uint64_t id;

        two(by_reason);
        id = chat("big");
        went_to(0, first, "m");
        answer_fault(0, &faults[i]);
        went_to(1, second, "other");
        answer_ok(1);
        ended_well(id);
        finish();
    }
    two(by_reason);
    failed((chat("big"), answer_fault(0, &(struct fault){.code = "invalid", .reason = "request"}),
            aiex_fake_last(h, AIEX_FAKE_FAIL)->id),
           "invalid"); /* no reason that anybody named */
    finish();
}

/* A prompt that ends with the assistant's words is taken by one vendor and refused by another: the
 * client must see why its own model did not answer. */
static void a_fallback_that_refuses_a_prefill_says_less(void)
{
    uint64_t id;

    two(by_reason);
    id = chat("big");
    answer_fault(
        0, &(struct fault){
               .code = "busy", .reason = "overloaded", .http_status = 529, .text = "overloaded"});
    went_to(1, second, "other");
    answer_fault(
        1, &(struct fault){
               .code = "invalid", .reason = "request", .http_status = 400, .text = "no prefill"});
    failed(id, "busy");
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "http_status"), 529);
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, id)->text, "overloaded");
    CU_ASSERT_EQUAL(number(aiex_fake_answer(h, id)->body, "attempts"), 2);
    finish();
}

static void fallbacks_do_not_go_in_circles(void)
{
    uint64_t id;

    two((struct aiex_fake_pair[]){{"alias.x", "a/m"},
                                  {"alias.y", "b/m"},
                                  {"fallback.x.overloaded", "y"},
                                  {"fallback.y.overloaded", "x"},
                                  {0}});
    id = chat("x");
    answer_fault(0, &(struct fault){.code = "busy", .reason = "rate_limit"});
    went_to(1, second, "m");
    answer_fault(1, &(struct fault){.code = "busy", .reason = "rate_limit"});
    failed(id, "busy"); /* x was tried */
    CU_ASSERT_PTR_NULL(made(2));
    finish();
}

/* ---- The client ---- */

static void leaving_in_every_phase(void)
{
    uint64_t id;

    /* while the providers are asked */
    world = (struct world){.silent = 1,
                           .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL}}};
    begin(NULL);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, chat("m")), 0);
    finish();
    /* in the queue, in the pause, before and after the first part */
    one((struct aiex_fake_pair[]){{"limit.a", "concurrency=1"}, {0}});
    chat("m");
    id = chat("m");
    CU_ASSERT_EQUAL(status(first, "queued"), 1);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(status(first, "queued"), 0);
    answer_ok(0);
    id = chat("m");
    answer_fault(1, &broken);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    aiex_fake_advance(h, 1000);
    CU_ASSERT_PTR_NULL(made(2));
    id = chat("m");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_last(h, AIEX_FAKE_CANCEL));
    CU_ASSERT_EQUAL(status(first, "in_flight"), 0);
    id = chat("m"); /* the place is free again */
    answer_part(3, "x");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(status(first, "in_flight"), 0);
    chat("m");
    answer_ok(4);
    finish();
}

static void deadlines_end_pauses_and_queues(void)
{
    uint64_t id;

    one((struct aiex_fake_pair[]){{"retry_pause", "5s"}, {"limit.a", "concurrency=1"}, {0}});
    id = ask(&(struct ask){.model = "m", .timeout_ms = 1000});
    answer_fault(0, &broken);
    failed(id, "upstream"); /* the pause would take longer than the client waits */
    chat("m");
    id = ask(&(struct ask){.model = "m", .timeout_ms = 1000});
    aiex_fake_advance(h, 1000);
    failed(id, "busy");
    answer_ok(1);
    finish();
}

/* A whole queue that fails inside call(): one after the other, not one below the other. */
static void a_queue_that_fails_at_once(void)
{
    one((struct aiex_fake_pair[]){{"limit.a", "concurrency=1 queue=5000"}, {0}});
    for (int i = 0; i < 3000; i++)
        chat("m");
    CU_ASSERT_EQUAL(status(first, "queued"), 2999);
    world.providers[0].chat = "invalid";
    answer_ok(0);
    CU_ASSERT_EQUAL(status(first, "queued"), 0);
    CU_ASSERT_EQUAL(status(first, "in_flight"), 0);
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_FAIL), 2999);
    finish();
}

static void no_memory_anywhere(void)
{
    for (size_t n = 1; n < 6; n++) {
        uint64_t id;

        one(NULL);
        aiex_fake_fail_alloc(h, n);
        id = chat("m");
        aiex_fake_fail_alloc(h, 0);
        if (made(0) && !aiex_fake_answer(h, id)) {
            aiex_fake_fail_alloc(h, 1); /* the pause's timer */
            answer_fault(0, &broken);
            aiex_fake_fail_alloc(h, 0);
            failed(id, "internal");
        } else {
            CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(h, id));
        }
        finish();
    }
}

const struct test_case tests[] = {
    {"a_429_goes_elsewhere_and_all_others_stay_away",
     a_429_goes_elsewhere_and_all_others_stay_away},
    {"a_429_of_the_only_provider_is_waited_for", a_429_of_the_only_provider_is_waited_for},
    {"an_older_retry_after_shortens_nothing", an_older_retry_after_shortens_nothing},
    {"a_429_for_ever_reaches_the_client_as_429", a_429_for_ever_reaches_the_client_as_429},
    {"a_long_retry_after_is_told_at_once", a_long_retry_after_is_told_at_once},
    {"what_is_left_is_honoured", what_is_left_is_honoured},
    {"a_500_once_is_repeated_after_a_pause", a_500_once_is_repeated_after_a_pause},
    {"a_503_for_ever_opens_the_breaker", a_503_for_ever_opens_the_breaker},
    {"flapping_opens_probes_closes", flapping_opens_probes_closes},
    {"client_faults_open_no_breaker", client_faults_open_no_breaker},
    {"a_cut_stream_counts_and_is_not_repeated", a_cut_stream_counts_and_is_not_repeated},
    {"slow_calls_count", slow_calls_count},
    {"a_timeout_goes_elsewhere_at_once", a_timeout_goes_elsewhere_at_once},
    {"a_refused_key_rests", a_refused_key_rests},
    {"repeats_stay_within_their_budget", repeats_stay_within_their_budget},
    {"fallback_by_reason", fallback_by_reason},
    {"a_fallback_that_refuses_a_prefill_says_less", a_fallback_that_refuses_a_prefill_says_less},
    {"fallbacks_do_not_go_in_circles", fallbacks_do_not_go_in_circles},
    {"leaving_in_every_phase", leaving_in_every_phase},
    {"deadlines_end_pauses_and_queues", deadlines_end_pauses_and_queues},
    {"a_queue_that_fails_at_once", a_queue_that_fails_at_once},
    {"no_memory_anywhere", no_memory_anywhere},
    {0},
};
