/*
 * control.h - a client of the host's control socket for the benchmarks: blocking, any
 * number of calls at once, answers taken in any order. See docs/operations.md.
 */
#ifndef AIEX_BENCH_CONTROL_H
#define AIEX_BENCH_CONTROL_H

#include <aiex/aiex_plugin.h>

struct control;

struct ending {
    char code[32]; /* "" = success */
    char text[256];
    uint8_t *body; /* msgpack map or NULL; ending_done() frees it */
    size_t len;
};

/* NULL when nobody listens there. */
struct control *control_open(const char *path);
void control_close(struct control *c);
/* The call's number. Ends the program when the host is gone. */
int64_t control_send(struct control *c, const char *service, const char *method,
                     struct aiex_slice body, unsigned timeout_ms);
/* Waits for the end of a call; ends of others that come before it are kept. */
void control_wait(struct control *c, int64_t id, struct ending *ret);
void ending_done(struct ending *e);
/* Both, and a number out of the answer: 0 when it has none. Ends the program when the call fails.
 */
int64_t control_ask(struct control *c, const char *service, const char *method,
                    struct aiex_slice body, const char *key);
int64_t ending_int(const struct ending *e, const char *key);

#endif
