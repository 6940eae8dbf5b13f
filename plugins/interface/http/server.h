/*
 * server.h - what the files of this plugin share: one server, its connections, its routes.
 *
 * A request's way: listen.c accepts; conn.c reads, parses and looks the route up
 * (routes.c, guarded by access.c); the route's begin() answers at once or starts a
 * call (call.c) whose answer comes to the route's answer(); respond.c writes heads
 * and bodies into the connection's output; output.c sends it once per loop turn and
 * gives the call its window back; deadline.c ends what takes too long.
 *
 * Everything runs on the loop thread. A connection that ends is only marked; its
 * memory is used again at the end of the turn, so callers up the stack may still
 * look at it.
 */
#ifndef INTERFACE_HTTP_SERVER_H
#define INTERFACE_HTTP_SERVER_H

#include "buffer.h"

#include <aiex/aiex_plugin.h>
#include <aiex_http1.h>

/* ---- Configuration: written by the host through the option table ---- */

struct config {
    const char *listen, *coordinator, *allowed_hosts, *cors_origins;
    int64_t insecure_public, access_log;
    int64_t max_body, max_head, max_connections, write_high_water;
    int64_t head_timeout, body_timeout, idle_timeout, write_timeout, timeout, drain_grace;
};

/* ---- Phases of a connection; deadline.c has their limits ---- */

enum phase {
    PHASE_IDLE,   /* no byte of a request yet */
    PHASE_HEAD,   /* a request line or headers are missing */
    PHASE_BODY,   /* the head is here, the body is not */
    PHASE_ANSWER, /* being answered; the call's own deadline counts */
    PHASE_SEND,   /* being answered, and the client does not take what is ready */
    PHASE_LINGER, /* all is sent; the client may still be sending */
    PHASE_CLOSED,
    N_PHASES
};

/* ---- Numbers for /metrics ---- */

#define N_BUCKETS 14

/* Own order of route labels: the index into the route table, then "other". */
struct route_numbers {
    uint64_t by_status[600];
    uint64_t buckets[N_BUCKETS + 1];
    uint64_t total_us;
};

struct numbers {
    struct route_numbers *routes; /* routes_count() + 1 of them */
    uint64_t accepted, refused, received_bytes, sent_bytes;
    uint64_t client_gone, timeouts, cut_streams;
};

/* ---- A connection ---- */

struct conn {
    struct server *server;
    struct conn *next_free, *next_dirty; /* lists of the server */
    struct conn *earlier, *later;        /* of the same phase, by deadline */
    uint64_t deadline_ms;
    enum phase phase;
    int fd;
    uint64_t watch;
    uint32_t watched; /* AIEX_WATCH_* now */
    struct aiex_http1 *parser;
    struct buffer held;      /* bytes behind the request that is being answered */
    struct buffer body;      /* the request's message for the call, see call.c */
    struct buffer out;       /* what the socket did not take yet */
    char peer[48];           /* address without port, or "unix" */
    unsigned check_host : 1; /* the listener is on a loopback address */
    unsigned dirty : 1;      /* in the server's list of output */
    unsigned listed : 1;     /* in a list of deadline.c */

    /* The request; cleared by conn_next(). */
    const struct route *route; /* NULL: none fits */
    const char *origin;        /* the client's, when it is to be named in the answer */
    uint64_t trace, begun_us;
    uint64_t call;          /* 0 = none, or not known yet */
    uint32_t window;        /* of that call, in bytes */
    size_t unwritten;       /* bytes of parts in `out` */
    size_t owed;            /* bytes of parts taken, not credited yet */
    size_t n_ignored;       /* body bytes of a route that wants none */
    int status;             /* of the answer, 0 = not begun */
    int refuse_status;      /* decided before the request was complete */
    const char *refuse_why; /* static text, or NULL: refuse_status says it */
    unsigned calling : 1;   /* a call is open */
    unsigned stream : 1;    /* the client wants events */
    unsigned chunked : 1;   /* the answer is sent in chunks */
    unsigned head_only : 1; /* HEAD */
    unsigned http10 : 1;    /* knows no chunks */
    unsigned keep_alive : 1;
    unsigned ended : 1;  /* the whole answer is in `out` or sent */
    unsigned linger : 1; /* the client may be sending when we close */
};

/* ---- The server ---- */

#define MAX_LISTENERS 16

struct listener {
    struct server *server;
    int fd;
    uint64_t watch;
    int loopback;
    int local; /* a unix socket */
    char address[128];
};

struct deadline_list {
    struct conn *first, *last;
};

struct server {
    const struct aiex_host *host;
    const struct config *config;
    struct pool pool;
    struct listener listeners[MAX_LISTENERS];
    int n_listeners;
    int accepting;
    struct conn *free, *ended, *dirty, **dirty_end;
    int n_free;
    int64_t n_conns;
    int turn_posted;
    struct deadline_list deadlines[N_PHASES];
    uint64_t timer, timer_at_ms; /* 0 = none */
    uint64_t retry_timer;        /* accepting again after a shortage */
    uint64_t next_trace;
    struct aiex_http1_date date;
    struct numbers numbers;
    uint8_t *scratch; /* SCRATCH_BYTES to receive into */
    void (*drained)(void *arg);
    void *drained_arg;
    int draining;
};

#define SCRATCH_BYTES (128u * 1024u)
#define HELD_BYTES    (64u * 1024u) /* of pipelined requests behind the one being answered */

/* ---- listen.c ---- */

/* Refuses addresses that are open to the network while nobody is asked who they are. */
int listen_check(const struct config *config, struct aiex_error *err);
int listen_open(struct server *s, struct aiex_error *err);
/* Watches or leaves the listeners as load, shortage and draining demand. */
void listen_update(struct server *s);
void listen_close(struct server *s);

/* ---- conn.c ---- */

/* Takes over fd. 0, or -ENOMEM (fd is closed). */
int conn_open(struct server *s, int fd, const struct listener *from, const char *peer);
/* Ready for the next request; answers what is held already. */
void conn_next(struct conn *c);
/* Ends the connection and the call that runs for it. */
void conn_close(struct conn *c);
/* Closes, after waiting for a client that is still sending when `linger` is set. */
void conn_finish(struct conn *c);
/* Reads or not, writes or not. */
void conn_watch(struct conn *c, uint32_t events);
/* Uses the memory of ended connections again; tells draining that none is left. */
void conn_reap(struct server *s);
void conn_free_all(struct server *s);

/* ---- deadline.c ---- */

/* Puts the connection into a phase and begins its time anew. */
void deadline_phase(struct conn *c, enum phase phase);
void deadline_drop(struct conn *c);
/* Nobody in that phase waits longer than limit_ms from now. */
void deadline_clamp(struct server *s, enum phase phase, uint64_t limit_ms);
/* How long a phase may last; 0 = for ever. */
uint64_t deadline_limit(const struct server *s, enum phase phase);
void deadline_stop(struct server *s);

/* ---- output.c ---- */

/* More bytes for the client. 0, or a negative errno after the connection was closed. */
int output_add(struct conn *c, const void *bytes, size_t n);
/* One chunk (or plain bytes for HTTP/1.0). */
int output_chunk(struct conn *c, const void *bytes, size_t n);
/* Has the end of this loop turn handled. 1, or 0 when there is no memory for it. */
int output_turn(struct server *s);
/* Sends at the end of this loop turn; without memory for that the connection is closed. */
void output_soon(struct conn *c);
void output_flush(struct conn *c);
/* Gives `bytes` of the call's window back; often later, together with others. */
void output_credit(struct conn *c, size_t bytes);

/* ---- routes.c ---- */

#define ROUTE_PREFIX 1u /* the path begins with this */
#define ROUTE_BODY   2u /* wants the request's body in c->body */

struct route {
    const char *method, *path;
    uint32_t flags;
    /* The request is complete. Answers, or starts a call. */
    void (*begin)(struct conn *c);
    /* The answer to that call. */
    void (*answer)(struct conn *c, const struct aiex_answer *answer);
};

size_t routes_count(void);
const struct route *routes_at(size_t i);
size_t routes_index(const struct route *route); /* routes_count() for NULL */
/* The route (that of GET for HEAD), or NULL and the status: 404, 405 when another method would do,
 * 204 for OPTIONS on a known path. */
const struct route *routes_find(const char *method, const char *path, int *ret_status);
/* "GET, HEAD" for a path; "" for an unknown one. */
void routes_allow(const char *path, char *out, size_t size);

/* ---- access.c ---- */

/* 0 = let in, or 403, 421 (answered with *ret_why). Sets c->origin. */
int access_check(struct conn *c, const struct aiex_http1_head *head, const char **ret_why);
/* Is the host part of "name:port" in the comma separated list? */
int access_host_listed(const char *list, const char *host);

/* ---- call.c ---- */

/* The start of a message in c->body, which takes body bytes behind it. 0, or a negative errno. */
int call_prepare(struct conn *c, int64_t expected_bytes);
/* The bytes of the request's body. */
struct aiex_slice call_body(const struct conn *c);
/* Calls `method` with the body and these fields. Answers an error itself. */
void call_chat(struct conn *c, const char *model, size_t model_len);
/* Calls a method without fields. */
void call_plain(struct conn *c, const char *service, const char *method, uint32_t timeout_ms);

/* ---- respond.c ---- */

struct reply {
    int status;
    const char *type;        /* NULL = application/json */
    const char *allow;       /* 405, OPTIONS */
    const char *provider;    /* who answered, or NULL */
    int offline;             /* no model answered */
    uint32_t retry_after_ms; /* 0 = none */
    int preflight;           /* answer of a CORS preflight */
};

/* A whole answer. */
void respond(struct conn *c, const struct reply *reply, const void *body, size_t len);
/* The same in steps, for a body that is made in c->out. */
int respond_begin(struct conn *c);
void respond_end(struct conn *c, const struct reply *reply);
/* Head of an answer in chunks. 0, or a negative errno after the connection was closed. */
int respond_stream(struct conn *c);
/* The end of an answer in chunks. */
void respond_stream_end(struct conn *c);
/* Closes after this answer; `linger`: the client may not have finished sending. */
void respond_no_keep_alive(struct conn *c, int linger);

/* ---- errors.c ---- */

/* The status for AIEX_E_*. */
int error_status(const char *code);
/* An error document of OpenAI's form as the whole answer; code and param may be NULL. */
void error_respond(struct conn *c, int status, const char *code, const char *param,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The error with which a call ended, before anything was sent. */
void error_answer(struct conn *c, const struct aiex_answer *answer);
/* The same after parts were sent: an event, then the end of the connection. */
void error_in_stream(struct conn *c, const struct aiex_answer *answer);

/* ---- One file per group of routes ---- */

void chat_begin(struct conn *c);
void chat_answer(struct conn *c, const struct aiex_answer *answer);
void models_begin(struct conn *c);
void models_answer(struct conn *c, const struct aiex_answer *answer);
void model_answer(struct conn *c, const struct aiex_answer *answer);
void health_root(struct conn *c);
void health_alive(struct conn *c);
void health_ready(struct conn *c);
void health_ready_answer(struct conn *c, const struct aiex_answer *answer);

/* ---- metrics.c ---- */

int metrics_init(struct server *s);
void metrics_done(struct server *s);
/* Counts a request that was answered. */
void metrics_request(struct conn *c);
/* All requests answered, and those with an error. */
void metrics_totals(const struct server *s, uint64_t *ret_requests, uint64_t *ret_errors);
uint64_t metrics_now_us(void);
void metrics_begin(struct conn *c);
void metrics_answer(struct conn *c, const struct aiex_answer *answer);

#endif /* INTERFACE_HTTP_SERVER_H */
