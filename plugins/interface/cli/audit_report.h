/* audit_report.h - what a report on a period says, and the forms that it is written in. */
#ifndef AIEX_CLI_AUDIT_REPORT_H
#define AIEX_CLI_AUDIT_REPORT_H

#include "audit_calls.h"

#define REPORT_ROWS  4096u /* different pairs of type and actor; more are counted as "other" */
#define REPORT_SLOTS 16384u

/* A requirement, and the types of acts that speak of it: words, with * at the end for anything. */
struct report_control {
    const char *id, *title, *types; /* id NULL ends a table */
    const char *told_by;            /* who tells them, for a section that has none */
};

struct report_shape {
    const char *name, *title;
    const struct report_control *controls;
};

/* Acts of one type by one actor. */
struct report_row {
    char type[129], actor[129];
    uint64_t entries;
    int64_t first, last; /* wall ms */
};

struct report {
    const struct report_shape *shape;
    char from[16], to[16]; /* days, "" = open */
    struct report_row *rows;
    size_t n_rows;
    uint16_t slots[REPORT_SLOTS]; /* number of a row + 1, while they are gathered */
    uint64_t entries, redactions;
    struct audit_range range;
    struct audit_head head;
    int64_t checked, faults; /* of the verification of these entries */
};

/* NULL = no such shape. */
const struct report_shape *report_shape(const char *name);
/* 1 when a type belongs to the control. */
int report_matches(const struct report_control *k, const char *type);
/* audit_report_form.c: form is "text", "html", "csv" or "json". */
void report_print(FILE *to, const struct report *r, const char *form);

#endif
