/*
 * client.h - a small client of the control socket, for tests: calls are queued, sent
 * together, and their frames come back one by one with a deadline. It blocks in poll()
 * only and reads while it writes, so a host that answers before it has read everything
 * can not hang it.
 *
 * Ownership: slices in a frame die at the next client_next().
 */
#ifndef AIEX_SYSTEM_CLIENT_H
#define AIEX_SYSTEM_CLIENT_H

#include <aiex/aiex_pack.h>

struct client;

struct frame {
    int64_t id;
    int is_part;
    char code[32]; /* "" on success */
    char text[600];
    int64_t retry_after_ms;
    struct aiex_slice body;
};

/* NULL: nobody listens there. */
struct client *client_open(const char *path);
void client_close(struct client *c);
int client_fd(const struct client *c);

/* Queues a frame; client_send() or client_next() writes it. The call's id, counted from 1. */
int64_t client_call(struct client *c, const char *service, const char *method,
                    struct aiex_slice body, uint32_t timeout_ms);
void client_credit(struct client *c, int64_t id, uint32_t bytes);
void client_cancel(struct client *c, int64_t id);
/* Any bytes, for hostile frames. */
void client_raw(struct client *c, const void *bytes, size_t len);

/* Writes what is queued. 0, or -1: the host closed, or took nothing for 10 s. */
int client_send(struct client *c);
/* 1 a frame, 0 none within wait_ms, -1 closed or broken. */
int client_next(struct client *c, struct frame *f, int wait_ms);

/* {n, text} in memory that holds until the fourth call after it; text NULL leaves it out. */
struct aiex_slice body_of(int64_t n, const char *text);

#endif
