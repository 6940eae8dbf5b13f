#include "schedule/tzrule.h"
#include "schedule/civil.h"

#include <errno.h>

struct text {
    const char *p, *end;
};

static int peek(const struct text *t)
{
    return t->p < t->end ? (unsigned char)*t->p : 0;
}

static int skip(struct text *t, char c)
{
    if (peek(t) != c)
        return 0;
    t->p++;
    return 1;
}

static int is_letter(int c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static int parse_number(struct text *t, int max, int *ret)
{
    int n = 0, digits = 0;

    while (peek(t) >= '0' && peek(t) <= '9' && digits < 4) {
        n = n * 10 + (*t->p++ - '0');
        digits++;
    }
    if (digits == 0 || n > max)
        return -EINVAL;
    *ret = n;
    return 0;
}

/* "CET" or "<+03>". */
static int parse_name(struct text *t)
{
    const char *from = t->p;

    if (skip(t, '<')) {
        while (peek(t) && peek(t) != '>')
            t->p++;
        return skip(t, '>') ? 0 : -EINVAL;
    }
    while (is_letter(peek(t)))
        t->p++;
    return t->p - from >= 3 ? 0 : -EINVAL;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static int parse_time(struct text *t, int32_t *ret)
{
    int sign = 1, h, m = 0, s = 0;

    if (skip(t, '-'))
        sign = -1;
    else
        skip(t, '+');
    if (parse_number(t, 167, &h) < 0)
        return -EINVAL;
    if (skip(t, ':')) {
        if (parse_number(t, 59, &m) < 0)
            return -EINVAL;
        if (skip(t, ':') && parse_number(t, 59, &s) < 0)
            return -EINVAL;
    }
    *ret = sign * (h * 3600 + m * 60 + s);
    return 0;
}

static int parse_date(struct text *t, struct tzdate *d)
{
    int bad = 0;

    *d = (struct tzdate){.kind = 'D', .time_s = 7200};
    if (skip(t, 'M')) {
        d->kind = 'M';
        bad = parse_number(t, 12, &d->month) < 0 || d->month < 1 || !skip(t, '.') ||
              parse_number(t, 5, &d->week) < 0 || d->week < 1 || !skip(t, '.') ||
              parse_number(t, 6, &d->day) < 0;
    } else if (skip(t, 'J')) {
        d->kind = 'J';
        bad = parse_number(t, 365, &d->day) < 0 || d->day < 1;
    } else {
        bad = parse_number(t, 365, &d->day) < 0;
    }
    if (bad)
        return -EINVAL;
    return skip(t, '/') ? parse_time(t, &d->time_s) : 0;
}

int tzrule_parse(const char *text, size_t len, struct tzrule *ret_rule)
{
    struct text t = {text, text + len};
    struct tzrule r = {0};
    int32_t west;

    if (parse_name(&t) < 0 || parse_time(&t, &west) < 0)
        return -EINVAL;
    r.std_s = r.dst_s = -west; /* POSIX counts westwards */
    if (t.p < t.end) {
        if (parse_name(&t) < 0)
            return -EINVAL;
        r.has_dst = 1;
        r.dst_s = r.std_s + 3600;
        if (peek(&t) && peek(&t) != ',') {
            if (parse_time(&t, &west) < 0)
                return -EINVAL;
            r.dst_s = -west;
        }
        if (!skip(&t, ',') || parse_date(&t, &r.start) < 0 || !skip(&t, ',') ||
            parse_date(&t, &r.end) < 0 || t.p != t.end)
            return -EINVAL;
    }
    *ret_rule = r;
    return 0;
}

/* Local seconds since 1970 at which the change of that year comes. */
static int64_t change_local(const struct tzdate *d, int64_t year)
{
    int64_t first = civil_days(year, 1, 1), day;

    if (d->kind == 'M') {
        int64_t month = civil_days(year, d->month, 1);
        int last = civil_month_days(year, d->month);
        int nth = (d->day - civil_weekday(month) + 7) % 7 + (d->week - 1) * 7;
        while (nth >= last)
            nth -= 7;
        day = month + nth;
    } else if (d->kind == 'J') {
        day = first + d->day - 1 + (civil_month_days(year, 2) == 29 && d->day >= 60);
    } else {
        day = first + d->day;
    }
    return day * 86400 + d->time_s;
}

static void changes_of(const struct tzrule *r, int64_t year, int64_t *to_dst, int64_t *to_std)
{
    *to_dst = change_local(&r->start, year) - r->std_s;
    *to_std = change_local(&r->end, year) - r->dst_s;
}

static int64_t year_of(int64_t utc_s)
{
    return civil_of_days(floor_div(utc_s, 86400)).year;
}

int32_t tzrule_offset(const struct tzrule *r, int64_t utc_s)
{
    int64_t latest = INT64_MIN, year;
    int32_t offset = r->std_s;

    if (!r->has_dst)
        return r->std_s;
    year = year_of(utc_s);
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t to_dst, to_std;
        changes_of(r, y, &to_dst, &to_std);
        if (to_dst <= utc_s && to_dst > latest) {
            latest = to_dst;
            offset = r->dst_s;
        }
        if (to_std <= utc_s && to_std > latest) {
            latest = to_std;
            offset = r->std_s;
        }
    }
    return offset;
}

int64_t tzrule_next(const struct tzrule *r, int64_t utc_s)
{
    int64_t next = INT64_MAX, year;

    if (!r->has_dst)
        return INT64_MAX;
    year = year_of(utc_s);
    for (int64_t y = year - 1; y <= year + 2; y++) {
        int64_t to_dst, to_std;
        changes_of(r, y, &to_dst, &to_std);
        if (to_dst > utc_s && to_dst < next)
            next = to_dst;
        if (to_std > utc_s && to_std < next)
            next = to_std;
    }
    return next;
}
