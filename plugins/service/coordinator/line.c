#include "line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN 120 /* characters of a value in a message */

int line_next(const char **at, const char *table, struct line *ret)
{
    while (**at) {
        const char *begin = *at, *end = strchrnul(begin, '\n');
        const char *tab = memchr(begin, '\t', (size_t)(end - begin));

        *at = *end ? end + 1 : end;
        if (!tab)
            continue;
        *ret = (struct line){table, begin, tab + 1, (size_t)(tab - begin), (size_t)(end - tab - 1)};
        return 1;
    }
    return 0;
}

static int told(const struct line *l, struct aiex_error *err, const char *place, const char *format,
                va_list args)
{
    char *out = err->text;
    size_t size = sizeof(err->text);
    int n = snprintf(out, size, "%s.%.*s = '%.*s%s': %s", l->table, (int)l->key_len, l->key,
                     (int)(l->len < SHOWN ? l->len : SHOWN), l->value, l->len > SHOWN ? "..." : "",
                     place);

    if (n > 0 && (size_t)n < size)
        vsnprintf(out + n, size - (size_t)n, format, args);
    return -EINVAL;
}

int line_fail(const struct line *l, struct aiex_error *err, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    told(l, err, "", format, args);
    va_end(args);
    return -EINVAL;
}

int cursor_fail(struct cursor *c, size_t column, const char *format, ...)
{
    char place[40];
    va_list args;

    snprintf(place, sizeof(place), "column %zu: ", column + 1);
    va_start(args, format);
    told(c->line, c->err, place, format, args);
    va_end(args);
    return -EINVAL;
}

static int is_blank(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\r';
}

int cursor_end(struct cursor *c)
{
    while (c->at < c->line->len && is_blank(c->line->value[c->at]))
        c->at++;
    return c->at == c->line->len;
}

int cursor_take(struct cursor *c, char ch)
{
    if (cursor_end(c) || c->line->value[c->at] != ch)
        return 0;
    c->at++;
    return 1;
}

struct word cursor_word(struct cursor *c, const char *stops)
{
    struct word w = {NULL, 0, 0};

    cursor_end(c);
    w.text = c->line->value + c->at;
    w.column = c->at;
    while (c->at < c->line->len && !is_blank(c->line->value[c->at]) &&
           !strchr(stops, c->line->value[c->at]))
        c->at++;
    w.len = c->at - w.column;
    return w;
}

int word_is(struct word w, const char *text)
{
    return strlen(text) == w.len && memcmp(w.text, text, w.len) == 0;
}

/* The digits at the start of a word; 0 = none, or too many for any sense. */
static size_t digits(struct word w, int64_t *ret)
{
    size_t n = 0;

    for (*ret = 0; n < w.len && w.text[n] >= '0' && w.text[n] <= '9'; n++) {
        if (n == 15)
            return 0;
        *ret = *ret * 10 + (w.text[n] - '0');
    }
    return n;
}

static int64_t unit(struct word w, size_t at, const char *const *names, const int64_t *times)
{
    for (size_t i = 0; names[i]; i++)
        if (word_is((struct word){w.text + at, w.len - at, 0}, names[i]))
            return times[i];
    return 0;
}

int cursor_number(struct cursor *c, struct word w, const char *name, int64_t min, int64_t max,
                  int64_t *ret)
{
    static const char *const names[] = {"", "k", "K", "M", NULL};
    static const int64_t times[] = {1, 1000, 1000, 1000000};
    int64_t n = 0, by;
    size_t used = digits(w, &n);

    by = unit(w, used, names, times);
    if (used == 0 || by == 0)
        return cursor_fail(
            c, w.column, "'%.*s' is no number for %s; write a whole number such as 500, 100k or 2M",
            (int)w.len, w.text, name);
    if (__builtin_mul_overflow(n, by, &n) || n < min || n > max)
        return cursor_fail(c, w.column, "%s may be from %lld to %lld", name, (long long)min,
                           (long long)max);
    *ret = n;
    return 0;
}

int cursor_duration(struct cursor *c, struct word w, const char *name, int64_t *ret)
{
    static const char *const names[] = {"ms", "s", "m", "h", NULL};
    static const int64_t times[] = {1, 1000, 60000, 3600000};
    int64_t n = 0, by;
    size_t used = digits(w, &n);

    by = unit(w, used, names, times);
    if (used == 0 || by == 0 || n > INT32_MAX / by)
        return cursor_fail(
            c, w.column, "'%.*s' is no time for %s; write a number with ms, s, m or h, such as 30s",
            (int)w.len, w.text, name);
    *ret = n * by;
    return 0;
}

int cursor_decimal(struct cursor *c, struct word w, const char *name, int64_t *ret)
{
    int64_t whole = 0, part = 0;
    size_t used = digits(w, &whole), n = 0;

    if (used && used + 1 < w.len && w.text[used] == '.') {
        struct word rest = {w.text + used + 1, w.len - used - 1, 0};

        n = digits(rest, &part);
        used += 1 + n;
    }
    if (used == 0 || used != w.len || n > 6 || whole > 1000000)
        return cursor_fail(
            c, w.column,
            "'%.*s' is no amount for %s; write a decimal with at most 6 places, such as "
            "2.50",
            (int)w.len, w.text, name);
    for (; n < 6; n++)
        part *= 10;
    *ret = whole * 1000000 + part;
    return 0;
}

int cursor_copy(struct cursor *c, struct word w, const char *name, char *out, size_t size)
{
    if (w.len == 0)
        return cursor_fail(c, w.column, "a %s is missing here", name);
    if (w.len >= size)
        return cursor_fail(c, w.column, "the %s is longer than %zu bytes", name, size - 1);
    memcpy(out, w.text, w.len);
    out[w.len] = 0;
    return 0;
}
