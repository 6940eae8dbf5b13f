/*
 * report.h - everything that is wrong with a configuration, in one list.
 *
 * Checks go on after an error, so that an operator sees all of them in one run.
 * A line reads `file:line: [section] message; hint`. Warnings stand in the same
 * list and do not refuse the configuration.
 */
#ifndef AIEX_CONFIG_REPORT_H
#define AIEX_CONFIG_REPORT_H

#include <stddef.h>
#include <stdio.h>

#define REPORT_MAX_LINES 1000 /* more are counted, not kept */

struct report_line {
    char *text;
    int is_warning;
};

struct report {
    struct report_line *lines;
    size_t n, cap;
    size_t n_errors, n_warnings; /* all, also those not kept */
};

/* Where something was written. file NULL: nowhere (a default); line 0: the file as a whole. */
struct place {
    const char *file;
    unsigned line;
};

void report_init(struct report *r);
void report_done(struct report *r);
/* section NULL or "": left out. Never fails: without memory the error is still counted. */
void report_error(struct report *r, struct place at, const char *section, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void report_warning(struct report *r, struct place at, const char *section, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* One line each; warnings begin with "warning: ". */
void report_print(const struct report *r, FILE *out);

#endif
