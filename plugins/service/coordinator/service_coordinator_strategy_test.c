/* In which order providers are tried; latency, pauses and the budget of repeats; what errors mean.
 */
#include "fallback.h"
#include "latency.h"
#include "needs.h"
#include "retry.h"
#include "strategy.h"
#include "test.h"

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t lots = 5;

static const char *order(enum strategy s, const struct contender *c, size_t n, uint64_t turn)
{
    static char out[9];
    struct contender copy[8];

    memcpy(copy, c, n * sizeof(*c));
    strategy_order(s, copy, n, turn, &lots);
    for (size_t i = 0; i < n; i++)
        out[i] = (char)('a' + copy[i].at);
    out[n] = 0;
    return out;
}

static void every_strategy(void)
{
    static const struct contender c[] = {
        {.at = 0, .weight = 1, .load = 5, .latency_us = 900, .cost = 30, .local = 0},
        {.at = 1, .weight = 4, .load = 8, .latency_us = 100, .cost = -1, .local = 1},
        {.at = 2, .weight = 1, .load = 5, .latency_us = 0, .cost = 10, .local = 1, .loaded = 1},
    };

    CU_ASSERT_STRING_EQUAL(order(STRATEGY_ORDERED, c, 3, 7), "abc");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_ROUND_ROBIN, c, 3, 0), "abc");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_ROUND_ROBIN, c, 3, 1), "bca");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_ROUND_ROBIN, c, 3, 5), "cab");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_LEAST_LOAD, c, 3, 0), "bac");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_LOWEST_COST, c, 3, 0), "cab");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_LOWEST_LATENCY, c, 3, 0), "cba");
    CU_ASSERT_STRING_EQUAL(order(STRATEGY_AFFINITY, c, 3, 0), "cba");
}

static void lots_follow_the_weights(void)
{
    static const struct contender c[] = {
        {.at = 0, .weight = 1}, {.at = 1, .weight = 3}, {.at = 2, .weight = 0}};
    int first[3] = {0, 0, 0};

    for (int i = 0; i < 8000; i++)
        first[order(STRATEGY_WEIGHTED, c, 3, 0)[0] - 'a']++;
    CU_ASSERT(first[0] > 1700 && first[0] < 2300);
    CU_ASSERT(first[1] > 5700 && first[1] < 6300);
    CU_ASSERT_EQUAL(first[2], 0);
}

static void latency_peaks_and_decays(void)
{
    struct latency l = {.at_ms = 0};

    CU_ASSERT_EQUAL(latency_quantile(&l, 95), 0);
    latency_take(&l, 1000, 100);
    CU_ASSERT_EQUAL(l.ewma_us, 100000);
    latency_take(&l, 2000, 900); /* at once */
    CU_ASSERT_EQUAL(l.ewma_us, 900000);
    latency_take(&l, 12000, 100); /* half after ten seconds */
    CU_ASSERT(l.ewma_us > 490000 && l.ewma_us < 510000);
    for (int i = 0; i < 94; i++)
        latency_take(&l, 13000, 10);
    for (int i = 0; i < 3; i++)
        latency_take(&l, 13000, 5000);
    CU_ASSERT(latency_quantile(&l, 50) >= 10 && latency_quantile(&l, 50) <= 15);
    CU_ASSERT(latency_quantile(&l, 99) >= 5000);
    for (int i = 0; i < 5000; i++)
        latency_take(&l, 14000, 20);
    CU_ASSERT(l.n < 1024);
    CU_ASSERT(latency_quantile(&l, 99) < 30); /* the past is forgotten */
    latency_take(&l, 15000, UINT64_MAX);
    CU_ASSERT(l.ewma_us != 0);
}

static void the_budget_of_repeats(void)
{
    struct retry_budget b;
    int n = 0;

    retry_init(&b, 0);
    while (n < 100 && retry_take(&b, 0))
        n++;
    CU_ASSERT_EQUAL(n, 10);
    for (int i = 0; i < 50; i++)
        retry_request(&b, 20);
    for (n = 0; n < 100 && retry_take(&b, 0);)
        n++;
    CU_ASSERT_EQUAL(n, 10); /* 20 % of 50 */
    CU_ASSERT_EQUAL(retry_take(&b, 999), 0);
    CU_ASSERT_EQUAL(retry_take(&b, 1000), 1);
    CU_ASSERT_EQUAL(retry_take(&b, 1000), 0);
    for (int i = 0; i < 100000; i++)
        retry_request(&b, 1000);
    for (n = 0; n < 1000 && retry_take(&b, 1000);)
        n++;
    CU_ASSERT_EQUAL(n, 100);
}

static void pauses_double_with_jitter(void)
{
    for (unsigned n = 1; n < 12; n++) {
        uint64_t whole = n < 6 ? 100u << (n - 1) : 2000, least = UINT64_MAX, most = 0;

        if (whole > 2000)
            whole = 2000;
        for (int i = 0; i < 500; i++) {
            uint64_t ms = retry_pause_ms(100, n, &lots);

            least = ms < least ? ms : least;
            most = ms > most ? ms : most;
        }
        CU_ASSERT(least >= whole / 2 && most <= whole);
        CU_ASSERT(most - least > whole / 4);
    }
    CU_ASSERT(retry_pause_ms(1, 1, &lots) <= 1);
}

/* One row per fault, as README.md shows them. */
static void verdicts(void)
{
    static const struct {
        const char *code, *reason;
        enum next_step next;
        enum again again;
        enum breaker_outcome outcome;
        enum blame blame;
        enum fallback_class fallback;
    } rows[] = {
        {"invalid", "context_length", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE,
         FALLBACK_CONTEXT_LENGTH},
        {"invalid", "content_filter", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE,
         FALLBACK_CONTENT_FILTER},
        {"invalid", "request", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE, FALLBACK_NONE},
        {"conflict", "", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE, FALLBACK_NONE},
        {"cancelled", "", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE, FALLBACK_NONE},
        {"not_found", "model", NEXT_LISTED, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE,
         FALLBACK_NONE},
        {"denied", "auth", NEXT_ANY, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_KEY, FALLBACK_UNAVAILABLE},
        {"denied", "quota", NEXT_ANY, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_KEY,
         FALLBACK_UNAVAILABLE},
        {"busy", "rate_limit", NEXT_ANY, AGAIN_AFTER_WAIT, OUTCOME_NEUTRAL, BLAME_WAIT,
         FALLBACK_OVERLOADED},
        {"busy", "overloaded", NEXT_ANY, AGAIN_AFTER_PAUSE, OUTCOME_BAD, BLAME_WAIT,
         FALLBACK_OVERLOADED},
        {"upstream", "server", NEXT_ANY, AGAIN_AFTER_PAUSE, OUTCOME_BAD, BLAME_NONE,
         FALLBACK_UNAVAILABLE},
        {"upstream", "stream", NEXT_ANY, AGAIN_AFTER_PAUSE, OUTCOME_BAD, BLAME_NONE,
         FALLBACK_UNAVAILABLE},
        {"timeout", "timeout", NEXT_ANY, AGAIN_NEVER, OUTCOME_BAD, BLAME_NONE,
         FALLBACK_UNAVAILABLE},
        {"unavailable", "connect", NEXT_ANY, AGAIN_AFTER_PAUSE, OUTCOME_BAD, BLAME_NONE,
         FALLBACK_UNAVAILABLE},
        {"crashed", "", NEXT_ANY, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE, FALLBACK_UNAVAILABLE},
        {"internal", "", NEXT_ANY, AGAIN_NEVER, OUTCOME_BAD, BLAME_NONE, FALLBACK_NONE},
        {"a new one", "", NEXT_NONE, AGAIN_NEVER, OUTCOME_NEUTRAL, BLAME_NONE, FALLBACK_NONE},
    };
    static const char *const rising[] = {"unavailable", "not_found", "denied",
                                         "upstream",    "busy",      "invalid"};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verdict v = verdict_of(rows[i].code, rows[i].reason);

        CU_ASSERT_EQUAL(v.next, rows[i].next);
        CU_ASSERT_EQUAL(v.again, rows[i].again);
        CU_ASSERT_EQUAL(v.outcome, rows[i].outcome);
        CU_ASSERT_EQUAL(v.blame, rows[i].blame);
        CU_ASSERT_EQUAL(v.fallback, rows[i].fallback);
        CU_ASSERT(v.offline == OFFLINE_NEVER || v.fallback == FALLBACK_UNAVAILABLE ||
                  v.fallback == FALLBACK_OVERLOADED);
    }
    for (size_t i = 1; i < sizeof(rising) / sizeof(rising[0]); i++)
        CU_ASSERT(verdict_of(rising[i - 1], "").rank < verdict_of(rising[i], "").rank);
}

static void fallbacks(void)
{
    struct alias_table aliases;
    struct fallback_table t;
    struct aiex_error err = {""};
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"slow\tm\n", "the key does not end with a reason"},
        {"other.overloaded\tm\n", "there is no alias 'other'"},
        {"overloaded\t\n", "a target (an alias, MODEL or INSTANCE/MODEL) is missing"},
        {"overloaded\ta b\n", "one target only"},
        {"big.overloaded\tbig\n", "can not be its own fallback"},
    };

    CU_ASSERT_EQUAL_FATAL(alias_parse("big\tx/m\nv1.2\tx/m\n", "", &aliases, &err), 0);
    CU_ASSERT_EQUAL_FATAL(
        fallback_parse("overloaded\tsmall\nbig.overloaded\thuge\nv1.2.unavailable\tx\n", &aliases,
                       &t, &err),
        0);
    CU_ASSERT_STRING_EQUAL(fallback_find(&t, "", FALLBACK_OVERLOADED), "small");
    CU_ASSERT_STRING_EQUAL(fallback_find(&t, "v1.2", FALLBACK_OVERLOADED), "small");
    CU_ASSERT_STRING_EQUAL(fallback_find(&t, "big", FALLBACK_OVERLOADED), "huge");
    CU_ASSERT_STRING_EQUAL(fallback_find(&t, "v1.2", FALLBACK_UNAVAILABLE), "x");
    CU_ASSERT_PTR_NULL(fallback_find(&t, "", FALLBACK_UNAVAILABLE));
    CU_ASSERT_PTR_NULL(fallback_find(&t, "big", FALLBACK_NONE));
    fallback_done(&t);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(fallback_parse(rows[i].text, &aliases, &t, &err), -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            printf("\n'%s' lacks '%s'\n", err.text, rows[i].says);
            CU_FAIL("another sentence");
        }
    }
    alias_done(&aliases);
}

static unsigned needs(const char *dialect, const char *body)
{
    return needs_of((struct aiex_slice){(const uint8_t *)dialect, strlen(dialect)},
                    (struct aiex_slice){(const uint8_t *)body, strlen(body)});
}

static void what_a_body_needs(void)
{
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"messages\":[]}"), 0);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"tools\": [ {} ]}"), NEED_TOOLS);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"tools\" : []}"), 0);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"tools\":null}"), 0);
    CU_ASSERT_EQUAL(
        needs("openai.chat", "{\"messages\":[{\"content\":\"say \\\"tools\\\":[1]\"}]}"), 0);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"content\":[{\"type\":\"image_url\"}]}"), NEED_VISION);
    CU_ASSERT_EQUAL(needs("anthropic.messages", "{\"content\":[{\"type\":\"image\"}]}"),
                    NEED_VISION);
    CU_ASSERT_EQUAL(needs("ollama.chat", "{\"images\":[\"x\"],\"format\":\"json\"}"),
                    NEED_VISION | NEED_JSON);
    CU_ASSERT_EQUAL(needs("openai.completions", "{\"suffix\":\"x\"}"), NEED_FIM);
    CU_ASSERT_EQUAL(needs("openai.completions", "{\"suffix\":\"\"}"), 0);
    CU_ASSERT_EQUAL(needs("openai.embeddings", "{}"), NEED_EMBED);
    CU_ASSERT_EQUAL(needs("openai.chat", ""), 0);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"tools\""), 0);
    CU_ASSERT_EQUAL(needs("openai.chat", "{\"model\":\"tools\",\"a\":[\"functions\"]}"), 0);
}

const struct test_case tests[] = {
    {"every_strategy", every_strategy},
    {"lots_follow_the_weights", lots_follow_the_weights},
    {"latency_peaks_and_decays", latency_peaks_and_decays},
    {"the_budget_of_repeats", the_budget_of_repeats},
    {"pauses_double_with_jitter", pauses_double_with_jitter},
    {"verdicts", verdicts},
    {"fallbacks", fallbacks},
    {"what_a_body_needs", what_a_body_needs},
    {0},
};
