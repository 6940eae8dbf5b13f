/* scrub.c - see scrub.h. */
#include "scrub.h"

#include <string.h>

#define HEAD     32u
#define SUM_AT   28u
#define FREE     0u /* types */
#define INNER    3u
#define LEAF     5u
#define OVERFLOW 7u

static uint16_t get16(const uint8_t *p)
{
    uint16_t n;

    memcpy(&n, p, sizeof(n)); /* as the machine has it: pages are not carried to others */
    return n;
}

/* Where the free room is. 0 = none of our kinds, or nothing that could be one. */
static int room(const uint8_t *page, size_t len, size_t *ret_from, size_t *ret_to)
{
    size_t entries = get16(page + 20), items = get16(page + 22);

    switch (page[25]) {
    case FREE:
        *ret_from = HEAD;
        *ret_to = len;
        return 1;
    case INNER:
    case LEAF:
        *ret_from = HEAD + 2 * entries;
        *ret_to = items;
        return *ret_from <= *ret_to && *ret_to <= len;
    case OVERFLOW: /* `items` is the length of what it holds */
        *ret_from = HEAD + items;
        *ret_to = len;
        return *ret_from <= len;
    default:
        return 0;
    }
}

static int is_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Eight bytes at a time: the same as one after the other, without waiting for each. */
static uint32_t sum(const uint8_t *p, size_t len)
{
    uint32_t h = 0, f[8] = {1};

    for (int i = 1; i < 8; i++)
        f[i] = f[i - 1] * 33u;
    for (; len >= 8; p += 8, len -= 8)
        h = h * (f[7] * 33u) + p[0] * f[7] + p[1] * f[6] + p[2] * f[5] + p[3] * f[4] + p[4] * f[3] +
            p[5] * f[2] + p[6] * f[1] + p[7];
    while (len--)
        h = h * 33u + *p++;
    return h;
}

int scrub_page(uint8_t *page, size_t len)
{
    size_t from, to;
    uint32_t checksum;

    if (len < 512 || !room(page, len, &from, &to) || is_zero(page + from, to - from))
        return 0;
    memset(page + from, 0, to - from);
    memset(page + SUM_AT, 0, sizeof(checksum));
    checksum = sum(page, len);
    memcpy(page + SUM_AT, &checksum, sizeof(checksum));
    return 1;
}
