/*
 * route.h - one request on its way; shared by the files that move it.
 *
 * A route has sinks (who gets the answer: one client, or several that asked the same) and legs
 * (calls to providers: one, or two when a second one is hedged). It is in one state at a time:
 *
 *     READY     waits until the providers are known
 *     LOOKING   waits for the colder levels of the cache, some milliseconds
 *     QUEUED    waits for a provider's limits, or for its breaker
 *     PAUSED    waits before the same provider is asked again
 *     CALLING   one or two legs run
 *     GHOST     the client has its end; a cancelled provider has not told its cost yet
 *
 * Without hedge, cache and validation a leg is a SPLICE call: from the first part on the answer
 * goes straight to the client and only a copy of the end comes here. Else its parts come here and
 * are handed to each sink, recorded on a tape when they may be wanted again.
 */
#ifndef COORDINATOR_ROUTE_H
#define COORDINATOR_ROUTE_H

#include "coordinator.h"
#include "record.h"
#include "tape.h"

#define TAIL_BYTES (MAX_MODEL + 256u) /* room behind the packed request: leg.c */

#define MAX_TRIES 24u
#define MAX_LEGS  2u
#define MAX_HOPS  3u /* fallbacks of one request */

enum cache_mode { CACHE_OFF, CACHE_ON, CACHE_ONLY };

enum state {
    ROUTE_NEW,
    ROUTE_READY,
    ROUTE_LOOKING,
    ROUTE_QUEUED,
    ROUTE_PAUSED,
    ROUTE_CALLING,
    ROUTE_GHOST
};

/* The error that the client gets if nobody answers. */
struct kept_error {
    int rank; /* 0 = none */
    char code[24], text[400];
    uint32_t retry_after_ms;
    uint8_t *body;
    size_t body_len;
};

struct sink {
    struct sink *next_id; /* of the bucket */
    struct sink *next;    /* of the route */
    struct route *route;
    uint64_t id, trace, begun_ms;
    int paused, gone; /* gone: ended while parts were being handed out */
    int own;          /* allocated, with its account behind it; the lead's is in `packed` */
    struct aiex_slice account;
    char settle[AIEX_MAX_NAME + 1];
};

struct leg {
    struct route *r;
    struct lane *lane;
    uint64_t call, begun_ms;
    int64_t booked;
    uint32_t probe;
    uint32_t withheld; /* bytes of parts not credited yet */
    unsigned try;      /* index of its row in tries[] */
    int active, parts, ended;
};

struct route {
    struct route *next, *prev, *next_waiting, *next_flight;
    struct coordinator *c;
    struct plan *plan;
    enum state state;
    enum operation op;
    int calling, again, over, free_later; /* callbacks may come inside call() and stream() */
    uint64_t serial, trace, begun_ms, deadline_ms; /* deadline UINT64_MAX = none */
    struct sink lead, *sinks;
    int joined;    /* its client listens to another route */
    int lead_left; /* the one who asked first went away; others still listen */

    /* what was asked */
    char asked[MAX_MODEL + 1];
    struct aiex_slice dialect, body, tags, headers; /* inside `packed` */
    int stream, automatic;
    int64_t prompt;   /* estimated tokens, < 0 not yet */
    int prompt_exact; /* ... by reading the body, not by its length */
    unsigned needs;
    int needs_known;
    uint64_t flow, conversation; /* 0 = not yet */
    char sent[MAX_MODEL + 1];    /* model of the last call */
    uint8_t *packed;             /* the request to a provider without its tail */
    size_t packed_len, account_end;

    /* where it may go */
    struct alias *alias;
    char alias_name[ALIAS_NAME + 1];
    char target[ALIAS_MODEL];  /* what is looked for now, when it is no alias */
    const struct member *only; /* named by the client */
    const char *bare;          /* the model without "provider/" */
    enum strategy strategy;
    unsigned attempts, attempts_here, hops, repeats;
    const char *hop_reason; /* of the fallback that led to what is looked for now, or NULL */
    int only_listed, offline_allowed, pass_queue;
    int embed_aimed;          /* it goes to the model that is set for embeddings */
    const struct lane *same;  /* may be tried once more when no other one fits ... */
    int same_now, same_waits; /* ... now; ... as soon as its limits let it */
    int turn_taken;
    uint64_t turn;
    enum fallback_class fallback; /* what the last error asks for */
    struct kept_error error;

    /* what runs */
    struct leg legs[MAX_LEGS];
    unsigned n_tries;   /* of `tries`, below */
    unsigned unsettled; /* cancelled calls that have not told their cost */
    uint64_t timer;
    struct queued queued;
    struct queue *queued_in;   /* of a member or a lane, or NULL */
    uint64_t patient_until_ms; /* when it waits for breakers no more; 0 = never waited */
    struct member *winner;     /* who answered, or failed last */
    int begun_answer;          /* a part went to a client */
    uint64_t first_ms;         /* since begun_ms, 0 = no part seen */

    /* cache, hedge, validation */
    int relayed; /* parts come through here */
    enum cache_mode cached_mode;
    uint8_t owner[32]; /* who shares its answers: zeroes = all */
    uint8_t digest[32];
    struct hash128 key;
    struct aiex_levels_look *look; /* in the colder levels, or NULL */
    int in_flight_table;
    struct tape *tape;
    int validate, repaired;
    uint64_t hedge_ms;

    struct outcome outcome; /* set when it is over */
    uint64_t over_ms;

    struct try tries[MAX_TRIES]; /* the last: not cleared when a route is used again (route_new) */
};

/* ---- route.c, asked.c ---- */

struct sink *route_sink(struct coordinator *c, uint64_t id);
void route_drop_sink(struct sink *s);
int route_listeners(const struct route *r);
/* The newcomer's client listens to r, too; the newcomer itself is to be freed. 0, -ENOMEM. */
int route_join(struct route *r, struct route *newcomer);
/* Ends the route: its record is written now, or when the last bill has come. */
void route_finish(struct route *r);
void route_free(struct route *r);
/* Around calls of the host that may come back to this route before they return: nothing is freed
 * between the two. leave: 1 = the route is over; do not touch it again. */
void route_enter(struct route *r);
int route_leave(struct route *r);
/* Looks for providers of `model` from now on: an alias, a model, "provider/model" or "auto". */
void route_aim(struct route *r, const char *model);
void route_set_alias(struct route *r, const char *model);
uint64_t route_now(const struct route *r);
/* Estimated tokens of the prompt; `exact` reads the body. */
int64_t route_prompt(struct route *r, int exact);
int64_t route_setting(int64_t own, int64_t general);
/* Another body goes to providers from now on. 0, -ENOMEM (nothing has changed). */
int route_rebody(struct route *r, struct aiex_slice body);

/* ---- pick.c ---- */

enum pick_kind {
    PICK_GO,
    PICK_WAIT,     /* somebody fits, but its limits do not let it now */
    PICK_NOBODY,   /* nobody is reachable */
    PICK_NO_MODEL, /* somebody is, but none has the model */
    PICK_UNABLE    /* who has the model can not do the operation */
};

struct pick {
    enum pick_kind kind;
    struct member *m;
    struct lane *lane;
    char model[MAX_MODEL + 1];
    enum why why;
    unsigned n;          /* of how many */
    uint64_t wait_ms;    /* WAIT: until it may go; NOBODY: until a breaker lets a probe through */
    const char *skipped; /* who would have come first, and why not; NULL = nobody */
    enum why_not why_not;
    struct lane *barred; /* NOBODY: the breaker that lets somebody through next, or NULL */
};

void pick(struct route *r, struct pick *ret);
/* The offline provider, if one is there and was not tried. 1 or 0. */
int pick_offline(struct route *r, struct pick *ret);

/* ---- leg.c ---- */

/* Tries providers until one is at work or the route is over. May free r. */
void leg_next(struct route *r);
/* The first one is slow: a second one is asked as well. */
void leg_hedge(struct route *r);
int leg_running(const struct route *r); /* how many */
unsigned leg_max_attempts(const struct route *r);
/* Gives up what runs; its cost is told by coordinator.settle. */
void leg_cancel(struct leg *l);
void leg_cancel_all(struct route *r);
/* A sink has room again. */
void leg_resume(struct route *r);

/* ---- wait.c ---- */

/* 0: queued, or -EBUSY: too many wait, or it would take too long. */
int wait_for_limits(struct route *r, struct member *m, uint64_t wait_ms);
void wait_pause(struct route *r, uint64_t ms);
void wait_hedge(struct route *r, uint64_t ms);
void wait_stop(struct route *r); /* takes it out of queue and timer */

/* ---- recover.c ---- */

/* Nobody but this lane fits, and its breaker is open: 1 = r waits for it, 0 = that makes no sense.
 */
int recover_wait(struct route *r, struct lane *l);

/* ---- ends.c ---- */

/* Body of an error that no provider made; r may be NULL. */
struct aiex_slice ends_details(const struct route *r, int http_status, const char *reason,
                               uint8_t *mem, size_t size);
/* Ends all sinks with an error of the coordinator's own. */
void ends_fail(struct route *r, const char *code, int http_status, const char *reason,
               const char *text, uint32_t retry_after_ms);
/* Keeps the error of an attempt if it tells the client more than what was kept. */
void ends_keep(struct route *r, int rank, const char *code, const char *text,
               uint32_t retry_after_ms, struct aiex_slice body);
/* Ends all sinks with the kept error. */
void ends_pass_on(struct route *r);
/* Nobody is left for what is looked for: another target, the same provider again, an old answer,
 * the offline provider (then *p says so), or the error. */
enum last_resort { LAST_OVER /* or it waits: do not touch r */, LAST_LOOK, LAST_GO };
enum last_resort ends_last_resort(struct route *r, struct pick *p);
/* All is well: ends every sink that is still open. */
void ends_good(struct route *r, struct try *t, struct aiex_slice body, const struct facts *f,
               int spliced);
/* The answer broke off after its first part. */
void ends_broken(struct route *r, const struct aiex_answer *a);

/* ---- hits.c ---- */

/* Whose request it is, for the key. */
void hits_owner(struct route *r, struct aiex_slice principal);
/* Answers from the cache, joins a request that runs, or looks in the colder levels: 1 = done, r is
 * gone or goes on by itself. */
int hits_try(struct route *r);
/* An old answer is better than none: 1 = it was given and r is over. */
int hits_stale(struct route *r);
void hits_leave(struct route *r); /* nobody can join any more */
void hits_keep(struct route *r, struct aiex_slice end);
/* The end's body with `cached`; lives until the next call. */
struct aiex_slice hits_mark(struct coordinator *c, struct aiex_slice end, const char *cached);

/* ---- settle.c ---- */

/* Casts the record of a request that is over to whom it concerns. */
void settle_emit(struct route *r);
/* The record of one who listened to another's request. */
void settle_follower(struct sink *s, const char *code);
void settle_ghost(struct route *r);
void settle_forget(struct route *r); /* takes a ghost out */

#endif
