/*
 * route.c - a request from its arrival to the first choice, and its two ends outside of the way:
 * the client leaves, everything stops. The request to a provider is packed once; what differs
 * between attempts stands at its end (leg.c).
 */
#include "route.h"

#include <aiex_chat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_BYTES  256u
#define MAX_DIALECT 32u

const char *const operation_names[N_OPERATIONS] = {"chat", "complete", "embed", "count"};

uint64_t route_now(const struct route *r)
{
    return r->c->host->now_ms(r->c->host);
}

/* ---- Sinks ---- */

static struct sink **slot_of(struct coordinator *c, uint64_t id)
{
    struct sink **at = &c->sinks[(id ^ id >> 32) % BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next_id;
    return at;
}

struct sink *route_sink(struct coordinator *c, uint64_t id)
{
    return *slot_of(c, id);
}

static void add_sink(struct route *r, struct sink *s)
{
    struct sink **at = &r->sinks;

    while (*at)
        at = &(*at)->next;
    *at = s;
    s->route = r;
    s->next_id = NULL;
    *slot_of(r->c, s->id) = s;
}

/* Its client is answered or gone. Freed at once, or when no parts are being handed out. */
void route_drop_sink(struct sink *s)
{
    struct route *r = s->route;
    struct sink **slot = slot_of(r->c, s->id), **at = &r->sinks;

    if (*slot == s)
        *slot = s->next_id;
    s->gone = 1;
    if (r->calling)
        return;
    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (s->own)
        free(s);
}

int route_listeners(const struct route *r)
{
    int n = 0;

    for (const struct sink *s = r->sinks; s; s = s->next)
        n += !s->gone;
    return n;
}

int route_join(struct route *r, struct route *newcomer)
{
    size_t len = newcomer->lead.account.len;
    struct sink *s = calloc(1, sizeof(*s) + len);

    if (!s)
        return -ENOMEM;
    *s = newcomer->lead;
    s->own = 1;
    s->next = NULL;
    if (len)
        memcpy(s + 1, s->account.data, len);
    s->account.data = (uint8_t *)(s + 1);
    route_drop_sink(&newcomer->lead);
    s->gone = 0;
    add_sink(r, s);
    return 0;
}

/* ---- Life ---- */

static void unwait(struct route *r)
{
    struct route **at = &r->c->waiting;

    while (*at && *at != r)
        at = &(*at)->next_waiting;
    if (*at) {
        *at = r->next_waiting;
        r->c->n_waiting--;
    }
}

/* All clients have their end. */
static void drop_sinks(struct route *r)
{
    struct sink *next;

    for (struct sink *s = r->sinks; s; s = next) {
        next = s->next;
        if (!s->gone || !r->calling)
            route_drop_sink(s);
    }
}

void route_free(struct route *r)
{
    if (r->calling) {
        r->free_later = 1;
        return;
    }
    drop_sinks(r);
    if (r->state == ROUTE_READY)
        unwait(r);
    wait_stop(r);
    hits_leave(r);
    if (r->state == ROUTE_GHOST)
        settle_forget(r);
    *(r->prev ? &r->prev->next : &r->c->routes) = r->next;
    if (r->next)
        r->next->prev = r->prev;
    for (unsigned i = 0; i < r->n_tries; i++)
        free(r->tries[i].text);
    tape_unref(r->tape);
    plan_unref(r->plan);
    free(r->packed);
    free(r->error.body);
    r->c->host->release(r->c->host, r);
}

/* Frees the sinks that went while parts were being handed out. */
static void sweep(struct route *r)
{
    for (struct sink **at = &r->sinks, *s; !r->calling && (s = *at) != NULL;) {
        if (!s->gone) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        if (s->own)
            free(s);
    }
}

void route_enter(struct route *r)
{
    r->calling++;
}

int route_leave(struct route *r)
{
    int over = r->over;

    if (--r->calling)
        return over;
    if (r->free_later) {
        route_free(r);
        return 1;
    }
    sweep(r);
    return over;
}

void route_finish(struct route *r)
{
    r->over = 1;
    r->over_ms = route_now(r);
    drop_sinks(r);
    wait_stop(r);
    hits_leave(r);
    leg_cancel_all(r);
    if (r->unsettled) {
        settle_ghost(r);
        return;
    }
    settle_emit(r);
    route_free(r);
}

/* ---- What is looked for ---- */

int64_t route_setting(int64_t own, int64_t general)
{
    return own >= 0 ? own : general;
}

static void set_alias(struct route *r, const char *model)
{
    r->alias = alias_find(&r->plan->aliases, model);
    snprintf(r->alias_name, sizeof(r->alias_name), "%s", r->alias ? r->alias->name : "");
    r->strategy = r->alias && r->alias->has_strategy ? r->alias->strategy
                                                     : (enum strategy)r->c->config->strategy;
}

void route_aim(struct route *r, const char *model)
{
    const char *standard = r->c->config->auto_model;

    if (strcmp(model, "auto") == 0 && standard[0])
        model = standard;
    snprintf(r->target, sizeof(r->target), "%s", model);
    set_alias(r, r->target);
    r->automatic = strcmp(r->target, "auto") == 0;
    r->bare = r->target;
    r->only = r->alias ? NULL : members_named(r->c, r->target, &r->bare);
}

int64_t route_prompt(struct route *r, int exact)
{
    if (r->prompt < 0)
        r->prompt = (int64_t)(r->body.len / 4 + 1);
    if (exact && !r->prompt_exact) {
        int64_t tokens = aiex_chat_prompt_tokens(aiex_dialect_of(r->dialect), r->body);

        r->prompt_exact = 1;
        if (tokens >= 0)
            r->prompt = tokens;
    }
    return r->prompt;
}

/* ---- Requests ---- */

static int refuse(struct coordinator *c, uint64_t id, const char *code, int http_status,
                  const char *reason, const char *text)
{
    uint8_t mem[256];

    c->host->fail(c->host, id, code, text, 0,
                  ends_details(NULL, http_status, reason, mem, sizeof(mem)));
    return 0;
}

/* The fields of a request as whole msgpack values, found in one walk. */
struct wanted {
    struct aiex_slice dialect, model, body, stream, session, priority, cache, principal, ticket,
        settle, tags, interface;
};

static void find_fields(struct aiex_slice at, struct wanted *q)
{
    static const struct {
        const char *key;
        size_t offset;
    } rows[] = {
        {"dialect", offsetof(struct wanted, dialect)},
        {"model", offsetof(struct wanted, model)},
        {"body", offsetof(struct wanted, body)},
        {"stream", offsetof(struct wanted, stream)},
        {"session", offsetof(struct wanted, session)},
        {"priority", offsetof(struct wanted, priority)},
        {"cache", offsetof(struct wanted, cache)},
        {"principal", offsetof(struct wanted, principal)},
        {"ticket", offsetof(struct wanted, ticket)},
        {"settle", offsetof(struct wanted, settle)},
        {"tags", offsetof(struct wanted, tags)},
        {"interface", offsetof(struct wanted, interface)},
    };
    struct aiex_value v;

    if (aiex_r_value(&at, &v) != 0 || v.type != AIEX_T_MAP)
        return;
    for (uint32_t left = v.count; left > 0; left--) {
        struct aiex_slice value;

        if (aiex_r_value(&at, &v) != 0)
            return;
        value = at;
        if (aiex_r_skip(&at) != 0)
            return;
        value.len -= at.len;
        for (size_t i = 0; v.type == AIEX_T_STR && i < sizeof(rows) / sizeof(rows[0]); i++)
            if (v.bytes.len && v.bytes.data[0] == (uint8_t)rows[i].key[0] &&
                aiex_slice_is(v.bytes, rows[i].key))
                *(struct aiex_slice *)((uint8_t *)q + rows[i].offset) = value;
    }
}

static int is_type(struct aiex_slice whole, uint32_t type, struct aiex_value *v)
{
    return whole.len && aiex_r_value(&whole, v) == 0 && v->type == type;
}

static struct aiex_slice text_of(struct aiex_slice whole)
{
    struct aiex_value v;

    return is_type(whole, AIEX_T_STR, &v) ? v.bytes : (struct aiex_slice){NULL, 0};
}

static int64_t int_of(struct aiex_slice whole)
{
    struct aiex_value v;

    return is_type(whole, AIEX_T_INT, &v) ? v.i : 0;
}

/* Checks what must be right; NULL, or a sentence for the client. */
static const char *check(const struct wanted *q)
{
    struct aiex_slice dialect = text_of(q->dialect), model = text_of(q->model);
    struct aiex_value v;

    if (dialect.len == 0 || dialect.len > MAX_DIALECT)
        return "field 'dialect' (str, at most 32 bytes) is missing or wrong";
    if (model.len == 0 || model.len > MAX_MODEL || memchr(model.data, 0, model.len))
        return "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    if (!is_type(q->body, AIEX_T_BIN, &v) && !is_type(q->body, AIEX_T_STR, &v))
        return "field 'body' (bin) is missing";
    if (q->stream.len && !is_type(q->stream, AIEX_T_BOOL, &v))
        return "field 'stream' is not a bool";
    if (q->principal.len && !is_type(q->principal, AIEX_T_MAP, &v))
        return "field 'principal' is not a map";
    if (q->tags.len && !is_type(q->tags, AIEX_T_MAP, &v))
        return "field 'tags' is not a map";
    return NULL;
}

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct aiex_slice write_account(struct route *r, const struct wanted *q, uint8_t *mem,
                                       size_t size)
{
    struct account a = {.id = r->trace,
                        .serial = r->serial,
                        .cell = r->c->cell,
                        .time_ms = wall_ms(),
                        .ticket = int_of(q->ticket),
                        .settle = r->lead.settle,
                        .operation = operation_names[r->op],
                        .asked = r->asked,
                        .alias = r->alias_name,
                        .strategy = strategy_names[r->strategy],
                        .principal = q->principal,
                        .tags = q->tags,
                        .interface = q->interface,
                        .dialect = q->dialect,
                        .stream = r->stream,
                        .prompt = route_prompt(r, 0)};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    account_write(&w, &a);
    return aiex_written(&w);
}

/* What lies inside a slice of the old memory, in the copy of it. */
static struct aiex_slice moved(struct aiex_slice s, const uint8_t *from, const uint8_t *to)
{
    return (struct aiex_slice){to + (s.data - from), s.len};
}

static int pack(struct route *r, const struct wanted *q)
{
    size_t cap = r->body.len + r->dialect.len + q->tags.len + HEAD_BYTES + ACCOUNT_MAX + TAIL_BYTES;
    uint8_t mem[ACCOUNT_MAX + 512];
    struct aiex_slice account = write_account(r, q, mem, sizeof(mem));
    struct aiex_writer w;

    r->packed = malloc(cap);
    if (!r->packed)
        return -ENOMEM;
    aiex_writer_init(&w, r->packed, cap);
    aiex_w_be(&w, 0xde, 0, 2); /* the number of pairs: leg.c */
    aiex_w_key_strn(&w, "dialect", (const char *)r->dialect.data, r->dialect.len);
    r->dialect.data = r->packed + w.len - r->dialect.len;
    aiex_w_key_bool(&w, "stream", r->stream);
    aiex_w_key_str(&w, "settle", "coordinator");
    aiex_w_key_bin(&w, "account", account.data, account.len);
    r->lead.account = (struct aiex_slice){r->packed + w.len - account.len, account.len};
    if (q->tags.len) {
        struct aiex_slice whole = {r->packed + w.len + 5, q->tags.len};

        aiex_w_str(&w, "tags");
        aiex_w_raw(&w, q->tags.data, q->tags.len);
        r->tags = whole;
    }
    r->account_end = w.len;
    aiex_w_key_bin(&w, "body", r->body.data, r->body.len);
    r->body = moved(r->body, r->body.data, r->packed + w.len - r->body.len);
    r->packed_len = w.len;
    return w.failed ? -ENOMEM : 0;
}

int route_rebody(struct route *r, struct aiex_slice body)
{
    size_t cap = r->account_end + body.len + HEAD_BYTES + TAIL_BYTES;
    uint8_t *packed = malloc(cap), *old = r->packed;
    struct aiex_writer w;

    if (!packed)
        return -ENOMEM;
    aiex_writer_init(&w, packed, cap);
    aiex_w_raw(&w, old, r->account_end);
    aiex_w_key_bin(&w, "body", body.data, body.len);
    r->dialect = moved(r->dialect, old, packed);
    r->lead.account = moved(r->lead.account, old, packed);
    if (r->tags.len)
        r->tags = moved(r->tags, old, packed);
    r->body = (struct aiex_slice){packed + w.len - body.len, body.len};
    r->packed = packed;
    r->packed_len = w.len;
    free(old);
    return 0;
}

static uint64_t flow_of(struct route *r, struct aiex_slice principal)
{
    struct aiex_slice key = {NULL, 0};
    struct siphash h;

    aiex_get_str(principal, "key", &key);
    siphash_init(&h, r->c->secret);
    siphash_field(&h, key.data, key.len);
    return siphash_end(&h).a | 1;
}

static uint64_t conversation_of(struct route *r, struct aiex_slice session)
{
    struct siphash h;

    if (session.len == 0)
        return 0; /* pick.c finds it in the body when it is wanted */
    siphash_init(&h, r->c->secret);
    siphash_field(&h, &r->flow, sizeof(r->flow));
    siphash_field(&h, session.data, session.len);
    return siphash_end(&h).a | 1;
}

static int cache_mode(const struct route *r, const struct wanted *q)
{
    struct aiex_slice word = text_of(q->cache);

    if (r->op == OP_COUNT)
        return CACHE_OFF;
    if (aiex_slice_is(word, "off"))
        return CACHE_OFF;
    if (aiex_slice_is(word, "on"))
        return CACHE_ON;
    if (aiex_slice_is(word, "only"))
        return CACHE_ONLY;
    return route_setting(r->alias ? r->alias->settings.cache : -1, r->c->config->cache) ? CACHE_ON
                                                                                        : CACHE_OFF;
}

/* Copies what outlives the message. */
static int fill(struct route *r, const struct aiex_message *m, const struct wanted *q)
{
    struct aiex_slice model = text_of(q->model), settle = text_of(q->settle);
    struct aiex_value v;
    int64_t priority = int_of(q->priority);
    const char *standard = r->c->config->auto_model;

    memcpy(r->asked, model.data, model.len);
    r->dialect = text_of(q->dialect);
    r->stream = is_type(q->stream, AIEX_T_BOOL, &v) && v.i;
    if (!is_type(q->body, AIEX_T_BIN, &v))
        is_type(q->body, AIEX_T_STR, &v);
    r->body = v.bytes;
    r->deadline_ms = m->timeout_ms ? r->begun_ms + m->timeout_ms : UINT64_MAX;
    r->offline_allowed = 1;
    r->prompt = -1;
    r->queued.priority = priority == QUEUE_HIGH || priority == QUEUE_LOW ? (int)priority
                                                                         : QUEUE_NORMAL;
    if (settle.len <= AIEX_MAX_NAME && settle.len)
        memcpy(r->lead.settle, settle.data, settle.len);
    set_alias(r, strcmp(r->asked, "auto") == 0 && standard[0] ? standard : r->asked);
    r->flow = r->queued.flow = flow_of(r, q->principal);
    r->conversation = conversation_of(r, text_of(q->session));
    r->cached_mode = cache_mode(r, q);
    r->validate = (int)route_setting(r->alias ? r->alias->settings.validate : -1,
                                     r->c->config->validate);
    if (r->stream || (r->op != OP_CHAT && r->op != OP_COMPLETE))
        r->validate = VALIDATE_OFF;
    return pack(r, q);
}

static void begin(struct route *r)
{
    r->state = ROUTE_NEW;
    route_aim(r, r->asked);
    retry_request(&r->c->budget, r->c->config->retry_budget);
    if (r->cached_mode != CACHE_OFF && hits_try(r))
        return;
    leg_next(r);
}

static void wait_for_round(struct route *r)
{
    struct route **at = &r->c->waiting;

    while (*at)
        at = &(*at)->next_waiting;
    *at = r;
    r->state = ROUTE_READY;
    r->c->n_waiting++;
}

int route_begin(struct coordinator *c, const struct aiex_message *m, enum operation op)
{
    struct wanted q = {.dialect = {NULL, 0}};
    const char *wrong;
    struct route *r;

    find_fields(m->body, &q);
    wrong = check(&q);
    if (wrong)
        return refuse(c, m->id, AIEX_E_INVALID, 400, "request", wrong);
    if (!c->ready && c->n_waiting == MAX_WAITING)
        return refuse(c, m->id, AIEX_E_BUSY, 503, "overloaded",
                      "too many requests wait for the first providers");
    r = c->host->alloc(c->host, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->c = c;
    r->op = op;
    r->plan = plan_ref(c->plan);
    r->next = c->routes;
    if (r->next)
        r->next->prev = r;
    c->routes = r;
    r->serial = ++c->last_serial;
    r->trace = m->trace;
    r->begun_ms = route_now(r);
    r->lead = (struct sink){.id = m->id, .trace = m->trace, .begun_ms = r->begun_ms};
    add_sink(r, &r->lead);
    if (fill(r, m, &q) != 0) {
        route_free(r);
        return -ENOMEM;
    }
    if (c->ready)
        begin(r);
    else
        wait_for_round(r);
    return 0;
}

void route_release(struct coordinator *c)
{
    while (c->waiting) {
        struct route *r = c->waiting;

        unwait(r);
        begin(r);
    }
}

/* ---- Leaving ---- */

static void client_left(struct route *r)
{
    r->outcome = (struct outcome){.code = AIEX_E_CANCELLED, .http_status = 499};
    route_finish(r);
}

void route_cancel(struct coordinator *c, uint64_t id)
{
    struct sink *s = route_sink(c, id);
    struct route *r = s ? s->route : NULL;

    if (!s)
        return;
    if (s->own)
        settle_follower(s, AIEX_E_CANCELLED);
    else
        r->lead_left = 1;
    route_drop_sink(s);
    if (route_listeners(r) == 0)
        client_left(r);
    else
        leg_resume(r); /* the one who left may have been the slow one */
}

void route_resume(struct coordinator *c, uint64_t id)
{
    struct sink *s = route_sink(c, id);

    if (!s)
        return;
    s->paused = 0;
    leg_resume(s->route);
}

void route_free_all(struct coordinator *c)
{
    while (c->routes) {
        struct route *r = c->routes;

        if (r->state == ROUTE_GHOST)
            settle_emit(r);
        r->over = 1;
        leg_cancel_all(r);
        route_free(r);
    }
}
