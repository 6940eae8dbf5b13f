/* aggregate.c - the commands that run: begun, cancelled, all of them. What one does: command.h. */
#include "command.h"

#include <errno.h>
#include <stdio.h>

/* ---- Life ---- */

int aiex_aggregates_new(const struct aiex_aggregates_setting *setting,
                        struct aiex_aggregates **ret_a)
{
    const struct aiex_host *host = setting->host;
    struct aiex_aggregates *a = host->alloc(host, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->setting = *setting;
    a->setting.store = setting->store ? setting->store : "store";
    a->setting.level = setting->level ? setting->level : "synced";
    a->setting.max_commands = setting->max_commands ? setting->max_commands : 256;
    a->setting.max_tries = setting->max_tries ? setting->max_tries : 10;
    a->setting.timeout_ms = setting->timeout_ms ? setting->timeout_ms : 10000;
    *ret_a = a;
    return 0;
}

void ev_command_drop_state(struct command *c)
{
    if (c->state && c->type->done)
        c->type->done(c->state);
    c->ask.host->release(c->ask.host, c->state);
    c->state = NULL;
}

static void command_free(void *owner)
{
    struct command *c = owner;
    const struct aiex_host *host = c->ask.host;

    ev_command_drop_state(c);
    ev_decision_done(&c->decision);
    host->release(host, (void *)(uintptr_t)c->body.data);
    host->release(host, c);
}

void ev_command_unlink(struct command *c)
{
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    c->a->n--;
}

void aiex_aggregates_free(struct aiex_aggregates *a)
{
    if (!a)
        return;
    while (a->first) {
        struct command *c = a->first;

        ev_command_unlink(c);
        ev_asking_release(&c->ask);
    }
    a->setting.host->release(a->setting.host, a);
}

uint32_t aiex_commands_running(const struct aiex_aggregates *a)
{
    return a->n;
}

int aiex_command_cancel(struct aiex_aggregates *a, uint64_t id)
{
    struct command *c = a->first;

    while (c && c->id != id)
        c = c->next;
    if (!c)
        return -ENOENT;
    ev_command_unlink(c);
    ev_asking_release(&c->ask);
    return 0;
}

/* ---- Beginning ---- */

static int copy_text(char out[COMMAND_TEXT + 1], const char *text)
{
    if (text && strlen(text) > COMMAND_TEXT)
        return -EINVAL;
    if (text)
        strcpy(out, text);
    return 0;
}

static int fill(struct command *c, const struct aiex_command *from)
{
    const struct aiex_host *host = c->ask.host;
    int n = snprintf(c->stream, sizeof(c->stream), "%s-%s", from->type->name, from->id);

    if (!*from->id || (size_t)n >= sizeof(c->stream) ||
        copy_text(c->correlation, from->correlation) < 0 ||
        copy_text(c->causation, from->causation) < 0)
        return -EINVAL;
    c->type = from->type;
    c->only_load = from->only_load;
    if (from->body.len) {
        uint8_t *copy = host->alloc(host, from->body.len);

        if (!copy)
            return -ENOMEM;
        memcpy(copy, from->body.data, from->body.len);
        c->body.data = copy;
        c->body.len = from->body.len;
    }
    return ev_command_fresh(c);
}

static void link_command(struct aiex_aggregates *a, struct command *c)
{
    c->id = ++a->last_id;
    c->next = a->first;
    c->at = &a->first;
    if (c->next)
        c->next->at = &c->next;
    a->first = c;
    a->n++;
}

int aiex_command_run(struct aiex_aggregates *a, const struct aiex_command *from, aiex_command_fn fn,
                     void *arg, uint64_t *ret_id)
{
    const struct aiex_host *host = a->setting.host;
    struct command *c;
    int r;

    if (a->n >= a->setting.max_commands)
        return -EBUSY;
    c = host->alloc(host, sizeof(*c));
    if (!c)
        return -ENOMEM;
    c->ask = (struct asking){.host = host,
                             .service = a->setting.store,
                             .timeout_ms = a->setting.timeout_ms,
                             .trace = from->trace,
                             .free = command_free,
                             .owner = c};
    c->a = a;
    c->fn = fn;
    c->arg = arg;
    c->actual = -1;
    c->decision.host = host;
    c->type = from->type;
    r = fill(c, from);
    if (r < 0) {
        command_free(c);
        return r;
    }
    link_command(a, c);
    if (ret_id)
        *ret_id = c->id;
    if (c->type->snapshot_every)
        ev_command_load(c);
    else
        ev_command_read(c);
    return 0;
}
