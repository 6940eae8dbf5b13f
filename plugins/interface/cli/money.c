/* money.c - dollars and days as text. */
#include "money.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MICROS      1000000
#define MAX_DOLLARS 1000000000000ll

char *money_text(int64_t micros, char out[MONEY_TEXT])
{
    uint64_t all = micros < 0 ? -(uint64_t)micros : (uint64_t)micros;
    unsigned rest = (unsigned)(all % MICROS);
    int digits = rest % 10000 == 0 || all >= 100 * MICROS ? 2 : rest % 100 == 0 ? 4 : 6;

    if (digits == 2)
        rest /= 10000;
    else if (digits == 4)
        rest /= 100;
    snprintf(out, MONEY_TEXT, "%s$%" PRIu64 ".%0*u", micros < 0 ? "-" : "", all / MICROS, digits,
             rest);
    return out;
}

int money_read(const char *text, int64_t *ret_micros, struct aiex_error *err)
{
    const char *at = text + (*text == '$');
    int64_t dollars = 0, part = 0, unit = MICROS / 10;
    int digits = 0;

    for (; isdigit((unsigned char)*at) && dollars < MAX_DOLLARS; at++, digits++)
        dollars = dollars * 10 + (*at - '0');
    if (*at == '.')
        for (at++; isdigit((unsigned char)*at) && unit; at++, unit /= 10, digits++)
            part += (*at - '0') * unit;
    if (!digits || *at || dollars >= MAX_DOLLARS) {
        snprintf(err->text, sizeof(err->text),
                 "amount '%.60s' is none; write dollars as in 12.50 (at most six decimals)", text);
        return -EINVAL;
    }
    *ret_micros = dollars * MICROS + part;
    return 0;
}

int day_read(const char *text, int64_t *ret_ms, struct aiex_error *err)
{
    struct tm tm = {0}, back;
    int year, month, day;
    time_t s;
    char end;

    if (strlen(text) == 10 && sscanf(text, "%4d-%2d-%2d%c", &year, &month, &day, &end) == 3) {
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        tm.tm_mday = day;
        s = timegm(&tm);
        gmtime_r(&s, &back);
        if (year > 1970 && back.tm_mon == month - 1 && back.tm_mday == day) {
            *ret_ms = (int64_t)s * 1000;
            return 0;
        }
    }
    snprintf(err->text, sizeof(err->text), "date '%.60s' is none; write YYYY-MM-DD (UTC)", text);
    return -EINVAL;
}

/* ".25" = 250; how many bytes it took, 0 = it is none. */
static size_t read_fraction(const char *text, int64_t *ret_ms)
{
    static const int64_t worth[] = {100, 10, 1};
    size_t n = 0;

    if (*text != '.')
        return 0;
    while (n < 3 && text[1 + n] >= '0' && text[1 + n] <= '9') {
        *ret_ms += (text[1 + n] - '0') * worth[n];
        n++;
    }
    return n ? n + 1 : 0;
}

/* "12:00", "12:00:05.250", with or without Z, as milliseconds of the day. 0 or -EINVAL. */
static int clock_read(const char *text, int64_t *ret_ms)
{
    unsigned hour, minute, second = 0;
    int64_t fraction = 0;
    int at = 0, more = 0;

    if (sscanf(text, "%2u:%2u%n", &hour, &minute, &at) != 2 || text[0] == ' ')
        return -EINVAL;
    if (text[at] == ':') {
        if (text[at + 1] == ' ' || sscanf(text + at, ":%2u%n", &second, &more) != 1)
            return -EINVAL;
        at += more + (int)read_fraction(text + at + more, &fraction);
    }
    at += text[at] == 'Z';
    if (text[at] || hour > 23 || minute > 59 || second > 59)
        return -EINVAL;
    *ret_ms = ((int64_t)hour * 3600 + minute * 60 + second) * 1000 + fraction;
    return 0;
}

int moment_read(const char *text, int64_t *ret_ms, struct aiex_error *err)
{
    char day[11] = "";
    int64_t date, clock;

    if (*text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 16) {
        *ret_ms = strtoll(text, NULL, 10);
        return 0;
    }
    if (strlen(text) > 11 && (text[10] == 'T' || text[10] == ' ')) {
        memcpy(day, text, 10);
        if (day_read(day, &date, err) == 0 && clock_read(text + 11, &clock) == 0) {
            *ret_ms = date + clock;
            return 0;
        }
    }
    snprintf(err->text, sizeof(err->text),
             "time '%.60s' is none; write YYYY-MM-DDTHH:MM:SS (UTC) or milliseconds since 1970",
             text);
    return -EINVAL;
}
