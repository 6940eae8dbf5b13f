/*
 * control.h - a client of the host's control socket: one connection, one call at a time.
 *
 * control_call() blocks until the answer's end, hands every part to a callback and gives its bytes
 * back as credit afterwards, so a slow reader of our output slows the producer and not the host's
 * memory. When control_catch_interrupt() was called, SIGINT and SIGTERM make a running call send
 * `cancel`, wait for its end at most CONTROL_CANCEL_MS and return -EINTR; a second signal ends the
 * process at once.
 *
 * Errors: -ENOENT, -ECONNREFUSED, -ENOTSOCK (no host there), -EACCES (no permission), -EPROTO and
 * -EMSGSIZE (the peer does not speak this protocol), -ECONNRESET (the host went away), -ETIMEDOUT,
 * -EINTR, -ENOMEM, or what a part callback returned; err has the sentence.
 */
#ifndef AIEX_CLI_CONTROL_H
#define AIEX_CLI_CONTROL_H

#include <aiex/aiex_plugin.h>

#define CONTROL_CANCEL_MS 1000 /* how long a cancelled call may take to end */
#define CONTROL_GRACE_MS  2000 /* how long after the deadline the host may still say so itself */

struct control;

struct control_request {
    const char *service;
    const char *method;
    struct aiex_slice body; /* msgpack map, or empty */
    uint32_t timeout_ms;    /* 0 = the service's default; then we wait without a limit */
};

/* How a call ended; control_end_done() frees it. */
struct control_end {
    char code[32];  /* "" = success, else AIEX_E_* */
    char text[512]; /* with code: for people */
    uint32_t retry_after_ms;
    struct aiex_slice body; /* msgpack map or empty; owned */
};

/* One part; dies at return. 0 = go on, 1 = enough: cancel, and end with success, negative = cancel
 * and let control_call() return it. */
typedef int (*control_part_fn)(void *arg, struct aiex_slice part);

/* The socket's path: `option`, else AIEX_SOCKET, else the default data folder's. 0, or -ENOENT
 * when neither is set and there is no home; -ENAMETOOLONG. */
int control_path(const char *option, char *out, size_t size, struct aiex_error *err);
int control_open(const char *path, struct control **ret_control, struct aiex_error *err);
/* NULL is fine. */
void control_free(struct control *c);
/* 0 = the host answered: look at ret_end->code. part may be NULL: parts are dropped. */
int control_call(struct control *c, const struct control_request *request, control_part_fn part,
                 void *arg, struct control_end *ret_end, struct aiex_error *err);
void control_end_done(struct control_end *end);
/* For the whole process, once. 0, -errno. */
int control_catch_interrupt(void);
/* 1 once a signal came. */
int control_interrupted(void);

#endif
