/* Prices: patterns, precedence, faults, classes of tokens, and that a cost never vanishes. */
#include "price.h"
#include "pattern.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct price_table t;

static void load(const char *text)
{
    struct aiex_error err = {""};

    if (price_parse(text, &t, &err) != 0)
        CU_FAIL_FATAL(err.text);
}

static void patterns(void)
{
    CU_ASSERT(pattern_fits("gpt-4o*", "gpt-4o") && pattern_fits("gpt-4o*", "gpt-4o-mini"));
    CU_ASSERT(pattern_fits("*", "") && pattern_fits("*b*c", "abxcbc") &&
              !pattern_fits("*b*c", "abxcb"));
    CU_ASSERT(!pattern_fits("gpt", "gpt-4") && !pattern_fits("", "a") && pattern_fits("", ""));
    CU_ASSERT(pattern_fits("qwen.7b", "qwen:7b"));
    CU_ASSERT_EQUAL(pattern_fits_instance("openai", "provider_openai"), 2);
    CU_ASSERT_EQUAL(pattern_fits_instance("provider_openai", "provider_openai:work"), 1);
    CU_ASSERT_EQUAL(pattern_fits_instance("openai.work", "provider_openai:work"), 2);
    CU_ASSERT_EQUAL(pattern_fits_instance("openai.home", "provider_openai:work"), 0);
}

static int64_t cost(const char *provider, const char *model, struct price_tokens used,
                    enum price_kind *kind)
{
    return price_cost(price_find(&t, provider, model), &used, kind);
}

static void the_closest_rule_wins(void)
{
    enum price_kind kind;
    struct price_tokens million = {.input = 1000000};

    load("*\tinput=9\n"
         "gpt-4o*\tinput=2.50 output=10\n"
         "gpt-4o-mini*\tinput=0.15 output=0.6\n"
         "ollama/*\tfree\n"
         "openai.work/gpt-4o*\tinput=1\n"
         "meta-llama/Llama*\tinput=0.5\n");
    CU_ASSERT_EQUAL(cost("provider_openai", "gpt-4o", million, &kind), 2500000);
    CU_ASSERT_EQUAL(cost("provider_openai", "gpt-4o-mini", million, &kind), 150000);
    CU_ASSERT_EQUAL(cost("provider_openai:work", "gpt-4o", million, &kind), 1000000);
    CU_ASSERT_EQUAL(cost("provider_x", "meta-llama/Llama-3", million, &kind), 500000);
    CU_ASSERT_EQUAL(cost("provider_x", "else", million, &kind), 9000000);
    CU_ASSERT_EQUAL(kind, PRICE_KNOWN);
    CU_ASSERT_EQUAL(cost("provider_ollama", "gpt-4o", million, &kind), 0);
    CU_ASSERT_EQUAL(kind, PRICE_FREE);
    price_done(&t);
    load("");
    CU_ASSERT_EQUAL(cost("provider_openai", "gpt-4o", million, &kind), 0);
    CU_ASSERT_EQUAL(kind, PRICE_UNKNOWN);
}

static void one_line_for_many(void)
{
    enum price_kind kind;
    struct price_tokens million = {.input = 1000000};

    load("openai\tfor=gpt-4o*, openai.work/gpt-4o*,azure/* input=2.50 output=10\n"
         "local\tfor=ollama/*,lmstudio/* free\n");
    CU_ASSERT_EQUAL(t.n, 5);
    CU_ASSERT_EQUAL(cost("provider_openai", "gpt-4o-x", million, &kind), 2500000);
    CU_ASSERT_EQUAL(cost("provider_azure", "any", million, &kind), 2500000);
    cost("provider_lmstudio", "any", million, &kind);
    CU_ASSERT_EQUAL(kind, PRICE_FREE);
    cost("provider_openai", "openai", million, &kind);
    CU_ASSERT_EQUAL(kind, PRICE_UNKNOWN); /* the key is a name only */
    price_done(&t);
}

static void classes_of_tokens(void)
{
    enum price_kind kind;

    load("m\tinput=3 cached=0.30 cache_write=3.75 output=15\nn\tinput=2\n");
    CU_ASSERT_EQUAL(
        cost("", "m", (struct price_tokens){1000, 100, 600, 300}, &kind),
        (100 * INT64_C(3000000) + 600 * 300000 + 300 * 3750000 + 100 * 15000000 + 999999) /
            1000000);
    CU_ASSERT_EQUAL(cost("", "n", (struct price_tokens){1000, 0, 600, 300}, &kind), 2000);
    CU_ASSERT_EQUAL(cost("", "m", (struct price_tokens){1, 0, 1, 0}, &kind), 1); /* rounded up */
    CU_ASSERT_EQUAL(cost("", "m", (struct price_tokens){-1, -1, -1, -1}, &kind), 0);
    /* nonsense of a vendor: more cached than there were */
    CU_ASSERT_EQUAL(cost("", "m", (struct price_tokens){100, 0, 500, 500}, &kind), 30);
    CU_ASSERT(cost("", "m", (struct price_tokens){INT64_MAX, INT64_MAX, 0, 0}, &kind) > 0);
    price_done(&t);
}

static void faults(void)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"m\t\n", "'input=' is missing"},
        {"m\tinput\n", "'=' and dollars per million tokens are missing"},
        {"m\tinput=cheap\n", "column 7: 'cheap' is no amount for input"},
        {"m\tinput=1.2345678\n", "at most 6 places"},
        {"m\tinput=1 input=2\n", "'input' is there twice"},
        {"m\tinput=1 tokens=2\n", "column 9: 'tokens' is no class of tokens"},
        {"m\toutput=2\n", "'input=' is missing"},
        {"x/\tfree\n", "the key is no model"},
        {"x\tfor=a/ free\n", "column 5: 'a/' is no model"},
        {"x\tfor=a, free\n", "'input=' is missing"},
        {"x\tfor=a\n", "'input=' is missing"},
        {"x\tfor= \n", "'' is no model"},
        {"m\tfree input=2\n", "'free' is no class of tokens"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct aiex_error err = {""};

        CU_ASSERT_EQUAL(price_parse(rows[i].text, &t, &err), -EINVAL);
        if (!strstr(err.text, rows[i].says)) {
            printf("\n'%s' lacks '%s'\n", err.text, rows[i].says);
            CU_FAIL("another sentence");
        }
    }
}

const struct test_case tests[] = {
    {"patterns", patterns},
    {"the_closest_rule_wins", the_closest_rule_wins},
    {"one_line_for_many", one_line_for_many},
    {"classes_of_tokens", classes_of_tokens},
    {"faults", faults},
    {0},
};
