/*
 * outcome.h - how `aiex` ends: the exit codes, their one table (help and manual print it) and how
 * an error code of the wire or an errno becomes one.
 */
#ifndef AIEX_CLI_OUTCOME_H
#define AIEX_CLI_OUTCOME_H

enum outcome {
    OUTCOME_OK = 0,
    OUTCOME_FAILED = 1,
    OUTCOME_USAGE = 2,
    OUTCOME_NO_HOST = 3,
    OUTCOME_DENIED = 4,
    OUTCOME_NOT_FOUND = 5,
    OUTCOME_TIMEOUT = 6,
    OUTCOME_BUSY = 7,
    OUTCOME_INTERRUPTED = 130
};

struct outcome_entry {
    enum outcome code;
    const char *meaning; /* NULL ends the table */
};

extern const struct outcome_entry outcomes[];

/* Of an AIEX_E_* code; NULL or "" is success, a code without an entry is OUTCOME_FAILED. */
enum outcome outcome_of_code(const char *code);
/* Of the negative errno that the control socket returned. */
enum outcome outcome_of_errno(int error);
/* Of the negative errno that reading a file, or what is to be sent, returned. */
enum outcome outcome_of_input(int error);

#endif
