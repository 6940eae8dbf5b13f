/* privilege.h - giving up what root and set-user-id programs have. */
#ifndef AIEX_RUNNER_SANDBOX_PRIVILEGE_H
#define AIEX_RUNNER_SANDBOX_PRIVILEGE_H

#include "runner/sandbox/sandbox.h"

/*
 * no_new_privs; not dumpable (other processes of the user can neither trace it nor read its
 * memory, where keys are); all capabilities but DAC_OVERRIDE dropped, which a host started by sudo
 * needs to read plugins below a private home (Landlock still says which files). 0 or -errno.
 */
int privilege_drop(struct sandbox_report *report, struct aiex_error *err);

/* How many threads this process has; 1 when /proc is not there. */
int privilege_threads(void);

#endif
