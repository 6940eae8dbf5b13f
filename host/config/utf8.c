/* utf8.c - judging bytes as one line of text. */
#include "config/utf8.h"

/* Bytes of the character at p, or 0. */
static size_t length_of(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first, last; /* range of the first byte */
        unsigned char low, high;   /* range of the second */
        unsigned char bytes;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        size_t n = forms[i].bytes;

        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (n > left || (n > 1 && (p[1] < forms[i].low || p[1] > forms[i].high)))
            return 0;
        for (size_t k = 2; k < n; k++)
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        return n;
    }
    return 0;
}

const char *utf8_fault(const void *text, size_t len)
{
    const unsigned char *p = text;
    size_t n;

    for (size_t i = 0; i < len; i += n) {
        n = length_of(p + i, len - i);
        if (p[i] == 0)
            return "0 byte";
        if (n == 0)
            return "bytes that are not UTF-8";
        if ((n == 1 && (p[i] < 0x20 || p[i] == 0x7f) && p[i] != '\t') ||
            (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0))
            return "control character";
    }
    return NULL;
}
