/* message_error.h - reasons of refused messages, for this library's files only. */
#ifndef AIEX_MESSAGE_ERROR_H
#define AIEX_MESSAGE_ERROR_H

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>

/* Formats into err (may be NULL); is -EINVAL. */
#define message_error(err, ...)                                                                    \
    ((err) ? (void)snprintf((err)->text, sizeof((err)->text), __VA_ARGS__) : (void)0, -EINVAL)

#endif
