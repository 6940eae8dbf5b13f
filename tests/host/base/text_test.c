/* text_test.c - names, nearest words, characters, and the two clocks' text. */
#include "base/clock.h"
#include "base/text.h"
#include "test.h"

#include <string.h>

static void test_distance(void)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } rows[] = {
        {"", "", 0},     {"abc", "abc", 0},        {"abc", "ABC", 0},
        {"abc", "", 3},  {"kitten", "sitting", 3}, {"timeout", "timout", 1},
        {"ab", "ba", 2}, {"restart", "start", 2},
    };
    char wide[80];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(text_distance(rows[i].a, rows[i].b, 10), rows[i].distance);
        CU_ASSERT_EQUAL(text_distance(rows[i].b, rows[i].a, 10), rows[i].distance);
    }
    CU_ASSERT_EQUAL(text_distance("kitten", "sitting", 2), 3); /* limit + 1 */
    CU_ASSERT_EQUAL(text_distance("aaaaaaaa", "bbbbbbbb", 2), 3);
    memset(wide, 'x', 79);
    wide[79] = 0;
    CU_ASSERT_EQUAL(text_distance(wide, wide, 5), 6); /* too long to compare */
    wide[64] = 0;
    CU_ASSERT_EQUAL(text_distance(wide, wide, 5), 0);
}

static void test_nearest(void)
{
    static const char *const list[] = {"timeout_ms", "restart", "sandbox", "group", NULL};
    static const char *const none[] = {NULL};

    CU_ASSERT_STRING_EQUAL(text_nearest("sandbx", list), "sandbox");
    CU_ASSERT_STRING_EQUAL(text_nearest("timeout", list), "timeout_ms");
    CU_ASSERT_STRING_EQUAL(text_nearest("GROUP", list), "group");
    CU_ASSERT_PTR_NULL(text_nearest("elephants", list));
    CU_ASSERT_PTR_NULL(text_nearest("sandbox", none));
    CU_ASSERT_PTR_NULL(text_nearest("", list));
}

static void test_names(void)
{
    static const char *const good[] = {"a", "9", "provider_openai:work", "a.b-c_d:e#1", "A"};
    static const char *const bad[] = {"",    "_a",  ".a",  "-a",       ":",    "#1",
                                      "a b", "a/b", "a\n", "\xc3\xa4", "a\x80"};
    char wide[65];

    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT_EQUAL(text_is_name(good[i]), 1);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(text_is_name(bad[i]), 0);
    memset(wide, 'x', 64);
    wide[64] = 0;
    CU_ASSERT_EQUAL(text_is_name(wide), 0);
    wide[63] = 0;
    CU_ASSERT_EQUAL(text_is_name(wide), 1);
}

static void test_utf8(void)
{
    static const struct {
        const char *text;
        size_t n;
    } rows[] = {
        {"a", 1},
        {"", 1},
        {"\xc3\xa4", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x98\x80", 4},
        {"\x80", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xc3", 0},
        {"\xc3(", 0},
        {"\xe2\x82", 0},
        {"\xe0\x80\x80", 0},
        {"\xed\xa0\x80", 0},
        {"\xed\x9f\xbf", 3},
        {"\xf0\x80\x80\x80", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xf0\x9f\x98", 0},
    };

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(text_utf8(rows[i].text), rows[i].n);
}

static void test_iso(void)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {1582934400999, "2020-02-29T00:00:00.999Z"},
        {4102444799999, "2099-12-31T23:59:59.999Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000, "1969-12-31T23:59:59.000Z"},
        {-86400001, "1969-12-30T23:59:59.999Z"},
    };
    char text[25];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        clock_iso(rows[i].ms, text);
        CU_ASSERT_STRING_EQUAL(text, rows[i].text);
    }
    /* far away it is cut, never longer */
    clock_iso(INT64_MAX, text);
    CU_ASSERT(strlen(text) <= 24);
    clock_iso(INT64_MIN, text);
    CU_ASSERT(strlen(text) <= 24);
}

static void test_clocks(void)
{
    uint64_t a = clock_ns(), b = clock_ns();

    CU_ASSERT(b >= a);
    CU_ASSERT(clock_ms() >= a / 1000000);
    CU_ASSERT(clock_wall_ms() > 1600000000000);
}

const struct test_case tests[] = {
    {"distance", test_distance},
    {"nearest", test_nearest},
    {"names", test_names},
    {"utf8", test_utf8},
    {"iso", test_iso},
    {"clocks", test_clocks},
    {0},
};
