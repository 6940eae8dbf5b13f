/*
 * gateway.h - the parts of one gateway.
 *
 * Who asks and what may he: keys.h (keys.c, keys_load.c, keys_write.c, keys_record.c) on journal.h
 * and secret.h; who.c decides, refuse.c says no in the client's dialect.
 *
 * What may still be used: account.h (pure), flight.h (what a running request has reserved), admit.c
 * (judge, take), settle.c, content.h (hashes of what was asked and answered), spent.c (what the
 * ledger knows from earlier).
 *
 * The request itself: ask.h reads it, chat.c carries it to the coordinator, pass.c does the same
 * for count and models, template.h puts a named prompt in, jobs.h keeps asynchronous ones. quote.c
 * finds what it may cost, with price.h (pure).
 *
 * Where keys and limits are true: stored.h (stored.c, stored_import.c, change.c, keys_cache.c) when
 * there is a store, else the journal alone.
 *
 * Back to a checkpoint: restore.h on restored_then.h.
 *
 * The rest: admin.c and admin_limits.c change keys, recorded.h asks the audit log before they do,
 * gate.c holds requests off that must be recorded and can not,
 * faces.c knows the interfaces, audit.c tells what happened, report.c and metrics.c answer
 * questions. gateway.c is the descriptor.
 *
 * All of it runs on the loop thread. The coordinator usually lives in the same cell: every
 * callback of a call may come before the call returns.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include "ask.h"
#include "flight.h"
#include "keys.h"

#include <aiex/aiex_pack.h>
#include <aiex_audit_batch.h>
#include <aiex_recast.h>

#define MAX_WAITING_BYTES                                                                          \
    (64u * 1024u * 1024u) /* of requests kept for the ledger; as many for templates */

#define NOTHING ((struct aiex_slice){NULL, 0})

struct config {
    const char *coordinator, *ledger, *templates, *operators, *restorers, *audit, *store;
    int64_t require_key, unknown_price, audit_auth;
    int64_t settle_grace, ledger_wait, default_output, keep_revoked;
    int64_t results_max, results_bytes, result_bytes, result_ttl, job_timeout, store_wait;
};

enum require_key { REQUIRE_AUTO, REQUIRE_YES, REQUIRE_NO };
enum audit_auth { AUTH_FAILURES, AUTH_DAILY, AUTH_ALL };
enum unknown_price { PRICE_ALLOW, PRICE_REFUSE };

/* Why requests were refused, for counters. */
enum refused {
    REFUSED_AUTH, /* no key, unknown, revoked, expired */
    REFUSED_ROLE,
    REFUSED_MODEL,
    REFUSED_REQUESTS,
    REFUSED_TOKENS,
    REFUSED_CONCURRENCY,
    REFUSED_BUDGET,
    REFUSED_PRICE,
    REFUSED_BUSY, /* own tables are full */
    REFUSED_LEDGER,
    REFUSED_STORE, /* not known who may come in */
    REFUSED_INVALID,
    REFUSED_AUDIT, /* it must be recorded, and can not be */
    N_REFUSED
};
extern const char *const refused_names[N_REFUSED];

struct job;
struct jobs;
struct faces;
struct parked;
struct rendering;
struct recording;
struct gate;
struct stored;
struct job_store;

struct gateway {
    const struct aiex_host *host;
    const struct config *config;
    struct calendar calendar;
    struct keys keys;
    struct stored *stored;
    const char *asker; /* the instance whose request runs now, "" = nobody says */
    struct flights flights;
    struct prices prices; /* of the last second */
    struct jobs *jobs;
    struct job_store *job_store;
    struct faces *faces;
    struct contents contents; /* hashes that wait for their record, and the other way round */
    /* spent.c */
    int ledger_ready;
    uint64_t ledger_call, ledger_timer; /* 0 = none */
    struct aiex_recast records;         /* on their way to the ledger */
    struct parked *parked;              /* requests that wait for the ledger, oldest first */
    size_t n_parked;
    struct rendering *renderings; /* template.c: requests that wait for their template's text */
    size_t n_renderings;
    struct recording *recordings; /* recorded.c: changes that wait for the audit log */
    size_t n_recordings;
    struct aiex_audit_batch acts; /* on their way to the audit log */
    struct gate *gate;            /* gate.c */
    /* audit.c: refusals are told up to a rate */
    uint64_t audit_window_ms;
    unsigned audit_told, audit_left_out;
    /* chat.c */
    uint8_t *scratch; /* for packing; not in use while a call is on the stack */
    int scratch_used;
    /* drain */
    void (*drained)(void *arg);
    void *drained_arg;
    uint64_t refresh_timer, started_ms;
    int refreshed; /* looked at the keys since the first message */
    uint64_t admitted, refused[N_REFUSED], settled, estimated_settles, unpriced;
};

static inline struct moment moment_of(struct gateway *g)
{
    calendar_look(&g->calendar);
    return (struct moment){g->host->now_ms(g->host), &g->calendar};
}

/* ---- refuse.c: errors, with a document in the client's dialect where there is one ---- */

struct refusal {
    enum refused counted;
    const char *code;
    int http_status;
    int reason; /* AIEX_REASON_* */
    int64_t retry_after_ms;
    char text[480];
};

/* Fills *r; text as printf. Returns -1, so that `return refuse(...)` reads well. */
int refuse(struct refusal *r, enum refused counted, const char *code, int http_status, int reason,
           const char *format, ...) __attribute__((format(printf, 6, 7)));
/* The end's body: http_status, reason, and body when `dialect` names one. */
struct aiex_slice refusal_body(const struct refusal *r, struct aiex_slice dialect, void *mem,
                               size_t size);
#define REFUSAL_BODY 2048u
/* Ends request `id` with it and counts it. 0. */
int refusal_send(struct gateway *g, uint64_t id, const struct refusal *r,
                 struct aiex_slice dialect);
/* The body for an error that the host made, not the coordinator: nobody serves, no time is left. */
struct aiex_slice refusal_of_host(const char *code, const char *text, struct aiex_slice dialect,
                                  void *mem, size_t size);
/* For requests that are wrong in form: invalid, 400. 0. */
int refuse_form(struct gateway *g, uint64_t id, struct aiex_slice dialect, const char *text);

/* ---- who.c ---- */

/* The key that this request is made with (also `local` and `open`), good and with this permission.
 * NULL: *r says why not. */
struct key *who(struct gateway *g, const struct ask *a, enum permission need, struct refusal *r);
/* 0, or -1 and *r: the key may not use the model. */
int who_model(const struct key *key, struct aiex_slice model, struct refusal *r);

/* Writes the pair `warnings`, array of str: budgets of this key that have reached their soft limit.
 * Returns how many; w NULL only counts. */
uint32_t warnings_write(struct aiex_writer *w, struct key *key);
#define WARNINGS_BYTES 2048u

/* ---- admit.c ---- */

/* What has to be known before a request of this key can be judged. */
int admit_needs_tokens(const struct key *key);
int admit_needs_price(const struct key *key);
/* Prompt and answer tokens that a request may use; `*ret_input` and `*ret_output`. */
void admit_estimate(struct gateway *g, const struct ask *a, int64_t *ret_input,
                    int64_t *ret_output);
/* Judges and takes: the flight has its key; `want` is what to reserve. 0, or -1 and *r. */
int admit(struct gateway *g, struct flight *f, const struct use *want, struct refusal *r);
/* The request runs no more: its place in every account is free. */
void admit_leave(struct gateway *g, struct flight *f);

/* ---- settle.c ---- */

#define DRAIN_GRACE_MS 2000 /* settle_grace while stopping */

/* Gives back what was reserved and counts what was used; a second time it counts the difference.
 * `wall_ms` of its begin. */
void admit_settle(struct gateway *g, struct flight *f, const struct use *used, int64_t wall_ms);
/* A record to the ledger, if there is one. */
void settle_send(struct gateway *g, struct aiex_slice record, uint64_t trace);
/* gateway.settle */
int settle_take(struct gateway *g, struct aiex_slice record);
/* The flight has ended without its record: waits settle_grace for it. */
void settle_later(struct gateway *g, struct flight *f);
/* Settles by estimate what has waited too long. */
void settle_overdue(struct gateway *g);
/* Stopping: nobody waits longer than DRAIN_GRACE_MS. */
void settle_hurry(struct gateway *g);

/* ---- spent.c ---- */

int spent_start(struct gateway *g);
void spent_stop(struct gateway *g);
/* Asks the ledger anew, soon. */
void spent_again(struct gateway *g);
/* Keys came that the ledger's answer did not reach: those with budgets wait for another one. */
void spent_anew(struct gateway *g);
/* Keeps the message until the ledger has answered, then handles it anew; at most ledger_wait. 0, or
 * -1 and *r. */
int spent_park(struct gateway *g, const struct aiex_message *m, struct refusal *r);
/* What waits is handled anew: the ledger has answered, or it is known who may come in. */
void spent_release(struct gateway *g);
void spent_cancel(struct gateway *g, uint64_t id);

/* ---- chat.c ---- */

int chat_begin(struct gateway *g, const struct aiex_message *m);
/* The same without a request to answer: the job gets parts and end. `m` is the submit with id 0. 0,
 * or -1 and *r; the job may have ended already when this returns 0. */
int chat_submit(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                struct key *key, struct job *job, struct refusal *r);
int chat_method_known(struct aiex_slice asked);
/* 1: the request names a template and is taken over, or refused. */
int chat_templated(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                   const struct key *key);
/* Hands the request on to a method of the coordinator without admission: it costs nothing.
 * Filtered: the end is not spliced, pass_filtered() makes it. 0. */
int chat_pass(struct gateway *g, const struct aiex_message *m, const struct ask *a, struct key *key,
              const char *method, int filtered);
void chat_cancel(struct gateway *g, uint64_t id);
/* Ends the call of a flight from this side (gateway.cancel). The settle may still come. */
void chat_abort(struct flight *f);
/* Admits it and calls the coordinator, or refuses it: the price is known by now, or never. */
void chat_admit(struct flight *f, const struct ask *a);
/* Cancels what it has called. */
void chat_give_up(struct flight *f);

/* ---- quote.c ---- */

/* 1: the price is known, or can not be; 0: it comes later, the message is kept; -ENOMEM. */
int quote_ask(struct flight *f, const struct ask *a, struct aiex_slice message);

/* ---- pass.c ---- */

int pass_count(struct gateway *g, const struct aiex_message *m);
int pass_models(struct gateway *g, const struct aiex_message *m);
int pass_check(struct gateway *g, const struct aiex_message *m);
/* Answers `request` with the models of coordinator.models that the key may use. */
void pass_filtered(struct gateway *g, uint64_t request, const struct key *key,
                   struct aiex_slice body);

/* ---- faces.c ---- */

int faces_init(struct gateway *g); /* 0, or negative errno */
void faces_done(struct gateway *g);
void faces_event(struct gateway *g, struct aiex_slice envelope); /* of host.plugin */
int faces_register(struct gateway *g, const struct aiex_message *m);
void faces_told(struct gateway *g, struct aiex_slice body); /* the same as a cast */
int faces_list(struct gateway *g, const struct aiex_message *m);
int faces_send(struct gateway *g, const struct aiex_message *m);
size_t faces_count(const struct gateway *g);

/* ---- admin.c, admin_limits.c ---- */

int admin_create(struct gateway *g, const struct aiex_message *m);
int admin_list(struct gateway *g, const struct aiex_message *m);
int admin_revoke(struct gateway *g, const struct aiex_message *m);
int admin_rotate(struct gateway *g, const struct aiex_message *m);
int admin_set(struct gateway *g, const struct aiex_message *m);
int admin_limit_set(struct gateway *g, const struct aiex_message *m);
int admin_limit_list(struct gateway *g, const struct aiex_message *m);

/* ---- audit.c ---- */

void audit_key(struct gateway *g, const char *type, const struct key *key, const char *by,
               uint64_t trace);
void audit_limits(struct gateway *g, enum scope scope, const char *name, const char *by,
                  uint64_t trace);
/* Told at most AUDIT_PER_SECOND times a second; the next one says how many were left out. */
void audit_refused(struct gateway *g, const struct ask *a, const struct key *key, const char *why);
/* A key was accepted: the first time on a day, or each time, as `audit_auth` says. Before
 * last_used. */
void audit_accepted(struct gateway *g, const struct ask *a, const struct key *key);
/* `soft` or `hard`; `period` is day or month. */
void audit_budget(struct gateway *g, const char *type, const struct account *a, const char *period,
                  int64_t spent, int64_t budget);

/* ---- gate.c: requests while the audit log must record them and can not ---- */

int gate_start(struct gateway *g); /* 0, -ENOMEM */
void gate_stop(struct gateway *g);
/* 1: no request may be made now, and this one was refused. */
int gate_refuses(struct gateway *g, const struct aiex_message *m);

/* ---- report.c, metrics.c ---- */

int report_status(struct gateway *g, uint64_t id);
int report_health(struct gateway *g, uint64_t id);
int report_metrics(struct gateway *g, uint64_t id);

/* ---- gateway.c ---- */

/* Tells the host that the drain is over, if it is. */
void gateway_maybe_drained(struct gateway *g);
int gateway_handle(struct gateway *g, const struct aiex_message *m);

#endif
