/* buf_test.c - growing, the bound, and what is left after a refusal. */
#include "base/buf.h"
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void test_grows(void)
{
    uint8_t byte;
    struct buf b;

    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++) {
        byte = (uint8_t)(i * 7);
        CU_ASSERT_EQUAL_FATAL(buf_add(&b, &byte, 1), 0);
        CU_ASSERT_EQUAL_FATAL(b.data[b.len], 0);
    }
    CU_ASSERT_EQUAL(buf_add(&b, "x", 1), -EMSGSIZE);
    CU_ASSERT_EQUAL(b.len, 100000);
    for (int i = 0; i < 100000; i++)
        CU_ASSERT_EQUAL_FATAL(b.data[i], (uint8_t)(i * 7));
    buf_done(&b);
    CU_ASSERT_EQUAL(b.max, 100000);
    CU_ASSERT_PTR_NULL(b.data);
}

static void test_bound(void)
{
    struct buf b;

    buf_init(&b, 10);
    CU_ASSERT_EQUAL(buf_add(&b, "0123456789x", 11), -EMSGSIZE);
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_EQUAL(buf_add(&b, "012345", 6), 0);
    CU_ASSERT_EQUAL(buf_add(&b, "67890", 5), -EMSGSIZE); /* refused whole */
    CU_ASSERT_EQUAL(b.len, 6);
    CU_ASSERT_EQUAL(buf_add(&b, NULL, 0), 0);
    CU_ASSERT_EQUAL(buf_add(&b, "6789", 4), 0); /* to the last byte */
    CU_ASSERT_STRING_EQUAL((char *)b.data, "0123456789");
    CU_ASSERT_PTR_NULL(buf_room(&b, 1));
    CU_ASSERT_PTR_NULL(buf_room(&b, SIZE_MAX));
    CU_ASSERT_EQUAL(buf_add(&b, "x", SIZE_MAX), -EMSGSIZE);
    buf_done(&b);
}

static void test_format(void)
{
    struct buf b;

    buf_init(&b, 10);
    CU_ASSERT_EQUAL(buf_addf(&b, "%s-%d", "abc", 12345), 0); /* 9 bytes */
    CU_ASSERT_EQUAL(buf_addf(&b, "%s", "xy"), -EMSGSIZE);
    CU_ASSERT_STRING_EQUAL((char *)b.data, "abc-12345");
    CU_ASSERT_EQUAL(buf_addf(&b, "%c", 'z'), 0); /* exactly full: as buf_add() */
    CU_ASSERT_EQUAL(buf_addf(&b, "%s", ""), 0);
    CU_ASSERT_STRING_EQUAL((char *)b.data, "abc-12345z");
    buf_done(&b);
}

static void test_eat(void)
{
    struct buf b;

    buf_init(&b, 100);
    buf_eat(&b, 5); /* of nothing */
    buf_add(&b, "0123456789", 10);
    buf_eat(&b, 0);
    buf_eat(&b, 3);
    CU_ASSERT_STRING_EQUAL((char *)b.data, "3456789");
    buf_eat(&b, 7);
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_EQUAL(b.data[0], 0);
    buf_add(&b, "ab", 2);
    buf_eat(&b, 1000);
    CU_ASSERT_EQUAL(b.len, 0);
    buf_done(&b);
}

static void test_take(void)
{
    struct buf b;
    char *text;

    buf_init(&b, 100);
    CU_ASSERT_PTR_NULL(buf_take(&b));
    CU_ASSERT_PTR_NOT_NULL(buf_room(&b, 20)); /* asked for, not used */
    text = buf_take(&b);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_STRING_EQUAL(text, "");
    free(text);
    buf_add(&b, "abc", 3);
    text = buf_take(&b);
    CU_ASSERT_STRING_EQUAL(text, "abc");
    CU_ASSERT_EQUAL(b.len, 0);
    CU_ASSERT_EQUAL(buf_add(&b, "d", 1), 0); /* usable again, with its bound */
    CU_ASSERT_EQUAL(b.max, 100);
    free(text);
    buf_done(&b);
}

const struct test_case tests[] = {
    {"grows", test_grows}, {"bound", test_bound}, {"format", test_format},
    {"eat", test_eat},     {"take", test_take},   {0},
};
