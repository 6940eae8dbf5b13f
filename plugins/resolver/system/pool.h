/*
 * pool.h - a few threads that call getaddrinfo(), which blocks.
 *
 * Jobs wait in a bounded queue; finished ones come back to the loop thread through the
 * host's post(). A look-up under way can not be stopped: pool_free() does not wait for it,
 * its thread ends by itself and touches the host no more.
 */
#ifndef RESOLVER_POOL_H
#define RESOLVER_POOL_H

#include <aiex/aiex_plugin.h>

#define MAX_ADDRESSES 8
#define ADDRESS_BYTES 46 /* longest text of an address, with its 0 */

struct answer {
    int n;       /* addresses */
    int failed;  /* n is 0: the name does not exist, or the look-up failed (`text` says) */
    int lasting; /* the failure is the name's, not the network's */
    char text[128];
    char address[MAX_ADDRESSES][ADDRESS_BYTES];
};

typedef void (*pool_done_fn)(void *arg, const char *host, const struct answer *a);

struct pool;

/* n_threads are started when they are first needed. done(arg) comes on the loop thread, once per
 * job. NULL = no memory. */
struct pool *pool_new(const struct aiex_host *host, unsigned n_threads, unsigned max_jobs,
                      pool_done_fn done, void *arg);
/* No done() after this. */
void pool_free(struct pool *p);
/* Looks the name up (copied). 0, -EBUSY (queue full), -ENOMEM, -EAGAIN (no thread starts). */
int pool_ask(struct pool *p, const char *host);

#endif
