/*
 * load.h - requests to a chat endpoint, many at a time, and what came back: a closed loop (the
 * next request of a connection starts when its last one ended) or an open one (by the clock).
 */
#ifndef AIEX_BENCH_LOAD_H
#define AIEX_BENCH_LOAD_H

#include "measure.h"

struct load_plan {
    int connections;
    long requests; /* 0 = as many as fit into `seconds` */
    double seconds;
    double rate;       /* requests started per second; 0 = closed loop */
    const char *model; /* see mock_upstream.h */
    int stream;
    int messages;        /* Anthropic's messages instead of OpenAI's chat completions */
    const char *key;     /* sent as bearer token, or NULL */
    int leave_after;     /* close the connection after so many events of a stream; 0 = never */
    size_t prompt_bytes; /* added to the prompt */
};

struct load_result {
    long good, bad, events;
    double seconds;
    struct series took_us;  /* whole answers */
    struct series delay_us; /* of single events, from the server's send to our read */
    char error[200];        /* the first bad one */
};

/* Runs the plan against 127.0.0.1:port in this thread. load_done() frees the result. */
void load_run_plan(const struct load_plan *plan, int port, struct load_result *ret);
void load_done(struct load_result *result);

#endif
