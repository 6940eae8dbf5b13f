/*
 * openai.c - OpenAI, and every server that speaks its API, as a vendor of the provider kit.
 *
 * OpenAI itself has the responses API; of the others some have, so there it is an option. What
 * such a server can not take natively goes to its chat completions.
 */
#include <aiex_provider.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPENAI_HOST "https://api.openai.com"
#define DEFAULT_URL OPENAI_HOST "/v1"

struct config {
    struct aiex_provider_options common;
    const char *organization, *project;
    int64_t responses, stream_usage, require_done;
};

enum { RESPONSES_AUTO, RESPONSES_YES, RESPONSES_NO };
static const char *const responses_choices[] = {"auto", "yes", "no", NULL};

#define OPT(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "${OPENAI_BASE_URL:-" DEFAULT_URL "}",
                          "${OPENAI_API_KEY:-}"),
    {"organization", "", "sent as OpenAI-Organization when set", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(organization)},
    {"project", "", "sent as OpenAI-Project when set", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0,
     NULL, OPT(project)},
    {"responses", "auto",
     "the server has /responses; auto means api.openai.com; else chat completions are used",
     AIEX_OPT_CHOICE, AIEX_OPT_RELOADABLE, 0, 0, responses_choices, OPT(responses)},
    {"stream_usage", "yes", "ask for the token usage of every stream, so that it can be counted",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(stream_usage)},
    {"require_done", "yes",
     "a stream without data: [DONE] failed; no accepts a finish_reason and a proper close",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(require_done)},
    {0},
};

static int check(const void *config, struct aiex_error *err)
{
    const struct config *c = config;
    int r = aiex_provider_check_header("organization", c->organization, 200, err);

    return r ? r : aiex_provider_check_header("project", c->project, 200, err);
}

static int is_openai(const char *base)
{
    size_t n = strlen(OPENAI_HOST);

    return strncmp(base, OPENAI_HOST, n) == 0 && (!base[n] || base[n] == '/' || base[n] == ':');
}

static const char *blocked(const void *config, const char *base)
{
    const struct config *c = config;

    if (c->common.api_key[0] || !is_openai(base))
        return NULL;
    return "no api key: set OPENAI_API_KEY or the option api_key, or base_url to a local server";
}

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    if (c->common.api_key[0])
        aiex_provider_header(h, "authorization", "Bearer ", c->common.api_key);
    aiex_provider_header(h, "openai-organization", "", c->organization);
    aiex_provider_header(h, "openai-project", "", c->project);
}

static int speaks(const void *config, const char *base, int dialect)
{
    const struct config *c = config;

    if (dialect != AIEX_OPENAI_RESPONSES)
        return 1;
    return c->responses == RESPONSES_YES || (c->responses == RESPONSES_AUTO && is_openai(base));
}

static uint32_t quirks(const void *config, int dialect)
{
    const struct config *c = config;

    return (c->stream_usage ? 0 : AIEX_CHAT_NO_USAGE_ASK) |
           (c->require_done ? 0 : AIEX_CHAT_NO_DONE);
}

static const struct aiex_vendor_dialect dialects[] = {
    {AIEX_OPENAI_CHAT, "/chat/completions"},
    {AIEX_OPENAI_RESPONSES, "/responses"},
    {AIEX_OPENAI_COMPLETIONS, "/completions"},
    {AIEX_OPENAI_EMBEDDINGS, "/embeddings"},
    {0, NULL},
};

static const struct aiex_vendor vendor = {
    .dialects = dialects,
    .options = offsetof(struct config, common),
    .models_path = "/models",
    .models = aiex_provider_openai_models,
    .check = check,
    .blocked = blocked,
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
    .name = "provider_openai",
    .version = "0.2.0",
    .summary = "models of OpenAI and of servers that speak its API",
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
