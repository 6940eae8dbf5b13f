/*
 * interface_http.c - the plugin: options, life, and the descriptor. server.h has the map.
 */
#include "added.h"
#include "content.h"
#include "session.h"
#include "tls.h"

#include <aiex_session.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define KB     ((int64_t)1024)
#define MB     (1024 * KB)
#define DAY_MS ((int64_t)24 * 3600 * 1000)

#define STRING(field, def, help)                                                                   \
    {                                                                                              \
#field, def, help, AIEX_OPT_STRING, 0, 0, 0, NULL, offsetof(struct config, field)          \
    }
#define SETTING(field, def, type, flags, min, max, help)                                           \
    {                                                                                              \
#field, def, help, type, flags, min, max, NULL, offsetof(struct config, field)             \
    }
#define DURATION(field, def, min, help)                                                            \
    SETTING(field, def, AIEX_OPT_DURATION, AIEX_OPT_RELOADABLE, min, DAY_MS, help)

#define CHOICE(field, def, flags, choices, help)                                                   \
    {                                                                                              \
#field, def, help, AIEX_OPT_CHOICE, flags, 0, 0, choices, offsetof(struct config, field)   \
    }

static const char *const authentications[] = {"auto", "required", NULL};
static const char *const tls_versions[] = {"1.2", "1.3", NULL};
static const char *const content_hashes[] = {
    [CONTENT_OFF] = "off", [CONTENT_SHA256] = "sha256", [CONTENT_SALTED] = "salted", NULL};

static const struct aiex_option options[] = {
    STRING(
        listen, "127.0.0.1:7420",
        "where to listen: ADDRESS:PORT, unix:/path or systemd:NAME, with tls: before it for TLS; "
        "several with commas"),
    CHOICE(authentication, "auto", 0, authentications,
           "required = no key, no answer, whoever asks; auto = as the gateway is configured"),
    SETTING(insecure_public, "no", AIEX_OPT_BOOL, 0, 0, 0,
            "allow addresses that the network can reach without TLS and authentication"),
    SETTING(tls_cert, "", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0,
            "certificate and its chain, PEM text: file:/path"),
    SETTING(tls_key, "", AIEX_OPT_SECRET, AIEX_OPT_RELOADABLE, 0, 0,
            "private key of the certificate, PEM text: file:/path"),
    SETTING(tls_client_ca, "", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0,
            "who may have signed client certificates, PEM text; they are asked for, not demanded"),
    CHOICE(tls_min_version, "1.2", AIEX_OPT_RELOADABLE, tls_versions, "oldest TLS that is spoken"),
    STRING(allowed_hosts, "localhost,127.0.0.1,[::1]",
           "names accepted in Host on loopback addresses (against DNS rebinding); * = any"),
    STRING(cors_origins, "",
           "web origins whose pages may send requests, such as https://app.example; * = any"),
    STRING(gateway, "gateway", "service that answers model requests and knows the keys"),
    STRING(coordinator, "coordinator", "service that tells for /readyz and /metrics how it is"),
    STRING(responses, "responses", "service that keeps responses; need not be there"),
    DURATION(responses_wait, "1s", 0,
             "how long the end of a response is held back until it is stored; 0 = not at all"),
    STRING(sessions, "sessions",
           "service that keeps sessions (x-aiex-session); empty = the header only keeps a "
           "conversation at one provider"),
    SETTING(session_history, "256k", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, KB, 8 * MB,
            "bytes of a session's history that x-aiex-history puts before a request"),
    CHOICE(content_hash, "off", AIEX_OPT_RELOADABLE, content_hashes,
           "hashes of each model request and its answer for usage record and audit log: sha256, or "
           "salted = HMAC-SHA256 with a random key of its own that the record keeps"),
    SETTING(compression, "yes", AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0,
            "gzip for whole answers of 1 KiB to 1 MiB when the client takes it"),
    DURATION(timeout, "10m", 1, "longest time for one answer"),
    SETTING(max_body, "32M", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, KB, 32 * MB,
            "largest request body, and largest answer that is no stream"),
    SETTING(max_bodies, "256M", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, MB, 1024 * 1024 * MB,
            "memory of all request bodies that are coming in, those up to 64 KiB not counted"),
    SETTING(max_head, "64k", AIEX_OPT_SIZE, 0, KB, MB, "largest request line with headers"),
    SETTING(max_connections, "4096", AIEX_OPT_INT, AIEX_OPT_RELOADABLE, 1, 1000000,
            "connections at once; more wait to be accepted"),
    DURATION(head_timeout, "10s", 1, "from a request's first byte to the end of its headers"),
    DURATION(body_timeout, "30s", 1, "between two bytes of a request body"),
    DURATION(idle_timeout, "60s", 1, "how long a connection may wait for its next request"),
    DURATION(write_timeout, "60s", 1, "how long a client may take nothing of its answer"),
    SETTING(write_high_water, "256k", AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 4 * KB, 16 * MB,
            "bytes of a stream that wait for one client before its producer is paused"),
    DURATION(drain_grace, "1s", 0, "when stopping: how long idle connections are kept"),
    SETTING(access_log, "no", AIEX_OPT_BOOL, AIEX_OPT_RELOADABLE, 0, 0,
            "one log line for every request"),
    {0},
};

/* Request ids are unguessable in their upper half and count in their lower one. */
static uint64_t first_trace(const struct aiex_host *host)
{
    uint64_t seed;

    if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
        seed = host->now_ms(host) * 0x9e3779b97f4a7c15u;
    return seed | (uint64_t)1 << 63; /* never 0, not even after 2^63 requests */
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct server *s;
    int tls, r = listen_check(config, &tls, err);

    if (r != 0)
        return r;
    s = host->alloc(host, sizeof(*s));
    if (!s) {
        snprintf(err->text, sizeof(err->text), "no memory for a server");
        return -ENOMEM;
    }
    *ret_self = s;
    s->host = host;
    s->config = config;
    s->dirty_end = &s->dirty;
    s->next_trace = first_trace(host);
    pool_init(&s->pool, host);
    s->scratch = host->alloc(host, SCRATCH_BYTES);
    if (!s->scratch || metrics_init(s) != 0 || added_init(s) != 0 || session_init(s) != 0) {
        snprintf(err->text, sizeof(err->text), "no memory for a server's buffers");
        return -ENOMEM;
    }
    return tls ? tls_context_new(config, &s->tls, err) : 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct server *s = self;
    int r = s->host->join(s->host, "interface", AIEX_NAME_GROUP);

    if (r == 0)
        r = s->host->subscribe(s->host, "host.plugin");
    if (r == 0) {
        r = listen_open(s, err);
        if (r == 0)
            status_register(s);
        return r;
    }
    snprintf(err->text, sizeof(err->text), "group 'interface' can not be joined: %s", strerror(-r));
    return r;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct server *s = self;
    struct tls_context *fresh = NULL;
    int r = s->tls ? tls_context_new(config, &fresh, err) : 0;

    if (r != 0)
        return r;
    if (fresh) {
        tls_context_free(s->tls); /* connections that stand have a share in it */
        s->tls = fresh;
    }
    s->config = config;
    for (int i = 0; i < N_PHASES; i++) {
        if (deadline_limit(s, (enum phase)i))
            deadline_clamp(s, (enum phase)i, deadline_limit(s, (enum phase)i));
    }
    listen_update(s);
    return 0;
}

static const struct {
    const char *name;
    int (*answer)(struct server *s, uint64_t id);
} methods[] = {
    {"interface.status", status_answer},
    {"interface.health", status_health},
};

static int handle(void *self, const struct aiex_message *m)
{
    if (m->kind == AIEX_MSG_EVENT) {
        added_event(self, m);
        status_event(self, m);
    }
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    if (strcmp(m->method, "http.route") == 0)
        return added_register(self, m);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (strcmp(methods[i].name, m->method) == 0)
            return methods[i].answer(self, m->id);
    }
    return -ENOSYS;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct server *s = self;

    s->draining = 1;
    s->drained = done;
    s->drained_arg = arg;
    listen_close(s);
    deadline_clamp(s, PHASE_IDLE, (uint64_t)s->config->drain_grace);
    deadline_clamp(s, PHASE_HANDSHAKE, (uint64_t)s->config->drain_grace);
    conn_reap(s);
}

static void destroy(void *self)
{
    struct server *s = self;
    const struct aiex_host *host = s->host;

    s->draining = 1; /* nothing is accepted any more */
    s->drained = NULL;
    listen_close(s);
    conn_free_all(s);
    deadline_stop(s);
    tls_done(s);
    compress_done(s);
    responses_stop(s);
    aiex_turns_free(s->turns);
    added_done(s);
    pool_done(&s->pool);
    metrics_done(s);
    host->release(host, s->scratch);
    host->release(host, s);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "interface_http",
    .version = AIEX_VERSION,
    .summary = "HTTP server for clients of OpenAI, Anthropic and Ollama",
    .kind = "interface/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_LISTEN,
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    return &plugin;
}
