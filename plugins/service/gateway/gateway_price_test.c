/* Prices of the last second: what is asked for, what is not, and that reservations are the same. */
#include "gateway_rig.h"

#include <stdio.h>
#include <string.h>

static char key[64], id_of_key[16];

/* A gateway with one key that has these limits. */
static void with(const struct limits *limits, const struct aiex_fake_pair *pairs)
{
    begin(pairs);
    snprintf(key, sizeof(key), "%s", make_key(limits, "ann", id_of_key));
}

static void done(size_t n, int64_t cost, int64_t input, int64_t output)
{
    answer_ok(n);
    settle(n, cost, input, output);
}

static size_t prices_asked(void)
{
    size_t n = 0;

    while (aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.price", n))
        n++;
    return n;
}

/* The same reservation as if it had been asked for, and a change of prices within a second. */
static void a_price_is_kept_for_a_second(void)
{
    uint64_t id;

    with(&(struct limits){.budget_day = 10000}, NULL);
    world.price_rates = 1;
    chat(key, 100, 100);
    CU_ASSERT_EQUAL(status("reserved"), 400);
    aiex_fake_advance(h, PRICE_KEPT_MS - 1);
    chat(key, 50, 200);
    CU_ASSERT_EQUAL(status("reserved"), 900);
    CU_ASSERT_EQUAL(prices_asked(), 1);
    id = chat(key, 100, 100000); /* judged by it as by any other */
    CU_ASSERT_EQUAL(number(failed(id, "denied"), "http_status"), 402);
    CU_ASSERT_EQUAL(prices_asked(), 1);
    world.price = 3;
    aiex_fake_advance(h, 1);
    chat(key, 100, 100);
    CU_ASSERT_EQUAL(status("reserved"), 1500);
    CU_ASSERT_EQUAL(prices_asked(), 2);
    for (size_t i = 0; i < 3; i++)
        done(i, 1, 1, 1);
    CU_ASSERT_EQUAL(status("reserved"), 0);
    finish();
}

/* What is not known, and a model of another name, is asked for; what came late is kept as well. */
static void prices_that_are_asked_again(void)
{
    const struct aiex_fake_record *r;
    uint8_t mem[128];
    uint64_t id;

    with(&(struct limits){.budget_day = 10000}, NULL);
    world.price_rates = world.price_unknown = 1;
    chat(key, 100, 100);
    chat(key, 100, 100);
    CU_ASSERT_EQUAL(prices_asked(), 2);
    world.price_unknown = 0;
    world.price_silent = 1;
    id = chat(key, 100, 100);
    r = aiex_fake_find(h, AIEX_FAKE_CALL, "coordinator.price", 2);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    aiex_fake_answer_ok(h, r->id,
                        pack(mem, sizeof(mem), "known", "b", 1, "cost", "i", 200, "input_price",
                             "i", 1000000, "output_price", "i", 1000000, NULL));
    CU_ASSERT(is_open(id));
    CU_ASSERT_EQUAL(status("reserved"), 200);
    chat(key, 100, 100);
    CU_ASSERT_EQUAL(status("reserved"), 400);
    CU_ASSERT_EQUAL(prices_asked(), 3);
    world.price_silent = 0;
    ask("gateway.chat", "credential", "s", key, "dialect", "s", "openai.chat", "model", "s",
        "other", "body", "x", (struct aiex_slice){(const uint8_t *)"{}", 2}, NULL);
    CU_ASSERT_EQUAL(prices_asked(), 4);
    for (size_t i = 0; i < 5; i++)
        done(i, 1, 1, 1);
    finish();
}

/* Rates that no coordinator should say are none. */
static void rates(void)
{
    static const struct {
        int64_t input, output, cost;
    } cases[] = {{0, 0, 0},
                 {1, 0, 1}, /* rounded up */
                 {3000000, 15000000, 3000000 / 1000000 * 10 + 15 * 20},
                 {INT64_MAX, INT64_MAX, 77777}};
    struct aiex_slice model = {(const uint8_t *)"m", 1}, none = {NULL, 0};
    struct prices all = {.rows = {{0}}};
    struct price_rates r;
    uint8_t mem[64];
    char longest[PRICE_MODEL + 1];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        r = price_rates_of(pack(mem, sizeof(mem), "input_price", "I", cases[i].input,
                                "output_price", "I", cases[i].output, NULL));
        CU_ASSERT_EQUAL(r.told, 1);
        CU_ASSERT_EQUAL(price_cost(&r, 10, 20, 77777), cases[i].cost);
    }
    CU_ASSERT_EQUAL(price_rates_of(none).told, 0);
    r = price_rates_of(
        pack(mem, sizeof(mem), "input_price", "i", 1, "output_price", "i", -1, NULL));
    CU_ASSERT_EQUAL(r.told, 0);
    prices_keep(&all, model, &r, 5);
    CU_ASSERT_PTR_NULL(prices_find(&all, model, 5));
    CU_ASSERT_PTR_NULL(prices_find(&all, none, 5));
    r.told = 1;
    prices_keep(&all, model, &r, 5);
    CU_ASSERT_PTR_NOT_NULL(prices_find(&all, model, 5));
    CU_ASSERT_PTR_NULL(prices_find(&all, model, 5 + PRICE_KEPT_MS));
    memset(longest, 'x', sizeof(longest));
    model = (struct aiex_slice){(uint8_t *)longest, PRICE_MODEL};
    prices_keep(&all, model, &r, 5);
    CU_ASSERT_PTR_NOT_NULL(prices_find(&all, model, 5));
    model.len++;
    prices_keep(&all, model, &r, 5);
    CU_ASSERT_PTR_NULL(prices_find(&all, model, 5));
}

const struct test_case tests[] = {
    {"a_price_is_kept_for_a_second", a_price_is_kept_for_a_second},
    {"prices_that_are_asked_again", prices_that_are_asked_again},
    {"rates", rates},
    {0},
};
