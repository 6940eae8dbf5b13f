/*
 * lmstudio.c - a local LM Studio as a vendor of the provider kit: its OpenAI endpoints, and its own
 * list (/api/v0/models), which says what is loaded, how long the context is and what a model can.
 * Versions without that list, which answer any unknown path with status 200 and an error, have
 * OpenAI's.
 */
#include <aiex_provider.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct config {
    struct aiex_provider_options common;
    int64_t responses, require_done;
};

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "${LMSTUDIO_BASE_URL:-http://127.0.0.1:1234/v1}",
                          "${LMSTUDIO_API_KEY:-}"),
    {"responses", "no", "use its /v1/responses for clients of that API (0.3.29 and later have it)",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, responses)},
    {"require_done", "yes",
     "a stream without data: [DONE] failed; no accepts a finish_reason and a proper close",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, require_done)},
    {0},
};

static int base(const void *config, char *out, size_t size, struct aiex_error *err)
{
    const struct config *c = config;

    return aiex_provider_base(c->common.base_url, "/v1", out, size, err);
}

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    if (c->common.api_key[0])
        aiex_provider_header(h, "authorization", "Bearer ", c->common.api_key);
}

static int speaks(const void *config, const char *address, int dialect)
{
    const struct config *c = config;

    return dialect != AIEX_OPENAI_RESPONSES || c->responses;
}

static uint32_t quirks(const void *config, int dialect)
{
    const struct config *c = config;

    return c->require_done ? 0 : AIEX_CHAT_NO_DONE;
}

/* ---- The list of models ---- */

static uint32_t abilities(const struct aiex_json_span *model, const char *type)
{
    struct aiex_json_span list, name;
    uint32_t can = 0;
    size_t at = 0;

    if (strcmp(type, "embeddings") == 0)
        return AIEX_CAN_EMBEDDINGS;
    if (strcmp(type, "llm") == 0 || strcmp(type, "vlm") == 0)
        can = AIEX_CAN_CHAT | AIEX_CAN_JSON | AIEX_CAN_FIM;
    if (strcmp(type, "vlm") == 0)
        can |= AIEX_CAN_VISION;
    if (!aiex_json_find(model, "capabilities", &list))
        can |= can ? AIEX_CAN_TOOLS : 0; /* before 0.3.16: its own prompt for every model */
    while (aiex_json_next(&list, &at, NULL, &name))
        can |= aiex_json_is(&name, "tool_use") ? AIEX_CAN_TOOLS : 0;
    return can;
}

static void read_model(const struct aiex_json_span *model, struct aiex_provider_model *e)
{
    char type[32], state[32];

    aiex_provider_take_text(model, "id", e->id, sizeof(e->id));
    aiex_provider_take_text(model, "publisher", e->owned_by, sizeof(e->owned_by));
    aiex_provider_take_text(model, "arch", e->family, sizeof(e->family));
    aiex_provider_take_text(model, "quantization", e->quantization, sizeof(e->quantization));
    aiex_provider_take_text(model, "type", type, sizeof(type));
    aiex_provider_take_text(model, "state", state, sizeof(state));
    e->limit = aiex_provider_take_int(model, "max_context_length");
    e->running = aiex_provider_take_int(model, "loaded_context_length");
    e->context = e->running ? e->running : e->limit;
    e->loaded = state[0] ? strcmp(state, "loaded") == 0 : -1;
    e->can = abilities(model, type);
}

static int models(struct aiex_provider_turn *t)
{
    struct aiex_json_field data = {.key = "data"};
    struct aiex_json_span model;
    size_t at = 0;

    if (t->turn > 0)
        return aiex_provider_openai_models(t);
    if (aiex_json_scan(t->body, 0, &data, 1, NULL) != AIEX_JSON_OBJECT ||
        data.value.type != AIEX_JSON_ARRAY) {
        snprintf(t->path, sizeof(t->path), "/v1/models");
        return 0;
    }
    while (aiex_json_next(&data.value, &at, NULL, &model)) {
        struct aiex_provider_model *e = aiex_provider_list_add(t->list);

        if (!e)
            return t->list->n == AIEX_PROVIDER_MAX_LIST ? 0 : -ENOMEM;
        read_model(&model, e);
        if (!e->id[0])
            t->list->n--; /* no usable name: left out */
    }
    return 0;
}

/* ---- The vendor ---- */

static const struct aiex_vendor_dialect dialects[] = {
    {AIEX_OPENAI_CHAT, "/v1/chat/completions"},
    {AIEX_OPENAI_RESPONSES, "/v1/responses"},
    {AIEX_OPENAI_COMPLETIONS, "/v1/completions"},
    {AIEX_OPENAI_EMBEDDINGS, "/v1/embeddings"},
    {0, NULL},
};

static const struct aiex_vendor vendor = {
    .dialects = dialects,
    .options = offsetof(struct config, common),
    .flags = AIEX_VENDOR_LOCAL,
    .models_path = "/api/v0/models",
    .models = models,
    .base = base,
    .headers = headers,
    .speaks = speaks,
    .quirks = quirks,
};

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    return aiex_provider_create(&vendor, host, config, ret_self, err);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "provider_lmstudio",
    .version = "0.1.0",
    .summary = "models of an LM Studio server, found on this machine by itself",
    .kind = "provider/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_HTTP,
    .create = create,
    .start = aiex_provider_start,
    .handle = aiex_provider_handle,
    .reload = aiex_provider_reload,
    .destroy = aiex_provider_destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
