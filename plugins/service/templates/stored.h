/*
 * stored.h - templates as events of a store, the truth beside which the file is a cache.
 *
 *     stream      events
 *     templates   template.put, template.removed, template.imported, and of a restored checkpoint
 *                 template.restored (a version is there again), template.withdrawn (it is not)
 *
 * stored.c folds the stream (sdk/events/aiex_fold.h). Requests that change something, and all of
 * them before it is known what there is, are kept (kept.c): a change is decided on when its turn
 * has come, appended at the version that was seen, and then answered.
 *
 * stored_import.c: while the stream is not known to hold what is here (the file is of a time
 * without a store, or the store was put back to a backup) its events make a second table, `fresh`.
 * What `fresh` lacks is appended, then it takes the place of the first.
 *
 * Thread rule: loop thread.
 */
#ifndef TEMPLATES_STORED_H
#define TEMPLATES_STORED_H

#include "templates.h"

#include <aiex_fold.h>

#define STREAM         "templates"
#define MAX_KEPT       256u
#define MAX_KEPT_BYTES (8u << 20)

/* A request that waits. */
struct kept {
    struct kept *next;
    struct templates *t;
    struct aiex_message m;                                /* body, method and caller are its own */
    int (*run)(void *self, const struct aiex_message *m); /* NULL: a change */
    int is_given;                                         /* ... the fold has it, as fold_id */
    int gone;                                             /* nobody waits for the answer */
    uint64_t fold_id, deadline_ms;
    int64_t number;
    char caller[AIEX_MAX_NAME + 1], method[32];
    uint8_t body[];
};

/* 0, or negative errno and a reason. Nothing without a store. */
int stored_start(struct templates *t, struct aiex_error *err);
void stored_stop(struct templates *t);
/* 1: it is known what there is: from the store, from the file, or there is no store. */
int stored_knows(const struct templates *t);
/* "" = fine, else why templates can not be changed now. */
const char *stored_trouble(const struct templates *t);

/* ---- stored_import.c ---- */

/* The stream was read: appends what it lacks, then is_complete. */
void import_begin(struct templates *t);

/* ---- kept.c ---- */

/* Keeps a request until it is known what there is (`run` handles it then), or a change until it is
 * stored (run NULL). 0; what can not be kept is refused. */
int kept_add(struct templates *t, const struct aiex_message *m,
             int (*run)(void *self, const struct aiex_message *m));
/* It is known what there is, or changes may be made: goes on. */
void kept_go(struct templates *t);
/* Those that have waited too long are refused. */
void kept_tick(struct templates *t);
void kept_cancel(struct templates *t, uint64_t id);
void kept_stop(struct templates *t);
void kept_drain(struct templates *t); /* tells that the drain is over, if it is */

#endif
