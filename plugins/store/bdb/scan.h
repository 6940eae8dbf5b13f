/*
 * scan.h - what the two halves of a scan share: scan.c (order, streams), scan_marks.c (indexes).
 * All of it runs on a reader thread, within a slice.
 */
#ifndef SCAN_H
#define SCAN_H

#include "store.h"

#define SCAN_FULL   1 /* the slice is over */
#define SCAN_NO_RUN 2 /* no run of what is read is left */

enum scan_way { BY_STREAM, BY_CORRELATION, BY_TYPE, BY_SEQUENCE };

enum scan_way scan_way(const struct filter *f);
/* Adds the event with this sequence to the part, when it passes and is not erased. 0, SCAN_FULL, or
 * negative errno. */
int scan_sequence(struct job *j, struct scan *c, uint64_t sequence);
/* The head of the stream. 0 or negative errno. */
int scan_head(struct job *j, const struct scan *c, struct head *ret);
/* A slice of a scan by correlation or type, in the reader's transaction. */
int scan_marks(struct job *j, struct scan *c);

#endif
