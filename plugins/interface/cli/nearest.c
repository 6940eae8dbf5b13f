#include "nearest.h"

#include <limits.h>
#include <string.h>

#define LONGEST 63

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;

    return m < c ? m : c;
}

/* Damerau-Levenshtein, adjacent swaps count one: the commonest slip of fast fingers. */
static unsigned distance(const char *a, size_t n, const char *b, size_t m)
{
    unsigned rows[3][LONGEST + 1];
    unsigned *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= m; j++)
        above[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *spare = before;

        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1, UINT_MAX);
        }
        before = above;
        above = row;
        row = spare;
    }
    return above[m];
}

void nearest_init(struct nearest *n)
{
    n->word = NULL;
    n->distance = UINT_MAX;
}

void nearest_try(struct nearest *n, const char *typed, const char *candidate)
{
    size_t len = strlen(typed), other = strlen(candidate);
    unsigned d;

    if (len > LONGEST || other > LONGEST)
        return;
    d = distance(typed, len, candidate, other);
    if (d <= len / 3 + (len < 3) && d < n->distance && d < other) {
        n->distance = d;
        n->word = candidate;
    }
}
