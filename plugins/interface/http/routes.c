/*
 * routes.c - the table of what is served; 404, 405, Allow and metric labels follow from it.
 *
 * HEAD goes where GET goes. Queries are not looked at ("?beta=true" is the client's
 * business), names are compared byte by byte as sent. Paths of the table come before those
 * that other plugins have asked for (added.c), which may not lie below /v1/ and /api/.
 */
#include "added.h"
#include "server.h"

#include <stdio.h>
#include <string.h>

#define ASK    (ROUTE_BODY | ROUTE_V1 | ROUTE_MODEL)
#define OWN    (ROUTE_BODY | ROUTE_MODEL)
#define PART   (ROUTE_PREFIX | ROUTE_V1)
#define RESP   AIEX_OPENAI_RESPONSES
#define EITHER (ROUTE_V1 | ROUTE_EITHER)

/* Of two that fit, the first is taken. */
static const struct route routes[] = {
    {"POST", "/v1/chat/completions", ASK, AIEX_OPENAI_CHAT, ask_begin, NULL},
    {"POST", "/v1/responses", ASK, RESP, responses_begin, NULL},
    {"GET", "/v1/responses/", PART | ROUTE_SUFFIX, RESP, responses_items, "/input_items"},
    {"POST", "/v1/responses/", PART | ROUTE_SUFFIX, RESP, responses_cancel, "/cancel"},
    {"GET", "/v1/responses/", PART, RESP, responses_show, NULL},
    {"DELETE", "/v1/responses/", PART, RESP, responses_delete, NULL},
    {"POST", "/v1/messages", ASK, AIEX_ANTHROPIC_MESSAGES, ask_begin, NULL},
    {"POST", "/v1/messages/count_tokens", ROUTE_BODY | ROUTE_V1, AIEX_ANTHROPIC_MESSAGES, ask_count,
     NULL},
    {"POST", "/v1/completions", ASK, AIEX_OPENAI_COMPLETIONS, ask_begin, NULL},
    {"POST", "/v1/embeddings", ASK, AIEX_OPENAI_EMBEDDINGS, ask_begin, NULL},
    {"GET", "/v1/models", EITHER, AIEX_OPENAI_CHAT, models_list, NULL},
    {"GET", "/v1/models/", EITHER | ROUTE_PREFIX, AIEX_OPENAI_CHAT, models_one, NULL},
    {"POST", "/api/chat", OWN, AIEX_OLLAMA_CHAT, ask_begin, NULL},
    {"POST", "/api/generate", OWN, AIEX_OLLAMA_GENERATE, ask_begin, NULL},
    {"POST", "/api/embed", OWN, AIEX_OLLAMA_EMBED, ask_begin, NULL},
    {"POST", "/api/embeddings", OWN, AIEX_OLLAMA_EMBED, ask_embedding, NULL},
    {"GET", "/api/tags", 0, AIEX_OLLAMA_CHAT, ollama_tags, NULL},
    {"GET", "/api/ps", 0, AIEX_OLLAMA_CHAT, ollama_running, NULL},
    {"POST", "/api/show", ROUTE_BODY, AIEX_OLLAMA_CHAT, ollama_show, NULL},
    {"GET", "/api/version", 0, AIEX_OLLAMA_CHAT, ollama_version, NULL},
    {"GET", "/", 0, AIEX_OPENAI_CHAT, health_root, NULL},
    {"GET", "/healthz", 0, AIEX_OPENAI_CHAT, health_alive, NULL},
    {"GET", "/readyz", 0, AIEX_OPENAI_CHAT, health_ready, NULL},
    {"GET", "/metrics", 0, AIEX_OPENAI_CHAT, metrics_begin, NULL},
};

#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

size_t routes_count(void)
{
    return N_ROUTES + 1; /* and those of other plugins */
}

const struct route *routes_at(size_t i)
{
    return i < N_ROUTES ? &routes[i] : &added_route;
}

size_t routes_index(const struct route *route)
{
    if (!route)
        return routes_count();
    return route == &added_route ? N_ROUTES : (size_t)(route - routes);
}

/* ---- Does it fit? ---- */

static int ends_with(const char *text, size_t n, const char *suffix)
{
    size_t len = strlen(suffix);

    return n > len && memcmp(text + n - len, suffix, len) == 0;
}

/* Where the path leaves the route's own; NULL when it does not fit. */
static const char *fits_from(const struct route *r, const char *own, const char *path)
{
    size_t n = strlen(own), rest;

    if (!(r->flags & ROUTE_PREFIX))
        return strcmp(own, path) == 0 ? path + n : NULL;
    if (strncmp(own, path, n) != 0 || !path[n])
        return NULL;
    rest = strlen(path + n);
    return !r->suffix || ends_with(path + n, rest, r->suffix) ? path + n : NULL;
}

static const char *fits(const struct route *r, const char *path)
{
    const char *at = fits_from(r, r->path, path);

    return at || !(r->flags & ROUTE_V1) ? at : fits_from(r, r->path + strlen("/v1"), path);
}

const struct route *routes_find(const char *method, const char *path, int *ret_status)
{
    int known = 0;

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (!fits(&routes[i], path))
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

void routes_allow(const struct server *s, const char *path, char *out, size_t size)
{
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < N_ROUTES && len < size; i++) {
        if (!fits(&routes[i], path))
            continue;
        len += (size_t)snprintf(out + len, size - len, "%s%s, ", routes[i].method,
                                strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
    }
    if (len && len < size)
        snprintf(out + len, size - len, "OPTIONS");
    else if (!len)
        added_allow(s, path, out, size);
}

/* Has the path, which may end with '*', places below the folder? */
static int reaches(const char *path, const char *folder)
{
    size_t n = strlen(path);

    if (n && path[n - 1] == '*' && n - 1 < strlen(folder))
        return strncmp(path, folder, n - 1) == 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

int routes_reserved(const char *path)
{
    if (reaches(path, "/v1/") || reaches(path, "/api/"))
        return 1;
    for (size_t i = 0; i < N_ROUTES; i++) {
        if (fits(&routes[i], path))
            return 1;
    }
    return 0;
}

int routes_dialect(const struct aiex_http1_head *head)
{
    if (strncmp(head->path, "/api/", 5) == 0)
        return AIEX_OLLAMA_CHAT;
    return aiex_http1_get(head, "anthropic-version") ? AIEX_ANTHROPIC_MESSAGES : AIEX_OPENAI_CHAT;
}

/* ---- What stands in the path ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX. Bytes, or -1 when it is malformed or too long. */
static int percent_decode(const char *text, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        int byte = (unsigned char)text[i];

        if (text[i] == '%') {
            int high = i + 2 < len ? hex_value(text[i + 1]) : -1;
            int low = high < 0 ? -1 : hex_value(text[i + 2]);

            if (low < 0)
                return -1;
            byte = high << 4 | low;
            i += 2;
        }
        if (n + 1 >= size || byte == 0)
            return -1;
        out[n++] = (char)byte;
    }
    out[n] = 0;
    return (int)n;
}

int routes_rest(const struct conn *c, char *out, size_t size)
{
    const char *rest = fits(c->route, aiex_http1_head(c->parser)->path);
    size_t n = rest ? strlen(rest) : 0;

    if (c->route->suffix)
        n -= strlen(c->route->suffix);
    return percent_decode(rest, n, out, size);
}
