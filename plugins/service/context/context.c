/* context.c - the descriptor: options, life, dispatch, and what all parts share. */
#include "context.h"

#include <aiex_metrics.h>

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#define TICK_MS    1000u
#define OPT(field) offsetof(struct config, field)

static const char *const levels[] = {"applied", "written", "synced", NULL};

static const struct aiex_option options[] = {
    {"store", "store", "name of the store that keeps the contexts", AIEX_OPT_STRING, 0, 0, 0, NULL,
     OPT(store)},
    {"level", "synced", "what a write waits for: applied, written or synced", AIEX_OPT_CHOICE,
     AIEX_OPT_RELOADABLE, 0, 0, levels, OPT(level)},
    {"store_wait", "5s", "how long a request waits for a store that is busy or restarts",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 100, 60000, NULL, OPT(store_wait)},
    {"max_entries", "200k", "entries that are kept; a put of a new one beyond it is refused",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1, 10 << 20, NULL, OPT(max_entries)},
    {"max_bytes", "4G", "bytes of all contents; a put beyond it is refused", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 1 << 16, (int64_t)1 << 44, NULL, OPT(max_bytes)},
    {"max_words", "20000", "distinct words of one entry that can be searched for", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 65536, NULL, OPT(max_words)},
    {"max_postings", "200000", "places that one search reads before it answers with what it has",
     AIEX_OPT_INT, AIEX_OPT_RELOADABLE, 1000, 10000000, NULL, OPT(max_postings)},
    {"ttl", "0s", "how long an entry is kept whose put does not say; 0 = for ever",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, (int64_t)1 << 46, NULL, OPT(ttl)},
    {"sweep", "10s", "how often is looked for what is over", AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE,
     1000, 86400000, NULL, OPT(sweep)},
    {"tiers", "auto", "tiers to use: auto, names divided by commas, or nothing", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(tiers)},
    {"balance", "10s", "how often contents move between the tiers", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 1000, 86400000, NULL, OPT(balance)},
    {"promote_uses", "2", "uses after which a content moves to the next hotter tier", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 1000000, NULL, OPT(promote_uses)},
    {"interactions", "off", "keep a row for each request to a model, from the ledger's records",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(interactions)},
    {"interactions_keep", "2160h", "how long these rows are kept; 0 = for ever", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 0, (int64_t)1 << 46, NULL, OPT(interactions_keep)},
    {0},
};

static const struct aiex_method methods[] = {
    {"context.get", get_take},
    {"context.search", search_take},
    {"context.put", put_take},
    {"context.fresh", fresh_take},
    {"context.related", related_take},
    {"context.relate", relate_take},
    {"context.unrelate", unrelate_take},
    {"context.list", list_take},
    {"context.delete", delete_take},
    {"context.stats", stats_take},
    {"context.interactions", interactions_take},
    {"context.metrics", metrics_take},
    {"service.metrics", metrics_take},
    {"service.health", health_take},
    {0},
};

/* ---- What all parts share ---- */

int kind_number(struct context *c, const char *kind)
{
    for (unsigned i = 0; i < c->n_kinds; i++)
        if (strcmp(c->kinds[i], kind) == 0)
            return (int)i;
    if (c->n_kinds == MAX_KINDS)
        return -ENOSPC;
    snprintf(c->kinds[c->n_kinds], sizeof(c->kinds[0]), "%s", kind);
    return (int)c->n_kinds++;
}

int64_t next_rank(struct context *c)
{
    int64_t now = wall_ms() * 1024;

    c->last_rank = now > c->last_rank ? now : c->last_rank + 1;
    return c->last_rank;
}

static void forget(struct context *c, const struct entry *e)
{
    if (!e->doc)
        return;
    c->bytes -= e->bytes;
    c->kind_count[e->kind]--;
}

void entry_take(struct context *c, struct entry *e, const struct row *row)
{
    int kind = kind_number(c, row->kind);

    forget(c, e);
    e->kind = (uint8_t)(kind < 0 ? 0 : kind); /* it was asked for before */
    e->version = row->version;
    e->born = row->born;
    e->expires = row->expires;
    e->bytes = (uint32_t)row->bytes;
    e->session = index_hash(&c->index, row->session);
    e->project = index_hash(&c->index, row->project);
    index_set_doc(&c->index, e, row->doc, (uint32_t)row->length);
    c->bytes += e->bytes;
    c->kind_count[e->kind]++;
    if (row->rank > c->last_rank)
        c->last_rank = row->rank;
}

void entry_drop(struct context *c, struct entry *e)
{
    forget(c, e);
    index_set_doc(&c->index, e, 0, 0);
    if (!e->first)
        index_drop(&c->index, e);
}

int entry_is_live(const struct entry *e)
{
    return e->doc && (!e->expires || e->expires > wall_ms());
}

/* ---- Life ---- */

static void tick(void *arg)
{
    struct context *c = arg;
    uint64_t before = c->ticks * TICK_MS, now = ++c->ticks * TICK_MS;
    uint64_t sweep = (uint64_t)c->config->sweep, balance = (uint64_t)c->config->balance;

    works_look(c);
    interactions_tick(c);
    if (before / sweep != now / sweep) {
        sweep_tick(c);
        interactions_prune(c);
    }
    if (before / balance != now / balance)
        tiers_tick(c);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct context *c;

    if (sodium_init() < 0)
        return aiex_failed(err, -EIO, "no random numbers on this machine");
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return aiex_failed(err, -ENOMEM, "no memory");
    c->host = host;
    c->config = config;
    *ret_self = c;
    if (index_init(&c->index) < 0)
        return aiex_failed(err, -ENOMEM, "no memory for the index");
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct context *c = self;
    int r = c->host->join(c->host, "context", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r, "the name 'context' is taken by another instance; run one only");
    if (aiex_metrics_join(c->host) < 0)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    r = c->host->timer(c->host, TICK_MS, TICK_MS, tick, c, &c->tick_timer);
    if (r < 0)
        return aiex_failed(err, r, "no memory for a timer");
    boot_start(c);
    tiers_tick(c);
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    switch (m->kind) {
    case AIEX_MSG_REQUEST:
    case AIEX_MSG_CAST:
        return aiex_dispatch(methods, self, m);
    case AIEX_MSG_CANCEL:
        works_cancel(self, m->id);
        return 0;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct context *c = self;

    (void)err;
    c->config = config;
    for (unsigned i = 0; i < c->n_tiers; i++)
        c->tiers[i].present = 0; /* who is still wanted is seen at the next look */
    tiers_tick(c);
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct context *c = self;

    c->draining = 1;
    sweep_stop(c);
    tiers_stop(c);
    balance_stop(c);
    interactions_stop(c);
    works_drain(c);
    if (!c->first) {
        done(arg);
        return;
    }
    c->drained = done;
    c->drained_arg = arg;
}

static void destroy(void *self)
{
    struct context *c = self;

    if (!c)
        return;
    c->drained = NULL;
    c->draining = 1;
    if (c->tick_timer)
        c->host->unwatch(c->host, c->tick_timer);
    boot_stop(c);
    sweep_stop(c);
    tiers_stop(c);
    balance_stop(c);
    interactions_stop(c);
    works_stop(c);
    flights_stop(c);
    index_done(&c->index);
    c->host->release(c->host, c);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_context",
    .version = "0.1.0",
    .summary = "contexts of sessions, analyses and model interactions, searchable",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
