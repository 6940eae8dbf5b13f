/* fake.h - the parts of the fake host, for its own files only. */
#ifndef AIEX_TESTKIT_FAKE_H
#define AIEX_TESTKIT_FAKE_H

#include "aiex_fake_host.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAKE_MAX_LISTENERS 32

struct fake_alloc {
    struct fake_alloc *next, *prev;
    size_t bytes;
    uint64_t mark; /* tells memory of ours from foreign memory */
};

struct fake_request {
    struct fake_request *next;
    const struct aiex_plugin *plugin;
    void *self;
    uint64_t id, trace;
    size_t untaken; /* bytes of parts that the consumer did not take yet */
    int open, paused;
};

struct fake_call {
    struct fake_call *next;
    uint64_t id, parent;
    uint32_t flags;
    aiex_answer_fn fn;
    void *arg;
    size_t uncredited;
    int open, started;
};

/* A timer (fd < 0) or a watched descriptor. */
struct fake_watch {
    struct fake_watch *next;
    uint64_t id, due_ms, every_ms;
    int fd;
    uint32_t events;
    void (*on_time)(void *arg);
    void (*on_ready)(void *arg, uint32_t events);
    void *arg;
};

struct fake_post {
    struct fake_post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct fake_extension {
    struct fake_extension *next;
    const void *table;
    char id[];
};

struct fake_setting {
    struct fake_setting *next;
    int64_t value;
    char *text;
    char name[];
};

struct fake_config {
    struct fake_config *next;
    const void *self; /* whose it is */
    void *config;
};

struct aiex_fake_host {
    struct aiex_host table;
    pthread_mutex_t lock; /* what [any] functions touch: records, allocs, posts, clock */
    pthread_t loop;
    char *instance, *data_dir;
    uint64_t last_id, now_ms;

    struct aiex_fake_record **records;
    size_t n_records, cap_records;
    void **joined; /* results of aiex_fake_parts() */
    size_t n_joined;

    struct fake_alloc allocs; /* list head */
    size_t n_allocs, alloc_bytes, misuse;
    size_t counted, fail_at;

    struct fake_request *requests;
    struct fake_call *calls;
    aiex_fake_call_fn on_call;
    void *on_call_arg;
    aiex_fake_part_fn on_part;
    void *on_part_arg;
    size_t window;

    struct fake_watch *watches;
    struct fake_post *posts, **posts_end;
    int wake[2]; /* a byte per post, so that poll() sees posts of threads */

    struct fake_extension *extensions;
    struct fake_setting *settings;
    uint64_t settings_version;
    uint16_t ports[FAKE_MAX_LISTENERS];
    size_t n_ports;
    int listen_error;

    struct fake_config *configs;
    int drained;
};

/* aiex_fake_host.c */
struct aiex_fake_host *fake_of(const struct aiex_host *table);
void *fake_must(void *mem);                 /* ends the program when mem is NULL */
uint64_t fake_id(struct aiex_fake_host *h); /* the next id of anything */
int fake_short(struct aiex_fake_host *h);   /* 1 = this allocation has to fail */
void fake_loop_only(struct aiex_fake_host *h, const char *what);

/* fake_record.c: adds a copy of `r`. */
const struct aiex_fake_record *fake_record(struct aiex_fake_host *h,
                                           const struct aiex_fake_record *r);
void fake_records_free(struct aiex_fake_host *h);

/* fake_request.c */
struct fake_request *fake_request_open(struct aiex_fake_host *h, uint64_t id);
int fake_stream(const struct aiex_host *t, uint64_t id, struct aiex_slice part);
int fake_reply(const struct aiex_host *t, uint64_t id, struct aiex_slice body);
int fake_fail(const struct aiex_host *t, uint64_t id, const char *code, const char *text,
              uint32_t retry_after_ms, struct aiex_slice body);
void fake_request_end_by_host(struct aiex_fake_host *h, uint64_t id, const char *code,
                              const char *text, uint32_t retry_after_ms, struct aiex_slice body);
void fake_requests_free(struct aiex_fake_host *h);

/* fake_call.c */
int fake_call(const struct aiex_host *t, const struct aiex_request *rq, aiex_answer_fn fn,
              void *arg, uint64_t *ret_call);
int fake_credit(const struct aiex_host *t, uint64_t call, uint32_t bytes);
int fake_cancel_call(const struct aiex_host *t, uint64_t call);
void fake_calls_cancel_below(struct aiex_fake_host *h, uint64_t parent);
void fake_calls_free(struct aiex_fake_host *h);

/* fake_loop.c */
int fake_post(const struct aiex_host *t, void (*fn)(void *arg), void *arg);
int fake_timer(const struct aiex_host *t, uint64_t after_ms, uint64_t every_ms,
               void (*fn)(void *arg), void *arg, uint64_t *ret_watch);
int fake_watch(const struct aiex_host *t, int fd, uint32_t events,
               void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret_watch);
int fake_rewatch(const struct aiex_host *t, uint64_t watch, uint32_t events);
int fake_unwatch(const struct aiex_host *t, uint64_t watch);
void fake_posts_drop(struct aiex_fake_host *h);
void fake_loop_free(struct aiex_fake_host *h);

/* fake_extension.c */
const void *fake_extension(const struct aiex_host *t, const char *id);
void fake_extensions_free(struct aiex_fake_host *h);

#endif
