/* templates.c - the descriptor: options, life, dispatch. */
#include "templates.h"

#include <errno.h>

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
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
    {"templates.put", put_take},
    {"templates.remove", remove_take},
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
    return store_open(t, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    return m->kind == AIEX_MSG_REQUEST || m->kind == AIEX_MSG_CAST ? aiex_dispatch(methods, self, m)
                                                                   : 0;
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
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
