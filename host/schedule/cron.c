/* cron.c - the text of a cron expression to bit sets. cron_next.c computes with them. */
#include "schedule/cron.h"
#include "schedule/civil.h"

#include <string.h>
#include <strings.h>

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                          "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};

/* In the order of the text. */
static const struct field {
    const char *name;
    int min, max;
    const char *const *names; /* names[0] is value `min` */
    const char *allowed;
} fields[] = {
    {"second", 0, 59, NULL, "0-59"},
    {"minute", 0, 59, NULL, "0-59"},
    {"hour", 0, 23, NULL, "0-23"},
    {"day", 1, 31, NULL, "1-31"},
    {"month", 1, 12, month_names, "1-12 or jan-dec"},
    {"weekday", 0, 7, weekday_names, "0-7 or sun-sat"},
};
#define N_FIELDS (sizeof fields / sizeof fields[0])

static const struct {
    const char *word, *text;
} shorthands[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* A piece of the text being read. */
struct span {
    const char *p, *end;
};

static int len_of(struct span s)
{
    return (int)(s.end - s.p);
}

static int bad_value(const struct field *f, struct span part, struct aiex_error *err)
{
    return fail(err, -EINVAL, "cron field '%s': '%.*s' is not allowed; use %s, lists, a-b, */n",
                f->name, len_of(part) > 40 ? 40 : len_of(part), part.p, f->allowed);
}

/* A number or name at the front of `s`. */
static int take_value(const struct field *f, struct span *s, int *ret)
{
    int n = 0, digits = 0;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && digits < 4) {
        n = n * 10 + (*s->p++ - '0');
        digits++;
    }
    if (digits) {
        *ret = n;
        return n >= f->min && n <= f->max ? 0 : -EINVAL;
    }
    for (int i = 0; f->names && f->names[i]; i++)
        if (s->end - s->p >= 3 && strncasecmp(s->p, f->names[i], 3) == 0) {
            s->p += 3;
            *ret = f->min + i;
            return 0;
        }
    return -EINVAL;
}

static int take_step(struct span *s, int *ret)
{
    int n = 0, digits = 0;

    while (s->p < s->end && *s->p >= '0' && *s->p <= '9' && digits < 4) {
        n = n * 10 + (*s->p++ - '0');
        digits++;
    }
    *ret = n;
    return n > 0 ? 0 : -EINVAL;
}

/* One of "*", "a", "a-b", with or without "/n". */
static int parse_item(const struct field *f, struct span item, uint64_t *bits,
                      struct aiex_error *err)
{
    struct span s = item;
    int from = f->min, to = f->max, step = 1, single = 0;

    if (s.p < s.end && *s.p == '*') {
        s.p++;
    } else {
        if (take_value(f, &s, &from) < 0)
            return bad_value(f, item, err);
        single = 1;
        if (s.p < s.end && *s.p == '-') {
            s.p++;
            if (take_value(f, &s, &to) < 0)
                return bad_value(f, item, err);
            single = 0;
        }
    }
    if (from > to)
        return fail(err, -EINVAL, "cron field '%s': range '%.*s' runs backwards; write it as two",
                    f->name, len_of(item), item.p);
    if (s.p < s.end && *s.p == '/') {
        s.p++;
        if (take_step(&s, &step) < 0)
            return fail(err, -EINVAL, "cron field '%s': step in '%.*s' is not a number from 1",
                        f->name, len_of(item), item.p);
    } else if (single) {
        to = from;
    }
    if (s.p != s.end)
        return bad_value(f, item, err);
    for (int v = from; v <= to; v += step)
        *bits |= 1ull << v;
    return 0;
}

static int parse_field(const struct field *f, struct span text, uint64_t *ret_bits,
                       struct aiex_error *err)
{
    uint64_t bits = 0;

    for (;;) {
        const char *comma = memchr(text.p, ',', (size_t)(text.end - text.p));
        int r = parse_item(f, (struct span){text.p, comma ? comma : text.end}, &bits, err);
        if (r < 0)
            return r;
        if (!comma)
            break;
        text.p = comma + 1;
    }
    *ret_bits = bits;
    return 0;
}

/* Splits at blanks; the number of pieces, at most max + 1. */
static size_t split(const char *text, struct span *out, size_t max)
{
    size_t n = 0;

    for (const char *p = text;;) {
        p += strspn(p, " \t");
        if (!*p)
            return n;
        if (n == max)
            return max + 1;
        out[n].p = p;
        p += strcspn(p, " \t");
        out[n++].end = p;
    }
}

/* Some month has one of the days. */
static int can_come_true(const struct cron *c)
{
    if (!c->any_day && !c->any_weekday)
        return 1; /* a weekday suffices */
    for (int month = 1; month <= 12; month++)
        for (int day = 1; day <= civil_month_days(2000, month); day++)
            if (c->months >> month & 1 && c->days >> day & 1)
                return 1;
    return 0;
}

static int parse_fields(const char *text, struct cron *c, struct aiex_error *err)
{
    struct span parts[N_FIELDS];
    uint64_t bits[N_FIELDS] = {1}; /* second 0 */
    size_t n = split(text, parts, N_FIELDS);

    if (n != N_FIELDS && n != N_FIELDS - 1)
        return fail(err, -EINVAL,
                    "cron expression '%.80s' has %s fields; use minute hour day month weekday, "
                    "with seconds in front if needed, or @daily and the like",
                    text, n < N_FIELDS - 1 ? "too few" : "too many");
    for (size_t i = 0; i < n; i++) {
        int r = parse_field(&fields[N_FIELDS - n + i], parts[i], &bits[N_FIELDS - n + i], err);
        if (r < 0)
            return r;
    }
    *c = (struct cron){.seconds = bits[0],
                       .minutes = bits[1],
                       .hours = (uint32_t)bits[2],
                       .days = (uint32_t)bits[3],
                       .months = (uint32_t)bits[4],
                       .weekdays = (uint32_t)(bits[5] | bits[5] >> 7) & 0x7f,
                       .any_day = *parts[n - 3].p == '*',
                       .any_weekday = *parts[n - 1].p == '*'};
    if (!can_come_true(c))
        return fail(err, -EINVAL, "cron expression '%.80s' never comes true: no such day", text);
    return 0;
}

int cron_parse(const char *text, struct cron *ret_cron, struct aiex_error *err)
{
    struct cron c = {0};
    int r;

    if (strnlen(text, CRON_MAX_TEXT) == CRON_MAX_TEXT)
        return fail(err, -EINVAL, "cron expression '%.40s...' is longer than %u bytes", text,
                    CRON_MAX_TEXT - 1);
    if (strcmp(text, "@reboot") == 0) {
        *ret_cron = (struct cron){.reboot = 1};
        return 0;
    }
    for (size_t i = 0; i < sizeof shorthands / sizeof shorthands[0]; i++)
        if (strcmp(text, shorthands[i].word) == 0)
            text = shorthands[i].text;
    if (text[0] == '@')
        return fail(err, -EINVAL,
                    "cron word '%.40s' is not known; use @hourly @daily @weekly @monthly @yearly "
                    "@reboot",
                    text);
    r = parse_fields(text, &c, err);
    if (r == 0)
        *ret_cron = c;
    return r;
}
