/*
 * ask.c - the half of rig.h that asks a running host: calls, the list of instances, and
 * waiting until something holds.
 */
#include "rig.h"

#include <stdint.h>
#include <string.h>

/* ---- Calls ---- */

static void take_end(struct answer *a, const struct frame *f)
{
    a->got = 1;
    memcpy(a->code, f->code, sizeof(a->code));
    memcpy(a->text, f->text, sizeof(a->text));
    a->retry_after_ms = f->retry_after_ms;
    if (f->body.len <= sizeof(a->mem)) {
        memcpy(a->mem, f->body.data, f->body.len);
        a->body.len = f->body.len;
    }
}

static void call_to(struct rig *rig, const char *service, const char *method,
                    struct aiex_slice body, uint32_t timeout_ms, struct answer *a)
{
    int64_t id = client_call(rig->client, service, method, body, timeout_ms);
    int64_t until = now_ms() + RIG_WAIT_MS + timeout_ms;
    struct frame f;

    memset(a, 0, sizeof(*a));
    while (!a->got && now_ms() < until &&
           client_next(rig->client, &f, (int)(until - now_ms())) == 1) {
        if (f.id != id)
            continue;
        if (f.is_part) {
            a->n_parts++;
            a->part_bytes += f.body.len;
            client_credit(rig->client, id, (uint32_t)f.body.len);
        } else {
            take_end(a, &f);
        }
    }
}

struct answer rig_ask(struct rig *rig, const char *service, const char *method,
                      struct aiex_slice body, uint32_t timeout_ms)
{
    static struct answer answers[4]; /* their bodies point into themselves */
    static unsigned turn;
    struct answer *a = &answers[turn++ % 4];

    call_to(rig, service, method, body, timeout_ms, a);
    a->body.data = a->mem;
    return *a;
}

struct answer rig_call(struct rig *rig, const char *service, const char *method, int64_t n,
                       const char *text)
{
    return rig_ask(rig, service, method, body_of(n, text), 0);
}

int64_t answer_int(const struct answer *a, const char *key)
{
    int64_t v = INT64_MIN;

    aiex_get_int(a->body, key, &v);
    return v;
}

int rig_echo(struct rig *rig, const char *service)
{
    static int64_t n;
    struct answer a = rig_call(rig, service, "echo", ++n, NULL);

    return a.got && !a.code[0] && answer_int(&a, "n") == n;
}

int rig_host(struct rig *rig, const char *method, const char *key, const char *value,
             struct answer *ret)
{
    uint8_t mem[600];
    struct aiex_writer w;
    struct answer a;
    int ok = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, key ? 1 : 0);
    if (key)
        aiex_w_key_str(&w, key, value);
    a = rig_ask(rig, "host", method, aiex_written(&w), 0);
    if (ret)
        *ret = a;
    return a.got && !a.code[0] && aiex_get_bool(a.body, "ok", &ok) == 1 && ok;
}

/* ---- Instances ---- */

static void fill_plugin(struct plugin *p, struct aiex_slice item)
{
    int64_t pid = 0;

    p->found = 1;
    aiex_get_text(item, "name", p->name, sizeof(p->name));
    aiex_get_text(item, "state", p->state, sizeof(p->state));
    aiex_get_text(item, "reason", p->reason, sizeof(p->reason));
    aiex_get_text(item, "last_exit", p->last_exit, sizeof(p->last_exit));
    aiex_get_int(item, "pid", &pid);
    aiex_get_int(item, "restarts", &p->restarts);
    aiex_get_int(item, "rss_bytes", &p->rss_bytes);
    aiex_get_int(item, "in_flight", &p->in_flight);
    aiex_get_int(item, "next_try_ms", &p->next_try_ms);
    aiex_get_int(item, "uptime_ms", &p->uptime_ms);
    p->pid = (pid_t)pid;
}

/* Fills up to `max` of those that `name` names, or of all. */
static int take_plugins(struct aiex_slice body, const char *name, struct plugin *out, int max)
{
    struct aiex_slice at, item, its;
    struct aiex_value list;
    int n = 0;

    if (aiex_get(body, "plugins", &list) != 1 || list.type != AIEX_T_ARRAY)
        return 0;
    at = list.bytes;
    for (uint32_t i = 0; i < list.count && n < max; i++) {
        item = at;
        if (aiex_r_skip(&at) != 0)
            return n;
        item.len -= at.len;
        if (!name || (aiex_get_str(item, "name", &its) == 1 && aiex_slice_is(its, name)))
            fill_plugin(&out[n++], item);
    }
    return n;
}

static int list_plugins(struct rig *rig, const char *name, struct plugin *out, int max)
{
    int64_t id = client_call(rig->client, "host", "host.plugins", (struct aiex_slice){0}, 0);
    struct frame f;

    while (client_next(rig->client, &f, RIG_WAIT_MS) == 1)
        if (f.id == id)
            return take_plugins(f.body, name, out, max);
    return 0;
}

struct plugin rig_plugin(struct rig *rig, const char *name)
{
    struct plugin p = {0};

    list_plugins(rig, name, &p, 1);
    return p;
}

int rig_plugins(struct rig *rig, struct plugin *out, int max)
{
    memset(out, 0, sizeof(*out) * (size_t)max);
    return list_plugins(rig, NULL, out, max);
}

int rig_until(struct rig *rig, int (*test)(struct rig *rig, void *arg), void *arg)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    struct frame f;

    for (;;) {
        if (test(rig, arg))
            return 1;
        if (now_ms() >= until)
            return 0;
        /* an event, or a little later for what has none */
        if (client_next(rig->watch, &f, 20) == 1 && f.is_part)
            client_credit(rig->watch, f.id, (uint32_t)f.body.len);
    }
}

struct wanted {
    const char *name, *state;
    int64_t restarts;
    pid_t not_pid;
};

static int is_wanted(struct rig *rig, void *arg)
{
    struct wanted *w = arg;
    struct plugin p = rig_plugin(rig, w->name);

    return p.found && !strcmp(p.state, w->state) && p.restarts >= w->restarts &&
           p.pid != w->not_pid;
}

int rig_until_state(struct rig *rig, const char *name, const char *state)
{
    return rig_until(rig, is_wanted, &(struct wanted){name, state, 0, -1});
}

int rig_until_back(struct rig *rig, const char *name, int64_t restarts, pid_t not_pid)
{
    return rig_until(rig, is_wanted, &(struct wanted){name, "up", restarts, not_pid});
}
