/*
 * ollama.c - a local Ollama as a vendor of the provider kit: its own chat, generate (with a suffix
 * for code in the middle) and embed, and its own lists.
 *
 * What a model is takes three lists: /api/tags names what is installed, /api/ps what is loaded now
 * and with how much context, /api/show says what one model can. The last one is asked once for each
 * version of a model (by its digest).
 */
#include <aiex_provider.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SHOWN 256 /* models whose details are asked for in one reading */

struct config {
    struct aiex_provider_options common;
    const char *port, *num_ctx;
};

static const struct aiex_option options[] = {
    AIEX_PROVIDER_OPTIONS(struct config, common, "${OLLAMA_HOST:-127.0.0.1:11434}",
                          "${OLLAMA_API_KEY:-}"),
    {"port", ":11434", "port, with its colon, of a base_url that says neither http:// nor a port",
     AIEX_OPT_STRING, 0, 0, 0, NULL, offsetof(struct config, port)},
    {"num_ctx", "auto",
     "context to ask for where a client asks for none: auto (what prompt and answer need), off, or "
     "a number of tokens",
     AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, num_ctx)},
    {0},
};

/* ---- The address, as OLLAMA_HOST says it ---- */

/* A server that listens everywhere is reached here. */
static const char *reachable(const char *host, size_t n)
{
    if (n == 0 || (n == 7 && memcmp(host, "0.0.0.0", 7) == 0))
        return "127.0.0.1";
    if (n == 4 && memcmp(host, "[::]", 4) == 0)
        return "[::1]";
    return NULL;
}

/* "", "host", "host:port", ":port", "http://host:port/", also with the /v1 of OpenAI clients. */
static int base(const void *config, char *out, size_t size, struct aiex_error *err)
{
    const struct config *c = config;
    const char *url = c->common.base_url, *scheme = strstr(url, "://"), *host, *known;
    size_t n, n_scheme = scheme ? (size_t)(scheme - url) + 3 : 0;
    char whole[AIEX_PROVIDER_MAX_URL];

    host = url + n_scheme;
    n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/");
    if (n > strlen(host)) {
        snprintf(err->text, sizeof(err->text), "option 'base_url' is '%.200s'; ']' is missing",
                 url);
        return -EINVAL;
    }
    known = reachable(host, n);
    snprintf(whole, sizeof(whole), "%.*s%.*s%s%s", n_scheme ? (int)n_scheme : 7,
             n_scheme ? url : "http://", known ? (int)strlen(known) : (int)n, known ? known : host,
             n_scheme || host[n] == ':' ? "" : c->port, host + n);
    return aiex_provider_base(whole, "/v1", out, size, err);
}

/* Of what check() let through. */
static int64_t num_ctx(const void *config)
{
    const struct config *c = config;

    if (strcmp(c->num_ctx, "auto") == 0)
        return AIEX_CHAT_FIT;
    return strcmp(c->num_ctx, "off") == 0 ? 0 : strtoll(c->num_ctx, NULL, 10);
}

static int check_num_ctx(const struct config *c, struct aiex_error *err)
{
    size_t n = strspn(c->num_ctx, "0123456789");

    if (strcmp(c->num_ctx, "auto") == 0 || strcmp(c->num_ctx, "off") == 0 ||
        (n >= 1 && n <= 8 && !c->num_ctx[n] && num_ctx(c) > 0))
        return 0;
    snprintf(err->text, sizeof(err->text),
             "option 'num_ctx' is '%.50s'; write auto, off or a number of tokens such as 32768",
             c->num_ctx);
    return -EINVAL;
}

static int check(const void *config, struct aiex_error *err)
{
    const struct config *c = config;
    size_t n = strspn(c->port[0] == ':' ? c->port + 1 : "", "0123456789");

    if (n >= 1 && n <= 5 && !c->port[n + 1])
        return check_num_ctx(c, err);
    snprintf(err->text, sizeof(err->text), "option 'port' is '%.50s'; write it as :11434", c->port);
    return -EINVAL;
}

static void headers(const void *config, struct aiex_provider_headers *h)
{
    const struct config *c = config;

    if (c->common.api_key[0])
        aiex_provider_header(h, "authorization", "Bearer ", c->common.api_key);
}

/* ---- The list of models ---- */

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u;

    while (*text)
        h = (h ^ (unsigned char)*text++) * 1099511628211u;
    return h;
}

static int array_of(struct aiex_slice body, const char *key, struct aiex_json_span *ret)
{
    struct aiex_json_field f = {.key = key};

    if (aiex_json_scan(body, 0, &f, 1, NULL) != AIEX_JSON_OBJECT || f.value.type != AIEX_JSON_ARRAY)
        return -EINVAL;
    *ret = f.value;
    return 0;
}

static void read_tag(const struct aiex_json_span *tag, struct aiex_provider_model *e)
{
    struct aiex_json_span details;
    char digest[129];

    aiex_provider_take_text(tag, "name", e->id, sizeof(e->id));
    aiex_provider_take_text(tag, "digest", digest, sizeof(digest));
    e->stamp = digest[0] ? hash(digest) : 0;
    e->bytes = aiex_provider_take_int(tag, "size");
    e->loaded = 0;
    snprintf(e->owned_by, sizeof(e->owned_by), "ollama");
    if (!aiex_json_find(tag, "details", &details))
        return;
    aiex_provider_take_text(&details, "family", e->family, sizeof(e->family));
    aiex_provider_take_text(&details, "parameter_size", e->parameters, sizeof(e->parameters));
    aiex_provider_take_text(&details, "quantization_level", e->quantization,
                            sizeof(e->quantization));
}

static int read_tags(struct aiex_provider_turn *t)
{
    struct aiex_json_span tags, tag;
    size_t at = 0;

    if (array_of(t->body, "models", &tags) != 0)
        return -EINVAL;
    while (aiex_json_next(&tags, &at, NULL, &tag)) {
        struct aiex_provider_model *e = aiex_provider_list_add(t->list), *known;

        if (!e)
            return t->list->n == AIEX_PROVIDER_MAX_LIST ? 0 : -ENOMEM;
        read_tag(&tag, e);
        known = e->id[0] ? aiex_provider_list_find(t->old, e->id) : NULL;
        if (!e->id[0]) {
            t->list->n--; /* no usable name: left out */
        } else if (known && e->stamp && known->stamp == e->stamp) {
            e->can = known->can;
            e->limit = e->context = known->limit;
        }
    }
    return 0;
}

static void read_loaded(struct aiex_provider_turn *t)
{
    struct aiex_json_span all, one;
    char name[AIEX_PROVIDER_MAX_MODEL + 1];
    size_t at = 0;

    if (array_of(t->body, "models", &all) != 0)
        return;
    while (aiex_json_next(&all, &at, NULL, &one)) {
        struct aiex_provider_model *e;

        aiex_provider_take_text(&one, "name", name, sizeof(name));
        e = aiex_provider_list_find(t->list, name);
        if (!e)
            continue;
        e->loaded = 1;
        e->running = aiex_provider_take_int(&one, "context_length");
        if (e->running)
            e->context = e->running; /* less than it could have */
    }
}

/* {"model_info": {"llama.context_length": 8192}} */
static int64_t context_of(const struct aiex_json_span *info)
{
    static const char suffix[] = ".context_length";
    struct aiex_json_span key, value;
    size_t at = 0;
    int64_t n;

    while (aiex_json_next(info, &at, &key, &value)) {
        char name[128];
        long len = aiex_json_text(&key, name, sizeof(name));

        if (len > (long)sizeof(suffix) && aiex_json_int(&value, &n) == 0 && n > 0 &&
            strcmp(name + len - (long)sizeof(suffix) + 1, suffix) == 0)
            return n;
    }
    return 0;
}

static uint32_t capability(const struct aiex_json_span *name)
{
    static const struct {
        const char *name;
        uint32_t can;
    } rows[] = {{"completion", AIEX_CAN_CHAT | AIEX_CAN_JSON},
                {"tools", AIEX_CAN_TOOLS},
                {"vision", AIEX_CAN_VISION},
                {"insert", AIEX_CAN_FIM},
                {"embedding", AIEX_CAN_EMBEDDINGS},
                {"thinking", AIEX_CAN_REASONING}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (aiex_json_is(name, rows[i].name))
            return rows[i].can;
    return 0;
}

static void read_show(struct aiex_provider_turn *t, struct aiex_provider_model *e)
{
    enum { INFO, CAN, N };
    struct aiex_json_field f[N] = {{.key = "model_info"}, {.key = "capabilities"}};
    struct aiex_json_span name;
    size_t at = 0;

    if (aiex_json_scan(t->body, 0, f, N, NULL) != AIEX_JSON_OBJECT)
        return;
    e->limit = context_of(&f[INFO].value);
    e->context = e->running ? e->running : e->limit;
    while (aiex_json_next(&f[CAN].value, &at, NULL, &name))
        e->can |= capability(&name);
}

/* Asks for the next model of which nothing is known. `note` counts through the list. */
static void ask_next(struct aiex_provider_turn *t)
{
    for (; t->note < t->list->n && t->note < MAX_SHOWN; t->note++) {
        const struct aiex_provider_model *e = &t->list->models[t->note];
        struct aiex_json_out w;

        if (e->can)
            continue;
        aiex_jw_init(&w, t->post, sizeof(t->post) - 1);
        aiex_jw_raw(&w, "{\"model\":");
        aiex_jw_str(&w, e->id);
        aiex_jw_raw(&w, "}");
        if (w.failed)
            continue;
        t->post[w.len] = 0;
        snprintf(t->path, sizeof(t->path), "/api/show");
        return;
    }
}

static int models(struct aiex_provider_turn *t)
{
    if (t->turn == 0) {
        int r = read_tags(t);

        snprintf(t->path, sizeof(t->path), "/api/ps");
        return r;
    }
    if (t->turn == 1)
        read_loaded(t);
    else
        read_show(t, &t->list->models[t->note++]);
    ask_next(t);
    return 0;
}

/* ---- The vendor ---- */

static const struct aiex_vendor_dialect dialects[] = {
    {AIEX_OLLAMA_CHAT, "/api/chat"},
    {AIEX_OLLAMA_GENERATE, "/api/generate"},
    {AIEX_OLLAMA_EMBED, "/api/embed"},
    {0, NULL},
};

static const struct aiex_vendor vendor = {
    .dialects = dialects,
    .options = offsetof(struct config, common),
    .flags = AIEX_VENDOR_LOCAL,
    .models_path = "/api/tags",
    .models = models,
    .check = check,
    .base = base,
    .headers = headers,
    .num_ctx = num_ctx,
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
    .name = "provider_ollama",
    .version = "0.1.0",
    .summary = "models of an Ollama server, found on this machine by itself",
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
