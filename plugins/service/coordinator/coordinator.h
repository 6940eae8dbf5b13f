/*
 * coordinator.h - the parts of one coordinator.
 *
 * A request is a route (route.h). What decides its way are pure modules with tables of their own,
 * each with a header that says its rules:
 *
 *     alias, fallback   names for models; where to go when they fail
 *     choose, strategy  who can serve a request; in which order they are tried
 *     verdict, retry    what follows from an error; pauses and the budget of repeats
 *     breaker, limit, queue, latency    what is known of a provider
 *     affinity, cache, tape, siphash    what is remembered of answers
 *     price, record     what it cost; the usage record
 *
 * Around them: plan.c (the configuration, parsed), members.c (the providers and their health),
 * lists.c (their models), lanes.c (one model at one provider), and the requests: asked.c (read),
 * route.c (begin, cancel), gather.c and pick.c (choice), leg.c and leg_end.c (one call to a
 * provider), wait.c (queues and pauses), recover.c (open breakers), ends.c (how it ends), settle.c
 * (accounting), hits.c (cache). report.c and metrics.c answer questions. All of it runs on the loop
 * thread.
 */
#ifndef COORDINATOR_H
#define COORDINATOR_H

#include "affinity.h"
#include "alias.h"
#include "breaker.h"
#include "cache.h"
#include "choose.h"
#include "fallback.h"
#include "latency.h"
#include "limit.h"
#include "needs.h"
#include "price.h"
#include "queue.h"
#include "retry.h"
#include "verdict.h"

#include <aiex/aiex_pack.h>
#include <aiex_levels.h>
#include <aiex_pressure.h>

#define MAX_MEMBERS 64u
#define MAX_MODEL   256u
#define MAX_WAITING 1024u
#define MAX_LANES   512u  /* models that one provider is watched for */
#define MAX_GHOSTS  4096u /* ended requests that wait for their bill */
#define BUCKETS     1024u
#define GHOST_MS    5000u /* how long they wait */

enum unlisted { UNLISTED_REFUSE, UNLISTED_PASS };
enum cache_scope { SCOPE_KEY, SCOPE_SHARED };

struct config {
    const char *providers, *fallback, *auto_model, *embed_model, *local, *hedge;
    const char *aliases, *strategies, *limits, *prices, *fallbacks;
    int64_t strategy, attempts, health_interval, unlisted, accounting_events;
    int64_t first_token, idle, total;
    int64_t retry_pause, retry_wait, retry_budget;
    int64_t queue, queue_time, key_rest;
    int64_t breaker_failures, breaker_percent, breaker_least, breaker_window;
    int64_t breaker_open, breaker_open_max, breaker_probes, breaker_wait, slow_call;
    int64_t affinity, affinity_ttl;
    int64_t cache, cache_ttl, cache_bytes, cache_entry, cache_scope, cache_levels, cache_wait;
    const char *cache_node, *cache_disk;
    int64_t validate;
};

/* ---- plan.c: the configuration as it is used ---- */

#define MAX_LOCAL 32u

struct plan {
    unsigned refs;
    struct alias_table aliases;
    struct limit_table limits;
    struct price_table prices;
    struct fallback_table fallbacks;
    struct breaker_rules breaker;
    struct hedge hedge;
    char local[MAX_LOCAL][AIEX_MAX_NAME + 1];
    size_t n_local;
    uint64_t version; /* differs for each plan of a process */
};

/* 0 and one reference, -EINVAL with a sentence, -ENOMEM. */
int plan_new(const struct config *config, uint64_t version, struct plan **ret,
             struct aiex_error *err);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* NULL is fine */
int plan_is_local(const struct plan *p, const char *instance);

/* ---- lists.c: the models of one provider as it last told them ---- */

struct model_info {
    struct aiex_slice id;
    int64_t context;       /* tokens, 0 = unknown */
    unsigned capabilities; /* NEED_* */
    int known;             /* it told its capabilities */
    int loaded;
};

struct model_list {
    uint8_t *mem;             /* the answer that the slices point into; NULL = unknown */
    struct model_info *infos; /* sorted by id */
    struct aiex_slice *whole; /* entries in the provider's order */
    size_t n;
    uint64_t read_ms;
};

struct member;
struct coordinator;

/* Replaces the list by what provider.models answered. 0, -EINVAL, -ENOMEM (the old one stays). */
int lists_take(struct model_list *l, struct aiex_slice answer);
void lists_done(struct model_list *l);
/* Copies the first id in the provider's order; 0 when nothing is listed. */
int lists_first(const struct model_list *l, char *out, size_t size);
enum lists lists_has(const struct model_list *l, const char *model);
const struct model_info *lists_find(const struct model_list *l, const char *model); /* or NULL */
/* The union: an id that several providers have appears once, for the first of them; aliases first.
 */
int lists_reply(struct coordinator *c, uint64_t id);

/* ---- lanes.c: one model at one provider ---- */

struct lane {
    struct lane *next; /* of the member, last used first */
    struct member *m;
    uint32_t hash;
    char model[MAX_MODEL + 1];
    struct breaker breaker;
    struct latency latency;
    uint32_t in_flight;
    struct queue barred; /* requests that wait for the breaker: recover.c */
    int draining;
    uint64_t wake_timer, wake_ms;
    const struct price_rule *price; /* of the plan with this version */
    uint64_t price_version;
};

/* The lane, made when it is new; NULL without memory or when all MAX_LANES are in use. */
struct lane *lanes_get(struct member *m, const char *model);
const struct price_rule *lanes_price(struct lane *l, const struct plan *p);
/* Names the place for the affinity table; never 0. */
uint64_t lanes_place(const struct lane *l);
void lanes_free(struct member *m);

/* ---- members.c ---- */

/* What status, metrics and records call how a request ended. */
enum result {
    RESULT_OK,
    RESULT_INVALID,
    RESULT_DENIED,
    RESULT_NOT_FOUND,
    RESULT_CONFLICT,
    RESULT_BUSY,
    RESULT_TIMEOUT,
    RESULT_UPSTREAM,
    RESULT_UNAVAILABLE,
    RESULT_CRASHED,
    RESULT_CANCELLED,
    RESULT_INTERNAL,
    N_RESULTS,
};
extern const char *const result_names[N_RESULTS];
enum result result_of(const char *code); /* NULL = good */

#define HISTOGRAM_STEPS 14u

struct histogram {
    uint64_t steps[HISTOGRAM_STEPS + 1]; /* the last one is without bound */
    uint64_t count;
    double sum;
};

struct member_stats {
    uint64_t results[N_RESULTS];
    struct histogram duration, first, between; /* seconds */
    uint64_t requests, errors, input_tokens, output_tokens, cached_tokens, cache_write_tokens;
    int64_t cost;
    uint64_t retries, hedges;
};

struct member {
    struct coordinator *c;
    char name[AIEX_MAX_NAME + 1];
    char reason[160];
    unsigned index;
    int offline, healthy, present;
    uint64_t health_call, models_call; /* running, 0 = none */
    struct model_list models;
    struct lane *lanes;
    size_t n_lanes;
    uint32_t in_flight;
    uint64_t key_rest_ms; /* its key was refused: others go first until then */
    struct limit limit;
    const struct limit_rule *rule; /* of the plan with this version */
    uint64_t rule_version;
    unsigned lacks; /* bits of enum operation: methods that it said it does not have */
    struct queue queue;
    int draining; /* wait.c is at it */
    uint64_t wake_timer, wake_ms;
    struct member_stats stats;
};

int members_start(struct coordinator *c, struct aiex_error *err);
void members_stop(struct coordinator *c);
void members_event(struct coordinator *c, struct aiex_slice envelope);
/* The member that `model` names as "provider/", with *ret_rest behind the slash, or NULL. */
struct member *members_named(struct coordinator *c, const char *model, const char **ret_rest);
/* "provider_openai:work" answers to that name and to "openai:work". */
int members_answers(const struct member *m, const char *name, size_t len);
/* The host says that nobody serves this name. */
void members_gone(struct member *m, const char *why);
const struct limit_rule *members_rule(struct member *m);
/* An offline provider that is not the fallback serves only those who ask for its model. */
int members_is_spare(const struct coordinator *c, const struct member *m);

/* ---- One coordinator ---- */

struct route;
struct sink;

struct stats {
    uint64_t fallbacks[N_FALLBACKS], offline, stale;
    uint64_t cache_hits, cache_misses, coalesced, queued, records, repairs;
};

struct coordinator {
    const struct aiex_host *host;
    const struct config *config;
    struct plan *plan;
    struct member *members[MAX_MEMBERS]; /* in order of preference; none leaves before the end */
    size_t n_members;
    int ready;    /* the first round of questions is over */
    int in_round; /* questions are being asked: answers may come inside */
    uint64_t plugins_call, round_timer, ready_timer;
    struct sink *sinks[BUCKETS]; /* who waits for an answer, by call id */
    struct route *routes;        /* all of them */
    struct route *spare;         /* memory for the next ones */
    size_t n_spare;
    struct route *waiting; /* until ready, oldest first */
    size_t n_waiting;
    struct route *flights[BUCKETS]; /* by cache key: others may join them */
    struct route *ghosts;           /* oldest first */
    uint8_t *marked;                /* hits.c: the last end that was marked */
    size_t n_ghosts;
    uint64_t ghost_timer;
    uint64_t asking[64]; /* coordinator.models until ready */
    size_t n_asking;
    struct affinity *affinity;
    struct cache *cache;        /* NULL = off everywhere so far */
    struct aiex_levels *levels; /* its colder ones; NULL = off so far */
    struct aiex_pressure pressure;
    struct retry_budget budget;
    uint64_t random, cell, last_serial, turn, secret[2];
    struct stats stats;
};

/* ---- route.c ---- */

enum operation { OP_CHAT, OP_COMPLETE, OP_EMBED, OP_COUNT, N_OPERATIONS };
extern const char *const operation_names[N_OPERATIONS];

int route_begin(struct coordinator *c, const struct aiex_message *m, enum operation op);
void route_cancel(struct coordinator *c, uint64_t id);
void route_resume(struct coordinator *c, uint64_t id);
/* Begins what waited for the first round. */
void route_release(struct coordinator *c);
void route_free_all(struct coordinator *c);

/* ---- shelf.c: the cache and its colder levels ---- */

/* In start(): told when memory is short, and on the page of metrics. 0, -ENOMEM. */
int shelf_start(struct coordinator *c);
void shelf_reload(struct coordinator *c);
void shelf_stop(struct coordinator *c);
int shelf_metrics(struct coordinator *c, uint64_t id);
/* The cache, made at its first use; NULL: no memory. */
struct cache *shelf_cache(struct coordinator *c);
/* The colder levels when they are in use now, or NULL. */
struct aiex_levels *shelf_levels(struct coordinator *c);

/* ---- wait.c ---- */

/* Somebody may go now: a call ended, a limit moved. */
void wait_drain(struct member *m);
/* The provider went away: who waits for it chooses anew. */
void wait_flush(struct member *m);

/* ---- recover.c ---- */

/* A call there ended, or its breaker changed: who waits for it goes on, or gives up. */
void recover_drain(struct lane *l);
/* The same for all lanes of a provider that went away. */
void recover_drain_all(struct member *m);
/* Requests that wait for breakers of this provider. */
size_t recover_waiting(const struct member *m);

/* ---- settle.c ---- */

/* coordinator.settle: the bill of a call that was cancelled. */
void settle_cast(struct coordinator *c, struct aiex_slice body);
void settle_stop(struct coordinator *c);

/* ---- report.c, metrics.c ---- */

int report_models(struct coordinator *c, uint64_t id);
int report_status(struct coordinator *c, uint64_t id);
int report_health(struct coordinator *c, uint64_t id);
int report_price(struct coordinator *c, uint64_t id, struct aiex_slice body);
void report_release(struct coordinator *c);
void report_cancel(struct coordinator *c, uint64_t id);
void histogram_take(struct histogram *h, double seconds);
int metrics_reply(struct coordinator *c, uint64_t id);

#endif
