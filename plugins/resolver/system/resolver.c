/*
 * resolver.c - resolver_system: names to addresses for cells that may not ask themselves.
 *
 * Cells with HTTP are sealed to TCP connections; a look-up needs UDP, files and a thread
 * that blocks, so it happens here. README.md has the method, names.h the states of a
 * name, pool.h the threads.
 */
#include "names.h"

#include <aiex/aiex_pack.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct config {
    int64_t threads, max_names, max_queue, ttl, negative_ttl, timeout;
};

struct resolver {
    const struct aiex_host *host;
    const struct config *config;
    struct pool *pool;
    struct names names;
    void (*drained)(void *arg);
    void *drained_arg;
    unsigned n_waiters;
};

/* ---- Answering ---- */

static void reply_addresses(struct resolver *r, uint64_t call, const struct answer *a)
{
    uint8_t mem[64 + MAX_ADDRESSES * (ADDRESS_BYTES + 2)];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "addresses");
    aiex_w_array(&w, (uint32_t)a->n);
    for (int i = 0; i < a->n; i++)
        aiex_w_str(&w, a->address[i]);
    r->host->reply(r->host, call, aiex_written(&w));
}

static void answer(struct resolver *r, uint64_t call, const char *host, const struct answer *a)
{
    char text[512];

    if (!a->failed) {
        reply_addresses(r, call, a);
        return;
    }
    snprintf(text, sizeof(text), "host name '%s': %s", host, a->text);
    r->host->fail(r->host, call, a->lasting ? AIEX_E_NOT_FOUND : AIEX_E_UNAVAILABLE, text, 0,
                  (struct aiex_slice){0});
}

static void waiter_gone(struct resolver *r, struct waiter *w)
{
    r->host->unwatch(r->host, w->timer);
    free(w);
    if (--r->n_waiters == 0 && r->drained)
        r->drained(r->drained_arg);
}

static void on_timeout(void *arg)
{
    struct waiter *w = arg;
    struct resolver *r = w->resolver;

    names_take_waiter(&r->names, w->call);
    r->host->fail(r->host, w->call, AIEX_E_TIMEOUT, "the name servers did not answer in time", 0,
                  (struct aiex_slice){0});
    waiter_gone(r, w);
}

/* A look-up is over: remembered, and all who wait are told. */
static void on_answer(void *arg, const char *host, const struct answer *a)
{
    struct resolver *r = arg;
    struct name *n = names_find(&r->names, host);
    int64_t ttl = a->failed ? r->config->negative_ttl : r->config->ttl;
    struct waiter *w;

    if (!n)
        return;
    n->asking = 0;
    n->answer = *a;
    n->until = ttl ? r->host->now_ms(r->host) + (uint64_t)ttl : 0;
    while ((w = n->waiters) != NULL) {
        n->waiters = w->next;
        answer(r, w->call, host, a);
        waiter_gone(r, w);
    }
}

/* ---- Asking ---- */

static int refuse(struct resolver *r, uint64_t call, const char *code, const char *text)
{
    r->host->fail(r->host, call, code, text, 0, (struct aiex_slice){0});
    return 0;
}

static struct waiter *wait_for(struct resolver *r, const struct aiex_message *m)
{
    struct waiter *w = calloc(1, sizeof(*w));
    uint64_t ms = (uint64_t)r->config->timeout;

    if (!w)
        return NULL;
    w->resolver = r;
    w->call = m->id;
    if (r->host->timer(r->host, ms, 0, on_timeout, w, &w->timer) != 0) {
        free(w);
        return NULL;
    }
    r->n_waiters++;
    return w;
}

static int look_up(struct resolver *r, const struct aiex_message *m, const char *host)
{
    struct name *n = names_find(&r->names, host);
    struct waiter *w;
    int e = 0;

    if (n && !n->asking && n->until > r->host->now_ms(r->host)) {
        answer(r, m->id, host, &n->answer);
        return 0;
    }
    if (!n)
        n = names_add(&r->names, host);
    if (!n)
        return refuse(r, m->id, AIEX_E_BUSY, "too many names are being looked up");
    if (!n->asking)
        e = pool_ask(r->pool, host);
    if (e == -EBUSY)
        return refuse(r, m->id, AIEX_E_BUSY, "too many names wait to be looked up");
    if (e != 0)
        return refuse(r, m->id, AIEX_E_UNAVAILABLE, "no memory or thread for a look-up");
    n->asking = 1;
    w = wait_for(r, m);
    if (!w)
        return refuse(r, m->id, AIEX_E_UNAVAILABLE, "no memory for a look-up");
    w->next = n->waiters;
    n->waiters = w;
    return 0;
}

static int resolve(struct resolver *r, const struct aiex_message *m)
{
    struct answer literal = {.n = 1};
    struct aiex_slice text = {0};
    unsigned char bytes[16];
    int64_t port = 0;
    char host[256];

    if (aiex_get_str(m->body, "host", &text) != 1 || aiex_get_int(m->body, "port", &port) < 0 ||
        port < 0 || port > 65535 || name_clean(text, host) != 0)
        return refuse(r, m->id, AIEX_E_INVALID,
                      "resolver.resolve needs host (a host name) and port (0..65535)");
    if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1) {
        snprintf(literal.address[0], sizeof(literal.address[0]), "%.45s", host);
        reply_addresses(r, m->id, &literal);
        return 0;
    }
    if (strchr(host, ':'))
        return refuse(r, m->id, AIEX_E_INVALID, "host holds ':' but is no address");
    return look_up(r, m, host);
}

static int health(struct resolver *r, const struct aiex_message *m)
{
    struct aiex_writer w;
    uint8_t mem[64];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", 1);
    aiex_w_key_str(&w, "reason", "");
    r->host->reply(r->host, m->id, aiex_written(&w));
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct resolver *r = self;
    struct waiter *w;

    if (m->kind == AIEX_MSG_CANCEL) {
        w = names_take_waiter(&r->names, m->id);
        if (w)
            waiter_gone(r, w);
        return 0;
    }
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    if (strcmp(m->method, "resolver.resolve") == 0)
        return resolve(r, m);
    if (strcmp(m->method, "service.health") == 0)
        return health(r, m);
    return -ENOSYS;
}

/* ---- Life ---- */

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    const struct config *c = config;
    struct resolver *r = calloc(1, sizeof(*r));

    if (r)
        r->pool = pool_new(host, (unsigned)c->threads, (unsigned)c->max_queue, on_answer, r);
    if (!r || !r->pool) {
        free(r);
        snprintf(err->text, sizeof(err->text), "no memory for the resolver");
        return -ENOMEM;
    }
    r->host = host;
    r->config = c;
    r->names.max = (unsigned)c->max_names;
    *ret_self = r;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct resolver *r = self;
    int e = r->host->join(r->host, "resolver", AIEX_NAME_UNIQUE);

    if (e != 0)
        snprintf(err->text, sizeof(err->text), "name 'resolver' can not be taken: %s; %s",
                 strerror(-e),
                 e == -EEXIST ? "configure one resolver_system only" : "see the log");
    return e;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct resolver *r = self;

    (void)err;
    r->config = config;
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct resolver *r = self;

    if (r->n_waiters == 0) {
        done(arg);
        return;
    }
    r->drained = done;
    r->drained_arg = arg;
}

static void destroy(void *self)
{
    struct resolver *r = self;
    struct waiter *w;

    r->drained = NULL;
    pool_free(r->pool);
    for (struct name *n = r->names.first; n; n = n->next) {
        while ((w = n->waiters) != NULL) {
            n->waiters = w->next;
            waiter_gone(r, w);
        }
    }
    names_done(&r->names);
    free(r);
}

#define OPTION(field) offsetof(struct config, field)

static const struct aiex_option options[] = {
    {.name = "threads",
     .def = "4",
     .help = "Look-ups at the same time.",
     .type = AIEX_OPT_INT,
     .min = 1,
     .max = 64,
     .offset = OPTION(threads)},
    {.name = "max_queue",
     .def = "256",
     .help = "Names that may wait for a thread.",
     .type = AIEX_OPT_INT,
     .min = 1,
     .max = 65536,
     .offset = OPTION(max_queue)},
    {.name = "max_names",
     .def = "1024",
     .help = "Names that are remembered.",
     .type = AIEX_OPT_INT,
     .min = 1,
     .max = 65536,
     .offset = OPTION(max_names)},
    {.name = "ttl",
     .def = "60s",
     .help = "How long an answer holds; 0s = it is not remembered.",
     .type = AIEX_OPT_DURATION,
     .flags = AIEX_OPT_RELOADABLE,
     .min = 0,
     .max = 86400000,
     .offset = OPTION(ttl)},
    {.name = "negative_ttl",
     .def = "5s",
     .help = "How long a failure holds.",
     .type = AIEX_OPT_DURATION,
     .flags = AIEX_OPT_RELOADABLE,
     .min = 0,
     .max = 86400000,
     .offset = OPTION(negative_ttl)},
    {.name = "timeout",
     .def = "5s",
     .help = "Longest wait for the name servers.",
     .type = AIEX_OPT_DURATION,
     .flags = AIEX_OPT_RELOADABLE,
     .min = 1,
     .max = 600000,
     .offset = OPTION(timeout)},
    {0},
};

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "resolver_system",
    .version = "0.1.0",
    .summary = "Looks up host names for cells that may not",
    .kind = "resolver/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = AIEX_NEED_THREADS,
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
