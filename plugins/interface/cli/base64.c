#include "base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_write(FILE *to, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;

    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16;

        if (n > 1)
            v |= (uint32_t)p[i + 1] << 8;
        if (n > 2)
            v |= p[i + 2];
        for (size_t k = 0; k < 4; k++)
            putc_unlocked(k <= n ? digits[v >> (18 - 6 * k) & 63] : '=', to);
    }
}

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

long base64_read(const char *text, size_t len, uint8_t *out)
{
    size_t pad = len && text[len - 1] == '=' ? 1 + (len > 1 && text[len - 2] == '=') : 0;
    uint32_t v = 0;
    long n = 0;

    if (len % 4)
        return -1;
    for (size_t i = 0; i < len; i++) {
        int d = i < len - pad ? value_of(text[i]) : 0;

        if (d < 0)
            return -1;
        v = v << 6 | (uint32_t)d;
        if (i % 4 < 3)
            continue;
        for (int shift = 16; shift >= 0; shift -= 8)
            if (i < len - 1 || shift >= 8 * (int)pad)
                out[n++] = (uint8_t)(v >> shift);
        v = 0;
    }
    return n;
}
