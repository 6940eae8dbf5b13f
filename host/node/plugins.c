/*
 * plugins.c - what is known of the shared objects in the plugin folder. A probe's
 * result is kept until the file changes (inode, size, time of change).
 */
#include "node/node_private.h"

#include "base/err.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void plugins_path(struct node *node, const char *plugin, char *out, size_t size)
{
    if (plugin_info_is_path(plugin))
        snprintf(out, size, "%s", plugin);
    else
        snprintf(out, size, "%s/%s.so", node->plugin_dir, plugin);
}

static struct known_plugin *known_find(struct node *node, const char *path)
{
    list_each(it, &node->known) {
        struct known_plugin *k = list_of(it, struct known_plugin, link);

        if (!strcmp(k->path, path))
            return k;
    }
    return NULL;
}

static void known_free(struct known_plugin *k)
{
    list_remove(&k->link);
    plugin_info_unref(k->info);
    free(k);
}

void plugins_forget(struct node *node)
{
    while (!list_empty(&node->known))
        known_free(list_of(node->known.next, struct known_plugin, link));
}

static int same_file(const struct known_plugin *k, const struct stat *st)
{
    return k->inode == st->st_ino && k->size == (uint64_t)st->st_size &&
           k->mtime_ns == (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
}

/* 1 when path is known as it is now; forgets what is out of date. */
static int fresh(struct node *node, const char *path)
{
    struct known_plugin *k = known_find(node, path);
    struct stat st;

    if (!k)
        return 0;
    if (stat(path, &st) == 0 && same_file(k, &st))
        return 1;
    known_free(k);
    return 0;
}

static void remember(struct node *node, const char *path, struct probe *probe, const struct aiex_error *started)
{
    struct known_plugin *k = calloc(1, sizeof(*k));
    struct aiex_error err = *started;
    struct stat st;

    if (!k)
        return;
    snprintf(k->path, sizeof(k->path), "%s", path);
    if (stat(path, &st) == 0) {
        k->inode = st.st_ino;
        k->size = (uint64_t)st.st_size;
        k->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    }
    if (!probe || probe_finish(probe, &k->info, &err) < 0)
        snprintf(k->refused, sizeof(k->refused), "%s", err.text);
    list_append(&node->known, &k->link);
}

void plugins_probe_all(struct node *node, const char *const *names, size_t n)
{
    struct probe **probes = calloc(n + 1, sizeof(struct probe *));
    struct aiex_error *errs = calloc(n + 1, sizeof(*errs));
    char path[512];

    for (size_t i = 0; probes && errs && i < n; i++) {
        struct stat st;

        plugins_path(node, names[i], path, sizeof(path));
        if (!fresh(node, path) && stat(path, &st) == 0)
            probes[i] = probe_start(node->runner, path, &errs[i]);
    }
    for (size_t i = 0; probes && errs && i < n; i++) {
        plugins_path(node, names[i], path, sizeof(path));
        if (probes[i])
            remember(node, path, probes[i], &errs[i]);
    }
    free(probes);
    free(errs);
}

/* The file of a plugin has its name. */
static int is_called(const char *path, const char *name)
{
    const char *file = strrchr(path, '/') + 1;
    size_t n = strlen(name);

    return !strncmp(file, name, n) && !strcmp(file + n, ".so");
}

int plugins_lookup(void *arg, const char *plugin, struct plugin_info **ret, struct aiex_error *err)
{
    struct node *node = arg;
    struct known_plugin *k;
    struct aiex_error none = {""};
    struct stat st;
    char path[512];

    plugins_path(node, plugin, path, sizeof(path));
    if (stat(path, &st) < 0)
        return fail(err, -ENOENT, "%s: %s", path, strerror(errno));
    if (!fresh(node, path))
        remember(node, path, probe_start(node->runner, path, &none), &none);
    k = known_find(node, path);
    if (!k)
        return fail(err, -ENOMEM, "%s: no memory", path);
    if (!k->info)
        return fail(err, -EINVAL, "%s", k->refused);
    if (!is_called(path, k->info->name))
        return fail(err, -EINVAL, "%s: the plugin in it calls itself '%s'; rename the file", path,
                    k->info->name);
    *ret = k->info;
    return 0;
}
