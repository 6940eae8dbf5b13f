/*
 * store_bdb_crash_test.c - a child with 64 writers is killed again and again, at any moment and at
 * each failpoint; after each death the store is compared with what was acknowledged.
 * AIEX_CRASH_ROUNDS=100 does more of it.
 */
#include "crash_rig.h"

#include "fail.h"
#include "ids.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned seed = 20261121;

static int rounds(int usual)
{
    const char *text = getenv("AIEX_CRASH_ROUNDS");

    return text ? atoi(text) : usual;
}

static void test_any_moment(void)
{
    long long events = 0;
    int total = 0;

    crash_begin();
    crash_fill(IDS_RUN / 1000 * 1000); /* soon ids are filed (ids.h) while others come */
    for (int i = 0; i < rounds(10); i++) {
        total += crash_run(NULL, 1 + (int)(rand_r(&seed) % 600), NULL);
        events = crash_check();
    }
    CU_ASSERT_TRUE(total > 0 && events >= total);
    crash_end();
}

static void test_each_failpoint(void)
{
    crash_begin();
    crash_run(NULL, 100, NULL);
    for (int place = 0; place < FAIL_N; place++)
        for (int nth = 1; nth <= (place == FAIL_OPEN ? 1 : 2); nth++) {
            char fail[32];
            int passes = nth == 1 ? 1 : place >= FAIL_STAMP ? 1 : 2 + (int)(rand_r(&seed) % 20);

            snprintf(fail, sizeof(fail), "%s:%d", fail_name((enum fail_place)place), passes);
            crash_run(fail, 0, NULL);
            crash_check();
        }
    crash_end();
}

const struct test_case tests[] = {
    {"any moment", test_any_moment},
    {"each failpoint", test_each_failpoint},
    {0},
};
