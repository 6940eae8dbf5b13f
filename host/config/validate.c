/*
 * validate.c - every instance against the descriptor of its plugin.
 *
 * Here it is known which keys are the plugin's. What an instance gets to run with is
 * complete afterwards: its options, its host keys, its cell.
 */
#include "base/auto.h"
#include "base/err.h"
#include "base/text.h"
#include "config/cells.h"
#include "config/config.h"
#include "config/families.h"
#include "config/keys.h"
#include "config/secret_mark.h"
#include "config/sections.h"

#include <dirent.h>
#include <string.h>

#define STRIDE sizeof(struct aiex_option)

struct validating {
    struct config *config;
    struct report *report;
    config_lookup_fn lookup;
    void *arg;
    struct config_instance *in; /* the one that is looked at */
};

/* The nearest plugin in the folder, or NULL; free() it. */
static char *nearest_plugin(const char *dir, const char *name)
{
    const char *pair[2] = {NULL, NULL};
    unsigned best = 100;
    char *found = NULL;
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) != NULL) {
        size_t n = strlen(e->d_name);
        auto_free char *other = NULL;

        if (n < 4 || strcmp(e->d_name + n - 3, ".so") != 0 || !(other = strndup(e->d_name, n - 3)))
            continue;
        pair[0] = other;
        if (text_nearest(name, pair) && text_distance(name, other, 99) < best) {
            best = text_distance(name, other, 99);
            free(found);
            found = take(other);
        }
    }
    if (d)
        closedir(d);
    return found;
}

static void find_plugin(struct validating *v)
{
    const struct config_pair *key = section_get(v->in->section, "plugin");
    struct place at = key ? key->at : v->in->at;
    const char *dir = v->config->host.plugin_dir;
    struct plugin_info *info = NULL;
    struct aiex_error err = {""};
    int r;

    if (!plugin_info_is_name(v->in->keys.plugin) && !plugin_info_is_path(v->in->keys.plugin))
        return; /* was reported */
    r = v->lookup(v->arg, v->in->keys.plugin, &info, &err);
    if (r == 0) {
        v->in->info = plugin_info_ref(info);
    } else if (r != -ENOENT) {
        report_error(v->report, at, v->in->name, "plugin '%s': %s", v->in->keys.plugin, err.text);
    } else if (v->in->keys.enabled && plugin_info_is_path(v->in->keys.plugin)) {
        report_error(v->report, at, v->in->name, "plugin %s", err.text);
    } else if (v->in->keys.enabled) {
        auto_free char *near = nearest_plugin(dir, v->in->keys.plugin);

        report_error(v->report, at, v->in->name, "no such plugin '%s' in %s%s%s%s",
                     v->in->keys.plugin, dir, near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "");
    }
}

/* A host key that may be either one's is the plugin's when its table has it. */
static void share_keys(struct validating *v)
{
    struct config_instance *in = v->in;
    size_t kept = 0;

    for (size_t i = 0; i < in->n_options; i++) {
        int key = key_find(instance_keys, in->options[i].name);

        if (key < 0 ||
            (in->info && option_find(in->info->options, STRIDE, in->options[i].name) >= 0))
            in->options[kept++] = in->options[i];
        else if (!in->options[i].pair->is_broken) /* broken was reported */
            keys_fill_one(&instance_keys[key], in->section, &in->keys, v->report);
    }
    in->n_options = kept;
}

/* The place of a key that a rule about several keys blames. */
static struct place place_of(const struct validating *v, const char *key)
{
    const struct config_pair *pair = section_get(v->in->section, key);

    return pair ? pair->at : v->in->at;
}

/* A pool starts and ends its cells itself: see docs/operations.md "Workers". */
static void check_pool(struct validating *v)
{
    const struct config_keys *keys = &v->in->keys;

    if (keys->restart != CONFIG_PERMANENT)
        report_error(v->report, place_of(v, "restart"), v->in->name,
                     "restart needs workers_max = 1: workers are always started again");
    if (keys->spare)
        report_error(v->report, place_of(v, "spare"), v->in->name,
                     "spare needs workers_max = 1: another worker takes over");
    if (strlen(v->in->name) > AIEX_MAX_NAME - strlen("#64"))
        report_error(v->report, v->in->at, v->in->name,
                     "the name is too long for workers, which are called NAME#1 and so on: at most "
                     "%zu bytes", AIEX_MAX_NAME - strlen("#64"));
}

static void check_workers(struct validating *v)
{
    struct config_keys *keys = &v->in->keys;
    const struct config_pair *most = section_get(v->in->section, "workers_max");

    if (keys->workers_max == 0)
        keys->workers_max = keys->workers;
    if (keys->workers_max < keys->workers)
        report_error(v->report, most->at, v->in->name,
                     "workers_max = '%s': expected at least workers, which is %lld", most->text,
                     (long long)keys->workers);
    else if (keys->workers_max > 1)
        check_pool(v);
}

static void check_names(struct validating *v)
{
    for (size_t i = 0; i < v->in->info->n_options; i++) {
        const char *name = v->in->info->options[i].name;

        if (key_find(instance_keys, name) >= 0 && !(key_rules(name) & KEY_YIELDS))
            report_error(v->report, v->in->at, v->in->name,
                         "plugin '%s' has an option '%s', which is a key of the host; it must be "
                         "renamed in the plugin",
                         v->in->info->name, name);
    }
}

static void option_wrong(void *arg, size_t index, const char *text)
{
    struct validating *v = arg;
    const struct config_option *o;

    if (index == SIZE_MAX) {
        if (v->in->keys.enabled)
            report_error(v->report, v->in->at, v->in->name, "%s", text);
        return;
    }
    o = &v->in->options[index];
    /* a broken value was reported; that nobody knows its key is news */
    if (!o->pair->is_broken || option_match(v->in->info->options, STRIDE, o->name) < 0)
        report_error(v->report, o->at, v->in->name, "%s", text);
}

static int check_options(struct validating *v)
{
    struct config_instance *in = v->in;
    auto_free struct option_text *given = calloc(in->n_options + 1, sizeof(*given));

    if (!given)
        return -ENOMEM;
    for (size_t i = 0; i < in->n_options; i++)
        given[i] = (struct option_text){in->options[i].name, in->options[i].text};
    (void)option_check(in->info->options, STRIDE, given, in->n_options, key_names(), option_wrong,
                       v);
    return 0;
}

/* A secret can only stand where the plugin expects one: everything else may be shown. */
static void check_secrets(struct validating *v)
{
    for (size_t i = 0; i < v->in->n_options; i++) {
        const struct config_option *o = &v->in->options[i];
        int at = option_match(v->in->info->options, STRIDE, o->name);

        if (at >= 0 && o->pair->is_secret && !o->pair->is_broken &&
            v->in->info->options[at].type != AIEX_OPT_SECRET)
            report_error(v->report, o->at, v->in->name, "%s: " SECRET_MISPLACED, o->name);
    }
}

static void warn_secrets(struct validating *v)
{
    for (size_t i = 0; i < v->in->n_options; i++) {
        const struct config_option *o = &v->in->options[i];
        int at = option_match(v->in->info->options, STRIDE, o->name);

        if (at >= 0 && v->in->info->options[at].type == AIEX_OPT_SECRET && o->pair->is_literal)
            report_warning(v->report, o->at, v->in->name,
                           "%s is written into the file; better is secret:NAME (aiex secret set NAME)", o->name);
    }
}

/* Takes one default from the environment, where it is set. */
static int add_default(struct validating *v, const struct aiex_option *o)
{
    struct arena *arena = &v->config->sections->arena;
    auto_free char *expanded = NULL;
    struct value_source source = v->config->sections->source;
    struct option_value value;
    struct aiex_error err = {""};
    const char *text;
    int r;

    source.secret = NULL; /* a plugin does not say which secret it gets */
    r = value_expand(o->def, &source, &expanded, &err);

    if (r == -ENOMEM || r == -ENOENT)
        return r == -ENOENT ? 0 : r;
    if (r == 0 && *expanded == 0)
        return 0;
    if (r != 0 || option_parse(o, expanded, &value, &err) != 0) {
        if (v->in->keys.enabled)
            report_error(v->report, v->in->at, v->in->name, "default '%s': %s", o->def, err.text);
        return 0;
    }
    text = arena_copy(arena, expanded, strlen(expanded));
    explicit_bzero(expanded, strlen(expanded));
    if (!text)
        return -ENOMEM;
    v->in->options[v->in->n_options++] = (struct config_option){.name = o->name, .text = text};
    return 0;
}

static int add_defaults(struct validating *v)
{
    struct config_instance *in = v->in;
    size_t n_given = in->n_options;
    struct config_option *all = arena_take(&v->config->sections->arena,
                                           (n_given + in->info->n_options + 1) * sizeof(*all));
    int r = all ? 0 : -ENOMEM;

    if (all && n_given)
        memcpy(all, in->options, n_given * sizeof(*all));
    if (all)
        in->options = all;
    for (size_t i = 0; r == 0 && i < in->info->n_options; i++) {
        const struct aiex_option *o = &in->info->options[i];

        if (o->def && value_is_reference(o->def) && !section_get(in->section, o->name))
            r = add_default(v, o);
    }
    return r;
}

static int validate_instance(struct validating *v)
{
    int r = 0;

    find_plugin(v);
    share_keys(v);
    check_workers(v);
    if (!v->in->info)
        return 0;
    check_names(v);
    r = check_options(v);
    if (r != 0)
        return r;
    check_secrets(v);
    warn_secrets(v);
    r = families_gather(v->config, v->in, v->report);
    return r ? r : add_defaults(v);
}

int config_validate(struct config *config, config_lookup_fn lookup, void *arg,
                    struct report *report)
{
    struct validating v = {.config = config, .report = report, .lookup = lookup, .arg = arg};
    int r = 0;

    for (size_t i = 0; r == 0 && i < config->n_instances; i++) {
        v.in = &config->instances[i];
        r = validate_instance(&v);
    }
    if (r == 0)
        cells_complete(config, report);
    return r;
}
