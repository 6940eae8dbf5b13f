/* json_out.h - any msgpack value as JSON text. */
#ifndef AIEX_CLI_JSON_OUT_H
#define AIEX_CLI_JSON_OUT_H

#include <aiex/aiex_plugin.h>
#include <stdio.h>

enum json_form {
    JSON_LINE,  /* no blanks, no newline at all */
    JSON_PRETTY /* two blanks per level */
};

/* Writes the first value of `value` (empty = an empty map). Strings that are not UTF-8 get U+FFFD
 * for every wrong byte; bin is a string when it is UTF-8, else "base64:..."; ext, NaN and infinity
 * are null; keys that are no strings are written as strings. Controls are always escaped, so the
 * text is harmless on a terminal. 0, or -EPROTO when the value is broken or nested deeper than
 * AIEX_PACK_DEPTH; then nothing has been written. */
int json_out(FILE *to, struct aiex_slice value, enum json_form form);

/* A JSON string with its quotes, for output that is not made of msgpack. */
void json_out_string(FILE *to, const void *text, size_t len);

#endif
