/* recorded.c - see recorded.h. */
#include "recorded.h"
#include "admin.h"
#include "secret.h"
#include "stored.h"

#include <aiex_audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recording {
    struct recording *next;
    struct gateway *g;
    struct aiex_audit_asked *asked;
    struct aiex_message m; /* body and method are its own */
    int (*run)(struct gateway *g, const struct aiex_message *m);
    char asker[AIEX_MAX_NAME + 1];
    char by[MAX_LABEL + 1], subject[MAX_LABEL + 1];
    size_t len;
    uint8_t body[]; /* may have a credential: wiped */
};

static int has_log(const struct gateway *g)
{
    return strcmp(g->config->audit, "none") != 0;
}

static void forget(struct recording *r)
{
    struct recording **at = &r->g->recordings;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->g->n_recordings--;
    secret_wipe(r->body, r->len);
    free(r);
}

/* As the host does with what a method returns. */
static void finish(struct recording *r)
{
    const struct aiex_host *host = r->g->host;

    int result;

    r->g->asker = r->asker;
    result = change_run(r->g, &r->m, r->m.method, r->run);
    r->g->asker = "";
    if (result < 0)
        host->fail(host, r->m.id, AIEX_E_INTERNAL, "the change could not be made", 0, NOTHING);
}

/* The log may have the act all the same: what did not answer in time may have written. */
static void tell_refused(const struct recording *r)
{
    char type[80];

    snprintf(type, sizeof(type), "%s.refused", r->m.method);
    recorded_told(r->g, type, r->by, r->subject, NOTHING, r->m.trace);
}

static void on_recorded(void *arg, int may_go, int64_t seq, const char *reason)
{
    struct recording *r = arg;
    struct gateway *g = r->g;

    r->asked = NULL;
    if (may_go) {
        finish(r);
    } else {
        tell_refused(r);
        g->host->fail(g->host, r->m.id, AIEX_E_READ_ONLY, reason, 0, NOTHING);
    }
    forget(r);
    gateway_maybe_drained(g);
}

/* Whom or what the request names. */
static void subject_of(struct aiex_slice body, char out[MAX_LABEL + 1])
{
    out[0] = 0;
    if (aiex_get_text(body, "id", out, MAX_LABEL + 1) != 1 &&
        aiex_get_text(body, "name", out, MAX_LABEL + 1) != 1)
        out[0] = 0;
}

static struct recording *make(struct gateway *g, const struct aiex_message *m)
{
    struct recording *r = g->n_recordings < MAX_RECORDINGS ? calloc(1, sizeof(*r) + m->body.len)
                                                           : NULL;

    if (!r)
        return NULL;
    r->g = g;
    r->m = *m;
    r->m.service = "gateway";
    r->len = m->body.len;
    if (r->len)
        memcpy(r->body, m->body.data, r->len);
    r->m.body = (struct aiex_slice){r->body, r->len};
    strncpy(r->asker, g->asker, AIEX_MAX_NAME);
    r->next = g->recordings;
    g->recordings = r;
    g->n_recordings++;
    return r;
}

int recorded_run(struct gateway *g, const struct aiex_message *m, const char *act,
                 int (*run)(struct gateway *g, const struct aiex_message *m))
{
    struct aiex_audit_act a = {.type = act, .trace = m->trace};
    struct aiex_audit_asked *asked;
    struct recording *r;
    struct key *by;

    if (!has_log(g))
        return change_run(g, m, act, run);
    by = admin_who(g, m); /* who may not is answered, and recorded as refused */
    if (!by)
        return 0;
    r = make(g, m);
    if (!r) {
        g->host->fail(g->host, m->id, AIEX_E_BUSY, "too many changes wait for the audit log", 0,
                      NOTHING);
        return 0;
    }
    r->run = run;
    r->m.method = act; /* the host's name for it dies with this call, and nobody looks */
    subject_of(m->body, r->subject);
    snprintf(r->by, sizeof(r->by), "%s", by->account.name);
    a.actor = r->by;
    a.subject = r->subject;
    if (aiex_audit_ask(g->host, g->config->audit, &a, on_recorded, r, &asked) < 0) {
        g->host->fail(g->host, m->id, AIEX_E_BUSY, "the audit log can not be asked", 0, NOTHING);
        forget(r);
    } else if (asked) {
        r->asked = asked;
    }
    return 0;
}

void recorded_cancel(struct gateway *g, uint64_t id)
{
    struct recording *r = g->recordings;

    while (r && r->m.id != id)
        r = r->next;
    if (!r || !r->asked)
        return;
    aiex_audit_cancel(r->asked);
    forget(r);
}

void recorded_stop(struct gateway *g)
{
    while (g->recordings) {
        aiex_audit_cancel(g->recordings->asked);
        forget(g->recordings);
    }
}

void recorded_told(struct gateway *g, const char *type, const char *actor, const char *subject,
                   struct aiex_slice data, uint64_t trace)
{
    const struct aiex_audit_act a = {
        .type = type, .actor = actor, .subject = subject, .payload = data, .trace = trace};

    aiex_audit_batch_add(&g->acts, &a);
}
