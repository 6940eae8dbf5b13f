/*
 * arguments.h - a command line taken apart by the verb table.
 *
 * Options are recognised anywhere after the verb (and the global ones before it, too): --name,
 * --name VALUE, --name=VALUE, -x, -xVALUE, -x VALUE, switches together as in -jq. `--` ends them.
 * Nothing is copied: values point into argv.
 */
#ifndef AIEX_CLI_ARGUMENTS_H
#define AIEX_CLI_ARGUMENTS_H

#include "verbs.h"

#include <aiex/aiex_plugin.h>

struct option_use {
    const struct verb_option *option;
    const char *value; /* NULL for a switch */
};

struct arguments {
    const struct verb *verb; /* NULL = none given, or no such verb: see `words` */
    char **words;            /* without options and without the verb's own words */
    size_t n_words;
    struct option_use *uses; /* in order */
    size_t n_uses;
    char **rest; /* when there is no such verb: argv from the unknown word on */
    size_t n_rest;
};

/* 0, -ENOMEM, or -EINVAL with the reason (unknown option, missing or superfluous value). With an
 * unknown verb the result is 0 and `verb` NULL: a plugin may know it. arguments_done() frees. */
int arguments_parse(struct arguments *a, int argc, char **argv, struct aiex_error *err);
void arguments_done(struct arguments *a);
/* The last use of an option; 1 and the value of it, or 0. */
int arguments_has(const struct arguments *a, const char *name);
const char *arguments_value(const struct arguments *a, const char *name); /* or NULL */
/* The number of words fits the verb: 0, or -EINVAL with the reason. */
int arguments_check(const struct arguments *a, struct aiex_error *err);
/* "500ms", "30s", "2m", "1h"; a bare number is seconds. 0, -EINVAL. */
int arguments_duration(const char *text, uint32_t *ret_ms, struct aiex_error *err);
/* A whole number of 1 and more. 0, -EINVAL. */
int arguments_count(const char *text, uint64_t *ret_count, struct aiex_error *err);

#endif
