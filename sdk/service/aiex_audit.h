/*
 * aiex_audit.h - telling the audit log what is done, from any plugin.
 *
 * An act that may happen unrecorded is cast: nobody waits, and what the log can not take it counts
 * and alarms. An act that must not is asked for first, and done when the answer says so:
 *
 *     struct aiex_audit_act act = {.type = "key.created", .actor = who, .subject = id,
 *                                  .writer = "gateway"};
 *     aiex_audit_cast(host, "audit", &act);                           it was done
 *     aiex_audit_ask(host, "audit", &act, may_happen, arg, &call);    it is to be done
 *
 * Which types must be recorded is the audit's option `must`; `must` here makes an act one whatever
 * that says. Without an audit log (its name is not served) acts go on, unless `must` or `needs_log`
 * is set here. Many acts that may happen are told by aiex_audit_batch.h.
 *
 * Part of aiex_sdk_service. Threads: the loop thread. Everything is copied.
 */
#ifndef AIEX_AUDIT_H
#define AIEX_AUDIT_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How long an act is waited for. The audit log refuses what it can not record in 800 ms itself;
 * this is for one that does not answer at all. */
#define AIEX_AUDIT_TIMEOUT_MS 900u

/* Texts may be NULL but for type and actor; limits are those of sdk/kinds/audit.md, longer texts
 * are cut. */
struct aiex_audit_act {
    const char *type;          /* "key.created" */
    const char *actor;         /* who */
    const char *subject;       /* about what */
    const char *writer;        /* whose chain: the name of the plugin */
    struct aiex_slice payload; /* what may be redacted later; at most 64 KiB, else left out */
    uint64_t trace;            /* of the request; kept as `correlation` when not 0 */
    int must;
};

/* Sends it and forgets. 0, -ENOMEM, or as host->call(). */
int aiex_audit_cast(const struct aiex_host *host, const char *service,
                    const struct aiex_audit_act *act);

/* may_go 1: recorded (seq is its entry), or need not be (seq -1, reason says why it was not).
 * may_go 0: refused; do not do it, and say `reason`. */
typedef void (*aiex_audit_fn)(void *arg, int may_go, int64_t seq, const char *reason);

/* Calls fn once, perhaps before this returns; until then *ret_asked is for aiex_audit_cancel(), and
 * afterwards it is worthless (NULL when fn was called already). 0, or -ENOMEM or as host->call():
 * fn is not called. */
struct aiex_audit_asked;
int aiex_audit_ask(const struct aiex_host *host, const char *service,
                   const struct aiex_audit_act *act, aiex_audit_fn fn, void *arg,
                   struct aiex_audit_asked **ret_asked);
/* Gives an unanswered one up: fn is not called. */
void aiex_audit_cancel(struct aiex_audit_asked *a);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_AUDIT_H */
