/*
 * status.c - what this interface tells of itself: to whoever asks, and to the gateway, which keeps
 * a list of all interfaces.
 */
#include "server.h"

#include <stdio.h>

/* As a client would write them. */
static void write_addresses(const struct server *s, struct aiex_writer *w)
{
    char address[160];

    aiex_w_str(w, "addresses");
    aiex_w_array(w, (uint32_t)s->n_listeners);
    for (int i = 0; i < s->n_listeners; i++) {
        snprintf(address, sizeof(address), "%s%s", s->listeners[i].tls ? "https://" : "",
                 s->listeners[i].address);
        aiex_w_str(w, address);
    }
}

/* Connections whose request is being answered. */
static int64_t in_flight(const struct server *s)
{
    int64_t n = 0;

    for (const struct conn *c = s->deadlines[PHASE_ANSWER].first; c; c = c->later)
        n++;
    for (const struct conn *c = s->deadlines[PHASE_SEND].first; c; c = c->later)
        n++;
    return n;
}

/* "interface.status" of sdk/kinds/interface.md. */
int status_answer(struct server *s, uint64_t id)
{
    uint8_t mem[MAX_LISTENERS * 160 + 256];
    struct aiex_writer w;
    uint64_t requests, errors;

    metrics_totals(s, &requests, &errors);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 6);
    aiex_w_key_str(&w, "protocol", "http");
    aiex_w_key_int(&w, "clients", s->n_conns);
    aiex_w_key_int(&w, "in_flight", in_flight(s));
    aiex_w_key_uint(&w, "requests", requests);
    aiex_w_key_uint(&w, "errors", errors);
    write_addresses(s, &w);
    return s->host->reply(s->host, id, aiex_written(&w));
}

int status_health(struct server *s, uint64_t id)
{
    uint8_t mem[128];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", s->n_listeners > 0);
    aiex_w_key_str(&w, "reason", s->n_listeners ? "" : "no address is open");
    return s->host->reply(s->host, id, aiex_written(&w));
}

/* ---- The gateway's list ---- */

void status_register(struct server *s)
{
    static const char *const features[] = {"openai", "anthropic", "ollama", "stream", "routes"};
    uint8_t mem[MAX_LISTENERS * 160 + 512];
    struct aiex_request r = {
        .struct_size = sizeof(r), .service = s->config->gateway, .method = "gateway.register"};
    struct aiex_writer w;
    uint64_t id;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "name", s->host->instance);
    aiex_w_key_str(&w, "protocol", "http");
    write_addresses(s, &w);
    aiex_w_str(&w, "features");
    aiex_w_array(&w, sizeof(features) / sizeof(features[0]));
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        aiex_w_str(&w, features[i]);
    r.body = aiex_written(&w);
    s->host->call(s->host, &r, NULL, NULL, &id); /* a cast: without a gateway nobody listens */
}

/* A gateway that begins anew has forgotten its list; which instance it is, is not known here. */
void status_event(struct server *s, const struct aiex_message *m)
{
    struct aiex_slice type, who;

    if (aiex_get_str(m->body, "type", &type) == 1 && aiex_slice_is(type, "up") &&
        aiex_get_str(m->body, "subject", &who) == 1 && !aiex_slice_is(who, s->host->instance) &&
        !s->draining)
        status_register(s);
}
