/* node.c - the life of the node and what it tells about itself; see node.h. */
#include "node/node.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "node/node_private.h"
#include "node/pool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#define CALLS_PER_PORT  4096u
#define CALLS_WAITING   1024u
#define EVENTS_WAITING  (1024u * 1024u)
#define TICK_MS         100u
#define WATCH_MS_LEAST  20u

/* ---- Time ---- */

static void tick(struct node *node)
{
    uint64_t now = loop_now_ms(node->loop);

    node->last_tick_ms = now;
    bus_tick(node->bus, now);
}

static void on_tick(void *arg)
{
    tick(arg);
}

static void on_supervise(void *arg)
{
    unit_event(arg, (struct supervise_event){.kind = SUPERVISE_TICK});
}

static void on_watch(void *arg)
{
    struct node *node = arg;
    uint64_t now = loop_now_ms(node->loop);

    list_each(it, &node->units)
        list_each(jt, &list_of(it, struct unit, link)->processes)
            cell_watch(list_of(jt, struct process, link)->cell, now);
}

/* Runs after the rings of a turn were read. */
static int on_turn(void *arg)
{
    struct node *node = arg;
    int did = inside_turn(node->inside) | node_jobs_turn(node->jobs);

    if (loop_now_ms(node->loop) - node->last_tick_ms >= BUS_TICK_MS)
        tick(node);
    did |= bus_flush(node->bus);
    did |= pools_turn(node);
    if (node->on_turn)
        did |= node->on_turn(node->on_turn_arg);
    list_each_safe(it, next, &node->units)
        list_each_safe(jt, jnext, &list_of(it, struct unit, link)->processes)
            process_check_drained(list_of(jt, struct process, link));
    if (node->upgrade && !did)
        takeover_try(node);
    return did;
}

/* ---- Making ---- */

static int make_folder(const char *path, struct aiex_error *err)
{
    char part[512];

    snprintf(part, sizeof(part), "%s", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = 0;
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return fail(err, -errno, "folder '%s' can not be made: %s", part, strerror(errno));
        if (!slash)
            return 0;
        *slash = '/';
    }
}

static int lock_data(struct node *node, struct aiex_error *err)
{
    char path[600], pid[32];
    ssize_t n;
    int fd;

    snprintf(path, sizeof(path), "%s/run", node->data_dir);
    if (make_folder(path, err) < 0)
        return -EACCES;
    snprintf(path, sizeof(path), "%s/plugins", node->data_dir);
    if (make_folder(path, err) < 0)
        return -EACCES;
    snprintf(path, sizeof(path), "%s/run/host.pid", node->data_dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(err, -errno, "data folder '%s' is not writable: %s", node->data_dir, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        n = read(fd, pid, sizeof(pid) - 1);
        pid[n > 0 ? n : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        close(fd);
        return fail(err, -EBUSY, "data folder '%s' is in use by aiex-host with pid %s; stop it or choose another --data",
                    node->data_dir, pid[0] ? pid : "unknown");
    }
    if (ftruncate(fd, 0) == 0)
        dprintf(fd, "%d\n", (int)getpid());
    node->lock_fd = fd;
    return 0;
}

static void set_paths(struct node *node, const struct node_options *o)
{
    node->options = *o;
    snprintf(node->config_dir, sizeof(node->config_dir), "%s", o->config_dir);
    snprintf(node->data_dir, sizeof(node->data_dir), "%s", o->data_dir ? o->data_dir : "");
    snprintf(node->plugin_dir, sizeof(node->plugin_dir), "%s", o->plugin_dir);
    snprintf(node->runner, sizeof(node->runner), "%s/aiex-runner", o->bin_dir);
    snprintf(node->http_module, sizeof(node->http_module), "%s/aiex_http.so", o->lib_dir);
    node->lock_fd = node->settings_fd = node->settings_reader = -1;
    list_init(&node->units);
    list_init(&node->pools);
    list_init(&node->known);
}

static int make_parts(struct node *node, int settings_fd, struct aiex_error *err)
{
    struct bus_limits limits = {30000, CALLS_PER_PORT, CALLS_WAITING, EVENTS_WAITING};
    uint64_t seed = clock_ns();
    char path[600];

    if (getrandom(&seed, sizeof(seed), 0) < 0)
        seed = clock_ns();
    node->loop = loop_new();
    node->hub = node->loop ? hub_new(node->loop) : NULL;
    node->bus = node->loop ? bus_new(&limits, loop_now_ms(node->loop)) : NULL;
    node->supervisor = supervise_new(UNITS_MAX, seed);
    node->actions = calloc(1, sizeof(*node->actions));
    node->listeners = listeners_new();
    node->inside = node->bus ? inside_new(node->bus, "") : NULL;
    snprintf(path, sizeof(path), "%s/run/jobs", node->data_dir);
    if (node->inside)
        node->jobs = node_jobs_new(
            &(struct node_jobs_options){node->loop, node->inside, path, clock_wall_ms});
    node->settings_fd = settings_fd >= 0 ? settings_fd : settings_page_make(&node->settings);
    if (settings_fd >= 0)
        node->settings = settings_page_adopt(settings_fd);
    node->settings_reader = node->settings_fd >= 0 ? settings_page_reader(node->settings_fd) : -1;
    if (!node->hub || !node->bus || !node->supervisor || !node->actions || !node->listeners ||
        !node->inside || !node->jobs || !node->settings || node->settings_reader < 0)
        return fail(err, -ENOMEM, "no memory or descriptors for the host's own tables");
    node->tick = loop_timer_new(node->loop, on_tick, node);
    node->watch = loop_timer_new(node->loop, on_watch, node);
    node->supervise = loop_timer_new(node->loop, on_supervise, node);
    hub_after(node->hub, on_turn, node);
    loop_timer_set(node->tick, TICK_MS, TICK_MS);
    return 0;
}

struct node *node_make(const struct node_options *options, int lock_fd, int settings_fd,
                       struct aiex_error *err)
{
    struct node *node = calloc(1, sizeof(*node));

    if (!node)
        return NULL;
    set_paths(node, options);
    node->started_ms = clock_ms();
    node->lock_fd = lock_fd;
    if ((lock_fd < 0 && lock_data(node, err) < 0) || make_parts(node, settings_fd, err) < 0) {
        node_free(node);
        return NULL;
    }
    return node;
}

struct node *node_new(const struct node_options *options, struct aiex_error *err)
{
    return node_make(options, -1, -1, err);
}

void node_free(struct node *node)
{
    if (!node)
        return;
    while (!list_empty(&node->units))
        unit_free(list_of(node->units.next, struct unit, link));
    pools_free(node);
    spawner_free(node->spawner);
    node_jobs_free(node->jobs);
    inside_free(node->inside);
    bus_free(node->bus);
    loop_timer_free(node->tick);
    loop_timer_free(node->watch);
    loop_timer_free(node->supervise);
    hub_free(node->hub);
    listeners_free(node->listeners);
    supervise_free(node->supervisor);
    free(node->actions);
    config_free(node->config);
    plugins_forget(node);
    settings_page_unmap(node->settings);
    if (node->settings_fd >= 0)
        close(node->settings_fd);
    if (node->settings_reader >= 0)
        close(node->settings_reader);
    node_takeover_done(node);
    if (node->lock_fd >= 0)
        close(node->lock_fd);
    loop_free(node->loop);
    free(node);
}

/* ---- Configuration ---- */

void node_set_watch(struct node *node)
{
    uint64_t least = 500;

    for (size_t i = 0; i < node->config->n_cells; i++)
        if (node->config->cells[i].hang_ms && (uint64_t)node->config->cells[i].hang_ms < least)
            least = (uint64_t)node->config->cells[i].hang_ms;
    least = least / 5 < WATCH_MS_LEAST ? WATCH_MS_LEAST : least / 5;
    if (least != node->watch_ms)
        loop_timer_set(node->watch, least, least);
    node->watch_ms = least;
}

static int wants_http(const struct config *config)
{
    for (size_t i = 0; i < config->n_instances; i++)
        if (config->instances[i].keys.enabled && config->instances[i].info &&
            (config->instances[i].info->needs & AIEX_NEED_HTTP))
            return 1;
    return 0;
}

int node_spawner(struct node *node, const struct config *config)
{
    if (!node->spawner)
        node->spawner = spawner_new(node->loop, node->runner,
                                    config->host.preload_http && wants_http(config) ? node->http_module : "",
                                    (int)config->host.zygote);
    return node->spawner ? 0 : -ENOMEM;
}

int node_configure(struct node *node, struct report *report)
{
    struct config *config = NULL;
    int r = apply_load(node, &config, report);

    if (r == 0 && report->n_errors)
        r = -EINVAL;
    if (r < 0) {
        config_free(config);
        return r;
    }
    if (node_spawner(node, config) < 0) {
        config_free(config);
        return -ENOMEM;
    }
    node->n_removed = 0;
    apply_config(node, config);
    node_set_watch(node);
    return 0;
}

int node_change(const struct node *node, unsigned i, const char **name, enum config_change *change)
{
    if (i >= node->n_changes)
        return -ENOENT;
    *name = node->changes[i].name;
    *change = node->changes[i].change;
    return 0;
}

int node_try(struct node *node, struct report *report)
{
    struct config *config = NULL;
    int r = apply_load(node, &config, report);

    config_free(config);
    return r == 0 && report->n_errors ? -EINVAL : r;
}

int node_check(const struct node_options *options, struct report *report)
{
    struct node *node = calloc(1, sizeof(*node));
    int r;

    if (!node)
        return -ENOMEM;
    set_paths(node, options);
    r = node_try(node, report);
    plugins_forget(node);
    free(node);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int node_reference(const struct node_options *options, FILE *out)
{
    struct node *node = calloc(1, sizeof(*node));
    struct plugin_info *infos[UNITS_MAX];
    char *names[UNITS_MAX];
    size_t n_names = 0, n = 0;
    struct dirent *entry;
    DIR *dir;

    if (!node)
        return -ENOMEM;
    set_paths(node, options);
    dir = opendir(node->plugin_dir);
    while (dir && n_names < UNITS_MAX && (entry = readdir(dir))) {
        size_t len = strlen(entry->d_name);

        if (len > 3 && !strcmp(entry->d_name + len - 3, ".so"))
            names[n_names++] = strndup(entry->d_name, len - 3);
    }
    if (dir)
        closedir(dir);
    qsort(names, n_names, sizeof(names[0]), by_name);
    plugins_probe_all(node, (const char *const *)names, n_names);
    for (size_t i = 0; i < n_names; i++) {
        struct aiex_error err = {""};

        if (plugins_lookup(node, names[i], &infos[n], &err) == 0)
            n++;
        else
            fprintf(stderr, "%s\n", err.text);
    }
    config_reference(infos, n, out);
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    plugins_forget(node);
    free(node);
    return 0;
}

int node_load_file(struct node *node, const char *path, struct report *report)
{
    char absolute[4096];
    int r;

    if (!realpath(path, absolute) || strlen(absolute) >= sizeof(node->extra[0])) {
        report_error(report, (struct place){path, 0}, NULL, "can not be read: %s", strerror(errno));
        return -EINVAL;
    }
    for (unsigned i = 0; i < node->n_extra; i++)
        if (!strcmp(node->extra[i], absolute))
            return node_configure(node, report);
    if (node->n_extra == EXTRA_FILES_MAX)
        return -ENOSPC;
    snprintf(node->extra[node->n_extra++], sizeof(node->extra[0]), "%s", absolute);
    r = node_configure(node, report);
    if (r < 0)
        node->n_extra--;
    return r;
}

/* The name a section gets when none was given: that of the file. */
static void name_of(const char *plugin, char *out, size_t size)
{
    const char *file = strrchr(plugin, '/');
    size_t n;

    file = file ? file + 1 : plugin;
    n = strlen(file);
    if (n > 3 && !strcmp(file + n - 3, ".so"))
        n -= 3;
    snprintf(out, size, "%.*s", (int)n, file);
}

int node_load_plugin(struct node *node, const char *plugin, const char *name,
                     const struct node_option *options, size_t n, struct report *report)
{
    auto_fclose FILE *f = NULL;
    char section[64], path[600];

    name_of(plugin, section, sizeof(section));
    if (name && name[0])
        snprintf(section, sizeof(section), "%s", name);
    for (size_t i = 0; i < n; i++)
        if (strpbrk(options[i].name, "=\n[];") || strchr(options[i].text, '\n'))
            report_error(report, (struct place){NULL, 0}, section, "option '%s' can not be written in one line",
                         options[i].name);
    if (!text_is_name(section) || strpbrk(plugin, "\n;"))
        report_error(report, (struct place){NULL, 0}, NULL, "'%s' is not a name for an instance", section);
    if (config_find(node->config, section))
        report_error(report, (struct place){NULL, 0}, section, "there is such an instance already; give another --name");
    if (report->n_errors)
        return -EINVAL;
    snprintf(path, sizeof(path), "%.480s/run/loaded-%s.ini", node->data_dir, section);
    f = fopen(path, "we");
    if (!f) {
        report_error(report, (struct place){path, 0}, NULL, "can not be written: %s", strerror(errno));
        return -errno;
    }
    fchmod(fileno(f), 0600);
    fprintf(f, "[%s]\nplugin = %s\n", section, plugin);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s = %s\n", options[i].name, options[i].text);
    fclose(take(f));
    return node_load_file(node, path, report);
}

/* What was loaded by command goes for good. */
static void forget_loaded(struct node *node, const char *file)
{
    for (unsigned i = 0; file && i < node->n_extra; i++) {
        const char *base = strrchr(node->extra[i], '/');

        if (strcmp(node->extra[i], file) || !base || strncmp(base, "/loaded-", 8))
            continue;
        unlink(node->extra[i]);
        memmove(node->extra[i], node->extra[i + 1], (node->n_extra - i - 1) * sizeof(node->extra[0]));
        node->n_extra--;
        return;
    }
}

int node_replace(struct node *node, const char *name, struct aiex_error *err)
{
    struct config_instance *c;
    struct plugin_info *info;
    int found = 0, r;

    for (size_t i = 0; i < node->config->n_instances; i++) {
        struct unit *unit;

        c = &node->config->instances[i];
        if (name && strcmp(c->name, name))
            continue;
        unit = unit_find(node, c->keys.cell);
        if (!unit && !pool_find(node, c->name))
            continue;
        found = 1;
        r = plugins_lookup(node, c->keys.plugin, &info, err);
        if (r < 0)
            return -EINVAL;
        if (strcmp(info->kind, c->info->kind) || info->needs != c->info->needs)
            return fail(err, -EINVAL, "%s: the new file has another kind or other needs; change the configuration and reload it",
                        c->name);
        if (unit)
            unit_event(node, (struct supervise_event){.kind = SUPERVISE_REPLACE, .unit = (uint32_t)unit->number});
        else
            pool_replace(pool_find(node, c->name));
    }
    return found ? 0 : fail(err, -ENOENT, "no instance is named '%s'", name ? name : "");
}

int node_remove(struct node *node, const char *name)
{
    struct config_instance *c = config_find(node->config, name);
    struct unit *unit = c ? unit_find(node, c->keys.cell) : NULL;
    struct pool *pool = c && !unit ? pool_find(node, name) : NULL;
    unsigned n = 0;

    if (!unit && !pool)
        return -ENOENT;
    if (unit)
        list_each(it, &unit->instances)
            n++;
    if (n > 1)
        return -EBUSY;
    snprintf(node->removed[node->n_removed++ % UNITS_MAX], sizeof(node->removed[0]), "%s", name);
    forget_loaded(node, c->at.file);
    if (pool)
        pool_remove(pool);
    else
        unit_retire(node, unit);
    return 0;
}

void node_stop(struct node *node, uint32_t limit_ms)
{
    if (node->stopping)
        return;
    node->stopping = 1;
    node_jobs_stop(node->jobs);
    supervise_stop_all(node->supervisor, loop_now_ms(node->loop), limit_ms, node->actions);
    node->stepping = 1;
    unit_perform(node);
    node->stepping = 0;
    if (node->queue_n)
        unit_event(node, (struct supervise_event){.kind = SUPERVISE_TICK});
    unit_arm(node);
}

/* ---- What it tells ---- */

struct loop *node_loop(struct node *node)
{
    return node->loop;
}

struct bus *node_bus(struct node *node)
{
    return node->bus;
}

struct inside *node_inside(struct node *node)
{
    return node->inside;
}

struct node_jobs *node_jobs(struct node *node)
{
    return node->jobs;
}

const struct config *node_config(const struct node *node)
{
    return node->config;
}

const char *node_name(const struct node *node)
{
    return node->config ? node->config->host.node : "";
}

const char *node_data_dir(const struct node *node)
{
    return node->data_dir;
}

const char *node_config_dir(const struct node *node)
{
    return node->config_dir;
}

uint64_t node_uptime_ms(const struct node *node)
{
    return clock_ms() - node->started_ms;
}

int node_ready(struct node *node, char *why, size_t size)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);
        struct supervise_info info;

        if (unit->removed || unit->temporary || supervise_info(node->supervisor, (uint32_t)unit->number, &info) < 0 ||
            info.state == SUPERVISE_UP || info.state == SUPERVISE_STOPPED)
            continue;
        snprintf(why, size, "%s is %s (%s)", unit->name, supervise_state_text(info.state),
                 unit->last_exit[0] ? unit->last_exit : supervise_why_text(info.why));
        return 0;
    }
    snprintf(why, size, "%s", "");
    return 1;
}

static void fill_info(struct node *node, struct unit *unit, struct node_instance *in,
                      struct node_instance_info *ret)
{
    struct process *p = unit->serving;
    struct supervise_info info = {0};

    if (!p && !list_empty(&unit->processes))
        p = list_of(unit->processes.next, struct process, link);
    supervise_info(node->supervisor, (uint32_t)unit->number, &info);
    *ret = (struct node_instance_info){
        .name = in->name,
        .plugin = in->info->name,
        .kind = in->info->kind,
        .version = in->info->version,
        .summary = in->info->summary,
        .cell = unit->name,
        .state = supervise_state_text(info.state),
        .state_why = supervise_why_text(info.why),
        .last_exit = unit->last_exit,
        .sandbox = p && p->sandbox ? p->sandbox : "",
        .pid = p ? cell_pid(p->cell) : 0,
        .restarts = info.n_restarts,
        .rss_bytes = p ? cell_rss_bytes(p->cell) : 0,
        .uptime_ms = p && p->ready_ms ? loop_now_ms(node->loop) - p->ready_ms : 0,
        .next_try_ms = info.next_ms == SUPERVISE_NEVER || info.next_ms < loop_now_ms(node->loop)
                           ? 0
                           : info.next_ms - loop_now_ms(node->loop),
        .stats = unit->pool ? &unit->stats : bus_instance_stats(in->bus),
        .pool = unit->pool ? pool_name(unit->pool) : "",
    };
    if (unit->pool && unit->serving)
        unit->stats.in_flight = bus_port_owed(unit->serving->port);
}

/* 1 for the first unit of a pool: the pool's own row stands before it. */
static int begins_pool(struct node *node, const struct unit *unit)
{
    list_each(it, &node->units) {
        const struct unit *other = list_of(it, struct unit, link);

        if (other->pool == unit->pool && !other->removed)
            return other == unit && unit->pool != NULL;
    }
    return 0;
}

int node_instance(struct node *node, unsigned i, struct node_instance_info *ret)
{
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        list_each(jt, &unit->instances) {
            int row_of_pool = begins_pool(node, unit);

            if (i == 0 || (i == 1 && row_of_pool)) {
                fill_info(node, unit, list_of(jt, struct node_instance, link), ret);
                if (i == 0 && row_of_pool)
                    pool_info(unit->pool, ret);
                return 0;
            }
            i -= 1 + (unsigned)row_of_pool;
        }
    }
    return -ENOENT;
}

struct bus_instance *node_bus_instance(struct node *node, const char *name)
{
    return bus_instance_find(node->bus, name);
}

void node_on_state(struct node *node,
                   void (*fn)(void *arg, const char *instance, const char *state, const char *why),
                   void *arg)
{
    node->on_state = fn;
    node->on_state_arg = arg;
}

void node_on_turn(struct node *node, int (*fn)(void *arg), void *arg)
{
    node->on_turn = fn;
    node->on_turn_arg = arg;
}
