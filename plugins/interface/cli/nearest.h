/* nearest.h - "did you mean": which of several words is the closest to a mistyped one. */
#ifndef AIEX_CLI_NEAREST_H
#define AIEX_CLI_NEAREST_H

struct nearest {
    const char *word; /* NULL = nothing is near enough */
    unsigned distance;
};

void nearest_init(struct nearest *n);
/* Takes `candidate` when it differs from `typed` in at most a third of its letters (one at least)
 * and in fewer than the best so far. Words above 63 bytes are never near. */
void nearest_try(struct nearest *n, const char *typed, const char *candidate);

#endif
