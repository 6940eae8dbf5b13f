/*
 * aiex_ask.h - one request to a service, asked until it is answered.
 *
 * For those who keep their state in a store: a store that is replaced, busy or killed in the middle
 * of a write is no reason to fail. `busy` and `unavailable` say that nothing was done, `timeout`,
 * `crashed`, `internal` and `cancelled` that nobody knows. The first four are asked again with the
 * same body until `wait_ms` is over; an id in the body (of events, of a transaction) makes that
 * safe. With `late`, a write whose outcome is still unknown then is asked on, until the service has
 * said what became of it: once a try is doubtful, only success, `conflict` and `invalid` are
 * answers.
 *
 *     struct aiex_ask a = {.host = host, .service = "store", .method = "store.append",
 *                          .wait_ms = 5000, .end = on_end, .owner = me};
 *     aiex_ask_by(&a, write_append, me);
 *
 * Part of aiex_sdk_service. Threads: the loop thread. Ownership: the struct is the asker's and must
 * outlive the asking: aiex_ask_stop() before it goes. One request at a time; the struct may be used
 * again from `end` on.
 */
#ifndef AIEX_ASK_H
#define AIEX_ASK_H

#include <aiex/aiex_pack.h>
#include <aiex_service.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aiex_ask;
/* A part of the answer; slice with data NULL: forget what came, it is asked again. Not 0 = enough:
 * the call is cancelled and ends well. */
typedef int (*aiex_ask_part_fn)(struct aiex_ask *a, struct aiex_slice part);
/* Once, unless aiex_ask_stop() came first; perhaps before aiex_ask_start() returns. */
typedef void (*aiex_ask_end_fn)(struct aiex_ask *a, const struct aiex_answer *end);

struct aiex_ask {
    const struct aiex_host *host;
    const char *service; /* borrowed until aiex_ask_start() returns */
    const char *method;  /* constant */
    uint64_t trace;
    uint32_t wait_ms;
    aiex_ask_part_fn part; /* NULL: parts are not wanted */
    aiex_ask_end_fn end;
    /* Told once, when time is over and the outcome unknown. NULL: `end` comes then. */
    void (*late)(struct aiex_ask *a);
    void *owner, *arg; /* the asker's */

    /* To be read: */
    int active;
    int unknown; /* a try may have been done without our knowing */
    int is_late; /* late() was called */

    /* Its own: */
    char to[AIEX_MAX_NAME + 1]; /* the service: a reload may free the configuration's text */
    struct aiex_slice body;
    uint64_t call, timer, give_up;
    unsigned tries;
    int *over; /* set when the end comes before call() returns */
};

/* Takes the body, of aiex_write_alloc(); with data NULL the end comes with `busy`. */
void aiex_ask_start(struct aiex_ask *a, struct aiex_slice body);
/* The same with what `write` writes. */
void aiex_ask_by(struct aiex_ask *a, aiex_write_fn write, const void *arg);
/* No end comes any more. What was asked may be done. */
void aiex_ask_stop(struct aiex_ask *a);

#ifdef __cplusplus
}
#endif
#endif
