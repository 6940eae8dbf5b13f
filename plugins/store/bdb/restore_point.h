/*
 * restore_point.h - points in the log at which a restore can end.
 *
 * With an archive (archive.h) each transaction of the writer puts one record of ours into the log
 * right before its commit: the counters as they are behind it. So a log that is cut where the point
 * of the next transaction begins is the store as it was behind this one: recovery takes back the
 * beginning of the next one, which has no commit.
 *
 *     type u32 | transaction u32 = 0 | place 8 = 0 | time u64 | sequence u64 | commits u64 |
 *     transactions u64
 *
 * A second type of record is filling: it makes the library begin a new file of its log.
 */
#ifndef RESTORE_POINT_H
#define RESTORE_POINT_H

#include "env.h"

struct restore_point {
    uint64_t time_ms; /* wall clock of the commit */
    uint64_t sequence, commits, transactions;
    DB_LSN at; /* where the record begins */
};

/* What is looked for: the last point whose sequence (by_time: time) is not above `limit`. */
struct restore_point_search {
    int by_time;
    uint64_t limit;
    /* found */
    int found;                   /* there is such a point */
    int cut;                     /* and one behind it: the log is to end at next.at */
    struct restore_point target; /* the one */
    struct restore_point next;
    struct restore_point last; /* of the whole log */
    uint64_t points;           /* that were seen */
};

/* In the transaction that is about to be committed. 0 or negative errno. */
int restore_point_put(struct env *e, const struct restore_point *point);
/* `bytes` of filling. 0 or negative errno. */
int restore_point_fill(struct env *e, uint32_t bytes);
/* Reads the points of the log in folder `logs` (nothing else needs to be there; nobody may write
 * it). password: NULL = plain. 0, or negative errno with a reason. */
int restore_point_find(const char *logs, const char *password, const struct aiex_host *host,
                       struct restore_point_search *search, struct aiex_error *err);
/* For DB_ENV->set_app_dispatch: recovery has nothing to do for our records. */
int restore_point_dispatch(DB_ENV *env, DBT *record, DB_LSN *at, db_recops op);

#endif
