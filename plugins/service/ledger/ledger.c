/* ledger.c - the descriptor: options, life, dispatch. */
#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPT(field) offsetof(struct config, field)
#define ACTS_BYTES (4u << 20) /* of model calls while the audit log takes nothing: some 15,000 */

static const struct aiex_option options[] = {
    {"sync_interval", "1s",
     "time between two fdatasync of what was written; a crash of the process loses nothing, a loss "
     "of power at most this",
     AIEX_OPT_DURATION, 0, 10, 3600000, NULL, OPT(sync_interval)},
    {"keep_days", "400", "days after which records and totals are removed; 0 = never", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 0, 36500, NULL, OPT(keep_days)},
    {"max_rows", "4096",
     "different combinations of key, user, team, project, model, provider and tags of one day that "
     "are kept as totals; reports of a day with more read its segment",
     AIEX_OPT_INT, 0, 1, 65536, NULL, OPT(max_rows)},
    {"checkpoint", "64M", "bytes of a segment after which the summary of its day is written",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 4096, 1 << 30, NULL, OPT(checkpoint)},
    {"audit", "none", "service that is told of each model call; none = nobody is told",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(audit)},
    {"store", "none",
     "store whose stream ledger/money has what was spent, also by other ledgers; none = there is "
     "no such stream",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(store)},
    {"store_interval", "10s", "time between two events of what was spent", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 100, 3600000, NULL, OPT(store_interval)},
    {"store_wait", "1500ms",
     "how long after a start sums wait for what the store has to say about them", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 0, 60000, NULL, OPT(store_wait)},
    {0},
};

static const struct aiex_method methods[] = {
    {"ledger.record", record_take},  {"ledger.report", report_take},
    {"ledger.show", show_take},      {"ledger.tail", tail_take},
    {"ledger.spent", spent_take},    {"ledger.status", status_take},
    {"service.health", health_take}, {0},
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct ledger *l;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "the ledger has no data folder; give the host one");
    l = host->alloc(host, sizeof(*l));
    if (!l)
        return aiex_failed(err, -ENOMEM, "no memory");
    l->host = host;
    l->config = config;
    aiex_audit_batch_init(&l->acts, host, l->config->audit, ACTS_BYTES);
    *ret_self = l;
    if (recent_init(&l->recent) != 0)
        return aiex_failed(err, -ENOMEM, "no memory for the recent records");
    return 0;
}

static void tick(void *arg)
{
    struct ledger *l = arg;

    record_flush(l);
    sync_begin(l);
    record_retry(l);
    days_tidy(l);
    money_tick(l);
}

static int start(void *self, struct aiex_error *err)
{
    struct ledger *l = self;
    const struct aiex_host *host = l->host;
    int r = host->join(host, "ledger", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r, "the name 'ledger' is taken by another instance; run one only");
    r = days_start(l, err);
    if (r == 0)
        r = sync_start(l, err);
    if (r == 0)
        r = money_start(l, err);
    if (r == 0 && host->timer(host, (uint64_t)l->config->sync_interval,
                              (uint64_t)l->config->sync_interval, tick, l, &l->tick) != 0)
        r = aiex_failed(err, -ENOMEM, "no memory for a timer");
    return r;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct ledger *l = self;

    if (m->kind != AIEX_MSG_CAST && strcmp(m->method, "ledger.record") != 0)
        record_flush(l);
    switch (m->kind) {
    case AIEX_MSG_CAST:
    case AIEX_MSG_REQUEST:
        return aiex_dispatch(methods, l, m);
    case AIEX_MSG_CANCEL:
        job_cancel(l, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        tail_resume(l, m->id);
        return 0;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct ledger *l = self;

    l->config = config;
    l->expired_day = 0;
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct ledger *l = self;

    record_flush(l);
    jobs_end(l, 1);
    for (unsigned i = 0; i < OPEN_DAYS; i++)
        if (l->days[i])
            days_sum(l, l->days[i], 1);
    sync_begin(l);
    sync_then(l, done, arg);
}

static void destroy(void *self)
{
    struct ledger *l = self;

    if (!l)
        return;
    if (l->tick)
        l->host->unwatch(l->host, l->tick);
    record_flush(l);
    record_free(l);
    aiex_audit_batch_flush(&l->acts);
    aiex_audit_batch_done(&l->acts);
    jobs_end(l, 0);
    money_stop(l);
    sync_stop(l);
    days_stop(l);
    recent_done(&l->recent);
    l->host->release(l->host, l);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_ledger",
    .version = "0.1.0",
    .summary = "keeps a record of every request: tokens, money, times, who and why",
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
