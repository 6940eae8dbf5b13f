/*
 * landlock.h - which files, TCP ports and processes a cell can reach, by Landlock.
 * Source: Linux Documentation/userspace-api/landlock.rst (ABI 1 to 7).
 */
#ifndef AIEX_RUNNER_SANDBOX_LANDLOCK_H
#define AIEX_RUNNER_SANDBOX_LANDLOCK_H

#include "runner/sandbox/sandbox.h"

#define LANDLOCK_ABI_KNOWN 7 /* a newer kernel is used as this one */

/* From here on O_TRUNC is a right of its own; before, who may read a file may empty it. */
#define LANDLOCK_ABI_TRUNCATE 3

/* What the kernel offers, at most `at_most`; 0 = Landlock is not there or switched off. */
int landlock_abi(int at_most);

/*
 * Confines the calling thread and what it starts; needs no_new_privs. `abi` as landlock_abi()
 * gave it. 0, -ENOENT (a folder of the spec is not there), -errno.
 */
int landlock_seal(const struct sandbox_spec *spec, uint32_t sets, int abi, struct aiex_error *err);

#endif
