/*
 * responses_put.h - a finished response on its way into the service `responses`.
 *
 * The client's end is held back until the response is on disk, or until the option `responses_wait`
 * is over: then the client goes on, and so does the put. With 0 nobody waits.
 */
#ifndef INTERFACE_HTTP_RESPONSES_PUT_H
#define INTERFACE_HTTP_RESPONSES_PUT_H

#include "server.h"

struct put;

/* 0 = there is no such service: do not bother. */
int put_is_welcome(const struct server *s);
/* Sends the body of responses.put. The put that is waited for, until done(c) is called once; NULL:
 * there is nothing to wait for. */
struct put *put_send(struct conn *c, struct aiex_slice body, void (*done)(struct conn *c));
/* done() is not called any more; what was sent is stored. NULL is fine. */
void put_forget(struct put *p);

#endif
