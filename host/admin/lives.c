/*
 * lives.c - what the audit log is told without anybody having asked: plugins that start, crash and are
 * given up, the layers of the sandbox that they lack, secrets that they are given, the host's own begin
 * and end, reloads by signal.
 */
#include "admin/admin_private.h"

#include "base/log.h"

#include <aiex/aiex_pack.h>
#include <string.h>

/* ---- Plugins ---- */

static int find_info(struct admin *admin, const char *instance, struct node_instance_info *ret)
{
    for (unsigned i = 0; node_instance(admin->node, i, ret) == 0; i++)
        if (strcmp(ret->name, instance) == 0)
            return 1;
    memset(ret, 0, sizeof(*ret));
    return 0;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* "-layer" of lines "+layer" and "-layer", with blanks between them. */
static void find_missing(const char *sandbox, char *out, size_t size)
{
    out[0] = 0;
    while (sandbox && *sandbox) {
        size_t n = strcspn(sandbox, "\n"), at = strlen(out);

        if (*sandbox == '-' && at + n < size)
            snprintf(out + at, size - at, "%s%.*s", at ? " " : "", (int)n - 1, sandbox + 1);
        sandbox += n + (sandbox[n] == '\n');
    }
}

void lives_state(struct admin *admin, const char *instance, const char *state, const char *why)
{
    struct node_instance_info info;
    char type[40], missing[200];
    struct pack p;

    if (!acts_are_told(admin->acts))
        return;
    find_info(admin, instance, &info);
    find_missing(strcmp(state, "up") == 0 ? info.sandbox : "", missing, sizeof(missing));
    snprintf(type, sizeof(type), "plugin.%s", state);
    pack_init(&p, 4096);
    pack_map(&p, 4);
    pack_key_str(&p, "reason", why);
    pack_key_str(&p, "version", or_empty(info.version));
    pack_key_str(&p, "last_exit", or_empty(info.last_exit));
    pack_key_str(&p, "sandbox_missing", missing);
    acts_tell(admin->acts, type, "host", instance, pack_slice(&p));
    pack_done(&p);
}

/* ---- Secrets ---- */

static void on_secret(void *arg, const char *instance, const char *option, const char *secret)
{
    struct admin *admin = arg;
    struct pack p;

    pack_init(&p, 512);
    pack_map(&p, 1);
    pack_key_str(&p, "option", option);
    acts_tell(admin->acts, "secret.opened", instance, secret, pack_slice(&p));
    pack_done(&p);
}

void lives_begin(struct admin *admin)
{
    node_on_secret(admin->node, on_secret, admin);
}

/* ---- The host ---- */

void admin_begun(struct admin *admin, const char *how)
{
    acts_tell(admin->acts, "host.started", "host", how, (struct aiex_slice){0});
}

void admin_stopping(struct admin *admin, const char *why)
{
    acts_tell(admin->acts, "host.stopping", "host", why, (struct aiex_slice){0});
    acts_count_tell(admin->acts);
    acts_flush(admin->acts); /* the cells end in a moment */
}

static void on_asked(void *arg, int may_go, const char *reason)
{
    struct admin *admin = arg;

    admin->reloading = NULL;
    if (!may_go) {
        log_error("no reload: %s", reason);
        acts_refused(admin->acts, "config.reload", "signal", NULL);
        return;
    }
    acts_configured(admin->acts, "signal", admin->reload() == 0, 0);
}

void admin_reload(struct admin *admin, int (*reload)(void))
{
    admin->reload = reload;
    if (admin->reloading)
        return; /* one reload for both */
    if (!acts_are_told(admin->acts))
        (void)reload();
    else if (acts_ask(admin->acts, "config.reload", "signal", NULL, on_asked, admin, &admin->reloading) < 0)
        log_error("no reload: the audit log can not be asked");
}
