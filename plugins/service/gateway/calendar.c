/*
 * calendar.c - see calendar.h. The arithmetic of the proleptic Gregorian calendar with years
 * that begin in March, so that leap days come last.
 */
#include "calendar.h"

#include <stdio.h>
#include <time.h>

#define DAYS_PER_ERA 146097 /* 400 years */
#define EPOCH_OFFSET 719468 /* days from 0000-03-01 to 1970-01-01 */

struct date {
    int64_t year;
    int month, day; /* from 1 */
};

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct date date_of(int64_t days)
{
    int64_t z = days + EPOCH_OFFSET, era = floor_div(z, DAYS_PER_ERA),
            in_era = z - era * DAYS_PER_ERA;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int from_march = (int)((5 * in_year + 2) / 153);
    struct date d;

    d.day = (int)(in_year - (153 * from_march + 2) / 5) + 1;
    d.month = from_march < 10 ? from_march + 3 : from_march - 9;
    d.year = year + era * 400 + (d.month <= 2);
    return d;
}

static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = year - (month <= 2), era = floor_div(y, 400), in_cycle = y - era * 400;
    int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * DAYS_PER_ERA + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + in_year -
           EPOCH_OFFSET;
}

int64_t calendar_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void calendar_split(int64_t wall_ms, int64_t *ret_day, int64_t *ret_month)
{
    struct date d;

    *ret_day = floor_div(wall_ms, DAY_MS);
    d = date_of(*ret_day);
    *ret_month = d.year * 12 + d.month - 1;
}

void calendar_look(struct calendar *c)
{
    int64_t next;

    c->now_ms = c->clock();
    if (c->now_ms < c->day_ends_ms && c->now_ms >= c->day_ends_ms - DAY_MS)
        return;
    calendar_split(c->now_ms, &c->day, &c->month);
    next = c->month + 1;
    c->day_ends_ms = (c->day + 1) * DAY_MS;
    c->month_ends_ms = days_of(floor_div(next, 12), (int)(next - floor_div(next, 12) * 12) + 1, 1) *
                       DAY_MS;
}

void calendar_names(const struct calendar *c, char day[16], char month[16])
{
    struct date d = date_of(c->day);

    snprintf(day, 16, "%04d-%02d-%02d", (int)d.year, d.month, d.day);
    snprintf(month, 16, "%04d-%02d", (int)d.year, d.month);
}
