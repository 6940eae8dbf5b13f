/* base64.h - RFC 4648 section 4, with padding. */
#ifndef AIEX_CLI_BASE64_H
#define AIEX_CLI_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

void base64_write(FILE *to, const void *bytes, size_t len);
/* Into out, which may be where the text is: it is never longer. Bytes, or -1: not base64. */
long base64_read(const char *text, size_t len, uint8_t *out);

#endif
