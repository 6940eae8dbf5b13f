/*
 * access.c - keeps web pages of others away from a server on this machine.
 *
 * A browser lets any page send requests to 127.0.0.1, and by DNS rebinding even read
 * the answers. Two checks stop that: on loopback the Host must be one of the names by
 * which this machine calls itself, and a request that names a foreign Origin is
 * refused unless `cors_origins` lists it. Clients that are no browsers send no Origin.
 */
#include "server.h"

#include <string.h>
#include <strings.h>

/* Is `text` of n bytes an item of the comma separated list? "*" fits everything. */
static int listed(const char *list, const char *text, size_t n)
{
    while (*list) {
        size_t len;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len == 1 && *list == '*')
            return 1;
        if (len && len == n && strncasecmp(list, text, n) == 0)
            return 1;
        list += len;
    }
    return 0;
}

/* Bytes of the name in "name:port" or "[v6]:port". */
static size_t host_length(const char *host)
{
    return *host == '[' ? strcspn(host, "]") + (strchr(host, ']') != NULL) : strcspn(host, ":/");
}

int access_host_listed(const char *list, const char *host)
{
    return listed(list, host, host_length(host));
}

/* An absolute target ("http://host/path") overrules Host (RFC 9112 3.2.2), so both must fit. */
static int host_allowed(const char *list, const struct aiex_http1_head *head)
{
    const char *host = aiex_http1_get(head, "host"), *scheme = strstr(head->target, "://");

    if (host && !access_host_listed(list, host))
        return 0;
    return *head->target == '/' || !scheme || access_host_listed(list, scheme + 3);
}

static int same_origin(const char *origin, const char *host)
{
    const char *name = strstr(origin, "://");

    return name && host && strcasecmp(name + 3, host) == 0;
}

int access_check(struct conn *c, const struct aiex_http1_head *head, const char **ret_why)
{
    const struct config *config = c->server->config;
    const char *origin = aiex_http1_get(head, "origin");

    if (c->check_host && !host_allowed(config->allowed_hosts, head)) {
        *ret_why = "this host name is not served here; add it to the option allowed_hosts";
        return 421;
    }
    if (!origin || same_origin(origin, aiex_http1_get(head, "host")))
        return 0;
    if (!listed(config->cors_origins, origin, strlen(origin))) {
        *ret_why = "requests from web pages of this origin are refused; add it to the option "
                   "cors_origins";
        return 403;
    }
    c->origin = origin;
    return 0;
}
