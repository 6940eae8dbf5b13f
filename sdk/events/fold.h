/*
 * fold.h - a fold from inside.
 *
 *     IDLE -> READING -> IDLE          something may be new
 *     IDLE -> APPENDING -> IDLE        the oldest change; a conflict asks for reading first
 *     any  -> PAUSED -> IDLE           the store failed; the step is repeated
 *
 * ev_fold_go() takes the next step as long as there is one. It is a loop and no recursion: answers
 * may come before the call returns.
 */
#ifndef AIEX_EVENTS_FOLD_H
#define AIEX_EVENTS_FOLD_H

#include "aiex_fold.h"
#include "asking.h"
#include "decision.h"

struct change {
    struct change *next;
    uint64_t id, trace, deadline_ms;
    aiex_fold_decide_fn decide;
    aiex_fold_end_fn end;
    void *arg;
};

struct aiex_fold {
    struct asking ask;
    struct aiex_fold_setting setting; /* its store is the one below */
    char store[AIEX_MAX_NAME + 1];
    enum { IDLE, READING, APPENDING, PAUSED } doing;
    int going, more;
    int paused; /* a timer ends the pause */
    uint64_t look_timer;
    int64_t version;
    char event[AIEX_EVENT_ID + 1];
    int live;
    int look;              /* what is new must be read before the next change */
    int checked, mismatch; /* in this read: the known event came, or none is; another one did */
    int broken;            /* in this read: negative errno of apply() */
    int64_t actual;        /* version that a conflict told, -1 = none */
    uint32_t tries;        /* of the step that fails */
    struct change *first, **last;
    uint32_t n;
    uint64_t last_id;
    struct aiex_decision decision; /* of the first change; n = 0: not decided */
    uint32_t conflicts;
    int maybe; /* its append may have happened */
    struct aiex_error err;
    uint64_t quiet_until_ms;
    int is_said; /* `trouble` stands in the log */
    char trouble[320];
};

/* fold.c */
void ev_fold_go(struct aiex_fold *f);
/* The step failed: again after a pause. Changes whose time is over end. */
void ev_fold_failed(struct aiex_fold *f, const char *doing, const char *code, const char *text);
void ev_fold_fine(struct aiex_fold *f); /* the store answered as it should */
/* One event has happened. 0, or negative errno with the sentence in f->err. */
int ev_fold_apply(struct aiex_fold *f, const struct aiex_stored_event *e);
/* The oldest change is over. */
void ev_fold_end(struct aiex_fold *f, const char *code, const char *text);

/* fold_read.c, fold_write.c: the steps */
void ev_fold_read(struct aiex_fold *f);
void ev_fold_write(struct aiex_fold *f);

#endif
