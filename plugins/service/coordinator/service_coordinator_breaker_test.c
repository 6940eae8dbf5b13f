/* The circuit breaker: every cell of its table, the window, back-off, probes, and any history. */
#include "breaker.h"
#include "strategy.h"
#include "test.h"

#include <string.h>

static const struct breaker_rules rules = {.failures = 3,
                                           .percent = 50,
                                           .least = 10,
                                           .window_ms = 8000,
                                           .open_ms = 1000,
                                           .open_max_ms = 5000,
                                           .probes = 1};

static int call(struct breaker *b, uint64_t now, enum breaker_outcome outcome)
{
    return breaker_end(b, &rules, now, breaker_begin(b, &rules, now), outcome);
}

static struct breaker opened(uint64_t now)
{
    struct breaker b = {.state = BREAKER_CLOSED};

    for (int i = 0; i < 3; i++)
        call(&b, now, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN);
    return b;
}

static void failures_in_a_row_open_it(void)
{
    struct breaker b = {.state = BREAKER_CLOSED};

    call(&b, 1, OUTCOME_BAD);
    call(&b, 2, OUTCOME_BAD);
    call(&b, 3, OUTCOME_GOOD);
    call(&b, 4, OUTCOME_BAD);
    CU_ASSERT_EQUAL(call(&b, 5, OUTCOME_BAD), 0);
    CU_ASSERT_EQUAL(call(&b, 6, OUTCOME_BAD), 1);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN);
    CU_ASSERT_EQUAL(breaker_wait_ms(&b, 6), 1000);
    CU_ASSERT_EQUAL(breaker_allows(&b, &rules, 1005), 0);
    CU_ASSERT_EQUAL(breaker_allows(&b, &rules, 1006), 1);
    CU_ASSERT_EQUAL(breaker_state(&b, 1006), BREAKER_HALF_OPEN);
}

static void client_faults_never_count(void)
{
    struct breaker b = {.state = BREAKER_CLOSED};

    for (int i = 0; i < 1000; i++)
        CU_ASSERT_EQUAL(call(&b, (uint64_t)i, OUTCOME_NEUTRAL), 0);
    call(&b, 1000, OUTCOME_BAD);
    call(&b, 1000, OUTCOME_NEUTRAL);
    call(&b, 1000, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED);
    call(&b, 1000, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN); /* neutral ones do not break the row either */
}

static void a_share_within_the_window_opens_it(void)
{
    struct breaker b = {.state = BREAKER_CLOSED};

    for (int i = 0; i < 9; i++)
        call(&b, 100, i % 2 ? OUTCOME_BAD : OUTCOME_GOOD);
    CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED); /* nine are too few */
    call(&b, 100, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN); /* five of ten */
    b = (struct breaker){.state = BREAKER_CLOSED};
    for (int i = 0; i < 8; i++)
        call(&b, 100, i % 2 ? OUTCOME_GOOD : OUTCOME_BAD);
    for (int i = 0; i < 2; i++) /* the first eight are forgotten */
        call(&b, 9000, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED);
}

static void half_open_lets_one_probe_through(void)
{
    struct breaker b = opened(0);
    uint32_t probe;

    probe = breaker_begin(&b, &rules, 1000);
    CU_ASSERT(probe != 0);
    CU_ASSERT_EQUAL(breaker_allows(&b, &rules, 1000), 0);
    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 1001, 0, OUTCOME_BAD), 0); /* of before: no voice */
    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 1001, 0, OUTCOME_GOOD), 0);
    CU_ASSERT_EQUAL(b.state, BREAKER_HALF_OPEN);
    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 1002, probe, OUTCOME_NEUTRAL), 0);
    CU_ASSERT_EQUAL(breaker_allows(&b, &rules, 1002), 1); /* the next one may probe */
    probe = breaker_begin(&b, &rules, 1003);
    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 1004, probe, OUTCOME_GOOD), 1);
    CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED);
    call(&b, 1005, OUTCOME_BAD);
    call(&b, 1005, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED); /* it begins anew */
}

static void the_time_doubles_up_to_its_bound(void)
{
    static const uint64_t times[] = {1000, 2000, 4000, 5000, 5000};
    struct breaker b = opened(0);
    uint64_t now = 0;

    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(breaker_wait_ms(&b, now), times[i]);
        now += times[i];
        CU_ASSERT_EQUAL(call(&b, now, OUTCOME_BAD), 1);
    }
    now += 5000;
    call(&b, now, OUTCOME_GOOD);
    for (int i = 0; i < 3; i++)
        call(&b, now, OUTCOME_BAD);
    CU_ASSERT_EQUAL(breaker_wait_ms(&b, now), 1000);
}

static void late_ends_change_nothing(void)
{
    struct breaker b = opened(0);
    uint32_t old;

    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 1, 0, OUTCOME_GOOD), 0);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN);
    old = breaker_begin(&b, &rules, 1000);
    call(&b, 1000, OUTCOME_NEUTRAL);
    breaker_end(&b, &rules, 1001, old, OUTCOME_BAD);
    CU_ASSERT_EQUAL(b.state, BREAKER_OPEN);
    breaker_begin(&b, &rules, 9000);
    CU_ASSERT_EQUAL(breaker_end(&b, &rules, 9001, old, OUTCOME_GOOD), 0); /* a probe of before */
    CU_ASSERT_EQUAL(b.state, BREAKER_HALF_OPEN);
    CU_ASSERT_EQUAL(b.probing, 1);
}

/* Whatever happens: never more probes than allowed, nothing passes an open one, and a provider that
 * is well again is reached again. */
static void any_history(void)
{
    uint64_t state = 1;

    for (int round = 0; round < 200; round++) {
        struct breaker b = {.state = BREAKER_CLOSED};
        struct breaker_rules r = rules;
        uint32_t running[64];
        unsigned n = 0;
        uint64_t now = 0;

        r.probes = 1 + (int64_t)(strategy_random(&state) % 3);
        for (int i = 0; i < 500; i++) {
            now += strategy_random(&state) % 400;
            if (n < 64 && strategy_random(&state) % 2 && breaker_allows(&b, &r, now)) {
                CU_ASSERT(breaker_state(&b, now) != BREAKER_OPEN);
                running[n++] = breaker_begin(&b, &r, now);
                CU_ASSERT(b.probing <= (uint64_t)r.probes);
            } else if (n) {
                unsigned k = (unsigned)(strategy_random(&state) % n);

                breaker_end(&b, &r, now, running[k],
                            (enum breaker_outcome)(strategy_random(&state) % 3));
                running[k] = running[--n];
            }
        }
        while (n)
            breaker_end(&b, &r, now, running[--n], OUTCOME_NEUTRAL);
        now += 5000;
        CU_ASSERT(breaker_allows(&b, &r, now));
        breaker_end(&b, &r, now, breaker_begin(&b, &r, now), OUTCOME_GOOD);
        CU_ASSERT_EQUAL(b.state, BREAKER_CLOSED);
    }
}

const struct test_case tests[] = {
    {"failures_in_a_row_open_it", failures_in_a_row_open_it},
    {"client_faults_never_count", client_faults_never_count},
    {"a_share_within_the_window_opens_it", a_share_within_the_window_opens_it},
    {"half_open_lets_one_probe_through", half_open_lets_one_probe_through},
    {"the_time_doubles_up_to_its_bound", the_time_doubles_up_to_its_bound},
    {"late_ends_change_nothing", late_ends_change_nothing},
    {"any_history", any_history},
    {0},
};
