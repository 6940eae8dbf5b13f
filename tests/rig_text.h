/*
 * rig_text.h - messages as tests write and read them: JSON with ' for ", data as base64.
 */
#ifndef RIG_TEXT_H
#define RIG_TEXT_H

#include <aiex/aiex_pack.h>

#include <stdarg.h>

#define RIG_TEXT (24u << 20) /* bytes of the longest one */

/* The message of a text, in memory of exactly its size, to be freed: who keeps or overreads a body
 * is found out. Fails the test when the text is no JSON. */
struct aiex_slice rig_text_read(const char *format, va_list args);
void rig_text_free(struct aiex_slice body);
/* The text of a message, "{}" of an empty one; its length. */
size_t rig_text_write(struct aiex_slice body, char *out, size_t size);
/* 1 when `text` holds `part`, or is `wanted`; prints both when not. */
int rig_text_has(const char *text, const char *part);
int rig_text_is(const char *text, const char *wanted);
/* A number of a text; -1 = none. */
long long rig_text_number(const char *text, const char *key);

#endif
