/* stats.c - context.stats, context.metrics, service.health: how much there is, and what the levels
 * are worth. Series are bounded: levels, no names of callers. */
#include "context.h"

#include <aiex_metrics.h>

/* Everything that is one number, for both. */
struct number {
    const char *name, *series, *type, *help;
    double value;
};
#define N_NUMBERS 21

static void numbers(const struct context *c, struct number out[N_NUMBERS])
{
    const struct number all[N_NUMBERS] = {
        {"entries", "aiex_context_entries", "gauge", "Entries that are kept.",
         (double)c->index.n_live},
        {"bytes", "aiex_context_bytes", "gauge", "Bytes of their contents.", (double)c->bytes},
        {"length", "aiex_context_words", "gauge", "Words in them, repeated ones too.",
         (double)c->index.length},
        {"index_bytes", "aiex_context_index_bytes", "gauge", "Memory of the index.",
         (double)index_bytes(&c->index)},
        {"in_flight", "aiex_context_in_flight", "gauge", "Requests that run now.",
         (double)c->n_works},
        {"puts", "aiex_context_puts_total", "counter", "Entries that were put.",
         (double)c->count.puts},
        {"refreshes", "aiex_context_refreshes_total", "counter", "Of these: the same again.",
         (double)c->count.refreshes},
        {"replaces", "aiex_context_replaces_total", "counter", "Of these: with another content.",
         (double)c->count.replaces},
        {"deletes", "aiex_context_deletes_total", "counter", "Entries that were deleted.",
         (double)c->count.deletes},
        {"expired", "aiex_context_expired_total", "counter", "Entries whose time was over.",
         (double)c->sweep.expired},
        {"swept", "aiex_context_swept_total", "counter", "Contents taken out of the search index.",
         (double)c->sweep.cleaned},
        {"searches", "aiex_context_searches_total", "counter", "Searches.",
         (double)c->count.searches},
        {"partial", "aiex_context_partial_searches_total", "counter", "Of these: ended at a bound.",
         (double)c->count.partial},
        {"fresh", "aiex_context_fresh_total", "counter", "Questions answered with fresh.",
         (double)c->count.fresh},
        {"stale", "aiex_context_stale_total", "counter", "Questions answered with stale.",
         (double)c->count.stale},
        {"shared", "aiex_context_shared_total", "counter",
         "Reads that waited for another one of the same content.", (double)c->count.shared},
        {"promoted", "aiex_context_promoted_total", "counter", "Contents moved to a hotter tier.",
         (double)c->move.promoted},
        {"demoted", "aiex_context_demoted_total", "counter", "Contents moved to a colder tier.",
         (double)c->move.demoted},
        {"interactions", "aiex_context_interactions_total", "counter",
         "Rows of requests to models that were written.", (double)c->interactions.written},
        {"interactions_missed", "aiex_context_interactions_missed_total", "counter",
         "Records that came too fast for this service; the ledger has them.",
         (double)c->interactions.missed},
        {"failed", "aiex_context_failed_total", "counter", "Requests that the store failed.",
         (double)c->count.failed},
    };

    memcpy(out, all, sizeof(all));
}

/* ---- Metrics ---- */

int metrics_take(void *self, const struct aiex_message *m)
{
    const struct context *c = self;
    struct number all[N_NUMBERS];
    struct aiex_metrics x;

    numbers(c, all);
    aiex_metrics_begin(&x, c->host);
    for (int i = 0; i < N_NUMBERS; i++)
        aiex_metrics_one(&x, all[i].series, all[i].type, all[i].help, all[i].value);
    aiex_metrics_family(&x, "aiex_context_reads_total", "counter",
                        "Contents that were read, by who had them.");
    for (int i = 0; i < N_LEVELS; i++) {
        uint64_t misses = i == STORE ? c->count.misses : c->count.tier_misses[i];
        const char *labels[] = {"level", level_names[i], "result", "hit", NULL};

        aiex_metrics_sample(&x, labels, (double)c->count.hits[i]);
        labels[3] = "miss";
        aiex_metrics_sample(&x, labels, (double)misses);
    }
    return aiex_metrics_reply(&x, m->id);
}

/* ---- Statistics ---- */

static void write_levels(struct aiex_writer *w, const struct context *c)
{
    aiex_w_str(w, "levels");
    aiex_w_map(w, N_LEVELS);
    for (int i = 0; i < N_LEVELS; i++) {
        uint64_t misses = i == STORE ? c->count.misses : c->count.tier_misses[i];

        aiex_w_str(w, level_names[i]);
        aiex_w_map(w, 2);
        aiex_w_key_uint(w, "hits", c->count.hits[i]);
        aiex_w_key_uint(w, "misses", misses);
    }
}

static void write_tiers(struct aiex_writer *w, const struct context *c)
{
    aiex_w_str(w, "tiers");
    aiex_w_array(w, c->n_tiers);
    for (unsigned i = 0; i < c->n_tiers; i++) {
        const struct tier *t = &c->tiers[i];

        aiex_w_map(w, 5);
        aiex_w_key_str(w, "name", t->name);
        aiex_w_key_str(w, "level", t->known ? level_names[t->level] : "");
        aiex_w_key_bool(w, "used", t->present && t->known && !t->paused);
        aiex_w_key_int(w, "bytes", t->bytes);
        aiex_w_key_int(w, "max_bytes", t->max_bytes);
    }
}

static void write_stats(struct aiex_writer *w, const void *arg)
{
    const struct context *c = arg;
    struct number all[N_NUMBERS];
    uint32_t kinds = 0;

    numbers(c, all);
    for (unsigned i = 0; i < c->n_kinds; i++)
        kinds += c->kind_count[i] != 0;
    aiex_w_map(w, N_NUMBERS + 3);
    for (int i = 0; i < N_NUMBERS; i++)
        aiex_w_key_int(w, all[i].name, (int64_t)all[i].value);
    aiex_w_str(w, "kinds");
    aiex_w_map(w, kinds);
    for (unsigned i = 0; i < c->n_kinds; i++)
        if (c->kind_count[i])
            aiex_w_key_uint(w, c->kinds[i], c->kind_count[i]);
    write_levels(w, c);
    write_tiers(w, c);
}

int stats_take(void *self, const struct aiex_message *m)
{
    struct context *c = self;

    return aiex_reply_by(c->host, m->id, write_stats, c);
}

int health_take(void *self, const struct aiex_message *m)
{
    struct context *c = self;

    if (c->phase == FENCED)
        return aiex_reply_health(c->host, m->id, 0, "another instance keeps the contexts now");
    if (c->phase == LOADING)
        return aiex_reply_health(c->host, m->id, 0,
                                 c->boot.trouble[0] ? c->boot.trouble : "the contexts are loaded");
    return aiex_reply_health(c->host, m->id, 1, "ready");
}
