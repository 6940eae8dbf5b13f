#include "base/text.h"

#include <ctype.h>
#include <string.h>

unsigned text_distance(const char *a, const char *b, unsigned limit)
{
    size_t n = strlen(a), m = strlen(b);
    unsigned row[65];

    if (n > 64 || m > 64)
        return limit + 1;
    for (size_t j = 0; j <= m; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned cost = diagonal + (tolower((unsigned char)a[i - 1]) !=
                                        tolower((unsigned char)b[j - 1]));

            diagonal = row[j];
            if (row[j] + 1 < cost)
                cost = row[j] + 1;
            if (row[j - 1] + 1 < cost)
                cost = row[j - 1] + 1;
            row[j] = cost;
        }
    }
    return row[m] > limit ? limit + 1 : row[m];
}

const char *text_nearest(const char *word, const char *const *list)
{
    unsigned best = (unsigned)strlen(word) / 3 + 1;
    const char *found = NULL;

    for (; *list; list++) {
        unsigned d = text_distance(word, *list, best);

        if (d <= best && (!found || d < best)) {
            best = d;
            found = *list;
        }
    }
    return found;
}

int text_is_name(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > 63 || !isalnum((unsigned char)name[0]))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("_.:-#", name[i]))
            return 0;
    return 1;
}

size_t text_utf8(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* too long a form, half a surrogate pair, beyond the last character */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

uint32_t text_hash(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}
