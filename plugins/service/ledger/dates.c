/* dates.c - the civil calendar by whole numbers (Hinnant, "chrono-compatible low-level date
 * algorithms"), since a cell has no time zone file to ask. */
#include "dates.h"

#include <ctype.h>
#include <stdio.h>

struct civil {
    int64_t year;
    int month, day;
};

int64_t day_of(int64_t ms)
{
    return ms >= 0 ? ms / DAY_MS : -((-ms + DAY_MS - 1) / DAY_MS);
}

static struct civil civil_of(int64_t day)
{
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    struct civil c;

    c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
    c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
    c.year = yoe + era * 400 + (c.month <= 2);
    return c;
}

static int64_t day_number(struct civil c)
{
    int64_t y = c.year - (c.month <= 2), era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

int64_t month_of(int64_t day)
{
    struct civil c = civil_of(day);

    return c.year * 12 + c.month - 1;
}

void day_text(int64_t day, char out[DAY_TEXT])
{
    struct civil c = civil_of(day);
    unsigned year = (unsigned)(c.year < 0 ? 0 : c.year > 9999 ? 9999 : c.year);

    snprintf(out, DAY_TEXT, "%04u-%02u-%02u", year % 10000, (unsigned)c.month % 100,
             (unsigned)c.day % 100);
}

int day_read(const char *text, int64_t *ret_day)
{
    struct civil c, back;

    for (int i = 0; i < 10; i++)
        if (i == 4 || i == 7 ? text[i] != '-' : !isdigit((unsigned char)text[i]))
            return 0;
    c.year = (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 + text[3] - '0';
    c.month = (text[5] - '0') * 10 + text[6] - '0';
    c.day = (text[8] - '0') * 10 + text[9] - '0';
    if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31)
        return 0;
    *ret_day = day_number(c);
    back = civil_of(*ret_day);
    return back.day == c.day && back.month == c.month;
}
