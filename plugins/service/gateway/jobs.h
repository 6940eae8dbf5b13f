/*
 * jobs.h - asynchronous requests: submitted once, asked about by their id.
 *
 * A job keeps every part of its answer, so that a subscriber who comes late gets the first one
 * first, and the end, so that it can be polled. Kept until result_ttl after the end; bounded in
 * number (results_max, the oldest finished one makes room) and bytes (result_bytes each,
 * results_bytes in all). With a store each has an outcome that outlives this cell (job_store.h);
 * else a restart loses all of them: their ids are not_found then.
 *
 *     QUEUED -> RUNNING -> DONE | FAILED | CANCELLED
 *
 * jobs.c keeps them, job_store.c and job_events.c record them, job_feed.c hands parts and states to
 * those who wait, async.c has the methods. Thread rule: loop thread. Ownership: a job is the
 * table's; a flight points at its job until the end, the job at its flight until then.
 */
#ifndef GATEWAY_JOBS_H
#define GATEWAY_JOBS_H

#include "gateway.h"

#define MAX_WAITERS 1024u  /* polls that wait and subscribers, over all jobs */
#define MAX_WAIT_MS 60000u /* of one poll */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };
extern const char *const job_states[];

/* A poll that waits (feeding 0) or a subscriber (1). */
struct waiter {
    struct map_node by_request;
    struct waiter *next;
    struct job *job;
    uint64_t id;    /* the request to answer */
    uint64_t timer; /* of a poll */
    int feeding;
    struct part *at;        /* sent last; NULL = none */
    int paused, busy, gone; /* busy: stream() is on the stack */
    unsigned round;
};

struct part {
    struct part *next;
    size_t len;
    uint8_t bytes[];
};

struct job {
    struct map_node by_id;
    struct job *next, *prev; /* in the order of submission */
    struct gateway *gateway;
    uint64_t id; /* the correlation id */
    enum job_state state;
    struct key *key;
    struct flight *flight; /* NULL before and after */
    uint64_t begun_ms, ended_ms;
    char model[MAX_MODEL + 1];
    struct part *first, *last;
    size_t bytes; /* of all parts */
    struct waiter *waiters;
    unsigned round;  /* of serving them */
    unsigned pinned; /* not to be freed now */
    /* job_store.c */
    int is_foreign;          /* another run of the gateway has it, or had */
    int recorded;            /* its submission is stored, or may be */
    int to_tell, is_telling; /* its end is to be stored, is being stored */
    int64_t version;         /* of its first event; 0 = none */
    /* the end */
    const char *code; /* NULL = good */
    char text[512];
    int64_t http_status;
    uint32_t retry_after_ms;
    uint8_t *end;
    size_t end_len;
};

struct jobs {
    struct gateway *gateway;
    struct map by_id, waiters;
    struct job *first, *last;
    size_t n, bytes;
    uint64_t timer;
};

/* ---- jobs.c ---- */

int jobs_init(struct gateway *g); /* 0, -ENOMEM */
void jobs_done(struct gateway *g);
/* Request `id` is gone: a poll or subscriber less. */
void jobs_cancel_request(struct gateway *g, uint64_t id);
/* NULL and *r: no room. */
struct job *job_new(struct gateway *g, struct key *key, uint64_t trace, struct aiex_slice model,
                    struct refusal *r);
void job_free(struct job *job); /* its waiters get not_found */
struct job *job_by_text(struct gateway *g, struct aiex_slice hex);
int job_is_over(const struct job *job);
void job_begun(struct job *job, struct flight *f);
void job_part(struct gateway *g, struct job *job, struct aiex_slice part);
void job_end(struct gateway *g, struct job *job, const struct aiex_answer *a);
void job_refused(struct gateway *g, struct job *job, const struct refusal *r,
                 struct aiex_slice dialect);
/* Ends it as cancelled, with its call. */
void job_cancel(struct job *job);
/* One of another run, begun `age_ms` ago. NULL: no room, or no id. */
struct job *job_adopt(struct gateway *g, struct key *key, struct aiex_slice hex,
                      struct aiex_slice model, uint64_t age_ms);
/* Its answer, and then its end: nobody is told of it but those who wait. 0, -ENOMEM, -ENOSPC. */
int job_keep_part(struct gateway *g, struct job *job, struct aiex_slice part);
int job_keep_end(struct job *job, struct aiex_slice end);
void job_end_foreign(struct job *job, struct aiex_slice state, struct aiex_slice code,
                     struct aiex_slice text, int64_t http_status, uint64_t age_ms);

/* ---- job_feed.c ---- */

/* 0, -1 and *r: too many wait. */
int feed_subscribe(struct job *job, uint64_t request, struct refusal *r);
int feed_wait(struct job *job, uint64_t request, uint64_t wait_ms, struct refusal *r);
/* Parts came or the end: everybody gets what is new. */
void feed_all(struct job *job);
void feed_resume(struct gateway *g, uint64_t request);
void feed_cancel(struct gateway *g, uint64_t request);
void feed_drop_all(struct job *job);
/* The state of a job as gateway.poll answers it. */
void feed_reply_state(struct job *job, uint64_t request);

/* ---- async.c ---- */

int async_submit(struct gateway *g, const struct aiex_message *m);
/* The second half of a submit: tells the id and makes the call. 0. */
int async_launch(struct gateway *g, const struct aiex_message *m, struct job *job);
int async_poll(struct gateway *g, const struct aiex_message *m);
int async_subscribe(struct gateway *g, const struct aiex_message *m);
int async_cancel(struct gateway *g, const struct aiex_message *m);
int async_requests(struct gateway *g, const struct aiex_message *m);

#endif
