/* gateway.c - the descriptor: options, life, dispatch. */
#include "job_store.h"
#include "pattern.h"
#include "recorded.h"
#include "restore.h"
#include "stored.h"
#include "template.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(field) offsetof(struct config, field)

/* Usage records, until the ledger has surely written them. */
#define RECORDS_BYTES   (256u * 1024u)
#define RECORDS_KEPT_MS 1000u

/* Acts, while the audit log takes nothing. */
#define ACTS_BYTES (1024u * 1024u)

#define REFRESH_MS       1000u
#define REFRESH_UNTIL_MS 15000u /* a predecessor has ended by then */

static const char *const require_names[] = {"auto", "yes", "no", NULL};
static const char *const auth_names[] = {"failures", "daily", "all", NULL};
static const char *const price_names[] = {"allow", "refuse", NULL};

static const struct aiex_option options[] = {
    {"require_key", "auto",
     "clients must have an API key: yes, no, or auto = as soon as one was ever made",
     AIEX_OPT_CHOICE, AIEX_OPT_RELOADABLE, 0, 0, require_names, OPT(require_key)},
    {"operators", "interface_*, host.*",
     "instances whose word counts when they say that a client is an operator of this machine: "
     "names with *, separated by commas",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(operators)},
    {"restorers", "service_checkpoints*",
     "instances that may also bring keys and limits back to a checkpoint: names with *, separated "
     "by commas",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(restorers)},
    {"unknown_price", "allow",
     "a model without a price, asked for with a key that has a budget: allow (it costs nothing) or "
     "refuse",
     AIEX_OPT_CHOICE, AIEX_OPT_RELOADABLE, 0, 0, price_names, OPT(unknown_price)},
    {"default_output", "4096",
     "tokens reserved for an answer when the request names no limit of its own", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 10000000, NULL, OPT(default_output)},
    {"settle_grace", "30s",
     "how long an ended request waits for its usage record before it is settled by estimate",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 100, 3600000, NULL, OPT(settle_grace)},
    {"coordinator", "coordinator", "service that chooses the provider", AIEX_OPT_STRING, 0, 0, 0,
     NULL, OPT(coordinator)},
    {"ledger", "ledger",
     "service that keeps the usage records; none = budgets count from this start only",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(ledger)},
    {"ledger_wait", "2s",
     "how long a request of a key with a budget waits for the ledger's first answer",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 1, 60000, NULL, OPT(ledger_wait)},
    {"templates", "templates",
     "service that renders the template which a body names by `aiex_template`; none = nobody looks",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(templates)},
    {"audit", "none",
     "service that is told of keys, limits and refused credentials, and asked before keys and "
     "limits change; none = nobody is told",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(audit)},
    {"audit_auth", "daily",
     "credentials that the audit log is told of: failures = those refused, daily = also each key's "
     "first use on a day, all = every request",
     AIEX_OPT_CHOICE, AIEX_OPT_RELOADABLE, 0, 0, auth_names, OPT(audit_auth)},
    {"store", "none",
     "service in whose streams keys and limits are kept, the data folder being a cache of it; "
     "none or empty = they are kept in the data folder alone",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(store)},
    {"store_wait", "5s", "how long a change of keys or limits may wait for the store",
     AIEX_OPT_DURATION, 0, 100, 60000, NULL, OPT(store_wait)},
    {"keep_revoked", "30d", "revoked keys older than this are forgotten at the next start",
     AIEX_OPT_DURATION, 0, 0, 0, NULL, OPT(keep_revoked)},
    {"results_max", "1024", "asynchronous requests that are kept", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 65536, NULL, OPT(results_max)},
    {"results_bytes", "64M", "bytes of all their answers", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1024,
     (int64_t)1 << 34, NULL, OPT(results_bytes)},
    {"result_bytes", "8M", "bytes of one answer", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 1024,
     31 * 1024 * 1024, NULL, OPT(result_bytes)},
    {"result_ttl", "10m", "how long an answer is kept", AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE,
     1000, (int64_t)7 * DAY_MS, NULL, OPT(result_ttl)},
    {"job_timeout", "10m", "longest time for one asynchronous request", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 1000, DAY_MS, NULL, OPT(job_timeout)},
    {0},
};

/* ---- Life ---- */

static int name_is_bad(const char *option, const char *name, struct aiex_error *err)
{
    if (name[0] && strlen(name) <= AIEX_MAX_NAME)
        return 0;
    snprintf(err->text, sizeof(err->text), "option '%s' is '%.80s'; say the name of a service",
             option, name);
    return 1;
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *cfg = config;
    struct gateway *g;
    int r;

    if (name_is_bad("coordinator", cfg->coordinator, err) ||
        name_is_bad("ledger", cfg->ledger, err) || name_is_bad("templates", cfg->templates, err) ||
        name_is_bad("audit", cfg->audit, err))
        return -EINVAL;
    g = host->alloc(host, sizeof(*g));
    if (!g)
        return -ENOMEM;
    *ret_self = g;
    g->host = host;
    g->config = config;
    g->asker = "";
    g->stored = host->alloc(host, sizeof(*g->stored));
    if (!g->stored)
        return -ENOMEM;
    g->stored->gateway = g;
    g->calendar.clock = calendar_clock;
    aiex_audit_batch_init(&g->acts, host, cfg->audit, ACTS_BYTES);
    calendar_look(&g->calendar);
    r = flights_init(&g->flights, host);
    if (r == 0)
        r = contents_init(g);
    if (r == 0)
        r = jobs_init(g);
    if (r == 0)
        r = job_store_init(g);
    return r < 0 ? r
                 : keys_open(&g->keys, host, g->calendar.now_ms, cfg->keep_revoked, stored_is_on(g),
                             err);
}

/* While a predecessor drains it may still have written keys. */
static void look_again(struct gateway *g)
{
    struct aiex_error err = {""};

    if (keys_refresh(&g->keys, &err) < 0)
        g->host->log(g->host, AIEX_LOG_ERROR, 0, err.text);
}

static void on_refresh(void *arg)
{
    struct gateway *g = arg;

    look_again(g);
    stored_tick(g);
    job_store_tick(g);
    if (stored_is_on(g) || g->host->now_ms(g->host) - g->started_ms < REFRESH_UNTIL_MS)
        return;
    g->host->unwatch(g->host, g->refresh_timer);
    g->refresh_timer = 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct gateway *g = self;
    int r = g->host->join(g->host, "gateway", AIEX_NAME_UNIQUE);

    if (r < 0) {
        snprintf(err->text, sizeof(err->text),
                 "the name 'gateway' is taken by another instance; run one only");
        return r;
    }
    g->started_ms = g->host->now_ms(g->host);
    r = faces_init(g);
    if (r == 0)
        r = g->host->timer(g->host, REFRESH_MS, REFRESH_MS, on_refresh, g, &g->refresh_timer);
    if (r == 0)
        r = aiex_recast_init(&g->records, g->host, RECORDS_BYTES, RECORDS_KEPT_MS);
    if (r == 0)
        r = spent_start(g);
    if (r == 0)
        r = stored_start(g);
    if (r == 0 && stored_knows(g))
        job_store_start(g);
    if (r == 0)
        r = gate_start(g);
    if (r < 0)
        snprintf(err->text, sizeof(err->text), "can not begin: %s", strerror(-r));
    return r;
}

static void destroy(void *self)
{
    struct gateway *g = self;

    if (!g)
        return;
    gate_stop(g);
    aiex_audit_batch_flush(&g->acts);
    aiex_audit_batch_done(&g->acts);
    spent_stop(g);
    if (g->stored)
        stored_stop(g);
    contents_send(g);
    aiex_recast_done(&g->records);
    template_stop(g);
    recorded_stop(g);
    job_store_done(g);
    jobs_done(g);
    faces_done(g);
    flights_done(&g->flights);
    contents_done(g);
    keys_close(&g->keys);
    if (g->refresh_timer)
        g->host->unwatch(g->host, g->refresh_timer);
    free(g->scratch);
    g->host->release(g->host, g->stored);
    g->host->release(g->host, g);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct gateway *g = self;

    g->config = config;
    return 0;
}

/* ---- Drain ---- */

void gateway_maybe_drained(struct gateway *g)
{
    void (*done)(void *arg) = g->drained;

    if (!done || g->flights.n_used || g->n_parked || g->n_renderings || g->n_recordings ||
        g->contents.n_held || g->stored->n_changes || g->jobs->waiters.n || !job_store_is_quiet(g))
        return;
    g->drained = NULL;
    done(g->drained_arg);
}

/* What runs ends, and its usage records are waited for: they are money. */
static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct gateway *g = self;

    g->drained = done;
    g->drained_arg = arg;
    settle_hurry(g);
    gateway_maybe_drained(g);
}

/* ---- Dispatch ---- */

static int take_settle(struct gateway *g, const struct aiex_message *m)
{
    int r = settle_take(g, m->body);

    if (m->kind == AIEX_MSG_REQUEST)
        g->host->reply(g->host, m->id, NOTHING);
    return r;
}

static int status(struct gateway *g, const struct aiex_message *m)
{
    return report_status(g, m->id);
}

static int health(struct gateway *g, const struct aiex_message *m)
{
    return report_health(g, m->id);
}

static int metrics(struct gateway *g, const struct aiex_message *m)
{
    return report_metrics(g, m->id);
}

static int gated_chat(struct gateway *g, const struct aiex_message *m)
{
    return gate_refuses(g, m) ? 0 : chat_begin(g, m);
}

static int gated_submit(struct gateway *g, const struct aiex_message *m)
{
    return gate_refuses(g, m) ? 0 : async_submit(g, m);
}

static const struct {
    const char *name;
    int (*run)(struct gateway *g, const struct aiex_message *m);
    const char *act;            /* to be recorded before it is done; NULL = need not */
    enum { KEYS, ANYBODY } who; /* keys must be known, or it does not matter who asks */
} methods[] = {
    {"gateway.chat", gated_chat, NULL, KEYS},
    {"gateway.settle", take_settle, NULL, ANYBODY},
    {"gateway.complete", gated_chat, NULL, KEYS},
    {"gateway.embed", gated_chat, NULL, KEYS},
    {"gateway.count", pass_count, NULL, KEYS},
    {"gateway.models", pass_models, NULL, KEYS},
    {"gateway.check", pass_check, NULL, KEYS},
    {"gateway.submit", gated_submit, NULL, KEYS},
    {"gateway.poll", async_poll, NULL, KEYS},
    {"gateway.subscribe", async_subscribe, NULL, KEYS},
    {"gateway.cancel", async_cancel, NULL, KEYS},
    {"gateway.requests", async_requests, NULL, KEYS},
    {"gateway.register", faces_register, NULL, ANYBODY},
    {"gateway.interfaces", faces_list, NULL, ANYBODY},
    {"gateway.send", faces_send, NULL, KEYS},
    {"gateway.key_create", admin_create, "key.create", KEYS},
    {"gateway.key_list", admin_list, NULL, KEYS},
    {"gateway.key_revoke", admin_revoke, "key.revoke", KEYS},
    {"gateway.key_rotate", admin_rotate, "key.rotate", KEYS},
    {"gateway.key_set", admin_set, "key.set", KEYS},
    {"gateway.limit_set", admin_limit_set, "key.limit", KEYS},
    {"gateway.limit_list", admin_limit_list, NULL, KEYS},
    {"gateway.restore_from", restore_from, NULL, KEYS},
    {"gateway.restore", restore_take, NULL, KEYS},
    {"gateway.status", status, NULL, ANYBODY},
    {"gateway.metrics", metrics, NULL, ANYBODY},
    {"service.health", health, NULL, ANYBODY},
};

/* Before the keys are known nobody can be judged but an operator of this machine. 1: it waits, or
 * is refused. */
static int must_wait(struct gateway *g, const struct aiex_message *m)
{
    struct refusal r;
    struct ask a;

    if (stored_knows(g) || ask_read(m, &a))
        return 0; /* what is no request is refused by its method */
    if (a.local && !a.demand_key && !secret_form(a.credential))
        return 0;
    if (spent_park(g, m, &r) < 0)
        refusal_send(g, m->id, &r, a.dialect);
    return 1;
}

int gateway_handle(struct gateway *g, const struct aiex_message *m)
{
    if (!g->refreshed) { /* messages come once the predecessor takes no more */
        g->refreshed = 1;
        look_again(g);
        stored_look(g);
    }
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(m->method, methods[i].name) == 0) {
            if (methods[i].who == KEYS && must_wait(g, m))
                return 0;
            return methods[i].act ? recorded_run(g, m, methods[i].act, methods[i].run)
                                  : methods[i].run(g, m);
        }
    return -ENOSYS;
}

static void cancelled(struct gateway *g, uint64_t id)
{
    chat_cancel(g, id);
    spent_cancel(g, id);
    template_cancel(g, id);
    recorded_cancel(g, id);
    change_cancel(g, id);
    job_store_cancel(g, id);
    jobs_cancel_request(g, id);
    gateway_maybe_drained(g);
}

/* What answers needs somebody to answer to: the rest of the methods is not for casts. */
static int take_cast(struct gateway *g, const struct aiex_message *m)
{
    if (strcmp(m->method, "gateway.settle") == 0)
        return settle_take(g, m->body);
    if (strcmp(m->method, "gateway.content") == 0)
        content_told(g, m->body);
    if (strcmp(m->method, "gateway.register") == 0)
        faces_told(g, m->body);
    return 0;
}

static int is_believed(const struct gateway *g, const struct aiex_message *m)
{
    if (pattern_in_list(g->config->operators, m->caller))
        return 1;
    return strncmp(m->method, "gateway.restore", 15) == 0 &&
           pattern_in_list(g->config->restorers, m->caller);
}

/* The host says who asks. From here on a caller is somebody whose word for an operator counts, or
 * nobody; the text stays with messages that wait. A host before 1.2 says nothing: all are believed.
 */
static struct aiex_message vouched(const struct gateway *g, const struct aiex_message *m)
{
    struct aiex_message copy = {.kind = 0};
    int known = AIEX_HAS(m, struct aiex_message, caller);

    memcpy(&copy, m, m->struct_size < sizeof(copy) ? m->struct_size : sizeof(copy));
    copy.struct_size = sizeof(copy);
    copy.caller = !known || is_believed(g, m) ? "operator" : "";
    return copy;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct gateway *g = self;
    struct aiex_message request;
    int r;

    switch (m->kind) {
    case AIEX_MSG_REQUEST:
        request = vouched(g, m);
        g->asker = AIEX_HAS(m, struct aiex_message, caller) ? m->caller : "";
        r = gateway_handle(g, &request);
        g->asker = "";
        return r;
    case AIEX_MSG_CAST:
        return take_cast(g, m);
    case AIEX_MSG_CANCEL:
        cancelled(g, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        feed_resume(g, m->id);
        return 0;
    case AIEX_MSG_EVENT:
        if (strcmp(m->method, "ledger.spent") == 0) {
            spent_again(g);
            return 0;
        }
        aiex_recast_event(&g->records, m);
        faces_event(g, m->body);
        return 0;
    default:
        return 0;
    }
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_gateway",
    .version = "0.1.0",
    .summary = "checks keys, limits and budgets of every request, and counts what it cost",
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
