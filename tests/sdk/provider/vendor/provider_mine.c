/* provider_mine.c - the example of aiex_provider.h, as it stands there, with its descriptor. */
#include <aiex_provider.h>

struct config {
    struct aiex_provider_options common;
    const char *region;
};

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "${MINE_URL:-http://127.0.0.1:9/v1}",
                          "${MINE_API_KEY:-}"),
    {"region", "", "where the models run", AIEX_OPT_STRING, 0, 0, 0, NULL,
     offsetof(struct config, region)},
    {0},
};

static const struct aiex_vendor_dialect dialects[] = {{AIEX_OPENAI_CHAT, "/chat/completions"},
                                                      {0, NULL}};

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    aiex_provider_header(h, "authorization", "Bearer %s", c->common.api_key);
    aiex_provider_header(h, "x-region", "%s", c->region);
}

static const struct aiex_vendor vendor = {.dialects = dialects,
                                          .options = offsetof(struct config, common),
                                          .headers = headers,
                                          .models_path = "/models",
                                          .models = aiex_provider_openai_models};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    return aiex_provider_create(&vendor, host, config, ret_self, err);
}

static const struct aiex_plugin plugin = {.magic = AIEX_ABI_MAGIC,
                                          .struct_size = sizeof(struct aiex_plugin),
                                          .abi_major = AIEX_ABI_MAJOR,
                                          .abi_minor = AIEX_ABI_MINOR,
                                          .option_size = sizeof(struct aiex_option),
                                          .name = "provider_mine",
                                          .version = "0.1.0",
                                          .summary = "models of my own server",
                                          .kind = "provider/1",
                                          .options = options,
                                          .config_size = sizeof(struct config),
                                          .needs = AIEX_NEED_HTTP,
                                          .create = create,
                                          .start = aiex_provider_start,
                                          .handle = aiex_provider_handle,
                                          .reload = aiex_provider_reload,
                                          .destroy = aiex_provider_destroy};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
