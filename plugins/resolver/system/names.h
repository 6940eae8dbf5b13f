/*
 * names.h - what is known about names: remembered answers, and who waits for one.
 *
 * A name is in one of three states: being looked up (waiters hang on it), known until
 * `until`, or absent. All callers that ask for a name under way share one look-up.
 */
#ifndef RESOLVER_NAMES_H
#define RESOLVER_NAMES_H

#include "pool.h"

struct resolver;

struct waiter {
    struct waiter *next;
    struct resolver *resolver;
    uint64_t call;  /* to be answered */
    uint64_t timer; /* its time limit */
};

struct name {
    struct name *next;
    char host[256];
    int asking;     /* a look-up is under way */
    uint64_t until; /* the answer holds, in the host's ms; 0 = none */
    struct answer answer;
    struct waiter *waiters;
};

struct names {
    struct name *first; /* newest first */
    unsigned n, max;
};

/* The entry, or NULL. */
struct name *names_find(struct names *t, const char *host);
/* A new entry; the oldest one that nobody waits for makes room. NULL = no memory or no room. */
struct name *names_add(struct names *t, const char *host);
/* Takes the waiter for that call out; NULL = there is none. The caller frees. */
struct waiter *names_take_waiter(struct names *t, uint64_t call);
/* Frees all; waiters must be gone. */
void names_done(struct names *t);

/* Lower case into out[256], one trailing dot dropped. 0, or -EINVAL: not a host name. */
int name_clean(struct aiex_slice text, char *out);

#endif
