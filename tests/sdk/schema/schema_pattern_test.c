/* Patterns: what matches, what is refused, what is not supported, and that no text makes them slow.
 */
#include "test.h"

#include "pattern.h"

#include <errno.h>
#include <string.h>

static struct pattern p;

static int match(const char *pattern, const char *text)
{
    size_t work = 1 << 20;
    int r = schema_pattern_compile(&p, pattern, strlen(pattern));

    return r < 0 ? r : schema_pattern_match(&p, text, strlen(text), &work);
}

static void test_matches(void)
{
    static const struct {
        const char *pattern, *yes, *no;
    } t[] = {
        {"b", "abc", "ac"},
        {"^b", "bc", "abc"},
        {"b$", "ab", "abc"},
        {"^$", "", "a"},
        {"^a.c$", "axc", "a\nc"},
        {"^a*$", "aaaa", "aab"},
        {"^a+b?$", "aab", "b"},
        {"^(ab|cd|ef)$", "cd", "ad"},
        {"^(a|b|c|d)*$", "abcdabcd", "abce"},
        {"^(|a)b$", "b", "aab"},
        {"^a{3}$", "aaa", "aaaa"},
        {"^a{2,}$", "aaaaa", "a"},
        {"^a{2,3}$", "aaa", "aaaa"},
        {"^a{0}b$", "b", "ab"},
        {"^a{,3}$", "a{,3}", "aa"},
        {"^x{1}{$", "x{", "x"},
        {"^(ab){2,3}$", "abab", "ab"},
        {"^((a|b){2}c){2}$", "abcbac", "abcba"},
        {"^a*?b+?$", "aabb", "aab "},
        {"^[a-c]$", "b", "d"},
        {"^[^a-c]$", "d", "b"},
        {"^[-a]$", "-", "b"},
        {"^[a-]$", "-", "b"},
        {"^[]$", "\x01never", "x"},
        {"^[^]$", "x", ""},
        {"^[\\d_]+$", "1_2", "1a"},
        {"^[\\w-]+$", "a-1", "a b"},
        {"^\\d{4}-\\d{2}-\\d{2}$", "2026-11-21", "2026-1-21"},
        {"^\\D$", "a", "1"},
        {"^\\S+$", "ab", "a b"},
        {"^\\W$", "-", "a"},
        {"^\\s$", "\xe2\x80\x83", "x"},
        {"^.$", "\xf0\x9f\x98\x80", "ab"},
        {"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", "e"},
        {"^\\u00e9$", "\xc3\xa9", "e"},
        {"^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", "x"},
        {"^\\u{1f600}$", "\xf0\x9f\x98\x80", "x"},
        {"^\\x41\\.\\/\\-$", "A./-", "Ax/-"},
        {"^\\t\\n\\cJ$", "\t\n\n", "tnn"},
        {"\\bfoo\\b", "a foo.", "afoo"},
        {"\\Boo", "foo", "oo"},
        {"^(?:a(?<name>b))$", "ab", "a"},
        {"^[\\b]$", "\b", "b"},
        {"^[+\\-*/]$", "-", "a"},
        {"a||b", "xyz", NULL},
        {"^([a-z0-9]+(-[a-z0-9]+)*)$", "a-b-9", "a--b"},
        {"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\\.[a-zA-Z]{2,}$", "x.y@example.org", "x@y"},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        if (t[i].yes[0] != 1 && match(t[i].pattern, t[i].yes) != 1)
            CU_FAIL(t[i].pattern);
        if (t[i].no && match(t[i].pattern, t[i].no) != 0)
            CU_FAIL(t[i].pattern);
        CU_ASSERT_TRUE(p.n_code > 0);
    }
}

static void test_refused(void)
{
    static const char *const wrong[] = {"(",     ")",    "a)",     "(a",          "[a",
                                        "*",     "a|*",  "a**",    "\\",          "[b-a]",
                                        "\\u12", "\\x1", "a{3,2}", "\\u{110000}", "\\u{12"};
    static const char *const unknown[] = {"(?=a)",  "(?!a)",  "(?<=a)b",  "(?<!a)b", "(a)\\1",
                                          "\\p{L}", "\\k<a>", "[\\p{L}]", "(?i)a"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (match(wrong[i], "a") != -EINVAL)
            CU_FAIL(wrong[i]);
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        if (match(unknown[i], "a") != -ENOTSUP)
            CU_FAIL(unknown[i]);
    CU_ASSERT_EQUAL(p.n_code > 0, 1);
}

/* Too large is not supported, and is found out soon. */
static void test_bounds(void)
{
    char deep[500];

    CU_ASSERT_EQUAL(match("a{3000}", "a"), -ENOTSUP);
    CU_ASSERT_EQUAL(match("((((a{99}){99}){99}){99}){99}", "a"), -ENOTSUP);
    CU_ASSERT_EQUAL(match("(((((){99}){99}){99}){99}){99}", "a"), -ENOTSUP);
    memset(deep, '(', 200);
    memset(deep + 200, ')', 200);
    deep[400] = 0;
    CU_ASSERT_EQUAL(match(deep, "a"), -ENOTSUP);
}

/* Patterns that take backtracking matchers exponential time. */
static void test_no_text_is_slow(void)
{
    static const char *const evil[] = {"^(a+)+$",        "^(a|a)*$", "^(a*)*b$",
                                       "^([a-zA-Z]+)*$", "(x+x+)+y", "^(a?){25}a{25}$"};
    char text[5001];
    size_t work;

    memset(text, 'a', 5000);
    text[4999] = '!';
    for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
        CU_ASSERT_EQUAL(schema_pattern_compile(&p, evil[i], strlen(evil[i])), 0);
        work = 5000 * 300;
        CU_ASSERT_EQUAL(schema_pattern_match(&p, text, 5000, &work), 0);
    }
    work = 100;
    CU_ASSERT_EQUAL(schema_pattern_match(&p, text, 5000, &work), -E2BIG);
}

const struct test_case tests[] = {
    {"matches", test_matches},
    {"refused", test_refused},
    {"bounds", test_bounds},
    {"no text is slow", test_no_text_is_slow},
    {0},
};
