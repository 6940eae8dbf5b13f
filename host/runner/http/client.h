/*
 * client.h - the insides of aiex_http.so.
 *
 *   module.c    entry, one client per instance, the table's three functions
 *   url.c       "https://host:1/x?y" -> parts
 *   request.c   a request: its bytes, its place in the table, how it ends
 *   answer.c    what comes in: head, body, pause, decoding, completeness
 *   trust.c     which certificates are believed
 *   gzip.c      Content-Encoding: gzip and deflate, with limits
 *   conn.c      a connection: sending, reading, watch, the idle pool
 *   connect.c   making one: names, libcurl's CONNECT_ONLY in a multi handle
 *   deadline.c  all time limits of a client behind one timer of the host
 *
 * A request has at most one connection and a connection at most one request. Whoever
 * ends a request first detaches its connection; a connection that is being read when it
 * must go is marked dead and freed by the reader. Callbacks of the plugin may do anything
 * (start, pause, cancel): after one returned, ask again whether the request still lives.
 */
#ifndef AIEX_RUNNER_HTTP_CLIENT_H
#define AIEX_RUNNER_HTTP_CLIENT_H

#include "base/err.h"
#include "base/list.h"
#include "http_module.h"

#include <aiex_http1.h>
#include <curl/curl.h>
#include <string.h>
#include <sys/uio.h>

#define READ_BYTES      65536u
#define OUT_KEPT        65536u /* bytes of output buffer that a recycled request keeps */
#define MAX_REQUESTS    65535u
#define MAX_CONNS       1024u
#define IDLE_PER_ORIGIN 64u
#define IDLE_TOTAL      256u
#define IDLE_MS         60000u
#define N_SPARE         64u /* recycled request objects */

/* ---- deadline.c ---- */

struct deadline {
    uint64_t due; /* 0 = none. May move later without touching the heap */
    uint64_t key; /* where it stands in the heap */
    size_t at;    /* index + 1, 0 = not in the heap */
    void (*fn)(struct deadline *d);
};

struct client;

/* Every deadline is made known first, so that setting one can not fail. 0, -ENOMEM. */
int deadline_init(struct client *cl, struct deadline *d, void (*fn)(struct deadline *));
void deadline_done(struct client *cl, struct deadline *d);
/* Sets (again); 0 = never. Cheap when the new time is later than the old one. */
void deadline_set(struct client *cl, struct deadline *d, uint64_t due);
void deadline_drop(struct client *cl, struct deadline *d);

/* ---- module.c ---- */

/* What the whole process shares. */
struct module {
    struct list clients;
    char *ca_path;
    uint8_t *ca; /* what it holds: PEM */
    size_t n_ca;
    uint8_t in[READ_BYTES];  /* where every read lands */
    uint8_t out[READ_BYTES]; /* where every decompression lands */
};

extern struct module *module;

/* ---- url.c ---- */

struct url {
    int tls;
    int literal; /* 4, 6: the host is an address; 0: a name */
    uint16_t port;
    char host[256];     /* lower case, without brackets */
    const char *target; /* into the text; "" means "/" ; begins with '/' or '?' */
    size_t n_target;    /* without the fragment */
};

/* A provider asks the same place again and again. */
struct known_url {
    struct url url;
    size_t prefix; /* bytes of `text` before the target */
    char text[512], authority[280];
};

/* 0, or -EINVAL with a reason. */
int url_parse(const char *text, struct url *ret_url, struct aiex_error *err);
/* "host", "[v6]", with ":port" unless it is the scheme's own. */
void url_authority(const struct url *u, char out[280]);
/* The same two, remembered for the next call with this text. The authority is valid until then. */
int url_look_up(struct known_url *known, const char *text, struct url *ret_url,
                struct aiex_error *err);

/* ---- module.c ---- */

struct client {
    struct list link;
    const struct aiex_host *host;
    char user_agent[128];
    CURLM *multi;
    int store_ready; /* multi holds the parsed certificates */
    uint64_t curl_timer;
    /* Requests by slot; a free slot's generation is what its next id will carry. */
    struct request **slots;
    uint32_t *generations;
    uint32_t n_slots, *free_slots, n_free;
    struct request *spare[N_SPARE];
    uint32_t n_spare;
    struct list kicked; /* requests to look at outside of the plugin's calls */
    uint64_t kick_timer;
    struct list origins, conns, idle; /* idle: oldest first */
    uint32_t n_conns, n_idle;
    /* deadline.c */
    struct deadline **heap;
    size_t n_heap, cap_heap, n_deadlines;
    uint64_t timer, timer_at;
    struct known_url known;
};

/* ---- conn.c ---- */

/* Where a connection leads: only equal ones share the pool. */
struct origin {
    struct list link;
    struct list idle; /* newest first */
    struct client *cl;
    uint32_t n_idle, n_refs;
    int tls, verify, literal;
    uint16_t port;
    char host[256];
    char *ca; /* certificates to believe instead of the module's, PEM; NULL = those */
    size_t n_ca;
};

enum conn_phase { CONN_RESOLVING, CONN_CONNECTING, CONN_ACTIVE, CONN_IDLE };

struct conn {
    struct list all, idle, lru;
    struct client *cl;
    struct origin *origin;
    struct request *req;
    enum conn_phase phase;
    int fd;
    CURL *easy;
    struct curl_slist *resolve;
    uint64_t call; /* to the resolver */
    char reason[CURL_ERROR_SIZE];
    uint64_t watch;
    uint32_t events;
    int reused;  /* has served before */
    int reading; /* somewhere below conn_read() */
    int dead;    /* to be freed by the reader */
    struct aiex_http1 *parser;
    struct deadline idle_end;
};

/* ca (may be NULL) is copied. NULL: no memory. */
struct origin *origin_get(struct client *cl, const struct url *u, int verify, const char *ca);
void origin_unref(struct origin *o);
/* A pooled connection to that place, active again; or NULL. */
struct conn *conn_take(struct client *cl, struct origin *o);
struct conn *conn_new(struct client *cl, struct origin *o);
/* The socket is there. */
int conn_open(struct conn *c, int fd);
/* Sends what the request still has to send. */
void conn_write(struct conn *c);
void conn_read(struct conn *c);
/* Watches for what request and phase need. */
void conn_rewatch(struct conn *c);
/* Back to the pool, or closed when `keep` is 0 or the pool is full. */
void conn_release(struct conn *c, int keep);
/* Closes at once. */
void conn_close(struct conn *c);

/* ---- connect.c ---- */

int connect_init(struct client *cl);
void connect_done(struct client *cl);
/* Begins to resolve and connect; failures come through request_fail(). */
void connect_start(struct conn *c);
/* Ends an attempt under way; before the connection is freed. */
void connect_stop(struct conn *c);

/* ---- trust.c ---- */

/* Makes the store of certificates while files may be opened; without it, trust_set() is slow. */
void trust_prepare(struct client *cl);
/* Gives a handle the certificates to believe; o NULL = the module's. 0, or not. */
int trust_set(struct client *cl, const struct origin *o, CURL *easy);

/* ---- gzip.c ---- */

struct gzip;

enum gzip_kind { GZIP_NONE, GZIP_GZIP, GZIP_DEFLATE };
struct gzip *gzip_new(enum gzip_kind kind);
void gzip_free(struct gzip *g);
/* Gives input; it must be used up by gzip_next() before more is given. */
void gzip_give(struct gzip *g, const uint8_t *bytes, size_t n);
/* The next decoded bytes (in module->out). 1, 0 = wants more input, -EPROTO broken, -EMSGSIZE bomb.
 */
int gzip_next(struct gzip *g, struct aiex_slice *ret_out);
/* Takes back the input that was not used yet, to be given again. */
struct aiex_slice gzip_take_back(struct gzip *g);
/* 1 = the last member is complete. */
int gzip_complete(const struct gzip *g);

/* ---- request.c and answer.c ---- */

struct request {
    struct list kick;
    struct client *cl;
    struct conn *conn;
    struct origin *origin;
    uint32_t slot;
    uint64_t id;
    struct aiex_http_handler handler;
    void *arg;
    uint32_t flags;
    int is_head; /* method HEAD */

    uint8_t *out;                   /* what is sent: head and body, or the head and then `body` */
    size_t n_out, cap_out, off_out; /* n_out: all that is sent */
    struct aiex_slice body;         /* the plugin's, borrowed; empty: it stands in `out` */
    int sent, retried;
    int cut_short; /* sending failed: the peer reads no more */

    uint32_t connect_ms, first_byte_ms, idle_ms;
    uint64_t max_body, body_seen;
    uint64_t total_at, phase_at; /* deadlines; phase_at is one of connect, first byte, idle */
    const char *phase_name;
    uint32_t phase_ms;
    struct deadline end;

    int received; /* bytes of the answer, on this connection */
    int has_head, paused;
    int in_callback;
    int complete; /* the message is whole, only the spill is still to be given */
    struct gzip *gzip;
    uint8_t *spill; /* body bytes that came while paused */
    size_t n_spill, cap_spill;

    int ending; /* result below waits for the kick */
    uint32_t result;
    char text[256];
};

/* Frees a recycled object. */
void request_free_object(struct request *r);
int request_new(struct client *cl, const struct aiex_http_request *r,
                const struct aiex_http_handler *h, void *arg, uint64_t *ret_id,
                struct aiex_error *err);
struct request *request_find(struct client *cl, uint64_t id);
/* Frees without end(): cancel, close. */
void request_drop(struct request *r);
/* Ends now, with end(). The request is gone afterwards. */
void request_end(struct request *r, uint32_t result, const char *text);
/* Ends from the loop, never inside a call of the plugin. */
void request_fail(struct request *r, uint32_t result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Looks at the request again from the loop. */
void request_kick(struct request *r);
/* Connected (or taken from the pool): send. */
void request_connected(struct request *r);
/* All is sent: the first byte's time begins. */
void request_sent(struct request *r);
/* A connection broke. Tries again when that can not be noticed, else ends. */
void request_broken(struct request *r, const char *text);
/* What is still to be sent, in one or two pieces. */
int request_rest(const struct request *r, struct iovec v[2]);
/* The plugin may have its body back: keeps what is not sent. 0, or -ENOMEM. */
int request_keep_body(struct request *r);
/* Some progress was made: the time between bytes begins anew. */
void request_progress(struct request *r);

/* Bytes of the answer; n 0 = the peer closed. The connection may be dead afterwards. */
void answer_feed(struct conn *c, const uint8_t *bytes, size_t n);
/* Gives what was held back during a pause; ends the request if it was complete. */
void answer_resume(struct request *r);
void answer_pause(struct request *r, int on);
extern const struct aiex_http1_events answer_events;

#endif
