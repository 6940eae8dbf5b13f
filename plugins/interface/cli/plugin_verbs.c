/*
 * plugin_verbs.c - aiex plugin load, reload, remove and stats.
 */
#include "command.h"

#include "field.h"

#include <errno.h>
#include <stdlib.h>

/* ---- What these verbs share: one call that names one instance ---- */

static void pack_name(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, c->args.n_words ? 1 : 0);
    if (c->args.n_words)
        aiex_w_key_str(w, "name", c->args.words[0]);
}

static int complain_of(void *arg, struct aiex_slice item)
{
    struct aiex_value v;

    if (aiex_r_value(&item, &v) == 0 && v.type == AIEX_T_STR)
        complain(arg, "%.*s", (int)v.bytes.len, (const char *)v.bytes.data);
    return 0;
}

/* Calls, prints the answer with --json, else the notice, or on standard error why not. */
static enum outcome order(struct command *c, const struct command_call *call, const char *done,
                          const char *what)
{
    struct control_end end;
    enum outcome outcome = command_call(c, call, &end);
    int ok = 1;

    if (outcome != OUTCOME_OK)
        return outcome;
    if (aiex_get_bool(end.body, "ok", &ok) == 1 && !ok)
        outcome = OUTCOME_FAILED;
    if (command_wants_json(c))
        command_print_json(c, end.body);
    else if (!ok)
        field_each_item(end.body, "errors", complain_of, &c->screen);
    else if (command_put_findings(c, end.body) == 0)
        notice(&c->screen, "%s %s", done, what);
    control_end_done(&end);
    return outcome;
}

enum outcome verb_plugin_reload(struct command *c)
{
    const struct command_call call = {.method = "host.reload", .pack = pack_name, .pack_arg = c};

    return order(c, &call, "reloaded", c->args.n_words ? c->args.words[0] : "what changed");
}

enum outcome verb_plugin_remove(struct command *c)
{
    const struct command_call call = {.method = "host.remove", .pack = pack_name, .pack_arg = c};

    return order(c, &call, "removed", c->args.words[0]);
}

/* ---- load ---- */

struct load {
    const struct arguments *args;
    const char *path;   /* absolute, or NULL */
    const char *plugin; /* or NULL */
    const char *name;   /* or NULL */
    uint32_t n_set;
};

static void pack_load(struct aiex_writer *w, const void *arg)
{
    const struct load *l = arg;

    aiex_w_map(w, 1 + (l->name != NULL) + (l->n_set != 0));
    aiex_w_key_str(w, l->plugin ? "plugin" : "file", l->plugin ? l->plugin : l->path);
    if (l->name)
        aiex_w_key_str(w, "name", l->name);
    if (!l->n_set)
        return;
    aiex_w_str(w, "options");
    aiex_w_map(w, l->n_set);
    for (size_t i = 0; i < l->args->n_uses; i++) {
        const struct option_use *use = &l->args->uses[i];

        if (strcmp(use->option->name, "set") != 0)
            continue;
        aiex_w_strn(w, use->value, strcspn(use->value, "="));
        aiex_w_str(w, strchr(use->value, '=') + 1);
    }
}

static int count_sets(struct command *c, struct load *l)
{
    for (size_t i = 0; i < c->args.n_uses; i++) {
        const struct option_use *use = &c->args.uses[i];

        if (strcmp(use->option->name, "set") != 0)
            continue;
        if (!strchr(use->value, '=') || *use->value == '=') {
            complain(&c->screen, "--set '%s' is not KEY=VALUE", use->value);
            return -EINVAL;
        }
        l->n_set++;
    }
    return 0;
}

static int ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n > m && strcmp(text + n - m, end) == 0;
}

enum outcome verb_plugin_load(struct command *c)
{
    struct load l = {.args = &c->args, .name = arguments_value(&c->args, "name")};
    const struct command_call call = {.method = "host.load", .pack = pack_load, .pack_arg = &l};
    const char *what = c->args.words[0];
    char *absolute = NULL;
    enum outcome outcome;

    if (count_sets(c, &l) != 0)
        return OUTCOME_USAGE;
    if (ends_in(what, ".ini") || ends_in(what, ".so")) {
        absolute = realpath(what, NULL); /* the host may run in another folder */
        if (!absolute) {
            complain(&c->screen, "can not load %s: %s", what, strerror(errno));
            return errno == ENOENT ? OUTCOME_NOT_FOUND : OUTCOME_FAILED;
        }
    }
    if (absolute && ends_in(what, ".ini")) {
        l.path = absolute;
        if (l.name || l.n_set) {
            complain(&c->screen, "%s has its own names and options; leave out --name and --set",
                     what);
            free(absolute);
            return OUTCOME_USAGE;
        }
    } else {
        l.plugin = absolute ? absolute : what;
    }
    outcome = order(c, &call, "loaded", l.name ? l.name : what);
    free(absolute);
    return outcome;
}

/* ---- stats ---- */

enum outcome verb_plugin_stats(struct command *c)
{
    const struct command_call call = {.method = "host.stats", .pack = pack_name, .pack_arg = c};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        outcome = plugin_stats_table(c, end.body);
    control_end_done(&end);
    return outcome;
}
