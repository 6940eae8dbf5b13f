/*
 * gate.c - requests that must not run unrecorded.
 *
 * What a request costs no one knows before it has ended, so its act (`model.call`, by the ledger)
 * and that of its key (`auth.accepted`) are told afterwards and wait for nobody. When the audit
 * log's list of what must be recorded names one of them, the gateway asks every 400 ms whether the
 * log records: requests are admitted while a good answer is younger than a second, and refused as
 * soon as a bad one comes or none. What was admitted in that second is kept and recorded later
 * (aiex_audit_batch.h).
 *
 * Whether it names them the host says (host.act_policy), asked at the start and every 5 s.
 */
#include "gateway.h"

#include <aiex_chat.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS   400u
#define GOOD_MS   1000u
#define POLICY_MS 5000u

struct gate {
    struct gateway *g;
    uint64_t timer, health, policy; /* calls; 0 = none */
    uint64_t policy_ms, good_ms;    /* when each was asked last; good_ms: answered well */
    int must, asking_must, n_types;
    char why[240];
};

static const char *const types[] = {"auth.accepted", "model.call"};
#define N_TYPES 2

static void close_gate(struct gate *t, const char *why)
{
    snprintf(t->why, sizeof(t->why),
             "requests must be recorded in the audit log, which can not take them now: %.150s",
             why);
}

static void on_health(void *arg, const struct aiex_answer *a)
{
    struct gate *t = arg;
    char reason[160] = "";
    int healthy = 0;

    if (a->kind != AIEX_ANSWER_END)
        return;
    t->health = 0;
    if (a->code) {
        close_gate(t, a->text && *a->text ? a->text : a->code);
        return;
    }
    aiex_get_bool(a->body, "healthy", &healthy);
    if (aiex_get_text(a->body, "reason", reason, sizeof(reason)) < 0)
        reason[0] = 0;
    if (!healthy) {
        close_gate(t, reason);
        return;
    }
    t->good_ms = t->g->host->now_ms(t->g->host);
    t->why[0] = 0;
}

static void ask_health(struct gate *t)
{
    struct gateway *g = t->g;
    const struct aiex_request q = {.struct_size = sizeof(q),
                                   .service = g->config->audit,
                                   .method = "audit.health",
                                   .timeout_ms = LOOK_MS};
    uint64_t call = 0;

    if (t->health)
        return;
    t->health = UINT64_MAX;
    if (g->host->call(g->host, &q, on_health, t, &call) < 0)
        t->health = 0;
    else if (t->health)
        t->health = call;
}

static void ask_policy(struct gate *t);

static void on_policy(void *arg, const struct aiex_answer *a)
{
    struct gate *t = arg;
    int must = 0;

    if (a->kind != AIEX_ANSWER_END)
        return;
    t->policy = 0;
    if (!a->code)
        aiex_get_bool(a->body, "must", &must);
    else if (strcmp(a->code, AIEX_E_NOT_FOUND) != 0)
        must = t->must; /* nobody said that it has changed */
    t->asking_must |= must;
    if (++t->n_types < N_TYPES) {
        ask_policy(t);
        return;
    }
    if (t->asking_must && !t->must)
        t->good_ms = t->g->host->now_ms(t->g->host); /* a second for the first answer */
    t->must = t->asking_must;
    if (t->must)
        ask_health(t);
}

static void ask_policy(struct gate *t)
{
    struct gateway *g = t->g;
    struct aiex_request q = {.struct_size = sizeof(q),
                             .service = "host",
                             .method = "host.act_policy",
                             .timeout_ms = POLICY_MS};
    struct aiex_writer w;
    uint64_t call = 0;
    uint8_t mem[64];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "type", types[t->n_types]);
    q.body = aiex_written(&w);
    t->policy = UINT64_MAX;
    if (g->host->call(g->host, &q, on_policy, t, &call) < 0)
        t->policy = 0;
    else if (t->policy == UINT64_MAX)
        t->policy = call;
}

static void begin_policy(struct gate *t)
{
    if (t->policy)
        return;
    t->policy_ms = t->g->host->now_ms(t->g->host);
    t->n_types = t->asking_must = 0;
    ask_policy(t);
}

static void on_timer(void *arg)
{
    struct gate *t = arg;

    if (t->g->host->now_ms(t->g->host) - t->policy_ms >= POLICY_MS)
        begin_policy(t);
    if (t->must)
        ask_health(t);
}

int gate_start(struct gateway *g)
{
    struct gate *t;

    if (strcmp(g->config->audit, "none") == 0)
        return 0;
    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->g = g;
    g->gate = t;
    begin_policy(t);
    return g->host->timer(g->host, LOOK_MS, LOOK_MS, on_timer, t, &t->timer);
}

void gate_stop(struct gateway *g)
{
    struct gate *t = g->gate;

    if (!t)
        return;
    if (t->timer)
        g->host->unwatch(g->host, t->timer);
    if (t->health)
        g->host->cancel(g->host, t->health);
    if (t->policy)
        g->host->cancel(g->host, t->policy);
    free(t);
    g->gate = NULL;
}

/* NULL, or why no request may be made now. */
static const char *closed(const struct gateway *g)
{
    const struct gate *t = g->gate;

    if (!t || !t->must)
        return NULL;
    if (t->why[0])
        return t->why;
    return g->host->now_ms(g->host) - t->good_ms < GOOD_MS
               ? NULL
               : "requests must be recorded in the audit log, which does not answer";
}

int gate_refuses(struct gateway *g, const struct aiex_message *m)
{
    const char *why = closed(g);
    struct aiex_slice dialect = NOTHING;
    struct refusal r;

    if (!why)
        return 0;
    aiex_get_str(m->body, "dialect", &dialect); /* read only now: the gate is open nearly always */
    refuse(&r, REFUSED_AUDIT, AIEX_E_READ_ONLY, 503, AIEX_REASON_OVERLOADED, "%s", why);
    refusal_send(g, m->id, &r, dialect);
    return 1;
}
