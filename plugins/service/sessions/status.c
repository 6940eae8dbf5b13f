/* status.c - sessions.status and service.health; they answer while the sessions are being read. */
#include "sessions.h"

#include <stdio.h>

static const char *const phases[] = {"loading", "ready", "fenced"};

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct sessions *s = arg;

    aiex_w_map(w, 14);
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
    aiex_w_key_str(w, "reason", s->boot.trouble);
}

int take_status(struct sessions *s, const struct aiex_message *m)
{
    return aiex_reply_by(s->host, m->id, write_status, s);
}

int take_health(struct sessions *s, const struct aiex_message *m)
{
    char reason[400];

    if (s->phase == FENCED)
        snprintf(reason, sizeof(reason), "another instance owns the sessions");
    else if (s->phase == LOADING)
        snprintf(reason, sizeof(reason), "the sessions are being read%s%s",
                 s->boot.trouble[0] ? ": " : "", s->boot.trouble);
    else
        snprintf(reason, sizeof(reason), "%zu live sessions", s->index.n_live);
    return aiex_reply_health(s->host, m->id, s->phase == READY, reason);
}
