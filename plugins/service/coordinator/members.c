/*
 * members.c - the providers: who they are, whether they are healthy, what they list.
 *
 * Who: the option `providers`, or every instance of kind provider/1 that host.plugins
 * names. Health: events as they happen, and a question to each every health_interval.
 * Members are never removed, so that running requests may point at them; one that
 * the host no longer names is not `present`.
 */
#include "coordinator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS        2000u
#define MODELS_ASK_MS 20000u
#define MODELS_OLD_MS 60000u
#define READY_MS      2000u /* requests wait at most that long for the first round */

static void ask_plugins(struct coordinator *c);

static int is_offline_name(const char *name)
{
    static const char plugin[] = "provider_offline";
    size_t n = sizeof(plugin) - 1;

    return strncmp(name, plugin, n) == 0 && (!name[n] || name[n] == ':');
}

static struct member *find(struct coordinator *c, struct aiex_slice name)
{
    for (size_t i = 0; i < c->n_members; i++)
        if (aiex_slice_is(name, c->members[i]->name))
            return c->members[i];
    return NULL;
}

/* The member of that name, made when it is new; NULL when there is no room or memory. */
static struct member *join(struct coordinator *c, const char *name, size_t len)
{
    struct member *m = find(c, (struct aiex_slice){(const uint8_t *)name, len});

    if (m || len == 0 || len > AIEX_MAX_NAME || c->n_members == MAX_MEMBERS)
        return m;
    m = c->host->alloc(c->host, sizeof(*m));
    if (!m)
        return NULL;
    m->c = c;
    m->index = (unsigned)c->n_members;
    memcpy(m->name, name, len);
    m->offline = is_offline_name(m->name) || strcmp(c->config->fallback, m->name) == 0;
    snprintf(m->reason, sizeof(m->reason), "not asked yet");
    c->members[c->n_members++] = m;
    return m;
}

/* ---- The first round ---- */

static int round_is_over(const struct coordinator *c)
{
    if (c->plugins_call || c->in_round)
        return 0;
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i]->health_call ||
            (c->members[i]->models_call && !c->members[i]->models.mem))
            return 0;
    return 1;
}

static void become_ready(struct coordinator *c)
{
    if (c->ready)
        return;
    c->ready = 1;
    if (c->ready_timer)
        c->host->unwatch(c->host, c->ready_timer);
    c->ready_timer = 0;
    route_release(c);
    report_release(c);
}

static void maybe_ready(struct coordinator *c)
{
    if (round_is_over(c))
        become_ready(c);
}

static void on_ready_timer(void *arg)
{
    struct coordinator *c = arg;

    c->ready_timer = 0;
    become_ready(c);
}

/* ---- Questions ---- */

static int ask(struct coordinator *c, const char *service, const char *method, uint32_t timeout_ms,
               aiex_answer_fn fn, void *arg, uint64_t *ret_call)
{
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_IDEMPOTENT,
                             .service = service,
                             .method = method,
                             .timeout_ms = timeout_ms};
    uint64_t call = 0;
    int r;

    *ret_call = UINT64_MAX; /* running, also while call() has not returned */
    r = c->host->call(c->host, &q, fn, arg, &call);
    if (r != 0)
        *ret_call = 0;
    else if (*ret_call)
        *ret_call = call;
    return r;
}

static void on_models(void *arg, const struct aiex_answer *a)
{
    struct member *m = arg;

    if (a->kind != AIEX_ANSWER_END)
        return;
    m->models_call = 0;
    if (!a->code && lists_take(&m->models, a->body) == 0) {
        int complete = 1;

        aiex_get_bool(a->body, "complete", &complete);
        m->models.read_ms = m->c->host->now_ms(m->c->host);
        if (!complete && m->models.n == 0)
            lists_done(&m->models); /* it has never been able to ask: unknown, not empty */
    }
    maybe_ready(m->c);
}

static void ask_models(struct member *m)
{
    if (m->models_call == 0)
        ask(m->c, m->name, "provider.models", MODELS_ASK_MS, on_models, m, &m->models_call);
}

static int models_are_old(const struct member *m)
{
    uint64_t now = m->c->host->now_ms(m->c->host);

    return !m->models.mem || now - m->models.read_ms >= MODELS_OLD_MS;
}

static void set_health(struct member *m, int healthy, const char *reason, size_t len)
{
    int came_up = healthy && !m->healthy, went_down = !healthy && m->healthy;

    m->healthy = healthy;
    if (came_up)
        m->lacks = 0; /* it may be another program by now */
    snprintf(m->reason, sizeof(m->reason), "%.*s", (int)(len < 150 ? len : 150), reason);
    if (went_down) {
        wait_flush(m);
        recover_drain_all(m);
    }
    if (came_up || (healthy && models_are_old(m)))
        ask_models(m); /* last: the answer may come inside, and requests go on with what is known */
}

void members_gone(struct member *m, const char *why)
{
    set_health(m, 0, why, strlen(why));
}

static void take_health(struct member *m, struct aiex_slice body)
{
    struct aiex_slice reason = {(const uint8_t *)"", 0};
    int healthy = 0;

    aiex_get_bool(body, "healthy", &healthy);
    aiex_get_str(body, "reason", &reason);
    set_health(m, healthy, (const char *)reason.data, reason.len);
}

static void on_health(void *arg, const struct aiex_answer *a)
{
    struct member *m = arg;

    if (a->kind != AIEX_ANSWER_END)
        return;
    m->health_call = 0;
    if (a->code)
        members_gone(m, a->text && a->text[0] ? a->text : a->code);
    else
        take_health(m, a->body);
    maybe_ready(m->c);
}

static void ask_health(struct coordinator *c)
{
    c->in_round = 1;
    for (size_t i = 0; i < c->n_members; i++) {
        struct member *m = c->members[i];

        if (m->present && m->health_call == 0)
            ask(c, m->name, "provider.health", ASK_MS, on_health, m, &m->health_call);
    }
    c->in_round = 0;
    maybe_ready(c);
}

/* ---- Who they are ---- */

static void take_plugin(struct coordinator *c, struct aiex_slice entry)
{
    struct aiex_slice name = {NULL, 0}, plugin = {NULL, 0}, kind = {NULL, 0};
    struct member *m;

    if (aiex_get_str(entry, "name", &name) != 1 || aiex_get_str(entry, "kind", &kind) != 1)
        return;
    if (!aiex_slice_is(kind, "provider/1"))
        return;
    m = join(c, (const char *)name.data, name.len);
    if (!m)
        return;
    m->present = 1;
    if (aiex_get_str(entry, "plugin", &plugin) == 1 && aiex_slice_is(plugin, "provider_offline"))
        m->offline = 1;
}

static void on_plugins(void *arg, const struct aiex_answer *a)
{
    struct coordinator *c = arg;
    struct aiex_value list;

    if (a->kind != AIEX_ANSWER_END)
        return;
    c->plugins_call = 0;
    if (!a->code && aiex_get(a->body, "plugins", &list) == 1 && list.type == AIEX_T_ARRAY) {
        struct aiex_slice at = list.bytes;

        for (size_t i = 0; i < c->n_members; i++)
            c->members[i]->present = 0;
        for (uint32_t i = 0; i < list.count; i++) {
            struct aiex_slice entry = at;

            if (aiex_r_skip(&at) != 0)
                break;
            entry.len -= at.len;
            take_plugin(c, entry);
        }
    }
    ask_health(c);
}

static int by_option(const struct coordinator *c)
{
    return strcmp(c->config->providers, "auto") != 0;
}

static void ask_plugins(struct coordinator *c)
{
    if (by_option(c))
        ask_health(c);
    else if (c->plugins_call == 0 &&
             ask(c, "host", "host.plugins", ASK_MS, on_plugins, c, &c->plugins_call) != 0)
        ask_health(c);
}

static void on_round(void *arg)
{
    ask_plugins(arg);
}

static int join_listed(struct coordinator *c, struct aiex_error *err)
{
    const char *at = c->config->providers, *fallback = c->config->fallback;
    struct member *m;
    size_t n;

    for (at += strspn(at, ", "); *at; at += n + strspn(at + n, ", ")) {
        n = strcspn(at, ", ");
        m = join(c, at, n);
        if (!m) {
            snprintf(err->text, sizeof(err->text),
                     "option 'providers': '%.*s' is no instance name or one too many (at most %u)",
                     (int)(n < 80 ? n : 80), at, MAX_MEMBERS);
            return -1;
        }
        m->present = 1;
    }
    if (strcmp(fallback, "none") == 0)
        return 0;
    if (strcmp(fallback, "auto") == 0)
        fallback = "provider_offline";
    m = join(c, fallback, strlen(fallback));
    if (m)
        m->present = 1;
    return 0;
}

int members_start(struct coordinator *c, struct aiex_error *err)
{
    uint64_t every = (uint64_t)c->config->health_interval;
    int r;

    if (by_option(c) && join_listed(c, err) != 0)
        return -EINVAL;
    r = c->host->subscribe(c->host, "provider.health");
    if (r == 0)
        r = c->host->timer(c->host, READY_MS, 0, on_ready_timer, c, &c->ready_timer);
    if (r == 0)
        r = c->host->timer(c->host, every, every, on_round, c, &c->round_timer);
    if (r != 0) {
        snprintf(err->text, sizeof(err->text), "can not watch the providers (%d)", r);
        return r;
    }
    ask_plugins(c);
    return 0;
}

static void drop(struct coordinator *c, uint64_t call)
{
    if (call && call != UINT64_MAX)
        c->host->cancel(c->host, call);
}

void members_stop(struct coordinator *c)
{
    if (c->round_timer)
        c->host->unwatch(c->host, c->round_timer);
    if (c->ready_timer)
        c->host->unwatch(c->host, c->ready_timer);
    drop(c, c->plugins_call);
    for (size_t i = 0; i < c->n_members; i++) {
        struct member *m = c->members[i];

        drop(c, m->health_call);
        drop(c, m->models_call);
        if (m->wake_timer)
            c->host->unwatch(c->host, m->wake_timer);
        lists_done(&m->models);
        lanes_free(m);
        c->host->release(c->host, m);
    }
    c->n_members = 0;
}

/* ---- News and names ---- */

void members_event(struct coordinator *c, struct aiex_slice envelope)
{
    struct aiex_slice subject = {NULL, 0}, type = {NULL, 0}, data = {NULL, 0}, reason;
    struct member *m;

    reason = (struct aiex_slice){(const uint8_t *)"", 0};
    if (aiex_get_str(envelope, "subject", &subject) != 1 ||
        aiex_get_str(envelope, "type", &type) != 1)
        return;
    m = find(c, subject);
    if (!m || !m->present) {
        ask_plugins(c);
        return;
    }
    if (aiex_get_whole(envelope, "data", &data) == 1)
        aiex_get_str(data, "reason", &reason);
    set_health(m, aiex_slice_is(type, "up"), (const char *)reason.data, reason.len);
}

const struct limit_rule *members_rule(struct member *m)
{
    if (m->rule_version != m->c->plan->version) {
        m->rule = limit_find(&m->c->plan->limits, m->name);
        m->rule_version = m->c->plan->version;
    }
    return m->rule;
}

int members_is_spare(const struct coordinator *c, const struct member *m)
{
    const char *fallback = c->config->fallback;

    return m->offline && strcmp(fallback, "auto") != 0 && strcmp(fallback, m->name) != 0;
}

/* "provider_openai:work" answers to that name and to "openai:work". */
int members_answers(const struct member *m, const char *name, size_t len)
{
    static const char kind[] = "provider_";
    struct aiex_slice s = {(const uint8_t *)name, len};

    if (aiex_slice_is(s, m->name))
        return 1;
    return strncmp(m->name, kind, sizeof(kind) - 1) == 0 &&
           aiex_slice_is(s, m->name + sizeof(kind) - 1);
}

struct member *members_named(struct coordinator *c, const char *model, const char **ret_rest)
{
    const char *slash = strchr(model, '/');

    if (!slash || !slash[1])
        return NULL;
    for (size_t i = 0; i < c->n_members; i++) /* a model that is listed under the whole name wins */
        if (c->members[i]->present && lists_has(&c->members[i]->models, model) == LIST_WITH)
            return NULL;
    for (size_t i = 0; i < c->n_members; i++)
        if (c->members[i]->present &&
            members_answers(c->members[i], model, (size_t)(slash - model))) {
            *ret_rest = slash + 1;
            return c->members[i];
        }
    return NULL;
}

/* ---- How calls end ---- */

const char *const result_names[N_RESULTS] = {
    [RESULT_OK] = "ok",
    [RESULT_INVALID] = "invalid",
    [RESULT_DENIED] = "denied",
    [RESULT_NOT_FOUND] = "not_found",
    [RESULT_CONFLICT] = "conflict",
    [RESULT_BUSY] = "busy",
    [RESULT_TIMEOUT] = "timeout",
    [RESULT_UPSTREAM] = "upstream",
    [RESULT_UNAVAILABLE] = "unavailable",
    [RESULT_CRASHED] = "crashed",
    [RESULT_CANCELLED] = "cancelled",
    [RESULT_INTERNAL] = "internal",
};

enum result result_of(const char *code)
{
    if (!code)
        return RESULT_OK;
    for (int i = 1; i < N_RESULTS; i++)
        if (strcmp(result_names[i], code) == 0)
            return (enum result)i;
    return RESULT_INTERNAL;
}
