/*
 * openai.h - the parts of one instance of provider_openai.
 *
 * openai.c owns the instance, chat.c one chat from request to end, stream.c its
 * events, health.c the probe, models.c the list; splice.c, answer.c and status.c are
 * pure. All of it runs on the loop thread.
 */
#ifndef OPENAI_H
#define OPENAI_H

#include "answer.h"
#include "collect.h"
#include "status.h"

#include <aiex/aiex_http.h>
#include <aiex/aiex_pack.h>
#include <aiex_sse.h>

#define OPENAI_DEFAULT_URL    "https://api.openai.com/v1"
#define OPENAI_MAX_ERROR_BODY (64u * 1024u)
#define OPENAI_MAX_MODEL      256u

/* Offsets of the option table; see openai.c. */
struct openai_config {
    const char *base_url, *api_key, *organization, *models, *model_prefix;
    int64_t stream_usage, require_done, verify_tls;
    int64_t connect_timeout, first_byte_timeout, idle_timeout, total_timeout, probe_interval;
};

enum openai_state { OPENAI_UNKNOWN, OPENAI_UP, OPENAI_DOWN };

#define CHAT_BUCKETS 64u

/* health.c: what is known about the vendor, and the running GET /models. */
struct health {
    enum openai_state state;
    char reason[200];
    uint64_t checked_ms;   /* when the last word came, valid unless UNKNOWN */
    int connect_failures;  /* in a row */
    int down_probes;       /* that found it still down */
    uint64_t timer, probe; /* 0 = none */
    int probe_status;
    struct collect probe_body;
    uint64_t random; /* state of the jitter */
};

/* models.c: the list as it was last read. */
struct models {
    uint8_t *packed; /* msgpack maps one behind the other; NULL = never read */
    size_t packed_len;
    uint32_t n;
    uint64_t read_ms;
    int fixed;            /* from the option: never asked for */
    uint64_t waiting[64]; /* calls of provider.models that wait for the probe */
    size_t n_waiting;
};

struct openai {
    const struct aiex_host *host;
    const struct aiex_http *http;
    const struct openai_config *config;
    struct chat *chats[CHAT_BUCKETS]; /* by call id */
    struct chat *fading;              /* answered, their HTTP request has not ended */
    struct health health;
    struct models models;
};

/* ---- openai.c ---- */

/* Why this configuration can not reach anything, or NULL. */
const char *openai_blocked(const struct openai *o);
/* The request's url, method, headers and limits; `headers` has room for 6, `mem` for the texts. */
struct openai_texts {
    char url[2048];
    char bearer[1024];
    struct aiex_http_header headers[6];
};
void openai_request(const struct openai *o, const char *path, const char *accept,
                    struct openai_texts *t, struct aiex_http_request *q);
void openai_log(const struct openai *o, uint32_t level, uint64_t trace, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- chat.c ---- */

struct chat {
    struct chat *next;
    struct openai *o;
    uint64_t id, trace, http; /* http 0 = ended */
    int64_t attempt;
    uint64_t begun_ms, first_ms; /* first_ms 0 = no byte of the answer yet */
    int stream, usage_asked;
    int status;       /* 0 = no head yet */
    int wrong_type;   /* 2xx, but not the content that was asked for */
    int64_t retry_ms; /* of an error answer, -1 = not said */
    char content_type[80];
    int over; /* answered or given up: nothing more goes to the caller */
    int paused, sent_parts;
    struct answer answer;
    struct collect body; /* unary answer, or an error document */
    size_t body_sent;    /* unary: bytes already handed on */
    struct aiex_sse sse;
    int done_seen;
    size_t trailing;         /* bytes that came behind [DONE] */
    struct collect out;      /* events that could not be passed on in place */
    struct aiex_slice batch; /* events of this read that lie side by side in it */
};

int chat_begin(struct openai *o, const struct aiex_message *m);
void chat_cancel(struct openai *o, uint64_t id);
void chat_resume(struct openai *o, uint64_t id);
void chat_free_all(struct openai *o);

/* Hands on one part. 0 or -EPIPE: nobody wants more. */
int chat_part(struct chat *c, struct aiex_slice part);
void chat_reply(struct chat *c);
/* Ends the call with an error. `body` is the vendor's document, passed on when it is JSON. */
struct chat_error {
    const char *code;
    int http_status, started;
    int64_t retry_ms;
    struct aiex_slice body;
};
void chat_fail(struct chat *c, const struct chat_error *e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- stream.c ---- */

/* Bytes of a 2xx event stream. 0, or -EPIPE: the chat is over, read no more. */
int stream_feed(struct chat *c, struct aiex_slice bytes);
/* The vendor closed the stream properly. */
void stream_closed(struct chat *c);

/* ---- health.c ---- */

void health_start(struct openai *o);
void health_stop(struct openai *o);
/* After reload: forget what the old key or limits led to. */
void health_again(struct openai *o);
void health_probe(struct openai *o);
/* What a chat found out on the way. */
void health_saw_status(struct openai *o, int status);
void health_saw_no_connection(struct openai *o, const char *text);
int health_answer(struct openai *o, uint64_t id);

/* ---- models.c ---- */

int models_init(struct openai *o, struct aiex_error *err);
void models_done(struct openai *o);
int models_request(struct openai *o, uint64_t id);
void models_cancel(struct openai *o, uint64_t id);
/* The answer to GET /models; 0 or -EINVAL: not a list. */
int models_read(struct openai *o, struct aiex_slice json);
/* Answers those who wait. */
void models_settle(struct openai *o, int fresh);

#endif
