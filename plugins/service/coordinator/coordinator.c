/* coordinator.c - the descriptor: life, reload, dispatch. The options are in options.c. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static int check_fallback(const struct config *config, struct aiex_error *err)
{
    if (config->fallback[0] && strlen(config->fallback) <= AIEX_MAX_NAME)
        return 0;
    snprintf(err->text, sizeof(err->text),
             "option 'fallback' is '%.80s'; say auto, none or the name of an instance",
             config->fallback);
    return -EINVAL;
}

/* Numbers that nobody can foresee: keys of hashes, lots, the name of this life. */
static void seed(struct coordinator *c)
{
    uint64_t random[4];

    if (getrandom(random, sizeof(random), GRND_NONBLOCK) != sizeof(random)) {
        uint64_t state = (uint64_t)(uintptr_t)c ^ c->host->now_ms(c->host);

        for (size_t i = 0; i < 4; i++)
            random[i] = strategy_random(&state);
    }
    c->secret[0] = random[0];
    c->secret[1] = random[1];
    c->random = random[2];
    c->cell = random[3] >> 1 | 1;
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct plan *plan = NULL;
    struct coordinator *c;
    int r = check_fallback(config, err);

    if (r == 0)
        r = plan_new(config, 1, &plan, err);
    if (r != 0)
        return r;
    c = host->alloc(host, sizeof(*c));
    if (!c) {
        plan_unref(plan);
        return -ENOMEM;
    }
    *ret_self = c;
    c->host = host;
    c->config = config;
    c->plan = plan;
    seed(c);
    retry_init(&c->budget, host->now_ms(host));
    if (c->config->affinity && !(c->affinity = affinity_new((size_t)c->config->affinity)))
        return -ENOMEM;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct coordinator *c = self;
    int r = c->host->join(c->host, "coordinator", AIEX_NAME_UNIQUE);

    if (r < 0) {
        snprintf(err->text, sizeof(err->text),
                 "the name 'coordinator' is taken by another instance; run one only");
        return r;
    }
    r = members_start(c, err);
    return r < 0 ? r : shelf_start(c);
}

#define PREFIX (sizeof("coordinator.") - 1)

static int request(struct coordinator *c, const struct aiex_message *m)
{
    for (int op = 0; op < N_OPERATIONS; op++)
        if (strcmp(m->method + PREFIX, operation_names[op]) == 0)
            return route_begin(c, m, (enum operation)op);
    if (strcmp(m->method, "coordinator.models") == 0)
        return report_models(c, m->id);
    if (strcmp(m->method, "coordinator.price") == 0)
        return report_price(c, m->id, m->body);
    if (strcmp(m->method, "coordinator.status") == 0)
        return report_status(c, m->id);
    if (strcmp(m->method, "coordinator.metrics") == 0)
        return metrics_reply(c, m->id);
    if (strcmp(m->method, "coordinator.settle") == 0) { /* a cast that was too long for one */
        settle_cast(c, m->body);
        return c->host->reply(c->host, m->id, (struct aiex_slice){NULL, 0});
    }
    return -ENOSYS;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct coordinator *c = self;

    switch (m->kind) {
    case AIEX_MSG_EVENT:
        if (!aiex_pressure_event(&c->pressure, m))
            members_event(c, m->body);
        return 0;
    case AIEX_MSG_CANCEL:
        route_cancel(c, m->id);
        report_cancel(c, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        route_resume(c, m->id);
        return 0;
    case AIEX_MSG_CAST:
        if (strcmp(m->method, "coordinator.settle") == 0)
            settle_cast(c, m->body);
        return 0;
    case AIEX_MSG_REQUEST:
        if (strncmp(m->method, "coordinator.", PREFIX) == 0)
            return request(c, m);
        if (strcmp(m->method, "service.health") == 0)
            return report_health(c, m->id);
        if (strcmp(m->method, "service.metrics") == 0)
            return shelf_metrics(c, m->id);
        return -ENOSYS;
    default:
        return 0;
    }
}

/* Requests that run keep the plan they began with. */
static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct coordinator *c = self;
    struct plan *plan;
    int r = plan_new(config, c->plan->version + 1, &plan, err);

    if (r != 0)
        return r;
    plan_unref(c->plan);
    c->plan = plan;
    c->config = config;
    shelf_reload(c);
    for (size_t i = 0; i < c->n_members; i++)
        wait_drain(c->members[i]); /* limits may have been raised */
    return 0;
}

static void destroy(void *self)
{
    struct coordinator *c = self;

    if (!c)
        return;
    route_free_all(c);
    settle_stop(c);
    members_stop(c);
    affinity_free(c->affinity);
    shelf_stop(c);
    plan_unref(c->plan);
    free(c->marked);
    c->host->release(c->host, c);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_coordinator",
    .version = "0.2.0",
    .summary = "chooses the provider of each request, keeps its limits, counts what it costs",
    .kind = "service/1",
    .options = coordinator_options,
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
