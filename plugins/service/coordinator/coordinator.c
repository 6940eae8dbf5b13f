/* coordinator.c - the descriptor: options, life, dispatch. */
#include "coordinator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPT(field) offsetof(struct config, field)

static const char *const strategies[] = {"first_healthy", NULL};
static const char *const unlisted[] = {"refuse", "pass", NULL};

static const struct aiex_option options[] = {
    {"strategy", "first_healthy",
     "how a provider is picked: the first healthy one that has the model", AIEX_OPT_CHOICE, 0, 0, 0,
     strategies, OPT(strategy)},
    {"providers", "auto",
     "instances in order of preference, separated by commas; auto takes all of kind provider",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(providers)},
    {"fallback", "auto",
     "instance that answers when no provider is reachable; auto = provider_offline, none = an "
     "error",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(fallback)},
    {"auto_model", "",
     "model that the name `auto` stands for; empty = the first one that the chosen provider lists",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(auto_model)},
    {"unlisted", "refuse",
     "a model that no provider lists: refuse with not_found, or pass to the first healthy provider",
     AIEX_OPT_CHOICE, AIEX_OPT_RELOADABLE, 0, 0, unlisted, OPT(unlisted)},
    {"attempts", "3", "providers tried for one request, without the fallback", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 16, NULL, OPT(attempts)},
    {"health_interval", "10s", "time between two rounds of questions to all providers",
     AIEX_OPT_DURATION, 0, 100, 3600000, NULL, OPT(health_interval)},
    {"accounting_events", "no",
     "publish coordinator.call with provider, model and tokens of each call", AIEX_OPT_BOOL,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(accounting_events)},
    {0},
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *cfg = config;
    struct coordinator *c;

    if (!cfg->fallback[0] || strlen(cfg->fallback) > AIEX_MAX_NAME) {
        snprintf(err->text, sizeof(err->text),
                 "option 'fallback' is '%.80s'; say auto, none or the name of an instance",
                 cfg->fallback);
        return -EINVAL;
    }
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->host = host;
    c->config = config;
    *ret_self = c;
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
    return members_start(c, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    struct coordinator *c = self;

    switch (m->kind) {
    case AIEX_MSG_EVENT:
        members_event(c, m->body);
        return 0;
    case AIEX_MSG_CANCEL:
        route_cancel(c, m->id);
        report_cancel(c, m->id);
        return 0;
    case AIEX_MSG_REQUEST:
        if (strcmp(m->method, "coordinator.chat") == 0)
            return route_begin(c, m);
        if (strcmp(m->method, "coordinator.models") == 0)
            return report_models(c, m->id);
        if (strcmp(m->method, "coordinator.status") == 0)
            return report_status(c, m->id);
        if (strcmp(m->method, "service.health") == 0)
            return report_health(c, m->id);
        return -ENOSYS;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct coordinator *c = self;

    c->config = config;
    return 0;
}

static void destroy(void *self)
{
    struct coordinator *c = self;

    if (!c)
        return;
    route_free_all(c);
    members_stop(c);
    c->host->release(c->host, c);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_coordinator",
    .version = "0.1.0",
    .summary = "picks a provider for every chat and tries another one when it fails",
    .kind = "service/1",
    .options = options,
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
