/*
 * job_events.h - asynchronous requests as msgpack maps, both ways.
 *
 *     request.submitted  {id, run, key, model, caller}
 *     request.ended      {id, key, model, state, code, text, http_status, kept bool;
 *                        when kept: end map, parts array of bin}
 *
 * Taking an event never fails for what it says: a request that can not be understood, or for which
 * there is no room, is one that is not_found.
 */
#ifndef GATEWAY_JOB_EVENTS_H
#define GATEWAY_JOB_EVENTS_H

#include "jobs.h"

#include <aiex_events.h>

/* Decisions of one event: 0 or as aiex_decide(). */
int job_events_decide_submitted(struct aiex_decision *d, const struct job *job, const char *run,
                                const char *caller);
int job_events_decide_ended(struct aiex_decision *d, const struct job *job);
int job_events_decide_lost(struct aiex_decision *d, const struct job *job);

/* Takes an event. `run` is this process: what it submitted is known here. 0, -ENOMEM. */
int job_events_submitted(struct gateway *g, const char *run, const struct aiex_stored_event *e);
int job_events_ended(struct gateway *g, const struct aiex_stored_event *e);

#endif
