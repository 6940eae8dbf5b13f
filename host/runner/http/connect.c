/*
 * connect.c - how a connection comes to be.
 *
 * libcurl connects (TCP, TLS, later proxies) with CURLOPT_CONNECT_ONLY in the client's
 * multi handle, driven by the host's watches and one timer, so nothing blocks. The easy
 * handle stays in the multi as long as the connection lives: curl_easy_send/recv need it,
 * and removing it closes the socket.
 *
 * libcurl never looks up names (its resolver would start a thread): it is given addresses,
 * either in the URL or by CURLOPT_RESOLVE after the service "resolver" was asked.
 */
#include "client.h"

#include <aiex/aiex_pack.h>
#include <arpa/inet.h>
#include <stdlib.h>

#define MAX_ADDRESSES 8

/* A socket that libcurl is connecting. */
struct attempt {
    struct client *cl;
    curl_socket_t fd;
    uint64_t watch;
};

/* ---- libcurl's side of the loop ---- */

static uint32_t result_of(CURLcode code)
{
    switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_ENGINE_INITFAILED:
        return AIEX_HTTP_TLS;
    default:
        return AIEX_HTTP_CONNECT;
    }
}

static void finished(struct conn *c, CURLcode code)
{
    struct request *r = c->req;
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (code == CURLE_OK)
        curl_easy_getinfo(c->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (code == CURLE_OK && fd != CURL_SOCKET_BAD && conn_open(c, fd) == 0) {
        request_connected(r);
        return;
    }
    request_fail(r, result_of(code), "%s:%u: %s", c->origin->host, c->origin->port,
                 *c->reason ? c->reason : curl_easy_strerror(code));
    conn_close(c);
}

/* After each socket_action; callbacks of the plugin do not happen in here. */
static void collect(struct client *cl)
{
    struct conn *c;
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(cl->multi, &left)) != NULL) {
        CURLcode code = msg->data.result;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &c);
        finished(c, code);
    }
}

static void on_attempt(void *arg, uint32_t events)
{
    struct attempt *a = arg;
    struct client *cl = a->cl;
    int bits = (events & AIEX_WATCH_READ ? CURL_CSELECT_IN : 0) |
               (events & AIEX_WATCH_WRITE ? CURL_CSELECT_OUT : 0);
    int running;

    curl_multi_socket_action(cl->multi, a->fd, bits, &running);
    collect(cl);
}

static void on_curl_timer(void *arg)
{
    struct client *cl = arg;
    int running;

    cl->curl_timer = 0;
    curl_multi_socket_action(cl->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(cl);
}

static int set_timer(CURLM *multi, long ms, void *arg)
{
    struct client *cl = arg;

    if (cl->curl_timer)
        cl->host->unwatch(cl->host, cl->curl_timer);
    cl->curl_timer = 0;
    if (ms < 0)
        return 0;
    return cl->host->timer(cl->host, (uint64_t)ms, 0, on_curl_timer, cl, &cl->curl_timer) != 0 ? -1
                                                                                               : 0;
}

static int set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct client *cl = arg;
    struct attempt *a = socket_arg;
    uint32_t events = (what & CURL_POLL_IN ? AIEX_WATCH_READ : 0) |
                      (what & CURL_POLL_OUT ? AIEX_WATCH_WRITE : 0);

    if (what == CURL_POLL_REMOVE) {
        if (a && a->watch)
            cl->host->unwatch(cl->host, a->watch);
        free(a);
        curl_multi_assign(cl->multi, fd, NULL);
        return 0;
    }
    if (a)
        return cl->host->rewatch(cl->host, a->watch, events) != 0 ? -1 : 0;
    a = calloc(1, sizeof(*a));
    if (!a)
        return -1;
    a->cl = cl;
    a->fd = fd;
    if (cl->host->watch(cl->host, fd, events, on_attempt, a, &a->watch) != 0) {
        free(a);
        return -1;
    }
    curl_multi_assign(cl->multi, fd, a);
    return 0;
}

int connect_init(struct client *cl)
{
    cl->multi = curl_multi_init();
    if (!cl->multi)
        return -ENOMEM;
    curl_multi_setopt(cl->multi, CURLMOPT_SOCKETFUNCTION, set_socket);
    curl_multi_setopt(cl->multi, CURLMOPT_SOCKETDATA, cl);
    curl_multi_setopt(cl->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(cl->multi, CURLMOPT_TIMERDATA, cl);
    curl_multi_setopt(cl->multi, CURLMOPT_MAXCONNECTS, (long)MAX_CONNS);
    return 0;
}

void connect_done(struct client *cl)
{
    if (cl->multi)
        curl_multi_cleanup(cl->multi);
    if (cl->curl_timer)
        cl->host->unwatch(cl->host, cl->curl_timer);
    cl->multi = NULL;
    cl->curl_timer = 0;
}

/* ---- One attempt ---- */

static int set_options(struct conn *c)
{
    const struct origin *o = c->origin;
    char url[320];
    CURL *e = c->easy;
    int bad = 0;

    snprintf(url, sizeof(url), o->literal == 6 ? "%s://[%s]:%u/" : "%s://%s:%u/",
             o->tls ? "https" : "http", o->host, o->port);
    bad |= curl_easy_setopt(e, CURLOPT_URL, url);
    bad |= curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    bad |= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 1024L); /* bodies never pass through it */
    bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->reason);
    bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, c);
    if (c->resolve)
        bad |= curl_easy_setopt(e, CURLOPT_RESOLVE, c->resolve);
    if (!o->tls)
        return bad;
    bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, o->verify ? 1L : 0L);
    bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, o->verify ? 2L : 0L);
    if (o->verify)
        bad |= trust_set(c->cl, o, e);
    return bad;
}

static void connect_begin(struct conn *c)
{
    c->phase = CONN_CONNECTING;
    c->easy = curl_easy_init();
    if (!c->easy || set_options(c) != 0 ||
        curl_multi_add_handle(c->cl->multi, c->easy) != CURLM_OK) {
        request_fail(c->req, AIEX_HTTP_CONNECT, "no memory for a connection to %s:%u",
                     c->origin->host, c->origin->port);
        conn_close(c);
    }
}

/* ---- Names ---- */

/* "host:port:a,b": checked addresses only, for libcurl would look anything else up. */
static int give_addresses(struct conn *c, char addresses[][64], size_t n)
{
    char text[300 + MAX_ADDRESSES * 50];
    unsigned char bytes[16];
    size_t used = 0;
    int len = snprintf(text, sizeof(text), "%s:%u:", c->origin->host, c->origin->port);

    for (size_t i = 0; i < n; i++) {
        int v6 = inet_pton(AF_INET6, addresses[i], bytes) == 1;

        if (!v6 && inet_pton(AF_INET, addresses[i], bytes) != 1)
            continue;
        len += snprintf(text + len, sizeof(text) - (size_t)len, v6 ? "%s[%s]" : "%s%s",
                        used++ ? "," : "", addresses[i]);
    }
    if (used == 0)
        return -ENOENT;
    c->resolve = curl_slist_append(NULL, text);
    return c->resolve ? 0 : -ENOMEM;
}

static size_t read_addresses(struct aiex_slice body, char out[][64])
{
    struct aiex_value list, v;
    size_t n = 0;

    if (aiex_get(body, "addresses", &list) != 1 || list.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < list.count && n < MAX_ADDRESSES; i++) {
        if (aiex_r_value(&list.bytes, &v) != 0 || v.type != AIEX_T_STR)
            return n;
        if (v.bytes.len >= 46)
            continue;
        memcpy(out[n], v.bytes.data, v.bytes.len);
        out[n++][v.bytes.len] = 0;
    }
    return n;
}

static void name_failed(struct conn *c, const char *why)
{
    request_fail(c->req, AIEX_HTTP_CONNECT,
                 "host name '%.100s' was not resolved: %.100s; check the name and resolver_system",
                 c->origin->host, why);
    conn_close(c);
}

static void on_addresses(void *arg, const struct aiex_answer *a)
{
    struct conn *c = arg;
    char addresses[MAX_ADDRESSES][64];

    if (a->kind != AIEX_ANSWER_END)
        return;
    c->call = 0;
    c->phase = CONN_CONNECTING; /* tells resolve_name() that the answer came at once */
    if (a->code)
        name_failed(c, a->text && *a->text ? a->text : a->code);
    else if (give_addresses(c, addresses, read_addresses(a->body, addresses)) != 0)
        name_failed(c, "no address");
    else
        connect_begin(c);
}

static void resolve_name(struct conn *c)
{
    const struct aiex_host *host = c->cl->host;
    struct aiex_request call = {.struct_size = sizeof(call),
                                .flags = AIEX_CALL_IDEMPOTENT,
                                .service = "resolver",
                                .method = "resolver.resolve",
                                .timeout_ms = c->req->connect_ms};
    struct request *r = c->req;
    struct aiex_writer w;
    uint8_t mem[400];
    uint64_t id = 0;
    int e;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "host", c->origin->host);
    aiex_w_key_uint(&w, "port", c->origin->port);
    call.body = aiex_written(&w);
    c->phase = CONN_RESOLVING;
    e = host->call(host, &call, on_addresses, c, &id);
    if (r->conn != c)
        return; /* answered at once, and it failed */
    if (e != 0)
        name_failed(c, strerror(-e));
    else if (c->phase == CONN_RESOLVING)
        c->call = id;
}

void connect_start(struct conn *c)
{
    char loopback[][64] = {"127.0.0.1", "::1"};

    if (c->origin->tls && c->origin->verify && !c->origin->ca && !module->ca) {
        request_fail(c->req, AIEX_HTTP_TLS,
                     "no certificates to check %s:%u with; install ca-certificates",
                     c->origin->host, c->origin->port);
        conn_close(c);
        return;
    }
    if (c->origin->literal)
        connect_begin(c);
    else if (strcmp(c->origin->host, "localhost") != 0)
        resolve_name(c);
    else if (give_addresses(c, loopback, 2) == 0)
        connect_begin(c);
    else
        name_failed(c, "no memory");
}

void connect_stop(struct conn *c)
{
    if (c->call)
        c->cl->host->cancel(c->cl->host, c->call);
    c->call = 0;
    if (c->easy) {
        curl_multi_remove_handle(c->cl->multi, c->easy);
        curl_easy_cleanup(c->easy);
    }
    c->easy = NULL;
    curl_slist_free_all(c->resolve);
    c->resolve = NULL;
}
