/* moment.h - times in tests as people write them: "2026-03-29 01:00:00" is UTC. */
#ifndef AIEX_TESTS_SCHEDULE_MOMENT_H
#define AIEX_TESTS_SCHEDULE_MOMENT_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

static inline int64_t moment(const char *text)
{
    struct tm tm = {0};

    if (sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6)
        return INT64_MIN;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

static inline const char *shown(int64_t utc_s)
{
    static char text[40];
    time_t t = (time_t)utc_s;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    return text;
}

#endif
