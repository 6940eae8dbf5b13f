/* diff.c - what a reload has to do: two sound configurations, instance by instance. */
#include "config/config.h"

#include "config/keys.h"
#include "config/sections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The name of the first key that differs, or NULL. */
static const char *changed_key(const struct aiex_option *keys, const void *a, const void *b)
{
    for (; keys->name; keys++) {
        struct option_value x = option_read(keys, a), y = option_read(keys, b);

        if (x.whole != y.whole || x.real != y.real ||
            (x.text != y.text && (!x.text || !y.text || strcmp(x.text, y.text) != 0)))
            return keys->name;
    }
    return NULL;
}

/* Appends a name. When one did not fit the list ends in "...", and nothing comes behind it. */
static void add_name(char names[CONFIG_NAMES_BYTES], const char *name)
{
    size_t n = strlen(names);

    if (n >= 3 && strcmp(names + n - 3, "...") == 0)
        return;
    if (n + strlen(name) + 6 > CONFIG_NAMES_BYTES)
        name = "...";
    (void)snprintf(names + n, CONFIG_NAMES_BYTES - n, "%s%s", n ? " " : "", name);
}

static void add_changed_keys(const struct aiex_option *keys, const void *a, const void *b,
                             char names[CONFIG_NAMES_BYTES])
{
    for (; keys->name; keys++) {
        const struct aiex_option one[2] = {*keys, {0}};

        if (changed_key(one, a, b))
            add_name(names, keys->name);
    }
}

/* 60s and 1m are the same. */
static int same_text(const struct aiex_option *o, const char *a, const char *b)
{
    struct option_value x, y;

    if (!a || !b)
        return a == b;
    if (strcmp(a, b) == 0)
        return 1;
    if (o->type == AIEX_OPT_STRING || o->type == AIEX_OPT_SECRET)
        return 0;
    return option_parse(o, a, &x, NULL) == 0 && option_parse(o, b, &y, NULL) == 0 &&
           x.whole == y.whole && x.real == y.real;
}

static int same_table(const struct plugin_info *a, const struct plugin_info *b)
{
    if (a->n_options != b->n_options || a->config_size != b->config_size)
        return 0;
    for (size_t i = 0; i < a->n_options; i++)
        if (strcmp(a->options[i].name, b->options[i].name) != 0 ||
            a->options[i].type != b->options[i].type ||
            a->options[i].flags != b->options[i].flags ||
            a->options[i].offset != b->options[i].offset)
            return 0;
    return 1;
}

static void replace(struct config_change_of *c, const char *what, const char *name)
{
    c->change = CONFIG_REPLACE;
    (void)snprintf(c->why, sizeof(c->why), "%s%s%s", what, name ? " " : "", name ? name : "");
}

static void compare_options(const struct config_instance *old, const struct config_instance *now,
                            struct config_change_of *c)
{
    for (size_t i = 0; i < now->info->n_options; i++) {
        const struct aiex_option *o = &now->info->options[i];

        if (same_text(o, config_effective(old, o->name), config_effective(now, o->name)))
            continue;
        if (!(o->flags & AIEX_OPT_RELOADABLE) || !now->info->has_reload) {
            replace(c, "option", o->name);
            return;
        }
        if (c->change == CONFIG_SAME)
            (void)snprintf(c->why, sizeof(c->why), "option %s", o->name);
        c->change = CONFIG_OPTIONS;
    }
}

/* All that differs, whatever it leads to. */
static void name_changes(const struct config_instance *old, const struct config_instance *now,
                         char names[CONFIG_NAMES_BYTES])
{
    add_changed_keys(instance_keys, &old->keys, &now->keys, names);
    for (size_t i = 0; old->info && now->info && i < now->info->n_options; i++) {
        const struct aiex_option *o = &now->info->options[i];

        if (!same_text(o, config_effective(old, o->name), config_effective(now, o->name)))
            add_name(names, o->name);
    }
}

static void name_options(const struct config_instance *now, char names[CONFIG_NAMES_BYTES])
{
    for (size_t i = 0; i < now->n_options; i++)
        add_name(names, now->options[i].name);
}

static void compare(const struct config_instance *old, const struct config_instance *now,
                    struct config_change_of *c)
{
    const char *key = changed_key(instance_keys, &old->keys, &now->keys);

    c->change = CONFIG_SAME;
    if (key)
        replace(c, "key", key);
    else if (!old->info || !now->info)
        replace(c, "plugin", "unknown");
    else if (strcmp(old->info->version, now->info->version) != 0)
        replace(c, "plugin's version", now->info->version);
    else if (!same_table(old->info, now->info))
        replace(c, "plugin's options", NULL);
    else
        compare_options(old, now, c);
}

static const struct config_instance *running(const struct config *config, const char *name)
{
    const struct config_instance *in = config_find(config, name);

    return in && in->keys.enabled ? in : NULL;
}

static int settings_differ(const struct config *a, const struct config *b)
{
    if (a->n_settings != b->n_settings)
        return 1;
    for (size_t i = 0; i < a->n_settings; i++)
        if (strcmp(a->settings[i].name, b->settings[i].name) != 0 ||
            strcmp(a->settings[i].text, b->settings[i].text) != 0)
            return 1;
    return 0;
}

static const struct config_setting *find_setting(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_settings; i++)
        if (strcmp(c->settings[i].name, name) == 0)
            return &c->settings[i];
    return NULL;
}

static void name_settings(const struct config *old, const struct config *now,
                          char names[CONFIG_NAMES_BYTES])
{
    for (size_t i = 0; i < now->n_settings; i++) {
        const struct config_setting *was = find_setting(old, now->settings[i].name);

        if (!was || strcmp(was->text, now->settings[i].text) != 0)
            add_name(names, now->settings[i].name);
    }
    for (size_t i = 0; i < old->n_settings; i++)
        if (!find_setting(now, old->settings[i].name))
            add_name(names, old->settings[i].name);
}

static int groups_differ(const struct config *a, const struct config *b)
{
    if (a->n_groups != b->n_groups)
        return 1;
    for (size_t i = 0; i < a->n_groups; i++)
        if (strcmp(a->groups[i].name, b->groups[i].name) != 0 ||
            changed_key(group_keys, &a->groups[i], &b->groups[i]))
            return 1;
    return 0;
}

static int jobs_differ(const struct config *a, const struct config *b)
{
    if (a->n_jobs != b->n_jobs)
        return 1;
    for (size_t i = 0; i < a->n_jobs; i++)
        if (strcmp(a->jobs[i].name, b->jobs[i].name) != 0 ||
            changed_key(job_keys, &a->jobs[i], &b->jobs[i]))
            return 1;
    return 0;
}

int config_diff(const struct config *old, const struct config *now, struct config_diff *ret)
{
    struct config_diff d = {0};

    d.changes = calloc(old->n_instances + now->n_instances + 1, sizeof(*d.changes));
    if (!d.changes)
        return -ENOMEM;
    for (size_t i = 0; i < now->n_instances; i++) {
        const struct config_instance *in = &now->instances[i], *was = running(old, in->name);

        if (!in->keys.enabled)
            continue;
        d.changes[d.n].name = in->name;
        if (was)
            compare(was, in, &d.changes[d.n]);
        else
            d.changes[d.n].change = CONFIG_ADDED;
        if (was)
            name_changes(was, in, d.changes[d.n].names);
        else
            name_options(in, d.changes[d.n].names);
        d.n++;
    }
    for (size_t i = 0; i < old->n_instances; i++) {
        const char *name = old->instances[i].name;

        if (running(old, name) && !running(now, name))
            d.changes[d.n++] = (struct config_change_of){.name = name, .change = CONFIG_REMOVED};
    }
    d.host = changed_key(host_keys, &old->host, &now->host) != NULL;
    d.settings = settings_differ(old, now);
    add_changed_keys(host_keys, &old->host, &now->host, d.host_names);
    name_settings(old, now, d.setting_names);
    d.groups = groups_differ(old, now);
    d.jobs = jobs_differ(old, now);
    *ret = d;
    return 0;
}

void config_diff_done(struct config_diff *diff)
{
    free(diff->changes);
    *diff = (struct config_diff){0};
}

const char *config_change_name(enum config_change change)
{
    static const char *const names[] = {"same", "options", "replace", "added", "removed"};

    return names[change];
}
