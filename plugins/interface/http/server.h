/*
 * server.h - what the files of this plugin share: one server, its connections, its routes.
 *
 * A request's way: listen.c accepts (tls.c shakes hands); conn.c reads, parses and looks the
 * route up (routes.c, guarded by access.c; added.c for those of other plugins); the route's
 * begin() answers at once or starts a call (call.c) whose answer comes to the function that
 * was named with it; respond.c writes heads and bodies into the connection's output (compress.c
 * makes them smaller); output.c sends it once per loop turn and gives the call its window back;
 * deadline.c ends what takes too long.
 *
 * A model request of whatever dialect is checked by ask.c, goes to the gateway with what
 * caller.c knows of the client, and is answered by answer.c; session.c binds it to a session,
 * responses.c adds the state of OpenAI's responses. Errors take the form of the route's dialect
 * (errors.c). content.h hashes what came and went when the audit log is to know it.
 *
 * Everything runs on the loop thread. A connection that ends is only marked; its
 * memory is used again at the end of the turn, so callers up the stack may still
 * look at it.
 */
#ifndef INTERFACE_HTTP_SERVER_H
#define INTERFACE_HTTP_SERVER_H

#include "buffer.h"

#include <aiex/aiex_pack.h>
#include <aiex/aiex_plugin.h>
#include <aiex_chat.h>
#include <aiex_http1.h>
#include <aiex_json.h>
#include <sys/types.h>

/* ---- Configuration: written by the host through the option table ---- */

struct config {
    const char *listen, *allowed_hosts, *cors_origins;
    const char *gateway, *coordinator, *responses, *sessions;
    const char *tls_cert, *tls_key, *tls_client_ca; /* PEM texts */
    int64_t tls_min_version;                        /* 0 = 1.2, 1 = 1.3 */
    int64_t authentication;                         /* AUTHENTICATION_* */
    int64_t insecure_public, access_log, compression;
    int64_t session_history, responses_wait, content_hash;
    int64_t max_body, max_bodies, max_head, max_connections, write_high_water;
    int64_t head_timeout, body_timeout, idle_timeout, write_timeout, timeout, drain_grace;
};

#define AUTHENTICATION_AUTO     0 /* the gateway decides whether a key is needed */
#define AUTHENTICATION_REQUIRED 1

/* ---- Phases of a connection; deadline.c has their limits ---- */

enum phase {
    PHASE_HANDSHAKE, /* TLS is being set up */
    PHASE_IDLE,      /* no byte of a request yet */
    PHASE_HEAD,      /* a request line or headers are missing */
    PHASE_BODY,      /* the head is here, the body is not */
    PHASE_ANSWER,    /* being answered; the call's own deadline counts */
    PHASE_SEND,      /* being answered, and the client does not take what is ready */
    PHASE_LINGER,    /* all is sent; the client may still be sending */
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
    uint64_t client_gone, timeouts, cut_streams, handshakes, handshake_failures;
};

/* ---- A connection ---- */

struct conn;

/* What some requests need beyond a connection's own fields; dropped with the request. */
struct work {
    void (*drop)(struct conn *c, struct work *w); /* cancels its calls, frees it */
};

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
    struct buffer held;        /* bytes behind the request that is being answered */
    struct buffer body;        /* the request's message for the call, see call.c */
    struct buffer out;         /* what the socket did not take yet */
    struct ssl_st *tls;        /* NULL: plain */
    struct inflater *inflater; /* of a compressed body, else NULL */
    char peer[48];             /* address without port, or "unix" */
    unsigned check_host : 1;   /* the listener is on a loopback address */
    unsigned local : 1;        /* the listener is a unix socket */
    unsigned tls_ended : 1;    /* the client has said that it sends no more */
    unsigned dirty : 1;        /* in the server's list of output */
    unsigned listed : 1;       /* in a list of deadline.c */

    /* The request; cleared by conn_next(). */
    const struct route *route; /* NULL: none fits */
    uint32_t added;            /* added_route: which one, and since when */
    uint32_t added_serial;
    int dialect; /* in which errors are told; AIEX_* of aiex_chat.h */
    void (*answer)(struct conn *c, const struct aiex_answer *answer); /* to the open call */
    void (*then)(struct conn *c, struct aiex_slice principal);        /* after gateway.check */
    struct work *work;
    struct session *session; /* session.c; NULL: the request names none */
    struct content *content; /* content.c; NULL: nothing is hashed */
    const char *origin;      /* the client's, when it is to be named in the answer */
    uint64_t trace, begun_us;
    uint64_t call;          /* 0 = none, or not known yet */
    uint32_t window;        /* of that call, in bytes */
    size_t unwritten;       /* bytes of parts in `out` */
    size_t owed;            /* bytes of parts taken, not credited yet */
    size_t n_ignored;       /* body bytes of a route that wants none */
    size_t n_counted;       /* memory of `body` in the server's n_bodies */
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
    int tls;
    char address[128]; /* as configured, without "tls:" */
};

struct deadline_list {
    struct conn *first, *last;
};

/* Whether the service that keeps responses is there is known from its answers. */
struct store_probe {
    uint64_t call;         /* the question under way, 0 = none */
    uint64_t absent_until; /* do not store before that time, in ms */
    int known;             /* it has answered */
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
    size_t n_bodies; /* memory of large bodies that are coming in */
    int turn_posted;
    struct deadline_list deadlines[N_PHASES];
    uint64_t timer, timer_at_ms; /* 0 = none */
    uint64_t retry_timer;        /* accepting again after a shortage */
    uint64_t next_trace;
    struct aiex_http1_date date;
    struct numbers numbers;
    struct tls_context *tls; /* NULL: no listener needs it */
    struct bio_method_st *tls_method;
    struct compressor *compressor; /* made when first needed */
    struct added_routes *added;
    struct store_probe store; /* responses_put.c: is the service there? */
    struct put *puts;         /* that somebody waits for, or did */
    struct aiex_turns *turns; /* session.c; NULL: the option `sessions` is empty */
    uint8_t *scratch;         /* SCRATCH_BYTES to receive into */
    void (*drained)(void *arg);
    void *drained_arg;
    int draining;
};

#define SCRATCH_BYTES (128u * 1024u)
#define HELD_BYTES    (64u * 1024u) /* of pipelined requests behind the one being answered */

/* ---- listen.c ---- */

/* Refuses addresses that are open to the network without TLS and authentication. *ret_tls: some
 * listener speaks TLS. */
int listen_check(const struct config *config, int *ret_tls, struct aiex_error *err);
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
/* The largest request body: the option max_body, less what a message needs around it. */
uint64_t conn_body_limit(const struct server *s);
/* The body is on its way to a service, or given up: its memory counts no more. */
void conn_uncount_body(struct conn *c);
/* Reads or not, writes or not. */
void conn_watch(struct conn *c, uint32_t events);
/* Uses the memory of ended connections again; tells draining that none is left. */
void conn_reap(struct server *s);
void conn_free_all(struct server *s);

/* ---- io.c: the socket, plain or under TLS ---- */

/* As recv() and send() on a non-blocking socket: bytes, 0 at the end, -1 with errno. */
ssize_t io_receive(struct conn *c, void *mem, size_t n);
ssize_t io_send(struct conn *c, const void *bytes, size_t n);
/* No more will be sent. */
void io_end(struct conn *c);
/* What was begun under TLS can not be taken back: nothing more can be sent or received. */
void io_break(struct conn *c);

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

#define ROUTE_PREFIX 1u  /* the path begins with this */
#define ROUTE_BODY   2u  /* wants the request's body in c->body */
#define ROUTE_V1     4u  /* "/v1" may be left out */
#define ROUTE_SUFFIX 8u  /* of a ROUTE_PREFIX path: it ends with `suffix` */
#define ROUTE_EITHER 16u /* the dialect is Anthropic's when the headers say so */
#define ROUTE_MODEL  32u /* a model is asked: content.c hashes it when that is wanted */

struct route {
    const char *method, *path;
    uint32_t flags;
    int dialect;
    /* The request is complete. Answers, or starts a call. */
    void (*begin)(struct conn *c);
    const char *suffix;
};

size_t routes_count(void);
const struct route *routes_at(size_t i);
size_t routes_index(const struct route *route); /* routes_count() for NULL */
/* The route (that of GET for HEAD), or NULL and the status: 404, 405 when another method would do,
 * 204 for OPTIONS on a known path. */
const struct route *routes_find(const char *method, const char *path, int *ret_status);
/* "GET, HEAD, OPTIONS" for a path, also one of another plugin; "" for an unknown one. */
void routes_allow(const struct server *s, const char *path, char *out, size_t size);
/* The part of the request's path between the route's prefix and suffix, %XX undone, 0-terminated.
 * Bytes, or -1 when it is malformed or too long. */
int routes_rest(const struct conn *c, char *out, size_t size);
/* Other plugins may not take this path. */
int routes_reserved(const char *path);
/* The dialect in which an unknown path is answered. */
int routes_dialect(const struct aiex_http1_head *head);

/* ---- access.c ---- */

/* 0 = let in, or 403, 421 (answered with *ret_why). Sets c->origin. */
int access_check(struct conn *c, const struct aiex_http1_head *head, const char **ret_why);
/* Is the host part of "name:port" in the comma separated list? */
int access_host_listed(const char *list, const char *host);

/* ---- caller.c: who asks, from the head ---- */

#define CALLER_BYTES 8192 /* of the fields below at most */

/* Writes the fields that every method of the gateway takes (sdk/kinds/service.md). Returns how
 * many pairs. */
uint32_t caller_identity(const struct conn *c, struct aiex_writer *w);
/* The same and those of model requests: `session` (the argument, which may be empty, is what the
 * body says), `tags`, `cache` and `headers`. */
uint32_t caller_fields(const struct conn *c, struct aiex_slice session, struct aiex_writer *w);

/* ---- call.c ---- */

typedef void (*answer_fn)(struct conn *c, const struct aiex_answer *answer);

/* The start of a message in c->body, which takes body bytes behind it. 0, or a negative errno. */
int call_prepare(struct conn *c, int64_t expected_bytes);
/* More of the body, of whose length -1 or 0 says nothing. 0, or a negative errno. */
int call_take(struct conn *c, const void *bytes, size_t n, int64_t expected_bytes);
/* The bytes of the request's body. */
struct aiex_slice call_body(const struct conn *c);
/* Another body in its place, from pieces that may lie in the old one. 0, -EMSGSIZE, -ENOMEM. */
int call_replace_body(struct conn *c, const struct aiex_slice *pieces, size_t n);

/* A call whose body is the request's; `fields` writes what goes with it and returns the pairs.
 * What fails before it began is told to fn as if the call had ended so. */
struct call_shape {
    const char *service, *method;
    uint32_t flags;      /* AIEX_CALL_* */
    uint32_t timeout_ms; /* 0 = the option `timeout` */
    uint32_t (*fields)(const struct conn *c, const void *arg, struct aiex_writer *w);
    const void *arg;
    size_t room; /* that the fields need at most when that is more than CALLER_BYTES */
};
void call_with_body(struct conn *c, const struct call_shape *shape, answer_fn fn);
/* Calls a method with this map (may be empty). */
void call_plain(struct conn *c, const char *service, const char *method, struct aiex_slice body,
                uint32_t timeout_ms, answer_fn fn);
/* Calls a method of the gateway with who asks and one more field (key NULL = none). */
void call_gateway(struct conn *c, const char *method, const char *key, const char *value,
                  answer_fn fn);
/* Goes on with then() if the gateway lets this client do that; else answers the error. */
void call_check(struct conn *c, const char *permission,
                void (*then)(struct conn *c, struct aiex_slice principal));
/* Gives up the open call, if any. */
void call_drop(struct conn *c);
/* Ends what the request had beyond the connection. */
void call_drop_work(struct conn *c);

/* ---- respond.c ---- */

struct reply {
    int status;
    const char *type;        /* NULL = application/json */
    const char *allow;       /* 405, OPTIONS */
    struct aiex_slice end;   /* of a model request: provider, model, limits left, ... */
    struct aiex_slice extra; /* map of further headers */
    uint32_t retry_after_ms; /* 0 = none */
    int preflight;           /* answer of a CORS preflight */
    const char *encoding;    /* set by compress.c */
};

/* A whole answer. */
void respond(struct conn *c, const struct reply *reply, const void *body, size_t len);
/* The same in steps, for a body that is made in c->out. */
int respond_begin(struct conn *c);
void respond_end(struct conn *c, const struct reply *reply);
/* Head of an answer in chunks. 0, or a negative errno after the connection was closed. */
int respond_stream(struct conn *c, const char *type);
/* One part of it; the call's window is given back when the client took it. */
void respond_part(struct conn *c, struct aiex_slice part);
/* One part of a whole answer. 0, or -EMSGSIZE: larger than max_body, -EPIPE: closed. */
int respond_piece(struct conn *c, struct aiex_slice part);
/* The end of an answer in chunks. */
void respond_stream_end(struct conn *c);
/* Ends it visibly incomplete: without the last chunk, and with the connection. */
void respond_cut(struct conn *c);
/* Closes after this answer; `linger`: the client may not have finished sending. */
void respond_no_keep_alive(struct conn *c, int linger);
/* A whole answer of a writer that first counts, then writes into the output. */
void respond_json(struct conn *c, const struct reply *reply,
                  void (*write)(struct aiex_json_out *w, const void *arg), const void *arg);

/* ---- compress.c, inflate.c ---- */

/* Compresses the whole answer in c->out when client and configuration want that. The coding, or
 * NULL. */
const char *compress_output(struct conn *c);
void compress_done(struct server *s);

/* Takes a body of this Content-Encoding apart. 0, or a status (415, 503) with *ret_why. */
int inflate_begin(struct conn *c, const char *coding, const char **ret_why);
int inflate_feed(struct conn *c, const uint8_t *bytes, size_t n, const char **ret_why);
int inflate_end(struct conn *c, const char **ret_why);
void inflate_drop(struct conn *c);

/* ---- errors.c ---- */

/* The status for AIEX_E_*. */
int error_status(const char *code);
/* An error document in the connection's dialect as the whole answer; code and param may be NULL. */
void error_respond(struct conn *c, int status, const char *code, const char *param,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* The error with which a call ended, before anything was sent. */
void error_answer(struct conn *c, const struct aiex_answer *answer);
/* The same after parts were sent: an event of the dialect, then the end of the connection. */
void error_in_stream(struct conn *c, const struct aiex_answer *answer,
                     const struct aiex_chat_trail *trail);

/* ---- One file per group of routes ---- */

void ask_begin(struct conn *c);       /* ask.c: a model request */
void ask_count(struct conn *c);       /* ask.c: /v1/messages/count_tokens */
void ask_embedding(struct conn *c);   /* ollama_embed.c: /api/embeddings */
void responses_begin(struct conn *c); /* responses.c */
void responses_show(struct conn *c);  /* responses_show.c: what was stored */
void responses_delete(struct conn *c);
void responses_items(struct conn *c);
void responses_cancel(struct conn *c);
void responses_stop(struct server *s);
void models_list(struct conn *c); /* models.c */
void models_one(struct conn *c);
void ollama_tags(struct conn *c); /* ollama.c */
void ollama_running(struct conn *c);
void ollama_show(struct conn *c);
void ollama_version(struct conn *c);
void health_root(struct conn *c);
void health_alive(struct conn *c);
void health_ready(struct conn *c);

/* ---- status.c ---- */

/* Answer "interface.status" and "interface.health" of sdk/kinds/interface.md. */
int status_answer(struct server *s, uint64_t id);
int status_health(struct server *s, uint64_t id);
/* Tells the gateway that this interface is here; again when an instance has come up. */
void status_register(struct server *s);
void status_event(struct server *s, const struct aiex_message *m);

/* ---- metrics.c ---- */

int metrics_init(struct server *s);
void metrics_done(struct server *s);
/* Counts a request that was answered. */
void metrics_request(struct conn *c);
/* All requests answered, and those with an error. */
void metrics_totals(const struct server *s, uint64_t *ret_requests, uint64_t *ret_errors);
uint64_t metrics_now_us(void);
/* Own numbers as Prometheus text. */
void metrics_write(struct aiex_json_out *w, const struct server *s);
void metrics_begin(struct conn *c); /* metrics_page.c: GET /metrics */

#endif /* INTERFACE_HTTP_SERVER_H */
