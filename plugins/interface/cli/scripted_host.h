/*
 * scripted_host.h - for tests: the other side of the control socket, played by a thread, and
 * `aiex` run against it as a program.
 *
 * A script is a function that gets the accepted connection and says line by line what the host
 * does; it ends when it returns, and the connection is closed. Reads have a deadline, so a test
 * that goes wrong fails instead of hanging.
 */
#ifndef AIEX_CLI_SCRIPTED_HOST_H
#define AIEX_CLI_SCRIPTED_HOST_H

#include <aiex/aiex_pack.h>
#include <sys/types.h>

struct scripted_host;

/* One connection, for the script. */
struct peer {
    int fd;
    void *arg;
    pid_t client;   /* of the program on the other side */
    uint8_t *frame; /* the last frame read */
    size_t frame_len;
    int failed; /* the script saw something that it did not expect */
};

typedef void (*script_fn)(struct peer *p);

/* Listens on a fresh socket and runs the script for the first connection. Ends the program when
 * the system refuses. */
struct scripted_host *scripted_host_new(script_fn script, void *arg);
const char *scripted_host_path(const struct scripted_host *h);
/* Waits for the script's end. 1 = it ran and nothing failed. */
int scripted_host_free(struct scripted_host *h);

/* Reads the next frame; 1, or 0 at the end of the connection (no failure). */
int peer_read(struct peer *p);
/* The frame read is a call of this method (else the script has failed); its body. */
struct aiex_slice peer_expect_call(struct peer *p, const char *service, const char *method);
/* Reads frames, skipping credits, until one has this op. 1, or 0 and failed. */
int peer_expect_op(struct peer *p, const char *op);
/* The id of the frame read. */
int64_t peer_id(const struct peer *p);
/* Sends a part (any bytes), an end with a map, or an end with an error. */
void peer_part(struct peer *p, int64_t id, const void *bytes, size_t len);
void peer_end(struct peer *p, int64_t id, struct aiex_slice body);
void peer_error(struct peer *p, int64_t id, const char *code, const char *text);
void peer_raw(struct peer *p, const void *bytes, size_t len);

/* What a program left. The texts are 0-terminated. */
struct ran {
    int code; /* exit code, or 128 + signal */
    char out[65536];
    char err[16384];
};

/* How to run it. Zeroed = standard input is /dev/null, output is a pipe, environment without
 * AIEX_*, NO_COLOR; TERM=xterm. */
struct run_as {
    const char *socket; /* AIEX_SOCKET; NULL = a path where nobody listens */
    const char *input;  /* text for standard input */
    const char *typed;  /* with columns: typed when ": " was printed; no `input` */
    unsigned columns;   /* not 0: standard output and error are one terminal this wide */
    const char *env[4]; /* "NAME=value" */
};

/* Runs build/bin/aiex with these arguments (NULL-terminated, without the program's name). With a
 * terminal everything is in `out`. */
void run_aiex(const struct run_as *as, const char *const *args, struct ran *ret_ran);

/* Writes JSON-like maps for scripts: pairs of key and value; a value beginning with '#' is a whole
 * number, "true" and "false" are booleans, others strings. NULL ends. Static memory per call site
 * is the caller's: out must hold it. */
struct aiex_slice make_map(uint8_t *out, size_t size, const char *const *pairs);

#endif
