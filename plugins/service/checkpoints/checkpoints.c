/* checkpoints.c - the descriptor: options, life, dispatch. */
#include "checkpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPT(field) offsetof(struct config, field)
#define LIVE       AIEX_OPT_RELOADABLE

static const struct aiex_option options[] = {
    {"store", "store", "name of the store whose state is kept", AIEX_OPT_STRING, 0, 0, 0, NULL,
     OPT(store)},
    {"sessions", "sessions", "name of the service that rolls sessions back", AIEX_OPT_STRING, 0, 0,
     0, NULL, OPT(sessions)},
    {"templates", "templates", "name of the service that brings templates back", AIEX_OPT_STRING, 0,
     0, 0, NULL, OPT(templates)},
    {"gateway", "gateway", "name of the service that brings limits and API keys back",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(gateway)},
    {"store_wait", "30s", "time for which the store is asked again when it is away",
     AIEX_OPT_DURATION, LIVE, 100, 600000, NULL, OPT(store_wait)},
    {"keep_last", "10", "newest checkpoints that prune keeps", AIEX_OPT_INT, LIVE, 1, 10000, NULL,
     OPT(keep_last)},
    {"keep_daily", "7", "days of which prune keeps the newest one", AIEX_OPT_INT, LIVE, 0, 10000,
     NULL, OPT(keep_daily)},
    {"keep_weekly", "4", "weeks of which prune keeps the newest one", AIEX_OPT_INT, LIVE, 0, 10000,
     NULL, OPT(keep_weekly)},
    {"max_checkpoints", "1000", "checkpoints at a time", AIEX_OPT_INT, LIVE, 1, 10000, NULL,
     OPT(max_checkpoints)},
    {"max_streams", "1000000",
     "streams of one checkpoint; about 200 bytes of memory each while it "
     "is made",
     AIEX_OPT_INT, LIVE, 1000, 100000000, NULL, OPT(max_streams)},
    {"max_bytes", "8G", "files of all checkpoints together; what would be more is not made",
     AIEX_OPT_SIZE, LIVE, 1 << 20, 1ll << 50, NULL, OPT(max_bytes)},
    {"min_free", "128M", "free space below which nothing is begun", AIEX_OPT_SIZE, LIVE, 0,
     1ll << 40, NULL, OPT(min_free)},
    {"level", "3", "how hard zstd tries", AIEX_OPT_INT, 0, 1, 19, NULL, OPT(level)},
    {0},
};

static void config_free(struct config *c)
{
    if (!c)
        return;
    free((char *)(uintptr_t)c->store);
    free((char *)(uintptr_t)c->sessions);
    free((char *)(uintptr_t)c->templates);
    free((char *)(uintptr_t)c->gateway);
    free(c);
}

static struct config *config_copy(const struct config *from)
{
    struct config *c = malloc(sizeof(*c));

    if (!c)
        return NULL;
    *c = *from;
    c->store = strdup(from->store);
    c->sessions = strdup(from->sessions);
    c->templates = strdup(from->templates);
    c->gateway = strdup(from->gateway);
    if (c->store && c->sessions && c->templates && c->gateway)
        return c;
    config_free(c);
    return NULL;
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct cps *s;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "checkpoints have no data folder; give the host one");
    if (strlen(host->data_dir) > sizeof(s->manifests) - 32)
        return aiex_failed(err, -ENAMETOOLONG, "the data folder's name is too long: %.200s",
                           host->data_dir);
    if (sodium_init() < 0)
        return aiex_failed(err, -EINVAL, "libsodium can not be used here");
    s = host->alloc(host, sizeof(*s));
    if (!s)
        return aiex_failed(err, -ENOMEM, "no memory");
    s->host = host;
    s->lock_fd = -1;
    s->end = &s->first;
    pthread_mutex_init(&s->catalog.lock, NULL);
    *ret_self = s;
    s->config = config_copy(config);
    return s->config ? 0 : aiex_failed(err, -ENOMEM, "no memory");
}

static int make_folder(char *out, size_t size, const struct cps *s, const char *name,
                       struct aiex_error *err)
{
    snprintf(out, size, "%s/%s", s->host->data_dir, name);
    if (mkdir(out, 0700) == 0 || errno == EEXIST)
        return 0;
    return aiex_failed(err, -errno, "folder '%.300s': %s", out, strerror(errno));
}

static int open_lock(struct cps *s, struct aiex_error *err)
{
    char path[420];

    snprintf(path, sizeof(path), "%s/lock", s->host->data_dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return s->lock_fd < 0
               ? aiex_failed(err, -errno, "lock file '%.300s': %s", path, strerror(errno))
               : 0;
}

static int start_thread(struct cps *s, struct aiex_error *err)
{
    /* what a thread causes by itself must not be blocked: aiex_plugin.h, AIEX_NEED_THREADS */
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, old;
    int r;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(&s->thread, NULL, work_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    s->running = r == 0;
    return r ? aiex_failed(err, -r, "no thread for the work: %s", strerror(r)) : 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct cps *s = self;
    int r = s->host->join(s->host, "checkpoints", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r,
                           "the name 'checkpoints' is taken by another instance; run one only");
    r = make_folder(s->manifests, sizeof(s->manifests), s, "manifests", err);
    r = r ? r : make_folder(s->imports, sizeof(s->imports), s, "imports", err);
    snprintf(s->restoring, sizeof(s->restoring), "%s/restoring", s->host->data_dir);
    r = r ? r : open_lock(s, err);
    r = r ? r : remote_start(s, err);
    return r ? r : start_thread(s, err);
}

/* ---- status, health ---- */

static void write_status(struct aiex_writer *w, const void *arg)
{
    struct cps *s = (struct cps *)(uintptr_t)arg;
    const struct catalog *c = &s->catalog;

    aiex_w_map(w, 10);
    aiex_w_key_bool(w, "ready", atomic_load(&s->ready));
    aiex_w_key_uint(w, "checkpoints", c->n);
    aiex_w_key_uint(w, "broken", c->broken);
    aiex_w_key_str(w, "reason", c->broken ? c->why : "");
    aiex_w_key_uint(w, "waiting", s->n_jobs);
    aiex_w_key_str(w, "running", s->now && s->now->verb ? s->now->verb->method : "");
    aiex_w_key_uint(w, "created", atomic_load(&s->created));
    aiex_w_key_uint(w, "verified", atomic_load(&s->verified));
    aiex_w_key_uint(w, "restored", atomic_load(&s->restored));
    aiex_w_key_uint(w, "failed", atomic_load(&s->failed));
}

static int take_status(struct cps *s, const struct aiex_message *m)
{
    struct aiex_slice body = {NULL, 0};
    int r;

    pthread_mutex_lock(work_lock(s));
    pthread_mutex_lock(&s->catalog.lock);
    r = aiex_write_alloc(write_status, s, &body);
    pthread_mutex_unlock(&s->catalog.lock);
    pthread_mutex_unlock(work_lock(s));
    if (r < 0)
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the answer");
    s->host->reply(s->host, m->id, body);
    free((void *)(uintptr_t)body.data);
    return 0;
}

static int take_health(struct cps *s, const struct aiex_message *m)
{
    char why[320] = "checkpoints can be made";
    int healthy;

    pthread_mutex_lock(&s->catalog.lock);
    healthy = atomic_load(&s->ready) && !s->catalog.broken;
    if (s->catalog.broken)
        snprintf(why, sizeof(why), "%.300s", s->catalog.why);
    else if (!healthy)
        snprintf(why, sizeof(why), "the data folder is not taken over yet");
    pthread_mutex_unlock(&s->catalog.lock);
    return aiex_reply_health(s->host, m->id, healthy, why);
}

static int handle(void *self, const struct aiex_message *m)
{
    struct cps *s = self;

    if (m->kind == AIEX_MSG_CANCEL)
        work_cancel(s, m->id);
    if (m->kind == AIEX_MSG_RESUME)
        remote_resume(s, m->id);
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return 0;
    if (strcmp(m->method, "checkpoints.status") == 0)
        return take_status(s, m);
    if (strcmp(m->method, "service.health") == 0)
        return take_health(s, m);
    return work_take(s, m);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct cps *s = self;

    (void)err;
    for (const struct aiex_option *o = options; o->name; o++)
        if (o->flags & LIVE)
            __atomic_store_n((int64_t *)((char *)s->config + o->offset),
                             *(const int64_t *)((const char *)config + o->offset),
                             __ATOMIC_RELAXED);
    return 0;
}

static int is_idle(struct cps *s)
{
    int idle;

    pthread_mutex_lock(work_lock(s));
    idle = !s->now && !s->first;
    pthread_mutex_unlock(work_lock(s));
    return idle;
}

/* What runs is finished; the host ends it when that takes too long, and nothing is harmed. */
static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct cps *s = self;

    s->draining = 1;
    work_refuse_queued(s, "the service is closing");
    if (is_idle(s)) {
        done(arg);
        return;
    }
    s->drained = done;
    s->drained_arg = arg;
}

static void destroy(void *self)
{
    struct cps *s = self;

    if (!s)
        return;
    s->draining = 1;
    s->drained = NULL;
    remote_stop(s);
    if (s->running)
        pthread_join(s->thread, NULL);
    while (s->first) {
        struct job *j = s->first;

        s->first = j->next;
        free(j);
    }
    remote_done(s);
    chunks_done(&s->chunks);
    catalog_done(&s->catalog);
    config_free(s->config);
    pthread_mutex_destroy(&s->catalog.lock);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    s->host->release(s->host, s);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_checkpoints",
    .version = "0.1.0",
    .summary = "checkpoints of streams and tables: made, compared, restored, carried away",
    .kind = "service/1",
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
