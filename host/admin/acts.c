/* acts.c - the table of acts, and the policy: see acts.h. */
#include "admin/acts_private.h"

#include <aiex/aiex_pack.h>
#include <string.h>

#define BLANKS " ,\t"

/* clang-format off */
static const struct act_rule rules[] = {
    {"host.config_reload", "config.reload",   NULL,               NULL}, /* acts_ended() tells more */
    {"host.config_show",   "config.read",     NULL,               NULL},
    {"host.load",          "plugin.load",     "plugin.loaded",    "plugin file"},
    {"host.reload",        "plugin.replace",  "plugin.replaced",  "name"},
    {"host.remove",        "plugin.remove",   "plugin.removed",   "name"},
    {"host.trace",         "plugin.trace",    NULL,               "name"},
    {"host.job_run",       "job.run",         "job.begun",        "name"},
    {"host.stop",          "host.stop",       NULL,               NULL},
    {"host.upgrade",       "host.upgrade",    "host.upgraded",    NULL},
    {"host.secret_set",    "secret.set",      "secret.changed",   "name"},
    {"host.secret_list",   "secret.list",     NULL,               NULL},
    {"host.secret_remove", "secret.remove",   "secret.removed",   "name"},
    {"host.secret_rotate", "secret.rotate",   "secret.rotated",   NULL},
    {"store.read",         "data.read",       NULL,               "stream"},
    {"store.range",        "data.read",       NULL,               "table"},
    {"store.get",          "data.read",       NULL,               "table"},
    {"store.subscribe",    "data.read",       NULL,               "name"},
    {"store.snapshot",     "data.read",       NULL,               NULL},
    {"store.append",       "data.append",     NULL,               "stream"}, /* counted; keys are streams, too */
    {"store.transact",     "data.append",     NULL,               NULL},     /* counted */
    {"store.define",       "data.define",     NULL,               "table"},
    {"store.backup",       "data.backup",     "data.backed_up",   "path"},
    {"store.restore",      "data.restore",    "data.restored",    "path"},
    {"store.erase",        "data.erase",      "data.erased",      "stream"},
    {"store.compact",      "data.compact",    "data.compacted",   "stream"},
    {"store.rewrite",      "data.rewrite",    "data.rewritten",   NULL},
    {"checkpoints.create", "data.checkpoint", "data.checkpointed", "name id"},
    {"checkpoints.restore", "data.restore",   "data.restored",    "name id"},
    {"checkpoints.delete", "data.forget",     "data.forgotten",   "name id"},
    {"checkpoints.prune",  "data.forget",     "data.forgotten",   NULL},
    {"checkpoints.export", "data.export",     "data.exported",    "name id"},
    {"checkpoints.import", "data.import",     "data.imported",    "name path"},
    {"store.freeze",       "data.freeze",     "data.frozen",      NULL},
    {"store.accept",       "data.accept",     "data.accepted",    NULL},
    {"sessions.get",       "session.read",    NULL,               "session"},
    {"sessions.history",   "session.read",    NULL,               "session"},
    {"sessions.rollback",  "session.rollback", "session.rolled_back", "session"},
    {"sessions.delete",    "session.delete",  "session.deleted",  "session"},
    {"responses.get",      "response.read",   NULL,               "id"},
    {"responses.items",    "response.read",   NULL,               "id"},
    {"responses.history",  "response.read",   NULL,               "id"},
    {"responses.delete",   "response.delete", "response.deleted", "id"},
    {"context.get",        "context.read",    NULL,               "id"},
    {"context.search",     "context.read",    NULL,               "session project kind"}, /* not its words */
    {"context.delete",     "context.delete",  "context.deleted",  "id"},
    {"tier.get",           "context.read",    NULL,               NULL},
    {"tier.delete",        "context.delete",  "context.deleted",  NULL},
    {"templates.put",      "config.template", "config.template_set",     "name"},
    {"templates.remove",   "config.template", "config.template_removed", "name"},
    {"audit.read",         "audit.read",      NULL,               NULL},
    {"audit.export",       "audit.export",    "audit.exported",   NULL},
    {"audit.verify",       "audit.verify",    "audit.verified",   NULL},
    {"audit.redact",       "audit.redact",    NULL,               NULL}, /* the log's own entry follows */
    {"audit.rotate_key",   "audit.rotate",    NULL,               NULL},
};
/* clang-format on */

const struct act_rule *acts_rule(const char *method)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (strcmp(rules[i].method, method) == 0)
            return &rules[i];
    return NULL;
}

/* These know `dry_run`. All others do what they are asked, whatever that key says. */
int acts_is_preview(const struct act_rule *rule, struct aiex_slice body)
{
    static const char *const methods[] = {"store.restore", "checkpoints.restore",
                                          "checkpoints.prune"};
    int dry = 0;

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(rule->method, methods[i]) == 0)
            aiex_get_bool(body, "dry_run", &dry);
    return dry;
}

int acts_is_counted(const struct acts *acts, const struct act_rule *rule)
{
    return strcmp(rule->type, "data.append") == 0 && !acts_must(acts, rule->type);
}

static const struct config_instance *log_of(const struct acts *acts)
{
    const struct config *config = node_config(acts->node);

    for (size_t i = 0; config && config->host.audit && i < config->n_instances; i++) {
        const struct config_instance *c = &config->instances[i];

        if (c->keys.enabled && c->info && strncmp(c->info->kind, "audit/", 6) == 0)
            return c;
    }
    return NULL;
}

int acts_are_told(const struct acts *acts)
{
    return log_of(acts) != NULL;
}

const char *acts_log(const struct acts *acts)
{
    const struct config_instance *c = log_of(acts);

    return c ? c->name : "";
}

/* Words with blanks or commas between them; * at the end of one stands for anything. */
static int is_listed(const char *list, const char *type)
{
    for (;;) {
        size_t n;

        list += strspn(list, BLANKS);
        n = strcspn(list, BLANKS);
        if (n == 0)
            return 0;
        if (list[n - 1] == '*' ? strncmp(type, list, n - 1) == 0
                               : strlen(type) == n && memcmp(type, list, n) == 0)
            return 1;
        list += n;
    }
}

int acts_must(const struct acts *acts, const char *type)
{
    const struct config_instance *c = log_of(acts);
    const char *list = c ? config_effective(c, "must") : NULL;

    return list && is_listed(list, type);
}
