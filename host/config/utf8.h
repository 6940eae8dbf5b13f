/* utf8.h - is this text that can be shown? */
#ifndef AIEX_CONFIG_UTF8_H
#define AIEX_CONFIG_UTF8_H

#include <stddef.h>

/* Why the bytes are not one line of UTF-8 (a 0 byte, a broken character, a control character
 * other than tab), or NULL. RFC 3629: no overlong forms, no surrogates. */
const char *utf8_fault(const void *text, size_t len);

#endif
