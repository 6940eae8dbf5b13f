/*
 * cron_next.c - the next time of a cron expression. Matching is done on the wall's
 * calendar (local seconds); zone.h relates it to UTC.
 */
#include "schedule/civil.h"
#include "schedule/cron.h"

#define EVERY_HOUR 0xffffffu
#define DAYS_AHEAD (366 * 40) /* 29 February on one weekday comes at worst after 40 years */

static int day_matches(const struct cron *c, int64_t days)
{
    struct civil d = civil_of_days(days);
    int day = c->days >> d.day & 1, weekday = c->weekdays >> civil_weekday(days) & 1;

    if (!(c->months >> d.month & 1))
        return 0;
    if (c->any_day || c->any_weekday)
        return day && weekday;
    return day || weekday;
}

/* The lowest set bit >= from, or -1. */
static int next_bit(uint64_t bits, int from)
{
    if (from > 63)
        return -1;
    bits &= ~0ull << from;
    return bits ? __builtin_ctzll(bits) : -1;
}

/* First matching second of a day from `from` (0..86399) on, or -1. */
static int next_in_day(const struct cron *c, int from)
{
    int h = from / 3600, m = from / 60 % 60, s = from % 60;

    for (int hour = next_bit(c->hours, h); hour >= 0; hour = next_bit(c->hours, hour + 1)) {
        int first_minute = hour == h ? m : 0;
        for (int minute = next_bit(c->minutes, first_minute); minute >= 0;
             minute = next_bit(c->minutes, minute + 1)) {
            int second = next_bit(c->seconds, hour == h && minute == m ? s : 0);
            if (second >= 0)
                return hour * 3600 + minute * 60 + second;
        }
    }
    return -1;
}

/* First matching local time >= local_s, or CRON_NEVER. */
static int64_t next_local(const struct cron *c, int64_t local_s)
{
    int64_t day = floor_div(local_s, 86400);
    int from = (int)(local_s - day * 86400);

    for (int64_t last = day + DAYS_AHEAD; day <= last; day++, from = 0) {
        int second;
        if (!day_matches(c, day))
            continue;
        second = next_in_day(c, from);
        if (second >= 0)
            return day * 86400 + second;
    }
    return CRON_NEVER;
}

/* Every hour: by elapsed time, one stretch of constant offset after the other. */
static int64_t next_elapsed(const struct cron *c, const struct zone *z, int64_t from_s)
{
    for (;;) {
        int32_t offset = zone_offset(z, from_s);
        int64_t change = zone_next_change(z, from_s);
        int64_t local = next_local(c, from_s + offset);
        if (local == CRON_NEVER || local - offset < change)
            return local == CRON_NEVER ? local : local - offset;
        from_s = change;
    }
}

int64_t cron_next(const struct cron *c, const struct zone *z, int64_t after_s)
{
    int64_t local, utc;

    if (c->reboot)
        return CRON_NEVER;
    if (c->hours == EVERY_HOUR)
        return next_elapsed(c, z, after_s + 1);
    local = after_s + zone_offset(z, after_s);
    do {
        local = next_local(c, local + 1);
        if (local == CRON_NEVER)
            return CRON_NEVER;
        utc = zone_utc(z, local);
    } while (utc <= after_s); /* the second pass of an hour, or a gap that has had its run */
    return utc;
}
