/*
 * recorded.h - changes of keys and limits are told to the audit log before they are made.
 *
 * "key.create" and so on says that somebody is about to, and is asked for: when the log says that
 * this must not happen unrecorded, it does not. What became of it is cast afterwards (audit.c:
 * "key.created"). The request is run from its beginning when the log has answered, so that it sees
 * keys as they are then.
 */
#ifndef GATEWAY_RECORDED_H
#define GATEWAY_RECORDED_H

#include "gateway.h"

#define MAX_RECORDINGS 256u

/* Runs `run` with the message once `act` is recorded; at once when there is no audit log. Returns
 * what a method returns. */
int recorded_run(struct gateway *g, const struct aiex_message *m, const char *act,
                 int (*run)(struct gateway *g, const struct aiex_message *m));
/* A caller that left: its change is not made. */
void recorded_cancel(struct gateway *g, uint64_t id);
void recorded_stop(struct gateway *g);
/* Tells the log what was done, if there is one. */
void recorded_told(struct gateway *g, const char *type, const char *actor, const char *subject,
                   struct aiex_slice data, uint64_t trace);

#endif
