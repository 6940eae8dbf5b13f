/* templates.c - the descriptor: options, life, dispatch. */
#include "restore.h"

#include <errno.h>

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {"store", "none",
     "service in whose stream templates are kept, the data folder being a cache of it; none or "
     "empty = they are kept in the data folder alone",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(store)},
    {"store_wait", "5s", "how long a request may wait for the store", AIEX_OPT_DURATION, 0, 100,
     60000, NULL, OPT(store_wait)},
    {"max_bytes", "64M", "all versions of all templates together; a put beyond it is refused",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 4096, 1 << 30, NULL, OPT(max_bytes)},
    {"max_versions", "1000", "versions of one template; a put beyond it is refused", AIEX_OPT_INT,
     AIEX_OPT_RELOADABLE, 1, 1000000, NULL, OPT(max_versions)},
    {0},
};

static const struct aiex_method methods[] = {
    {"templates.render", render_take},
    {"templates.show", show_take},
    {"templates.list", list_take},
    {"templates.put", change_take},
    {"templates.remove", change_take},
    {"templates.restore_from", restore_from_take},
    {RESTORE_METHOD, change_take},
    {"service.health", health_take},
    {0},
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct templates *t;

    if (!host->data_dir[0])
        return aiex_failed(err, -EINVAL, "templates have no data folder; give the host one");
    t = host->alloc(host, sizeof(*t));
    if (!t)
        return aiex_failed(err, -ENOMEM, "no memory");
    t->host = host;
    t->config = config;
    *ret_self = t;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct templates *t = self;
    int r = t->host->join(t->host, "templates", AIEX_NAME_UNIQUE);

    if (r < 0)
        return aiex_failed(err, r,
                           "the name 'templates' is taken by another instance; run one only");
    r = store_open(t, err);
    return r < 0 ? r : stored_start(t, err);
}

/* What is asked before it is known which templates there are. */
static int run(void *self, const struct aiex_message *m)
{
    return aiex_dispatch(methods, self, m);
}

static int take(struct templates *t, const struct aiex_message *m)
{
    if (t->fold && !t->looked) { /* a predecessor may have changed something until now */
        t->looked = 1;
        aiex_fold_look(t->fold);
    }
    if (!stored_knows(t) && strncmp(m->method, "templates.", 10) == 0)
        return kept_add(t, m, run);
    return run(t, m);
}

static int handle(void *self, const struct aiex_message *m)
{
    switch (m->kind) {
    case AIEX_MSG_REQUEST:
    case AIEX_MSG_CAST:
        return take(self, m);
    case AIEX_MSG_CANCEL:
        kept_cancel(self, m->id);
        return 0;
    default:
        return 0;
    }
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct templates *t = self;

    t->drained = done;
    t->drained_arg = arg;
    kept_drain(t);
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct templates *t = self;

    t->config = config;
    return 0;
}

static void destroy(void *self)
{
    struct templates *t = self;

    if (!t)
        return;
    stored_stop(t);
    store_close(t);
    t->host->release(t->host, t);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_templates",
    .version = "0.1.0",
    .summary = "prompt templates with versions and typed variables",
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
