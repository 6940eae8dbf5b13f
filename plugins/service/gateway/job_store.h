/*
 * job_store.h - asynchronous requests as events of the store, so that each has an outcome that a
 * restart of this cell does not take away. Without a store, nothing of this happens.
 *
 *     stream            events
 *     gateway/requests  request.submitted, request.ended
 *
 * A submit is answered when its event is stored (level `written`: it survives the process; the
 * answer is a promise to look, not money). When the store does not take it within RECORD_MS, or is
 * known to be away, the request runs all the same, and is lost in a restart as without a store.
 *
 * Each process names itself in its events (`run`). Requests of other runs are `foreign`: they are
 * polled, followed and cancelled like others, and end when their event comes: a predecessor that is
 * being replaced ends its own. What has not ended FOREIGN_MS after our start never will, and is
 * told as failed, `crashed`.
 *
 * The stream is compacted behind the oldest request that is kept. Thread rule: loop thread.
 */
#ifndef GATEWAY_JOB_STORE_H
#define GATEWAY_JOB_STORE_H

#include "jobs.h"

#define RECORD_MS        1000u
#define FOREIGN_MS       15000u          /* a predecessor has ended by then */
#define MAX_STORED_BYTES (1024u * 1024u) /* of an answer; larger ones keep their outcome alone */
#define MAX_SUBMISSIONS  256u

int job_store_init(struct gateway *g); /* 0, -ENOMEM */
void job_store_done(struct gateway *g);
/* It is known who may come in: begins. */
void job_store_start(struct gateway *g);
/* Once a second. */
void job_store_tick(struct gateway *g);
/* 1: the submit `m` of this job is kept and goes on by async_launch(); 0: it is not recorded. */
int job_store_submit(struct gateway *g, const struct aiex_message *m, struct job *job);
/* The job is over. */
void job_store_end(struct gateway *g, struct job *job);
void job_store_cancel(struct gateway *g, uint64_t request);
/* 1: nothing is on its way to the store. */
int job_store_is_quiet(const struct gateway *g);

#endif
