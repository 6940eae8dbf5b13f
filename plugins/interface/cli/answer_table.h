/* answer_table.h - an array of maps in an answer as a table for people. */
#ifndef AIEX_CLI_ANSWER_TABLE_H
#define AIEX_CLI_ANSWER_TABLE_H

#include "command.h"
#include "field.h"
#include "table.h"

enum cell_form {
    CELL_PLAIN,
    CELL_MONEY,  /* micro-dollars; "-" when there is none */
    CELL_LIMIT,  /* a number; "-" for 0 */
    CELL_BUDGET, /* money; "-" for 0 */
    CELL_DATE,   /* wall milliseconds: 2026-11-21 12:00:00 UTC; "-" for 0 */
    CELL_LOCAL,  /* the same in the zone of this terminal, as jobs are thought of */
    CELL_WORDS,  /* an array of texts */
    CELL_MS,     /* a duration in milliseconds */
    CELL_BYTES,  /* 12.3M; "-" for 0 */
    CELL_SCORE,  /* a fraction, two digits of it */
    CELL_RESULT  /* an error's code; "ok" when it is empty or not there */
};

struct answer_column {
    struct table_column column;
    const char *key;
    enum cell_form form;
};

/* One value as it stands in such a table; out is FIELD_TEXT. Returns out. */
char *answer_cell(struct aiex_slice map, const char *key, enum cell_form form, char *out);
/* Whether the map has a text there that is not empty. */
int answer_has_text(struct aiex_slice map, const char *key);

/* Prints the array under `array`; OUTCOME_FAILED (said) when the answer lacks it. */
enum outcome answer_table(struct command *c, struct aiex_slice body, const char *array,
                          const struct answer_column *columns, size_t n_columns);

/* Calls, and prints the array: as JSON with --json, else as a table. */
enum outcome answer_list(struct command *c, const struct command_call *call, const char *array,
                         const struct answer_column *columns, size_t n_columns);

/* Calls; with --json prints the end, else says `done` as a notice. */
enum outcome answer_done(struct command *c, const struct command_call *call, const char *done,
                         const char *what);

#endif
