/* acts_call.c - what became of an act: its outcome as another entry. */
#include "admin/acts_private.h"

#include <aiex/aiex_pack.h>
#include <string.h>

#define PAYLOAD_MAX 4096u

/* Answers that say `ok` false have failed as well. */
static int is_good(const struct aiex_answer *end)
{
    int ok = 1;

    aiex_get_bool(end->body, "ok", &ok);
    return !end->code && ok;
}

static size_t n_errors(const struct aiex_answer *end)
{
    struct aiex_value v = {0};

    return aiex_get(end->body, "errors", &v) == 1 && v.type == AIEX_T_ARRAY ? v.count : 0;
}

static void tell_failed(struct acts *acts, const struct act_rule *rule, const char *actor,
                        const char *subject, const struct aiex_answer *end)
{
    struct pack p;
    char type[80];

    snprintf(type, sizeof(type), "%s.failed", rule->type);
    pack_init(&p, PAYLOAD_MAX);
    pack_map(&p, 1);
    pack_key_str(&p, "code", end->code ? end->code : AIEX_E_INVALID);
    acts_tell(acts, type, actor, subject, pack_slice(&p));
    pack_done(&p);
}

void acts_ended(struct acts *acts, const struct act_rule *rule, const char *actor, const char *subject,
                const struct aiex_answer *end)
{
    if (strcmp(rule->method, "host.config_reload") == 0)
        acts_configured(acts, actor, is_good(end), n_errors(end));
    else if (!is_good(end))
        tell_failed(acts, rule, actor, subject, end);
    else if (rule->done)
        acts_tell(acts, rule->done, actor, subject, (struct aiex_slice){0});
    if (is_good(end) && strcmp(rule->method, "host.load") == 0)
        acts_configured(acts, actor, 1, 0);
}

void acts_refused(struct acts *acts, const char *type, const char *actor, const char *subject)
{
    char refused[80];

    snprintf(refused, sizeof(refused), "%s.refused", type);
    acts_tell(acts, refused, actor, subject, (struct aiex_slice){0});
}

/* ---- Configurations ---- */

/* {changed: {NAME: "option option"}, host, settings}; an instance that came or went says so. */
static void pack_changed(struct pack *p, struct node *node)
{
    enum config_change change;
    const char *name;
    unsigned n = 0;

    while (n < 64 && node_change(node, n, &name, &change) == 0)
        n++;
    pack_map(p, 3);
    pack_key_str(p, "host", node_change_host(node));
    pack_key_str(p, "settings", node_change_settings(node));
    pack_str(p, "changed");
    pack_map(p, n);
    for (unsigned i = 0; i < n; i++) {
        char text[CONFIG_NAMES_BYTES + 32];

        node_change(node, i, &name, &change);
        snprintf(text, sizeof(text), "%s: %s", config_change_name(change), node_change_names(node, i));
        pack_key_str(p, name, text);
    }
}

void acts_configured(struct acts *acts, const char *actor, int ok, size_t n_errors)
{
    struct pack p;

    if (!acts_are_told(acts))
        return;
    pack_init(&p, PAYLOAD_MAX + 64 * (CONFIG_NAMES_BYTES + 100));
    if (ok) {
        pack_changed(&p, acts->node);
    } else {
        pack_map(&p, 1);
        pack_key_int(&p, "errors", (int64_t)n_errors);
    }
    acts_tell(acts, ok ? "config.reloaded" : "config.reload.failed", actor, NULL, pack_slice(&p));
    pack_done(&p);
}
