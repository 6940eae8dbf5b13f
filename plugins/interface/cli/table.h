/*
 * table.h - aligned columns, fitted to a width.
 *
 * Columns are declared in the order they are shown. When the table is wider than the screen, the
 * column with the highest `rank` is left out, then the next, until it fits; one that `gives` is
 * only cut when TABLE_LEAST_CUT characters of it remain. Columns of rank 0 are never left out, but
 * those that give are cut at last. Without a width (a pipe) everything is shown in full.
 */
#ifndef AIEX_CLI_TABLE_H
#define AIEX_CLI_TABLE_H

#include "screen.h"

#define TABLE_LEAST_CUT 20
#define TABLE_COLUMNS   16
#define TABLE_CELL      256 /* bytes of one cell with its 0; longer text is cut */

struct table_column {
    const char *title;
    int right;     /* numbers stand right */
    unsigned rank; /* 0 = never left out; larger = left out sooner */
    int gives;     /* may be cut with an ellipsis */
};

struct table;

/* columns lives as long as the table; at most TABLE_COLUMNS. NULL = out of memory. */
struct table *table_new(const struct table_column *columns, size_t n_columns);
void table_free(struct table *t);
/* A new empty row; the cells are set next. 0, -ENOMEM. */
int table_row(struct table *t);
/* Sets a cell of the last row; control characters are dropped, the text is cut between characters.
 */
void table_set(struct table *t, size_t column, enum paint paint, const char *text);
/* width 0 = no limit. */
void table_print(const struct table *t, FILE *to, size_t width, int colour);

#endif
