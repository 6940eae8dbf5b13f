/*
 * load.h - from a file to a descriptor that may be called: dlopen, the entry function,
 * and every reason to refuse, each with its own sentence. Used by the probe and by the
 * cell itself; never by the host process.
 */
#ifndef AIEX_RUNNER_LOAD_H
#define AIEX_RUNNER_LOAD_H

#include <aiex/aiex_plugin.h>

/* 0 and the descriptor, or -EINVAL and a sentence
 * without the path: "not an ELF file", "built for another processor (ARM aarch64)", "it does not
 * export aiex_plugin_entry", "built for plugin ABI 2.0, this host speaks 1.0; ..."
 * The descriptor is a copy in this host's own layout, the caller's to free(); the code stays mapped: fields that an
 * older plugin's table is too short for are 0, what a newer one appends is left out. */
int load_plugin(const char *path, const struct aiex_plugin **ret, struct aiex_error *err);

#endif
