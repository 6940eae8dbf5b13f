/*
 * listen.c - listening sockets: which may be opened, accepting from them, and when not to.
 */
#include "server.h"

#include <aiex/aiex_listen.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPT_BATCH      64  /* connections per turn, so that running streams are not starved */
#define SHORTAGE_PAUSE_MS 100 /* no descriptors or memory: let some connections end first */

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
};

/* Takes the next item of a comma separated list, without spaces around. 1, 0 at the end, -EINVAL
 * when it is longer than size. */
static int next_item(const char **list, char *out, size_t size)
{
    const char *from = *list + strspn(*list, ", \t"), *to;
    size_t n = strcspn(from, ",");

    *list = from + n;
    for (to = from + n; to > from && (to[-1] == ' ' || to[-1] == '\t'); to--)
        ;
    n = (size_t)(to - from);
    if (n >= size)
        return -EINVAL;
    memcpy(out, from, n);
    out[n] = 0;
    return n > 0;
}

__attribute__((format(printf, 3, 4))) static int fail(struct aiex_error *err, int error,
                                                      const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    if (err)
        vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    return error;
}

/* ---- May it be opened? ---- */

static int is_loopback4(uint32_t address)
{
    return ntohl(address) >> 24 == 127;
}

static int is_loopback6(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

#define TLS_PREFIX "tls:"

/* The address behind "tls:", if that is there. */
static const char *without_tls(const char *text, int *ret_tls)
{
    size_t n = strlen(TLS_PREFIX);

    *ret_tls = strncmp(text, TLS_PREFIX, n) == 0;
    return *ret_tls ? text + n : text;
}

/* From the text: 1 loopback, unix or systemd (looked at when it is open), 0 the network, -1 not an
 * address. */
static int text_is_local(const char *text)
{
    const char *colon = strrchr(text, ':');
    struct in6_addr in6;
    struct in_addr in;
    char host[64];
    size_t n;

    if (strncmp(text, "unix:", 5) == 0 || strncmp(text, "systemd:", 8) == 0)
        return strchr(text, ':')[1] ? 1 : -1;
    if (!colon || colon == text || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
        return -1;
    n = (size_t)(colon - text);
    if (text[0] == '[' && text[n - 1] == ']' && n > 2) {
        text++;
        n -= 2;
    }
    if (n >= sizeof(host))
        return -1;
    memcpy(host, text, n);
    host[n] = 0;
    if (inet_pton(AF_INET, host, &in) == 1)
        return is_loopback4(in.s_addr);
    return inet_pton(AF_INET6, host, &in6) == 1 ? is_loopback6(&in6) : -1;
}

/* Whoever the network can reach asks everybody for a key, and nobody overhears it. */
static int is_guarded(const struct config *config, int tls)
{
    return config->insecure_public || (tls && config->authentication == AUTHENTICATION_REQUIRED);
}

static int refuse_public(const struct config *config, int tls, const char *address,
                         struct aiex_error *err)
{
    return fail(err, -EPERM,
                "listen address '%s' is open to the network without %s; set %s%s%s, or "
                "insecure_public = yes if something else guards it",
                address,
                tls                                                 ? "authentication"
                : config->authentication == AUTHENTICATION_REQUIRED ? "TLS"
                                                                    : "TLS and authentication",
                tls ? "" : "listen = tls:ADDRESS:PORT with tls_cert and tls_key",
                tls || config->authentication == AUTHENTICATION_REQUIRED ? "" : " and ",
                config->authentication == AUTHENTICATION_REQUIRED ? ""
                                                                  : "authentication = required");
}

static int check_item(const struct config *config, const char *item, struct aiex_error *err)
{
    int tls, local = text_is_local(without_tls(item, &tls));

    if (local < 0)
        return fail(err, -EINVAL,
                    "listen address '%s' is not ADDRESS:PORT, unix:/path or systemd:NAME, perhaps "
                    "with tls: before it",
                    item);
    return local || is_guarded(config, tls) ? tls : refuse_public(config, tls, item, err);
}

int listen_check(const struct config *config, int *ret_tls, struct aiex_error *err)
{
    const char *list = config->listen;
    int n = 0, r, tls;
    char item[132];

    *ret_tls = 0;
    while ((r = next_item(&list, item, sizeof(item))) > 0) {
        tls = check_item(config, item, err);
        if (tls < 0)
            return tls;
        *ret_tls |= tls;
        if (++n > MAX_LISTENERS)
            return fail(err, -EINVAL, "listen '%s' has more than %d addresses", config->listen,
                        MAX_LISTENERS);
    }
    if (r < 0 || n == 0)
        return fail(err, -EINVAL, "listen '%s' has no usable address", config->listen);
    return 0;
}

/* ---- Opening ---- */

static int look_at_socket(struct listener *l, const struct config *config, struct aiex_error *err)
{
    union address a = {0};
    socklen_t len = sizeof(a);

    if (getsockname(l->fd, &a.any, &len) != 0)
        return fail(err, -errno, "listen address '%s' gave no socket", l->address);
    l->local = a.any.sa_family == AF_UNIX;
    if (a.any.sa_family == AF_INET)
        l->loopback = is_loopback4(a.in.sin_addr.s_addr);
    else if (a.any.sa_family == AF_INET6)
        l->loopback = is_loopback6(&a.in6.sin6_addr);
    if (!l->local && !l->loopback && !is_guarded(config, l->tls))
        return refuse_public(config, l->tls, l->address, err);
    return 0;
}

int listen_open(struct server *s, struct aiex_error *err)
{
    const struct aiex_listen *ext = s->host->extension(s->host, AIEX_LISTEN_ID);
    const char *list = s->config->listen;
    char item[sizeof(s->listeners[0].address) + 4];
    int r;

    if (!ext)
        return fail(err, -ENOSYS, "the host does not offer %s, which listening needs",
                    AIEX_LISTEN_ID);
    while (s->n_listeners < MAX_LISTENERS) {
        struct listener *l = &s->listeners[s->n_listeners];

        *l = (struct listener){.server = s, .fd = -1};
        if (next_item(&list, item, sizeof(item)) <= 0)
            break;
        snprintf(l->address, sizeof(l->address), "%s", without_tls(item, &l->tls));
        l->fd = ext->open(s->host, l->address, err);
        if (l->fd < 0)
            return l->fd;
        s->n_listeners++;
        r = look_at_socket(l, s->config, err);
        if (r != 0)
            return r;
    }
    listen_update(s);
    return s->accepting ? 0 : fail(err, -ENOMEM, "no memory to watch '%s'", s->config->listen);
}

/* ---- Accepting ---- */

static void peer_text(const struct listener *l, const union address *a, char *out, size_t size)
{
    const void *from = a->any.sa_family == AF_INET ? (const void *)&a->in.sin_addr
                                                   : (const void *)&a->in6.sin6_addr;

    if (l->local || !inet_ntop(a->any.sa_family, from, out, (socklen_t)size))
        snprintf(out, size, "unix");
}

static void accept_again(void *arg)
{
    struct server *s = arg;

    s->retry_timer = 0;
    listen_update(s);
}

/* No descriptors or no memory: a listener that stays readable would spin, so wait a little. */
static void pause_for_shortage(struct server *s)
{
    s->numbers.refused++;
    if (!s->retry_timer &&
        s->host->timer(s->host, SHORTAGE_PAUSE_MS, 0, accept_again, s, &s->retry_timer) != 0)
        s->retry_timer = 0;
    listen_update(s);
}

static void on_ready(void *arg, uint32_t ready)
{
    struct listener *l = arg;
    struct server *s = l->server;
    int one = 1;

    for (int i = 0; i < ACCEPT_BATCH && s->accepting; i++) {
        union address a = {0};
        socklen_t len = sizeof(a);
        char peer[48];
        int fd = accept4(l->fd, &a.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == ECONNABORTED || errno == EINTR))
            continue;
        if (fd < 0) {
            if (errno != EAGAIN)
                pause_for_shortage(s);
            return;
        }
        if (!l->local)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        peer_text(l, &a, peer, sizeof(peer));
        if (conn_open(s, fd, l, peer) != 0) {
            pause_for_shortage(s);
            return;
        }
        listen_update(s);
    }
}

/* Watches or pauses all listeners. */
static void set_accepting(struct server *s, int on)
{
    const struct aiex_host *host = s->host;

    s->accepting = on;
    for (int i = 0; i < s->n_listeners; i++) {
        struct listener *l = &s->listeners[i];

        if (l->watch)
            host->rewatch(host, l->watch, on ? AIEX_WATCH_READ : 0);
        else if (on && host->watch(host, l->fd, AIEX_WATCH_READ, on_ready, l, &l->watch) != 0)
            s->accepting = 0;
    }
}

void listen_update(struct server *s)
{
    int on = !s->draining && !s->retry_timer && s->n_conns < s->config->max_connections;

    if (on != s->accepting)
        set_accepting(s, on);
}

void listen_close(struct server *s)
{
    for (int i = 0; i < s->n_listeners; i++) {
        if (s->listeners[i].watch)
            s->host->unwatch(s->host, s->listeners[i].watch);
        close(s->listeners[i].fd);
    }
    s->n_listeners = 0;
    s->accepting = 0;
    if (s->retry_timer)
        s->host->unwatch(s->host, s->retry_timer);
    s->retry_timer = 0;
}
