/* reason.h - how functions here report: a negative errno and a reason that a person can act on. */
#ifndef AIEX_CLI_REASON_H
#define AIEX_CLI_REASON_H

#include <aiex/aiex_plugin.h>
#include <stdio.h>

/* Formats the reason into err (which may be NULL) and returns `code`. */
#define fail(err, code, ...)                                                                       \
    ((err) ? (void)snprintf((err)->text, sizeof((err)->text), __VA_ARGS__) : (void)0, (code))

#endif
