/*
 * added.c - the registry of other plugins' paths: `http.route`, looking up, forgetting.
 */
#include "added.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct added_routes {
    uint32_t serial;
    struct added at[ADDED_MAX];
};

const struct route added_route = {"*", "plugin", ROUTE_BODY, AIEX_OPENAI_CHAT, added_begin, NULL};

static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

int added_init(struct server *s)
{
    s->added = s->host->alloc(s->host, sizeof(*s->added));
    return s->added ? 0 : -ENOMEM;
}

void added_done(struct server *s)
{
    s->host->release(s->host, s->added);
    s->added = NULL;
}

/* ---- Looking up ---- */

static int fits(const struct added *a, const char *path)
{
    size_t n = strlen(a->path);

    if (!a->serial)
        return 0;
    return a->prefix ? strncmp(a->path, path, n) == 0 : strcmp(a->path, path) == 0;
}

/* Exact before prefix, the longer prefix before the shorter one. */
static int is_closer(const struct added *a, const struct added *than)
{
    if (!than || a->prefix != than->prefix)
        return !than || !a->prefix;
    return strlen(a->path) > strlen(than->path);
}

int added_find(struct conn *c, const struct aiex_http1_head *head)
{
    struct added_routes *all = c->server->added;
    const char *method = strcmp(head->method, "HEAD") == 0 ? "GET" : head->method;
    const struct added *best = NULL;
    int known = 0;

    for (size_t i = 0; i < ADDED_MAX; i++) {
        const struct added *a = &all->at[i];

        if (!fits(a, head->path))
            continue;
        known = 1;
        if (strcmp(a->method, method) == 0 && is_closer(a, best))
            best = a;
    }
    if (!best)
        return !known ? 404 : strcmp(head->method, "OPTIONS") == 0 ? 204 : 405;
    c->route = &added_route;
    c->added = (uint32_t)(best - all->at);
    c->added_serial = best->serial;
    return 0;
}

void added_allow(const struct server *s, const char *path, char *out, size_t size)
{
    size_t len = 0;

    out[0] = 0;
    for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
        for (size_t i = 0; i < ADDED_MAX; i++) {
            const struct added *a = &s->added->at[i];

            if (!fits(a, path) || strcmp(a->method, methods[m]) != 0)
                continue;
            len += (size_t)snprintf(out + len, size - len, "%s%s, ", a->method,
                                    m == 0 ? ", HEAD" : "");
            break;
        }
    }
    if (len && len < size)
        snprintf(out + len, size - len, "OPTIONS");
}

const struct added *added_of(const struct conn *c)
{
    const struct added *a = &c->server->added->at[c->added];

    return a->serial == c->added_serial ? a : NULL;
}

/* ---- Registering ---- */

/* One text of the request. 1, 0 absent, -1 wrong (answered). */
static int read_text(struct server *s, const struct aiex_message *m, const char *key, int required,
                     char *out, size_t size)
{
    int r = aiex_get_text(m->body, key, out, size);
    char text[160];

    if (r > 0 || (r == 0 && !required))
        return r;
    if (r == 0)
        snprintf(text, sizeof(text), "field '%s' is required", key);
    else
        snprintf(text, sizeof(text), "field '%s' is no text of at most %zu bytes", key, size - 1);
    s->host->fail(s->host, m->id, AIEX_E_INVALID, text, 0, (struct aiex_slice){0});
    return -1;
}

static int read_texts(struct server *s, const struct aiex_message *m, struct added *a)
{
    const struct {
        const char *key;
        int required;
        char *out;
        size_t size;
    } t[] = {
        {"method", 1, a->method, sizeof(a->method)},
        {"path", 1, a->path, sizeof(a->path)},
        {"service", 1, a->service, sizeof(a->service)},
        {"call", 1, a->call, sizeof(a->call)},
        {"instance", 0, a->instance, sizeof(a->instance)},
        {"permission", 0, a->permission, sizeof(a->permission)},
        {"type", 0, a->type, sizeof(a->type)},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        if (read_text(s, m, t[i].key, t[i].required, t[i].out, t[i].size) < 0)
            return -1;
    }
    if (!a->instance[0])
        snprintf(a->instance, sizeof(a->instance), "%s", a->service);
    if (!a->type[0])
        snprintf(a->type, sizeof(a->type), "%s", "text/event-stream");
    if (aiex_get_bool(m->body, "stream", &a->stream) != 1)
        a->stream = 0;
    return 0;
}

/* NULL, or what is wrong with it. */
static const char *complaint(struct added *a)
{
    size_t n = strlen(a->path), i = 0;

    while (i < sizeof(methods) / sizeof(methods[0]) && strcmp(methods[i], a->method) != 0)
        i++;
    if (i == sizeof(methods) / sizeof(methods[0]))
        return "method must be GET, POST, PUT, PATCH or DELETE";
    for (i = 0; i < n; i++) {
        if (a->path[i] <= ' ' || a->path[i] > '~' || a->path[i] == '?')
            return "path must be printable ASCII without spaces and queries";
    }
    if (a->path[0] != '/' || (strchr(a->path, '*') && strchr(a->path, '*') != a->path + n - 1))
        return "path must begin with / and may have a * at its end only";
    if (routes_reserved(a->path))
        return "this path is the server's own";
    if (a->path[n - 1] == '*') {
        a->prefix = 1;
        a->path[n - 1] = 0;
    }
    return NULL;
}

/* The place of the same method and path, else a free one, else NULL. */
static struct added *place_for(struct added_routes *all, const struct added *a)
{
    struct added *spare = NULL;

    for (size_t i = 0; i < ADDED_MAX; i++) {
        struct added *at = &all->at[i];

        if (at->serial && at->prefix == a->prefix && strcmp(at->method, a->method) == 0 &&
            strcmp(at->path, a->path) == 0)
            return at;
        if (!at->serial && !spare)
            spare = at;
    }
    return spare;
}

int added_register(struct server *s, const struct aiex_message *m)
{
    const struct aiex_slice nothing = {0};
    struct added a = {0}, *at;
    const char *wrong;

    if (read_texts(s, m, &a) != 0)
        return 0;
    wrong = complaint(&a);
    if (wrong)
        return s->host->fail(s->host, m->id, AIEX_E_INVALID, wrong, 0, nothing);
    at = place_for(s->added, &a);
    if (!at)
        return s->host->fail(s->host, m->id, AIEX_E_BUSY, "no room for another route", 0, nothing);
    if (at->serial && strcmp(at->instance, a.instance) != 0)
        return s->host->fail(s->host, m->id, AIEX_E_CONFLICT,
                             "another plugin serves this method and path", 0, nothing);
    a.serial = ++s->added->serial;
    *at = a;
    return s->host->reply(s->host, m->id, nothing);
}

void added_event(struct server *s, const struct aiex_message *m)
{
    struct aiex_slice type, who;

    if (strcmp(m->method, "host.plugin") != 0 || aiex_get_str(m->body, "type", &type) != 1 ||
        aiex_get_str(m->body, "subject", &who) != 1)
        return;
    if (!aiex_slice_is(type, "stopped") && !aiex_slice_is(type, "failed") &&
        !aiex_slice_is(type, "removed"))
        return;
    for (size_t i = 0; i < ADDED_MAX; i++) {
        if (s->added->at[i].serial && aiex_slice_is(who, s->added->at[i].instance))
            s->added->at[i] = (struct added){0};
    }
}
