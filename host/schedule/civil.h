/* civil.h - days since 1970-01-01 and dates of the proleptic Gregorian calendar. */
#ifndef AIEX_SCHEDULE_CIVIL_H
#define AIEX_SCHEDULE_CIVIL_H

#include <stdint.h>

struct civil {
    int64_t year;
    int month; /* 1..12 */
    int day;   /* 1..31 */
};

int64_t civil_days(int64_t year, int month, int day);
struct civil civil_of_days(int64_t days);
int civil_month_days(int64_t year, int month);
/* 0 = Sunday */
int civil_weekday(int64_t days);
/* Quotient rounded down, for times before 1970. */
int64_t floor_div(int64_t a, int64_t b);

#endif
