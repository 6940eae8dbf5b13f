/* status.c - sessions.status, service.metrics and service.health; they answer while the sessions
 * are being read. */
#include "sessions.h"

#include <aiex_metrics.h>

#include <stdio.h>

static const char *const phases[] = {"loading", "ready", "fenced"};

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct sessions *s = arg;

    aiex_w_map(w, 15);
    aiex_w_key_str(w, "instance", s->host->instance);
    aiex_w_key_str(w, "phase", phases[s->phase]);
    aiex_w_key_int(w, "epoch", s->epoch);
    aiex_w_key_uint(w, "live", s->index.n_live);
    aiex_w_key_uint(w, "in_memory", s->index.n);
    aiex_w_key_uint(w, "requests", s->n_works);
    aiex_w_key_uint(w, "writes", s->writes);
    aiex_w_key_uint(w, "duplicates", s->duplicates);
    aiex_w_key_uint(w, "conflicts", s->conflicts);
    aiex_w_key_uint(w, "unknown", s->unknowns);
    aiex_w_key_uint(w, "expired", s->expired);
    aiex_w_key_uint(w, "erased", s->erased);
    aiex_w_key_uint(w, "lost_turns", s->lost);
    aiex_w_key_uint(w, "denied", s->denied.total);
    aiex_w_key_str(w, "reason", s->boot.trouble);
}

int take_status(struct sessions *s, const struct aiex_message *m)
{
    return aiex_reply_by(s->host, m->id, write_status, s);
}

int take_metrics(struct sessions *s, const struct aiex_message *m)
{
    const struct {
        const char *name, *type, *help;
        double value;
    } all[] = {
        {"aiex_active_sessions", "gauge", "Sessions that are open.", (double)s->index.n_live},
        {"aiex_sessions_in_memory", "gauge", "Sessions of which something is in memory.",
         (double)s->index.n},
        {"aiex_sessions_in_flight", "gauge", "Requests that run now.", (double)s->n_works},
        {"aiex_sessions_writes_total", "counter", "Writes to the store.", (double)s->writes},
        {"aiex_sessions_duplicates_total", "counter", "Writes that had been done before.",
         (double)s->duplicates},
        {"aiex_sessions_conflicts_total", "counter", "Writes that another one came before.",
         (double)s->conflicts},
        {"aiex_sessions_unknown_total", "counter", "Writes of which nobody knew what became.",
         (double)s->unknowns},
        {"aiex_sessions_expired_total", "counter", "Sessions whose time was over.",
         (double)s->expired},
        {"aiex_sessions_lost_turns_total", "counter", "Turns that were begun and never ended.",
         (double)s->lost},
        {"aiex_sessions_erased_total", "counter", "Sessions that were erased.", (double)s->erased},
        {"aiex_sessions_ready", "gauge", "1 when this instance serves the sessions.",
         s->phase == READY},
    };
    struct aiex_metrics x;

    aiex_metrics_begin(&x, s->host);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        aiex_metrics_one(&x, all[i].name, all[i].type, all[i].help, all[i].value);
    return aiex_metrics_reply(&x, m->id);
}

int take_health(struct sessions *s, const struct aiex_message *m)
{
    char reason[400];

    if (s->phase == FENCED)
        snprintf(reason, sizeof(reason), "%s", fenced_by(s));
    else if (s->phase == LOADING)
        snprintf(reason, sizeof(reason), "the sessions are being read%s%s",
                 s->boot.trouble[0] ? ": " : "", s->boot.trouble);
    else
        snprintf(reason, sizeof(reason), "%zu live sessions", s->index.n_live);
    return aiex_reply_health(s->host, m->id, s->phase == READY, reason);
}
