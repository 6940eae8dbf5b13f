/*
 * confd.c - from a folder of files to a typed configuration.
 *
 * config_load() reads the files (ini.c), merges and expands them (sections.c), and
 * gives each section to the function of its kind, by the table `heads`. Plugins are
 * not needed here; what needs them is in validate.c.
 */
#include "config/config.h"

#include "base/auto.h"
#include "base/err.h"
#include "base/text.h"
#include "config/callers.h"
#include "config/reload_on.h"
#include "config/keys.h"
#include "config/secret_mark.h"
#include "config/sections.h"

#include <dirent.h>
#include <string.h>

struct loading {
    struct config *config;
    const struct config_load_options *options;
    struct report *report;
};

static void *take_memory(struct loading *l, size_t bytes)
{
    return arena_take(&l->config->sections->arena, bytes);
}

static int load_host(struct loading *l, const struct config_section *s, const char *name)
{
    keys_refuse_others(host_keys, s, l->report);
    keys_fill(host_keys, s, &l->config->host, l->report);
    if (*l->config->host.node && !text_is_name(l->config->host.node))
        report_error(l->report, section_get(s, "node")->at, s->name,
                     "node = '%.80s': expected 1 to 63 letters, digits and _ . : -",
                     l->config->host.node);
    return 0;
}

/* Durations before sizes: 10m is ten minutes, 10M are megabytes. */
static void type_setting(struct config_setting *setting)
{
    static const uint32_t order[] = {AIEX_OPT_INT, AIEX_OPT_DURATION, AIEX_OPT_SIZE, AIEX_OPT_BOOL};
    struct option_value v;

    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && !setting->is_whole; i++)
        if (option_parse(&(struct aiex_option){.name = setting->name, .type = order[i]},
                         setting->text, &v, NULL) == 0) {
            setting->is_whole = 1;
            setting->whole = v.whole;
        }
}

static int load_settings(struct loading *l, const struct config_section *s, const char *group)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct config_pair *p = &s->pairs[i];
        struct config_setting *setting = &l->config->settings[l->config->n_settings];
        size_t bytes = (group ? strlen(group) + 1 : 0) + strlen(p->key) + 1;
        char *name;

        if (p->is_broken) {
            report_error(l->report, p->at, s->name, "%s: %s", p->key, p->why);
            continue;
        }
        if (p->is_secret) {
            report_error(l->report, p->at, s->name, "%s: " SECRET_MISPLACED, p->key);
            continue;
        }
        if (bytes > AIEX_MAX_NAME + 1) {
            report_error(l->report, p->at, s->name, "name of setting '%s' is longer than %u bytes",
                         p->key, AIEX_MAX_NAME);
            continue;
        }
        name = take_memory(l, bytes);
        if (!name)
            return -ENOMEM;
        (void)snprintf(name, bytes, "%s%s%s", group ? group : "", group ? "." : "", p->key);
        *setting = (struct config_setting){.name = name, .text = p->text, .at = p->at};
        type_setting(setting);
        l->config->n_settings++;
    }
    return 0;
}

static int load_group(struct loading *l, const struct config_section *s, const char *name)
{
    struct config_group *group = &l->config->groups[l->config->n_groups++];

    *group = (struct config_group){.name = name, .at = s->at};
    keys_refuse_others(group_keys, s, l->report);
    keys_fill(group_keys, s, group, l->report);
    return 0;
}

static int load_cell(struct loading *l, const struct config_section *s, const char *name)
{
    struct config_keys ignored = {0};

    if (strcmp(name, CONFIG_HOST_CELL) == 0)
        report_error(l->report, s->at, s->name, "the host's own process is no cell; see [host]");
    keys_refuse_others(cell_keys, s, l->report);
    keys_fill(cell_keys, s, &ignored, l->report); /* cells.c reads it again, checked */
    return 0;
}

static int load_job(struct loading *l, const struct config_section *s, const char *name)
{
    struct config_job *job = &l->config->jobs[l->config->n_jobs++];
    size_t errors = l->report->n_errors;
    const struct config_pair *pair;
    const char *key = NULL;
    struct aiex_error err = {""};

    *job = (struct config_job){.name = name, .at = s->at};
    keys_refuse_others(job_keys, s, l->report);
    keys_fill(job_keys, s, job, l->report);
    if (errors != l->report->n_errors || !l->options->check_job ||
        l->options->check_job(l->options->check_job_arg, job, &key, &err) == 0)
        return 0;
    pair = key ? section_get(s, key) : NULL;
    report_error(l->report, pair ? pair->at : s->at, s->name, "%s%s%s", key ? key : "",
                 key ? ": " : "", err.text);
    return 0;
}

enum { NAME_NONE, NAME_MAY, NAME_MUST };

static const struct {
    const char *word;
    int name;
    int (*load)(struct loading *l, const struct config_section *s, const char *name);
} heads[] = {{"host", NAME_NONE, load_host},
             {"settings", NAME_MAY, load_settings},
             {"group", NAME_MUST, load_group},
             {"cell", NAME_MUST, load_cell},
             {"job", NAME_MUST, load_job}};

/* The keys that are not the host's, or may be the plugin's. */
static int take_options(struct loading *l, struct config_instance *in)
{
    const struct config_section *s = in->section;

    in->options = take_memory(l, (s->n + 1) * sizeof(*in->options));
    if (!in->options)
        return -ENOMEM;
    for (size_t i = 0; i < s->n; i++) {
        const struct config_pair *p = &s->pairs[i];

        if (key_find(instance_keys, p->key) >= 0 && !(key_rules(p->key) & KEY_YIELDS))
            continue;
        in->options[in->n_options++] = (struct config_option){p->key, p->text, p->at, p};
        if (p->is_broken && in->keys.enabled)
            report_error(l->report, p->at, s->name, "%s: %s", p->key, p->why);
    }
    return 0;
}

/* Keys that may be the plugin's keep their defaults until that is known. */
static void fill_instance(struct loading *l, struct config_instance *in)
{
    keys_fill(instance_keys, NULL, &in->keys, l->report);
    for (const struct aiex_option *k = instance_keys; k->name; k++)
        if (!(key_rules(k->name) & KEY_YIELDS))
            keys_fill_one(k, in->section, &in->keys, l->report);
}

static void check_placement(struct loading *l, const struct config_instance *in)
{
    const struct config_pair *cell = section_get(in->section, "cell");

    if (!cell || cell->is_broken)
        cell = NULL;
    else if (!text_is_name(in->keys.cell) || strlen(in->keys.cell) > AIEX_MAX_NAME)
        report_error(l->report, cell->at, in->name,
                     "cell = '%.80s': expected 1 to 63 letters, digits and _ . : -", in->keys.cell);
    else if (strcmp(in->keys.cell, CONFIG_HOST_CELL) == 0 && !in->keys.trust)
        report_error(l->report, cell->at, in->name,
                     "cell = host makes a crash of the plugin a crash of the host; allow it with "
                     "trust = yes, or give it a cell");
    if (in->keys.trust && strcmp(in->keys.cell, CONFIG_HOST_CELL) != 0)
        report_warning(l->report, section_get(in->section, "trust")->at, in->name,
                       "trust = yes does nothing without cell = host");
}

static int load_instance(struct loading *l, const struct config_section *s)
{
    struct config_instance *in = &l->config->instances[l->config->n_instances++];
    const struct config_pair *plugin = section_get(s, "plugin");
    size_t head = strcspn(s->name, ":");

    *in = (struct config_instance){.name = s->name, .at = s->at, .section = s};
    fill_instance(l, in);
    if (*in->keys.plugin == 0) {
        in->keys.plugin = arena_copy(&l->config->sections->arena, s->name, head);
        if (!in->keys.plugin)
            return -ENOMEM;
    }
    if (*in->keys.cell == 0)
        in->keys.cell = in->name;
    if (!plugin_info_is_name(in->keys.plugin) && !plugin_info_is_path(in->keys.plugin))
        report_error(l->report, plugin ? plugin->at : s->at, s->name,
                     "'%.80s' is not the name of a plugin (letters, digits, _ and -) nor the absolute "
                     "path of a .so",
                     in->keys.plugin);
    if (strchr(s->name, '#') ||
        (s->name[head] && (!s->name[head + 1] || strchr(s->name + head + 1, ':'))))
        report_error(l->report, s->at, s->name,
                     "expected [plugin] or [plugin:name] without further : or #");
    check_placement(l, in);
    return take_options(l, in);
}

static int load_section(struct loading *l, const struct config_section *s)
{
    size_t word = strcspn(s->name, ":");
    const char *name = s->name[word] ? s->name + word + 1 : NULL;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (strlen(heads[i].word) != word || strncmp(s->name, heads[i].word, word) != 0)
            continue;
        if ((heads[i].name == NAME_NONE && name) || (heads[i].name == NAME_MUST && !name) ||
            (name && !text_is_name(name))) {
            report_error(l->report, s->at, s->name, "expected [%s%s]", heads[i].word,
                         heads[i].name == NAME_NONE  ? ""
                         : heads[i].name == NAME_MAY ? "] or [settings:name"
                                                     : ":name");
            return 0;
        }
        return heads[i].load(l, s, name);
    }
    return load_instance(l, s);
}

/* Lists as long as they could become; section texts and lists live in one arena. */
static int make_lists(struct loading *l)
{
    struct config *c = l->config;
    size_t n = c->sections->n + 1, n_pairs = 1;

    for (size_t i = 0; i < c->sections->n; i++)
        n_pairs += c->sections->list[i].n;
    c->instances = take_memory(l, n * sizeof(*c->instances));
    c->cells = take_memory(l, n * sizeof(*c->cells));
    c->groups = take_memory(l, n * sizeof(*c->groups));
    c->jobs = take_memory(l, n * sizeof(*c->jobs));
    c->settings = take_memory(l, n_pairs * sizeof(*c->settings));
    return c->instances && c->cells && c->groups && c->jobs && c->settings ? 0 : -ENOMEM;
}

static int finish_host(struct loading *l)
{
    struct config_host *host = &l->config->host;
    char name[AIEX_MAX_NAME + 2] = "";

    if (*host->node == 0 && l->options->node) {
        (void)snprintf(name, sizeof(name), "%s", l->options->node);
        host->node = arena_copy(&l->config->sections->arena, name, strlen(name));
    } else if (*host->node == 0) {
        if (gethostname(name, sizeof(name) - 1) != 0 || !text_is_name(name))
            (void)snprintf(name, sizeof(name), "localhost");
        host->node = arena_copy(&l->config->sections->arena, name, strlen(name));
    }
    if (*host->plugin_dir == 0) {
        const char *dir = l->options->plugin_dir ? l->options->plugin_dir : "plugins";

        host->plugin_dir = arena_copy(&l->config->sections->arena, dir, strlen(dir));
    }
    return host->node && host->plugin_dir ? 0 : -ENOMEM;
}

/* Members of groups that do not exist, when all groups are known. */
static int check_groups(struct loading *l)
{
    const struct config *c = l->config;
    auto_free const char **names = calloc(c->n_groups + 1, sizeof(*names));

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < c->n_groups; i++)
        names[i] = c->groups[i].name;
    for (size_t i = 0; i < c->n_instances; i++) {
        const struct config_instance *in = &c->instances[i];
        const char *near = text_nearest(in->keys.group, names);
        size_t g = 0;

        while (g < c->n_groups && strcmp(names[g], in->keys.group) != 0)
            g++;
        if (*in->keys.group && g == c->n_groups)
            report_error(l->report, section_get(in->section, "group")->at, in->name,
                         "no group '%.63s'; %s%s%s", in->keys.group,
                         near ? "did you mean '" : "add a section [group:NAME]", near ? near : "",
                         near ? "'?" : "");
    }
    return 0;
}

static int load_all(struct loading *l)
{
    struct config_sections *s = l->config->sections;
    int r = make_lists(l);

    keys_fill(host_keys, NULL, &l->config->host, l->report);
    for (size_t i = 0; r == 0 && i < s->n; i++)
        r = load_section(l, &s->list[i]);
    if (r == 0)
        r = finish_host(l);
    if (r == 0) {
        callers_check(l->config, l->report);
        reload_on_check(l->config, l->report);
    }
    return r ? r : check_groups(l);
}

/* The file of the master key must be known before the first secret is looked for. Whatever is wrong
 * with it is told where [host] is read. */
static void find_key_file(struct config_sections *s)
{
    struct value_source source = s->source;
    auto_free char *path = NULL;
    const struct config_pair *key;

    source.secret = NULL;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->list[i].name, "host") == 0 &&
            (key = section_get(&s->list[i], "master_key_file")) &&
            value_expand(key->text, &source, &path, NULL) == 0)
            s->source.key_file = arena_copy(&s->arena, path, strlen(path));
}

int config_load_ini(const struct ini *ini, const char *dir,
                    const struct config_load_options *options, struct config **ret,
                    struct report *report)
{
    static const struct config_load_options none = {0};
    struct loading l = {.options = options ? options : &none, .report = report};
    int r = -ENOMEM;

    l.config = calloc(1, sizeof(*l.config));
    if (!l.config)
        return -ENOMEM;
    l.config->sections = calloc(1, sizeof(*l.config->sections));
    if (!l.config->sections)
        goto out;
    l.config->sections->source = (struct value_source){
        .env = l.options->env, .env_arg = l.options->env_arg, .secret = l.options->secret,
        .secret_arg = l.options->secret_arg, .dir = dir};
    r = sections_merge(l.config->sections, ini);
    if (r == 0)
        find_key_file(l.config->sections);
    if (r == 0)
        r = sections_expand(l.config->sections, &l.config->sections->source);
    l.config->sections->source.dir = NULL; /* the caller's */
    if (r == 0)
        r = load_all(&l);
    if (r == 0)
        *ret = take(l.config);
out:
    config_free(l.config);
    return r;
}

static int is_ini(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);

    return entry->d_name[0] != '.' && n > 4 && strcmp(entry->d_name + n - 4, ".ini") == 0;
}

/* Byte order, whatever the locale (alphasort would use it). */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int config_read_folder(const char *dir, struct ini *ini, struct report *report)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_ini, by_bytes), r = 0;

    if (n < 0 && errno == ENOMEM)
        return -ENOMEM;
    if (n < 0)
        report_error(report, (struct place){dir, 0}, NULL, "cannot read the folder: %s",
                     strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = NULL;

        if (r == 0 && asprintf(&path, "%s/%s", dir, names[i]->d_name) < 0)
            r = -ENOMEM;
        else if (r == 0)
            r = ini_read_file(ini, path, report);
        free(path);
        free(names[i]);
    }
    free(names);
    return r;
}

int config_load(const char *dir, const struct config_load_options *options, struct config **ret,
                struct report *report)
{
    auto_free char *trimmed = strdup(dir);
    struct ini ini;
    int r;

    if (!trimmed)
        return -ENOMEM;
    for (size_t n = strlen(trimmed); n > 1 && trimmed[n - 1] == '/'; n--)
        trimmed[n - 1] = 0;
    ini_init(&ini);
    r = config_read_folder(trimmed, &ini, report);
    if (r == 0)
        r = config_load_ini(&ini, trimmed, options, ret, report);
    ini_done(&ini);
    return r;
}
