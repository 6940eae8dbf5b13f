/*
 * fail.h - named places in the write path at which the process can be made to die.
 *
 * AIEX_FAIL=name:nth in the environment kills the process (SIGKILL: nothing is cleaned up) the nth
 * time it passes the place of that name; several are separated by commas. Without the variable a
 * place costs one load. The names are the rows of `fail_names`; a name that is none of them keeps
 * the store from starting, because a test that never fails proves nothing.
 */
#ifndef FAIL_H
#define FAIL_H

#include <aiex/aiex_plugin.h>

enum fail_place {
    FAIL_BATCH,      /* puts are done, nothing is committed */
    FAIL_COMMIT,     /* committed, not flushed */
    FAIL_FLUSH,      /* flushed, the side record is old */
    FAIL_SIDE,       /* the side record is new, nobody was answered */
    FAIL_ANSWER,     /* the results are on their way to the loop */
    FAIL_STAMP,      /* the files are stamped, no checkpoint yet */
    FAIL_CHECKPOINT, /* the checkpoint is done, the side record does not know */
    FAIL_OPEN,       /* recovered, nothing compared */
    FAIL_N
};

struct fail {
    uint64_t left[FAIL_N]; /* passes until it dies; 0 = never */
    int armed;
};

/* Reads `text` (may be NULL). 0, or -EINVAL with a reason. */
int fail_init(struct fail *f, const char *text, struct aiex_error *err);
/* Called by one thread for each place. */
void fail_pass(struct fail *f, enum fail_place place);
/* Name of a place, for tests that walk all of them. */
const char *fail_name(enum fail_place place);

#endif
