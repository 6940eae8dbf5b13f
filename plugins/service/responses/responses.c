/* responses.c - the descriptor: options, life, dispatch. */
#include "responses.h"

#include <errno.h>

#define OPT(field) offsetof(struct config, field)
#define TICK_MS    10000u

static const struct aiex_option options[] = {
    {"ttl", "30d", "time after which a response is removed; 0s = never", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 0, 0x7fffffffffff, NULL, OPT(ttl)},
    {"max_count", "10000", "responses that are kept; the least recently used go first",
     AIEX_OPT_INT, AIEX_OPT_RELOADABLE, 1, 1000000, NULL, OPT(max_count)},
    {"max_bytes", "1G", "bytes of all files; the least recently used go first", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 4096, 1ll << 42, NULL, OPT(max_bytes)},
    {0},
};

static const struct aiex_method methods[] = {
    {"responses.put", put_take},       {"responses.history", history_take},
    {"responses.get", get_take},       {"responses.items", items_take},
    {"responses.delete", delete_take}, {"responses.status", status_take},
    {"service.health", health_take},   {0},
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct responses *r;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "responses have no data folder; give the host one");
    r = host->alloc(host, sizeof(*r));
    if (!r)
        return aiex_failed(err, -ENOMEM, "no memory");
    r->host = host;
    r->config = config;
    *ret_self = r;
    return 0;
}

static void tick(void *arg)
{
    store_expire(arg);
}

static int start(void *self, struct aiex_error *err)
{
    struct responses *r = self;
    int error = r->host->join(r->host, "responses", AIEX_NAME_UNIQUE);

    if (error < 0)
        return aiex_failed(err, error,
                           "the name 'responses' is taken by another instance; run one only");
    error = store_start(r, err);
    if (error == 0 && r->host->timer(r->host, TICK_MS, TICK_MS, tick, r, &r->tick) != 0)
        error = aiex_failed(err, -ENOMEM, "no memory for a timer");
    return error;
}

static int handle(void *self, const struct aiex_message *m)
{
    return m->kind == AIEX_MSG_REQUEST || m->kind == AIEX_MSG_CAST ? aiex_dispatch(methods, self, m)
                                                                   : 0;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct responses *r = self;

    r->config = config;
    return 0;
}

static void destroy(void *self)
{
    struct responses *r = self;

    if (!r)
        return;
    if (r->tick)
        r->host->unwatch(r->host, r->tick);
    while (r->newest)
        index_remove(r, r->newest);
    r->host->release(r->host, r);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_responses",
    .version = "0.1.0",
    .summary = "keeps the responses that later ones continue",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_DATA,
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
