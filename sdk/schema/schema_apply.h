/* schema_apply.h - between the files that apply a schema: what is checked against what, and why
 * not. */
#ifndef SCHEMA_APPLY_H
#define SCHEMA_APPLY_H

#include "schema.h"

struct check {
    const struct aiex_schema *schema;
    struct aiex_schema_fault *fault; /* NULL = nobody asks why (alternatives) */
    struct work work;
    unsigned depth;
};

typedef const struct aiex_json_span span;

/* What is checked against what, and where it stands. */
struct pair {
    span *schema; /* the whole schema object, for keywords that look at their neighbours */
    span *rule;   /* the keyword's value */
    span *value;
    const struct place *place;
};

/* 1 fits, 0 not (or the work is used up: c->work.error). schema_check.c */
int schema_apply(struct check *c, span *schema, span *value, const struct place *place);
/* The same without a word about why not. */
int schema_fits(struct check *c, span *schema, span *value, const struct place *place);
/* 0 = does not fit; says why. */
int schema_misfit(struct check *c, const struct place *place, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A value as messages show it. */
struct shown {
    char text[72];
};

struct shown schema_show(span *v);

/* Keywords of arrays and objects; schema_inside.c. `prefix`: prefixItems; `patterns`:
 * patternProperties. */
int schema_check_items(struct check *c, const struct pair *p, int prefix);
int schema_check_unique(struct check *c, const struct pair *p);
int schema_check_contains(struct check *c, const struct pair *p);
int schema_check_required(struct check *c, const struct pair *p);
int schema_check_properties(struct check *c, const struct pair *p, int patterns);
int schema_check_additional(struct check *c, const struct pair *p);
int schema_check_names(struct check *c, const struct pair *p);

#endif
