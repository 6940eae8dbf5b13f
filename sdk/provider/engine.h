/*
 * engine.h - inside the provider library: one instance and its parts.
 *
 * provider.c owns the instance and makes requests, call.c runs one chat, completion or embedding,
 * answer.c hands its answer on, report.c says its end, count.c counts, health.c probes, models.c
 * keeps the list. status.c and models_read.c are pure.
 */
#ifndef PROVIDER_ENGINE_H
#define PROVIDER_ENGINE_H

#include "aiex_provider.h"
#include "collect.h"
#include "status.h"

#include <aiex/aiex_pack.h>
#include <aiex_recast.h>

#define MAX_ERROR_BODY (64u * 1024u)
#define N_BUCKETS      64u

enum provider_state { PROVIDER_UNKNOWN, PROVIDER_UP, PROVIDER_DOWN };

/* health.c: what is known about the vendor, and when to look again. */
struct health {
    enum provider_state state;
    int seen_up; /* ever */
    char reason[200];
    uint64_t checked_ms;  /* when the last word came, valid unless UNKNOWN */
    int connect_failures; /* in a row */
    int down_probes;      /* that found it still down */
    uint64_t timer;       /* 0 = none */
};

/* models.c: the list as it was last read, and the reading that goes on. */
struct models {
    struct aiex_provider_list list;
    int known; /* was read once, or is fixed */
    int fixed; /* from the option: never asked for */
    uint64_t read_ms;
    uint64_t waiting[64]; /* calls of provider.models that wait for the reading */
    size_t n_waiting;
    uint64_t http, begun_ms; /* the reading; http 0 = none */
    int status;
    struct collect body;
    struct aiex_provider_turn *turn; /* kept between turns */
    struct aiex_provider_list fresh;
};

struct call;
struct count;

struct aiex_provider {
    const struct aiex_vendor *vendor;
    const struct aiex_host *host;
    const struct aiex_http *http;
    const void *config;
    const struct aiex_provider_options *options;
    char base[1900];
    struct call *calls[N_BUCKETS]; /* by id */
    struct call *fading;           /* answered, their HTTP request has not ended */
    struct count *counts;
    struct health health;
    struct models models;
    uint64_t random; /* jitter, seeds of ids */
    struct aiex_recast bills;
};

/* ---- provider.c ---- */

/* Why this configuration can not reach anything, or NULL. */
const char *provider_blocked(const struct aiex_provider *p);
/* The vendor's dialect and path for a client's dialect; NULL = it can not be taken. */
const struct aiex_vendor_dialect *provider_route(const struct aiex_provider *p, int client);
int provider_has_op(const struct aiex_provider *p, int op);
const char *provider_bare_model(const struct aiex_provider *p, const char *model);
uint64_t provider_random(struct aiex_provider *p);
void provider_log(const struct aiex_provider *p, uint32_t level, uint64_t trace, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

/* One request to the vendor. Zeroed fields have the options' limits. */
struct outgoing {
    const char *path, *accept;
    struct aiex_slice body; /* empty = GET */
    uint32_t first_byte_ms, idle_ms, total_ms;
    uint64_t max_body_bytes;
    struct aiex_slice client_headers; /* msgpack map, or empty */
    int borrowed;                     /* the body stays until the head of the answer */
};
/* As aiex_http.request(). Keys are wiped before it returns. */
int provider_send(struct aiex_provider *p, const struct outgoing *out,
                  const struct aiex_http_handler *handler, void *arg, uint64_t *ret_id,
                  struct aiex_error *err);

/* ---- call.c ---- */

/* One chat, completion or embedding. */
struct call {
    struct call *next;
    struct aiex_provider *p;
    uint64_t id, trace, http; /* http 0 = ended */
    struct aiex_chat *chat;   /* NULL once the caller has its end */
    int client, vendor;       /* dialects */
    int64_t attempt;
    uint64_t begun_ms, first_ms; /* first_ms 0 = nothing was handed out yet */
    uint32_t first_token_ms;     /* limit */
    uint64_t timer;              /* of the first token, 0 = none */
    int stream;                  /* the vendor was asked for a stream */
    int status;                  /* 0 = no head yet */
    const char *wrong;           /* 2xx, but not what was asked for: why */
    char content_type[80];
    struct rate rate;
    int64_t retry_ms; /* of an error answer, -1 = not said */
    int over;         /* answered or given up: nothing more goes to the caller */
    int finished;     /* the answer is whole; `held` is all that is owed */
    int paused, sent_parts;
    int giving;          /* a part is being handed over: the caller may leave in the middle of it */
    struct collect body; /* an error document */
    struct collect held; /* parts that the caller had no room for */
    size_t held_sent;
    size_t trailing;                         /* bytes that came behind the end of a stream */
    char model[AIEX_PROVIDER_MAX_MODEL + 1]; /* as the vendor was asked */
    char settle[AIEX_MAX_NAME + 1];
    struct aiex_slice account; /* behind the struct */
};

int call_begin(struct aiex_provider *p, const struct aiex_message *m, int op);
void call_cancel(struct aiex_provider *p, uint64_t id);
void call_resume(struct aiex_provider *p, uint64_t id);
void call_free_all(struct aiex_provider *p);
/* The caller has its end (or left). The memory stays until the HTTP request ended. */
void call_fade(struct call *c);
void call_stop_timer(struct call *c);
void call_free(struct call *c);

/* ---- answer.c: what the vendor answers, on its way to the caller ---- */

extern const struct aiex_http_handler answer_handler; /* of a call's request */
/* Hands out what was held while the caller was slow. */
void answer_pump(struct call *c);

/* ---- report.c: what is said at the end of a call ---- */

/* Why a call failed. Zero is "no vendor said anything, nothing had begun". */
struct trouble {
    const char *code; /* AIEX_E_* */
    int http_status;
    const char *reason; /* "rate_limit", ..., "connect", "tls", "timeout", "stream"; "" = unknown */
    int started;
    int64_t retry_ms;
    struct aiex_slice body; /* error document in the client's dialect, or empty */
};

/* These only send; the call's own state is call.c's. */
void report_success(struct call *c);
/* Makes `text` one line of UTF-8, whatever was put into it. */
void report_trouble(struct call *c, const struct trouble *t, char *text);
/* The cast to `settle` about a call that was cancelled. */
void report_cancelled(struct call *c);
/* Refuses a request before there is a call. Returns 0. */
int report_refusal(struct aiex_provider *p, uint64_t id, const struct trouble *t, const char *text);
/* The vendor's document when a client of the dialect can read it, else `e` in the client's words in
 * `out`, which has MAX_ERROR_BODY bytes; empty when e is NULL. */
struct aiex_slice report_document(const struct call *c, const struct aiex_chat_error *e,
                                  struct aiex_slice vendors, char *out);

/* ---- count.c ---- */

int count_begin(struct aiex_provider *p, const struct aiex_message *m);
void count_cancel(struct aiex_provider *p, uint64_t id);
void count_free_all(struct aiex_provider *p);

/* ---- health.c ---- */

void health_start(struct aiex_provider *p);
void health_stop(struct aiex_provider *p);
/* After reload: forget what the old key or limits led to. */
void health_again(struct aiex_provider *p);
/* What the request for the models found: status 0 = no answer, with a text. */
void health_probed(struct aiex_provider *p, int status, const char *text);
/* What a call found out on the way. */
void health_saw_status(struct aiex_provider *p, int status);
void health_saw_no_connection(struct aiex_provider *p, const char *text);
int health_answer(struct aiex_provider *p, uint64_t id);

/* ---- models.c ---- */

int models_init(struct aiex_provider *p, struct aiex_error *err);
void models_done(struct aiex_provider *p);
int models_request(struct aiex_provider *p, uint64_t id);
void models_cancel(struct aiex_provider *p, uint64_t id);
/* Reads the list; its first answer is the health probe. Nothing when it is being read. */
void models_ask(struct aiex_provider *p);
/* Gives up a reading; those who wait go on waiting. */
void models_stop(struct aiex_provider *p);
/* Answers those who wait. */
void models_settle(struct aiex_provider *p, int fresh);

#endif
