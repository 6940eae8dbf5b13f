/*
 * node.h - the running host: configuration turned into supervised cells on the bus.
 *
 * Life: node_new() (folders, lock, sockets' places) -> node_configure() (all of it checked
 * before anything changes) -> loop runs -> node_stop() (drain, reverse order, bounded) ->
 * node_free(). node_configure() again is a reload: a diff, refused whole when anything is
 * wrong.
 *
 * First file to read: node.c (life), then unit.c (what the supervisor's decisions do),
 * process.c (one incarnation), apply.c (configuration to units), jobs.c
 * ([job:NAME] sections).
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_NODE_H
#define AIEX_NODE_H

#include "bus/bus.h"
#include "config/config.h"
#include "loop/loop.h"
#include "node/inside.h"
#include "node/jobs.h"
#include "node/memory.h"

#include <stdio.h>

struct node;
struct cell_inside;
struct master_key;

struct node_options {
    const char *config_dir;
    const char *data_dir;
    const char *bin_dir; /* where aiex-runner is */
    const char *lib_dir; /* where aiex_http.so is */
    const char *plugin_dir;
    const struct cell_inside *inside; /* runs `cell = host`; NULL = refused */
    const struct master_key *master_key; /* what the environment had; NULL = nothing */
};

/* NULL and err: data folder not writable, another host runs on it, no memory. */
struct node *node_new(const struct node_options *options, struct aiex_error *err);
void node_free(struct node *node);
/* Loads, checks and applies the configuration. 0; -EINVAL with everything that is wrong in the
 * report (nothing was changed); other negative errno. */
int node_configure(struct node *node, struct report *report);
/* What the last node_configure() did to instances, in order: 0, -ENOENT past the last. */
int node_change(const struct node *node, unsigned i, const char **name, enum config_change *change);
/* Names of the keys and options of the i-th change, with blanks between them; no values. "" past the
 * last. */
const char *node_change_names(const struct node *node, unsigned i);
/* The same for keys of [host] and for settings. */
const char *node_change_host(const struct node *node);
const char *node_change_settings(const struct node *node);
/* Only checks what node_configure() would apply. */
int node_try(struct node *node, struct report *report);
/* The same without a running node; for --check. */
int node_check(const struct node_options *options, struct report *report);
/* Prints the option reference of the host and of every plugin in the plugin folder (markdown). */
int node_reference(const struct node_options *options, FILE *out);
/* Drains and ends every cell, at most limit_ms, then stops the loop. */
void node_stop(struct node *node, uint32_t limit_ms);

struct loop *node_loop(struct node *node);
struct bus *node_bus(struct node *node);
struct inside *node_inside(struct node *node);
struct node_jobs *node_jobs(struct node *node);
struct node_memory *node_memory(struct node *node);
const struct config *node_config(const struct node *node);
const char *node_name(const struct node *node);
const char *node_data_dir(const struct node *node);
const char *node_config_dir(const struct node *node);
uint64_t node_uptime_ms(const struct node *node);
/* 1 when every enabled permanent instance is up; else the first that is not, with why. */
int node_ready(struct node *node, char *why, size_t size);

/* ---- Executing a new image of the host (takeover.c) ----
 * The old image writes everything down into a memory file and executes the new one, which takes
 * cells, rings, sockets and calls over: no cell notices, no call is lost. */

/* Begins: as soon as the node is quiet (a few turns), `save` of the rooms above is called and the
 * program is executed again with --takeover. -EBUSY while one is under way; -EINVAL with a reason
 * when the configuration on disk differs from the running one or the program can not take over. */
struct pack;
typedef void (*node_save_fn)(void *arg, struct pack *out);
int node_upgrade(struct node *node, const char *program, char *const argv[], node_save_fn save,
                 void *arg, struct aiex_error *err);
/* In the new image, instead of node_new() + node_configure(). */
struct node *node_takeover(const struct node_options *options, int state_fd, struct aiex_error *err);
/* After the parts of the host were added again: calls and names. ret_above is what `save` wrote,
 * valid until node_takeover_done(). */
int node_resume(struct node *node, const void **ret_above, struct aiex_error *err);
void node_takeover_done(struct node *node);
/* Printed by --state-version: images with the same number understand each other. */
#define NODE_STATE_VERSION 2

/* What `aiex plugin list` shows of one instance. Texts live until the next loop turn. */
struct node_instance_info {
    const char *name, *plugin, *kind, *version, *summary, *cell, *state, *state_why, *last_exit;
    const char *pool; /* of a worker: the instance it works for; else "" */
    unsigned workers; /* > 0: a pool as a whole, whose workers follow */
    const char *sandbox; /* lines "+layer" active, "-layer" missing */
    int pid;
    uint64_t restarts, rss_bytes, uptime_ms, next_try_ms;
    const struct bus_instance_stats *stats;
};
/* 0 and *ret, or -ENOENT past the last. */
int node_instance(struct node *node, unsigned i, struct node_instance_info *ret);
struct bus_instance *node_bus_instance(struct node *node, const char *name);

/* New incarnations with the code that is on disk now; name NULL = all. 0, -ENOENT, or -EINVAL
 * when the new file is refused (the old one goes on). */
int node_replace(struct node *node, const char *name, struct aiex_error *err);
/* Takes an instance out until the next load or reload. */
int node_remove(struct node *node, const char *name);
/* Adds the sections of one .ini file to the configuration; they stay until the host ends or the
 * file is gone at a reload. */
int node_load_file(struct node *node, const char *path, struct report *report);

/* Writes the section of one instance of `plugin` (a name or the path of a .so) into a file below the
 * data folder and adds that. name NULL = the plugin's. options: pairs of texts. */
struct node_option {
    const char *name, *text;
};
int node_load_plugin(struct node *node, const char *plugin, const char *name,
                     const struct node_option *options, size_t n, struct report *report);

/* ---- Secrets (secrets.c) ---- */

/* Stores a value; running instances that use the secret are told, or replaced when they can not be. 0, or
 * why not. */
int node_secret_set(struct node *node, const char *name, struct aiex_slice value, struct aiex_error *err);
/* -EBUSY while an instance uses it, unless `force`. */
int node_secret_remove(struct node *node, const char *name, int force, struct aiex_error *err);
/* A new master key: the given one (text or bytes), or one that is made when that is empty. ret_where: where
 * it is; by_hand 1: where the operator has to put it. */
int node_secret_rotate(struct node *node, struct aiex_slice key, const char **ret_where, int *ret_by_hand,
                       struct aiex_error *err);
/* The i-th in order of names. 0, -ENOENT past the last, or why the vault can not be read. */
struct vault_entry;
int node_secret(struct node *node, size_t i, struct vault_entry *ret, struct aiex_error *err);
/* The i-th instance of the configuration that uses a secret, or NULL. */
const char *node_secret_user(const struct node *node, const char *name, size_t i);

/* Told of each secret that an instance is given, also of those that were before this is called (the
 * last 1024). */
void node_on_secret(struct node *node,
                    void (*fn)(void *arg, const char *instance, const char *option, const char *secret),
                    void *arg);

/* Lines of plugins' states, told when they change. */
void node_on_state(struct node *node,
                   void (*fn)(void *arg, const char *instance, const char *state, const char *why),
                   void *arg);
/* What a new configuration changed: an instance (options, replace, added, removed), or `changed` of
 * host, settings, groups, jobs. It holds already. */
void node_on_config(struct node *node,
                    void (*fn)(void *arg, const char *section, const char *change, const char *why),
                    void *arg);
/* Runs in every loop turn after the records. 1 = did something. */
void node_on_turn(struct node *node, int (*fn)(void *arg), void *arg);

#endif
