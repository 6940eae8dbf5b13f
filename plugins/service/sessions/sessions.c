/* sessions.c - the descriptor: options, methods, life. */
#include "sessions.h"

#include <aiex_metrics.h>

#include <errno.h>

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"store", "store", "name of the store that keeps the sessions", AIEX_OPT_STRING, 0, 0, 0, NULL,
     OPT(store)},
    {"audit", "none",
     "service that is told who asked for a session of another; none = nobody is told",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(audit)},
    {"store_wait", "10s", "time for a change, its repetitions included, before its outcome is told",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 200, 600000, NULL, OPT(store_wait)},
    {"load_wait", "10s", "time that requests wait while the sessions are being read",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, 600000, NULL, OPT(load_wait)},
    {"ttl", "30d", "time without a change after which a session expires; 0s = never",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, (int64_t)1 << 48, NULL, OPT(ttl)},
    {"sweep", "1m", "pause between two searches for what expires", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 1000, 86400000, NULL, OPT(sweep)},
    {"turn_timeout", "15m", "time after which a turn that was begun and not ended is lost",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 1000, (int64_t)1 << 40, NULL, OPT(turn_timeout)},
    {"max_sessions", "200000", "live sessions, which are kept in memory", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 10000000, NULL, OPT(max_sessions)},
    {"max_message", "512K", "bytes of one message; the store's max_event must be above it",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1024, 4 << 20, NULL, OPT(max_message)},
    {0},
};

#define CHANGE (F_SESSION | F_WRITE)
#define LABELS (F_TITLE | F_USER | F_PROJECT | F_TTL | F_STATE)

const struct verb verbs[] = {
    {"sessions.create", F_NEW | F_WRITE | LABELS, CREATE, run_create},
    {"sessions.fork", F_SESSION | F_AS | F_AT | F_WRITE | F_TITLE | F_USER | F_PROJECT | F_TTL,
     FORK, run_fork},
    {"sessions.append", CHANGE | F_MESSAGES | F_STATE | F_TURN, APPEND, run_change},
    {"sessions.touch", CHANGE, TOUCH, run_change},
    {"sessions.set", CHANGE | LABELS, SET, run_change},
    {"sessions.close", CHANGE, CLOSE, run_change},
    {"sessions.archive", CHANGE, ARCHIVE, run_change},
    {"sessions.restore", CHANGE, RESTORE, run_change},
    {"sessions.rollback", CHANGE | F_AT, ROLLBACK, run_change},
    {"sessions.expire", F_ANY | F_WRITE, EXPIRE, run_expire},
    {"sessions.delete", CHANGE, DELETE, run_change},
    {"sessions.turn_lost", CHANGE | F_TURN, LOSE, run_change},
    {"sessions.get", F_SESSION | F_VIEW, N_ACTS, run_get},
    {"sessions.history", F_SESSION | F_AT | F_PAGE | F_VIEW, N_ACTS, run_history},
    {"sessions.find", F_FILTER | F_PAGE, N_ACTS, run_list},
    {"sessions.list", F_FILTER | F_PAGE, N_ACTS, run_list},
    {0},
};

const struct verb *verb_of(int act)
{
    const struct verb *v = verbs;

    while (v->act != act)
        v++;
    return v;
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct sessions *s = host->alloc(host, sizeof(*s));

    if (!s)
        return aiex_failed(err, -ENOMEM, "no memory");
    s->host = host;
    s->config = config;
    s->waiting_end = &s->waiting;
    denied_start(s);
    *ret_self = s;
    if (index_init(&s->index, host) < 0)
        return aiex_failed(err, -ENOMEM, "no memory");
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct sessions *s = self;
    int r = s->host->join(s->host, "sessions", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r,
                           "the name 'sessions' is taken by another instance; run one only");
    if (aiex_metrics_join(s->host) < 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    if (sweep_start(s) != 0)
        return aiex_failed(err, -ENOMEM, "no memory for a timer");
    boot_start(s);
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct sessions *s = self;

    if (m->kind == AIEX_MSG_CANCEL)
        work_cancel(s, m->id);
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return 0;
    if (strcmp(m->method, "sessions.status") == 0)
        return take_status(s, m);
    if (strcmp(m->method, "service.health") == 0)
        return take_health(s, m);
    if (strcmp(m->method, "service.metrics") == 0)
        return take_metrics(s, m);
    for (const struct verb *v = verbs; v->method; v++)
        if (strcmp(v->method, m->method) == 0)
            return work_take(s, v, m);
    return -ENOSYS;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct sessions *s = self;

    (void)err;
    s->config = config;
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct sessions *s = self;

    s->draining = 1;
    s->drained = done;
    s->drained_arg = arg;
    works_end(s, UINT64_MAX, "the sessions service is closing");
    if (!s->works && s->drained) {
        s->drained = NULL;
        done(arg);
    }
}

static void destroy(void *self)
{
    struct sessions *s = self;

    if (!s)
        return;
    s->drained = NULL;
    boot_stop(s);
    sweep_stop(s);
    works_drop(s);
    denied_stop(s);
    index_done(&s->index);
    s->host->release(s->host, s);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_sessions",
    .version = "0.1.0",
    .summary = "conversations with their history and state, kept as events in the store",
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
