/*
 * apply.c - from a checked configuration to units: what is new starts, what changed is
 * replaced or told its new options, what is gone is removed, and the rest is not touched.
 */
#include "node/node_private.h"

#include "base/log.h"
#include "config/sections.h"
#include "node/pool.h"
#include "node/renew.h"
#include "schedule/job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int apply_is_removed(const struct node *node, const char *name)
{
    for (unsigned i = 0; i < node->n_removed; i++)
        if (!strcmp(node->removed[i], name))
            return 1;
    return 0;
}

/* Files that were loaded by command and are gone now take their instances with them. */
static void drop_missing(struct node *node)
{
    for (unsigned i = node->n_extra; i-- > 0;) {
        if (access(node->extra[i], F_OK) == 0)
            continue;
        log_notice("'%s' is gone: what was loaded from it goes too", node->extra[i]);
        memmove(node->extra[i], node->extra[i + 1], (node->n_extra - i - 1) * sizeof(node->extra[0]));
        node->n_extra--;
    }
}

/* A host without that part can not run plugins in its own process. */
static void refuse_inside(const struct node *node, const struct config *config, struct report *report)
{
    for (size_t i = 0; !node->options.inside && i < config->n_instances; i++) {
        const struct config_instance *c = &config->instances[i];

        if (c->keys.enabled && !strcmp(c->keys.cell, CONFIG_HOST_CELL))
            report_error(report, section_get(c->section, "cell")->at, c->name,
                         "cell = host: this host runs no plugins in its own process");
    }
}

int apply_load(struct node *node, struct config **ret, struct report *report)
{
    struct config_load_options options = {.plugin_dir = node->plugin_dir, .check_job = node_jobs_check,
                                          .secret = secrets_look, .secret_arg = node};
    const char **names;
    struct ini ini;
    size_t n = 0;
    int r;

    drop_missing(node);
    if (node->n_extra) {
        ini_init(&ini);
        r = config_read_folder(node->config_dir, &ini, report);
        for (unsigned i = 0; r == 0 && i < node->n_extra; i++)
            r = ini_read_file(&ini, node->extra[i], report);
        if (r == 0)
            r = config_load_ini(&ini, node->config_dir, &options, ret, report);
        ini_done(&ini);
    } else {
        r = config_load(node->config_dir, &options, ret, report);
    }
    if (r < 0)
        return r;
    refuse_inside(node, *ret, report);
    if ((*ret)->n_jobs > JOB_MAX)
        report_error(report, (*ret)->jobs[JOB_MAX].at, NULL, "more than %u jobs", JOB_MAX);
    if ((*ret)->host.plugin_dir[0])
        snprintf(node->plugin_dir, sizeof(node->plugin_dir), "%s", (*ret)->host.plugin_dir);
    names = calloc((*ret)->n_instances + 1, sizeof(char *));
    for (size_t i = 0; names && i < (*ret)->n_instances; i++) {
        size_t k = 0;

        while (k < n && strcmp(names[k], (*ret)->instances[i].keys.plugin))
            k++;
        if (k == n)
            names[n++] = (*ret)->instances[i].keys.plugin;
    }
    if (names)
        plugins_probe_all(node, names, n);
    free(names);
    return config_validate(*ret, plugins_lookup, node, report);
}

static struct node_instance *instance_find(struct unit *unit, const char *name)
{
    list_each(it, &unit->instances) {
        struct node_instance *in = list_of(it, struct node_instance, link);

        if (!strcmp(in->name, name))
            return in;
    }
    return NULL;
}

/* Its processes do not speak for the instance any more; they still answer what they have begun. */
static void forget_in_processes(struct unit *unit, const struct bus_instance *bus)
{
    list_each(jt, &unit->processes) {
        struct process *p = list_of(jt, struct process, link);

        for (unsigned i = 0; i < p->n_instances; i++)
            if (p->instances[i] == bus)
                p->instances[i] = NULL;
    }
}

/* Instances whose cell is another one now, or is to run again while the old cell still drains: they
 * keep their place on the bus, where calls wait, until the new cell serves. */
static void collect_moving(struct node *node, const struct config *config, struct list *moving)
{
    pools_leave(node, config, moving);
    list_each(it, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        list_each_safe(jt, next, &unit->instances) {
            struct node_instance *in = list_of(jt, struct node_instance, link);
            const struct config_instance *c = config_find(config, in->name);

            if (unit->pool || !c || !c->keys.enabled || apply_is_removed(node, in->name) ||
                (!unit->removed && !strcmp(c->keys.cell, unit->name) && !pool_wanted(c)))
                continue;
            forget_in_processes(unit, in->bus);
            bus_instance_unbind(in->bus, BUS_SOON, "it moves to another cell");
            list_remove(&in->link);
            list_append(moving, &in->link);
            unit->lost = 1;
        }
    }
}

void node_free_bus(struct node *node, struct bus_instance *bus)
{
    list_each(it, &node->units)
        forget_in_processes(list_of(it, struct unit, link), bus);
    bus_instance_free(bus);
}

static void instance_free(struct node_instance *in)
{
    list_remove(&in->link);
    bus_instance_free(in->bus);
    plugin_info_unref(in->info);
    free(in);
}

struct node_instance *apply_take_moving(struct list *moving, const char *name)
{
    if (moving)
        list_each(it, moving) {
            struct node_instance *in = list_of(it, struct node_instance, link);

            if (strcmp(in->name, name))
                continue;
            list_remove(&in->link);
            return in;
        }
    return NULL;
}

void apply_instance(struct node *node, struct node_instance *in, const struct config_instance *c)
{
    plugin_info_unref(in->info);
    in->info = plugin_info_ref(c->info);
    plugins_path(node, c->keys.plugin, in->plugin_path, sizeof(in->plugin_path));
    in->data_dir[0] = 0;
    if (c->info->needs & AIEX_NEED_DATA) {
        snprintf(in->data_dir, sizeof(in->data_dir), "%.400s/plugins/%s", node->data_dir, in->name);
        mkdir(in->data_dir, 0700);
    }
}

struct bus_instance_options apply_bus_options(const struct config_instance *c)
{
    return (struct bus_instance_options){.timeout_ms = (uint32_t)c->keys.timeout_ms,
                                         .queue_max = (uint32_t)c->keys.queue,
                                         .callers = c->keys.callers};
}

/* 1 when it is new in this cell, 0 when it was there, negative errno. `moving` may be NULL. */
static int instance_set(struct node *node, struct unit *unit, const struct config_instance *c,
                        struct list *moving)
{
    struct node_instance *in = instance_find(unit, c->name);
    struct bus_instance_options options = apply_bus_options(c);
    int fresh = !in;

    if (!in)
        in = apply_take_moving(moving, c->name);
    if (!in) {
        in = calloc(1, sizeof(*in));
        if (!in)
            return -ENOMEM;
        list_init(&in->link);
        snprintf(in->name, sizeof(in->name), "%s", c->name);
        in->bus = bus_instance_new(node->bus, c->name, &options);
        if (!in->bus) {
            log_error("instance '%s': the name is taken on the bus", c->name);
            free(in);
            return -EEXIST;
        }
    }
    if (fresh) {
        in->unit = unit;
        list_append(&unit->instances, &in->link);
    }
    bus_instance_options(in->bus, &options);
    apply_instance(node, in, c);
    return fresh;
}

/* Takes out instances that the configuration does not have in this cell any more. */
static int drop_instances(struct node *node, struct unit *unit, const struct config *config)
{
    int dropped = 0;

    list_each_safe(it, next, &unit->instances) {
        struct node_instance *in = list_of(it, struct node_instance, link);
        const struct config_instance *c = config_find(config, in->name);

        if (c && c->keys.enabled && !strcmp(c->keys.cell, unit->name) && !apply_is_removed(node, in->name))
            continue;
        forget_in_processes(unit, in->bus);
        instance_free(in);
        dropped = 1;
    }
    dropped |= unit->lost;
    unit->lost = 0;
    return dropped;
}

struct supervise_spec apply_spec(const struct unit *unit, const struct config_instance *c, int group)
{
    struct supervise_spec spec = {
        .group = group,
        .restart = (uint32_t)c->keys.restart,
        .max_restarts = (uint32_t)c->keys.max_restarts,
        .period_ms = (uint32_t)c->keys.period_ms,
        .start_deadline_ms = (uint32_t)c->keys.start_deadline_ms,
        .drain_deadline_ms = (uint32_t)c->keys.drain_deadline_ms,
        .hang_ms = (uint32_t)c->keys.hang_ms,
        .spare = (uint32_t)c->keys.spare,
    };

    snprintf(spec.name, sizeof(spec.name), "%s", unit->name);
    return spec;
}

enum config_change apply_change(const struct config_diff *diff, const char *name)
{
    for (size_t i = 0; i < diff->n; i++)
        if (!strcmp(diff->changes[i].name, name))
            return diff->changes[i].change;
    return CONFIG_ADDED;
}

int apply_group(struct node *node, const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_groups; i++) {
        const struct config_group *g = &config->groups[i];

        if (!strcmp(g->name, name))
            return supervise_group(node->supervisor, name, (enum supervise_strategy)g->strategy,
                                   (uint32_t)g->max_restarts, (uint32_t)g->period_ms);
    }
    return -1;
}

int apply_limits(struct unit *unit, const struct config_cell *cell)
{
    int same = unit->sandbox == (int)cell->sandbox && unit->limit_memory_bytes == cell->limit_memory_bytes &&
               unit->limit_files == cell->limit_files && unit->limit_threads == cell->limit_threads &&
               unit->priority == (int)cell->priority;

    unit->sandbox = (int)cell->sandbox;
    unit->limit_memory_bytes = cell->limit_memory_bytes;
    unit->limit_files = cell->limit_files;
    unit->limit_threads = cell->limit_threads;
    unit->priority = (int)cell->priority;
    unit->hang_ms = (uint32_t)cell->hang_ms;
    return !same;
}

/* Tells a running cell whose instances only changed in RELOADABLE options. */
static void reload_options(struct unit *unit, const struct config *config, const struct config_diff *diff)
{
    unsigned index = 0;

    list_each(it, &unit->instances) {
        struct node_instance *in = list_of(it, struct node_instance, link);

        if (unit->serving && apply_change(diff, in->name) == CONFIG_OPTIONS)
            process_reload(unit->serving, index, config_find(config, in->name));
        index++;
    }
}

/* Where a new cell stands in the supervisor's order: behind the nearest cell declared before it. */
static uint32_t position_of(struct node *node, const struct config *config, const struct config_cell *cell)
{
    size_t i = cell < config->cells || cell >= config->cells + config->n_cells
                   ? config->n_cells /* the host's own process: the last to start, the first to stop */
                   : (size_t)(cell - config->cells);

    while (i-- > 0) {
        const struct unit *before = unit_find(node, config->cells[i].name);

        for (uint32_t n = 0; before && supervise_nth(node->supervisor, n) >= 0; n++)
            if (supervise_nth(node->supervisor, n) == before->number)
                return n + 1;
    }
    return 0;
}

static void apply_cell(struct node *node, const struct config *config, const struct config_cell *cell,
                       const struct config_diff *diff, struct list *moving)
{
    struct unit *unit = unit_find(node, cell->name);
    const struct config_instance *first = NULL, *own = config_find(config, cell->name);
    int fresh = !unit, changed;
    struct supervise_spec spec;

    if (pool_wanted(own)) {
        if (!apply_is_removed(node, own->name))
            apply_pool(node, own, diff, moving);
        return;
    }
    if (fresh)
        unit = unit_new(node, cell->name);
    if (!unit)
        return;
    changed = apply_limits(unit, cell) | drop_instances(node, unit, config);
    for (size_t i = 0; i < config->n_instances; i++) {
        const struct config_instance *c = &config->instances[i];

        if (!c->keys.enabled || strcmp(c->keys.cell, cell->name) || apply_is_removed(node, c->name))
            continue;
        if (instance_set(node, unit, c, moving) != 0 || apply_change(diff, c->name) == CONFIG_REPLACE)
            changed = 1;
        first = first ? first : c;
    }
    if (!first) {
        if (fresh)
            unit_free(unit);
        return; /* not kept: removed below */
    }
    unit->keep = 1;
    spec = apply_spec(unit, first, first->keys.group[0] ? apply_group(node, config, first->keys.group) : -1);
    if (fresh) {
        unit->number = supervise_add(node->supervisor, &spec, position_of(node, config, cell));
        if (unit->number < 0) {
            log_error("cell '%s' can not be supervised: %s", unit->name, strerror(-unit->number));
            unit_free(unit);
            return;
        }
        unit_event(node, (struct supervise_event){.kind = SUPERVISE_START, .unit = (uint32_t)unit->number});
        return;
    }
    supervise_change(node->supervisor, (uint32_t)unit->number, &spec);
    if (changed)
        unit_event(node, (struct supervise_event){.kind = SUPERVISE_REPLACE, .unit = (uint32_t)unit->number});
    else
        reload_options(unit, config, diff);
}

static void apply_settings(struct node *node, const struct config *config)
{
    uint32_t n = node->settings->n;

    for (uint32_t i = 0; i < n; i++) {
        int still = 0;

        for (size_t k = 0; k < config->n_settings; k++)
            still |= !strcmp(config->settings[k].name, node->settings->slots[i].name);
        if (!still)
            settings_page_unset(node->settings, node->settings->slots[i].name);
    }
    for (size_t k = 0; k < config->n_settings; k++)
        if (settings_page_set(node->settings, config->settings[k].name, config->settings[k].whole,
                              config->settings[k].text) < 0)
            log_error("setting '%s' is too long or there are too many", config->settings[k].name);
}

/* [host] where it is not read when it is needed. */
static void apply_host(struct node *node, const struct config_host *host)
{
    log_configured((enum log_form)host->log_form, (uint32_t)host->log_level);
    bus_default_timeout(node->bus, (uint32_t)host->default_timeout_ms);
    endpoint_node(inside_endpoint(node->inside), host->node);
    node_memory_apply(node->memory, host, node->takeover != NULL);
}

static void remember_change(struct node *node, const struct config_change_of *c)
{
    if (c->change == CONFIG_SAME || node->n_changes == UNITS_MAX)
        return;
    snprintf(node->changes[node->n_changes].name, sizeof(node->changes[0].name), "%s", c->name);
    snprintf(node->changes[node->n_changes].names, sizeof(node->changes[0].names), "%s", c->names);
    node->changes[node->n_changes++].change = c->change;
}

/* To whom it may concern, once everything holds. */
static void tell_changes(struct node *node, const struct config_diff *diff)
{
    const struct {
        const char *name;
        int differs;
    } sections[] = {{"host", diff->host}, {"settings", diff->settings}, {"groups", diff->groups}, {"jobs", diff->jobs}};

    if (!node->on_config)
        return;
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (sections[i].differs)
            node->on_config(node->on_config_arg, sections[i].name, "changed", "");
    for (size_t i = 0; i < diff->n; i++)
        if (diff->changes[i].change != CONFIG_SAME)
            node->on_config(node->on_config_arg, diff->changes[i].name,
                            config_change_name(diff->changes[i].change), diff->changes[i].why);
}

/* What an operator removed and is still configured comes back, though no line of it differs. */
static void find_returning(struct node *node, const struct config *now, struct config_diff *diff)
{
    for (size_t i = 0; i < diff->n; i++) {
        struct config_change_of *c = &diff->changes[i];
        const struct config_instance *in = c->change == CONFIG_SAME ? config_find(now, c->name) : NULL;

        if (!in || unit_find(node, in->keys.cell) || pool_find(node, c->name))
            continue;
        c->change = CONFIG_ADDED;
        (void)snprintf(c->why, sizeof(c->why), "it had been removed");
    }
}

/* What instances with `cell = host` share; nothing is made when there are none. */
static const struct config_cell own_process = {.name = CONFIG_HOST_CELL, .is_shared = 1};

void apply_config(struct node *node, struct config *config)
{
    struct config *old = node->config;
    struct config_diff diff = {0};
    struct list moving;

    if (old && config_diff(old, config, &diff) < 0)
        log_error("no memory to compare configurations: everything is replaced");
    if (old)
        find_returning(node, config, &diff);
    node->config = config;
    apply_host(node, &config->host);
    apply_settings(node, config);
    list_each(it, &node->units)
        list_of(it, struct unit, link)->keep = 0;
    list_init(&moving);
    collect_moving(node, config, &moving);
    for (size_t i = 0; i < config->n_cells; i++)
        apply_cell(node, config, &config->cells[i], &diff, &moving);
    apply_cell(node, config, &own_process, &diff, &moving);
    while (!list_empty(&moving)) /* their cell could not be made, which was logged */
        instance_free(list_of(moving.next, struct node_instance, link));
    list_each_safe(it, next, &node->units) {
        struct unit *unit = list_of(it, struct unit, link);

        if (unit->keep || unit->removed)
            continue;
        unit_retire(node, unit);
    }
    node->n_changes = 0;
    snprintf(node->changed_host, sizeof(node->changed_host), "%s", diff.host_names);
    snprintf(node->changed_settings, sizeof(node->changed_settings), "%s", diff.setting_names);
    for (size_t i = 0; i < diff.n; i++)
        remember_change(node, &diff.changes[i]);
    for (size_t i = 0; i < diff.n; i++)
        if (diff.changes[i].change != CONFIG_SAME)
            log_notice("%s: %s%s%s", diff.changes[i].name, config_change_name(diff.changes[i].change),
                       diff.changes[i].why[0] ? ": " : "", diff.changes[i].why);
    if (!old || diff.jobs)
        node_jobs_apply(node->jobs, config, 0);
    renew_apply(node->renew);
    tell_changes(node, &diff);
    config_diff_done(&diff);
    config_free(old);
}

void apply_adopt(struct node *node, struct config *config)
{
    node->config = config;
    apply_host(node, &config->host);
    apply_settings(node, config);
    node_jobs_apply(node->jobs, config, 1);
    renew_apply(node->renew);
    for (size_t i = 0; i < config->n_cells; i++) {
        const struct config_cell *cell = &config->cells[i];
        int number = supervise_find(node->supervisor, cell->name);
        const struct config_instance *own = config_find(config, cell->name);
        struct unit *unit;

        if (pool_wanted(own)) {
            if (!apply_is_removed(node, own->name))
                apply_pool(node, own, NULL, NULL); /* its workers follow one by one */
            continue;
        }
        unit = number < 0 ? NULL : unit_new(node, cell->name);
        if (!unit)
            continue;
        unit->number = number;
        apply_limits(unit, cell);
        for (size_t k = 0; k < config->n_instances; k++) {
            const struct config_instance *c = &config->instances[k];

            if (c->keys.enabled && !strcmp(c->keys.cell, cell->name) && !apply_is_removed(node, c->name))
                instance_set(node, unit, c, NULL);
        }
    }
}
