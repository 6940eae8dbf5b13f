/* topic_test.c - which topics and patterns there are, and what falls under them. */
#include "base/topic.h"
#include "test.h"

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void test_topics(void)
{
    static const struct {
        const char *text;
        int topic, pattern;
    } rows[] = {
        {"", 0, 0},     {"a", 1, 1},        {"a.b", 1, 1},   {"a.*", 0, 1}, {"*", 0, 1},
        {"a*", 0, 0},   {"*.a", 0, 0},      {"a.*.b", 0, 0}, {"a b", 0, 0}, {"a\nb", 0, 0},
        {"a..b", 0, 0}, {".a", 0, 0},       {"a.", 0, 0},    {".", 0, 0},   {"A_9-z", 1, 1},
        {"a/b", 0, 0},  {"\xc3\xa4", 0, 0}, {"a.**", 0, 0},  {".*", 0, 0},
    };
    char name[80];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (topic_valid(rows[i].text, 0) != rows[i].topic ||
            topic_valid(rows[i].text, 1) != rows[i].pattern)
            printf("'%s' ", rows[i].text);
        CU_ASSERT_EQUAL(topic_valid(rows[i].text, 0), rows[i].topic);
        CU_ASSERT_EQUAL(topic_valid(rows[i].text, 1), rows[i].pattern);
    }
    memset(name, 'x', sizeof(name));
    name[AIEX_MAX_NAME + 1] = 0;
    CU_ASSERT_EQUAL(topic_valid(name, 0), 0);
    name[AIEX_MAX_NAME] = 0;
    CU_ASSERT_EQUAL(topic_valid(name, 0), 1);
}

static void test_matching(void)
{
    CU_ASSERT(topic_matches("a.b", "a.b"));
    CU_ASSERT(!topic_matches("a.b", "a.bc"));
    CU_ASSERT(!topic_matches("a.b", "a"));
    CU_ASSERT(topic_matches("a.*", "a.b"));
    CU_ASSERT(topic_matches("a.*", "a.b.c"));
    CU_ASSERT(!topic_matches("a.*", "a"));
    CU_ASSERT(!topic_matches("a.*", "ab.c"));
    CU_ASSERT(topic_matches("*", "x.y"));
}

static void test_lists(void)
{
    const char *at = " a.b,c.* ,\tx", *bad = "good, not/good, x", *none = " , ";
    char topic[TOPIC_BYTES], longer[TOPIC_BYTES + 10];
    const char *rest = longer;

    CU_ASSERT_EQUAL(topic_next(&at, topic), 1);
    CU_ASSERT_STRING_EQUAL(topic, "a.b");
    CU_ASSERT_EQUAL(topic_next(&at, topic), 1);
    CU_ASSERT_STRING_EQUAL(topic, "c.*");
    CU_ASSERT_EQUAL(topic_next(&at, topic), 1);
    CU_ASSERT_STRING_EQUAL(topic, "x");
    CU_ASSERT_EQUAL(topic_next(&at, topic), 0);
    CU_ASSERT_EQUAL(topic_next(&none, topic), 0);
    CU_ASSERT_EQUAL(topic_next(&bad, topic), 1);
    CU_ASSERT_EQUAL(topic_next(&bad, topic), -EINVAL);
    CU_ASSERT_STRING_EQUAL(bad, "not/good, x");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = 0;
    CU_ASSERT_EQUAL(topic_next(&rest, topic), -EINVAL);
    CU_ASSERT_PTR_EQUAL(rest, longer);
}

const struct test_case tests[] = {
    {"topics", test_topics},
    {"matching", test_matching},
    {"lists", test_lists},
    {0},
};
