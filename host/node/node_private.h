/* node_private.h - the node's tables, shared by the files of this room only. */
#ifndef AIEX_NODE_PRIVATE_H
#define AIEX_NODE_PRIVATE_H

#include "base/list.h"
#include "cell/cell.h"
#include "cell/listener.h"
#include "cell/probe.h"
#include "node/node.h"
#include "secret/vault.h"
#include "supervise/supervise.h"
#include "wire/settings_page.h"

#include <string.h>

#define UNITS_MAX      SUPERVISE_MAX_UNITS
#define QUEUE_MAX      1024u
#define EXTRA_FILES_MAX 64u

/* One configured instance as the node runs it. */
struct node_instance {
    struct list link; /* in unit->instances, in order: the index in the cell */
    struct unit *unit;
    char name[64];
    struct bus_instance *bus; /* of a worker: its pool's */
    struct plugin_info *info;
    char plugin_path[512];
    char data_dir[512];
};

/* One process of a unit. */
struct process {
    struct list link;
    struct unit *unit;
    uint32_t inc;
    struct cell *cell;
    struct bus_port *port;
    struct bus_instance *instances[START_INSTANCES_MAX]; /* by index, as it was started */
    unsigned n_instances;
    int draining, told_drained;
    enum supervise_why killed_for;
    uint32_t limit_ms;
    char detail[160]; /* of a violation */
    char fault[512];  /* why it refused to start */
    char *sandbox;
    uint64_t ready_ms;
    int64_t memory_bytes; /* when it was looked at last: memory.c */
    int memory_quick;
};

/* What the supervisor calls a unit: the instances of one cell. */
struct unit {
    struct list link;
    struct node *node;
    char name[64];
    int number; /* in the supervisor */
    struct list instances;
    struct list processes;
    struct process *serving;
    struct pool *pool; /* NULL: not a worker */
    int temporary;     /* a worker that ends when there is less to do */
    struct bus_instance_stats stats; /* of a worker */
    uint32_t hang_ms;
    int sandbox, priority;
    int64_t limit_memory_bytes, limit_files, limit_threads;
    char last_exit[512];
    int removed; /* GONE frees it */
    int keep;    /* marks of apply */
    int lost;    /* an instance moved to another cell */
};

struct known_plugin {
    struct list link;
    char path[512];
    uint64_t mtime_ns, inode, size;
    struct plugin_info *info;
    char refused[512];
};

struct node {
    struct node_options options;
    char config_dir[512], data_dir[512], plugin_dir[512], runner[512], http_module[512];
    struct loop *loop;
    struct hub *hub;
    struct bus *bus;
    struct inside *inside;
    struct node_jobs *jobs;
    struct node_memory *memory;
    struct renew *renew;
    struct spawner *spawner;
    struct supervisor *supervisor;
    struct listeners *listeners;
    struct settings_page *settings;
    int settings_fd, lock_fd;
    struct config *config;
    struct vault *vault;
    struct list units;
    struct list pools;
    struct list known;
    struct supervise_event queue[QUEUE_MAX];
    unsigned queue_head, queue_n;
    int stepping;
    struct supervise_actions *actions;
    struct loop_timer *tick, *watch, *supervise;
    uint64_t started_ms, last_tick_ms, watch_ms;
    int stopping;
    uint32_t stop_limit_ms;
    char extra[EXTRA_FILES_MAX][512];
    unsigned n_extra;
    struct {
        char name[64];
        enum config_change change;
        char names[CONFIG_NAMES_BYTES];
    } changes[UNITS_MAX]; /* of the last configuration */
    unsigned n_changes;
    char changed_host[CONFIG_NAMES_BYTES], changed_settings[CONFIG_NAMES_BYTES];
    char removed[UNITS_MAX][64];
    unsigned n_removed;
    void (*on_state)(void *arg, const char *instance, const char *state, const char *why);
    void *on_state_arg;
    void (*on_config)(void *arg, const char *section, const char *change, const char *why);
    void *on_config_arg;
    struct list opened; /* secrets.c: secrets that were given out, while nobody is told */
    unsigned n_opened;
    void (*on_secret)(void *arg, const char *instance, const char *option, const char *secret);
    void *on_secret_arg;
    int (*on_turn)(void *arg);
    void *on_turn_arg;
    struct upgrade *upgrade; /* under way, takeover.c */
    struct takeover *takeover;
    int settings_reader;
};

/* unit.c */
void unit_event(struct node *node, struct supervise_event event);
void unit_perform(struct node *node);
struct unit *unit_find(struct node *node, const char *name);
struct unit *unit_of_number(struct node *node, uint32_t number);
struct unit *unit_new(struct node *node, const char *name);
void unit_free(struct unit *unit);
void unit_clear_instances(struct unit *unit);
void unit_arm(struct node *node);
/* The section that configures an instance; for a worker its pool's. */
const char *unit_section(const struct node_instance *in);
/* Out of service at once; drains and ends in its own time. Its name is free for a successor. */
void unit_retire(struct node *node, struct unit *unit);
void unit_unbind(struct unit *unit, enum bus_serving serving, const char *why);

static inline int unit_is_inside(const struct unit *unit)
{
    return !strcmp(unit->name, CONFIG_HOST_CELL);
}

/* process.c */
int process_save(struct process *p, struct pack *out);
int process_load(struct unit *unit, const void *doc_value);
int process_start(struct unit *unit, uint32_t inc);
struct process *process_find(struct node *node, uint32_t inc);
void process_switch(struct process *p);
void process_drain(struct process *p);
void process_end(struct process *p);
void process_kill(struct process *p, enum supervise_why why);
void process_free(struct process *p);
void process_check_drained(struct process *p);
/* Sends new options to a running instance; the answer is logged. */
void process_reload(struct process *p, unsigned index, const struct config_instance *config);

/* plugins.c */
int plugins_lookup(void *arg, const char *plugin, struct plugin_info **ret, struct aiex_error *err);
/* Starts the probes of many plugins side by side; the results are remembered for plugins_lookup(). */
void plugins_probe_all(struct node *node, const char *const *names, size_t n);
void plugins_forget(struct node *node);
void plugins_path(struct node *node, const char *plugin, char *out, size_t size);

/* secrets.c */
struct secret_texts {
    struct secret_text *first;
};
/* What an option is to be told: its text, with the values of its secrets, in locked memory until
 * secret_texts_done(). NULL after logging why not. */
const char *secrets_text(struct node *node, const struct config_instance *c, size_t i,
                         struct secret_texts *keep);
void secret_texts_done(struct secret_texts *keep);
/* Forgets what nobody was told. */
void secrets_forget(struct node *node);
/* For config_load_options: is the secret there? `arg` is the node. */
int secrets_look(void *arg, const char *key_file, const char *name,
                 char ret_revision[VALUE_REVISION_TEXT], struct aiex_error *err);

/* takeover.c */
void takeover_try(struct node *node);

/* node.c */
/* Where everything is, before anything is opened. */
void node_paths(struct node *node, const struct node_options *options);
struct node *node_make(const struct node_options *options, int lock_fd, int settings_fd,
                       struct aiex_error *err);
int node_spawner(struct node *node, const struct config *config);
void node_set_watch(struct node *node);

/* Frees an instance of the bus that processes may still refer to. */
void node_free_bus(struct node *node, struct bus_instance *bus);

/* apply.c */
int apply_is_removed(const struct node *node, const char *name);
/* What the configuration says, in the words of the rooms below. */
struct supervise_spec apply_spec(const struct unit *unit, const struct config_instance *c, int group);
int apply_group(struct node *node, const struct config *config, const char *name);
enum config_change apply_change(const struct config_diff *diff, const char *name);
struct bus_instance_options apply_bus_options(const struct config_instance *c);
void apply_instance(struct node *node, struct node_instance *in, const struct config_instance *c);
/* 1 = the cell has to be replaced. */
int apply_limits(struct unit *unit, const struct config_cell *cell);
/* An instance that left its cell: the caller's, in no list. NULL: none of that name; `moving` may be
 * NULL. */
struct node_instance *apply_take_moving(struct list *moving, const char *name);

/* apply_pool.c */
/* diff NULL: the host was upgraded and its workers run already. */
void apply_pool(struct node *node, const struct config_instance *c, const struct config_diff *diff,
                struct list *moving);
/* A new unit for a pool; not started. NULL: no memory, no room. */
struct unit *apply_worker(struct node *node, struct pool *pool, int temporary);
/* The same for one that the supervisor knows as `number`. */
struct unit *apply_adopt_worker(struct node *node, struct pool *pool, const char *name, int number,
                                int temporary);
/* Ends pools that the configuration does not have any more; names that go on as something else leave
 * with what waits for them. */
void pools_leave(struct node *node, const struct config *config, struct list *moving);
/* Makes units and their instances without starting anything; for units that run already. */
void apply_adopt(struct node *node, struct config *config);
int apply_load(struct node *node, struct config **ret, struct report *report);
void apply_config(struct node *node, struct config *config);

#endif
