/* waiting.c - requests that came while the store was being opened, in order, within bounds. */
#include "cold.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_WAITING       1000u
#define MAX_WAITING_BYTES (64u << 20)

struct waiting {
    struct waiting *next;
    uint64_t id, trace;
    size_t len;
    char method[32];
    uint8_t body[];
};

int wait_for_opening(struct cold *c, const struct aiex_message *m)
{
    struct waiting *w = NULL;

    if (c->n_waiting < MAX_WAITING && m->body.len <= MAX_WAITING_BYTES - c->waiting_bytes)
        w = malloc(sizeof(*w) + m->body.len);
    if (!w)
        return aiex_refuse(c->host, m->id, AIEX_E_BUSY,
                           "the store is being opened and %u requests wait for it", c->n_waiting);
    *w = (struct waiting){.id = m->id, .trace = m->trace, .len = m->body.len};
    snprintf(w->method, sizeof(w->method), "%s", m->method);
    if (m->body.len)
        memcpy(w->body, m->body.data, m->body.len);
    *c->waiting_end = w;
    c->waiting_end = &w->next;
    c->n_waiting++;
    c->waiting_bytes += w->len;
    return 0;
}

static struct waiting *take_first(struct cold *c)
{
    struct waiting *w = c->waiting;

    c->waiting = w->next;
    if (!c->waiting)
        c->waiting_end = &c->waiting;
    c->n_waiting--;
    c->waiting_bytes -= w->len;
    return w;
}

void waiting_run(struct cold *c)
{
    c->replaying = 1;
    while (c->waiting && atomic_load(&c->state) != OPENING) {
        struct waiting *w = take_first(c);
        struct aiex_message m = {.struct_size = sizeof(m),
                                 .kind = w->id ? AIEX_MSG_REQUEST : AIEX_MSG_CAST,
                                 .id = w->id,
                                 .trace = w->trace,
                                 .method = w->method,
                                 .body = {w->body, w->len}};

        if (cold_handle(c, &m) < 0)
            aiex_refuse(c->host, w->id, AIEX_E_INTERNAL, "no memory for the answer");
        free(w);
    }
    c->replaying = 0;
}

void waiting_cancel(struct cold *c, uint64_t id)
{
    for (struct waiting **at = &c->waiting; *at; at = &(*at)->next) {
        struct waiting *w = *at;

        if (w->id != id)
            continue;
        *at = w->next;
        if (!w->next)
            c->waiting_end = at;
        c->n_waiting--;
        c->waiting_bytes -= w->len;
        free(w);
        return;
    }
}

void waiting_free(struct cold *c)
{
    while (c->waiting)
        free(take_first(c));
}
