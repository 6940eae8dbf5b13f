/* http_exposition_test.c - texts of metrics made into one: order, bad lines, bounds. */
#include "test.h"

#include "exposition.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    char text[8192];
    size_t len;
    int fails_at; /* the n-th piece is refused; 0 = none */
};

static int keep(void *arg, const void *bytes, size_t n)
{
    struct kept *k = arg;

    if (k->fails_at && --k->fails_at == 0)
        return -EMSGSIZE;
    if (k->len + n < sizeof(k->text)) {
        memcpy(k->text + k->len, bytes, n);
        k->len += n;
    }
    return 0;
}

static const char *merged(const char *a, const char *b)
{
    static struct kept k;
    struct aiex_slice texts[2] = {{(const uint8_t *)a, strlen(a)},
                                  {(const uint8_t *)b, b ? strlen(b) : 0}};

    memset(&k, 0, sizeof(k));
    CU_ASSERT_EQUAL(exposition_merge(texts, 2, keep, &k), 0);
    return k.text;
}

static void families_come_together(void)
{
    CU_ASSERT_STRING_EQUAL(
        merged("# HELP a A.\n# TYPE a counter\na{p=\"1\"} 1\n# TYPE b gauge\nb 2",
               "# HELP b B.\n# TYPE b counter\nb{q=\"2\"} 3\na 4\n"),
        "# HELP a A.\n# TYPE a counter\na{p=\"1\"} 1\na 4\n"
        "# TYPE b gauge\nb 2\nb{q=\"2\"} 3\n");
}

/* A plugin that has said nothing. */
static void nothing_is_a_text(void)
{
    CU_ASSERT_STRING_EQUAL(merged("a 1\n", NULL), "a 1\n");
    CU_ASSERT_STRING_EQUAL(merged("", NULL), "");
}

static void histograms_stay_whole(void)
{
    static const char text[] = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
                               "h_sum 0.5\nh_count 2\n# TYPE h_count_total counter\n"
                               "h_count_total 1\n";

    CU_ASSERT_STRING_EQUAL(merged(text, ""), text);
}

/* What is no line of the format is left out, and nothing else. */
static void bad_lines_are_left_out(void)
{
    static const char *const bad[] = {
        "a",  "a{",  "a{x=\"1} 2",    "a{x=\"1\"}", "1a 2",    "{} 2", "# HELP", "# TYPE",
        "# ", "a x", "# HELP 1 what", " a 1",       "a\xff 1", "\r",   "a 1;b 2"};
    char text[200];

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        snprintf(text, sizeof(text), "# TYPE a gauge\na 1\n%s\na 2\n", bad[i]);
        CU_ASSERT_STRING_EQUAL(merged(text, "b 1\n"), "# TYPE a gauge\na 1\na 2\nb 1\n");
    }
    CU_ASSERT_STRING_EQUAL(merged("a{x=\"}\\\"\"} NaN\na{x=\"2\"} 1e+06 1700\n", ""),
                           "a{x=\"}\\\"\"} NaN\na{x=\"2\"} 1e+06 1700\n");
}

static void it_is_bounded(void)
{
    char *many = malloc(EXPOSITION_BLOCKS * 2 * 12);
    struct aiex_slice text;
    struct kept k = {.len = 0};
    size_t n = 0, lines = 0;

    CU_ASSERT_PTR_NOT_NULL_FATAL(many);
    for (unsigned i = 0; i < EXPOSITION_BLOCKS * 2; i++)
        n += (size_t)sprintf(many + n, "m%u 1\n", i);
    text = (struct aiex_slice){(const uint8_t *)many, n};
    CU_ASSERT_EQUAL(exposition_merge(&text, 1, keep, &k), 0);
    for (size_t i = 0; i < k.len; i++)
        lines += k.text[i] == '\n';
    CU_ASSERT_TRUE(lines > 500);
    k = (struct kept){.fails_at = 3};
    CU_ASSERT_EQUAL(exposition_merge(&text, 1, keep, &k), -EMSGSIZE);
    free(many);
}

const struct test_case tests[] = {
    {"nothing is a text", nothing_is_a_text},
    {"families_come_together", families_come_together},
    {"histograms_stay_whole", histograms_stay_whole},
    {"bad_lines_are_left_out", bad_lines_are_left_out},
    {"it_is_bounded", it_is_bounded},
    {0},
};
