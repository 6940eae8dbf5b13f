/*
 * err.h - how functions of the host report: 0 or a negative errno as result, and
 * where a person may need the reason a `struct aiex_error` that fail() fills.
 *
 *     return fail(err, -EINVAL, "key file '%s' is empty", path);
 *
 * Text: thing, value, place, what to do; lower case, no full stop.
 */
#ifndef AIEX_BASE_ERR_H
#define AIEX_BASE_ERR_H

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>

/* Formats the reason into err (which may be NULL) and returns `code`. */
#define fail(err, code, ...)                                                                       \
    ((err) ? (void)snprintf((err)->text, sizeof((err)->text), __VA_ARGS__) : (void)0, (code))

#endif
