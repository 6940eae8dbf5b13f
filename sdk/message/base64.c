/* base64.c - bin in JSON; strict: padding is required, stray bits and characters are refused. */
#include "base64.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i += 3) {
        uint32_t left = (uint32_t)(n - i < 3 ? n - i : 3);
        uint32_t v = (uint32_t)bytes[i] << 16;

        if (left > 1)
            v |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2)
            v |= bytes[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[(v >> 12) & 63];
        *out++ = left > 1 ? alphabet[(v >> 6) & 63] : '=';
        *out++ = left > 2 ? alphabet[v & 63] : '=';
    }
}

static int digit(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

long base64_decode(const char *text, size_t n, uint8_t *out)
{
    const uint8_t *start = out;

    if (n % 4)
        return -1;
    for (size_t i = 0; i < n; i += 4) {
        int pad = i + 4 == n ? (text[i + 3] == '=') + (text[i + 2] == '=' && text[i + 3] == '=')
                             : 0;
        uint32_t v = 0;

        for (int k = 0; k < 4 - pad; k++) {
            int d = digit(text[i + (size_t)k]);

            if (d < 0)
                return -1;
            v |= (uint32_t)d << (18 - 6 * k);
        }
        if (v & ((1u << (8 * pad)) - 1))
            return -1;
        *out++ = (uint8_t)(v >> 16);
        if (pad < 2)
            *out++ = (uint8_t)(v >> 8);
        if (pad < 1)
            *out++ = (uint8_t)v;
    }
    return (long)(out - start);
}
