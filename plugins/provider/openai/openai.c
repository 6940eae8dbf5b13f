/* openai.c - the descriptor: options, life, dispatch; and how every request to the vendor looks. */
#include "openai.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPT(field) offsetof(struct openai_config, field)

static const struct aiex_option options[] = {
    {"base_url", "${OPENAI_BASE_URL:-" OPENAI_DEFAULT_URL "}",
     "address of the API, without /chat/completions", AIEX_OPT_STRING, 0, 0, 0, NULL,
     OPT(base_url)},
    {"api_key", "${OPENAI_API_KEY:-}", "key sent as bearer token; empty for servers that need none",
     AIEX_OPT_SECRET, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(api_key)},
    {"organization", "", "sent as OpenAI-Organization when set", AIEX_OPT_STRING,
     AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(organization)},
    {"models", "", "fixed list of model names, separated by commas; empty asks the server",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(models)},
    {"model_prefix", "", "put before every listed model name, taken off before a request is sent",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(model_prefix)},
    {"stream_usage", "yes", "ask for the token usage of every stream, so that it can be counted",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(stream_usage)},
    {"require_done", "yes",
     "a stream without data: [DONE] failed; no accepts a finish_reason and a proper close",
     AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0, NULL, OPT(require_done)},
    {"connect_timeout", "5s", "limit for a connection with TLS", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 1, 600000, NULL, OPT(connect_timeout)},
    {"first_byte_timeout", "60s", "limit from the request to the first byte of the answer",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 1, 3600000, NULL, OPT(first_byte_timeout)},
    {"idle_timeout", "60s", "limit between two bytes of an answer", AIEX_OPT_DURATION,
     AIEX_OPT_RELOADABLE, 1, 3600000, NULL, OPT(idle_timeout)},
    {"total_timeout", "0s", "limit for a whole answer; 0s leaves it to the call's deadline",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, 86400000, NULL, OPT(total_timeout)},
    {"probe_interval", "30s", "time between two health probes (GET /models); 0s probes only once",
     AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, 0, 86400000, NULL, OPT(probe_interval)},
    {"verify_tls", "yes", "check the server's certificate", AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0,
     0, NULL, OPT(verify_tls)},
    {0},
};

void openai_log(const struct openai *o, uint32_t level, uint64_t trace, const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    o->host->log(o->host, level, trace, text);
}

/* Length of the base url without slashes at its end. */
static size_t base_len(const char *url)
{
    size_t n = strlen(url);

    while (n && url[n - 1] == '/')
        n--;
    return n;
}

const char *openai_blocked(const struct openai *o)
{
    const char *url = o->config->base_url;

    if (o->config->api_key[0] || base_len(url) != strlen(OPENAI_DEFAULT_URL) ||
        strncmp(url, OPENAI_DEFAULT_URL, strlen(OPENAI_DEFAULT_URL)) != 0)
        return NULL;
    return "no api key: set OPENAI_API_KEY or the option api_key, or base_url to a local server";
}

void openai_request(const struct openai *o, const char *path, const char *accept,
                    struct openai_texts *t, struct aiex_http_request *q)
{
    const struct openai_config *cfg = o->config;
    size_t n = 0;

    snprintf(t->url, sizeof(t->url), "%.*s%s", (int)base_len(cfg->base_url), cfg->base_url, path);
    t->headers[n++] = (struct aiex_http_header){"accept", accept};
    if (cfg->api_key[0]) {
        snprintf(t->bearer, sizeof(t->bearer), "Bearer %s", cfg->api_key);
        t->headers[n++] = (struct aiex_http_header){"authorization", t->bearer};
    }
    if (cfg->organization[0])
        t->headers[n++] = (struct aiex_http_header){"openai-organization", cfg->organization};
    *q = (struct aiex_http_request){
        .struct_size = sizeof(*q),
        .flags = cfg->verify_tls ? 0 : AIEX_HTTP_NO_VERIFY,
        .method = "GET",
        .url = t->url,
        .headers = t->headers,
        .n_headers = n,
        .connect_ms = (uint32_t)cfg->connect_timeout,
        .first_byte_ms = (uint32_t)cfg->first_byte_timeout,
        .idle_ms = (uint32_t)cfg->idle_timeout,
        .total_ms = (uint32_t)cfg->total_timeout,
    };
}

/* A value that ends up in a header: visible characters only, within `max`. */
static int check_header(const char *name, const char *value, size_t max, struct aiex_error *err)
{
    size_t n = strlen(value);

    for (size_t i = 0; i < n; i++)
        if (value[i] < 0x21 || value[i] > 0x7e) {
            snprintf(err->text, sizeof(err->text),
                     "option '%s' has a character that a header can not carry at position %zu",
                     name, i + 1);
            return -EINVAL;
        }
    if (n > max) {
        snprintf(err->text, sizeof(err->text), "option '%s' is longer than %zu bytes", name, max);
        return -EINVAL;
    }
    return 0;
}

static int check(const struct openai_config *cfg, struct aiex_error *err)
{
    const char *url = cfg->base_url;

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        snprintf(err->text, sizeof(err->text),
                 "option 'base_url' is '%.200s'; it must begin with http:// or https://", url);
        return -EINVAL;
    }
    if (check_header("base_url", url, 1800, err) != 0 ||
        check_header("api_key", cfg->api_key, 1000, err) != 0 ||
        check_header("organization", cfg->organization, 200, err) != 0)
        return -EINVAL;
    if (strlen(cfg->model_prefix) > 100) {
        snprintf(err->text, sizeof(err->text), "option 'model_prefix' is longer than 100 bytes");
        return -EINVAL;
    }
    return 0;
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct aiex_http *http = host->extension(host, AIEX_HTTP_ID);
    struct openai *o;
    int r = check(config, err);

    if (r != 0)
        return r;
    if (!http) {
        snprintf(err->text, sizeof(err->text), "this host offers no extension '%s'", AIEX_HTTP_ID);
        return -ENOTSUP;
    }
    o = host->alloc(host, sizeof(*o));
    if (!o)
        return -ENOMEM;
    *ret_self = o;
    o->host = host;
    o->http = http;
    o->config = config;
    return models_init(o, err);
}

static int start(void *self, struct aiex_error *err)
{
    struct openai *o = self;
    int r = o->host->join(o->host, "provider", AIEX_NAME_GROUP);

    if (r < 0) {
        snprintf(err->text, sizeof(err->text), "can not join the group 'provider'");
        return r;
    }
    health_start(o);
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct openai *o = self;

    switch (m->kind) {
    case AIEX_MSG_CANCEL:
        chat_cancel(o, m->id);
        models_cancel(o, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        chat_resume(o, m->id);
        return 0;
    case AIEX_MSG_REQUEST:
        if (strcmp(m->method, "provider.chat") == 0)
            return chat_begin(o, m);
        if (strcmp(m->method, "provider.models") == 0)
            return models_request(o, m->id);
        if (strcmp(m->method, "provider.health") == 0)
            return health_answer(o, m->id);
        return -ENOSYS;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct openai *o = self;
    int r = check(config, err);

    if (r != 0)
        return r;
    o->config = config;
    health_again(o);
    return 0;
}

static void destroy(void *self)
{
    struct openai *o = self;

    if (!o)
        return;
    chat_free_all(o);
    health_stop(o);
    models_done(o);
    o->host->release(o->host, o);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "provider_openai",
    .version = "0.1.0",
    .summary = "chat completions of OpenAI and of servers that speak its API",
    .kind = "provider/1",
    .options = options,
    .config_size = sizeof(struct openai_config),
    .needs = AIEX_NEED_HTTP,
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
