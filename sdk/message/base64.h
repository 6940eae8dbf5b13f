/* base64.h - RFC 4648 section 4, with padding; for this library's files only. */
#ifndef AIEX_MESSAGE_BASE64_H
#define AIEX_MESSAGE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters of n bytes. */
#define base64_length(n) (((n) + 2) / 3 * 4)

/* Writes base64_length(n) characters, no final 0. */
void base64_encode(const uint8_t *bytes, size_t n, char *out);

/* Writes at most n / 4 * 3 bytes and returns how many; -1 when the text is not exactly base64. */
long base64_decode(const char *text, size_t n, uint8_t *out);

#endif
