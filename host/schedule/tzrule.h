/*
 * tzrule.h - the rule for the future at the end of a TZif file: a POSIX TZ string
 * ("CET-1CEST,M3.5.0,M10.5.0/3"), with the hours -167..167 of RFC 8536 section 3.3.
 */
#ifndef AIEX_SCHEDULE_TZRULE_H
#define AIEX_SCHEDULE_TZRULE_H

#include <stddef.h>
#include <stdint.h>

struct tzdate {
    char kind; /* 'M' month.week.weekday, 'J' day 1..365 without leap day, 'D' day 0..365 */
    int month, week, day;
    int32_t time_s; /* local time of the change */
};

struct tzrule {
    int32_t std_s, dst_s; /* seconds east of UTC */
    int has_dst;
    struct tzdate start, end; /* of daylight saving time */
};

/* 0, -EINVAL. `text` need not end with 0. */
int tzrule_parse(const char *text, size_t len, struct tzrule *ret_rule);
/* Seconds east of UTC at a time. */
int32_t tzrule_offset(const struct tzrule *, int64_t utc_s);
/* The first change after a time, INT64_MAX = none. */
int64_t tzrule_next(const struct tzrule *, int64_t utc_s);

#endif
