/* responses.c - the descriptor: options, life, dispatch. */
#include "responses.h"

#include <aiex_metrics.h>
#include <errno.h>

#define OPT(field) offsetof(struct config, field)
#define TICK_MS    10000u

static const struct aiex_option options[] = {
    {"ttl", "30d", "time after which a response is removed; 0s = never", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 0, 0x7fffffffffff, NULL, OPT(ttl)},
    {"max_count", "10000", "responses that are kept; the least recently used go first",
     AIEX_OPT_INT, AIEX_OPT_RELOADABLE, 1, 1000000, NULL, OPT(max_count)},
    {"max_bytes", "1G", "bytes of all responses; the least recently used go first", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 4096, 1ll << 42, NULL, OPT(max_bytes)},
    {"key_max_count", "5000", "responses that are kept of one key", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 1000000, NULL, OPT(key_max_count)},
    {"key_max_bytes", "512M", "bytes of the responses of one key", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 4096, 1ll << 42, NULL, OPT(key_max_bytes)},
    {"store", "store", "name of the store that keeps them; empty = files", AIEX_OPT_STRING, 0, 0, 0,
     NULL, OPT(store)},
    {"store_wait", "8s", "time for a question to the store, its repetitions included",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 100, 600000, NULL, OPT(store_wait)},
    {"put_wait", "1m", "time that a response waits in memory for a store that is away",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 100, 3600000, NULL, OPT(put_wait)},
    {0},
};

static const struct aiex_method methods[] = {
    {"responses.put", put_take},
    {"responses.history", history_take},
    {"responses.get", get_take},
    {"responses.items", items_take},
    {"responses.delete", delete_take},
    {"responses.status", status_take},
    {"service.health", health_take},
    {"service.metrics", metrics_take},
    {0},
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *set = config;
    struct responses *r;

    if (!set->store[0] && !host->data_dir[0])
        return aiex_failed(err, -EINVAL, "responses have no data folder; give the host one");
    r = host->alloc(host, sizeof(*r));
    if (!r)
        return aiex_failed(err, -ENOMEM, "no memory");
    r->host = host;
    r->config = config;
    r->last_work = &r->works;
    r->last_doomed = &r->doomed;
    *ret_self = r;
    return 0;
}

static void tick(void *arg)
{
    struct responses *r = arg;

    room_expire(r);
    if (r->config->store[0])
        rows_tick(r);
}

static int begin(struct responses *r, struct aiex_error *err)
{
    int error;

    if (!r->config->store[0]) {
        r->loaded = 1;
        return files_start(r, err);
    }
    error = rows_start(r);
    return error ? aiex_failed(err, error, "the system has no random numbers") : 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct responses *r = self;
    int error = r->host->join(r->host, "responses", AIEX_NAME_UNIQUE);

    if (error < 0)
        return aiex_failed(err, error,
                           "the name 'responses' is taken by another instance; run one only");
    if (aiex_metrics_join(r->host) < 0)
        aiex_logf(r->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    error = begin(r, err);
    if (error == 0 && r->host->timer(r->host, TICK_MS, TICK_MS, tick, r, &r->tick) != 0)
        error = aiex_failed(err, -ENOMEM, "no memory for a timer");
    return error;
}

static int handle(void *self, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_CANCEL)
        work_cancel(self, m->id);
    return m->kind == AIEX_MSG_REQUEST || m->kind == AIEX_MSG_CAST ? aiex_dispatch(methods, self, m)
                                                                   : 0;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct responses *r = self;

    r->config = config;
    room_trim(r);
    return 0;
}

/* What is on its way to the store gets there first. */
static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct responses *r = self;

    r->drained = done;
    r->drained_arg = arg;
    if (!r->works) {
        r->drained = NULL;
        done(arg);
    }
}

static void destroy(void *self)
{
    struct responses *r = self;

    if (!r)
        return;
    if (r->tick)
        r->host->unwatch(r->host, r->tick);
    works_drop(r);
    rows_stop(r);
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
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
