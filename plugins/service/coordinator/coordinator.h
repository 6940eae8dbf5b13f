/*
 * coordinator.h - the parts of one coordinator.
 *
 * members.c knows the providers, lists.c their models, choose.c decides (pure),
 * route.c carries one request from provider to provider, ends.c ends it, report.c answers
 * questions.
 * All of it runs on the loop thread.
 */
#ifndef COORDINATOR_H
#define COORDINATOR_H

#include "choose.h"

#include <aiex/aiex_pack.h>

#define MAX_MEMBERS 64u
#define MAX_MODEL   256u
#define MAX_WAITING 1024u
#define BUCKETS     64u

enum strategy { FIRST_HEALTHY };
enum unlisted { UNLISTED_REFUSE, UNLISTED_PASS };

struct config {
    const char *providers, *fallback, *auto_model;
    int64_t strategy, attempts, health_interval, unlisted, accounting_events;
};

/* The models of one provider as it last told them; lists.c. */
struct model_list {
    uint8_t *mem;             /* the answer that the slices point into; NULL = unknown */
    struct aiex_slice *ids;   /* sorted */
    struct aiex_slice *whole; /* entries in the provider's order */
    size_t n;
    uint64_t read_ms;
};

struct member {
    struct coordinator *c;
    char name[AIEX_MAX_NAME + 1];
    char reason[160];
    int offline, healthy, present;
    uint64_t health_call, models_call; /* running, 0 = none */
    struct model_list models;
    uint32_t in_flight;
    uint64_t requests, errors, input_tokens, output_tokens;
};

struct coordinator {
    const struct aiex_host *host;
    const struct config *config;
    struct member *members[MAX_MEMBERS]; /* in order of preference; none leaves before the end */
    size_t n_members;
    int ready;    /* the first round of questions is over */
    int in_round; /* questions are being asked: answers may come inside */
    uint64_t plugins_call, round_timer, ready_timer;
    struct route *routes[BUCKETS]; /* by call id */
    struct route *waiting;         /* until ready, oldest first */
    uint64_t asking[64];           /* coordinator.models until ready */
    size_t n_waiting, n_asking;
};

/* ---- members.c ---- */

int members_start(struct coordinator *c, struct aiex_error *err);
void members_stop(struct coordinator *c);
void members_event(struct coordinator *c, struct aiex_slice envelope);
/* The member that `model` names as "provider/", with *ret_rest behind the slash, or NULL. */
struct member *members_named(struct coordinator *c, const char *model, const char **ret_rest);
/* The host says that nobody serves this name. */
void members_gone(struct member *m, const char *why);

/* ---- lists.c ---- */

/* Replaces the list by what provider.models answered. 0, -EINVAL, -ENOMEM (the old one stays). */
int lists_take(struct model_list *l, struct aiex_slice answer);
void lists_done(struct model_list *l);
/* Copies the first id in the provider's order; 0 when nothing is listed. */
int lists_first(const struct model_list *l, char *out, size_t size);
enum lists lists_has(const struct model_list *l, const char *model);
/* The union: an id that several providers have appears once, for the first of them. */
int lists_reply(struct coordinator *c, uint64_t id);

/* ---- route.c ---- */

int route_begin(struct coordinator *c, const struct aiex_message *m);
void route_cancel(struct coordinator *c, uint64_t id);
/* Begins what waited for the first round. */
void route_release(struct coordinator *c);
void route_free_all(struct coordinator *c);

/* ---- report.c ---- */

int report_models(struct coordinator *c, uint64_t id);
int report_status(struct coordinator *c, uint64_t id);
int report_health(struct coordinator *c, uint64_t id);
void report_release(struct coordinator *c);
void report_cancel(struct coordinator *c, uint64_t id);

#endif
