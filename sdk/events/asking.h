/*
 * asking.h - one call to the store at a time, or the pause before the next one; a part of whoever
 * asks.
 *
 * The answer may come before host->call() returns, and may end its owner. So the owner is freed by
 * ev_asking_release(), which waits for the way back out of the call; after ev_asking_call()
 * returned 0 the owner must not be touched.
 */
#ifndef AIEX_EVENTS_ASKING_H
#define AIEX_EVENTS_ASKING_H

#include <aiex/aiex_pack.h>
#include <aiex_service.h>

struct asking {
    const struct aiex_host *host;
    const char *service;
    uint32_t timeout_ms;
    uint64_t trace;
    aiex_answer_fn fn; /* parts and the end */
    void (*free)(void *owner);
    void *owner;
    /* its own */
    void (*later)(void *owner);
    uint64_t call, watch;
    unsigned turn; /* of calls, to know whether one has ended */
    unsigned calling;
    int open, waiting, dead;
};

/* Asks what `write` writes. 0, or negative errno: nothing was asked. */
int ev_asking_call(struct asking *a, const char *method, aiex_write_fn write, const void *arg);
/* fn(owner) after a while. 0, or negative errno. */
int ev_asking_later(struct asking *a, uint64_t ms, void (*fn)(void *owner));
/* Gives up the call or the pause. */
void ev_asking_stop(struct asking *a);
/* Stops, and frees the owner as soon as nothing of it is on the stack. */
void ev_asking_release(struct asking *a);

/* A write whose outcome nobody asks for. */
void ev_asking_cast(struct asking *a, const char *method, aiex_write_fn write, const void *arg);

/* What `write` writes, on memory of the host. 0, -ENOMEM, -EMSGSIZE. release() *ret.data. */
int ev_write_on_host(const struct aiex_host *host, aiex_write_fn write, const void *arg,
                     struct aiex_slice *ret);
/* Whether another try may help: the store was away, busy, or nobody knows. */
int ev_code_is_passing(const char *code);
/* Pause before try n (from 1): 20 ms, doubled up to 2 s. */
uint64_t ev_pause_of(uint32_t n);

#endif
