/*
 * start.h - what a new cell is told: the start message, host -> runner, over the
 * control socket together with the descriptors of START_FDS.
 *
 * Secrets travel here, never in argv or the environment. One msgpack map of at most
 * START_MAX bytes (a SOCK_SEQPACKET message).
 */
#ifndef AIEX_WIRE_START_H
#define AIEX_WIRE_START_H

#include "wire/pack.h"

#include <aiex/aiex_plugin.h>

#define START_MAX           (160u * 1024u)
#define START_INSTANCES_MAX 64u
#define START_OPTIONS_MAX   256u

/* Order of the descriptors. */
enum { START_FD_MEMORY, START_FD_WAKE0, START_FD_WAKE1, START_FD_SETTINGS, START_FD_OUTPUT,
       START_FD_CONTROL, START_FDS };

struct start_option {
    const char *name, *text;
};

struct start_instance {
    const char *name;
    const char *path;     /* of the .so */
    const char *data_dir; /* "" = none */
    const char *kind;     /* as probed; what is loaded must be the same */
    uint32_t needs;
    size_t n_options;
    struct start_option *options;
};

struct start {
    int host_pid;
    const char *cell, *node;
    const char *http_module;  /* path of aiex_http.so */
    const char *plugin_dir;
    uint64_t ring_bytes;
    uint32_t spin_us;
    int sandbox; /* 0 = off */
    int priority;
    int64_t limit_memory_bytes, limit_files, limit_threads;
    size_t n_instances;
    struct start_instance *instances;
};

int start_pack(const struct start *s, struct pack *out);
/* Texts and arrays live until start_done(). 0, -EBADMSG, -ENOMEM. */
struct start_box;
int start_unpack(struct aiex_slice bytes, struct start *ret, struct start_box **ret_box);
void start_done(struct start_box *box);

#endif
