/*
 * check.h - what every check of aiex-check gets and how it reports.
 *
 * A check is a function that runs in a child process of its own: it loads the plugin,
 * tries something, and reports findings over a pipe. Whatever happens to the child - a
 * signal, an exit, an endless loop - becomes a finding of the check that ran, with the
 * place that it had named by at().
 */
#ifndef AIEX_CHECK_CHECK_H
#define AIEX_CHECK_CHECK_H

#include "load.h"

#include <aiex/aiex_plugin.h>
#include <stdio.h>

#define MAX_SETS 64

/* What the command line said. */
struct check_plan {
    const char *path;              /* of the .so */
    const char *kind;              /* the kind it has to be, or NULL = whatever it says */
    const char *sets[MAX_SETS][2]; /* option and text given with --set */
    size_t n_sets;
    int limit_s;          /* of one check */
    const char *data_dir; /* an empty folder for this check */
};

struct check {
    const struct check_plan *plan;
    const struct aiex_plugin *plugin; /* loaded; NULL in checks of the file */
    plugin_entry_fn entry;
    int n_findings;
    FILE *out; /* the pipe to the parent */
};

struct check_entry {
    const char *name;
    const char *promise; /* one line for --list */
    int needs_plugin;    /* run() gets a loaded descriptor */
    void (*run)(struct check *c);
};

extern const struct check_entry checks[]; /* main.c; ends with name NULL */

/* Reports one finding: what is wrong, and what to do about it. */
void finding(struct check *c, const char *what_to_do, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says what could not be checked, and why; no finding. */
void note(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Names what is tried next, for the finding if it kills the process. */
void at(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* run.c: all checks (only = NULL) or one, in order; prints. Returns the number of findings, or a
 * negative errno when a child can not be made. */
int run_checks(const struct check_plan *plan, const char *only, int json);

/* check_*.c */
void check_file(struct check *c);
void check_symbols(struct check *c);
void check_descriptor(struct check *c);
void check_options(struct check *c);
void check_life(struct check *c);
void check_values(struct check *c);
void check_memory(struct check *c);
void check_drain(struct check *c);
void check_unknown(struct check *c);
void check_hostile(struct check *c);
void check_cancel(struct check *c);
void check_window(struct check *c);
void check_kind(struct check *c);

#endif
