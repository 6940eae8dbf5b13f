/*
 * endpoint.h - calls, answers and events of one process: what turns records into
 * requests with an owner and back. A cell has one towards the host, the host has one
 * for what it serves itself ("host", control socket).
 *
 * It keeps two books: calls made (`out`) and calls being served (`served`), joins
 * bodies that came in pieces, counts stream windows, and short-cuts calls between
 * instances of the same process, which then cost a function call and may be answered
 * before endpoint_call() returns.
 *
 * Splice: the host moves the parts whenever who produces them and who reads them are
 * in other processes, however many calls inside this one are between them, as long as
 * each of these is a splice itself (endpoint_splice.c). Else the endpoint hands the
 * parts on to the parent's caller.
 *
 * Thread rule: loop thread. Ownership: bodies are copied where kept; pointers given to
 * ops die when they return. Errors: as documented in aiex_plugin.h for each function.
 */
#ifndef AIEX_CHANNEL_ENDPOINT_H
#define AIEX_CHANNEL_ENDPOINT_H

#include "wire/record.h"

#include <aiex/aiex_plugin.h>

struct endpoint;

struct endpoint_ops {
    /* Towards the host: 0, -ENOBUFS, -EPIPE. */
    int (*send)(void *arg, const struct record *head, const void *body, size_t len);
    /* A whole request is about to be handed to its instance (crash accounting). */
    void (*begin)(void *arg);
    /* REQUEST, CAST, CANCEL, RESUME or EVENT for an instance; the result of its handle(). */
    int (*message)(void *arg, unsigned instance, const struct aiex_message *message);
    /* Instance of this process that serves the name, or -1. May be NULL. */
    int (*local)(void *arg, const char *service);
    /* Name of an instance, for event envelopes' source and errors. */
    const char *(*instance_name)(void *arg, unsigned instance);
};

struct endpoint *endpoint_new(const struct endpoint_ops *ops, void *arg, const char *node);
void endpoint_free(struct endpoint *ep);
/* The name that events of this process carry from now on; at most AIEX_MAX_NAME bytes. */
void endpoint_node(struct endpoint *ep, const char *node);

/* Takes a record from the host: NAME REQ STREAM REP CREDIT CANCEL EVENT. 0 or -EPROTO. */
int endpoint_record(struct endpoint *ep, const struct record *head, const uint8_t *body);

/* The functions of struct aiex_host, for one instance of the process. */
int endpoint_call(struct endpoint *ep, unsigned instance, const struct aiex_request *req,
                  aiex_answer_fn fn, void *arg, uint64_t *ret_call);
int endpoint_credit(struct endpoint *ep, uint64_t call, uint32_t bytes);
int endpoint_cancel(struct endpoint *ep, uint64_t call);
int endpoint_stream(struct endpoint *ep, uint64_t id, struct aiex_slice part);
int endpoint_reply(struct endpoint *ep, uint64_t id, struct aiex_slice body);
int endpoint_fail(struct endpoint *ep, uint64_t id, const char *code, const char *text,
                  uint32_t retry_after_ms, struct aiex_slice detail);
int endpoint_publish(struct endpoint *ep, unsigned instance, const struct aiex_event *event);
int endpoint_subscribe(struct endpoint *ep, unsigned instance, const char *topic);
int endpoint_unsubscribe(struct endpoint *ep, unsigned instance, const char *topic);

/* Calls being served by an instance (UINT_MAX: by all): drain waits for 0. */
unsigned endpoint_serving(const struct endpoint *ep, unsigned instance);

/* ---- For a host that executes a new image of itself (endpoint_save.c) ---- */

/* 1 when no body is half read, so that the books can be written down. */
int endpoint_quiet(const struct endpoint *ep);
struct pack;
void endpoint_save(const struct endpoint *ep, struct pack *out);
/* Takes the books over; the callbacks of open calls are set by endpoint_rebind(). 0, -EPROTO. */
int endpoint_load(struct endpoint *ep, const void *doc_value);
int endpoint_rebind(struct endpoint *ep, uint64_t call, aiex_answer_fn fn, void *arg);

/* A random, never-zero correlation id. */
uint64_t endpoint_new_trace(struct endpoint *ep);

#endif
