/*
 * config.h - the configuration of a host: what conf.d says, checked and typed.
 *
 * Life
 *     config_load()      files -> merged, expanded, host keys typed       (files only)
 *     config_validate()  every instance against its plugin's descriptor   (needs probes)
 *     config_diff()      old against new: what a reload has to do
 *     config_show(), config_pack()   for people and programs, secrets masked
 *     config_free()
 * Both checks go on after an error and put all of them into one report. A configuration
 * with errors must not be used: nothing changes until a whole new one is sound.
 *
 * Sections
 *     [host]  [settings]  [settings:GROUP]  [group:NAME]  [cell:NAME]  [job:NAME]
 *     every other [PLUGIN] or [PLUGIN:NAME] is an instance; the section's text is its name.
 * A later file (byte order of names) overrides single keys of a section; `key =` with
 * nothing behind it puts the default back. An instance's keys of keys.h belong to the
 * host, all others to the plugin's option table. Four of them (timeout queue priority
 * workers) go to the plugin when its table has an option of that name; the host then
 * uses its default.
 *
 * Ownership: all texts, lists and plugin_info references live until config_free().
 * Thread rule: loop thread only.
 */
#ifndef AIEX_CONFIG_CONFIG_H
#define AIEX_CONFIG_CONFIG_H

#include "base/buf.h"
#include "config/ini.h"
#include "config/option.h"
#include "config/plugin_info.h"
#include "config/report.h"
#include "config/value.h"

#include <aiex/aiex_pack.h>

/* Index into the words of `restart` and `strategy`. */
enum config_restart { CONFIG_PERMANENT, CONFIG_TRANSIENT, CONFIG_TEMPORARY };
enum config_strategy { CONFIG_ONE_FOR_ONE, CONFIG_REST_FOR_ONE, CONFIG_ONE_FOR_ALL };
enum config_missed { CONFIG_MISSED_RUN, CONFIG_MISSED_SKIP };

#define CONFIG_CELL_TEXT_MAX (128u * 1024u) /* bytes of all options of one cell */

#define CONFIG_HOST_CELL "host" /* the cell that is the host process itself */

/* [host] */
struct config_host {
    const char *node;
    int64_t log_level; /* AIEX_LOG_* */
    int64_t log_form;  /* enum log_form of base/log.h */
    const char *plugin_dir;
    int64_t default_timeout_ms;
    int64_t hang_ms;
    int64_t zygote;       /* bool */
    int64_t preload_http; /* bool: the zygote maps libcurl once for all cells */
    const char *master_key_file; /* "" = master.key in the data folder */
    int64_t memory_interval_ms;  /* 0 = memory is not watched */
    int64_t memory_calm_ms;
    int64_t memory_elevated, memory_high, memory_critical; /* percent in use; 0 = never */
    int64_t stall_elevated, stall_high, stall_critical;    /* percent of time waited; 0 = never */
    const char *memory_stall_file, *memory_info_file, *memory_group;
    int64_t audit;        /* bool: the audit log is told what operators do, and asked before */
};

/* Host keys of an instance; the values that hold, defaults of [cell:] and [host] put in. */
struct config_keys {
    const char *plugin;
    const char *cell;  /* own cell: the instance's name; shared: another; or "host" */
    const char *group; /* "" = none */
    const char *callers; /* patterns of instances that may call it; "" = all */
    const char *reload_on; /* topics of events that make its memory untrue; "" = none */
    int64_t enabled, trust;
    int64_t restart; /* enum config_restart */
    int64_t max_restarts, period_ms;
    int64_t start_deadline_ms, drain_deadline_ms;
    int64_t hang_ms;
    int64_t spare;                                          /* 0 or 1 warm stand-by cells */
    int64_t sandbox;                                        /* bool */
    int64_t limit_memory_bytes, limit_files, limit_threads; /* 0 = the kind's default */
    int64_t priority;                                       /* nice value of the cell, -20..19 */
    int64_t workers, workers_max; /* cells that share the work of this instance */
    int64_t workers_idle_ms;      /* then one above `workers` ends */
    int64_t queue;                /* calls that may wait for it */
    int64_t timeout_ms; /* of a call to it that names none; 0 = default_timeout of [host] */
};

/* One key of a plugin's option table. */
struct config_option {
    const char *name;
    const char *text; /* expanded; a secret of the vault is a mark (secret_mark.h), another the secret */
    struct place at;                /* file NULL: the table's default, read from the environment */
    const struct config_pair *pair; /* of this room; NULL for such a default */
};

struct config_instance {
    const char *name; /* "provider_openai:work" */
    struct config_keys keys;
    struct place at; /* its section's head */
    /* After config_load(): the plugin's pairs. After config_validate(): what the runner gives to
     * option_values_new(), that is the pairs and the defaults taken from the environment. */
    struct config_option *options;
    size_t n_options;
    struct plugin_info *info; /* after config_validate(); NULL when unknown and not enabled */
    const struct config_section *section; /* of this room */
};

/* One cell that enabled instances use, except the host's own. */
struct config_cell {
    const char *name;
    int is_shared;      /* not an instance's own */
    size_t n_instances; /* enabled ones in it */
    int64_t sandbox, limit_memory_bytes, limit_files, limit_threads, priority, hang_ms;
    struct place at;
};

struct config_group {
    const char *name;
    int64_t strategy; /* enum config_strategy */
    int64_t max_restarts, period_ms;
    struct place at;
};

struct config_job {
    const char *name;
    const char *cron, *zone;
    const char *service, *method;
    const char *body;   /* JSON text, "" = none */
    int64_t timeout_ms; /* 0 = default_timeout */
    int64_t missed;     /* enum config_missed */
    int64_t enabled;
    struct place at;
};

/* A hot value: `key` of [settings], `group.key` of [settings:group]. */
struct config_setting {
    const char *name;
    const char *text;
    int is_whole; /* a number, yes/no, duration (ms) or size (bytes); `whole` is it */
    int64_t whole;
    struct place at;
};

struct config {
    struct config_host host;
    struct config_instance *instances; /* in declared order */
    size_t n_instances;
    struct config_cell *cells; /* whole after config_validate() */
    size_t n_cells;
    struct config_group *groups;
    size_t n_groups;
    struct config_job *jobs;
    size_t n_jobs;
    struct config_setting *settings;
    size_t n_settings;
    struct config_sections *sections; /* of this room */
};

/* What config_load() needs to know; zero is fine. */
struct config_load_options {
    const char *plugin_dir; /* default of plugin_dir; NULL = "plugins" */
    const char *node;       /* default of node; NULL = the host name */
    value_env_fn env;       /* NULL = getenv() */
    void *env_arg;
    value_secret_fn secret; /* NULL: `secret:NAME` is an error */
    void *secret_arg;
    /* Rooms above judge what they own (cron, zone, body): 0, or a negative errno with the reason
     * and the key to blame in *ret_key. NULL = not judged. */
    int (*check_job)(void *arg, const struct config_job *job, const char **ret_key,
                     struct aiex_error *err);
    void *check_job_arg;
};

/* Reads every *.ini of a folder (hidden files are left out). 0 and *ret, also when the report has
 * errors; -ENOMEM. A folder that can not be read is an error in the report. */
int config_load(const char *dir, const struct config_load_options *options, struct config **ret,
                struct report *report);
/* Only reads: appends the entries of every *.ini of the folder. 0, -ENOMEM. */
int config_read_folder(const char *dir, struct ini *ini, struct report *report);
/* The same from entries that were read already; `dir` is for relative `file:` paths. */
int config_load_ini(const struct ini *ini, const char *dir,
                    const struct config_load_options *options, struct config **ret,
                    struct report *report);

/* Finds a plugin: 0 and *ret (borrowed; config takes its own reference), -ENOENT (no such file),
 * or another negative errno with the reason in err. */
typedef int (*config_lookup_fn)(void *arg, const char *plugin, struct plugin_info **ret,
                                struct aiex_error *err);

/* 0, also when the report has errors; -ENOMEM. Once per config. An instance that is not enabled
 * may lack its plugin and its required options. */
int config_validate(struct config *config, config_lookup_fn lookup, void *arg,
                    struct report *report);

struct config_instance *config_find(const struct config *config, const char *instance);
const struct config_cell *config_find_cell(const struct config *config, const char *cell);
/* Every option of an instance as it holds: from file, environment or table. `name` borrowed;
 * NULL when it is unset. */
const char *config_effective(const struct config_instance *instance, const char *option);

/* Another text for an option, copied. 0, -ENOMEM (it keeps the old one). */
int config_set_text(struct config *config, struct config_option *option, const char *text);

void config_free(struct config *config);

/* ---- diff ---- */

enum config_change {
    CONFIG_SAME,
    CONFIG_OPTIONS, /* only RELOADABLE options, and the plugin has reload(): call it */
    CONFIG_REPLACE, /* start a new incarnation, drain the old */
    CONFIG_ADDED,
    CONFIG_REMOVED
};

#define CONFIG_NAMES_BYTES 256u /* what does not fit ends in "..." */

struct config_change_of {
    const char *name;
    enum config_change change;
    char why[96]; /* "option model", "key cell", "plugin's version 1.1"; no values */
    char names[CONFIG_NAMES_BYTES]; /* all keys and options that differ, with blanks between them */
};

struct config_diff {
    struct config_change_of *changes; /* the new order, then those removed, in the old order */
    size_t n;
    int host, settings, groups, jobs; /* 1 = something in there differs */
    char host_names[CONFIG_NAMES_BYTES], setting_names[CONFIG_NAMES_BYTES];
};

/* Both validated; names are borrowed from them. Not enabled counts as not there. 0, -ENOMEM. */
int config_diff(const struct config *old, const struct config *now, struct config_diff *ret);
void config_diff_done(struct config_diff *diff);
const char *config_change_name(enum config_change change);

/* ---- show ---- */

/* One ini file with the values that hold; defaults are marked, secrets are ***. `instance` NULL =
 * everything. 0, -ENOENT, -ENOMEM, -EMSGSIZE. */
int config_show(const struct config *config, const char *instance, struct buf *out);
/* map {host, settings, groups, cells, jobs, instances}; texts, secrets as "***". */
void config_pack(const struct config *config, struct aiex_writer *w);

/* Markdown tables of all host keys and of every plugin's options, from the tables themselves. */
void config_reference(struct plugin_info *const *infos, size_t n, FILE *out);

#endif
