/*
 * routes.c - the table of what is served; 404, 405, Allow and metric labels follow from it.
 *
 * HEAD goes where GET goes. Queries are not looked at ("?beta=true" is the client's
 * business), names are compared byte by byte as sent.
 */
#include "server.h"

#include <stdio.h>
#include <string.h>

static const struct route routes[] = {
    {"POST", "/v1/chat/completions", ROUTE_BODY, chat_begin, chat_answer},
    {"GET", "/v1/models", 0, models_begin, models_answer},
    {"GET", "/v1/models/", ROUTE_PREFIX, models_begin, model_answer},
    {"GET", "/", 0, health_root, NULL},
    {"GET", "/healthz", 0, health_alive, NULL},
    {"GET", "/readyz", 0, health_ready, health_ready_answer},
    {"GET", "/metrics", 0, metrics_begin, metrics_answer},
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

size_t routes_count(void)
{
    return N_ROUTES;
}

const struct route *routes_at(size_t i)
{
    return &routes[i];
}

size_t routes_index(const struct route *route)
{
    return route ? (size_t)(route - routes) : N_ROUTES;
}

static int path_fits(const struct route *r, const char *path)
{
    size_t n;

    if (!(r->flags & ROUTE_PREFIX))
        return strcmp(r->path, path) == 0;
    n = strlen(r->path);
    return strncmp(r->path, path, n) == 0 && path[n];
}

const struct route *routes_find(const char *method, const char *path, int *ret_status)
{
    int known = 0;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!path_fits(&routes[i], path))
            continue;
        known = 1;
        if (strcmp(routes[i].method, method) == 0) {
            *ret_status = 0;
            return &routes[i];
        }
    }
    if (known)
        *ret_status = strcmp(method, "OPTIONS") == 0 ? 204 : 405;
    else
        *ret_status = 404;
    return NULL;
}

void routes_allow(const char *path, char *out, size_t size)
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < N_ROUTES && len < size; i++) {
        if (!path_fits(&routes[i], path))
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s, ", routes[i].method,
                                strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
    }
    if (len && len < size)
        snprintf(out + len, size - len, "OPTIONS");
}
