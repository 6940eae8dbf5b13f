/* module.c - the entry of aiex_http.so: what the process shares, a client per instance. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>

#define CA_MAX (8u * 1024u * 1024u)
/* What a plugin built for 1.0 fills; later fields are 0 to it. */
#define REQUEST_1_0                                                                                \
    (offsetof(struct aiex_http_request, max_body_bytes) +                                          \
     sizeof(((struct aiex_http_request *)0)->max_body_bytes))

struct module *module;

/* ---- The process ---- */

static int read_bundle(struct module *m, const char *path, struct aiex_error *err)
{
    FILE *f = fopen(path, "re");
    long size;

    if (!f)
        return fail(err, -errno, "certificates '%s' can not be read: %s", path, strerror(errno));
    size = fseek(f, 0, SEEK_END) == 0 ? ftell(f) : -1;
    rewind(f);
    m->ca = size > 0 && size <= CA_MAX ? malloc((size_t)size) : NULL;
    if (m->ca)
        m->n_ca = fread(m->ca, 1, (size_t)size, f);
    fclose(f);
    m->ca_path = m->n_ca ? strdup(path) : NULL;
    if (m->n_ca == 0) {
        free(m->ca);
        m->ca = NULL;
        return fail(err, -EINVAL, "certificates '%s' are empty or larger than %u bytes", path,
                    CA_MAX);
    }
    return 0;
}

static int module_start(const struct aiex_http_env *env, struct aiex_error *err)
{
    const curl_version_info_data *info;
    struct module *m;
    int named = env && env->ca_file && *env->ca_file, e;

    if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
        return fail(err, -ENOMEM, "libcurl does not start");
    info = curl_version_info(CURLVERSION_NOW);
    m = calloc(1, sizeof(*m));
    if (!m)
        return fail(err, -ENOMEM, "no memory for the HTTP client");
    list_init(&m->clients);
    if (named && (e = read_bundle(m, env->ca_file, err)) != 0) {
        free(m);
        return e;
    }
    /* a machine without certificates can still speak plain HTTP */
    if (!named && info->cainfo)
        (void)read_bundle(m, info->cainfo, NULL);
    module = m;
    return 0;
}

/* ---- Clients ---- */

static struct client *find(const struct aiex_host *host)
{
    if (!module)
        return NULL;
    list_each (it, &module->clients) {
        struct client *cl = list_of(it, struct client, link);

        if (cl->host == host)
            return cl;
    }
    return NULL;
}

static void client_free(struct client *cl)
{
    const struct aiex_host *host = cl->host;

    for (uint32_t i = 0; i < cl->n_slots; i++) {
        if (cl->slots[i])
            request_drop(cl->slots[i]);
    }
    while (!list_empty(&cl->conns))
        conn_close(list_of(cl->conns.next, struct conn, all));
    while (cl->n_spare)
        request_free_object(cl->spare[--cl->n_spare]);
    connect_done(cl);
    if (cl->kick_timer)
        host->unwatch(host, cl->kick_timer);
    if (cl->timer)
        host->unwatch(host, cl->timer);
    list_remove(&cl->link);
    host->release(host, cl->heap);
    host->release(host, cl->slots);
    host->release(host, cl->generations);
    host->release(host, cl->free_slots);
    host->release(host, cl);
}

static int client_new(const struct aiex_host *host, const struct aiex_http_env *env)
{
    struct client *cl = host->alloc(host, sizeof(*cl));

    if (!cl)
        return -ENOMEM;
    cl->host = host;
    list_init(&cl->kicked);
    list_init(&cl->origins);
    list_init(&cl->conns);
    list_init(&cl->idle);
    if (env && env->user_agent)
        snprintf(cl->user_agent, sizeof(cl->user_agent), "%s", env->user_agent);
    list_append(&module->clients, &cl->link);
    if (connect_init(cl) != 0) {
        client_free(cl);
        return -ENOMEM;
    }
    if (env && (env->flags & AIEX_HTTP_ENV_TLS))
        trust_prepare(cl);
    return 0;
}

/* ---- The table ---- */

static int http_request(const struct aiex_host *host, const struct aiex_http_request *r,
                        const struct aiex_http_handler *h, void *arg, uint64_t *ret_id,
                        struct aiex_error *err)
{
    struct aiex_http_request whole = {0};
    struct client *cl = find(host);

    if (!cl)
        return fail(err, -EINVAL, "instance has no HTTP client; ask extension(\"%s\") first",
                    AIEX_HTTP_ID);
    if (!r || r->struct_size < REQUEST_1_0)
        return fail(err, -EINVAL, "struct_size of the request is not set");
    memcpy(&whole, r, r->struct_size < sizeof(whole) ? r->struct_size : sizeof(whole));
    return request_new(cl, &whole, h, arg, ret_id, err);
}

static int http_pause(const struct aiex_host *host, uint64_t id, int on)
{
    struct client *cl = find(host);
    struct request *r = cl ? request_find(cl, id) : NULL;

    if (!r)
        return -ENOENT;
    answer_pause(r, on);
    return 0;
}

static int http_cancel(const struct aiex_host *host, uint64_t id)
{
    struct client *cl = find(host);
    struct request *r = cl ? request_find(cl, id) : NULL;

    if (!r)
        return -ENOENT;
    request_drop(r);
    return 0;
}

static const struct aiex_http table = {
    .struct_size = sizeof(table),
    .request = http_request,
    .pause = http_pause,
    .cancel = http_cancel,
};

const struct aiex_http *aiex_http_open(const struct aiex_host *host,
                                       const struct aiex_http_env *env, struct aiex_error *err)
{
    if (!module && module_start(env, err) != 0)
        return NULL;
    if (!find(host) && client_new(host, env) != 0) {
        (void)fail(err, -ENOMEM, "no memory for the HTTP client");
        return NULL;
    }
    return &table;
}

void aiex_http_close(const struct aiex_host *host)
{
    struct client *cl = find(host);

    if (cl)
        client_free(cl);
}
