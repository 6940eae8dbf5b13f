/*
 * command.h - a running command from inside.
 *
 * Names that files of this library share begin with ev_: it is linked into plugins with names of
 * their own.
 *
 * A small machine with one call to the store at a time:
 *
 *     load (snapshot) -> read (events) -> decide -> append -> end
 *                          ^                          |
 *                          +-------- conflict --------+    (only events behind the known version)
 *
 * A fault that may pass repeats its step after a pause; an append is repeated with the same ids, so
 * it happens once. All repetitions together are bounded by max_tries. After a function here that
 * asks the store or ends the command, the command may be gone.
 */
#ifndef AIEX_EVENTS_COMMAND_H
#define AIEX_EVENTS_COMMAND_H

#include "asking.h"
#include "decision.h"

#define COMMAND_TEXT 128u

struct command {
    struct asking ask;
    struct aiex_aggregates *a;
    struct command *next, **at;
    uint64_t id;
    const struct aiex_aggregate *type;
    char stream[AIEX_STREAM_NAME + 1], correlation[COMMAND_TEXT + 1], causation[COMMAND_TEXT + 1];
    struct aiex_slice body;
    int only_load;
    aiex_command_fn fn;
    void *arg;
    void *state;
    int64_t version, snapshot, sequence; /* of the state, of its snapshot, of the last append */
    int64_t actual;                      /* version that a conflict told, -1 = none */
    struct aiex_decision decision;
    uint32_t tries;
    int maybe; /* an append may have happened */
    struct aiex_error err;
    int broken; /* negative errno of apply() */
};

struct aiex_aggregates {
    struct aiex_aggregates_setting setting;
    struct command *first;
    uint32_t n;
    uint64_t last_id;
};

/* aggregate.c: out of the list of running ones; the state is freed. */
void ev_command_unlink(struct command *c);
void ev_command_drop_state(struct command *c);

/* command_state.c */
void ev_command_load(void *owner); /* from the snapshot on */
void ev_command_read(void *owner); /* the events behind the known version */
/* A zeroed state at version 0. 0, -ENOMEM. */
int ev_command_fresh(struct command *c);
/* One event has happened. 0, or negative errno with the sentence in c->err. */
int ev_command_apply(struct command *c, const struct aiex_stored_event *e);

/* command_append.c: all events are known. */
void ev_command_decide(struct command *c);

/* command_end.c */
void ev_command_end(struct command *c, const char *code, const char *text);
/* The step did not work: once more after a pause, or that was it. */
void ev_command_again(struct command *c, const char *code, const char *text,
                      void (*step)(void *owner));
/* The step could not be asked for. */
void ev_command_not_asked(struct command *c, int failed, void (*step)(void *owner));

#endif
