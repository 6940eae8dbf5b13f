/*
 * verdict.h - what follows from an error before the first part: one table, in verdict.c.
 *
 * A row says whether another provider may do better, whether the same one may be asked again,
 * whom the error blames (the provider: its breaker counts it; its key: the instance rests; the
 * client: nobody), which fallback fits, and how telling the error is, because of several errors
 * the client gets the most telling one. Pure.
 */
#ifndef COORDINATOR_VERDICT_H
#define COORDINATOR_VERDICT_H

#include "breaker.h"

#include <stddef.h>
#include <stdint.h>

enum next_step { NEXT_NONE, NEXT_LISTED, NEXT_ANY };

/* Whether the same provider may be asked again when no other one fits. */
enum again { AGAIN_NEVER, AGAIN_AFTER_PAUSE, AGAIN_AFTER_WAIT /* only with a Retry-After */ };

enum blame {
    BLAME_NONE,
    BLAME_KEY,  /* refused or out of money: the instance rests for a while */
    BLAME_WAIT, /* too much was asked: the instance rests as long as it says */
};

/* What a `fallback.*` line may name. */
enum fallback_class {
    FALLBACK_NONE,
    FALLBACK_OVERLOADED,
    FALLBACK_CONTEXT_LENGTH,
    FALLBACK_CONTENT_FILTER,
    FALLBACK_UNAVAILABLE,
    N_FALLBACKS,
};
extern const char *const fallback_names[N_FALLBACKS];

/* When the offline provider may answer instead. */
enum offline { OFFLINE_NEVER, OFFLINE_IF_DOWN, OFFLINE_ALWAYS };

struct verdict {
    enum next_step next;
    enum again again;
    enum offline offline;
    int rank; /* of several errors the client gets the highest, of equals the first */
    enum breaker_outcome outcome;
    enum blame blame;
    enum fallback_class fallback;
};

/* `reason` as in provider.md, "" when none was given. */
struct verdict verdict_of(const char *code, const char *reason);

#endif
