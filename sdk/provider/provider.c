/* provider.c - one instance: its options, its life, its messages, and how every request to the
 * vendor looks. */
#include "engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bills of calls that ended: until the coordinator has surely read the end. */
#define BILLS_BYTES   (256u * 1024u)
#define BILLS_KEPT_MS 1000u

void provider_log(const struct aiex_provider *p, uint32_t level, uint64_t trace, const char *format,
                  ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    p->host->log(p->host, level, trace, text);
}

uint64_t provider_random(struct aiex_provider *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return p->random ^ p->random >> 29;
}

const char *provider_blocked(const struct aiex_provider *p)
{
    return p->vendor->blocked ? p->vendor->blocked(p->config, p->base) : NULL;
}

/* ---- Which of the vendor's dialects ---- */

static int speaks(const struct aiex_provider *p, int dialect)
{
    return !p->vendor->speaks || p->vendor->speaks(p->config, p->base, dialect);
}

/* The same dialect, else the first one of the same operation, else the first that it bridges to. */
const struct aiex_vendor_dialect *provider_route(const struct aiex_provider *p, int client)
{
    const struct aiex_vendor_dialect *best = NULL;

    for (const struct aiex_vendor_dialect *d = p->vendor->dialects; d->dialect; d++) {
        if (!speaks(p, d->dialect) || !aiex_dialect_bridges(client, d->dialect))
            continue;
        if (d->dialect == client)
            return d;
        if (!best || (aiex_dialect_op(best->dialect) != aiex_dialect_op(client) &&
                      aiex_dialect_op(d->dialect) == aiex_dialect_op(client)))
            best = d;
    }
    return best;
}

/* Completions go to chat as well. */
int provider_has_op(const struct aiex_provider *p, int op)
{
    for (const struct aiex_vendor_dialect *d = p->vendor->dialects; d->dialect; d++) {
        int has = aiex_dialect_op(d->dialect);

        if (has == op || (op == AIEX_OP_COMPLETE && has == AIEX_OP_CHAT))
            return 1;
    }
    return 0;
}

const char *provider_bare_model(const struct aiex_provider *p, const char *model)
{
    size_t n = strlen(p->options->model_prefix);

    return n && strncmp(model, p->options->model_prefix, n) == 0 && model[n] ? model + n : model;
}

/* ---- Requests ---- */

static void add_header(struct aiex_provider_headers *h, const char *name, const char *before,
                       const void *value, size_t len)
{
    size_t room = sizeof(h->mem) - h->used, n_before = strlen(before);
    char *at = h->mem + h->used;

    if (len == 0)
        return;
    if (n_before + len >= room || h->n == sizeof(h->list) / sizeof(h->list[0])) {
        h->failed = 1;
        return;
    }
    memcpy(at, before, n_before);
    memcpy(at + n_before, value, len);
    at[n_before + len] = 0;
    h->list[h->n++] = (struct aiex_http_header){name, at};
    h->used += n_before + len + 1;
}

void aiex_provider_header(struct aiex_provider_headers *h, const char *name, const char *before,
                          const char *value)
{
    add_header(h, name, before, value, strlen(value));
}

/* Those that the vendor's table names, and only with characters that a header can carry. */
static void add_client_headers(const struct aiex_provider *p, struct aiex_slice map,
                               struct aiex_provider_headers *h)
{
    for (const char *const *name = p->vendor->forward; map.len && name && *name; name++) {
        struct aiex_slice value = {NULL, 0};
        size_t n = 0;

        if (aiex_get_str(map, *name, &value) != 1 || value.len > 1024)
            continue;
        while (n < value.len && value.data[n] >= 0x20 && value.data[n] <= 0x7e)
            n++;
        if (n == value.len)
            add_header(h, *name, "", value.data, value.len);
    }
}

int provider_send(struct aiex_provider *p, const struct outgoing *out,
                  const struct aiex_http_handler *handler, void *arg, uint64_t *ret_id,
                  struct aiex_error *err)
{
    const struct aiex_provider_options *o = p->options;
    size_t n_base = strlen(p->base), n_path = strlen(out->path);
    char url[sizeof(p->base) + 1024];
    struct aiex_provider_headers h;
    struct aiex_http_request q;
    int r;

    h.n = h.used = 0;
    h.failed = n_base + n_path >= sizeof(url);
    n_path = h.failed ? 0 : n_path;
    aiex_provider_header(&h, "accept", "", out->accept);
    if (out->body.len)
        aiex_provider_header(&h, "content-type", "", "application/json");
    if (p->vendor->headers)
        p->vendor->headers(p->config, &h);
    add_client_headers(p, out->client_headers, &h);
    memcpy(url, p->base, n_base);
    memcpy(url + n_base, out->path, n_path + 1);
    q = (struct aiex_http_request){
        .struct_size = sizeof(q),
        .flags = (o->verify_tls ? 0 : AIEX_HTTP_NO_VERIFY) | (out->borrowed ? AIEX_HTTP_BORROW : 0),
        .method = out->body.len ? "POST" : "GET",
        .url = url,
        .headers = h.list,
        .n_headers = h.n,
        .body = out->body,
        .connect_ms = (uint32_t)o->connect_timeout,
        .first_byte_ms = out->first_byte_ms ? out->first_byte_ms : (uint32_t)o->first_byte_timeout,
        .idle_ms = out->idle_ms ? out->idle_ms : (uint32_t)o->idle_timeout,
        .total_ms = out->total_ms ? out->total_ms : (uint32_t)o->total_timeout,
        .max_body_bytes = out->max_body_bytes,
    };
    if (h.failed) {
        snprintf(err->text, sizeof(err->text), "its headers do not fit");
        r = -EMSGSIZE;
    } else {
        r = p->http->request(p->host, &q, handler, arg, ret_id, err);
    }
    explicit_bzero(h.mem, h.failed ? sizeof(h.mem) : h.used);
    return r;
}

/* ---- Options ---- */

int aiex_provider_check_header(const char *option, const char *value, size_t max,
                               struct aiex_error *err)
{
    size_t n = strlen(value);

    for (size_t i = 0; i < n; i++)
        if (value[i] < 0x21 || value[i] > 0x7e) {
            snprintf(err->text, sizeof(err->text),
                     "option '%s' has a character that a header can not carry at position %zu",
                     option, i + 1);
            return -EINVAL;
        }
    if (n <= max)
        return 0;
    snprintf(err->text, sizeof(err->text), "option '%s' is longer than %zu bytes", option, max);
    return -EINVAL;
}

int aiex_provider_base(const char *url, const char *suffix, char *out, size_t size,
                       struct aiex_error *err)
{
    size_t n = strlen(url), cut = strlen(suffix);

    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) {
        snprintf(err->text, sizeof(err->text),
                 "option 'base_url' is '%.200s'; it must begin with http:// or https://", url);
        return -EINVAL;
    }
    if (n >= size) {
        snprintf(err->text, sizeof(err->text), "option 'base_url' is longer than %zu bytes",
                 size - 1);
        return -EINVAL;
    }
    while (n && url[n - 1] == '/')
        n--;
    if (cut && n > cut && memcmp(url + n - cut, suffix, cut) == 0)
        n -= cut;
    while (n && url[n - 1] == '/')
        n--;
    memcpy(out, url, n);
    out[n] = 0;
    return 0;
}

static const struct aiex_provider_options *common(const struct aiex_vendor *v, const void *config)
{
    return (const void *)((const char *)config + v->options);
}

/* `base` has the size of aiex_provider.base. */
static int check(const struct aiex_vendor *v, const void *config, char *base,
                 struct aiex_error *err)
{
    const struct aiex_provider_options *o = common(v, config);
    const size_t size = sizeof(((struct aiex_provider *)0)->base);
    int r;

    if (aiex_provider_check_header("base_url", o->base_url, size - 1, err) != 0 ||
        aiex_provider_check_header("api_key", o->api_key, 1000, err) != 0)
        return -EINVAL;
    if (strlen(o->model_prefix) > 100) {
        snprintf(err->text, sizeof(err->text), "option 'model_prefix' is longer than 100 bytes");
        return -EINVAL;
    }
    r = v->base ? v->base(config, base, size, err)
                : aiex_provider_base(o->base_url, "", base, size, err);
    return r == 0 && v->check ? v->check(config, err) : r;
}

/* ---- Life ---- */

int aiex_provider_create(const struct aiex_vendor *v, const struct aiex_host *host,
                         const void *config, void **ret_self, struct aiex_error *err)
{
    struct aiex_provider *p = host->alloc(host, sizeof(*p));
    int r;

    if (!p) {
        snprintf(err->text, sizeof(err->text), "no memory for the instance");
        return -ENOMEM;
    }
    r = check(v, config, p->base, err);
    p->vendor = v;
    p->host = host;
    p->http = host->extension(host, AIEX_HTTP_ID);
    p->config = config;
    p->options = common(v, config);
    p->random = host->now_ms(host);
    for (const char *at = host->instance; *at; at++)
        p->random = p->random * 31 + (unsigned char)*at;
    if (r == 0 && !p->http) {
        snprintf(err->text, sizeof(err->text), "this host offers no extension '%s'", AIEX_HTTP_ID);
        r = -ENOTSUP;
    }
    if (r == 0)
        r = models_init(p, err);
    if (r != 0) {
        models_done(p);
        host->release(host, p);
        return r;
    }
    *ret_self = p;
    return 0;
}

int aiex_provider_start(void *self, struct aiex_error *err)
{
    struct aiex_provider *p = self;
    int r = p->host->join(p->host, "provider", AIEX_NAME_GROUP);

    if (r < 0) {
        snprintf(err->text, sizeof(err->text), "can not join the group 'provider'");
        return r;
    }
    r = aiex_recast_init(&p->bills, p->host, BILLS_BYTES, BILLS_KEPT_MS);
    if (r < 0) {
        snprintf(err->text, sizeof(err->text), "can not subscribe to host.plugin (%d)", r);
        return r;
    }
    health_start(p);
    return 0;
}

static int request(struct aiex_provider *p, const struct aiex_message *m)
{
    if (strcmp(m->method, "provider.chat") == 0)
        return call_begin(p, m, AIEX_OP_CHAT);
    if (strcmp(m->method, "provider.complete") == 0)
        return call_begin(p, m, AIEX_OP_COMPLETE);
    if (strcmp(m->method, "provider.embed") == 0)
        return call_begin(p, m, AIEX_OP_EMBED);
    if (strcmp(m->method, "provider.count") == 0)
        return count_begin(p, m);
    if (strcmp(m->method, "provider.models") == 0)
        return models_request(p, m->id);
    if (strcmp(m->method, "provider.health") == 0)
        return health_answer(p, m->id);
    return -ENOSYS;
}

int aiex_provider_handle(void *self, const struct aiex_message *m)
{
    struct aiex_provider *p = self;

    switch (m->kind) {
    case AIEX_MSG_CANCEL:
        call_cancel(p, m->id);
        count_cancel(p, m->id);
        models_cancel(p, m->id);
        return 0;
    case AIEX_MSG_RESUME:
        call_resume(p, m->id);
        return 0;
    case AIEX_MSG_REQUEST:
        return request(p, m);
    case AIEX_MSG_EVENT:
        aiex_recast_event(&p->bills, m);
        return 0;
    default:
        return 0;
    }
}

int aiex_provider_reload(void *self, const void *config, struct aiex_error *err)
{
    struct aiex_provider *p = self;
    char base[sizeof(p->base)];
    int r = check(p->vendor, config, base, err);

    if (r != 0)
        return r;
    memcpy(p->base, base, strlen(base) + 1);
    p->config = config;
    p->options = common(p->vendor, config);
    health_again(p);
    return 0;
}

void aiex_provider_destroy(void *self)
{
    struct aiex_provider *p = self;

    if (!p)
        return;
    call_free_all(p);
    count_free_all(p);
    health_stop(p);
    models_done(p);
    aiex_recast_done(&p->bills);
    p->host->release(p->host, p);
}
