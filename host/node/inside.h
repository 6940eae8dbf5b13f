/*
 * inside.h - what the host serves and calls itself: a port on the bus without a
 * process behind it, with an endpoint whose instances are parts of the host ("host",
 * the control socket). Records to it are kept and handed over after the rings of a
 * turn were read, so that the bus is never entered from within itself.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_NODE_INSIDE_H
#define AIEX_NODE_INSIDE_H

#include "bus/bus.h"
#include "channel/endpoint.h"

struct inside;

typedef int (*inside_message_fn)(void *arg, const struct aiex_message *message);

struct inside *inside_new(struct bus *bus, const char *node);
void inside_free(struct inside *in);
/* A part of the host, under a name; a name with a dot ("host.control") is for the host's own calls:
 * plugins that call it are refused. message may be NULL (only calls). Index or negative errno. */
int inside_add(struct inside *in, const char *name, inside_message_fn message, void *arg);
struct endpoint *inside_endpoint(struct inside *in);
/* For re-exec: the endpoint's books. The port's key is INSIDE_KEY. */
#define INSIDE_KEY UINT32_MAX
/* Hands over what came. 1 = something did. */
int inside_turn(struct inside *in);

#endif
