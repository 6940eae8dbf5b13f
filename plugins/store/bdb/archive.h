/*
 * archive.h - closed files of the log, kept so that a backup can be taken to a later point.
 *
 *     archive/LINEAGE/log.0000000001 ...
 *
 * A lineage is one history of the log: it begins when the archive is turned on and with each
 * restore, because from there on files of the same number say something else. Its name lies in
 * `db/lineage`. A file goes into the archive when the database no longer needs it.
 * Nothing is kept that no backup could use, and no more bytes than the option `archive` says: the
 * oldest go first.
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "store.h"

/* Writer, after the opening: the lineage is known, or begins. 0 or negative errno. */
int archive_begin(struct store *s, struct aiex_error *err);
/* Care thread, behind a checkpoint: log files that are done with are kept, or removed. */
void archive_logs(struct store *s);
/* Care thread: removes what no backup can use, and what is too much. */
void archive_prune(struct store *s);
/* The database is closed: all its log files go into the archive, as a lineage ends. 0 or negative
 * errno. */
int archive_close(struct store *s);
/* Copies the log files of a lineage from `first` on into the folder `to`, which is there.
 * *ret_last: its number. 0, -ENOENT (one is missing, said), or other negative errno. */
int archive_collect(struct store *s, const char *lineage, uint64_t first, const char *to,
                    uint64_t *ret_last, struct aiex_error *err);
/* Every file from `first` on is there, and so a restore can go further than the backup. */
int archive_reaches(struct store *s, const char *lineage, uint64_t first);
/* Removes all that is kept. */
void archive_forget(struct store *s);
/* Number of the first log file in a folder, 0 = there is none. */
uint64_t archive_first(const char *folder);
void archive_log_name(char out[24], uint64_t number);

#endif
