/*
 * calendar.h - the wall clock in UTC days and months, for budgets.
 *
 * A look costs one clock_gettime(); days and months are worked out anew only when a border was
 * passed. The clock is a function pointer, so that a test can drive it.
 */
#ifndef GATEWAY_CALENDAR_H
#define GATEWAY_CALENDAR_H

#include <stdint.h>

#define DAY_MS 86400000

struct calendar {
    int64_t (*clock)(void); /* wall milliseconds since 1970 */
    int64_t now_ms;         /* of the last look */
    int64_t day, month;     /* days since 1970; year x 12 + month from 0 */
    int64_t day_ends_ms, month_ends_ms;
};

int64_t calendar_clock(void); /* the system's */
void calendar_look(struct calendar *c);
/* Day and month of another time. */
void calendar_split(int64_t wall_ms, int64_t *ret_day, int64_t *ret_month);
/* "2026-11-21" and "2026-11" of the last look. */
void calendar_names(const struct calendar *c, char day[16], char month[16]);

#endif
