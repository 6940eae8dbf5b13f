/*
 * stored.h - keys and limits as events in a store, the truth beside which all else is a copy.
 *
 *     stream           events
 *     gateway/keys     pepper.set, keys.demanded, key.created .changed .rotated .revoked .imported
 *     gateway/limits   limit.set, limit.imported
 *
 * stored.c folds the streams into keys.h (sdk/events/aiex_fold.h), whose file becomes a cache: this
 * cell starts from it at once and reads on. Checking keys never asks the store.
 *
 * change.c makes changes: the request is run as it always was (admin.c), but what it would write is
 * appended as an event, with the version that was seen, before anything is answered; after a
 * conflict the request is run again on the newer state.
 *
 * stored_import.c finds what is here and not in the store - the file is of a time without one, or
 * the store was put back to a backup - and appends it, before any change is made. What is here
 * wins: a revocation must not be undone by a backup.
 *
 * An event is the whole key or the whole limits after the change, so that the last one holds.
 * Thread rule: loop thread.
 */
#ifndef GATEWAY_STORED_H
#define GATEWAY_STORED_H

#include "gateway.h"

#include <aiex_fold.h>

#define MAX_CHANGES 256u

struct change;
struct restoring;

struct stored {
    struct gateway *gateway;
    int knows; /* who may come in */
    struct aiex_fold *folds[N_STREAMS];
    int is_live[N_STREAMS];     /* caught up once in this life */
    int is_complete[N_STREAMS]; /* nothing is here that the stream lacks */
    int is_importing[N_STREAMS];
    int has_pepper,
        rejected;           /* the stream's pepper is ours; another one came while keys are here */
    struct change *changes; /* that wait or run */
    size_t n_changes;
    struct change *deciding;     /* its request runs now */
    struct restoring *restoring; /* restore.c: what was then; NULL = nothing */
};

extern const char *const stream_names[N_STREAMS];

/* 1: a store is configured. */
int stored_is_on(const struct gateway *g);
/* 0, or negative errno. Nothing without a store. */
int stored_start(struct gateway *g);
void stored_stop(struct gateway *g);
/* 1: it is known who may come in: from the store, from the cache, or there is no store. */
int stored_knows(const struct gateway *g);
/* 1: the streams have everything that is here. */
int stored_is_complete(const struct gateway *g);
/* Looks for what others have changed. */
void stored_look(struct gateway *g);
/* Once a second: what could not be done is tried again. */
void stored_tick(struct gateway *g);
/* "" = fine, else why changes can not be made now. */
const char *stored_trouble(const struct gateway *g);

/* ---- stored_import.c ---- */

/* All that is here is not known to be in the stream. */
void import_doubt(struct gateway *g, int stream);
/* The stream is read: appends what it lacks, then is_complete. */
void import_begin(struct gateway *g, int stream);
/* An event of a key or limit that is in doubt: compares. 1: it is, and nothing is to be applied. */
int import_compare_key(struct gateway *g, const struct key_record *r);
int import_compare_limits(struct gateway *g, enum scope scope, struct aiex_slice name,
                          const struct limits *limits);
/* The stream's first events, when it has none. 0, or as aiex_decide(). */
int import_decide_first(struct gateway *g, struct aiex_decision *d);

/* ---- change.c ---- */

/* Runs a method that changes keys or limits: at once without a store. Returns what a method
 * returns. */
int change_run(struct gateway *g, const struct aiex_message *m, const char *act,
               int (*run)(struct gateway *g, const struct aiex_message *m));
/* What the running method wants to write; the answer is given when it is stored. 0, negative errno.
 */
int change_key(struct gateway *g, const struct key_record *r, const struct key *by,
               const char *type, const char *secret);
int change_limits(struct gateway *g, enum scope scope, struct aiex_slice name,
                  const struct limits *limits, const struct key *by);
/* The running method restores a checkpoint: any number of events, told by restore_stored(). 0, or
 * as aiex_decide(). */
int change_restores(struct gateway *g, const char *by);
int change_restored(struct gateway *g, const char *type, struct aiex_slice record);
/* The streams have everything: what waited for that begins. */
void change_go(struct gateway *g);
/* Once a second: what has waited too long is refused. */
void change_tick(struct gateway *g);
void change_cancel(struct gateway *g, uint64_t id);
void change_stop(struct gateway *g);

#endif
