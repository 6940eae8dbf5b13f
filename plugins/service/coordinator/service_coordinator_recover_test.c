/*
 * service_coordinator when breakers are open: what counts, who waits for the probe, who does not,
 * and that nobody waits for what is dead.
 */
#include "coordinator_rig.h"

#include <stdio.h>
#include <string.h>

static const char *const first = "provider_a", *const second = "provider_b";
static const struct fault busy = {.code = "busy", .reason = "overloaded", .http_status = 529};
static const struct fault away = {.code = "upstream", .reason = "server", .http_status = 503};

static void only_one(const struct aiex_fake_pair *pairs)
{
    world = (struct world){
        .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                      {"provider_offline", "provider_offline", 1, {"aiex-offline"}, NULL}}};
    begin(pairs);
}

/* The only provider fails once, with one call: its breaker is open for three seconds. */
static void opened(const struct aiex_fake_pair *more)
{
    struct aiex_fake_pair pairs[8] = {
        {"breaker_failures", "1"}, {"breaker_open", "3s"}, {"attempts", "1"}, {"queue_time", "1m"}};

    for (size_t i = 0; more && more[i].name; i++)
        pairs[4 + i] = more[i];
    only_one(pairs);
    chat("m");
    answer_fault(0, &away);
    CU_ASSERT_PTR_NULL(made(1));
}

/* The n-th call was made, and it is the last one. */
static void last_call(size_t n, const char *provider)
{
    const struct aiex_fake_record *r = made(n);

    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, provider);
    CU_ASSERT_PTR_NULL(made(n + 1));
}

static void a_retried_request_counts_once(void)
{
    size_t n;

    only_one((struct aiex_fake_pair[]){{"breaker_failures", "3"}, {0}});
    chat("m");
    n = exhaust(0, &busy);
    CU_ASSERT_EQUAL(n, 2); /* three attempts */
    chat("m");
    n = exhaust(n + 1, &away);
    CU_ASSERT_EQUAL(n, 5); /* and three more: none is kept from the provider */
    chat("m");
    last_call(6, first);
    answer_ok(6);
    finish();
}

static void ten_requests_open_it(void)
{
    only_one((struct aiex_fake_pair[]){{"attempts", "1"}, {"breaker_wait", "0s"}, {0}});
    for (size_t i = 0; i < 10; i++) {
        chat("m");
        last_call(i, first);
        answer_fault(i, &away);
    }
    chat("m");
    last_call(10, "provider_offline");
    answer_ok(10);
    finish();
}

static void who_comes_while_it_is_open_waits_for_the_probe(void)
{
    uint64_t ids[3];

    opened(NULL);
    for (size_t i = 0; i < 3; i++)
        ids[i] = chat("m");
    CU_ASSERT_EQUAL(status(first, "queued"), 3);
    aiex_fake_advance(h, 2999);
    CU_ASSERT_PTR_NULL(made(1));
    aiex_fake_advance(h, 1);
    last_call(1, first); /* one probe */
    CU_ASSERT_EQUAL(status(first, "queued"), 2);
    answer_ok(1);
    ended_well(ids[0]);
    answer_ok(2);
    answer_ok(3); /* and then the others */
    ended_well(ids[1]);
    ended_well(ids[2]);
    CU_ASSERT_EQUAL(status(first, "queued"), 0);
    finish();
}

static void when_the_probe_fails_all_give_up(void)
{
    uint64_t later;

    opened(NULL);
    for (size_t i = 0; i < 3; i++)
        chat("m");
    aiex_fake_advance(h, 3000);
    last_call(1, first);
    answer_fault(1, &away); /* the probe's own client gets its error */
    CU_ASSERT_STRING_EQUAL(made(2)->service, "provider_offline");
    CU_ASSERT_STRING_EQUAL(made(3)->service, "provider_offline");
    aiex_fake_advance(h, 4000);
    later = chat("m"); /* two seconds before the next probe: it is dead until it proves well */
    last_call(4, "provider_offline");
    answer_ok(4);
    ended_well(later);
    aiex_fake_advance(h, 2000);
    chat("m");
    last_call(5, first);
    chat("m");
    last_call(6, "provider_offline");
    answer_ok(5); /* closed: the next failure is a first one again */
    chat("m");
    last_call(7, first);
    answer_fault(7, &away);
    chat("m");
    CU_ASSERT_PTR_NULL(made(8));
    CU_ASSERT_EQUAL(status(first, "queued"), 1);
    aiex_fake_advance(h, 3000);
    last_call(8, first);
    answer_ok(8);
    answer_ok(2);
    answer_ok(3);
    answer_ok(6);
    finish();
}

static void a_long_rest_is_not_waited_for(void)
{
    opened((struct aiex_fake_pair[]){{"breaker_wait", "2s"}, {0}});
    chat("m");
    last_call(1, "provider_offline");
    answer_ok(1);
    aiex_fake_advance(h, 1500);
    chat("m"); /* but what is left of it is */
    CU_ASSERT_PTR_NULL(made(2));
    aiex_fake_advance(h, 1500);
    last_call(2, first);
    answer_ok(2);
    finish();
}

static void half_of_the_time_is_for_the_answer(void)
{
    opened(NULL);
    ask(&(struct ask){.model = "m", .timeout_ms = 5900});
    last_call(1, "provider_offline");
    ask(&(struct ask){.model = "m", .timeout_ms = 6100});
    CU_ASSERT_PTR_NULL(made(2));
    aiex_fake_advance(h, 3000);
    last_call(2, first);
    answer_ok(1);
    answer_ok(2);
    finish();
}

static void a_slow_probe_is_not_waited_for_for_ever(void)
{
    opened(NULL);
    chat("m");
    chat("m");
    aiex_fake_advance(h, 3000);
    last_call(1, first);
    aiex_fake_advance(h, 6999);
    CU_ASSERT_PTR_NULL(made(2));
    aiex_fake_advance(h, 1); /* twice breaker_wait */
    last_call(2, "provider_offline");
    answer_ok(1);
    answer_ok(2);
    finish();
}

static void a_probe_that_says_nothing_gives_the_next_one_its_turn(void)
{
    uint64_t probe;

    opened(NULL);
    probe = chat("m");
    chat("m");
    aiex_fake_advance(h, 3000);
    last_call(1, first);
    aiex_fake_cancel(h, probe);
    last_call(2, first);
    answer_fault(2, &(struct fault){.code = "invalid", .reason = "request"});
    chat("m");
    last_call(3, first);
    answer_ok(3);
    finish();
}

static void clients_that_leave_are_forgotten(void)
{
    uint64_t ids[2];

    opened(NULL);
    ids[0] = chat("m");
    ids[1] = chat("m");
    aiex_fake_cancel(h, ids[0]);
    CU_ASSERT_EQUAL(status(first, "queued"), 1);
    aiex_fake_cancel(h, ids[1]);
    CU_ASSERT_EQUAL(status(first, "queued"), 0);
    aiex_fake_advance(h, 60000);
    CU_ASSERT_PTR_NULL(made(1));
    finish();
}

static void they_leave_when_the_provider_goes_down(void)
{
    struct aiex_writer w;
    uint8_t body[128];

    opened(NULL);
    chat("m");
    chat("m");
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "type", "down");
    aiex_w_key_str(&w, "subject", first);
    aiex_fake_event(h, p, self, "provider.health", aiex_written(&w));
    CU_ASSERT_STRING_EQUAL(made(1)->service, "provider_offline");
    last_call(2, "provider_offline");
    answer_ok(1);
    answer_ok(2);
    finish();
}

static void others_and_fallbacks_go_first(void)
{
    world = (struct world){.providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                                         {"provider_b", "provider_openai", 1, {"m", "n"}, NULL}}};
    begin((struct aiex_fake_pair[]){
        {"breaker_failures", "1"}, {"attempts", "1"}, {"fallback.unavailable", "n"}, {0}});
    ask(&(struct ask){.model = "a/m"});
    answer_fault(0, &away);
    went_to(1, second, "n");
    answer_ok(1);
    chat("m");
    went_to(2, second, "m"); /* another one has it */
    answer_ok(2);
    ask(&(struct ask){.model = "a/m"}); /* nobody else, but a fallback */
    went_to(3, second, "n");
    answer_ok(3);
    finish();
}

static void counting_does_not_wait(void)
{
    opened(NULL);
    ask(&(struct ask){.model = "m", .method = "coordinator.count"});
    CU_ASSERT_PTR_NOT_NULL(made(1));
    CU_ASSERT_EQUAL(status(first, "queued"), 0);
    answer_end(1, 5, 0);
    finish();
}

static void its_line_is_bounded(void)
{
    opened((struct aiex_fake_pair[]){{"queue", "2"}, {0}});
    chat("m");
    chat("m");
    chat("m");
    last_call(1, "provider_offline");
    CU_ASSERT_EQUAL(status(first, "queued"), 2);
    answer_ok(1);
    aiex_fake_advance(h, 3000);
    answer_ok(2);
    answer_ok(3);
    finish();
}

static void a_request_that_failed_waits_as_well(void)
{
    uint64_t id;

    only_one((struct aiex_fake_pair[]){{"breaker_failures", "1"}, {"breaker_open", "3s"}, {0}});
    id = chat("m");
    answer_fault(0, &away); /* opens it, and this very request may be the probe */
    aiex_fake_advance(h, 200);
    CU_ASSERT_EQUAL(status(first, "queued"), 1);
    aiex_fake_advance(h, 2800);
    last_call(1, first);
    answer_ok(1);
    ended_well(id);
    finish();
}

/* Whatever can not be had: everybody gets an answer, and nobody waits for a timer that is not. */
static void without_memory_nobody_is_forgotten(void)
{
    for (size_t n = 1; n < 8; n++) {
        uint64_t ids[2];

        opened(NULL);
        ids[0] = chat("m");
        aiex_fake_fail_alloc(h, n);
        ids[1] = chat("m");
        aiex_fake_advance(h, 3000);
        aiex_fake_fail_alloc(h, 0);
        for (size_t k = 1; made(k); k++)
            aiex_fake_answer_ok(h, made(k)->id, NOTHING); /* some were refused at once */
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(h, ids[0]));
        CU_ASSERT_PTR_NOT_NULL(aiex_fake_answer(h, ids[1]));
        CU_ASSERT_EQUAL(status(first, "queued"), 0);
        finish();
    }
}

const struct test_case tests[] = {
    {"a_retried_request_counts_once", a_retried_request_counts_once},
    {"ten_requests_open_it", ten_requests_open_it},
    {"who_comes_while_it_is_open_waits_for_the_probe",
     who_comes_while_it_is_open_waits_for_the_probe},
    {"when_the_probe_fails_all_give_up", when_the_probe_fails_all_give_up},
    {"a_long_rest_is_not_waited_for", a_long_rest_is_not_waited_for},
    {"half_of_the_time_is_for_the_answer", half_of_the_time_is_for_the_answer},
    {"a_slow_probe_is_not_waited_for_for_ever", a_slow_probe_is_not_waited_for_for_ever},
    {"a_probe_that_says_nothing_gives_the_next_one_its_turn",
     a_probe_that_says_nothing_gives_the_next_one_its_turn},
    {"clients_that_leave_are_forgotten", clients_that_leave_are_forgotten},
    {"they_leave_when_the_provider_goes_down", they_leave_when_the_provider_goes_down},
    {"others_and_fallbacks_go_first", others_and_fallbacks_go_first},
    {"counting_does_not_wait", counting_does_not_wait},
    {"its_line_is_bounded", its_line_is_bounded},
    {"a_request_that_failed_waits_as_well", a_request_that_failed_waits_as_well},
    {"without_memory_nobody_is_forgotten", without_memory_nobody_is_forgotten},
    {0},
};
