/*
 * keys.c - the tables of host keys, and how a section fills the struct behind one.
 *
 * A default of NULL leaves the field to a rule that the help states. `rules` says
 * what is special about a key of an instance.
 */
#include "config/keys.h"

#include "config/secret_mark.h"

#include <string.h>

#define KEY_STRIDE      sizeof(struct aiex_option)
#define AT(type, field) offsetof(struct type, field)
#define DAY             INT64_C(86400000)
#define HOUR            INT64_C(3600000)
#define RESTARTS_MAX    63 /* as many as the supervisor remembers */

static const char *const levels[] = {"debug", "info", "notice", "warn", "error", NULL};
static const char *const forms[] = {"auto", "json", "text", NULL};
static const char *const restarts[] = {"permanent", "transient", "temporary", NULL};
static const char *const strategies[] = {"one_for_one", "rest_for_one", "one_for_all", NULL};
static const char *const misses[] = {"run", "skip", NULL};

/* clang-format off */
#define STRING AIEX_OPT_STRING, 0, 0, 0, NULL
#define NEEDED AIEX_OPT_STRING, AIEX_OPT_REQUIRED, 0, 0, NULL
#define BOOL   AIEX_OPT_BOOL, 0, 0, 0, NULL
#define CHOICE(words)       AIEX_OPT_CHOICE, 0, 0, 0, words
#define INT(min, max)       AIEX_OPT_INT, 0, min, max, NULL
#define SIZE(min, max)      AIEX_OPT_SIZE, 0, min, max, NULL
#define DURATION(min, max)  AIEX_OPT_DURATION, 0, min, max, NULL

#define SANDBOX_HELP "seal the cell in before the plugin is loaded; off is for debugging only"
#define MEMORY_HELP  "private writable memory of the cell; 0 = as its kind's profile says"
#define FILES_HELP   "open files of the cell; 0 = as its kind's profile says"
#define THREADS_HELP "threads of the cell; 0 = as its kind's profile says"
#define NICE_HELP    "nice value of the cell: 0 normal, 19 lowest"
#define TALLY_HELP   "restarts within period before it is given up as failed"
#define PERIOD_HELP  "time over which restarts are counted"
#define MEMORY SIZE(0, INT64_C(1) << 42)
#define FILES INT(0, 1048576)
#define THREADS INT(0, 4096)
#define HANG DURATION(50, 3600000)

const struct aiex_option host_keys[] = {
    {"node", NULL, "name of this node; the machine's host name when not set", STRING, AT(config_host, node)},
    {"log_level", "info", "lowest level that is logged", CHOICE(levels), AT(config_host, log_level)},
    {"log_form", "auto", "form of the log; auto is text on a terminal, else json", CHOICE(forms), AT(config_host, log_form)},
    {"plugin_dir", NULL, "folder of the plugins; the installed one when not set", STRING, AT(config_host, plugin_dir)},
    {"default_timeout", "30s", "limit of a call that names none and whose service has none", DURATION(1, DAY), AT(config_host, default_timeout_ms)},
    {"hang", "500ms", "a cell that is awake so long without progress is killed", HANG, AT(config_host, hang_ms)},
    {"zygote", "yes", "make cells from a prepared process, which is faster", BOOL, AT(config_host, zygote)},
    {"preload_http", "yes", "the prepared process maps the HTTP library once for all cells", BOOL, AT(config_host, preload_http)},
    {"master_key_file", NULL, "master key of the vault, when neither credential nor environment has it; DATA/master.key when not set", STRING, AT(config_host, master_key_file)},
    {"memory_interval", "1s", "how often is looked whether memory is short; 0 = never", DURATION(0, HOUR), AT(config_host, memory_interval_ms)},
    {"memory_calm", "10s", "how long all must be well before the level falls", DURATION(100, HOUR), AT(config_host, memory_calm_ms)},
    {"memory_elevated", "80", "percent of memory in use from which the first caches give back; 0 = none", INT(0, 100), AT(config_host, memory_elevated)},
    {"memory_high", "90", "the same for more of them", INT(0, 100), AT(config_host, memory_high)},
    {"memory_critical", "95", "the same for all of them at once", INT(0, 100), AT(config_host, memory_critical)},
    {"stall_elevated", "10", "percent of the last 10 s in which something waited for memory; as memory_elevated", INT(0, 100), AT(config_host, stall_elevated)},
    {"stall_high", "25", "the same as memory_high", INT(0, 100), AT(config_host, stall_high)},
    {"stall_critical", "50", "the same as memory_critical", INT(0, 100), AT(config_host, stall_critical)},
    {"memory_stall_file", "/proc/pressure/memory", "where the kernel tells how long was waited", STRING, AT(config_host, memory_stall_file)},
    {"memory_info_file", "/proc/meminfo", "where it tells what the machine has left", STRING, AT(config_host, memory_info_file)},
    {"memory_group", "auto", "folder of the control group whose limits hold; auto = the host's own and those around it; empty = none", STRING, AT(config_host, memory_group)},
    {"audit", "yes", "tell the audit log, if one is configured, of operators' acts, plugins' lives and secrets", BOOL, AT(config_host, audit)},
    {0}};

const struct aiex_option instance_keys[] = {
    {"plugin", NULL, "plugin to run; the section's name before the colon when not set", STRING, AT(config_keys, plugin)},
    {"enabled", "yes", "no: read and checked, not started", BOOL, AT(config_keys, enabled)},
    {"cell", NULL, "process to run in: a name that instances share, or host (needs trust); its own when not set", STRING, AT(config_keys, cell)},
    {"trust", "no", "allow the plugin to run inside the host, whose crash it then is", BOOL, AT(config_keys, trust)},
    {"restart", "permanent", "after an end: permanent always, transient not after a success, temporary never", CHOICE(restarts), AT(config_keys, restart)},
    {"group", NULL, "group whose strategy restarts its members together", STRING, AT(config_keys, group)},
    {"max_restarts", "10", TALLY_HELP, INT(0, RESTARTS_MAX), AT(config_keys, max_restarts)},
    {"period", "60s", PERIOD_HELP, DURATION(100, DAY), AT(config_keys, period_ms)},
    {"start_deadline", "10s", "time from the process to READY", DURATION(10, 3600000), AT(config_keys, start_deadline_ms)},
    {"drain_deadline", "10s", "time to finish running work before an end", DURATION(0, 3600000), AT(config_keys, drain_deadline_ms)},
    {"hang", NULL, "a cell that is awake so long without progress is killed; as in [host] when not set", HANG, AT(config_keys, hang_ms)},
    {"spare", "0", "warm stand-by cells that take over after a crash", INT(0, 1), AT(config_keys, spare)},
    {"sandbox", "on", SANDBOX_HELP, BOOL, AT(config_keys, sandbox)},
    {"limit_memory", "0", MEMORY_HELP, MEMORY, AT(config_keys, limit_memory_bytes)},
    {"limit_files", "0", FILES_HELP, FILES, AT(config_keys, limit_files)},
    {"limit_threads", "0", THREADS_HELP, THREADS, AT(config_keys, limit_threads)},
    {"priority", "0", NICE_HELP, INT(0, 19), AT(config_keys, priority)},
    {"workers", "1", "cells that share the work of this instance", INT(1, 64), AT(config_keys, workers)},
    {"workers_max", NULL, "cells to grow to under load; as workers when not set", INT(1, 64), AT(config_keys, workers_max)},
    {"workers_idle", "10s", "a cell above workers ends after so long without a call", DURATION(100, DAY), AT(config_keys, workers_idle_ms)},
    {"queue", "1024", "calls that may wait for this instance; more are answered busy", INT(0, 1000000), AT(config_keys, queue)},
    {"timeout", "0", "limit of a call to it that names none; 0 = default_timeout of [host]", DURATION(0, DAY), AT(config_keys, timeout_ms)},
    {"callers", NULL, "instances that may call it: names with *, separated by commas; everyone when not set", STRING, AT(config_keys, callers)},
    {"reload_on", NULL, "topics of events, separated by commas, after which a new process replaces it: what it has in memory is not true any more", STRING, AT(config_keys, reload_on)},
    {0}};

const struct aiex_option cell_keys[] = {
    {"hang", NULL, "awake so long without progress means killed; as in [host] when not set", HANG, AT(config_keys, hang_ms)},
    {"sandbox", "on", SANDBOX_HELP, BOOL, AT(config_keys, sandbox)},
    {"limit_memory", "0", MEMORY_HELP, MEMORY, AT(config_keys, limit_memory_bytes)},
    {"limit_files", "0", FILES_HELP, FILES, AT(config_keys, limit_files)},
    {"limit_threads", "0", THREADS_HELP, THREADS, AT(config_keys, limit_threads)},
    {"priority", "0", NICE_HELP, INT(0, 19), AT(config_keys, priority)},
    {0}};

const struct aiex_option group_keys[] = {
    {"strategy", "one_for_one", "who restarts with a crashed member: itself, those declared after it, or all", CHOICE(strategies), AT(config_group, strategy)},
    {"max_restarts", "10", TALLY_HELP, INT(0, RESTARTS_MAX), AT(config_group, max_restarts)},
    {"period", "60s", PERIOD_HELP, DURATION(100, DAY), AT(config_group, period_ms)},
    {0}};

const struct aiex_option job_keys[] = {
    {"enabled", "yes", "no: checked, not run", BOOL, AT(config_job, enabled)},
    {"cron", NULL, "when: [second] minute hour day month weekday, or @daily and the like", NEEDED, AT(config_job, cron)},
    {"zone", "UTC", "time zone of cron, such as Europe/Berlin", STRING, AT(config_job, zone)},
    {"service", NULL, "service or instance to call", NEEDED, AT(config_job, service)},
    {"method", NULL, "method to call", NEEDED, AT(config_job, method)},
    {"body", NULL, "JSON object to send; empty when not set", STRING, AT(config_job, body)},
    {"timeout", "0", "limit of the call; 0 = default_timeout of [host]", DURATION(0, DAY), AT(config_job, timeout_ms)},
    {"missed", "skip", "a run that was due while the host was down: run it once, or skip it", CHOICE(misses), AT(config_job, missed)},
    {0}};
/* clang-format on */

static const struct {
    const char *name;
    unsigned rules;
} rules[] = {{"hang", KEY_OF_CELL},          {"sandbox", KEY_OF_CELL},
             {"limit_memory", KEY_OF_CELL},  {"limit_files", KEY_OF_CELL},
             {"limit_threads", KEY_OF_CELL}, {"priority", KEY_OF_CELL | KEY_YIELDS},
             {"spare", KEY_OWN_CELL},        {"workers", KEY_OWN_CELL | KEY_YIELDS},
             {"workers_max", KEY_OWN_CELL},  {"workers_idle", KEY_OWN_CELL},
             {"queue", KEY_YIELDS},
             {"timeout", KEY_YIELDS}};

unsigned key_rules(const char *name)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(rules[i].name, name) == 0)
            return rules[i].rules;
    return 0;
}

int key_find(const struct aiex_option *keys, const char *name)
{
    return option_find(keys, KEY_STRIDE, name);
}

const char *const *key_names(void)
{
    static const char *names[sizeof(instance_keys) / sizeof(instance_keys[0])];

    if (!names[0])
        for (size_t i = 0; instance_keys[i].name; i++)
            names[i] = instance_keys[i].name;
    return names;
}

void keys_fill_one(const struct aiex_option *key, const struct config_section *section, void *out,
                   struct report *report)
{
    const struct config_pair *pair = section ? section_get(section, key->name) : NULL;
    struct option_value v;
    struct aiex_error err;

    if (!pair)
        return;
    if (pair->is_broken)
        report_error(report, pair->at, section->name, "%s: %s", pair->key, pair->why);
    else if (pair->is_secret)
        report_error(report, pair->at, section->name, "%s: " SECRET_MISPLACED, pair->key);
    else if (option_parse(key, pair->text, &v, &err) != 0)
        report_error(report, pair->at, section->name, "%s", err.text);
    else
        option_write(key, out, &v);
}

void keys_fill(const struct aiex_option *keys, const struct config_section *section, void *out,
               struct report *report)
{
    for (; keys->name; keys++) {
        struct option_value v = {0};

        if (keys->def)
            (void)option_parse(keys, keys->def, &v, NULL);
        option_write(keys, out, &v);
        keys_fill_one(keys, section, out, report);
        if ((keys->flags & AIEX_OPT_REQUIRED) && !(section && section_get(section, keys->name)))
            report_error(report, section ? section->at : (struct place){0},
                         section ? section->name : NULL, "%s is required and has no default",
                         keys->name);
    }
}

void keys_refuse_others(const struct aiex_option *keys, const struct config_section *section,
                        struct report *report)
{
    struct aiex_error err;

    for (size_t i = 0; i < section->n; i++)
        if (key_find(keys, section->pairs[i].key) < 0) {
            option_unknown(section->pairs[i].key, keys, KEY_STRIDE, NULL, &err);
            report_error(report, section->pairs[i].at, section->name, "%s", err.text);
        }
}
