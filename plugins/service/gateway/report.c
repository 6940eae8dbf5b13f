/* report.c - gateway.status and service.health. */
#include "jobs.h"
#include "stored.h"

int report_status(struct gateway *g, uint64_t id)
{
    uint8_t mem[1536];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 13);
    aiex_w_key_uint(&w, "keys", g->keys.by_id.n);
    aiex_w_key_bool(&w, "demanded",
                    g->config->require_key == REQUIRE_YES ||
                        (g->config->require_key == REQUIRE_AUTO && g->keys.demanded));
    aiex_w_key_int(&w, "in_flight", g->flights.in_flight);
    aiex_w_key_int(&w, "reserved", g->flights.reserved);
    aiex_w_key_uint(&w, "admitted", g->admitted);
    aiex_w_key_uint(&w, "settled", g->settled);
    aiex_w_key_uint(&w, "settled_by_estimate", g->estimated_settles);
    aiex_w_key_uint(&w, "waiting", g->n_parked);
    aiex_w_key_bool(&w, "ledger", g->ledger_ready);
    aiex_w_key_str(&w, "store", stored_is_on(g) ? stored_trouble(g) : "none");
    aiex_w_key_uint(&w, "requests", g->jobs->n);
    aiex_w_key_uint(&w, "interfaces", faces_count(g));
    aiex_w_str(&w, "refused");
    aiex_w_map(&w, N_REFUSED);
    for (int i = 0; i < N_REFUSED; i++)
        aiex_w_key_uint(&w, refused_names[i], g->refused[i]);
    g->host->reply(g->host, id, aiex_written(&w));
    return 0;
}

int report_health(struct gateway *g, uint64_t id)
{
    const char *reason = "requests are admitted";
    uint8_t mem[512];
    struct aiex_writer w;
    int healthy = 1;

    if (g->keys.journal.broken[0]) {
        healthy = 0;
        reason = g->keys.journal.broken;
    } else if (stored_trouble(g)[0]) {
        healthy = !g->stored->rejected && stored_knows(g);
        reason = stored_trouble(g);
    } else if (!g->ledger_ready) {
        reason = "the ledger has not answered: keys with budgets wait";
    }
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", healthy);
    aiex_w_key_str(&w, "reason", reason);
    g->host->reply(g->host, id, aiex_written(&w));
    return 0;
}
