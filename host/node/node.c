/*
 * node.c - the life of the node; see node.h. change.c is what operators change in it, show.c
 * what it tells about itself.
 */
#include "node/node.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "channel/inside.h"
#include "node/node_private.h"
#include "node/pool.h"
#include "node/renew.h"

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

/* ---- Time ---- */

static void tick(struct node *node)
{
    uint64_t now = loop_now_ms(node->loop);

    node->last_tick_ms = now;
    bus_tick(node->bus, now);
    hub_wake_lazy(node->hub); /* a middle that drains waits for the copy of its last end */
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

    if (node->options.inside)
        did |= node->options.inside->turn();
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

void node_paths(struct node *node, const struct node_options *o)
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
    list_init(&node->opened);
    node->vault = vault_new(node->data_dir, o->master_key); /* NULL is told when a secret is needed */
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
    node->memory = node->loop ? node_memory_new(node) : NULL;
    node->renew = node->inside && node->loop ? renew_new(node) : NULL;
    node->settings_fd = settings_fd >= 0 ? settings_fd : settings_page_make(&node->settings);
    if (settings_fd >= 0)
        node->settings = settings_page_adopt(settings_fd);
    node->settings_reader = node->settings_fd >= 0 ? settings_page_reader(node->settings_fd) : -1;
    if (!node->hub || !node->bus || !node->supervisor || !node->actions || !node->listeners ||
        !node->inside || !node->jobs || !node->memory || !node->renew || !node->settings || node->settings_reader < 0)
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
    node_paths(node, options);
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
    node_memory_free(node->memory);
    renew_free(node->renew);
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
    secrets_forget(node);
    vault_free(node->vault);
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
