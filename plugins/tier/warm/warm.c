/* warm.c - the warm tier: more entries in memory, larger values compressed. */
#include "codec.h"

#include <aiex_tier.h>
#include <aiex_service.h>

#include <errno.h>

struct config {
    int64_t max_bytes, max_entries, compress_above, order;
    const char *demote_to;
};

struct warm {
    const struct aiex_host *host;
    struct codec codec;
    struct aiex_tier_memory *tier;
};

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"max_bytes", "256M", "memory for entries, with all that they cost", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 1 << 20, 1ll << 40, NULL, OPT(max_bytes)},
    {"max_entries", "0", "entries at most; 0 = as many as fit", AIEX_OPT_INT, AIEX_OPT_RELOADABLE,
     0, 1ll << 32, NULL, OPT(max_entries)},
    {"compress_above", "1k", "values of at least this size are compressed; 0 = none", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 0, 1 << 30, NULL, OPT(compress_above)},
    {"memory_order", "1", "when memory is short: 1 gives back first, 9 last", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 9, NULL, OPT(order)},
    {"demote_to", "tier_cold",
     "tier that takes what has to go when memory is short; empty = it is dropped", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(demote_to)},
    {0},
};

static struct aiex_tier_limits limits_of(const struct config *c)
{
    return (struct aiex_tier_limits){.max_bytes = (uint64_t)c->max_bytes,
                                     .max_entries = (uint64_t)c->max_entries,
                                     .order = (int)c->order,
                                     .demote_to = c->demote_to,
                                     .compress_above = (uint64_t)c->compress_above};
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct aiex_tier_limits limits = limits_of(config);
    struct aiex_tier_codec codec = {CODEC_MOST, codec_pack, codec_unpack, NULL};
    struct warm *w = host->alloc(host, sizeof(*w));

    if (!w)
        return aiex_failed(err, -ENOMEM, "no memory");
    w->host = host;
    *ret_self = w;
    codec.arg = &w->codec;
    return aiex_tier_memory_create(host, "warm", &limits, &codec, &w->tier, err);
}

static int start(void *self, struct aiex_error *err)
{
    struct warm *w = self;

    return aiex_tier_memory_start(w->tier, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    struct warm *w = self;

    return aiex_tier_memory_handle(w->tier, m);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct warm *w = self;
    struct aiex_tier_limits limits = limits_of(config);

    aiex_tier_memory_reload(w->tier, &limits);
    return 0;
}

static void destroy(void *self)
{
    struct warm *w = self;

    if (!w)
        return;
    aiex_tier_memory_free(w->tier);
    codec_done(&w->codec);
    w->host->release(w->host, w);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "tier_warm",
    .version = "0.1.0",
    .summary = "context memory: what is used less, in memory and compressed",
    .kind = "tier/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
