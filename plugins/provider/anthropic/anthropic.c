/*
 * anthropic.c - Anthropic's API as a vendor of the provider kit: messages natively, everything else
 * of a chat by translation, tokens counted by the vendor. It has no embeddings;
 * completions, also with a suffix, go to a chat.
 */
#include <aiex_provider.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ANTHROPIC_URL "https://api.anthropic.com"
#define LIST_PATH     "/v1/models?limit=1000"
#define MAX_PAGES     16

struct config {
    struct aiex_provider_options common;
    const char *auth_token, *version;
};

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "${ANTHROPIC_BASE_URL:-" ANTHROPIC_URL "}",
                          "${ANTHROPIC_API_KEY:-}"),
    {"auth_token", "${ANTHROPIC_AUTH_TOKEN:-}",
     "sent as bearer token, for servers that want that in place of a key", AIEX_OPT_SECRET,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(auth_token)},
    {"version", "2023-06-01", "sent as anthropic-version", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0,
     0, NULL, OPT(version)},
    {0},
};

static int check(const void *config, struct aiex_error *err)
{
    const struct config *c = config;
    int r = aiex_provider_check_header("auth_token", c->auth_token, 4000, err);

    return r ? r : aiex_provider_check_header("version", c->version, 100, err);
}

/* Some write it with the /v1 of the paths. */
static int base(const void *config, char *out, size_t size, struct aiex_error *err)
{
    const struct config *c = config;

    return aiex_provider_base(c->common.base_url, "/v1", out, size, err);
}

static const char *blocked(const void *config, const char *address)
{
    const struct config *c = config;

    if (c->common.api_key[0] || c->auth_token[0] || strcmp(address, ANTHROPIC_URL) != 0)
        return NULL;
    return "no api key: set ANTHROPIC_API_KEY or the option api_key";
}

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    aiex_provider_header(h, "x-api-key", "", c->common.api_key);
    if (c->auth_token[0])
        aiex_provider_header(h, "authorization", "Bearer ", c->auth_token);
    aiex_provider_header(h, "anthropic-version", "", c->version);
}

/* ---- The list of models, in pages ---- */

static int64_t seconds_of(const char *rfc3339)
{
    struct tm tm = {0};
    time_t t;

    if (sscanf(rfc3339, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    t = timegm(&tm);
    return t > 0 ? t : 0;
}

/* 1 when the vendor says so of a capability, also as {"supported": true}. */
static int supports(const struct aiex_json_span *capabilities, const char *name)
{
    struct aiex_json_span one, supported;

    return aiex_json_find(capabilities, name, &one) &&
           (one.type == AIEX_JSON_TRUE ||
            (aiex_json_find(&one, "supported", &supported) && supported.type == AIEX_JSON_TRUE));
}

static void read_model(const struct aiex_json_span *model, struct aiex_provider_model *e)
{
    struct aiex_json_span capabilities;
    char created[40];

    aiex_provider_take_text(model, "id", e->id, sizeof(e->id));
    aiex_provider_take_text(model, "display_name", e->name, sizeof(e->name));
    aiex_provider_take_text(model, "created_at", created, sizeof(created));
    snprintf(e->owned_by, sizeof(e->owned_by), "anthropic");
    e->created = seconds_of(created);
    e->context = aiex_provider_take_int(model, "max_input_tokens");
    e->output = aiex_provider_take_int(model, "max_tokens");
    e->can = AIEX_CAN_CHAT | AIEX_CAN_TOOLS | AIEX_CAN_VISION | AIEX_CAN_JSON;
    if (aiex_json_find(model, "capabilities", &capabilities)) {
        if (!supports(&capabilities, "image_input"))
            e->can &= ~AIEX_CAN_VISION;
        if (supports(&capabilities, "thinking"))
            e->can |= AIEX_CAN_REASONING;
    }
}

/* Ids go into a path as they are, so they must be plain. */
static int next_page(struct aiex_provider_turn *t, const struct aiex_json_span *last)
{
    char id[AIEX_PROVIDER_MAX_MODEL + 1];

    if (aiex_json_text(last, id, sizeof(id)) <= 0 ||
        id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:@")])
        return -EINVAL;
    snprintf(t->path, sizeof(t->path), LIST_PATH "&after_id=%s", id);
    return 0;
}

static int models(struct aiex_provider_turn *t)
{
    enum { DATA, MORE, LAST, N };
    struct aiex_json_field f[N] = {{.key = "data"}, {.key = "has_more"}, {.key = "last_id"}};
    struct aiex_json_span model;
    size_t at = 0;

    if (aiex_json_scan(t->body, 0, f, N, NULL) != AIEX_JSON_OBJECT ||
        f[DATA].value.type != AIEX_JSON_ARRAY)
        return -EINVAL;
    while (aiex_json_next(&f[DATA].value, &at, NULL, &model)) {
        struct aiex_provider_model *e = aiex_provider_list_add(t->list);

        if (!e)
            return t->list->n == AIEX_PROVIDER_MAX_LIST ? 0 : -ENOMEM;
        read_model(&model, e);
        if (!e->id[0])
            t->list->n--; /* no usable name: left out */
    }
    if (f[MORE].value.type != AIEX_JSON_TRUE || t->turn + 1 == MAX_PAGES)
        return 0;
    return next_page(t, &f[LAST].value);
}

/* ---- The vendor ---- */

static const struct aiex_vendor_dialect dialects[] = {
    {AIEX_ANTHROPIC_MESSAGES, "/v1/messages"},
    {0, NULL},
};

static const char *const forward[] = {"anthropic-beta", NULL};

/* What count_tokens takes of a request for messages; others it refuses. */
static const char *const count_keys[] = {
    "messages",    "model",         "system",        "tools", "tool_choice",   "thinking",
    "mcp_servers", "output_config", "output_format", "speed", "cache_control", "context_management",
    NULL};

static const struct aiex_vendor vendor = {
    .dialects = dialects,
    .options = offsetof(struct config, common),
    .forward = forward,
    .models_path = LIST_PATH,
    .models = models,
    .count_path = "/v1/messages/count_tokens",
    .count_keys = count_keys,
    .check = check,
    .base = base,
    .blocked = blocked,
    .headers = headers,
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
    .name = "provider_anthropic",
    .version = "0.1.0",
    .summary = "models of Anthropic and of servers that speak its messages API",
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
