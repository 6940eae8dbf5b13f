/* Accounts without a gateway around them: days and months, buckets, and what must always hold. */
#include "account.h"
#include "test.h"

#include <string.h>

static int64_t wall;

static int64_t clock_of_test(void)
{
    return wall;
}

/* ---- Calendar ---- */

static void days_and_months(void)
{
    static const struct {
        int64_t at;
        const char *day, *month;
        int64_t month_ends;
    } cases[] = {
        {0, "1970-01-01", "1970-01", INT64_C(2678400000)},
        {INT64_C(951782400000), "2000-02-29", "2000-02", INT64_C(951868800000)},
        {INT64_C(1709251199999), "2024-02-29", "2024-02", INT64_C(1709251200000)},
        {INT64_C(1735689599999), "2024-12-31", "2024-12", INT64_C(1735689600000)},
        {INT64_C(1735689600000), "2025-01-01", "2025-01", INT64_C(1738368000000)},
        {INT64_C(1795262400000), "2026-11-21", "2026-11", INT64_C(1796083200000)},
        {INT64_C(4107542400000), "2100-03-01", "2100-03", INT64_C(4110220800000)},
    };
    struct calendar c = {.clock = clock_of_test};
    char day[16], month[16];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wall = cases[i].at;
        calendar_look(&c);
        calendar_names(&c, day, month);
        CU_ASSERT_STRING_EQUAL(day, cases[i].day);
        CU_ASSERT_STRING_EQUAL(month, cases[i].month);
        CU_ASSERT_EQUAL(c.month_ends_ms, cases[i].month_ends);
        CU_ASSERT_EQUAL(c.day_ends_ms, cases[i].at - cases[i].at % DAY_MS + DAY_MS);
    }
}

static void a_clock_that_goes_back_brings_no_money_back(void)
{
    struct calendar c = {.clock = clock_of_test};
    struct account a = {.limits = {.budget_day = 100}};
    struct moment now = {1, &c};
    const struct use want = {1, 10}, none = {0, 0}, used = {0, 60};
    struct verdict v = {.kind = LIMIT_NONE};
    int64_t day, month;

    wall = 100 * (int64_t)DAY_MS;
    calendar_look(&c);
    calendar_split(wall, &day, &month);
    account_settle(&a, &none, &used, day, month, &now);
    wall -= 1;
    calendar_look(&c);
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_NONE);
    CU_ASSERT_EQUAL(a.spent_day, 60);
    wall += 1;
    calendar_look(&c);
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(a.spent_day, 60);
}

/* A machine that started with a clock far ahead and was put right: its days are those of the clock
 * again, and what is spent from then on counts. */
static void a_clock_that_was_far_ahead_lets_nobody_spend_unseen(void)
{
    struct calendar c = {.clock = clock_of_test};
    struct account a = {.limits = {.budget_day = 100, .budget_month = 1000}};
    struct moment now = {1, &c};
    const struct use want = {1, 10}, none = {0, 0}, used = {0, 60};
    struct verdict v = {.kind = LIMIT_NONE};
    int64_t day, month;

    wall = 20000 * (int64_t)DAY_MS;
    calendar_look(&c);
    account_judge(&a, &want, &now, &v);
    wall = 10000 * (int64_t)DAY_MS;
    calendar_look(&c);
    calendar_split(wall, &day, &month);
    for (int i = 0; i < 2; i++)
        account_settle(&a, &none, &used, day, month, &now);
    CU_ASSERT_EQUAL(a.spent_day, 120);
    CU_ASSERT_EQUAL(a.spent_month, 120);
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_DAY);
    wall += DAY_MS;
    calendar_look(&c);
    v = (struct verdict){.kind = LIMIT_NONE};
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_NONE);
    CU_ASSERT_EQUAL(a.spent_day, 0);
    CU_ASSERT_EQUAL(a.spent_month, 120);
}

/* The same over midnight by a second: the request that began before it is not forgotten either. */
static void what_begins_in_a_second_that_comes_twice_is_counted(void)
{
    struct calendar c = {.clock = clock_of_test};
    struct account a = {.limits = {.budget_day = 100}};
    struct moment now = {1, &c};
    const struct use want = {1, 10}, none = {0, 0}, used = {0, 60};
    struct verdict v = {.kind = LIMIT_NONE};
    int64_t day, month;

    wall = 100 * (int64_t)DAY_MS;
    calendar_look(&c);
    account_judge(&a, &want, &now, &v);
    wall -= 1;
    calendar_look(&c);
    calendar_split(wall, &day, &month);
    account_settle(&a, &none, &used, day, month, &now);
    CU_ASSERT_EQUAL(a.spent_day, 60);
}

/* ---- Buckets ---- */

/* Whatever the rate and the moment: one millisecond before the wait is over the answer is no, and
 * then it is yes. */
static void waits_are_exact(void)
{
    static const int64_t rates[] = {1, 3, 7, 60, 61, 59999, 60000, 60001, 1000000, MAX_LIMIT};
    struct calendar c = {.clock = clock_of_test};
    const struct use want = {1, 0};

    calendar_look(&c);
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct account a = {.limits = {.rpm = rates[i]}};
        struct moment now = {1000, &c};
        struct verdict v = {.kind = LIMIT_NONE};
        int64_t taken = 0, wait;

        for (account_judge(&a, &want, &now, &v); v.kind == LIMIT_NONE && taken < 70000; taken++) {
            account_take(&a, &want);
            account_judge(&a, &want, &now, &v);
        }
        CU_ASSERT_EQUAL(taken, rates[i] < 70000 ? rates[i] : 70000);
        if (v.kind == LIMIT_NONE)
            continue;
        wait = v.retry_after_ms;
        CU_ASSERT_EQUAL(wait, (60000 + rates[i] - 1) / rates[i]);
        now.now_ms += (uint64_t)wait - 1;
        v = (struct verdict){.kind = LIMIT_NONE};
        account_judge(&a, &want, &now, &v);
        CU_ASSERT_EQUAL(v.kind, LIMIT_REQUESTS);
        now.now_ms += 1;
        v = (struct verdict){.kind = LIMIT_NONE};
        account_judge(&a, &want, &now, &v);
        CU_ASSERT_EQUAL(v.kind, LIMIT_NONE);
    }
}

static void a_changed_rate_keeps_what_was_used(void)
{
    struct calendar c = {.clock = clock_of_test};
    struct account a = {.limits = {.rpm = 10}};
    struct moment now = {1000, &c};
    const struct use want = {1, 0};
    struct verdict v = {.kind = LIMIT_NONE};

    calendar_look(&c);
    for (int i = 0; i < 8; i++) {
        account_judge(&a, &want, &now, &v);
        account_take(&a, &want);
    }
    a.limits.rpm = 1;
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_NONE); /* two were left: one of them fits the new minute */
    account_take(&a, &want);
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_REQUESTS);
    CU_ASSERT_EQUAL(v.retry_after_ms, 60000);
    a.limits.rpm = 0;
    v = (struct verdict){.kind = LIMIT_NONE};
    account_judge(&a, &want, &now, &v);
    CU_ASSERT_EQUAL(v.kind, LIMIT_NONE);
}

/* ---- Money, in any order ---- */

#define RUNNING 40

static uint64_t seed;

static int64_t chance(int64_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((seed >> 33) % (uint64_t)n);
}

/* Admissions, ends and settlements in random order and at random prices: what is reserved is the
 * sum of what runs, spent the sum of the costs, and spent never above the budget by more than what
 * requests cost above their reservation. */
static void random_life(int64_t budget)
{
    struct calendar c = {.clock = clock_of_test};
    struct account a = {.limits = {.budget_day = budget, .tpm = 5000}};
    struct use running[RUNNING];
    int64_t spent = 0, overshoot = 0, day, month;
    struct moment now = {1000, &c};
    int n = 0;

    wall = 50 * (int64_t)DAY_MS;
    calendar_look(&c);
    calendar_split(wall, &day, &month);
    for (int step = 0; step < 2000; step++) {
        struct use want = {chance(300), chance(budget / 10 + 2)};
        struct verdict v = {.kind = LIMIT_NONE};
        int64_t reserved = 0;

        now.now_ms += (uint64_t)chance(200);
        if (n < RUNNING && chance(2)) {
            account_judge(&a, &want, &now, &v);
            if (v.kind == LIMIT_NONE) {
                account_take(&a, &want);
                running[n++] = want;
                CU_ASSERT(a.spent_day + a.reserved <= budget + overshoot);
            }
        } else if (n) {
            int i = (int)chance(n);
            struct use used = {chance(400), chance(4) ? chance(running[i].cost + 1)
                                                      : running[i].cost + chance(5)};

            if (used.cost > running[i].cost)
                overshoot += used.cost - running[i].cost;
            spent += used.cost;
            account_leave(&a);
            account_settle(&a, &running[i], &used, day, month, &now);
            running[i] = running[--n];
        }
        for (int i = 0; i < n; i++)
            reserved += running[i].cost;
        CU_ASSERT_EQUAL_FATAL(a.reserved, reserved);
        CU_ASSERT_EQUAL_FATAL(a.spent_day, spent);
        CU_ASSERT_EQUAL_FATAL(a.in_flight, n);
        CU_ASSERT_FATAL(spent <= budget + overshoot);
    }
}

static void money_adds_up_in_any_order(void)
{
    for (seed = 1; seed < 30; seed++) {
        uint64_t kept = seed;

        random_life(100 * (int64_t)seed * (int64_t)seed);
        seed = kept;
    }
}

const struct test_case tests[] = {
    {"days_and_months", days_and_months},
    {"a_clock_that_goes_back_brings_no_money_back", a_clock_that_goes_back_brings_no_money_back},
    {"a_clock_that_was_far_ahead_lets_nobody_spend_unseen",
     a_clock_that_was_far_ahead_lets_nobody_spend_unseen},
    {"what_begins_in_a_second_that_comes_twice_is_counted",
     what_begins_in_a_second_that_comes_twice_is_counted},
    {"waits_are_exact", waits_are_exact},
    {"a_changed_rate_keeps_what_was_used", a_changed_rate_keeps_what_was_used},
    {"money_adds_up_in_any_order", money_adds_up_in_any_order},
    {0},
};
