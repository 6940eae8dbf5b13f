/*
 * change.c - what operators change: the configuration as a whole, one more instance, one
 * less, new code for one. Everything is checked before anything changes.
 */
#include "node/node_private.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "node/pool.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCH_MS_LEAST 20u /* between two looks at the progress words */

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

const char *node_change_names(const struct node *node, unsigned i)
{
    return i < node->n_changes ? node->changes[i].names : "";
}

const char *node_change_host(const struct node *node)
{
    return node->changed_host;
}

const char *node_change_settings(const struct node *node)
{
    return node->changed_settings;
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
    node_paths(node, options);
    r = node_try(node, report);
    plugins_forget(node);
    vault_free(node->vault);
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
    node_paths(node, options);
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
    vault_free(node->vault);
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
    if (node->n_extra == EXTRA_FILES_MAX) {
        report_error(report, (struct place){path, 0}, NULL,
                     "%u files are loaded already; remove one, or put it into the folder",
                     (unsigned)EXTRA_FILES_MAX);
        return -ENOSPC;
    }
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

static int was_loaded(const char *file)
{
    const char *base = file ? strrchr(file, '/') : NULL;

    return base && strncmp(base, "/loaded-", 8) == 0;
}

/* One that was loaded by command and removed is still in the last configuration, but its file is
 * gone: its name is free. One of the folder comes back with that. */
static void check_is_new(const struct node *node, const char *name, struct report *report)
{
    const struct config_instance *c = config_find(node->config, name);

    if (c && !apply_is_removed(node, name))
        report_error(report, (struct place){NULL, 0}, name,
                     "there is such an instance already; give another --name");
    else if (c && !was_loaded(c->at.file))
        report_error(report, (struct place){NULL, 0}, name,
                     "it was removed and is still configured; 'aiex config reload' brings it back");
}

int node_load_plugin(struct node *node, const char *plugin, const char *name,
                     const struct node_option *options, size_t n, struct report *report)
{
    auto_fclose FILE *f = NULL;
    char section[64], path[600];
    int r;

    name_of(plugin, section, sizeof(section));
    if (name && name[0])
        snprintf(section, sizeof(section), "%s", name);
    for (size_t i = 0; i < n; i++)
        if (strpbrk(options[i].name, "=\n[];") || strchr(options[i].text, '\n'))
            report_error(report, (struct place){NULL, 0}, section, "option '%s' can not be written in one line",
                         options[i].name);
    if (!text_is_name(section) || strpbrk(plugin, "\n;"))
        report_error(report, (struct place){NULL, 0}, NULL, "'%s' is not a name for an instance", section);
    check_is_new(node, section, report);
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
    if (fclose(take(f)) != 0) {
        r = -errno;
        report_error(report, (struct place){path, 0}, NULL, "can not be written: %s", strerror(-r));
    } else {
        r = node_load_file(node, path, report);
    }
    if (r < 0)
        unlink(path);
    return r;
}

/* What was loaded by command goes for good. */
static void forget_loaded(struct node *node, const char *file)
{
    for (unsigned i = 0; was_loaded(file) && i < node->n_extra; i++) {
        if (strcmp(node->extra[i], file))
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
    if (node->on_config)
        node->on_config(node->on_config_arg, name, "removed", "asked to");
    if (pool)
        pool_remove(pool);
    else
        unit_retire(node, unit);
    return 0;
}
