/*
 * cron.h - when a job runs: cron expressions, and their next time in a time zone.
 *
 *     [second] minute hour day month weekday       5 fields, or 6 with seconds first
 *     @hourly @daily @midnight @weekly @monthly @yearly @annually @reboot
 *
 * A field is a list "a,b" of "*", "a", "a-b", each perhaps with a step "/n" ("a/n" runs from a to
 * the field's end). Months jan..dec and weekdays sun..sat may be named; Sunday is 0 or 7.
 * When day and weekday are both restricted (neither begins with *), either suffices.
 *
 * Daylight saving time
 *   - Hour is "*": the job follows elapsed time. Clocks put back: it runs in both passes of the
 *     hour. Clocks put forward: nothing is made up for.
 *   - Otherwise: a time that the clocks skip runs once, right after the gap; a time that they show
 *     twice runs once, the first time.
 */
#ifndef AIEX_SCHEDULE_CRON_H
#define AIEX_SCHEDULE_CRON_H

#include "base/err.h"
#include "schedule/zone.h"

#define CRON_NEVER    INT64_MAX
#define CRON_MAX_TEXT 256u

struct cron {
    uint64_t seconds, minutes; /* bit n = value n */
    uint32_t hours, days, months, weekdays;
    uint8_t any_day, any_weekday; /* the field begins with * */
    uint8_t reboot;               /* @reboot: once at start, never by time */
};

/* 0 or -EINVAL; the text of the error names the field, the value and what is allowed. An
 * expression that can never come true (30 February) is refused. */
int cron_parse(const char *text, struct cron *ret_cron, struct aiex_error *);
/* First time after `after_s` (seconds since 1970 UTC), or CRON_NEVER for @reboot. */
int64_t cron_next(const struct cron *, const struct zone *, int64_t after_s);

#endif
