/*
 * option.c - one text, one value: the types of options.
 *
 * The table `types` has a row per AIEX_OPT_*: how to read it, how to write it, and
 * what to tell someone whose text could not be read. Limits are checked in one place
 * for all whole numbers. Nothing here knows about tables of options (option_table.c)
 * or config structs (option_values.c).
 */
#include "config/option.h"

#include "base/err.h"
#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SHOWN_BYTES 60 /* of a wrong value in a message */

struct unit {
    const char *name;
    int64_t factor;
};

/* Largest first: formatting takes the first that divides. */
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                        {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit sizes[] = {{"T", INT64_C(1) << 40}, {"G", 1 << 30}, {"M", 1 << 20},
                                    {"k", 1 << 10},          {"", 1},        {NULL, 0}};

static const struct {
    const char *word;
    int value;
} bools[] = {{"yes", 1}, {"no", 0},  {"true", 1}, {"false", 0},
             {"on", 1},  {"off", 0}, {"1", 1},    {"0", 0}};

/* Digits with an optional sign; 0 and where it ended, or -1. */
static int read_whole(const char *text, int64_t *ret, const char **end)
{
    char *stop;
    const char *digits = text + (*text == '-' || *text == '+');

    if (!isdigit((unsigned char)*digits))
        return -1;
    errno = 0;
    *ret = strtoll(text, &stop, 10);
    *end = stop;
    return errno ? -1 : 0;
}

static int parse_int(const struct aiex_option *o, const char *text, struct option_value *v)
{
    const char *end;

    return read_whole(text, &v->whole, &end) == 0 && *end == 0 ? 0 : -1;
}

static int parse_units(const struct unit *units, int (*same)(const char *, const char *),
                       const char *text, struct option_value *v)
{
    int64_t n;
    const char *end;

    if (read_whole(text, &n, &end) != 0)
        return -1;
    if (n == 0 && *end == 0) {
        v->whole = 0;
        return 0;
    }
    for (; units->name; units++)
        if (same(end, units->name) == 0)
            return __builtin_mul_overflow(n, units->factor, &v->whole) ? -1 : 0;
    return -1;
}

static int parse_size(const struct aiex_option *o, const char *text, struct option_value *v)
{
    return *text == '-' ? -1 : parse_units(sizes, strcasecmp, text, v);
}

static int parse_duration(const struct aiex_option *o, const char *text, struct option_value *v)
{
    return *text == '-' ? -1 : parse_units(durations, strcmp, text, v);
}

static int parse_bool(const struct aiex_option *o, const char *text, struct option_value *v)
{
    for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++)
        if (strcasecmp(text, bools[i].word) == 0) {
            v->whole = bools[i].value;
            return 0;
        }
    return -1;
}

static int parse_choice(const struct aiex_option *o, const char *text, struct option_value *v)
{
    for (int i = 0; o->choices && o->choices[i]; i++)
        if (strcmp(text, o->choices[i]) == 0) {
            v->whole = i;
            return 0;
        }
    return -1;
}

static int parse_text(const struct aiex_option *o, const char *text, struct option_value *v)
{
    v->text = text;
    return 0;
}

/* Plain decimal notation only: strtod alone would take inf, nan and 0x1p3. */
static int parse_real(const struct aiex_option *o, const char *text, struct option_value *v)
{
    char *end;

    if (*text == 0 || text[strspn(text, "+-.0123456789eE")] != 0)
        return -1;
    v->real = strtod(text, &end);
    return end != text && *end == 0 && isfinite(v->real) ? 0 : -1;
}

static int format_int(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    return buf_addf(out, "%lld", (long long)v->whole);
}

static int format_units(const struct unit *units, int64_t n, struct buf *out)
{
    if (n == 0)
        return buf_addf(out, "0");
    while (n % units->factor != 0)
        units++;
    return buf_addf(out, "%lld%s", (long long)(n / units->factor), units->name);
}

static int format_size(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    return format_units(sizes, v->whole, out);
}

static int format_duration(const struct aiex_option *o, const struct option_value *v,
                           struct buf *out)
{
    return format_units(durations, v->whole, out);
}

static int format_bool(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    return buf_addf(out, "%s", v->whole ? "yes" : "no");
}

static int format_choice(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    int64_t n = 0;

    while (o->choices && o->choices[n] && n < v->whole)
        n++;
    return buf_addf(out, "%s", o->choices && o->choices[n] ? o->choices[n] : "");
}

static int format_string(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    return buf_addf(out, "%s", v->text ? v->text : "");
}

static int format_secret(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    return buf_addf(out, "%s", v->text && *v->text ? "***" : "");
}

/* The shortest decimals that read back as the same number. */
static int format_real(const struct aiex_option *o, const struct option_value *v, struct buf *out)
{
    char text[40];
    int digits = 1;

    do
        snprintf(text, sizeof(text), "%.*g", digits, v->real);
    while (strtod(text, NULL) != v->real && ++digits <= 17);
    return buf_addf(out, "%s", text);
}

struct type {
    int (*parse)(const struct aiex_option *, const char *text, struct option_value *);
    int (*format)(const struct aiex_option *, const struct option_value *, struct buf *);
    const char *expected;
};

static const struct type types[] = {
    [AIEX_OPT_STRING] = {parse_text, format_string, "text"},
    [AIEX_OPT_INT] = {parse_int, format_int, "a whole number"},
    [AIEX_OPT_BOOL] = {parse_bool, format_bool, "yes or no (also true, false, on, off, 1, 0)"},
    [AIEX_OPT_SIZE] = {parse_size, format_size, "a size such as 64k, 10M or 1G"},
    [AIEX_OPT_DURATION] = {parse_duration, format_duration, "a duration such as 500ms, 30s or 2m"},
    [AIEX_OPT_CHOICE] = {parse_choice, format_choice, "one of"},
    [AIEX_OPT_SECRET] = {parse_text, format_secret, "text"},
    [AIEX_OPT_REAL] = {parse_real, format_real, "a number such as 0.7"},
};

static const struct type *type_of(const struct aiex_option *o)
{
    return o->type < sizeof(types) / sizeof(types[0]) && types[o->type].parse ? &types[o->type]
                                                                              : NULL;
}

static int has_limits(const struct aiex_option *o)
{
    return (o->min || o->max) && o->type != AIEX_OPT_STRING && o->type != AIEX_OPT_SECRET &&
           o->type != AIEX_OPT_BOOL && o->type != AIEX_OPT_CHOICE;
}

static int within(const struct aiex_option *o, const struct option_value *v)
{
    if (!has_limits(o))
        return 1;
    if (o->type == AIEX_OPT_REAL)
        return v->real >= (double)o->min && v->real <= (double)o->max;
    return v->whole >= o->min && v->whole <= o->max;
}

static void add_limit(const struct aiex_option *o, int64_t limit, struct buf *out)
{
    struct option_value v = {.whole = limit, .real = (double)limit};

    (void)type_of(o)->format(o, &v, out);
}

static void add_limits(const struct aiex_option *o, struct buf *out)
{
    int open_below = o->min == INT64_MIN, open_above = o->max == INT64_MAX;

    if (!has_limits(o) || (open_below && open_above))
        return;
    (void)buf_addf(out, open_above ? ", at least " : open_below ? ", at most " : ", from ");
    if (!open_below)
        add_limit(o, o->min, out);
    if (!open_below && !open_above)
        (void)buf_addf(out, " to ");
    if (!open_above)
        add_limit(o, o->max, out);
}

static void add_choices(const struct aiex_option *o, const char *text, struct buf *out)
{
    const char *near = text_nearest(text, o->choices);

    for (int i = 0; o->choices[i]; i++)
        (void)buf_addf(out, "%s%s", i ? ", " : " ", o->choices[i]);
    if (near)
        (void)buf_addf(out, "; did you mean '%s'?", near);
}

/* The value as it may be shown: one line, printable, not long. */
static void add_shown(const char *text, struct buf *out)
{
    size_t n = strlen(text), cut = n;

    if (n > SHOWN_BYTES) {
        cut = SHOWN_BYTES;
        while (cut && ((unsigned char)text[cut] & 0xc0) == 0x80)
            cut--; /* never half a character */
    }
    for (size_t i = 0; i < cut; i++)
        (void)buf_addf(out, "%c", iscntrl((unsigned char)text[i]) ? '?' : text[i]);
    if (cut < n)
        (void)buf_addf(out, "...");
}

int option_parse(const struct aiex_option *option, const char *text, struct option_value *ret,
                 struct aiex_error *err)
{
    const struct type *type = type_of(option);
    struct option_value v = {0};
    struct buf b;
    int r;

    if (!type)
        return fail(err, -EINVAL, "option '%s' has type %u, which this host does not know",
                    option->name, option->type);
    if (type->parse(option, text, &v) == 0 && within(option, &v)) {
        *ret = v;
        return 0;
    }
    buf_init(&b, sizeof(err->text));
    add_shown(text, &b);
    (void)buf_addf(&b, "': expected %s", type->expected);
    if (option->type == AIEX_OPT_CHOICE && option->choices)
        add_choices(option, text, &b);
    add_limits(option, &b);
    r = fail(err, -EINVAL, "%s = '%s", option->name, b.data ? (const char *)b.data : "...'");
    buf_done(&b);
    return r;
}

int option_format(const struct aiex_option *option, const struct option_value *value,
                  struct buf *out)
{
    const struct type *type = type_of(option);

    return type ? type->format(option, value, out) : -EINVAL;
}
