/*
 * aiex_provider.h - the engine of a provider: everything of kind provider/1 but the vendor.
 *
 * A vendor is a table: which dialects it speaks natively and on which paths, how it wants to be
 * told the key, and how its list of models is read. The engine does the rest of
 * sdk/kinds/provider.md: it takes every client dialect (aiex_chat.h translates), sends the
 * request, checks and hands on the answer with back-pressure, keeps the limits, says errors in
 * the client's words, tells what a cancelled call has cost, probes the vendor's health, and
 * remembers its models.
 *
 *     struct config { struct aiex_provider_options common; const char *region; };
 *     static const struct aiex_option options[] = {
 *         AIEX_PROVIDER_OPTIONS(struct config, common, "${MINE_URL:-https://api.mine/v1}",
 *                               "${MINE_API_KEY:-}"),
 *         {0},
 *     };
 *     static const struct aiex_vendor_dialect dialects[] = {
 *         {AIEX_OPENAI_CHAT, "/chat/completions"}, {0}};
 *     static void headers(const void *config, struct aiex_provider_headers *h)
 *     {
 *         const struct config *c = config;
 *         aiex_provider_header(h, "authorization", "Bearer ", c->common.api_key);
 *     }
 *     static const struct aiex_vendor vendor = {
 *         .dialects = dialects, .options = offsetof(struct config, common),
 *         .headers = headers, .models_path = "/models", .models = aiex_provider_openai_models};
 *     static int create(const struct aiex_host *host, const void *config, void **self,
 *                       struct aiex_error *err)
 *     {
 *         return aiex_provider_create(&vendor, host, config, self, err);
 *     }
 *     ... .create = create, .start = aiex_provider_start, .handle = aiex_provider_handle,
 *         .reload = aiex_provider_reload, .destroy = aiex_provider_destroy,
 *         .needs = AIEX_NEED_HTTP
 *
 * plugins/provider/openai is that with a few quirks; ollama and lmstudio read lists that need
 * several requests; anthropic counts tokens.
 *
 * Static library aiex_sdk_provider (alias aiex::provider). Thread rule: the loop thread; no
 * globals. Ownership: tables and what they point to are the vendor's and constant; what a callback
 * is given dies when it returns. Memory of one call: the request until it is sent, what
 * aiex_chat.h says, and at most AIEX_MAX_BODY of an answer that the caller is slow to take.
 */
#ifndef AIEX_PROVIDER_H
#define AIEX_PROVIDER_H

#include <aiex/aiex_http.h>
#include <aiex/aiex_plugin.h>
#include <aiex_chat.h>
#include <aiex_json.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_PROVIDER_MAX_URL   2048u
#define AIEX_PROVIDER_MAX_MODEL 256u  /* bytes of a model's name */
#define AIEX_PROVIDER_MAX_LIST  4096u /* models of one list */

/* ---- Options that all vendors share ---- */

struct aiex_provider_options {
    const char *base_url, *api_key, *models, *model_prefix;
    int64_t connect_timeout, first_byte_timeout, first_token_timeout, idle_timeout, total_timeout,
        probe_interval, verify_tls;
};

/* Rows for the option table: `member` is the struct above in `type`, `url` and `key` the texts of
 * the defaults. A table has the rows of its own before or behind them. */
#define AIEX_PROVIDER_OPTIONS(type, member, url, key)                                              \
    {"base_url", url,  "address of the vendor's API",  AIEX_OPT_STRING, 0, 0,                      \
     0,          NULL, offsetof(type, member.base_url)},                                           \
        {"api_key",                                                                                \
         key,                                                                                      \
         "key for the vendor; empty for servers that need none",                                   \
         AIEX_OPT_SECRET,                                                                          \
         AIEX_OPT_RELOADABLE,                                                                      \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         offsetof(type, member.api_key)},                                                          \
        {"models",                                                                                 \
         "",                                                                                       \
         "fixed list of model names, separated by commas; empty asks the server",                  \
         AIEX_OPT_STRING,                                                                          \
         0,                                                                                        \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         offsetof(type, member.models)},                                                           \
        {"model_prefix",                                                                           \
         "",                                                                                       \
         "put before every listed model name, taken off before a request is sent",                 \
         AIEX_OPT_STRING,                                                                          \
         0,                                                                                        \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         offsetof(type, member.model_prefix)},                                                     \
        {"connect_timeout",                                                                        \
         "5s",                                                                                     \
         "limit for a connection with TLS",                                                        \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         1,                                                                                        \
         600000,                                                                                   \
         NULL,                                                                                     \
         offsetof(type, member.connect_timeout)},                                                  \
        {"first_byte_timeout",                                                                     \
         "2m",                                                                                     \
         "limit from the request to the first byte of the answer",                                 \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         1,                                                                                        \
         3600000,                                                                                  \
         NULL,                                                                                     \
         offsetof(type, member.first_byte_timeout)},                                               \
        {"first_token_timeout",                                                                    \
         "2m",                                                                                     \
         "limit from the request to the first event of a stream",                                  \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         1,                                                                                        \
         3600000,                                                                                  \
         NULL,                                                                                     \
         offsetof(type, member.first_token_timeout)},                                              \
        {"idle_timeout",                                                                           \
         "60s",                                                                                    \
         "limit between two bytes of an answer",                                                   \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         1,                                                                                        \
         3600000,                                                                                  \
         NULL,                                                                                     \
         offsetof(type, member.idle_timeout)},                                                     \
        {"total_timeout",                                                                          \
         "0s",                                                                                     \
         "limit for a whole answer; 0s leaves it to the call's deadline",                          \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         0,                                                                                        \
         86400000,                                                                                 \
         NULL,                                                                                     \
         offsetof(type, member.total_timeout)},                                                    \
        {"probe_interval",                                                                         \
         "30s",                                                                                    \
         "time between two health probes; 0s probes only once",                                    \
         AIEX_OPT_DURATION,                                                                        \
         AIEX_OPT_RELOADABLE,                                                                      \
         0,                                                                                        \
         86400000,                                                                                 \
         NULL,                                                                                     \
         offsetof(type, member.probe_interval)},                                                   \
    {                                                                                              \
        "verify_tls", "yes", "check the server's certificate", AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, \
            0, 0, NULL, offsetof(type, member.verify_tls)                                          \
    }

/* ---- Headers of a request ---- */

/* Collected for one request and wiped after it, as keys are in it. */
struct aiex_provider_headers {
    struct aiex_http_header list[16];
    size_t n;
    size_t used; /* of mem */
    char mem[6144];
    int failed; /* something did not fit: the request is not sent */
};

/* Adds one: `before` and `value` in one; an empty value adds nothing. `name` is not copied. */
void aiex_provider_header(struct aiex_provider_headers *h, const char *name, const char *before,
                          const char *value);

/* ---- Models ---- */

#define AIEX_CAN_CHAT       1u
#define AIEX_CAN_TOOLS      2u
#define AIEX_CAN_VISION     4u
#define AIEX_CAN_JSON       8u
#define AIEX_CAN_EMBEDDINGS 16u
#define AIEX_CAN_FIM        32u
#define AIEX_CAN_REASONING  64u
#define AIEX_N_CAPABILITIES 7u

struct aiex_provider_model {
    char id[AIEX_PROVIDER_MAX_MODEL + 1]; /* as the vendor names it, without prefix */
    char name[128];                       /* for people, "" = as the id */
    char owned_by[64], family[64], parameters[32], quantization[32];
    int64_t created, context, output, bytes; /* 0 = unknown */
    uint32_t can;                            /* AIEX_CAN_*, 0 = unknown */
    int loaded;                              /* 0, 1, -1 = unknown */
    /* for the reader of the list: */
    int64_t limit, running; /* context that it could have, that it was loaded with */
    uint64_t stamp;         /* the vendor's mark of this version, to know it again; 0 = none */
};

struct aiex_provider_list {
    struct aiex_provider_model *models;
    uint32_t n, cap;
};

/* A new entry, zeroed but for `loaded` -1; NULL when the list is full or memory is short. Moves the
 * others. */
struct aiex_provider_model *aiex_provider_list_add(struct aiex_provider_list *l);
/* The entry of a name, or NULL. */
struct aiex_provider_model *aiex_provider_list_find(const struct aiex_provider_list *l,
                                                    const char *id);
/* Texts and numbers of a JSON object into an entry's fields: what is missing, of another type or
 * too long leaves "" and 0. */
void aiex_provider_take_text(const struct aiex_json_span *object, const char *key, char *out,
                             size_t size);
int64_t aiex_provider_take_int(const struct aiex_json_span *object, const char *key);

/* One turn of reading the list. The engine has asked `path` (first models_path) and got this. */
struct aiex_provider_turn {
    const void *config;
    int turn;                             /* 0 = the answer of models_path */
    int status;                           /* of the answer; 0 = none came */
    struct aiex_slice body;               /* the document; empty unless the status is 2xx */
    const struct aiex_provider_list *old; /* as it was known before; may be empty */
    struct aiex_provider_list *list;      /* to be filled */
    /* to be set when another request is wanted, all within 30 s: */
    char path[1024]; /* "" = the list is whole */
    char post[1024]; /* JSON body: POST instead of GET */
    int64_t note;    /* the callback's own, kept between turns */
};

/* Reads {"data": [{"id", "created", "owned_by", context in its many names}]}: the list of OpenAI
 * and of everyone who follows. 0, or -EINVAL: that is no list. */
int aiex_provider_openai_models(struct aiex_provider_turn *t);

/* ---- A vendor ---- */

struct aiex_vendor_dialect {
    int dialect;      /* AIEX_OPENAI_CHAT ..., 0 ends the list */
    const char *path; /* behind the base address */
};

#define AIEX_VENDOR_LOCAL 1u /* may well not run: found when it does, no word when it does not */

struct aiex_vendor {
    /* Spoken natively, best first. A client that speaks one of them is passed through; others are
     * translated to the first one of their operation, completions without one to a chat. */
    const struct aiex_vendor_dialect *dialects;
    size_t options; /* offset of struct aiex_provider_options in the config */
    uint32_t flags; /* AIEX_VENDOR_* */
    /* Headers of a client that go to the vendor when both speak the same dialect; ends with NULL.
     */
    const char *const *forward;
    /* Asked for the list of models and, by the same request, for health. */
    const char *models_path;
    int (*models)(struct aiex_provider_turn *t); /* 0, -EINVAL, -ENOMEM */
    /* Counts a chat given in the first dialect; NULL = it can not: estimated. The request's members
     * are cut down to `count_keys` (ends with NULL). The answer has {"input_tokens"}. */
    const char *count_path;
    const char *const *count_keys;

    /* All of these may be NULL. */
    int (*check)(const void *config, struct aiex_error *err); /* own options: 0, -EINVAL */
    /* The base address, when it is not base_url as it stands without slashes at its end. */
    int (*base)(const void *config, char *out, size_t size, struct aiex_error *err);
    /* Why nothing can be asked with this configuration, or NULL. */
    const char *(*blocked)(const void *config, const char *base);
    void (*headers)(const void *config, struct aiex_provider_headers *h);
    /* 0 = this server does not speak a dialect of the list. */
    int (*speaks)(const void *config, const char *base, int dialect);
    uint32_t (*quirks)(const void *config, int dialect); /* AIEX_CHAT_* flags */
    int64_t (*num_ctx)(const void *config);              /* of struct aiex_chat_setup */
};

/* ---- Life: what a descriptor needs ---- */

/* 0 and *ret_self set; -EINVAL (options), -ENOTSUP (no HTTP here), -ENOMEM, with a reason. */
int aiex_provider_create(const struct aiex_vendor *v, const struct aiex_host *host,
                         const void *config, void **ret_self, struct aiex_error *err);
int aiex_provider_start(void *self, struct aiex_error *err);
int aiex_provider_handle(void *self, const struct aiex_message *m);
int aiex_provider_reload(void *self, const void *config, struct aiex_error *err);
void aiex_provider_destroy(void *self); /* NULL is fine */

/* For check(): a value that ends up in a header has visible characters only, at most `max`. */
int aiex_provider_check_header(const char *option, const char *value, size_t max,
                               struct aiex_error *err);
/* For base(): `url` without slashes and without `suffix` (may be "") at its end. 0, -EINVAL when it
 * does not fit or is neither http:// nor https://. */
int aiex_provider_base(const char *url, const char *suffix, char *out, size_t size,
                       struct aiex_error *err);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_PROVIDER_H */
