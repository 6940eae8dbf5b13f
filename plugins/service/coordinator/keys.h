/*
 * keys.h - names in quotes, found in a JSON text without parsing it.
 *
 * A name in quotes can not stand inside a text, where its quotes would be escaped; so a hit is a
 * key or a whole string value. One pass from quote to quote, by memchr(): some microseconds for 100
 * KB. Pure.
 */
#ifndef COORDINATOR_KEYS_H
#define COORDINATOR_KEYS_H

#include <aiex/aiex_plugin.h>

/* The next occurrence of one of `names` (without quotes) from *at on; *at is set behind it and
 * behind blanks and a colon. Its index, or -1 when there is none. Set *at = 0 first. */
int keys_next(struct aiex_slice json, size_t *at, const char *const *names, size_t n);

#endif
