/*
 * restore.h - another database in the place of this one: a backup, a backup taken to a point, or
 * all that is there, written anew under another key (rewrite.c).
 */
#ifndef RESTORE_H
#define RESTORE_H

#include "manifest.h"
#include "restore_point.h"
#include "store.h"

/* What store.restore asks for, and what came out. w->arg */
struct restore {
    char path[BACKUP_PATH + 1];
    int to_point, dry_run;
    struct restore_point_search point; /* limit and by_time */
    /* outcome */
    uint64_t sequence, transactions; /* of the state */
    int64_t time_ms;
    uint64_t present, present_transactions; /* of the state that it takes the place of */
};

/* point.c: makes the state of a point in `to`/db and `to`/side, verified; with dry_run only what
 * the outcome would be. `to` is an empty folder. 0, -EINVAL (there is no such point), -ENOENT,
 * other negative errno, with a reason. */
int point_make(struct store *s, struct restore *r, const char *from, const char *to,
               const struct manifest *m, const char *password, struct aiex_error *err);

/* Writer: closes, puts what stands in `restore.new` in place and opens. 0 or negative errno with a
 * reason; the state says whether the store is open. */
int restore_swap(struct store *s, struct aiex_error *err);

#endif
