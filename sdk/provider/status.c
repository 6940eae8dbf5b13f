#include "status.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WAIT_MS (24 * 3600 * 1000)

/* First row that matches; `to` is inclusive. */
static const struct row {
    int from, to;
    const char *code;
    int http_status; /* 0 = as it came */
    int started;
} rows[] = {
    {401, 403, AIEX_E_DENIED, 0, 0},    {404, 404, AIEX_E_NOT_FOUND, 0, 0},
    {410, 410, AIEX_E_NOT_FOUND, 0, 0}, {408, 408, AIEX_E_TIMEOUT, 0, 1},
    {409, 409, AIEX_E_CONFLICT, 0, 0},  {429, 429, AIEX_E_BUSY, 0, 0},
    {400, 499, AIEX_E_INVALID, 0, 0},   {503, 503, AIEX_E_UPSTREAM, 0, 0},
    {504, 504, AIEX_E_TIMEOUT, 0, 1},   {529, 529, AIEX_E_BUSY, 0, 0},
    {500, 599, AIEX_E_UPSTREAM, 0, 1},  {0, 9999, AIEX_E_UPSTREAM, 502, 0},
};

struct status_meaning status_meaning(int status, int waits)
{
    const struct row *r = rows;

    while (status < r->from || status > r->to)
        r++;
    return (struct status_meaning){status == 503 && waits ? AIEX_E_BUSY : r->code,
                                   r->http_status ? r->http_status : status, r->started};
}

const char *status_header(const struct aiex_http_header *headers, size_t n_headers,
                          const char *name)
{
    for (size_t i = 0; i < n_headers; i++)
        if (headers[i].name[0] == *name && strcmp(headers[i].name, name) == 0)
            return headers[i].value;
    return NULL;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may be sent. -1 = not a date. */
static time_t http_date(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    char month[4], zone[4];
    const char *m;

    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d %3s", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone) != 7 ||
        strcmp(zone, "GMT") != 0)
        return -1;
    m = strstr(months, month);
    if (!m || strlen(month) != 3 || (m - months) % 3 != 0)
        return -1;
    tm.tm_mon = (int)(m - months) / 3;
    tm.tm_year -= 1900;
    return timegm(&tm);
}

/* "2026-01-02T03:04:05Z", perhaps with a fraction. -1 = not that. */
static time_t rfc3339(const char *text)
{
    struct tm tm = {0};
    int n = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &n) != 6)
        return -1;
    if (text[n] == '.')
        n += 1 + (int)strspn(text + n + 1, "0123456789");
    if (strcmp(text + n, "Z") != 0 && strcmp(text + n, "+00:00") != 0)
        return -1;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

/* A plain decimal number times `unit`, within 0 and a day. -1 = not one. */
static int64_t scaled(const char *text, double unit)
{
    char *end;
    double v;

    if (*text < '0' || *text > '9')
        return -1;
    v = strtod(text, &end);
    if (*end || !isfinite(v))
        return -1;
    return v * unit > MAX_WAIT_MS ? MAX_WAIT_MS : (int64_t)(v * unit);
}

/* From one moment to another, within 0 and a day. */
static int64_t wait_until(time_t until, time_t from)
{
    if (until <= from)
        return 0;
    return until - from > MAX_WAIT_MS / 1000 ? MAX_WAIT_MS : (int64_t)(until - from) * 1000;
}

int64_t status_retry_ms(const struct aiex_http_header *headers, size_t n_headers, time_t wall_now)
{
    const char *ms = status_header(headers, n_headers, "retry-after-ms");
    const char *after = status_header(headers, n_headers, "retry-after");
    const char *date = status_header(headers, n_headers, "date");
    int64_t wait = ms ? scaled(ms, 1) : -1;
    time_t until, from;

    if (wait >= 0 || !after)
        return wait;
    wait = scaled(after, 1000);
    if (wait >= 0)
        return wait;
    until = http_date(after);
    if (until < 0)
        return -1;
    from = date ? http_date(date) : -1;
    if (from < 0)
        from = wall_now;
    return wait_until(until, from);
}

/* "6m0s", "1h2m3.5s", "20ms" and so on. -1 = not one. */
static int64_t go_duration(const char *text)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"h", 3600000}, {"m", 60000}, {"s", 1000}};
    double sum = 0;

    if (!*text)
        return -1;
    while (*text) {
        char *end;
        double v = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
        size_t i = 0;

        if (v < 0 || !isfinite(v))
            return -1;
        while (i < 4 && strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (i == 4)
            return -1;
        sum += v * units[i].ms;
        text = end + strlen(units[i].unit);
    }
    return sum > MAX_WAIT_MS ? MAX_WAIT_MS : (int64_t)sum;
}

static int64_t reset_of(const char *value, time_t now)
{
    int64_t ms = go_duration(value);
    time_t at;

    if (ms >= 0)
        return ms;
    ms = scaled(value, 1000);
    if (ms >= 0)
        return ms;
    at = rfc3339(value);
    return at < 0 ? -1 : wait_until(at, now);
}

struct rate status_rate(const struct aiex_http_header *headers, size_t n_headers, time_t wall_now)
{
    enum { REQUESTS, TOKENS, RESET };
    static const struct {
        const char *name;
        int what;
    } names[] = {{"x-ratelimit-remaining-requests", REQUESTS},
                 {"x-ratelimit-remaining-tokens", TOKENS},
                 {"x-ratelimit-reset-requests", RESET},
                 {"x-ratelimit-reset-tokens", RESET},
                 {"anthropic-ratelimit-requests-remaining", REQUESTS},
                 {"anthropic-ratelimit-tokens-remaining", TOKENS},
                 {"anthropic-ratelimit-requests-reset", RESET},
                 {"anthropic-ratelimit-tokens-reset", RESET}};
    struct rate r = {-1, -1, -1};

    for (size_t i = 0; i < n_headers; i++) {
        const char *name = headers[i].name, *value = headers[i].value;
        size_t k = 0;
        int64_t v;

        if (*name != 'x' && *name != 'a') /* most of them */
            continue;
        if (strncmp(name, "x-ratelimit-", 12) != 0 &&
            strncmp(name, "anthropic-ratelimit-", 20) != 0)
            continue;
        while (k < sizeof(names) / sizeof(names[0]) && strcmp(names[k].name, name) != 0)
            k++;
        if (k == sizeof(names) / sizeof(names[0]))
            continue;
        if (names[k].what == RESET) {
            v = reset_of(value, wall_now);
            r.reset_ms = v > r.reset_ms ? v : r.reset_ms;
        } else if (*value >= '0' && *value <= '9' && strlen(value) < 18) {
            *(names[k].what == REQUESTS ? &r.requests : &r.tokens) = strtoll(value, NULL, 10);
        }
    }
    return r;
}
