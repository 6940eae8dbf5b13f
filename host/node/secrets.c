/*
 * secrets.c - secrets of the vault on their way to the cells that need them, and what
 * operators do with the vault.
 *
 * The configuration holds marks (config/secret_mark.h). A value is opened here when a cell
 * starts or is told new options, into locked memory, and given back when the message is
 * packed; so a cell gets the secrets of its own options and no others.
 */
#include "node/node_private.h"

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "config/secret_mark.h"
#include "node/pool.h"
#include "secret/locked.h"

#include <stdlib.h>
#include <string.h>

struct secret_text {
    struct secret_text *next;
    char *text;
};

static struct vault *vault_of(struct node *node, const char *key_file, struct aiex_error *err)
{
    if (!node->vault)
        (void)fail(err, -ENOMEM, "the vault could not be made ready: out of memory");
    else
        vault_key_file(node->vault, key_file);
    return node->vault;
}

/* The vault of the configuration that runs. */
static struct vault *running_vault(struct node *node, struct aiex_error *err)
{
    return vault_of(node, node->config ? node->config->host.master_key_file : "", err);
}

int secrets_look(void *arg, const char *key_file, const char *name,
                 char ret_revision[VALUE_REVISION_TEXT], struct aiex_error *err)
{
    struct node *node = arg;
    struct vault *vault;

    if (!vault_is_name(name))
        return fail(err, -EINVAL, "'secret:%.80s' names no secret: 1 to 63 letters, digits and _ . -", name);
    if (!*node->data_dir) { /* --check without --data: nothing to look into */
        (void)snprintf(ret_revision, VALUE_REVISION_TEXT, "%016d", 0);
        return 0;
    }
    vault = vault_of(node, key_file, err);
    return vault ? vault_look(vault, name, ret_revision, err) : -ENOMEM;
}

/* ---- Who was given which ---- */

#define OPENED_MAX 1024u

struct opened {
    struct list link;
    char instance[64], option[64], secret[64];
};

static void opened_free(struct node *node, struct opened *o)
{
    list_remove(&o->link);
    node->n_opened--;
    free(o);
}

struct giving {
    struct node *node;
    const char *instance, *option;
};

static int gave(void *arg, const char *secret)
{
    const struct giving *g = arg;
    struct node *node = g->node;
    struct opened *o;

    if (node->on_secret) {
        node->on_secret(node->on_secret_arg, g->instance, g->option, secret);
        return 0;
    }
    if (node->n_opened == OPENED_MAX)
        opened_free(node, list_of(node->opened.next, struct opened, link));
    o = calloc(1, sizeof(*o));
    if (!o)
        return 0;
    snprintf(o->instance, sizeof(o->instance), "%s", g->instance);
    snprintf(o->option, sizeof(o->option), "%s", g->option);
    snprintf(o->secret, sizeof(o->secret), "%s", secret);
    list_append(&node->opened, &o->link);
    node->n_opened++;
    return 0;
}

void node_on_secret(struct node *node,
                    void (*fn)(void *arg, const char *instance, const char *option, const char *secret),
                    void *arg)
{
    node->on_secret = fn;
    node->on_secret_arg = arg;
    while (fn && node->n_opened) {
        struct opened *o = list_of(node->opened.next, struct opened, link);

        fn(arg, o->instance, o->option, o->secret);
        opened_free(node, o);
    }
}

void secrets_forget(struct node *node)
{
    while (node->n_opened)
        opened_free(node, list_of(node->opened.next, struct opened, link));
}

/* ---- To the cells ---- */

static int open_value(void *arg, const char *name, char **ret, size_t *ret_len, struct aiex_error *err)
{
    return vault_open_value(arg, name, ret, ret_len, err);
}

static int is_family(const struct config_instance *c, const char *option)
{
    int at = c->info ? option_find(c->info->options, sizeof(struct aiex_option), option) : -1;

    return at >= 0 && option_is_family(&c->info->options[at]);
}

const char *secrets_text(struct node *node, const struct config_instance *c, size_t i,
                         struct secret_texts *keep)
{
    const struct config_option *o = &c->options[i];
    struct secret_fill fill = {open_value, locked_free, locked_new, NULL};
    struct aiex_error err = {"out of memory"};
    struct secret_text *kept;

    if (!secret_mark_is_in(o->text))
        return o->text;
    kept = calloc(1, sizeof(*kept));
    fill.arg = running_vault(node, &err);
    if (!kept || !fill.arg || secret_mark_fill(o->text, is_family(c, o->name), &fill, &kept->text, &err) < 0) {
        log_error("[%s] %s: %s", c->name, o->name, err.text);
        if (kept)
            locked_free(kept->text);
        free(kept);
        return NULL;
    }
    kept->next = keep->first;
    keep->first = kept;
    secret_mark_each(o->text, gave, &(struct giving){node, c->name, o->name});
    return kept->text;
}

void secret_texts_done(struct secret_texts *keep)
{
    struct secret_text *kept;

    while ((kept = keep->first)) {
        keep->first = kept->next;
        locked_free(kept->text);
        free(kept);
    }
}

/* ---- Who uses what ---- */

static int is_named(void *arg, const char *name)
{
    return strcmp(arg, name) == 0;
}

static int uses(const struct config_instance *c, const char *name)
{
    for (size_t i = 0; i < c->n_options; i++)
        if (secret_mark_each(c->options[i].text, is_named, (void *)name))
            return 1;
    return 0;
}

const char *node_secret_user(const struct node *node, const char *name, size_t i)
{
    for (size_t k = 0; node->config && k < node->config->n_instances; k++)
        if (uses(&node->config->instances[k], name) && i-- == 0)
            return node->config->instances[k].name;
    return NULL;
}

/* 1 when all options of an instance that use the secret can be told to it while it runs. */
static int is_reloadable(const struct config_instance *c, const char *name)
{
    for (size_t i = 0; i < c->n_options; i++) {
        int at = option_find(c->info->options, sizeof(struct aiex_option), c->options[i].name);

        if (secret_mark_each(c->options[i].text, is_named, (void *)name) &&
            (at < 0 || !(c->info->options[at].flags & AIEX_OPT_RELOADABLE)))
            return 0;
    }
    return c->info->has_reload;
}

/* The marks of the running configuration get the new revision, as a reload of it would find them. */
static void renew_marks(struct node *node, struct config_instance *c, const char *name, const char *revision)
{
    for (size_t i = 0; i < c->n_options; i++) {
        auto_free char *text = NULL;

        if (!secret_mark_each(c->options[i].text, is_named, (void *)name))
            continue;
        text = secret_mark_renew(c->options[i].text, name, revision);
        if (text) /* the same length: the marks are where they were */
            config_set_text(node->config, &c->options[i], text);
    }
}

static void tell_unit(struct unit *unit, const struct config_instance *c)
{
    unsigned index = 0;

    list_each(it, &unit->instances) {
        if (unit->serving && !strcmp(unit_section(list_of(it, struct node_instance, link)), c->name))
            process_reload(unit->serving, index, c);
        index++;
    }
}

static void tell_instance(struct node *node, const struct config_instance *c, const char *name)
{
    struct aiex_error err = {""};

    if (!c->keys.enabled || !c->info)
        return;
    if (is_reloadable(c, name)) {
        list_each(it, &node->units)
            tell_unit(list_of(it, struct unit, link), c);
    } else if (node_replace(node, c->name, &err) < 0) {
        log_warn("[%s] goes on with the old value of secret '%s': %s", c->name, name, err.text);
    }
}

/* ---- What operators do ---- */

int node_secret_set(struct node *node, const char *name, struct aiex_slice value, struct aiex_error *err)
{
    struct vault *vault = running_vault(node, err);
    char revision[VAULT_REVISION_TEXT];
    int r = vault ? vault_set(vault, name, value.data, value.len, clock_wall_ms(), err) : -ENOMEM;

    if (r == 0)
        r = vault_look(vault, name, revision, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < node->config->n_instances; i++) {
        struct config_instance *c = &node->config->instances[i];

        if (!uses(c, name))
            continue;
        renew_marks(node, c, name, revision);
        tell_instance(node, c, name);
    }
    return 0;
}

int node_secret_remove(struct node *node, const char *name, int force, struct aiex_error *err)
{
    const char *user = node_secret_user(node, name, 0);
    struct vault *vault = running_vault(node, err);

    if (!vault)
        return -ENOMEM;
    if (user && !force)
        return fail(err, -EBUSY, "secret '%s' is used by %s; change its configuration, or remove it by force",
                    name, user);
    return vault_remove(vault, name, err);
}

int node_secret_rotate(struct node *node, struct aiex_slice key, const char **ret_where, int *ret_by_hand,
                       struct aiex_error *err)
{
    struct vault *vault = running_vault(node, err);
    struct master_key given = {0};
    int r = vault ? 0 : -ENOMEM;

    if (r == 0 && key.len)
        r = master_key_parse(key.data, key.len, &given);
    if (r == -EINVAL)
        return fail(err, r, "that is no master key: 64 hex digits; make one with: openssl rand -hex 32");
    if (r == 0)
        r = vault_rotate(vault, key.len ? &given : NULL, err);
    master_key_done(&given);
    if (r < 0)
        return r;
    *ret_where = vault_key_source(vault);
    *ret_by_hand = !vault_key_is_in_file(vault);
    return 0;
}

int node_secret(struct node *node, size_t i, struct vault_entry *ret, struct aiex_error *err)
{
    struct vault *vault = running_vault(node, err);

    return vault ? vault_at(vault, i, ret, err) : -ENOMEM;
}
