/* names_test.c - numbers for names: bounds of both tables. */
#include "channel/names.h"
#include "test.h"

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static char long_name[AIEX_MAX_NAME + 2];

static void test_out_limits(void)
{
    struct names_out *n = names_out_new();
    char text[NAME_TEXT_MAX];
    size_t len;
    int fresh;

    memset(long_name, 'x', AIEX_MAX_NAME + 1);
    CU_ASSERT_EQUAL(names_out_get(n, long_name, "m", &fresh, text, &len), -EINVAL);
    CU_ASSERT_EQUAL(names_out_get(n, "s", long_name, &fresh, text, &len), -EINVAL);
    CU_ASSERT_EQUAL(names_out_get(n, "s", "", &fresh, text, &len), -EINVAL);
    long_name[AIEX_MAX_NAME] = 0;
    CU_ASSERT_EQUAL(names_out_get(n, long_name, long_name, &fresh, text, &len), 0);
    CU_ASSERT_EQUAL(fresh, 1);
    CU_ASSERT_EQUAL(len, 2 * AIEX_MAX_NAME + 1);
    CU_ASSERT(len < NAME_TEXT_MAX);
    CU_ASSERT_EQUAL(names_out_get(n, long_name, long_name, &fresh, text, &len), 0);
    CU_ASSERT_EQUAL(fresh, 0);
    /* "a","bc" is not "ab","c" */
    CU_ASSERT_EQUAL(names_out_get(n, "a", "bc", &fresh, text, &len), 1);
    CU_ASSERT_EQUAL(names_out_get(n, "ab", "c", &fresh, text, &len), 2);
    CU_ASSERT_EQUAL(names_out_get(n, "", "topic", &fresh, text, &len), 3);
    names_out_free(n);
    names_out_free(NULL);
}

/* The same addresses may hold other texts the next time; the hash of one table finds in the other.
 */
static void test_out_recent(void)
{
    struct names_out *n = names_out_new();
    struct names_in *in = names_in_new();
    char service[AIEX_MAX_NAME + 1], method[AIEX_MAX_NAME + 1], text[NAME_TEXT_MAX];
    const struct name *name;
    size_t len;
    int fresh;

    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < 100; i++) {
            snprintf(service, sizeof(service), "service%u", i / 10);
            snprintf(method, sizeof(method), "method%u", i % 10);
            CU_ASSERT_EQUAL(names_out_get(n, service, method, &fresh, text, &len), (int)i);
            CU_ASSERT_EQUAL(fresh, round == 0);
            CU_ASSERT_EQUAL(names_out_get(n, service, method, &fresh, text, &len), (int)i);
            CU_ASSERT_EQUAL(fresh, 0);
            if (round == 0)
                CU_ASSERT_EQUAL(names_in_define(in, i, names_out_text(n, i, &len), len), 0);
            name = names_in_get(in, i);
            CU_ASSERT_EQUAL(name->hash, names_hash(service, method));
            CU_ASSERT_EQUAL(name->service_len, strlen(service));
            CU_ASSERT_EQUAL(name->method_len, strlen(method));
            CU_ASSERT_EQUAL(names_out_find(n, name->hash, service, method), (int)i);
            CU_ASSERT_EQUAL(names_out_find(n, name->hash, service, "other"), -ENOENT);
        }
    /* what is taken back is not found by where its texts stood */
    CU_ASSERT_EQUAL(names_out_get(n, "new", "one", &fresh, text, &len), 100);
    names_out_undo(n);
    CU_ASSERT_EQUAL(names_out_get(n, "new", "one", &fresh, text, &len), 100);
    CU_ASSERT_EQUAL(fresh, 1);
    names_out_free(n);
    names_in_free(in);
}

static void test_out_full(void)
{
    struct names_out *n = names_out_new();
    char text[NAME_TEXT_MAX], name[16];
    size_t len;
    int fresh;

    for (unsigned i = 0; i < NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        CU_ASSERT_EQUAL_FATAL(names_out_get(n, "s", name, &fresh, text, &len), (int)i);
        CU_ASSERT_EQUAL_FATAL(fresh, 1);
    }
    CU_ASSERT_EQUAL(names_out_get(n, "s", "one more", &fresh, text, &len), -ENOSPC);
    for (unsigned i = 0; i < NAMES_MAX; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        CU_ASSERT_EQUAL_FATAL(names_out_get(n, "s", name, &fresh, text, &len), (int)i);
        CU_ASSERT_EQUAL_FATAL(fresh, 0);
    }
    names_out_free(n);
}

/* A name whose announcement could not be sent is taken back and new again. */
static void test_out_undo(void)
{
    struct names_out *n = names_out_new();
    char text[NAME_TEXT_MAX], name[16];
    size_t len;
    int fresh;

    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        CU_ASSERT_EQUAL_FATAL(names_out_get(n, "s", name, &fresh, text, &len), (int)i);
        if (i % 3)
            continue;
        names_out_undo(n);
        CU_ASSERT_EQUAL_FATAL(names_out_get(n, "s", name, &fresh, text, &len), (int)i);
        CU_ASSERT_EQUAL_FATAL(fresh, 1);
    }
    for (unsigned i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "m%u", i);
        CU_ASSERT_EQUAL_FATAL(names_out_get(n, "s", name, &fresh, text, &len), (int)i);
        CU_ASSERT_EQUAL_FATAL(fresh, 0);
    }
    names_out_free(n);
}

static void test_in_limits(void)
{
    struct names_in *n = names_in_new();
    uint8_t text[NAME_TEXT_MAX + 8];
    const struct name *name;

    memset(text, 'x', sizeof(text));
    CU_ASSERT_EQUAL(names_in_define(n, NAMES_MAX, "s\0m", 3), -EINVAL);
    CU_ASSERT_EQUAL(names_in_define(n, 0xffff, "s\0m", 3), -EINVAL);
    CU_ASSERT_EQUAL(names_in_define(n, 0, "", 0), -EINVAL);
    CU_ASSERT_EQUAL(names_in_define(n, 0, "s", 1), -EINVAL);
    CU_ASSERT_EQUAL(names_in_define(n, 0, "sm", 2), -EINVAL);      /* no method */
    CU_ASSERT_EQUAL(names_in_define(n, 0, "s\0", 2), -EINVAL);     /* an empty one */
    CU_ASSERT_EQUAL(names_in_define(n, 0, "s\0m\0n", 5), -EINVAL); /* three words */
    CU_ASSERT_EQUAL(names_in_define(n, 0, text, NAME_TEXT_MAX), -EINVAL);
    CU_ASSERT_EQUAL(names_in_define(n, 0, text, sizeof(text)), -EINVAL);
    text[AIEX_MAX_NAME + 1] = 0;
    CU_ASSERT_EQUAL(names_in_define(n, 0, text, AIEX_MAX_NAME + 3), -EINVAL);
    text[1] = 0;
    CU_ASSERT_EQUAL(names_in_define(n, 0, text, 2 + AIEX_MAX_NAME + 1), -EINVAL);
    CU_ASSERT_PTR_NULL(names_in_get(n, 0));
    CU_ASSERT_EQUAL(names_in_define(n, 0, text, 2 + AIEX_MAX_NAME - 1), 0);
    CU_ASSERT_EQUAL(names_in_define(n, 0, "s\0m", 3), -EINVAL); /* twice */
    CU_ASSERT_EQUAL(names_in_define(n, NAMES_MAX - 1, "\0topic", 6), 0);
    name = names_in_get(n, NAMES_MAX - 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    CU_ASSERT_STRING_EQUAL(name->service, "");
    CU_ASSERT_STRING_EQUAL(name->method, "topic");
    CU_ASSERT_PTR_NULL(names_in_get(n, NAMES_MAX));
    CU_ASSERT_PTR_NULL(names_in_get(n, 1));
    names_in_free(n);
    names_in_free(NULL);
}

const struct test_case tests[] = {
    {"out_limits", test_out_limits}, {"out_recent", test_out_recent}, {"out_full", test_out_full},
    {"out_undo", test_out_undo},     {"in_limits", test_in_limits},   {0},
};
