/*
 * acts.h - what the audit log is told by the host: operators' calls through the control socket, new
 * configurations, plugins' lives, secrets that cells are given.
 *
 *     acts.c          which acts there are (one table), whether an act must be recorded
 *     acts_queue.c    acts that may happen: gathered, kept until the log has them, counted when lost
 *     acts_ask.c      acts that must not happen unrecorded: asked for before they are done
 *     acts_count.c    what is told with its number, once a second: writing into the store
 *     acts_call.c     a call of an operator: before it, and what became of it
 *
 * Which types must be recorded is the option `must` of the configured audit plugin (sdk/kinds/audit.md);
 * the host reads it out of its own configuration, so that it holds while that plugin is dead. Without one,
 * or with `audit = no` in [host], nobody is told and everything may happen.
 *
 * Thread rule: loop thread. All texts are copied.
 */
#ifndef AIEX_ADMIN_ACTS_H
#define AIEX_ADMIN_ACTS_H

#include "admin/admin.h"

struct acts;

/* NULL: no memory. `endpoint` and `part` make the calls. */
struct acts *acts_new(struct node *node, struct endpoint *endpoint, unsigned part);
/* Gives up what is kept. */
void acts_free(struct acts *acts);

/* ---- acts.c ---- */

struct act_rule {
    const char *method;  /* of whatever service: methods carry their contract's name */
    const char *type;    /* of the act, before it is done */
    const char *done;    /* after it was; NULL: nothing is told then */
    const char *subject; /* fields of the request that say about what: the first that is there; NULL = none */
};

/* NULL: calling this method is no act. */
const struct act_rule *acts_rule(const char *method);
/* 1 when the request only asks what its method would do: no act. */
int acts_is_preview(const struct act_rule *rule, struct aiex_slice body);
/* 1 when an audit log is configured. */
int acts_are_told(const struct acts *acts);
/* 1 when an act of this type must not happen unrecorded. */
int acts_must(const struct acts *acts, const char *type);
/* 1 when acts_count() tells of it when it is over: what must be recorded is asked for one by one. */
int acts_is_counted(const struct acts *acts, const struct act_rule *rule);
/* Name of the instance that is the audit log, or "". */
const char *acts_log(const struct acts *acts);

/* ---- acts_count.c ---- */

enum act_outcome { ACT_DONE, ACT_FAILED, ACT_UNKNOWN, N_ACT_OUTCOMES };

/* A request `store.append` or `store.transact` of an operator is over. */
void acts_count(struct acts *acts, const char *actor, struct aiex_slice body,
                enum act_outcome outcome);
/* Tells what was counted, now. */
void acts_count_tell(struct acts *acts);

/* ---- acts_queue.c ---- */

/* Never fails; subject may be NULL, payload empty. */
void acts_tell(struct acts *acts, const char *type, const char *actor, const char *subject,
               struct aiex_slice payload);
/* Acts that could not be kept. */
uint64_t acts_lost(const struct acts *acts);
/* Sends what is kept without waiting for more. */
void acts_flush(struct acts *acts);
/* For re-exec. */
struct pack;
void acts_save(const struct acts *acts, struct pack *out);
void acts_load(struct acts *acts, const void *doc_value);

/* ---- acts_ask.c ---- */

/* may_go 0: do not do it, `reason` says why. */
typedef void (*acts_asked_fn)(void *arg, int may_go, const char *reason);

/* Calls fn once, within a second, never before this returns. *ret is for acts_cancel() until then. 0,
 * or negative errno: fn is not called, the act must not be done. An act that may happen is told and
 * goes on at once. */
struct acts_asked;
int acts_ask(struct acts *acts, const char *type, const char *actor, const char *subject,
             acts_asked_fn fn, void *arg, struct acts_asked **ret);
void acts_cancel(struct acts_asked *asked);
/* The call that waits, for re-exec; 0 = none. Its answer is nobody's then: acts_drop_call(). */
uint64_t acts_asked_call(const struct acts_asked *asked);
void acts_drop_call(struct acts *acts, uint64_t call);

/* ---- acts_call.c ---- */

/* What became of a call by this rule: tells `done`, or the type with ".failed". `end` is its answer. */
void acts_ended(struct acts *acts, const struct act_rule *rule, const char *actor, const char *subject,
                const struct aiex_answer *end);
/* It must be recorded, could not be, and was not done: told once the log takes something again. The log
 * may have the act itself all the same: what did not answer in time may have written. */
void acts_refused(struct acts *acts, const char *type, const char *actor, const char *subject);
/* A new configuration was applied, or refused: names of what changed, never values. */
void acts_configured(struct acts *acts, const char *actor, int ok, size_t n_errors);

#endif
