/* admin.h - what admin.c and admin_limits.c share. */
#ifndef GATEWAY_ADMIN_H
#define GATEWAY_ADMIN_H

#include "gateway.h"

/* The caller, if he is an admin; else the request is answered. */
struct key *admin_who(struct gateway *g, const struct aiex_message *m);
/* The answer to a change of a key; `secret` may be NULL. */
void admin_reply_key(struct gateway *g, uint64_t request, const char *id, const char *secret);
/* A change could not be written: says so to the log and the caller. 0. */
int admin_failed(struct gateway *g, uint64_t id, int error, const struct aiex_error *err);

#endif
