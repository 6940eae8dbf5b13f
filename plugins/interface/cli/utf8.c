#include "utf8.h"

unsigned utf8_len(const uint8_t *p, size_t left)
{
    static const struct {
        uint8_t first, last, low, high; /* of the first and of the second byte */
        unsigned len;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (forms[i].len > left)
            return 0;
        if (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
            return 0;
        for (unsigned k = 2; k < forms[i].len; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].len;
    }
    return 0;
}

int utf8_is_text(const void *text, size_t len)
{
    const uint8_t *p = text;

    for (size_t at = 0; at < len;) {
        unsigned n = utf8_len(p + at, len - at);

        if (!n)
            return 0;
        at += n;
    }
    return 1;
}
