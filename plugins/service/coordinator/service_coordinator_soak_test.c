/*
 * service_coordinator under any history: requests, answers, faults, cancels, bills and time in
 * random order. Whatever happened, each request ends once and has one usage record, nothing is left
 * in flight or in a queue, and no memory is left.
 */
#include "coordinator_rig.h"
#include "strategy.h"

#include <string.h>

#define STEPS 220

static uint64_t lots;
static uint64_t asked[STEPS];
static size_t n_asked, n_calls;
static char ended[2048]; /* calls that have their end */

static uint64_t lot(uint64_t n)
{
    return strategy_random(&lots) % n;
}

static void count_calls(void)
{
    while (n_calls < sizeof(ended) && made(n_calls))
        n_calls++;
}

/* A random call that may still be answered, or n_calls. */
static size_t any_call(void)
{
    size_t from;

    count_calls();
    if (n_calls == 0)
        return 0;
    from = lot(n_calls);
    for (size_t i = 0; i < n_calls; i++)
        if (!ended[(from + i) % n_calls])
            return (from + i) % n_calls;
    return n_calls;
}

static void new_request(void)
{
    static const char *const models[] = {"m", "fast", "spread", "hedged", "nobody", "b/m"};
    static const char *const bodies[] = {"{\"a\":1}", "{\"a\":2}"};
    static const char *const keys[] = {"k1", "k2"};

    int embeds = lot(6) == 0;

    asked[n_asked++] = ask(&(struct ask){.method = embeds ? "coordinator.embed" : NULL,
                                         .dialect = embeds ? "openai.embeddings" : NULL,
                                         .model = models[lot(6)],
                                         .body = bodies[lot(2)],
                                         .key = keys[lot(2)],
                                         .cache = lot(3) ? "off" : "on",
                                         .priority = (int)lot(3),
                                         .unary = (int)lot(2)});
}

static void end_call(size_t n)
{
    static const char *const codes[] = {"upstream",    "busy",    "timeout",  "invalid",
                                        "unavailable", "crashed", "not_found"};
    struct aiex_writer w;
    uint8_t body[64];

    ended[n] = 1;
    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "input_tokens", 1);
    aiex_w_key_str(&w, "finish", "stop");
    if (lot(2))
        aiex_fake_answer_ok(h, made(n)->id, aiex_written(&w)); /* -ENOENT: it was cancelled */
    else
        aiex_fake_answer_error(h, made(n)->id, codes[lot(7)],
                               "this provider does not have that method", (uint32_t)lot(3000),
                               aiex_written(&w));
}

static void one_step(void)
{
    size_t n = any_call();

    switch (lot(8)) {
    case 0:
    case 1:
    case 2:
        new_request();
        break;
    case 3:
        if (n < n_calls)
            aiex_fake_answer_part(h, made(n)->id, (struct aiex_slice){(const uint8_t *)"part", 4});
        break;
    case 4:
        aiex_fake_advance(h, lot(800));
        break;
    case 5:
        if (n_asked && lot(3) == 0)
            aiex_fake_cancel(h, asked[lot(n_asked)]);
        else if (n_calls)
            bill(lot(n_calls), 5, 5);
        break;
    default:
        if (n < n_calls)
            end_call(n);
    }
}

static void settle_all(void)
{
    for (int i = 0; i < 400; i++) {
        size_t n = any_call();

        if (n < n_calls)
            end_call(n);
        else
            aiex_fake_advance(h, 1000);
    }
}

static int was_cancelled(uint64_t id)
{
    return aiex_fake_cancel(h, id) != 0 && !aiex_fake_answer(h, id);
}

static void any_history(void)
{
    for (uint64_t round = 1; round <= 60; round++) {
        size_t records = 0;

        lots = round * 7919;
        n_asked = n_calls = 0;
        memset(ended, 0, sizeof(ended));
        world = (struct world){
            .providers = {{"provider_a", "provider_openai", 1, {"m"}, NULL},
                          {"provider_b", "provider_openai", 1, {"m"}, NULL},
                          {"provider_offline", "provider_offline", 1, {"x"}, NULL}}};
        begin((struct aiex_fake_pair[]){{"alias.fast", "a/m, b/m"},
                                        {"alias.spread", "a/m weight=2, b/m"},
                                        {"strategy.spread", "weighted"},
                                        {"alias.hedged", "b/m, a/m | hedge=100ms"},
                                        {"fallback.fast.unavailable", "spread"},
                                        {"limit.a", "concurrency=3 queue=4"},
                                        {"limit.b", "rpm=60 concurrency=2"},
                                        {"breaker_failures", "4"},
                                        {"breaker_open", "1s"},
                                        {"cache_ttl", "2s"},
                                        {0}});
        while (n_asked < STEPS * 3 / 4)
            one_step();
        settle_all();
        for (size_t i = 0; i < n_asked; i++)
            CU_ASSERT(aiex_fake_answer(h, asked[i]) != NULL || was_cancelled(asked[i]));
        aiex_fake_advance(h, 10000); /* bills that never came */
        while (record_of(records))
            records++;
        CU_ASSERT_EQUAL(records, n_asked);
        CU_ASSERT_EQUAL(status("provider_a", "in_flight"), 0);
        CU_ASSERT_EQUAL(status("provider_b", "in_flight"), 0);
        CU_ASSERT_EQUAL(status("provider_a", "queued"), 0);
        CU_ASSERT_EQUAL(status("provider_b", "queued"), 0);
        finish();
    }
}

const struct test_case tests[] = {{"any_history", any_history}, {0}};
