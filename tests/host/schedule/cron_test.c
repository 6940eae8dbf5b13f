/* cron_test.c - expressions, their errors, and next times through DST and leap years. */
#include "moment.h"
#include "schedule/cron.h"
#include "test.h"

#include <string.h>

struct row {
    const char *text, *zone, *after;
    const char *next[3]; /* in UTC, one after the other */
};

static const struct row rows[] = {
    /* plain */
    {"* * * * *", "UTC", "2026-01-01 00:00:00", {"2026-01-01 00:01:00", "2026-01-01 00:02:00"}},
    {"* * * * *", "UTC", "2026-01-01 00:00:59", {"2026-01-01 00:01:00"}},
    {"*/15 * * * *", "UTC", "2026-01-01 00:50:00", {"2026-01-01 01:00:00", "2026-01-01 01:15:00"}},
    {"5/20 * * * *",
     "UTC",
     "2026-01-01 00:00:00",
     {"2026-01-01 00:05:00", "2026-01-01 00:25:00", "2026-01-01 00:45:00"}},
    {"0 9-17/4 * * *",
     "UTC",
     "2026-01-01 09:00:00",
     {"2026-01-01 13:00:00", "2026-01-01 17:00:00"}},
    {"30 8,20 * * *", "UTC", "2026-01-01 08:30:00", {"2026-01-01 20:30:00", "2026-01-02 08:30:00"}},
    {"0 0 * * mon-fri", "UTC", "2026-01-02 12:00:00", {"2026-01-05 00:00:00"}},
    {"0 0 * * 7", "UTC", "2026-01-01 00:00:00", {"2026-01-04 00:00:00", "2026-01-11 00:00:00"}},
    {"0 0 * * SUN", "UTC", "2026-01-01 00:00:00", {"2026-01-04 00:00:00"}},
    {"0 0 1 jan,JUL *",
     "UTC",
     "2026-01-01 00:00:00",
     {"2026-07-01 00:00:00", "2027-01-01 00:00:00"}},
    /* day or weekday when both are restricted, and when one is a stepped star: both */
    {"0 0 13 * fri",
     "UTC",
     "2026-02-06 00:00:00",
     {"2026-02-13 00:00:00", "2026-02-20 00:00:00", "2026-02-27 00:00:00"}},
    {"0 0 */2 * 1", "UTC", "2026-06-01 00:00:00", {"2026-06-15 00:00:00", "2026-06-29 00:00:00"}},
    /* seconds */
    {"*/20 * * * * *",
     "UTC",
     "2026-01-01 00:00:45",
     {"2026-01-01 00:01:00", "2026-01-01 00:01:20"}},
    {"30 59 23 31 12 *", "UTC", "2026-01-01 00:00:00", {"2026-12-31 23:59:30"}},
    /* words */
    {"@hourly", "UTC", "2026-01-01 00:00:00", {"2026-01-01 01:00:00"}},
    {"@daily", "UTC", "2026-01-01 00:00:00", {"2026-01-02 00:00:00"}},
    {"@weekly", "UTC", "2026-01-01 00:00:00", {"2026-01-04 00:00:00"}},
    {"@monthly", "UTC", "2026-01-01 00:00:00", {"2026-02-01 00:00:00"}},
    {"@yearly", "UTC", "2026-01-01 00:00:00", {"2027-01-01 00:00:00"}},
    /* leap days, and the century that has none */
    {"0 0 29 2 *", "UTC", "2026-01-01 00:00:00", {"2028-02-29 00:00:00", "2032-02-29 00:00:00"}},
    {"0 0 29 2 *", "UTC", "2096-03-01 00:00:00", {"2104-02-29 00:00:00"}},
    {"0 0 31 * *", "UTC", "2026-01-31 00:00:00", {"2026-03-31 00:00:00", "2026-05-31 00:00:00"}},
    {"0 0 29 2 */7", "UTC", "2026-01-01 00:00:00", {"2032-02-29 00:00:00", "2060-02-29 00:00:00"}},
    /* before 1970 */
    {"0 0 * * *", "UTC", "1969-12-30 23:59:59", {"1969-12-31 00:00:00", "1970-01-01 00:00:00"}},
    /* Prague: clocks go from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC */
    {"30 1 * * *",
     "Europe/Prague",
     "2026-03-28 12:00:00",
     {"2026-03-29 00:30:00", "2026-03-29 23:30:00"}},
    {"30 2 * * *",
     "Europe/Prague",
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 00:30:00"}}, /* skipped: right after the gap */
    {"10,40 2 * * *",
     "Europe/Prague",
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 00:10:00"}}, /* both skipped: one run */
    {"0 3 * * *",
     "Europe/Prague",
     "2026-03-28 12:00:00",
     {"2026-03-29 01:00:00", "2026-03-30 01:00:00"}},
    {"30 * * * *",
     "Europe/Prague",
     "2026-03-28 23:45:00",
     {"2026-03-29 00:30:00", "2026-03-29 01:30:00", "2026-03-29 02:30:00"}}, /* elapsed time */
    /* Prague: 03:00 back to 02:00 on 25 October 2026, at 01:00 UTC */
    {"30 2 * * *",
     "Europe/Prague",
     "2026-10-24 12:00:00",
     {"2026-10-25 00:30:00", "2026-10-26 01:30:00"}}, /* shown twice: the first */
    {"30 2 * * *", "Europe/Prague", "2026-10-25 00:59:59", {"2026-10-26 01:30:00"}},
    {"0 3 * * *",
     "Europe/Prague",
     "2026-10-24 12:00:00",
     {"2026-10-25 02:00:00", "2026-10-26 02:00:00"}},
    {"30 * * * *",
     "Europe/Prague",
     "2026-10-24 23:45:00",
     {"2026-10-25 00:30:00", "2026-10-25 01:30:00", "2026-10-25 02:30:00"}}, /* both passes */
    /* New York: 02:00 to 03:00 on 8 March 2026 at 07:00 UTC; back on 1 November at 06:00 UTC */
    {"15 2 * * *",
     "America/New_York",
     "2026-03-07 12:00:00",
     {"2026-03-08 07:00:00", "2026-03-09 06:15:00"}},
    {"15 1 * * *",
     "America/New_York",
     "2026-10-31 12:00:00",
     {"2026-11-01 05:15:00", "2026-11-02 06:15:00"}},
    {"*/30 * * * *",
     "America/New_York",
     "2026-11-01 05:00:00",
     {"2026-11-01 05:30:00", "2026-11-01 06:00:00", "2026-11-01 06:30:00"}},
    /* far beyond the table of the file: the rule at its end */
    {"30 2 * * *",
     "Europe/Prague",
     "2090-03-25 12:00:00",
     {"2090-03-26 01:00:00", "2090-03-27 00:30:00"}},
    /* half hours, and a shift of half an hour (Lord Howe, 4 October 2026, 02:00 to 02:30) */
    {"0 12 * * *", "Asia/Kolkata", "2026-01-01 00:00:00", {"2026-01-01 06:30:00"}},
    {"15 2 4 10 *", "Australia/Lord_Howe", "2026-09-01 00:00:00", {"2026-10-03 15:30:00"}},
    /* a whole day that a country skipped: Samoa had no 30 December 2011 */
    {"0 12 30 12 *", "Pacific/Apia", "2011-12-01 00:00:00", {"2011-12-30 10:00:00"}},
};

static void next_times(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct aiex_error err = {""};
        struct cron cron;
        struct zone *zone = NULL;
        int64_t at = moment(rows[i].after);
        CU_ASSERT_EQUAL_FATAL(zone_open(rows[i].zone, &zone, &err), 0);
        CU_ASSERT_EQUAL_FATAL(cron_parse(rows[i].text, &cron, &err), 0);
        for (int k = 0; k < 3 && rows[i].next[k]; k++) {
            at = cron_next(&cron, zone, at);
            if (at != moment(rows[i].next[k]))
                fprintf(stderr, "'%s' in %s after %s: %s, expected %s\n", rows[i].text,
                        rows[i].zone, rows[i].after, shown(at), rows[i].next[k]);
            CU_ASSERT_EQUAL(at, moment(rows[i].next[k]));
        }
        zone_free(zone);
    }
}

/* Against counting every second by hand: the next time is the first that matches. */
static void matches_a_slow_search(void)
{
    static const char *const texts[] = {"7 */5 3-20/3 * * 1-5", "0 30 4 1,15 * *", "*/7 * * * *"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct cron c;
        int64_t at = moment("2026-02-26 21:13:05"), from = at;
        CU_ASSERT_EQUAL_FATAL(cron_parse(texts[i], &c, NULL), 0);
        at = cron_next(&c, NULL, at);
        for (int64_t t = from + 1; t <= at; t++) {
            time_t raw = (time_t)t;
            struct tm tm;
            gmtime_r(&raw, &tm);
            int hit = (c.seconds >> tm.tm_sec & 1) && (c.minutes >> tm.tm_min & 1) &&
                      (c.hours >> tm.tm_hour & 1) && (c.days >> tm.tm_mday & 1) &&
                      (c.months >> (tm.tm_mon + 1) & 1) && (c.weekdays >> tm.tm_wday & 1);
            CU_ASSERT_EQUAL(hit, t == at);
        }
    }
}

static const struct {
    const char *text, *says;
} wrong[] = {
    {"", "too few"},
    {"   ", "too few"},
    {"* * * *", "too few"},
    {"* * * * * * *", "too many"},
    {"60 * * * *", "'minute': '60' is not allowed; use 0-59"},
    {"* 24 * * *", "'hour': '24' is not allowed; use 0-23"},
    {"* * 0 * *", "'day': '0' is not allowed; use 1-31"},
    {"* * 32 * *", "'day'"},
    {"* * * 13 *", "'month': '13' is not allowed; use 1-12 or jan-dec"},
    {"* * * foo *", "'month': 'foo'"},
    {"* * * january *", "'month'"},
    {"* * * * 8", "'weekday': '8' is not allowed; use 0-7 or sun-sat"},
    {"60 * * * * *", "'second'"},
    {"*/0 * * * *", "step in '*/0'"},
    {"*/ * * * *", "step in '*/'"},
    {"*/x * * * *", "step in '*/x'"},
    {"5-1 * * * *", "'5-1' runs backwards"},
    {"1,,2 * * * *", "'minute'"},
    {"1, * * * *", "'minute'"},
    {"- * * * *", "'minute': '-'"},
    {"1-2-3 * * * *", "'1-2-3'"},
    {"1- * * * *", "'1-'"},
    {"** * * * *", "'**'"},
    {"99999999999999999999 * * * *", "'minute'"},
    {"-5 * * * *", "'-5'"},
    {"0 0 30 2 *", "never comes true"},
    {"0 0 31 4,6,9,11 *", "never comes true"},
    {"@never", "'@never' is not known"},
    {"@", "'@' is not known"},
};

static void errors_name_field_value_and_remedy(void)
{
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct aiex_error err = {""};
        struct cron c = {.seconds = 77};
        CU_ASSERT_EQUAL(cron_parse(wrong[i].text, &c, &err), -EINVAL);
        if (!strstr(err.text, wrong[i].says))
            fprintf(stderr, "'%s': %s\n", wrong[i].text, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].says));
        CU_ASSERT_EQUAL(c.seconds, 77); /* written on success only */
    }
}

static void long_text_is_refused(void)
{
    char text[600];
    struct cron c;

    memset(text, '1', sizeof text);
    text[sizeof text - 1] = 0;
    CU_ASSERT_EQUAL(cron_parse(text, &c, NULL), -EINVAL);
}

static void reboot_is_not_a_time(void)
{
    struct cron c;

    CU_ASSERT_EQUAL(cron_parse("@reboot", &c, NULL), 0);
    CU_ASSERT(c.reboot);
    CU_ASSERT_EQUAL(cron_next(&c, NULL, 0), CRON_NEVER);
}

/* Through ten years in a zone with DST, a daily job runs once per local day, always later. */
static void daily_is_once_a_day(void)
{
    struct cron c;
    struct zone *zone;
    int64_t at = moment("2026-01-01 00:00:00"), n = 0, end = moment("2036-01-01 00:00:00");

    CU_ASSERT_EQUAL_FATAL(zone_open("America/New_York", &zone, NULL), 0);
    CU_ASSERT_EQUAL(cron_parse("30 2 * * *", &c, NULL), 0);
    while (at < end) {
        int64_t next = cron_next(&c, zone, at);
        CU_ASSERT_FATAL(next > at);
        at = next;
        n++;
    }
    CU_ASSERT_EQUAL(n, 3653);
    zone_free(zone);
}

const struct test_case tests[] = {
    {"next_times", next_times},
    {"matches_a_slow_search", matches_a_slow_search},
    {"errors_name_field_value_and_remedy", errors_name_field_value_and_remedy},
    {"long_text_is_refused", long_text_is_refused},
    {"reboot_is_not_a_time", reboot_is_not_a_time},
    {"daily_is_once_a_day", daily_is_once_a_day},
    {0},
};
