/* pressure_test.c - levels of memory pressure and the steps of giving back, cell by cell. */
#include "test.h"

#include "schedule/pressure.h"

#include <string.h>

static const struct pressure_limits limits = {
    .used = {0, 80, 90, 95}, .stall = {0, 10, 25, 50}, .calm_ms = 5000};

/* Feeds the same reading each 500 ms for `n` times; how often something changed. */
static int feed(struct pressure *p, int used, int stall, int n, uint64_t *now)
{
    const struct pressure_reading r = {used, stall};
    int changes = 0;

    for (int i = 0; i < n; i++) {
        *now += 500;
        changes += pressure_feed(p, &limits, &r, *now);
    }
    return changes;
}

static void the_worst_reading_counts(void)
{
    static const struct {
        int used, stall;
        enum pressure_level level;
    } t[] = {
        {-1, -1, PRESSURE_OK},      {0, 0, PRESSURE_OK},         {79, 9, PRESSURE_OK},
        {80, 0, PRESSURE_ELEVATED}, {0, 10, PRESSURE_ELEVATED},  {89, 24, PRESSURE_ELEVATED},
        {90, -1, PRESSURE_HIGH},    {-1, 25, PRESSURE_HIGH},     {94, 10, PRESSURE_HIGH},
        {95, 0, PRESSURE_CRITICAL}, {10, 50, PRESSURE_CRITICAL}, {100, 100, PRESSURE_CRITICAL}};

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct pressure p = {0};
        uint64_t now = 1000;

        feed(&p, t[i].used, t[i].stall, 2, &now);
        CU_ASSERT_EQUAL(p.level, t[i].level);
    }
}

/* One reading may be a spike; at critical nobody waits for a second one. */
static void a_spike_is_passed_over(void)
{
    struct pressure p = {0};
    uint64_t now = 1000;

    CU_ASSERT_EQUAL(feed(&p, 92, 0, 1, &now), 0);
    CU_ASSERT_EQUAL(feed(&p, 10, 0, 1, &now), 0);
    CU_ASSERT_EQUAL(feed(&p, 92, 0, 1, &now), 0);
    CU_ASSERT_EQUAL(p.level, PRESSURE_OK);
    CU_ASSERT_EQUAL(feed(&p, 96, 0, 1, &now), 1);
    CU_ASSERT_EQUAL(p.level, PRESSURE_CRITICAL);
    CU_ASSERT_EQUAL(p.step, PRESSURE_STEPS);
}

static void steps_go_as_far_as_the_level_allows(void)
{
    static const struct {
        int used;
        unsigned most;
    } t[] = {{85, 3}, {92, 6}};

    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct pressure p = {0};
        uint64_t now = 1000;

        feed(&p, t[i].used, 0, 2, &now);
        CU_ASSERT_EQUAL(p.step, 1);
        for (unsigned step = 1; step < t[i].most; step++) {
            CU_ASSERT_EQUAL(p.step, step);
            feed(&p, t[i].used, 0, 2, &now); /* a second */
        }
        CU_ASSERT_EQUAL(feed(&p, t[i].used, 0, 100, &now), 0);
        CU_ASSERT_EQUAL(p.step, t[i].most);
    }
}

/* Down one level each calm time, one step each second, and all of it is over in the end. */
static void it_falls_slowly(void)
{
    struct pressure p = {0};
    uint64_t now = 1000;
    unsigned step;

    feed(&p, 99, 0, 1, &now);
    feed(&p, 10, 0, 10, &now);
    CU_ASSERT_EQUAL(p.level, PRESSURE_CRITICAL);
    feed(&p, 10, 0, 1, &now);
    CU_ASSERT_EQUAL(p.level, PRESSURE_HIGH);
    CU_ASSERT_EQUAL(p.step, PRESSURE_STEPS - 1);
    feed(&p, 10, 0, 10, &now);
    CU_ASSERT_EQUAL(p.level, PRESSURE_ELEVATED);
    feed(&p, 10, 0, 10, &now);
    CU_ASSERT_EQUAL(p.level, PRESSURE_OK);
    for (step = p.step; step > 0; step--) {
        CU_ASSERT_EQUAL(p.step, step);
        CU_ASSERT_EQUAL(feed(&p, 10, 0, 2, &now), 1);
    }
    CU_ASSERT_EQUAL(p.step, 0);
    CU_ASSERT_EQUAL(feed(&p, 10, 0, 100, &now), 0);
}

/* What moves within the margin below a limit keeps the level and changes nothing. */
static void it_does_not_flap(void)
{
    struct pressure p = {0};
    uint64_t now = 1000;
    int changes;

    feed(&p, 91, 0, 20, &now);
    CU_ASSERT_EQUAL(p.level, PRESSURE_HIGH);
    changes = 0;
    for (int i = 0; i < 200; i++)
        changes += feed(&p, i % 2 ? 91 : 87, 0, 1, &now);
    CU_ASSERT_EQUAL(changes, 0);
    changes = 0;
    for (int i = 0; i < 200; i++) /* below it, but never for long */
        changes += feed(&p, i % 9 ? 60 : 90, 0, 1, &now);
    CU_ASSERT_EQUAL(changes, 0);
    CU_ASSERT_EQUAL(p.level, PRESSURE_HIGH);
}

static void limits_of_zero_are_none(void)
{
    const struct pressure_limits none = {.calm_ms = 1};
    const struct pressure_reading full = {100, 100};
    struct pressure p = {0};

    for (uint64_t now = 1; now < 20; now++)
        CU_ASSERT_EQUAL(pressure_feed(&p, &none, &full, now), 0);
    CU_ASSERT_STRING_EQUAL(pressure_level_text(p.level), "ok");
}

const struct test_case tests[] = {
    {"the_worst_reading_counts", the_worst_reading_counts},
    {"a_spike_is_passed_over", a_spike_is_passed_over},
    {"steps_go_as_far_as_the_level_allows", steps_go_as_far_as_the_level_allows},
    {"it_falls_slowly", it_falls_slowly},
    {"it_does_not_flap", it_does_not_flap},
    {"limits_of_zero_are_none", limits_of_zero_are_none},
    {0},
};
