/*
 * json_utf8.h - one well-formed UTF-8 sequence (RFC 3629 section 4). Private to sdk/json.
 */
#ifndef AIEX_JSON_UTF8_H
#define AIEX_JSON_UTF8_H

#include <stddef.h>

/* Bytes of the sequence at p, 1 to 4; 0 when it is broken, overlong, a surrogate, above U+10FFFF
 * or cut off by `end`. p < end. */
static inline size_t utf8_length(const unsigned char *p, const unsigned char *end)
{
    size_t left = (size_t)(end - p);
    unsigned low = 0x80, high = 0xbf;
    size_t n;

    if (*p < 0x80)
        return 1;
    if (*p < 0xc2 || *p > 0xf4)
        return 0;
    n = *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
    if (n > left)
        return 0;
    if (*p == 0xe0)
        low = 0xa0;
    else if (*p == 0xed)
        high = 0x9f;
    else if (*p == 0xf0)
        low = 0x90;
    else if (*p == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    if (n > 2 && (p[2] & 0xc0) != 0x80)
        return 0;
    if (n > 3 && (p[3] & 0xc0) != 0x80)
        return 0;
    return n;
}

#endif /* AIEX_JSON_UTF8_H */
