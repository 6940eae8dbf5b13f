#include "test.h"

#include "config/option.h"
#include "sample.h"

#include <stdlib.h>

#define STRIDE sizeof(struct aiex_option)

static const struct aiex_option *option(const char *name)
{
    return &sample_options[option_find(sample_options, STRIDE, name)];
}

static void parses_every_type(void)
{
    static const struct {
        const char *name, *text;
        int64_t whole;
    } good[] = {
        {"retries", "0", 0},          {"retries", "10", 10},       {"retries", "+7", 7},
        {"timeout", "1000ms", 1000},  {"timeout", "30s", 30000},   {"timeout", "10m", 600000},
        {"verbose", "yes", 1},        {"verbose", "TRUE", 1},      {"verbose", "on", 1},
        {"verbose", "1", 1},          {"verbose", "No", 0},        {"verbose", "false", 0},
        {"verbose", "off", 0},        {"verbose", "0", 0},         {"max_bytes", "1024", 1024},
        {"max_bytes", "64k", 65536},  {"max_bytes", "64K", 65536}, {"max_bytes", "10m", 10 << 20},
        {"max_bytes", "1G", 1 << 30}, {"mode", "fast", 0},         {"mode", "offline", 2}};
    struct option_value v;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_EQUAL_FATAL(option_parse(option(good[i].name), good[i].text, &v, NULL), 0);
        CU_ASSERT_EQUAL(v.whole, good[i].whole);
    }
    CU_ASSERT_EQUAL(option_parse(option("temperature"), "1.25", &v, NULL), 0);
    CU_ASSERT_DOUBLE_EQUAL(v.real, 1.25, 0);
    CU_ASSERT_EQUAL(option_parse(option("model"), "any = text", &v, NULL), 0);
    CU_ASSERT_STRING_EQUAL(v.text, "any = text");
}

static void refuses_with_what_it_expects(void)
{
#define DURATION "': expected a duration such as 500ms, 30s or 2m, from 1s to 10m"
#define INTEGER  "': expected a whole number, from 0 to 10"
#define BYTES    "': expected a size such as 64k, 10M or 1G, from 1k to 1G"
#define HEAT     "': expected a number such as 0.7, from 0 to 2"
#define WORDS    "': expected one of fast, careful, offline"
    static const struct {
        const char *name, *text, *error;
    } bad[] = {
        {"timeout", "30 parsecs", "timeout = '30 parsecs" DURATION},
        {"timeout", "999ms", "timeout = '999ms" DURATION},
        {"timeout", "601s", "timeout = '601s" DURATION},
        {"timeout", "30", "timeout = '30" DURATION},
        {"timeout", "10M", "timeout = '10M" DURATION},
        {"timeout", "-5s", "timeout = '-5s" DURATION},
        {"timeout", "", "timeout = '" DURATION},
        {"timeout", "9223372036854775807d", "timeout = '9223372036854775807d" DURATION},
        {"timeout", "99999999999999999999s", "timeout = '99999999999999999999s" DURATION},
        {"retries", "11", "retries = '11" INTEGER},
        {"retries", "-1", "retries = '-1" INTEGER},
        {"retries", "2.5", "retries = '2.5" INTEGER},
        {"retries", "0x2", "retries = '0x2" INTEGER},
        {"retries", " 2", "retries = ' 2" INTEGER},
        {"max_bytes", "64q", "max_bytes = '64q" BYTES},
        {"max_bytes", "-1k", "max_bytes = '-1k" BYTES},
        {"max_bytes", "2G", "max_bytes = '2G" BYTES},
        {"max_bytes", "1023", "max_bytes = '1023" BYTES},
        {"verbose", "maybe",
         "verbose = 'maybe': expected yes or no (also true, false, on, off, 1, 0)"},
        {"temperature", "nan", "temperature = 'nan" HEAT},
        {"temperature", "0x1p0", "temperature = '0x1p0" HEAT},
        {"temperature", "2.1", "temperature = '2.1" HEAT},
        {"temperature", "1e999", "temperature = '1e999" HEAT},
        {"temperature", "", "temperature = '" HEAT},
        {"mode", "carefull", "mode = 'carefull" WORDS "; did you mean 'careful'?"},
        {"mode", "zzzzzzzz", "mode = 'zzzzzzzz" WORDS},
        {"retries", "a\tb\x1b[31m", "retries = 'a?b?[31m" INTEGER},
    };
    struct option_value v;
    struct aiex_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(option_parse(option(bad[i].name), bad[i].text, &v, &err), -EINVAL);
        CU_ASSERT_STRING_EQUAL(err.text, bad[i].error);
        if (strcmp(err.text, bad[i].error) != 0)
            fprintf(stderr, "\nis       %s\nexpected %s\n", err.text, bad[i].error);
    }
}

static void says_open_limits_and_cuts_long_values(void)
{
    struct aiex_option o = {.name = "n", .type = AIEX_OPT_INT, .min = 5, .max = INT64_MAX};
    struct option_value v;
    struct aiex_error err;
    char text[200];

    CU_ASSERT_EQUAL(option_parse(&o, "4", &v, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "n = '4': expected a whole number, at least 5");
    o.min = INT64_MIN;
    o.max = 9;
    CU_ASSERT_EQUAL(option_parse(&o, "10", &v, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "n = '10': expected a whole number, at most 9");
    memset(text, 'x', sizeof(text));
    memcpy(text + 58, "\xc3\xa9\xe2\x82\xac", 5); /* byte 60 is inside the euro sign */
    text[199] = 0;
    CU_ASSERT_EQUAL(option_parse(&o, text, &v, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "x\xc3\xa9...': expected"));
    o.type = 99;
    CU_ASSERT_EQUAL(option_parse(&o, "1", &v, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "option 'n' has type 99, which this host does not know");
}

static void formats_to_what_it_parses(void)
{
    static const struct {
        const char *name, *text, *canonical;
    } cases[] = {{"timeout", "60000ms", "1m"},   {"timeout", "1500ms", "1500ms"},
                 {"timeout", "90s", "90s"},      {"max_bytes", "1048576", "1M"},
                 {"max_bytes", "1025", "1025"},  {"verbose", "1", "yes"},
                 {"verbose", "off", "no"},       {"retries", "+3", "3"},
                 {"temperature", "0.10", "0.1"}, {"temperature", "1e0", "1"},
                 {"mode", "careful", "careful"}, {"model", "a b", "a b"},
                 {"api_key", "sk-1", "***"},     {"api_key", "", ""}};
    struct option_value v, again;
    struct buf b;

    buf_init(&b, 1000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct aiex_option *o = option(cases[i].name);

        b.len = 0;
        CU_ASSERT_EQUAL_FATAL(option_parse(o, cases[i].text, &v, NULL), 0);
        CU_ASSERT_EQUAL_FATAL(option_format(o, &v, &b), 0);
        CU_ASSERT_STRING_EQUAL((const char *)b.data, cases[i].canonical);
        CU_ASSERT_EQUAL(option_parse(o, (const char *)b.data, &again, NULL), 0);
        CU_ASSERT_EQUAL(again.whole, v.whole);
        CU_ASSERT_DOUBLE_EQUAL(again.real, v.real, 0);
    }
    buf_done(&b);
}

static void builds_a_struct(void)
{
    const struct option_text given[] = {{"model", "big"}, {"retries", "5"}, {"mode", "offline"}};
    struct option_values *values = NULL;
    struct aiex_error err;
    const struct sample_config *c;

    unsetenv("SAMPLE_URL");
    setenv("SAMPLE_KEY", "from-env", 1);
    CU_ASSERT_EQUAL_FATAL(
        option_values_new(sample_options, STRIDE, sizeof(*c), given, 3, &values, &err), 0);
    c = option_values_data(values);
    CU_ASSERT_EQUAL((uintptr_t)c % 16, 0);
    CU_ASSERT_STRING_EQUAL(c->model, "big");
    CU_ASSERT(c->model != given[0].text);
    CU_ASSERT_STRING_EQUAL(c->base_url, "http://localhost");
    CU_ASSERT_STRING_EQUAL(c->api_key, "from-env");
    CU_ASSERT_EQUAL(c->timeout_ms, 30000);
    CU_ASSERT_EQUAL(c->retries, 5);
    CU_ASSERT_EQUAL(c->verbose, 0);
    CU_ASSERT_EQUAL(c->max_bytes, 65536);
    CU_ASSERT_EQUAL(c->mode, 2);
    CU_ASSERT_DOUBLE_EQUAL(c->temperature, 0.7, 0);
    CU_ASSERT_EQUAL(option_read(option("retries"), c).whole, 5);
    option_values_free(values);
    option_values_free(NULL);

    unsetenv("SAMPLE_KEY");
    CU_ASSERT_EQUAL_FATAL(
        option_values_new(sample_options, STRIDE, sizeof(*c), given, 1, &values, &err), 0);
    c = option_values_data(values);
    CU_ASSERT_STRING_EQUAL(c->api_key, ""); /* unset, never NULL */
    option_values_free(values);
}

static void first_error_wins(void)
{
    const struct option_text given[] = {{"retries", "x"}, {"modle", "y"}};
    const struct option_text twice[] = {{"model", "a"}, {"model", "b"}};
    struct option_values *values = NULL;
    struct aiex_error err;

    CU_ASSERT_EQUAL(option_values_new(sample_options, STRIDE, sizeof(struct sample_config), given,
                                      2, &values, &err),
                    -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "retries = 'x': expected a whole number, from 0 to 10");
    CU_ASSERT_EQUAL(option_values_new(sample_options, STRIDE, sizeof(struct sample_config), NULL, 0,
                                      &values, &err),
                    -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "model is required and has no default");
    CU_ASSERT_EQUAL(option_values_new(sample_options, STRIDE, sizeof(struct sample_config), twice,
                                      2, &values, &err),
                    -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "option 'model' is given twice");
    setenv("SAMPLE_URL", "${SAMPLE_URL}", 1); /* what comes out is not expanded again */
    CU_ASSERT_EQUAL_FATAL(option_values_new(sample_options, STRIDE, sizeof(struct sample_config),
                                            twice, 1, &values, &err),
                          0);
    CU_ASSERT_STRING_EQUAL(((const struct sample_config *)option_values_data(values))->base_url,
                           "${SAMPLE_URL}");
    option_values_free(values);
    /* no table, no struct: still an object */
    CU_ASSERT_EQUAL_FATAL(option_values_new(NULL, 0, 0, NULL, 0, &values, &err), 0);
    option_values_free(values);
    unsetenv("SAMPLE_URL");
}

struct seen {
    size_t n, index[8];
    char text[8][512];
};

static void see(void *arg, size_t index, const char *text)
{
    struct seen *s = arg;

    if (s->n < 8) {
        s->index[s->n] = index;
        snprintf(s->text[s->n], sizeof(s->text[0]), "%s", text);
    }
    s->n++;
}

static void check_tells_all(void)
{
    const struct option_text given[] = {
        {"modle", "x"}, {"timeout", "1"}, {"mode", "fast"}, {"sandbx", "on"}, {"qqqq", "1"}};
    static const char *const also[] = {"sandbox", NULL};
    static struct seen s;

    CU_ASSERT_EQUAL(option_check(sample_options, STRIDE, given, 5, also, see, &s), 5);
    CU_ASSERT_EQUAL(s.n, 5);
    CU_ASSERT_EQUAL(s.index[0], 0);
    /* "mode" and "model" are both near; the nearer wins */
    CU_ASSERT_STRING_EQUAL(s.text[0],
                           "unknown option 'modle'; did you mean 'mode'? (options: base_url, "
                           "model, api_key, timeout, retries, verbose, max_bytes, mode, "
                           "temperature)");
    CU_ASSERT_EQUAL(s.index[1], 1);
    CU_ASSERT_EQUAL(s.index[2], 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text[2], "did you mean 'sandbox'?"));
    CU_ASSERT_PTR_NOT_NULL(strstr(s.text[3], "unknown option 'qqqq' (options: base_url, "));
    CU_ASSERT_EQUAL(s.index[4], SIZE_MAX);
    CU_ASSERT_STRING_EQUAL(s.text[4], "model is required and has no default");
    CU_ASSERT_EQUAL(option_check(sample_options, STRIDE, given, 5, NULL, NULL, NULL), 5);
    CU_ASSERT_EQUAL(option_check(NULL, 0, NULL, 0, NULL, see, &s), 0);
}

static void long_lists_are_cut(void)
{
    static char names[100][16];
    struct aiex_option table[101] = {{0}};
    struct aiex_error err;

    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof(names[i]), "option_%05d", i);
        table[i] = (struct aiex_option){.name = names[i], .type = AIEX_OPT_INT};
    }
    option_unknown("zzz", table, STRIDE, NULL, &err);
    CU_ASSERT(strlen(err.text) < sizeof(err.text) - 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, ", ...)"));
}

/* A later minor appends fields: the stride grows, the start stays. */
static void takes_tables_of_later_minors(void)
{
    struct later {
        struct aiex_option known;
        const char *more;
        int64_t unknown;
    } table[3] = {{{"a", "1", "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, "x", 1},
                  {{"b", "two", "", AIEX_OPT_STRING, 0, 0, 0, NULL, 8}, "y", 2},
                  {{0}, NULL, 0}};
    const struct option_text given[] = {{"a", "7"}};
    struct option_values *values = NULL;
    struct aiex_error err;
    const char *b;

    CU_ASSERT_EQUAL_FATAL(
        option_values_new(&table[0].known, sizeof(table[0]), 16, given, 1, &values, &err), 0);
    CU_ASSERT_EQUAL(*(const int64_t *)option_values_data(values), 7);
    memcpy(&b, (const char *)option_values_data(values) + 8, sizeof(b));
    CU_ASSERT_STRING_EQUAL(b, "two");
    option_values_free(values);
    /* an entry shorter than what this host knows reads as zero behind its end */
    CU_ASSERT_EQUAL(option_at(sample_options, offsetof(struct aiex_option, min), 0).max, 0);
}

static void refuses_broken_tables(void)
{
    static const char *const none[] = {NULL};
    static const struct {
        struct aiex_option o;
        size_t stride;
        const char *error;
    } bad[] = {
        {{"a", NULL, "", 9, 0, 0, 0, NULL, 0}, STRIDE, "has type 9"},
        {{"a", NULL, "", 0, 0, 0, 0, NULL, 0}, STRIDE, "has type 0"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 64}, STRIDE, "does not fit"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 60}, STRIDE, "does not fit"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, SIZE_MAX - 7}, STRIDE, "does not fit"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 2, 1, NULL, 0}, STRIDE, "min 2 above max 1"},
        {{"a", "x", "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, STRIDE, "default of option a = 'x'"},
        {{"a", "1", "", AIEX_OPT_INT, AIEX_OPT_REQUIRED, 0, 0, NULL, 0},
         STRIDE,
         "is required and has a default"},
        {{"a", NULL, "", AIEX_OPT_CHOICE, 0, 0, 0, NULL, 0}, STRIDE, "without choices"},
        {{"a", NULL, "", AIEX_OPT_CHOICE, 0, 0, 0, none, 0}, STRIDE, "without choices"},
        {{"A b", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, STRIDE, "option name 'A b'"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, 8, "option_size 8"},
        {{"a", NULL, "", AIEX_OPT_INT, 0, 0, 0, NULL, 0}, STRIDE + 4, "option_size"},
    };
    struct aiex_error err;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aiex_option table[2] = {bad[i].o, {0}};

        CU_ASSERT_EQUAL(option_table_check(table, bad[i].stride, 64, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, bad[i].error));
        if (!strstr(err.text, bad[i].error))
            fprintf(stderr, "\n%s\n", err.text);
    }
    {
        struct aiex_option twice[3] = {sample_options[4], sample_options[4], {0}};

        CU_ASSERT_EQUAL(option_table_check(twice, STRIDE, 64, &err), -EINVAL);
        CU_ASSERT_STRING_EQUAL(err.text, "option 'retries' is in the table twice");
    }
    CU_ASSERT_EQUAL(option_table_check(NULL, 0, OPTION_MAX_CONFIG + 1, &err), -EINVAL);
    CU_ASSERT_EQUAL(option_table_check(NULL, 0, 0, &err), 0);
    CU_ASSERT_EQUAL(option_table_check(sample_options, STRIDE, sizeof(struct sample_config), &err),
                    0);
}

const struct test_case tests[] = {
    {"parses every type", parses_every_type},
    {"refuses with what it expects", refuses_with_what_it_expects},
    {"open limits, long values, unknown type", says_open_limits_and_cuts_long_values},
    {"formats to what it parses", formats_to_what_it_parses},
    {"builds a struct", builds_a_struct},
    {"first error wins", first_error_wins},
    {"check tells all", check_tells_all},
    {"long lists are cut", long_lists_are_cut},
    {"takes tables of later minors", takes_tables_of_later_minors},
    {"refuses broken tables", refuses_broken_tables},
    {0}};
