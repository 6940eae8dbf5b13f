/*
 * field.h - values of an answer as text for people: sizes, durations, times, yes and no.
 *
 * Each writes into out[FIELD_TEXT] and returns it; a key that is missing or of another type gives
 * "-". Control characters are left to whoever prints.
 */
#ifndef AIEX_CLI_FIELD_H
#define AIEX_CLI_FIELD_H

#include <aiex/aiex_pack.h>

#define FIELD_TEXT 256

enum field_form {
    FIELD_PLAIN,    /* strings, numbers, yes/no; a map or array as compact JSON */
    FIELD_BYTES,    /* 12.3M */
    FIELD_DURATION, /* milliseconds: 3h12m, 4.2s */
    FIELD_TIME,     /* wall milliseconds: 10:20:30.123, local time */
    FIELD_DATE,     /* the same with its day: 2026-11-21 10:20:30; 0 is "-" */
    FIELD_WORDS     /* an array of texts: a, b */
};

const char *field_text(struct aiex_slice map, const char *key, enum field_form form, char *out);
const char *field_value_text(struct aiex_slice value, enum field_form form, char *out);

/* Calls fn with every pair of the map whose key is a string: the key 0-terminated (cut at 127
 * bytes), the whole value. Stops when fn returns non-zero, and returns that; 0 at the end. */
typedef int (*field_fn)(void *arg, const char *key, struct aiex_slice value);
int field_each(struct aiex_slice map, field_fn fn, void *arg);
/* Calls fn with every item of the array under `key`. */
typedef int (*field_item_fn)(void *arg, struct aiex_slice item);
int field_each_item(struct aiex_slice map, const char *key, field_item_fn fn, void *arg);

#endif
