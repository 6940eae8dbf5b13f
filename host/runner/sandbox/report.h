/* report.h - filling a sandbox_report, layer by layer. */
#ifndef AIEX_RUNNER_SANDBOX_REPORT_H
#define AIEX_RUNNER_SANDBOX_REPORT_H

#include "runner/sandbox/sandbox.h"

void report_layer(struct sandbox_report *report, int active, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
