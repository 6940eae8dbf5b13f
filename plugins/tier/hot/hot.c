/* hot.c - the hot tier: entries in memory as they are. The tier itself is aiex_tier.h's. */
#include <aiex_tier.h>
#include <aiex_service.h>

struct config {
    int64_t max_bytes, max_entries, order;
    const char *demote_to;
};

static const struct aiex_option options[] = {
    {"max_bytes", "64M", "memory for entries, with all that they cost", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 1 << 20, 1ll << 40, NULL, offsetof(struct config, max_bytes)},
    {"max_entries", "0", "entries at most; 0 = as many as fit", AIEX_OPT_INT, AIEX_OPT_RELOADABLE,
     0, 1ll << 32, NULL, offsetof(struct config, max_entries)},
    {"memory_order", "3", "when memory is short: 1 gives back first, 9 last", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 9, NULL, offsetof(struct config, order)},
    {"demote_to", "tier_cold",
     "tier that takes what has to go when memory is short; empty = it is dropped", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, demote_to)},
    {0},
};

static struct aiex_tier_limits limits_of(const struct config *c)
{
    return (struct aiex_tier_limits){.max_bytes = (uint64_t)c->max_bytes,
                                     .max_entries = (uint64_t)c->max_entries,
                                     .order = (int)c->order,
                                     .demote_to = c->demote_to};
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct aiex_tier_limits limits = limits_of(config);
    struct aiex_tier_memory *t;
    int r = aiex_tier_memory_create(host, "hot", &limits, NULL, &t, err);

    if (r == 0)
        *ret_self = t;
    return r;
}

static int start(void *self, struct aiex_error *err)
{
    return aiex_tier_memory_start(self, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    return aiex_tier_memory_handle(self, m);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct aiex_tier_limits limits = limits_of(config);

    aiex_tier_memory_reload(self, &limits);
    return 0;
}

static void destroy(void *self)
{
    aiex_tier_memory_free(self);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "tier_hot",
    .version = "0.1.0",
    .summary = "context memory: what is used most, in memory",
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
