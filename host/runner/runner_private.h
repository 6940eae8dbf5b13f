/* runner_private.h - what the files of this room share. */
#ifndef AIEX_RUNNER_PRIVATE_H
#define AIEX_RUNNER_PRIVATE_H

#include "channel/channel.h"
#include "channel/endpoint.h"
#include "channel/inside.h"
#include "config/option.h"
#include "loop/loop.h"
#include "wire/start.h"

#include <aiex/aiex_listen.h>
#include <aiex/aiex_settings.h>
#include <pthread.h>
#include <setjmp.h>

#define NAMES_PER_INSTANCE 8

struct handle; /* a timer or a watch of a plugin, handles.c */

struct instance {
    struct runner *runner;
    unsigned index;
    const struct start_instance *start;
    struct aiex_host host; /* the table the plugin sees */
    const struct aiex_plugin *plugin;
    struct option_values *options;
    void *self;
    char names[NAMES_PER_INSTANCE][AIEX_MAX_NAME + 1]; /* joined, beside its own */
    unsigned n_names;
    size_t allocated_bytes;
    int drain_asked, drained;
    uint64_t log_second;
    unsigned log_lines;
};

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct runner {
    struct start start;
    struct start_box *box;
    int fds[START_FDS];
    struct loop *loop;
    struct hub *hub;
    struct channel *channel;
    struct endpoint *endpoint;
    struct instance *instances;
    int draining, told_drained;
    int ready;
    const struct cell_inside_ops *inside; /* NULL = a process of its own */
    void *inside_arg;
    jmp_buf refused; /* inside: where give_up() goes while starting */
    int exit_code, left, silent;
    struct loop_timer *ending;
    struct handle **handles;
    unsigned n_handles, handles_cap;
    pthread_mutex_t posts_lock;
    struct post *posts, *posts_tail;
    pthread_t thread;
    const void *settings; /* mapped page */
    const struct aiex_http *http;
    void (*http_close)(const struct aiex_host *host);
    void *http_library;
};

static inline struct instance *instance_of(const struct aiex_host *host)
{
    return host->ctx;
}

/* instance.c */
void instance_table(struct instance *in);
void runner_send(struct runner *runner, const struct record *head, const void *body, size_t len);

/* handles.c */
int handle_timer(const struct aiex_host *host, uint64_t after_ms, uint64_t every_ms,
                 void (*fn)(void *arg), void *arg, uint64_t *ret);
int handle_watch(const struct aiex_host *host, int fd, uint32_t events,
                 void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret);
int handle_rewatch(const struct aiex_host *host, uint64_t watch, uint32_t events);
int handle_unwatch(const struct aiex_host *host, uint64_t watch);

/* Ends all of them. */
void handles_done(struct runner *runner);

/* posts.c: work handed over from other threads, or to after this turn's records */
int posts_add(const struct aiex_host *host, void (*fn)(void *arg), void *arg);
int posts_run(struct runner *runner);
void posts_done(struct runner *runner);

/* listen.c, settings.c */
extern const struct aiex_listen runner_listen;
extern const struct aiex_settings runner_settings;
void settings_map(struct runner *runner);
void settings_unmap(struct runner *runner);

/* confine.c */
int confine_enter(struct runner *runner, struct aiex_error *err);
int confine_tighten(struct runner *runner, struct aiex_error *err);
void confine_report(struct runner *runner);
/* Seals a probe: as a service without any need. */
int confine_probe(const char *path, struct aiex_error *err);

#endif
