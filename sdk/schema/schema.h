/* schema.h - between the parts of the schema check: numbers and values compared where they stand.
 */
#ifndef SCHEMA_H
#define SCHEMA_H

#include "aiex_schema.h"

/* A number as digits * 10^exponent without trailing zeros, exact up to 38 digits. */
struct number {
    unsigned __int128 digits;
    int64_t exponent;
    int negative;
    int exact; /* else only `approx` is right */
    long double approx;
};

void schema_number_read(const struct aiex_json_span *span, struct number *ret);
int schema_number_whole(const struct number *n);
int schema_number_compare(const struct number *a, const struct number *b); /* below 0, 0, above */
/* Whether a / b is a whole number; b above 0. */
int schema_number_multiple(const struct number *a, const struct number *b);

/* Steps left; functions that look at much take from it and fail when it is used up. */
struct work {
    size_t left;
    int error; /* -E2BIG, -ENOMEM */
};

/* 1 when there was as much; else 0 and the error is set. */
int schema_work_take(struct work *w, size_t steps);

/* Deep equality as JSON Schema has it: numbers by value, objects without order. */
int schema_value_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                       struct work *w);
/* Two string spans, escapes undone. */
int schema_string_equal(const struct aiex_json_span *a, const struct aiex_json_span *b,
                        struct work *w);
/* Characters (code points) of a string span. */
size_t schema_string_length(const struct aiex_json_span *s);
/* A string span's characters, malloc()ed; NULL and an error when memory is short. */
char *schema_string_plain(const struct aiex_json_span *s, size_t *ret_len, struct work *w);
/* Items of an array, or pairs of an object. */
size_t schema_value_count(const struct aiex_json_span *whole);

/* A pattern string against a string: 1, 0, or -ENOTSUP, -EINVAL (the pattern), or work error set.
 */
int schema_pattern_check(const struct aiex_json_span *pattern, const struct aiex_json_span *string,
                         struct work *w);

/* What a reference names, or 0 when nothing stands there. */
int schema_reference_find(const struct aiex_json_span *root, const struct aiex_json_span *ref,
                          struct aiex_json_span *ret);

/* The kinds of keywords; schema_read.c has the table. */
enum keyword_kind {
    KEY_ANY,        /* any value */
    KEY_TYPE,       /* name of a type, or an array of them */
    KEY_ARRAY,      /* an array */
    KEY_COUNT,      /* a whole number from 0 on */
    KEY_NUMBER,     /* a number */
    KEY_ABOVE_ZERO, /* a number above 0 */
    KEY_BOOL,
    KEY_STRING,
    KEY_PATTERN,
    KEY_NAMES,      /* an array of strings */
    KEY_SCHEMA,     /* a schema */
    KEY_SCHEMAS,    /* a non-empty array of schemas */
    KEY_SCHEMA_MAP, /* an object of schemas */
    KEY_REF,
    KEY_UNCHECKED /* would constrain and is not supported */
};

enum keyword {
    K_REF,
    K_TYPE,
    K_ENUM,
    K_CONST,
    K_PROPERTIES,
    K_PATTERN_PROPERTIES,
    K_ADDITIONAL,
    K_PROPERTY_NAMES,
    K_REQUIRED,
    K_MIN_PROPERTIES,
    K_MAX_PROPERTIES,
    K_ITEMS,
    K_PREFIX_ITEMS,
    K_MIN_ITEMS,
    K_MAX_ITEMS,
    K_UNIQUE,
    K_CONTAINS,
    K_MIN_LENGTH,
    K_MAX_LENGTH,
    K_PATTERN,
    K_MINIMUM,
    K_MAXIMUM,
    K_ABOVE,
    K_BELOW,
    K_MULTIPLE,
    K_ANY_OF,
    K_ONE_OF,
    K_ALL_OF,
    K_NOT,
    K_DEFS,
    K_DEFINITIONS,
    K_OTHER
};

struct keyword_row {
    const char *name;
    enum keyword key;
    enum keyword_kind kind;
};

/* NULL for a name that is no keyword. */
const struct keyword_row *schema_keyword_of(const struct aiex_json_span *name);

/* ---- Places, for faults: a chain on the stack ---- */

struct place {
    const struct place *up;
    const struct aiex_json_span *key; /* NULL = an index */
    size_t index;
};

void schema_place_write(const struct place *p, char out[256]);

#endif
