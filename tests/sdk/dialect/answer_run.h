/*
 * answer_run.h - a chat driven from outside: a vendor's bytes in, the client's bytes out.
 *
 *     struct run r = {.client = AIEX_OPENAI_CHAT, .vendor = AIEX_ANTHROPIC_MESSAGES, .stream = 1};
 *     run_all(&r, bytes, 1);            fed byte by byte, then closed
 *     CU_ASSERT_EQUAL(r.result, 0);
 *     r.out                             what the client got, 0-terminated
 *     run_free(&r);
 */
#ifndef ANSWER_RUN_H
#define ANSWER_RUN_H

#include <aiex_chat.h>
#include <stdlib.h>

struct run {
    int client, vendor, stream;
    unsigned flags;
    const char *body; /* the client's request; NULL = a simple one of the dialect */
    uint64_t random;
    int stop_after; /* sink calls, 0 = never */
    /* results */
    struct aiex_chat *chat;
    int result; /* of the first call that failed, else 0 */
    int n_sinks;
    char *out;
    size_t len;
    struct aiex_chat_result said;
};

/* A request that makes use of nothing special. */
const char *run_body(int dialect, int stream);
int run_new(struct run *r);
int run_feed(struct run *r, const char *bytes, size_t len);
int run_close(struct run *r);
/* All of it: `step` bytes at a time (0 = at once), then the end. */
void run_all(struct run *r, const char *bytes, size_t step);
void run_free(struct run *r);

#endif
