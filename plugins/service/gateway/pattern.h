/* pattern.h - names with `*` in them: models of a key, instances that may speak for operators. */
#ifndef GATEWAY_PATTERN_H
#define GATEWAY_PATTERN_H

#include <aiex/aiex_plugin.h>

/* `*` stands for any text, also none; all else for itself. */
int pattern_matches(const char *pattern, struct aiex_slice text);
/* 1 when one of the patterns fits; they are separated by commas or blanks, at most 64 bytes each. */
int pattern_in_list(const char *list, const char *text);

#endif
