/*
 * session.h - a model request that belongs to a session (header x-aiex-session).
 *
 * Who asks is known from gateway.check; the turn (aiex_session.h) finds the session and what was
 * said before; then the request goes the way of every other one, and what the client gets passes
 * the turn on its way. Requests without the header have none of this: one pointer is looked at.
 */
#ifndef INTERFACE_HTTP_SESSION_H
#define INTERFACE_HTTP_SESSION_H

#include "ask.h"

/* 0, -ENOMEM. s->turns stays NULL when the option `sessions` is empty. */
int session_init(struct server *s);
/* Turns that are under way, or on their way into their session. */
int session_any_open(const struct server *s);

/* Sends a chat to the gateway as ask_send() does, after its session has been found when it names
 * one. */
void session_ask(struct conn *c, const struct ask *ask, answer_fn fn);
/* What passes to the client; before it is told anything. Does nothing without a session. */
void session_note(struct conn *c, const struct aiex_answer *answer);
/* The client went away, or all is done. */
void session_drop(struct conn *c);
/* By which name the conversation is kept together: the session's id, what the header says when it
 * is not bound, or empty. */
struct aiex_slice session_name(const struct conn *c, const char *header);
/* The headers that tell of it. */
void session_head(const struct conn *c, struct aiex_http1_writer *w);

#endif
