/* text.h - small questions about strings that several rooms ask. */
#ifndef AIEX_BASE_TEXT_H
#define AIEX_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Edit distance of two words, at most `limit` + 1 (for "did you mean"). */
unsigned text_distance(const char *a, const char *b, unsigned limit);
/* The nearest of a NULL-terminated list within a third of the word's length, or NULL. */
const char *text_nearest(const char *word, const char *const *list);
/* 1 if the name is 1..63 bytes of [A-Za-z0-9_.:#-] and starts with a letter or digit. */
int text_is_name(const char *name);
/* Bytes (1..4) of the UTF-8 character (RFC 3629) that a 0-terminated text begins with; 0 when it is none. */
size_t text_utf8(const char *text);
/* FNV-1a of bytes: for tables of trusted keys (configured names), not for foreign input. */
uint32_t text_hash(const void *bytes, size_t len);

#endif
