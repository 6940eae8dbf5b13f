/* store.c - the descriptor: options, life, dispatch. */
#include "store.h"

#include <aiex_metrics.h>

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"name", "store", "unique name to take beside the instance's; empty = none", AIEX_OPT_STRING, 0,
     0, 0, NULL, OPT(name)},
    {"cache", "64M", "memory for pages of the database", AIEX_OPT_SIZE, 0, 1 << 20, 1ll << 36, NULL,
     OPT(cache)},
    {"log_file", "16M", "size of one file of the log", AIEX_OPT_SIZE, 0, 9 << 20, 1 << 30, NULL,
     OPT(log_file)},
    {"checkpoint", "8M", "log after which the files are brought up to date: what a start repeats",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1 << 20, 1 << 30, NULL, OPT(checkpoint)},
    {"min_free", "64M", "free space below which nothing is written", AIEX_OPT_SIZE, 0, 1 << 20,
     1ll << 40, NULL, OPT(min_free)},
    {"ballast", "32M", "space that is kept to be given back when the disk is full; 0 = none",
     AIEX_OPT_SIZE, 0, 0, 1 << 30, NULL, OPT(ballast)},
    {"max_event", "1M", "bytes of data and meta of one event", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE,
     1024, 16 << 20, NULL, OPT(max_event)},
    {"readers", "2", "threads that read", AIEX_OPT_INT, 0, 1, MAX_READERS, NULL, OPT(readers)},
    {"archive", "0", "closed log files that are kept for restores to a point; 0 = none",
     AIEX_OPT_SIZE, 0, 0, 1ll << 44, NULL, OPT(archive)},
    {"keep_backups", "0", "backups that stay when one more is taken; 0 = all", AIEX_OPT_INT, 0, 0,
     MAX_BACKUPS, NULL, OPT(keep_backups)},
    {"encrypt", "off", "whether the database and its backups lie encrypted on the disk",
     AIEX_OPT_BOOL, 0, 0, 0, NULL, OPT(encrypt)},
    {"owner.*", NULL,
     "who alone writes what: streams= tables= epochs= with names (* at the end: all that begin "
     "so), "
     "for= with instances, readers= of streams; no line = everybody",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(owners)},
    {"key", NULL, "key for that, of 16 bytes at least; 32 random ones as text are best",
     AIEX_OPT_SECRET, 0, 0, 0, NULL, OPT(key)},
    {"old_key", NULL, "the key before, while store.rewrite changes it", AIEX_OPT_SECRET, 0, 0, 0,
     NULL, OPT(old_key)},
    {0},
};

static const struct aiex_method methods[] = {
    {"store.append", append_take},
    {"store.transact", transact_take},
    {"store.read", read_take},
    {"store.get", get_take},
    {"store.range", range_take},
    {"store.snapshot", snapshot_take},
    {"store.define", define_take},
    {"store.subscribe", subscribe_take},
    {"store.ack", ack_take},
    {"store.unsubscribe", unsubscribe_take},
    {"store.compact", compact_take},
    {"store.erase", erase_take},
    {"store.verify", verify_take},
    {"store.backup", backup_take},
    {"store.backups", backups_take},
    {"store.restore", restore_take},
    {"store.rewrite", rewrite_take},
    {"store.shrink", shrink_take},
    {"store.accept", accept_take},
    {"store.freeze", freeze_take},
    {"store.status", status_take},
    {"store.health", health_take},
    {"service.health", health_take},
    {"service.metrics", metrics_take},
    {0},
};

static void init(struct store *s)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    s->lock.fd = s->side.fd = s->box.fd = -1;
    s->box.end = &s->box.first;
    s->writer.end = &s->writer.first;
    s->jobs.quick.end = &s->jobs.quick.first;
    s->jobs.slow.end = &s->jobs.slow.first;
    pthread_mutex_init(&s->box.lock, NULL);
    pthread_mutex_init(&s->side_lock, NULL);
    pthread_mutex_init(&s->care.running, NULL);
    pthread_mutex_init(&s->gate.turn, NULL);
    pthread_mutex_init(&s->gate.inside, NULL);
    pthread_rwlock_init(&s->use, NULL);
    pthread_mutex_init(&s->writer.lock, NULL);
    pthread_cond_init(&s->writer.wake, NULL);
    pthread_mutex_init(&s->jobs.lock, NULL);
    pthread_cond_init(&s->jobs.quick.wake, &monotonic);
    pthread_cond_init(&s->jobs.slow.wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    state_init(&s->state);
    tables_init(&s->tables);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *c = config;
    struct store *s;
    int r;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "the store has no data folder; give the host one");
    if (strlen(host->data_dir) > sizeof(s->home) - 16)
        return aiex_failed(err, -ENAMETOOLONG, "the data folder's name is too long: %.200s",
                           host->data_dir);
    if (sodium_init() < 0)
        return aiex_failed(err, -EINVAL, "libsodium can not be used here");
    if (c->encrypt && strlen(c->key) < CIPHER_MIN_KEY)
        return aiex_failed(err, -EINVAL,
                           "option 'encrypt' is on and 'key' has %zu bytes; give it a secret of at "
                           "least %u",
                           strlen(c->key), CIPHER_MIN_KEY);
    s = host->alloc(host, sizeof(*s));
    if (!s)
        return aiex_failed(err, -ENOMEM, "no memory");
    s->host = host;
    s->config = *c;
    s->config.key = strdup(c->key); /* threads read them, and a reload has others */
    s->config.old_key = strdup(c->old_key);
    *ret_self = s;
    init(s);
    if (!s->config.key || !s->config.old_key)
        return aiex_failed(err, -ENOMEM, "no memory");
    r = owners_new(c->owners, &s->owners, err);
    if (r < 0)
        return r;
    snprintf(s->home, sizeof(s->home), "%s/db", host->data_dir);
    space_init(&s->space, host->data_dir, s->config.min_free, s->config.ballast);
    return fail_init(&s->fail, getenv("AIEX_FAIL"), err);
}

static int start(void *self, struct aiex_error *err)
{
    struct store *s = self;
    char path[320];
    int r;

    if (s->config.name[0] && s->host->join(s->host, s->config.name, AIEX_NAME_UNIQUE) < 0)
        return aiex_failed(err, -EEXIST,
                           "the name '%s' is taken by another instance; give this one another "
                           "'name'",
                           s->config.name);
    if (aiex_metrics_join(s->host) < 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    snprintf(path, sizeof(path), "%s/lock", s->host->data_dir);
    r = lock_open(&s->lock, path, s->host->instance, err);
    r = r < 0 ? r : box_start(s, err);
    r = r < 0 ? r : writer_start(s, err);
    return r < 0 ? r : jobs_start(s, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct job *j;

    switch (m->kind) {
    case AIEX_MSG_CAST:
    case AIEX_MSG_REQUEST:
        return aiex_dispatch(methods, s, m);
    case AIEX_MSG_CANCEL: /* a write that is queued is done: nobody knows where it is */
        j = job_find(s, m->id);
        if (j)
            job_stop(j, NULL, NULL);
        return 0;
    case AIEX_MSG_RESUME:
        job_resume(s, m->id);
        return 0;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct store *s = self;
    const struct config *c = config;
    struct owners *owners;
    int r = owners_new(c->owners, &owners, err);

    if (r < 0)
        return r;
    owners_unref(s->owners); /* reads that run keep what they began with */
    s->owners = owners;
    s->config.max_event = c->max_event; /* the loop's */
    __atomic_store_n(&s->config.checkpoint, c->checkpoint, __ATOMIC_RELAXED);
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct store *s = self;

    s->draining = 1;
    s->drained = done;
    s->drained_arg = arg;
    jobs_end(s, AIEX_E_UNAVAILABLE, "the store is closing");
    writer_end(s); /* land_closed() tells when the database is closed */
}

static void wipe(const char *secret)
{
    char *text = (char *)(uintptr_t)secret;

    if (text)
        sodium_memzero(text, strlen(text));
    free(text);
}

static void destroy(void *self)
{
    struct store *s = self;

    if (!s)
        return;
    s->draining = 1;
    s->drained = NULL;
    jobs_end(s, NULL, NULL);
    writer_stop(s);
    jobs_stop(s);
    if (s->box.fd >= 0)
        box_empty(s); /* what the threads left */
    box_stop(s);
    pins_done(s);
    lock_close(&s->lock);
    tables_done(&s->tables);
    state_done(&s->state);
    wipe(s->config.key);
    wipe(s->config.old_key);
    cipher_wipe(&s->cipher);
    owners_unref(s->owners);
    s->host->release(s->host, s);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "store_bdb",
    .version = "0.1.0",
    .summary = "streams of events and tables that survive, on Berkeley DB",
    .kind = "store/1",
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
