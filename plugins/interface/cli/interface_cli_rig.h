/* interface_cli_rig.h - the plugin through its descriptor, against the fake host, for its tests. */
#ifndef INTERFACE_CLI_RIG_H
#define INTERFACE_CLI_RIG_H

#include "test.h"

#include <aiex/aiex_pack.h>
#include <aiex_fake_host.h>

struct bench {
    struct aiex_fake_host *host;
    const struct aiex_plugin *plugin;
    void *self;
};

extern const struct aiex_slice empty;
extern const struct aiex_fake_pair with_model[];

/* The plugin on a host of its own. */
void set_up(struct bench *b, const struct aiex_fake_pair *pairs);
void tear_down(struct bench *b);
/* cli.ask; the id for aiex_fake_answer(). */
uint64_t ask(struct bench *b, const char *prompt, int stream);
uint64_t last_call(struct bench *b);
/* The model says so, then ends. */
void say(struct bench *b, uint64_t call, const char *text);
void finish(struct bench *b, uint64_t call);
/* 1, or 0 and both are printed. */
int slice_is(struct aiex_slice s, const char *text);
struct aiex_slice str_of(struct aiex_slice map, const char *key);
/* The n-th part has this under the key. */
int part_is(struct bench *b, size_t n, const char *key, const char *text);

#endif
