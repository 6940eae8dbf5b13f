/* projections.c - the descriptor: which projections run here, how they are. */
#include "projections.h"

#include <aiex_metrics.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define OPT(field)  offsetof(struct config, field)
#define MAX_REASONS 400u

/* All of the product. A projection is taken by the name of its rows, too: who wants them calls it.
 */
static const struct {
    const struct aiex_projection *projection;
    struct aiex_method report;
} known[] = {
    {&session_usage, {"session_usage.report", report_take}},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

static const struct aiex_option options[] = {
    {"run", "all", "projections of this instance: names with commas, or all", AIEX_OPT_STRING, 0, 0,
     0, NULL, OPT(run)},
    {"store", "store", "name of the store with events and rows", AIEX_OPT_STRING, 0, 0, 0, NULL,
     OPT(store)},
    {"look", "1s", "pause between two looks for new events", AIEX_OPT_DURATION, 0, 10, 600000, NULL,
     OPT(look)},
    {0},
};

/* ---- What is told ---- */

static struct aiex_projection_state state_of(const struct projections *p, size_t i)
{
    struct aiex_projection_state s = {.state = "starting", .error = "", .lag = -1};

    aiex_projection_state(p->all, p->running[i]->name, &s);
    return s;
}

static int health_take(void *self, const struct aiex_message *m)
{
    struct projections *p = self;
    char reason[MAX_REASONS] = "";
    size_t n = 0;

    for (size_t i = 0; i < p->n_running; i++) {
        struct aiex_projection_state s = state_of(p, i);

        if (strcmp(s.state, "failed") == 0 && n < sizeof(reason) - 1)
            n += (size_t)snprintf(reason + n, sizeof(reason) - n, "%s%s has failed: %.200s",
                                  n ? "; " : "", p->running[i]->name, s.error);
    }
    if (n)
        return aiex_reply_health(p->host, m->id, 0, reason);
    snprintf(reason, sizeof(reason), "%zu projections run", p->n_running);
    return aiex_reply_health(p->host, m->id, 1, reason);
}

static const struct {
    const char *name, *type, *help;
} families[] = {
    {"aiex_projection_lag_events", "gauge",
     "Events of the store that the rows do not have yet, -1 = not known."},
    {"aiex_projection_events_total", "counter", "Events that were projected since the start."},
    {"aiex_projection_failures_total", "counter", "Times that a projection has failed."},
    {"aiex_projection_failed", "gauge", "1 when the projection stands at an event or its store."},
};

static double value_of(const struct aiex_projection_state *s, size_t family)
{
    const double values[] = {(double)s->lag, (double)s->events, (double)s->failures,
                             strcmp(s->state, "failed") == 0};

    return values[family];
}

static int metrics_take(void *self, const struct aiex_message *m)
{
    struct projections *p = self;
    struct aiex_metrics page;

    aiex_metrics_begin(&page, p->host);
    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        aiex_metrics_family(&page, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < p->n_running; i++) {
            const struct aiex_projection_state s = state_of(p, i);
            const char *const labels[] = {"projection", p->running[i]->name, NULL};

            aiex_metrics_sample(&page, labels, value_of(&s, f));
        }
    }
    return aiex_metrics_reply(&page, m->id);
}

static const struct aiex_method methods[] = {
    {"service.health", health_take},
    {"service.metrics", metrics_take},
    {0},
};

static int handle(void *self, const struct aiex_message *m)
{
    struct projections *p = self;
    int r;

    if (m->kind == AIEX_MSG_CANCEL)
        report_cancel(p, m->id);
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return 0;
    r = aiex_projections_handle(p->all, m);
    for (size_t i = 0; r == -ENOSYS && i < p->n_running; i++)
        for (size_t k = 0; k < N_KNOWN; k++)
            if (known[k].projection == p->running[i] &&
                strcmp(m->method, known[k].report.name) == 0)
                return known[k].report.fn(p, m);
    return r == -ENOSYS ? aiex_dispatch(methods, p, m) : r;
}

/* ---- Life ---- */

static int add(struct projections *p, const char *name, struct aiex_error *err)
{
    const int all = strcmp(name, "all") == 0;
    size_t before = p->n_running;

    for (size_t i = 0; i < N_KNOWN; i++) {
        const struct aiex_projection *one = known[i].projection;
        int twice = 0;

        for (size_t k = 0; k < p->n_running; k++)
            twice |= p->running[k] == one;
        if (!twice && (all || strcmp(one->name, name) == 0))
            p->running[p->n_running++] = one;
        else if (twice && strcmp(one->name, name) == 0)
            before = MAX_PROJECTIONS; /* named twice is no mistake */
    }
    if (p->n_running > before || before == MAX_PROJECTIONS || all)
        return 0;
    return aiex_failed(err, -EINVAL, "there is no projection '%.60s'; run = all, or some of: %s",
                       name, session_usage.name);
}

static int read_run(struct projections *p, struct aiex_error *err)
{
    char *text = strdup(p->config->run), *rest = text, *word;
    int r = text ? 0 : aiex_failed(err, -ENOMEM, "no memory");

    while (r == 0 && (word = strsep(&rest, ", ")))
        r = *word ? add(p, word, err) : 0;
    free(text);
    if (r == 0 && !p->n_running)
        r = aiex_failed(err, -EINVAL, "'run' names no projection; run = all, or some of: %s",
                        session_usage.name);
    return r;
}

static void destroy(void *self)
{
    struct projections *p = self;

    if (!p)
        return;
    reports_drop(p);
    aiex_projections_free(p->all);
    p->host->release(p->host, p);
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct projections *p = host->alloc(host, sizeof(*p));
    int r;

    if (!p)
        return aiex_failed(err, -ENOMEM, "no memory");
    p->host = host;
    p->config = config;
    *ret_self = p;
    r = read_run(p, err);
    if (r == 0 &&
        aiex_projections_new(
            &(struct aiex_projections_setting){
                .host = host, .store = p->config->store, .look_ms = (uint32_t)p->config->look},
            &p->all) != 0)
        r = aiex_failed(err, -ENOMEM, "no memory");
    return r;
}

static int start_one(struct projections *p, const struct aiex_projection *one,
                     struct aiex_error *err)
{
    int r = p->host->join(p->host, one->name, AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r,
                           "projection '%s' runs in another instance; take it out of one 'run'",
                           one->name);
    r = aiex_projection_start(p->all, one);
    return r < 0 ? aiex_failed(err, r, "no memory for projection '%s'", one->name) : 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct projections *p = self;
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n_running; i++)
        r = start_one(p, p->running[i], err);
    if (r == 0 && aiex_metrics_join(p->host) < 0)
        aiex_logf(p->host, AIEX_LOG_WARN, 0, "the page of metrics lacks this instance");
    return r;
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_projections",
    .version = "0.1.0",
    .summary = "turns stored events into statistics, apart from everybody else",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = create,
    .start = start,
    .handle = handle,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
