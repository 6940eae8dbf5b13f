/*
 * load.h - a descriptor out of a strange file, or one sentence that says why not.
 *
 * Loading runs the file's constructors: only in a process that may be lost.
 */
#ifndef AIEX_CHECK_LOAD_H
#define AIEX_CHECK_LOAD_H

#include <aiex/aiex_plugin.h>
#include <errno.h>
#include <stdio.h>

typedef const struct aiex_plugin *(*plugin_entry_fn)(uint32_t host_major, uint32_t host_minor);

/* Formats into err (may be NULL); is `code`. */
#define load_error(err, code, ...)                                                                 \
    ((err) ? (void)snprintf((err)->text, sizeof((err)->text), __VA_ARGS__) : (void)0, (code))

/* Looks at the file, maps it (RTLD_NOW | RTLD_LOCAL; never unmapped), asks for the descriptor, and
 * checks magic, major and size, in this order, before anything else is read. 0, or negative errno
 * and a sentence that begins with the path. */
int load_plugin(const char *path, const struct aiex_plugin **ret_plugin, plugin_entry_fn *ret_entry,
                struct aiex_error *err);

#endif
