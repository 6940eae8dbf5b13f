/* cold.c - the descriptor of the cold tier: options, life. */
#include "cold.h"

#include <aiex_metrics.h>

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

#define SWEEP_MS    250u
#define SWEEP_ROUND 240u /* sweeps for the whole index: a minute */
#define SWEEP_MOST  20000u

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"max_bytes", "1G", "disk space for entries; the least used go when it is full", AIEX_OPT_SIZE,
     AIEX_OPT_RELOADABLE, 4 << 20, 1ll << 44, NULL, OPT(max_bytes)},
    {"index_bytes", "32M", "memory for the index, about 200 bytes and the key for each entry",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1 << 20, 1ll << 40, NULL, OPT(index_bytes)},
    {0},
};

/* An entry left the index, on any thread. */
static void removed(void *arg, const struct aiex_cache_view *e, int why)
{
    struct cold *c = arg;
    struct where w;

    memcpy(&w, e->value.data, sizeof(w));
    segment_live(c, w.segment, -(int64_t)w.bytes);
    if (why == AIEX_CACHE_EVICTED)
        atomic_fetch_add(&c->evicted, 1);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *cfg = config;
    struct cold *c;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "the cold tier has no data folder; give the host one");
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return aiex_failed(err, -ENOMEM, "no memory");
    c->host = host;
    c->config = cfg;
    atomic_store(&c->current, -1);
    c->done_end = &c->done;
    c->waiting_end = &c->waiting;
    pthread_mutex_init(&c->lock, NULL);
    atomic_store(&c->max_bytes, (uint64_t)cfg->max_bytes);
    *ret_self = c;
    c->index = aiex_cache_new(&(struct aiex_cache_options){
        .max_bytes = (size_t)cfg->index_bytes, .shards = 8, .removed = removed, .arg = c});
    return c->index ? 0 : aiex_failed(err, -ENOMEM, "no memory for the index");
}

/* Also answers what a post() without memory left behind. */
static void on_timer(void *arg)
{
    struct cold *c = arg;
    struct aiex_cache_stats s;
    uint64_t steps;
    int left;

    pthread_mutex_lock(&c->lock);
    left = (c->done || c->waiting) && !c->posted;
    pthread_mutex_unlock(&c->lock);
    if (left)
        answer_done(c);
    if (atomic_load(&c->state) != OPEN)
        return;
    aiex_cache_stats(c->index, &s);
    steps = s.places / SWEEP_ROUND + 64;
    aiex_cache_sweep(c->index, steps < SWEEP_MOST ? steps : SWEEP_MOST, c->host->now_ms(c->host));
}

static int start(void *self, struct aiex_error *err)
{
    struct cold *c = self;
    int r = c->host->join(c->host, "tier", AIEX_NAME_GROUP);

    if (r < 0)
        return aiex_failed(err, r, "the group 'tier' can not be joined: %s", strerror(-r));
    if (aiex_metrics_join(c->host) < 0)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    r = c->host->timer(c->host, SWEEP_MS, SWEEP_MS, on_timer, c, &c->timer);
    if (r < 0)
        return aiex_failed(err, r, "no timer: %s", strerror(-r));
    return workers_start(c, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    return cold_handle(self, m);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct cold *c = self;

    c->config = config;
    atomic_store(&c->max_bytes, (uint64_t)c->config->max_bytes);
    aiex_cache_resize(c->index, (size_t)c->config->index_bytes, 0, c->host->now_ms(c->host));
    pthread_mutex_lock(&c->lock);
    pthread_cond_signal(&c->writer.wake); /* it cleans to the new limit */
    pthread_mutex_unlock(&c->lock);
    return 0;
}

/* The files are given up here and not in destroy(): a successor waits for them. */
void drained_if_idle(struct cold *c)
{
    void (*done)(void *arg) = c->drained;

    if (!done || c->open || c->waiting)
        return;
    c->drained = NULL;
    workers_stop(c);
    store_close(c);
    atomic_store(&c->state, OPENING);
    done(c->drained_arg);
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct cold *c = self;

    c->drained = done;
    c->drained_arg = arg;
    drained_if_idle(c);
}

static void drop_jobs(struct cold *c)
{
    while (c->open) {
        struct job *j = c->open;

        c->open = j->open_older;
        free((void *)(uintptr_t)j->body.data);
        free(j);
    }
}

static void destroy(void *self)
{
    struct cold *c = self;

    if (!c)
        return;
    workers_stop(c);
    if (c->timer)
        c->host->unwatch(c->host, c->timer);
    drop_jobs(c);
    waiting_free(c);
    if (c->index)
        store_close(c);
    aiex_cache_free(c->index);
    samples_free(&c->samples);
    samples_free(c->train);
    free(c->train);
    free((void *)(uintptr_t)c->trained.data);
    ZSTD_freeCCtx(c->in);
    ZSTD_freeDCtx(c->out);
    pthread_mutex_destroy(&c->lock);
    c->host->release(c->host, c);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "tier_cold",
    .version = "0.1.0",
    .summary = "context memory: what is used seldom, on disk and compressed",
    .kind = "tier/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_DATA | AIEX_NEED_THREADS,
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
