/* report.c - coordinator.models, coordinator.status, service.health. */
#include "coordinator.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int report_models(struct coordinator *c, uint64_t id)
{
    if (c->ready)
        return lists_reply(c, id);
    if (c->n_asking == sizeof(c->asking) / sizeof(c->asking[0])) {
        c->host->fail(c->host, id, AIEX_E_BUSY, "too many questions wait for the first providers",
                      0, (struct aiex_slice){NULL, 0});
        return 0;
    }
    c->asking[c->n_asking++] = id;
    return 0;
}

void report_release(struct coordinator *c)
{
    while (c->n_asking) {
        uint64_t id = c->asking[--c->n_asking];

        if (lists_reply(c, id) != 0)
            c->host->fail(c->host, id, AIEX_E_INTERNAL, "no memory for the list of models", 0,
                          (struct aiex_slice){NULL, 0});
    }
}

void report_cancel(struct coordinator *c, uint64_t id)
{
    for (size_t i = 0; i < c->n_asking; i++)
        if (c->asking[i] == id)
            c->asking[i] = c->asking[--c->n_asking];
}

static void write_member(struct aiex_writer *w, const struct member *m)
{
    aiex_w_map(w, 10);
    aiex_w_key_str(w, "name", m->name);
    aiex_w_key_bool(w, "offline", m->offline);
    aiex_w_key_bool(w, "healthy", m->healthy);
    aiex_w_key_str(w, "reason", m->reason);
    aiex_w_key_int(w, "models", m->models.mem ? (int64_t)m->models.n : -1);
    aiex_w_key_uint(w, "in_flight", m->in_flight);
    aiex_w_key_uint(w, "requests", m->requests);
    aiex_w_key_uint(w, "errors", m->errors);
    aiex_w_key_uint(w, "input_tokens", m->input_tokens);
    aiex_w_key_uint(w, "output_tokens", m->output_tokens);
}

int report_status(struct coordinator *c, uint64_t id)
{
    size_t cap = 64 + c->n_members * 512;
    uint8_t *mem = malloc(cap);
    struct aiex_writer w;
    uint32_t n = 0;

    if (!mem)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_members; i++)
        n += c->members[i]->present != 0;
    aiex_writer_init(&w, mem, cap);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "providers");
    aiex_w_array(&w, n);
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i]->present)
            write_member(&w, c->members[i]);
    c->host->reply(c->host, id, aiex_written(&w));
    free(mem);
    return 0;
}

int report_health(struct coordinator *c, uint64_t id)
{
    const char *reason = c->ready ? "no provider is healthy" : "the providers were not asked yet";
    int healthy = 0;
    struct aiex_writer w;
    uint8_t mem[160];

    for (size_t i = 0; i < c->n_members && healthy < 2; i++) {
        const struct member *m = c->members[i];

        if (m->present && m->healthy && healthy < 2 - m->offline)
            healthy = 2 - m->offline;
    }
    if (healthy)
        reason = healthy == 2 ? "a provider is healthy" : "only the offline provider answers";
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", healthy != 0);
    aiex_w_key_str(&w, "reason", reason);
    c->host->reply(c->host, id, aiex_written(&w));
    return 0;
}
