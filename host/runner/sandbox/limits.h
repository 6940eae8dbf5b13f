/* limits.h - resource limits of a cell (setrlimit). */
#ifndef AIEX_RUNNER_SANDBOX_LIMITS_H
#define AIEX_RUNNER_SANDBOX_LIMITS_H

#include "runner/sandbox/sandbox.h"

/* Sets them and adds their layers to the report. With `off` only memory and files, as far as
 * configured. 0 or -errno. */
int limits_apply(const struct sandbox_spec *spec, uint32_t sets, struct sandbox_report *report,
                 struct aiex_error *err);

#endif
