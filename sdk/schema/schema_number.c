/* schema_number.c - decimal numbers compared as they are written. */
#include "schema.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DIGITS   38
#define MAX_EXPONENT 1000000000

/* Reads the digits before the exponent; returns how many stood behind the point. */
static int64_t read_digits(const char **at, const char *end, struct number *n)
{
    int64_t behind = 0, dropped = 0;
    int kept = 0, point = 0;

    for (; *at < end && (isdigit((unsigned char)**at) || **at == '.'); ++*at) {
        if (**at == '.') {
            point = 1;
            continue;
        }
        behind += point;
        if (kept == MAX_DIGITS) {
            n->exact = n->exact && **at == '0';
            dropped++;
            continue;
        }
        n->digits = n->digits * 10 + (unsigned)(**at - '0');
        kept += n->digits != 0;
    }
    return behind - dropped;
}

void schema_number_read(const struct aiex_json_span *span, struct number *ret)
{
    const char *at = span->data, *end = at + span->len;
    char text[128];
    int64_t e = 0;
    int minus = 0;

    memset(ret, 0, sizeof(*ret));
    ret->exact = 1;
    ret->negative = *at == '-';
    at += ret->negative;
    ret->exponent = -read_digits(&at, end, ret);
    if (at < end) { /* e, E */
        at++;
        minus = at < end && *at == '-';
        at += at < end && (*at == '-' || *at == '+');
        for (; at < end; at++)
            if (e < MAX_EXPONENT)
                e = e * 10 + (*at - '0');
        ret->exponent += minus ? -e : e;
    }
    while (ret->digits && ret->digits % 10 == 0) {
        ret->digits /= 10;
        ret->exponent++;
    }
    if (!ret->digits) {
        ret->exponent = 0;
        ret->negative = 0;
    }
    /* the first digits decide; a longer text can not be copied whole */
    if (span->len < sizeof(text)) {
        memcpy(text, span->data, span->len);
        text[span->len] = 0;
        ret->approx = strtold(text, NULL);
    } else {
        ret->approx = (long double)ret->digits * powl(10, (long double)ret->exponent);
        ret->approx = ret->negative ? -ret->approx : ret->approx;
    }
}

int schema_number_whole(const struct number *n)
{
    return n->exact ? n->exponent >= 0 : floorl(n->approx) == n->approx;
}

/* digits * 10^by when that fits. */
static int scale(unsigned __int128 *digits, int64_t by)
{
    const unsigned __int128 limit = ~(unsigned __int128)0 / 10;

    if (by > 40)
        return 0;
    for (; by > 0; by--) {
        if (*digits > limit)
            return 0;
        *digits *= 10;
    }
    return 1;
}

/* Brings both to one exponent. 0 when the numbers are too far apart, or not exact. */
static int align(const struct number *a, const struct number *b, unsigned __int128 *x,
                 unsigned __int128 *y)
{
    int64_t e = a->exponent < b->exponent ? a->exponent : b->exponent;

    *x = a->digits;
    *y = b->digits;
    return a->exact && b->exact && scale(x, *x ? a->exponent - e : 0) &&
           scale(y, *y ? b->exponent - e : 0);
}

int schema_number_compare(const struct number *a, const struct number *b)
{
    unsigned __int128 x, y;
    int r;

    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    if (align(a, b, &x, &y)) {
        r = x < y ? -1 : x > y;
        return a->negative ? -r : r;
    }
    if (a->exact && b->exact && a->digits == b->digits && a->exponent == b->exponent)
        return 0;
    if (a->approx != b->approx)
        return a->approx < b->approx ? -1 : 1;
    return a->exact == b->exact && !a->exact ? 0 : 1; /* equal as far as anyone can tell */
}

int schema_number_multiple(const struct number *a, const struct number *b)
{
    unsigned __int128 x, y;
    long double q;

    if (!a->digits)
        return 1;
    if (align(a, b, &x, &y) && y)
        return x % y == 0;
    if (a->exact && b->exact && a->exponent >= b->exponent &&
        b->digits < (unsigned __int128)1 << 124) {
        /* too many zeros to write out: after 128 tens no factor 2 or 5 is left to cancel */
        unsigned __int128 rest = a->digits % b->digits;

        for (int64_t n = a->exponent - b->exponent; n > 0 && n > a->exponent - b->exponent - 128;
             n--)
            rest = rest * 10 % b->digits;
        return rest == 0;
    }
    q = a->approx / b->approx;
    return isfinite(q) && fabsl(q) < 0x1p62L && floorl(q) == q;
}
