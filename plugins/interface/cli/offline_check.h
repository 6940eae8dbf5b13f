/* offline_check.h - checking a configuration folder without a running host. */
#ifndef AIEX_CLI_OFFLINE_CHECK_H
#define AIEX_CLI_OFFLINE_CHECK_H

#include "command.h"

/* Runs `aiex-host --config DIR --check`, the program beside our own (else the one in PATH). Its
 * lines are the findings: with --json they become {ok, errors, warnings}, a line with "warning"
 * in its beginning being a warning. OUTCOME_OK, OUTCOME_FAILED (it found errors), OUTCOME_NO_HOST
 * (there is no such program). */
enum outcome offline_check(struct command *c, const char *dir);

#endif
