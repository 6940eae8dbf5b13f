/* The language of templates: what comes out, what is refused and where, and its bounds. */
#include "syntax.h"
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* a = "A", b = "{{a}}" (values are not templates), no = "", yes = "1", big = 600 KiB. */
static int value(void *arg, const char *name, struct aiex_slice *ret_text, int *ret_true)
{
    static char big[600 << 10];
    static const char *const known[][2] = {{"a", "A"}, {"b", "{{a}}"}, {"no", ""}, {"yes", "1"}};

    for (int i = 0; i < 4; i++)
        if (strcmp(name, known[i][0]) == 0) {
            *ret_text = (struct aiex_slice){(const uint8_t *)known[i][1], strlen(known[i][1])};
            *ret_true = ret_text->len != 0;
            return 1;
        }
    *ret_text = (struct aiex_slice){(const uint8_t *)big, sizeof(big)};
    *ret_true = 1;
    return strcmp(name, "big") == 0;
}

static struct syntax_error error;

static int run(const char *text, struct syntax_output *out)
{
    memset(&error, 0, sizeof(error));
    return syntax_run((struct aiex_slice){(const uint8_t *)text, strlen(text)}, value, NULL, out,
                      &error);
}

static void test_rendered(void)
{
    static const char *const t[][2] = {
        {"", ""},
        {"plain } text { }} with % braces", "plain } text { }} with % braces"},
        {"{{a}}", "A"},
        {"x {{ a }}{{a}} y", "x AA y"},
        {"{{b}}", "{{a}}"},
        {"[{{no}}]", "[]"},
        {"{{#if yes}}Y{{/if}}{{#if no}}N{{/if}}", "Y"},
        {"{{#if no}}N{{else}}E{{/if}}", "E"},
        {"{{#if yes}}Y{{else}}E{{/if}}", "Y"},
        {"{{#if no}}{{#if yes}}1{{else}}2{{/if}}{{else}}{{#if yes}}3{{else}}4{{/if}}{{/if}}", "3"},
        {"{{ #if   yes }}Y{{ /if }}", "Y"},
        /* escapes */
        {"\\{{a}}", "{{a}}"},
        {"\\\\{{a}}", "\\A"},
        {"\\\\\\{{a}}", "\\\\A"},
        {"a\\b \\n {", "a\\b \\n {"},
        {"\\{{{{a}}", "{{A"},
        /* block tags alone on a line take it with them */
        {"1\n{{#if yes}}\n2\n{{/if}}\n3\n", "1\n2\n3\n"},
        {"1\n  {{#if no}}  \n2\n\t{{else}}\r\n4\n{{/if}}\n3", "1\n4\n3"},
        {"{{#if yes}}\n2\n{{/if}}", "2\n"},
        {"x {{#if yes}}\n2\n{{/if}} y", "x \n2\n y"},
        {"{{#if yes}}{{a}}\n{{/if}}\n", "A\n"},
        {"{{a}}\n", "A\n"},
        {"  {{a}}  \n", "  A  \n"},
        {"{{#if no}}\n{{#if yes}}\nx\n{{/if}}\n{{/if}}\nend\n", "end\n"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct syntax_output out;
        int r = run(t[i][0], &out);

        CU_ASSERT_EQUAL(r, 0);
        if (out.len != strlen(t[i][1]) || (out.len && memcmp(out.data, t[i][1], out.len) != 0)) {
            printf("\n  %s -> %.*s\n", t[i][0], (int)out.len, out.data);
            CU_FAIL("see above");
        }
        free(out.data);
    }
}

static void test_refused(void)
{
    static const struct {
        const char *text;
        size_t line, column;
        const char *says;
    } t[] = {
        {"{{c}}", 1, 1, "'c' is not declared"},
        {"ab\ncd {{c}}", 2, 4, "'c' is not declared"},
        {"{{#if no}}{{c}}{{/if}}", 1, 11, "'c' is not declared"}, /* also where it is not shown */
        {"{{#if c}}{{/if}}", 1, 1, "'c' is not declared"},
        {"{{a", 1, 1, "without }}"},
        {"{{}}", 1, 1, "can not be the name"},
        {"{{a b}}", 1, 1, "'a b' can not be the name"},
        {"{{1a}}", 1, 1, "can not be the name"},
        {"{{{a}}}", 1, 1, "can not be the name"},
        {"{{#if}}x{{/if}}", 1, 1, "is no tag"},
        {"{{#if yes}}\n\n", 1, 1, "without {{/if}}"},
        {"x\n{{/if}}", 2, 1, "without an {{#if}}"},
        {"{{else}}", 1, 1, "without an {{#if}}"},
        {"{{#if a}}{{else}}{{else}}{{/if}}", 1, 18, "without an {{#if}}"},
        {"{{#each a}}{{/each}}", 1, 1, "'#each a' is no tag"},
        {"{{/unless}}", 1, 1, "is no tag"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        struct syntax_output out;

        CU_ASSERT_EQUAL(run(t[i].text, NULL), -EINVAL);
        CU_ASSERT_EQUAL(error.line, t[i].line);
        CU_ASSERT_EQUAL(error.column, t[i].column);
        if (!strstr(error.text, t[i].says))
            CU_FAIL(error.text);
        CU_ASSERT_EQUAL(run(t[i].text, &out), -EINVAL);
        free(out.data);
    }
    run("{{c}}", NULL);
    CU_ASSERT_STRING_EQUAL(error.name, "c");
}

static void test_bounds(void)
{
    char text[2000] = "";
    struct syntax_output out;

    for (int i = 0; i < 32; i++)
        strcat(text, "{{#if yes}}");
    for (int i = 0; i < 32; i++)
        strcat(text, "{{/if}}");
    CU_ASSERT_EQUAL(run(text, NULL), 0);
    memmove(text + 11, text, strlen(text) + 1);
    CU_ASSERT_EQUAL(run(text, NULL), -EINVAL);
    CU_ASSERT_EQUAL(error.column, 32 * 11 + 1);
    CU_ASSERT_EQUAL(run("{{big}}{{big}}", &out), -EMSGSIZE);
    free(out.data);
    CU_ASSERT_EQUAL(run("{{big}}", &out), 0);
    CU_ASSERT_EQUAL(out.len, 600u << 10);
    free(out.data);
}

/* Any bytes are text or an error, never a crash; checking and rendering agree. */
static void test_any_bytes(void)
{
    static const char *const bits[] = {"{{",  "}}", "#if ", "/if",         "else",
                                       "yes", "no", "\\",   " ",           "\n",
                                       "x",   "{",  "}",    "{{#if yes}}", "{{/if}}"};

    srand(7);
    for (int i = 0; i < 20000; i++) {
        char text[400] = "";
        struct syntax_output out;
        int r;

        for (int k = rand() % 20; k > 0; k--)
            strcat(text, bits[rand() % 15]);
        r = run(text, NULL);
        CU_ASSERT_EQUAL(run(text, &out), r);
        if (r == 0)
            CU_ASSERT_TRUE(out.len <= strlen(text));
        if (r != 0)
            CU_ASSERT_TRUE(error.line > 0 && error.text[0]);
        free(out.data);
    }
}

const struct test_case tests[] = {
    {"rendered", test_rendered},
    {"refused", test_refused},
    {"bounds", test_bounds},
    {"any bytes", test_any_bytes},
    {0},
};
