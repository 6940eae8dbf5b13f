/*
 * takeover.c - the host executes a new image of itself. Process id, children and
 * descriptors survive execve(); everything else travels in a memory file. Records that
 * cells send meanwhile wait in their rings.
 *
 * The old image refuses when the new one would not understand it or the configuration
 * on disk is not the one that runs: an upgrade changes code, a reload changes settings.
 */
#include "node/node_private.h"
#include "node/pool.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/log.h"
#include "wire/pack.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define STATE_MAX (512u * 1024u * 1024u)
#define QUIET_MS  5000u /* for the node to become quiet */
#define ARGS_MAX  32

struct upgrade {
    char program[512];
    char *argv[ARGS_MAX + 2];
    char takeover[32];
    node_save_fn save;
    void *arg;
    uint64_t until_ms;
};

struct takeover {
    uint8_t *bytes;
    size_t len;
    struct doc *doc;
};

/* ---- The old image ---- */

/* Asks the new program for its state version: what it prints and what we write must agree. */
static int check_program(const char *program, struct aiex_error *err)
{
    char *argv[] = {(char *)program, "--state-version", NULL};
    posix_spawn_file_actions_t actions;
    char text[32] = "";
    int pipes[2], pid, r;
    ssize_t n;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return fail(err, -errno, "no pipe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    r = posix_spawn(&pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    if (r) {
        close(pipes[0]);
        return fail(err, -EINVAL, "%s: %s", program, strerror(r));
    }
    n = read(pipes[0], text, sizeof(text) - 1);
    close(pipes[0]);
    waitpid(pid, NULL, 0);
    if (n <= 0 || atoi(text) != NODE_STATE_VERSION)
        return fail(err, -EINVAL,
                    "%s: writes state version '%.20s', this host writes %d: stop and start it instead", program,
                    text, NODE_STATE_VERSION);
    return 0;
}

static int check_config(struct node *node, struct aiex_error *err)
{
    struct config *config = NULL;
    struct config_diff diff;
    struct report report;
    int r;

    report_init(&report);
    r = apply_load(node, &config, &report);
    if (r < 0 || report.n_errors) {
        (void)fail(err, -EINVAL, "the configuration on disk has errors: %s",
                   report.n ? report.lines[0].text : "it can not be read");
        r = -EINVAL;
    } else if ((r = config_diff(node->config, config, &diff)) == 0) {
        for (size_t i = 0; r == 0 && i < diff.n; i++)
            if (diff.changes[i].change != CONFIG_SAME && node->n_removed == 0)
                r = fail(err, -EINVAL, "the configuration on disk differs (%s): reload it first",
                         diff.changes[i].name);
        config_diff_done(&diff);
    }
    report_done(&report);
    config_free(config);
    return r;
}

int node_upgrade(struct node *node, const char *program, char *const argv[], node_save_fn save,
                 void *arg, struct aiex_error *err)
{
    struct upgrade *u;
    int n = 0;

    if (node->upgrade || node->stopping)
        return fail(err, -EBUSY, "the host is being upgraded or stopped already");
    if (unit_find(node, CONFIG_HOST_CELL))
        return fail(err, -EINVAL, "plugins run in the host's own process (cell = host) and can not be "
                                  "carried over: stop and start it instead");
    if (check_program(program, err) < 0 || check_config(node, err) < 0)
        return -EINVAL;
    u = calloc(1, sizeof(*u));
    if (!u)
        return -ENOMEM;
    snprintf(u->program, sizeof(u->program), "%s", program);
    while (argv[n] && n < ARGS_MAX) {
        if (strncmp(argv[n], "--takeover", 10) != 0)
            u->argv[n] = argv[n];
        else
            break; /* ours from the last time is the last one */
        n++;
    }
    u->argv[n] = u->takeover;
    u->save = save;
    u->arg = arg;
    u->until_ms = loop_now_ms(node->loop) + QUIET_MS;
    node->upgrade = u;
    return 0;
}

static void save_units(struct node *node, struct pack *out, int *ret)
{
    size_t n = 0;

    list_each(it, &node->units)
        n++;
    pack_array(out, n);
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);
        size_t k = 0;

        list_each(jt, &unit->processes)
            k++;
        pack_map(out, 8);
        pack_key_str(out, "name", unit->name);
        pack_key_int(out, "number", unit->number);
        pack_key_str(out, "pool", unit->pool ? pool_name(unit->pool) : "");
        pack_key_bool(out, "temporary", unit->temporary);
        pack_str(out, "stats");
        pack_bin(out, &unit->stats, sizeof(unit->stats));
        pack_key_str(out, "last_exit", unit->last_exit);
        pack_key_bool(out, "removed", unit->removed);
        pack_str(out, "processes");
        pack_array(out, k);
        list_each(jt, &unit->processes)
            if (*ret == 0)
                *ret = process_save(list_of(jt, struct process, link), out);
    }
}

static void save_listeners(struct node *node, struct pack *out)
{
    const char *address;
    unsigned n = 0;
    int fd;

    while (listeners_each(node->listeners, n, &address, &fd))
        n++;
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++) {
        listeners_each(node->listeners, i, &address, &fd);
        pack_array(out, 2);
        pack_str(out, address);
        pack_int(out, fd);
        fcntl(fd, F_SETFD, 0);
    }
}

static void save_texts(struct pack *out, const char *first, size_t stride, unsigned n)
{
    pack_array(out, n);
    for (unsigned i = 0; i < n; i++)
        pack_str(out, first + i * stride);
}

static int save_all(struct node *node, struct pack *out)
{
    long size = supervise_save(node->supervisor, NULL, 0);
    auto_free void *block = size > 0 ? malloc((size_t)size) : NULL;
    int r = 0;

    if (!block || supervise_save(node->supervisor, block, (size_t)size) < 0)
        return -ENOMEM;
    pack_map(out, 13);
    pack_key_int(out, "version", NODE_STATE_VERSION);
    pack_key_int(out, "lock", node->lock_fd);
    pack_key_int(out, "settings", node->settings_fd);
    pack_key_int(out, "started_ms", (int64_t)node->started_ms);
    pack_str(out, "supervisor");
    pack_bin(out, block, (size_t)size);
    pack_str(out, "listeners");
    save_listeners(node, out);
    pack_str(out, "extra");
    save_texts(out, node->extra[0], sizeof(node->extra[0]), node->n_extra);
    pack_str(out, "removed");
    save_texts(out, node->removed[0], sizeof(node->removed[0]), node->n_removed);
    pack_str(out, "units");
    save_units(node, out, &r);
    if (r < 0)
        return r;
    pack_str(out, "bus");
    bus_save(node->bus, out);
    pack_str(out, "inside");
    endpoint_save(inside_endpoint(node->inside), out);
    pack_str(out, "jobs");
    node_jobs_save(node->jobs, out);
    pack_str(out, "above");
    node->upgrade->save(node->upgrade->arg, out);
    fcntl(node->lock_fd, F_SETFD, 0);
    fcntl(node->settings_fd, F_SETFD, 0);
    return out->failed ? -ENOMEM : 0;
}

/* The old image goes on: its descriptors must not leak into cells. */
static void keep_all(struct node *node)
{
    const char *address;
    int fd;

    for (unsigned i = 0; listeners_each(node->listeners, i, &address, &fd); i++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(node->lock_fd, F_SETFD, FD_CLOEXEC);
    fcntl(node->settings_fd, F_SETFD, FD_CLOEXEC);
    list_each(it, &node->units)
        list_each(jt, &list_of(it, struct unit, link)->processes)
            cell_keep(list_of(jt, struct process, link)->cell);
}

static void execute(struct node *node, struct pack *state)
{
    struct upgrade *u = node->upgrade;
    struct aiex_slice s = pack_slice(state);
    int fd = memfd_create("aiex-state", 0);

    if (fd < 0 || write(fd, s.data, s.len) != (ssize_t)s.len) {
        log_error("upgrade: the state could not be written: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return;
    }
    snprintf(u->takeover, sizeof(u->takeover), "--takeover=%d", fd);
    log_notice("executing %s with %zu bytes of state", u->program, s.len);
    spawner_stop_zygote(node->spawner);
    if (node->vault && vault_hand_over(node->vault) < 0)
        log_warn("upgrade: no memory to hand the master key over");
    execv(u->program, u->argv);
    if (node->vault)
        vault_keep(node->vault);
    log_error("upgrade: %s: %s; the old image goes on", u->program, strerror(errno));
    close(fd);
}

void takeover_try(struct node *node)
{
    struct upgrade *u = node->upgrade;
    struct pack state;
    int quiet = !node->queue_n && !node->stepping && !node->stopping && !spawner_busy(node->spawner) &&
                node_jobs_quiet(node->jobs) && endpoint_quiet(inside_endpoint(node->inside));
    int r = -EBUSY;

    if (quiet) {
        pack_init(&state, STATE_MAX);
        r = save_all(node, &state);
        if (r == 0)
            execute(node, &state);
        keep_all(node);
        pack_done(&state);
    }
    if (r == -EBUSY && loop_now_ms(node->loop) < u->until_ms) {
        loop_wake(node->loop); /* try again next turn */
        return;
    }
    if (r < 0)
        log_error("upgrade given up: %s; the old image goes on",
                  r == -EBUSY ? "the node did not become quiet" : strerror(-r));
    free(u);
    node->upgrade = NULL;
}

/* ---- The new image ---- */

static int read_state(int fd, struct takeover *t)
{
    off_t size = lseek(fd, 0, SEEK_END);

    if (size <= 0 || size > (off_t)STATE_MAX)
        return -EPROTO;
    t->bytes = malloc((size_t)size);
    t->len = (size_t)size;
    if (!t->bytes || pread(fd, t->bytes, t->len, 0) != size)
        return -EPROTO;
    return doc_new((struct aiex_slice){t->bytes, t->len}, &t->doc);
}

void node_takeover_done(struct node *node)
{
    if (!node->takeover)
        return;
    doc_free(node->takeover->doc);
    free(node->takeover->bytes);
    free(node->takeover);
    node->takeover = NULL;
}

static unsigned load_texts(doc_value list, char *first, size_t stride, unsigned max)
{
    unsigned n = 0;

    for (size_t i = 0; i < doc_len(list) && n < max; i++)
        doc_text(doc_at(list, i), first + n++ * stride, stride, "");
    return n;
}

/* The unit that a saved one is in this image. */
static struct unit *unit_of_saved(struct node *node, doc_value u)
{
    struct aiex_slice stats = doc_bytes(doc_get(u, "stats"));
    int number = (int)doc_int(doc_get(u, "number"), -1), removed = doc_bool(doc_get(u, "removed"), 0);
    char name[64], pool_name_of[64];
    struct supervise_info info;
    struct unit *unit;
    struct pool *pool;

    doc_text(doc_get(u, "name"), name, sizeof(name), "");
    pool = pool_find(node, doc_text(doc_get(u, "pool"), pool_name_of, sizeof(pool_name_of), ""));
    unit = removed ? NULL : unit_find(node, name);
    if (!unit && supervise_info(node->supervisor, (uint32_t)number, &info) == 0) {
        if (pool && !removed)
            unit = apply_adopt_worker(node, pool, name, number, doc_bool(doc_get(u, "temporary"), 1));
        else
            unit = unit_new(node, name); /* it still drains */
        if (unit)
            unit->number = number;
    }
    if (unit && stats.len == sizeof(unit->stats))
        memcpy(&unit->stats, stats.data, stats.len);
    return unit;
}

static int adopt(struct node *node, doc_value root, struct aiex_error *err)
{
    struct aiex_slice block = doc_bytes(doc_get(root, "supervisor"));
    doc_value listeners = doc_get(root, "listeners"), units = doc_get(root, "units");
    struct config *config = NULL;
    struct report report;
    int r = 0;

    supervise_free(node->supervisor);
    node->supervisor = supervise_load(block.data, block.len, &r);
    if (!node->supervisor)
        return fail(err, -EPROTO, "the supervisor's state is not understood");
    node->started_ms = (uint64_t)doc_int(doc_get(root, "started_ms"), 0);
    node->n_extra = load_texts(doc_get(root, "extra"), node->extra[0], sizeof(node->extra[0]), EXTRA_FILES_MAX);
    node->n_removed = load_texts(doc_get(root, "removed"), node->removed[0], sizeof(node->removed[0]), UNITS_MAX);
    for (size_t i = 0; i < doc_len(listeners); i++) {
        int fd = (int)doc_int(doc_at(doc_at(listeners, i), 1), -1);
        char address[128];

        fcntl(fd, F_SETFD, FD_CLOEXEC);
        listeners_adopt(node->listeners, doc_text(doc_at(doc_at(listeners, i), 0), address, sizeof(address), ""), fd);
    }
    report_init(&report);
    r = apply_load(node, &config, &report);
    if (r < 0 || report.n_errors)
        r = fail(err, -EINVAL, "the configuration can not be read again: %s",
                 report.n ? report.lines[0].text : "no memory");
    report_done(&report);
    if (r < 0 || node_spawner(node, config) < 0) {
        config_free(config);
        return r < 0 ? r : -ENOMEM;
    }
    apply_adopt(node, config);
    for (size_t i = 0; i < doc_len(units); i++) {
        doc_value u = doc_at(units, i), processes = doc_get(u, "processes");
        struct unit *unit = unit_of_saved(node, u);

        if (!unit)
            continue;
        unit->removed = doc_bool(doc_get(u, "removed"), 0);
        doc_text(doc_get(u, "last_exit"), unit->last_exit, sizeof(unit->last_exit), "");
        for (size_t k = 0; k < doc_len(processes); k++)
            if (process_load(unit, doc_at(processes, k)) < 0)
                log_error("a cell of '%s' could not be taken over", unit->name);
    }
    return 0;
}

struct node *node_takeover(const struct node_options *options, int state_fd, struct aiex_error *err)
{
    struct takeover *t = calloc(1, sizeof(*t));
    struct node *node = NULL;
    doc_value root;
    int lock, settings;

    if (!t || read_state(state_fd, t) < 0 ||
        doc_int(doc_get(root = doc_root(t->doc), "version"), 0) != NODE_STATE_VERSION) {
        (void)fail(err, -EPROTO, "descriptor %d holds no state of this version", state_fd);
        free(t);
        return NULL;
    }
    close(state_fd);
    lock = (int)doc_int(doc_get(root, "lock"), -1);
    settings = (int)doc_int(doc_get(root, "settings"), -1);
    fcntl(lock, F_SETFD, FD_CLOEXEC);
    fcntl(settings, F_SETFD, FD_CLOEXEC);
    node = node_make(options, lock, settings, err);
    if (!node)
        return NULL;
    node->takeover = t;
    if (adopt(node, root, err) < 0) {
        node_free(node);
        return NULL;
    }
    node_set_watch(node);
    return node;
}

int node_resume(struct node *node, const void **ret_above, struct aiex_error *err)
{
    doc_value root = doc_root(node->takeover->doc);

    if (bus_load(node->bus, doc_get(root, "bus")) < 0 ||
        endpoint_load(inside_endpoint(node->inside), doc_get(root, "inside")) < 0)
        return fail(err, -EPROTO, "the bus's state is not understood");
    node_jobs_load(node->jobs, doc_get(root, "jobs"));
    *ret_above = doc_get(root, "above");
    unit_arm(node);
    return 0;
}
