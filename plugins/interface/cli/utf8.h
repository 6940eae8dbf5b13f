/* utf8.h - well-formed UTF-8 (RFC 3629), one sequence at a time. */
#ifndef AIEX_CLI_UTF8_H
#define AIEX_CLI_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed sequence at p (left > 0), or 0. */
unsigned utf8_len(const uint8_t *p, size_t left);
/* 1 when all is well-formed. */
int utf8_is_text(const void *text, size_t len);

#endif
