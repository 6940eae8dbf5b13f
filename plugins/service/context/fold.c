/* fold.c - see fold.h. Ranges in order; binary search would not pay: most text ends in the first
 * lines. */
#include "fold.h"

#define EVERY 0
#define EVEN  1 /* even ones, to the next */
#define ODD   2 /* odd ones, to the next */

static const struct {
    uint32_t first, last;
    int32_t by;
    int which;
} ranges[] = {
    {0x41, 0x5a, 32, EVERY},        {0xc0, 0xd6, 32, EVERY},        {0xd8, 0xde, 32, EVERY},
    {0x100, 0x12e, 1, EVEN},        {0x132, 0x136, 1, EVEN},        {0x139, 0x147, 1, ODD},
    {0x14a, 0x176, 1, EVEN},        {0x178, 0x178, -121, EVERY},    {0x179, 0x17d, 1, ODD},
    {0x17f, 0x17f, -268, EVERY},    {0x1cd, 0x1db, 1, ODD},         {0x1de, 0x1ee, 1, EVEN},
    {0x1f8, 0x21e, 1, EVEN},        {0x222, 0x232, 1, EVEN},        {0x386, 0x386, 38, EVERY},
    {0x388, 0x38a, 37, EVERY},      {0x38c, 0x38c, 64, EVERY},      {0x38e, 0x38f, 63, EVERY},
    {0x391, 0x3a1, 32, EVERY},      {0x3a3, 0x3ab, 32, EVERY},      {0x3c2, 0x3c2, 1, EVERY},
    {0x3d8, 0x3ee, 1, EVEN},        {0x400, 0x40f, 80, EVERY},      {0x410, 0x42f, 32, EVERY},
    {0x460, 0x480, 1, EVEN},        {0x48a, 0x4be, 1, EVEN},        {0x4c0, 0x4c0, 15, EVERY},
    {0x4c1, 0x4cd, 1, ODD},         {0x4d0, 0x52e, 1, EVEN},        {0x531, 0x556, 48, EVERY},
    {0x10a0, 0x10c5, 7264, EVERY},  {0x1c90, 0x1cba, -3008, EVERY}, {0x1e00, 0x1e94, 1, EVEN},
    {0x1e9e, 0x1e9e, -7615, EVERY}, {0x1ea0, 0x1efe, 1, EVEN},      {0x1f08, 0x1f0f, -8, EVERY},
    {0x1f18, 0x1f1d, -8, EVERY},    {0x1f28, 0x1f2f, -8, EVERY},    {0x1f38, 0x1f3f, -8, EVERY},
    {0x1f48, 0x1f4d, -8, EVERY},    {0x1f68, 0x1f6f, -8, EVERY},    {0xff21, 0xff3a, 32, EVERY},
    {0x10400, 0x10427, 40, EVERY},
};

uint32_t fold_letter(uint32_t cp)
{
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && cp >= ranges[i].first; i++)
        if (cp <= ranges[i].last) {
            int is_in = ranges[i].which == EVERY || (cp & 1) == (ranges[i].which == ODD);

            return is_in ? (uint32_t)((int32_t)cp + ranges[i].by) : cp;
        }
    return cp;
}

int fold_is_upper(uint32_t cp)
{
    return cp != 0x3c2 && cp != 0x17f && fold_letter(cp) != cp;
}
