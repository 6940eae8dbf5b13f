/* The grammar of alias.* and strategy.*, its faults, and what conditions hold. */
#include "alias.h"
#include "needs.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <string.h>

static struct alias_table t;
static struct aiex_error err;

static int parse(const char *aliases, const char *strategies)
{
    err.text[0] = 0;
    return alias_parse(aliases, strategies, &t, &err);
}

static void targets_weights_settings(void)
{
    const struct alias *a;

    CU_ASSERT_EQUAL_FATAL(
        parse("fast\tollama/qwen2.5-coder , openai/gpt-4o-mini weight=3 | hedge=p95 first_token=2s "
              "attempts=2 cache=on validate=json idle=500ms total=1m\n"
              "one\tm\n",
              "fast\taffinity\n"),
        0);
    CU_ASSERT_EQUAL(t.n, 2);
    a = alias_find(&t, "fast");
    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    CU_ASSERT_EQUAL(a->n, 2);
    CU_ASSERT_STRING_EQUAL(a->targets[0].model, "ollama/qwen2.5-coder");
    CU_ASSERT_EQUAL(a->targets[0].weight, 1);
    CU_ASSERT_EQUAL(a->targets[1].weight, 3);
    CU_ASSERT_EQUAL(a->strategy, STRATEGY_AFFINITY);
    CU_ASSERT(a->has_strategy);
    CU_ASSERT_EQUAL(a->settings.hedge.kind, HEDGE_QUANTILE);
    CU_ASSERT_EQUAL(a->settings.hedge.value, 95);
    CU_ASSERT_EQUAL(a->settings.first_token_ms, 2000);
    CU_ASSERT_EQUAL(a->settings.idle_ms, 500);
    CU_ASSERT_EQUAL(a->settings.total_ms, 60000);
    CU_ASSERT_EQUAL(a->settings.attempts, 2);
    CU_ASSERT_EQUAL(a->settings.cache, 1);
    CU_ASSERT_EQUAL(a->settings.validate, VALIDATE_JSON);
    a = alias_find(&t, "one");
    CU_ASSERT_EQUAL(a->has_strategy, 0);
    CU_ASSERT_EQUAL(a->settings.cache, -1);
    CU_ASSERT_EQUAL(a->settings.hedge.kind, HEDGE_UNSET);
    CU_ASSERT_PTR_NULL(alias_find(&t, "two"));
    alias_done(&t);
}

static int fits(const char *conditions, const struct asked *a)
{
    char text[256] = "a\tm if ";
    int r;

    strcat(text, conditions);
    CU_ASSERT_EQUAL_FATAL(parse(text, ""), 0);
    r = alias_target_fits(&t.list[0].targets[0], a);
    alias_done(&t);
    return r;
}

static void conditions(void)
{
    struct asked a = {.needs = NEED_TOOLS | NEED_VISION, .stream = 1, .context = 100000};
    struct aiex_writer w;
    uint8_t mem[64];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "tier", "gold");
    a.tags = aiex_written(&w);
    CU_ASSERT(fits("tools", &a));
    CU_ASSERT(fits("tools and vision and stream", &a));
    CU_ASSERT(!fits("tools and json", &a));
    CU_ASSERT(fits("not json", &a));
    CU_ASSERT(!fits("not tools", &a));
    CU_ASSERT(!fits("context>100k", &a));
    CU_ASSERT(fits("context>=100k", &a));
    CU_ASSERT(fits("context <= 100000", &a));
    CU_ASSERT(!fits("context<100k", &a));
    CU_ASSERT(fits("context>99999 and context<100001", &a));
    CU_ASSERT(fits("tag:tier=gold", &a));
    CU_ASSERT(!fits("tag:tier=silver", &a));
    CU_ASSERT(fits("not tag:other=x", &a));
    CU_ASSERT(!fits("fim", &a) && !fits("embeddings", &a));
    a.context = -1;
    CU_ASSERT(fits("context<10", &a));
    CU_ASSERT_EQUAL_FATAL(parse("a\tm if tools\nb\tm if not context>9\n", ""), 0);
    CU_ASSERT_EQUAL(alias_wants_context(&t.list[0]), 0);
    CU_ASSERT_EQUAL(alias_wants_context(&t.list[1]), 1);
    alias_done(&t);
}

static void faults_say_where_and_what_to_do(void)
{
    static const struct {
        const char *aliases, *strategies, *says;
    } rows[] = {
        {"a\t\n", "", "column 1: a target is missing; write INSTANCE/MODEL"},
        {"a\tm,\n", "", "column 3: a target (INSTANCE/MODEL or MODEL) is missing here"},
        {"a\tm wei=3\n", "", "column 3: 'wei' is not understood; behind a target come weight=N"},
        {"a\tm weight=x\n", "", "column 10: 'x' is no number for weight"},
        {"a\tm weight=3 if\n", "", "'' is no condition; write context>N"},
        {"a\tm if toolz\n", "", "column 6: 'toolz' is no condition"},
        {"a\tm if context=3\n", "", "'context' is to be compared"},
        {"a\tm if context>many\n", "", "column 14: 'many' is no number for context"},
        {"a\tm if tag:x\n", "", "'=' and a value are missing behind the tag"},
        {"a\tm if tools and tools and tools and tools and tools\n", "", "more than 4 conditions"},
        {"a\tm | hedge\n", "", "settings are NAME=VALUE"},
        {"a\tm | hedge=p4\n", "", "hedge=p may be from 50 to 99"},
        {"a\tm | hedge=soon\n", "", "'soon' is no time for hedge"},
        {"a\tm | first_token=5\n", "",
         "'5' is no time for first_token; write a number with ms, s, m or h"},
        {"a\tm | wat=5\n", "", "'wat' is no setting"},
        {"a\tm | cache=maybe\n", "", "'maybe' is no choice for cache"},
        {"a\tx/\n", "", "'x/' is half a target"},
        {"a\tb\nb\tm\n", "", "alias.a = 'b': 'b' is an alias; aliases do not nest"},
        {"a\tm\n", "b\tordered\n", "strategy.b = 'ordered': there is no alias of that name"},
        {"a\tm\n", "a\tbest\n", "column 1: that is no strategy; write ordered, weighted"},
        {"a\tm | x", "", "settings are NAME=VALUE"},
        {"\tm\n", "", "the name of an alias has 1 to 64 bytes"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t n = 0;

        CU_ASSERT_EQUAL(parse(rows[i].aliases, rows[i].strategies), -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            printf("\n'%s' lacks '%s'\n", err.text, rows[i].says);
            CU_FAIL("another sentence");
        }
        n = strlen(err.text);
        CU_ASSERT(n > 0 && err.text[n - 1] != '.');
    }
}

static void an_alias_may_be_named_like_its_model(void)
{
    CU_ASSERT_EQUAL_FATAL(parse("gpt\tgpt, openai/gpt\n", ""), 0);
    CU_ASSERT_STRING_EQUAL(t.list[0].targets[0].model, "gpt");
    alias_done(&t);
}

static void any_bytes_are_survived(void)
{
    static const char letters[] = "am/ ,|=if<>:not\twcontext5k%\n\r\"";
    uint64_t state = 7;

    for (int round = 0; round < 3000; round++) {
        char text[64];
        size_t n = strategy_random(&state) % (sizeof(text) - 1);

        for (size_t i = 0; i < n; i++)
            text[i] = letters[strategy_random(&state) % (sizeof(letters) - 1)];
        text[n] = 0;
        err.text[0] = 0;
        if (alias_parse(text, "", &t, &err) == 0)
            alias_done(&t);
        else
            CU_ASSERT(err.text[0] != 0);
    }
}

const struct test_case tests[] = {
    {"targets_weights_settings", targets_weights_settings},
    {"conditions", conditions},
    {"faults_say_where_and_what_to_do", faults_say_where_and_what_to_do},
    {"an_alias_may_be_named_like_its_model", an_alias_may_be_named_like_its_model},
    {"any_bytes_are_survived", any_bytes_are_survived},
    {0},
};
