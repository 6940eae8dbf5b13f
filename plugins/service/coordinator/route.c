/*
 * route.c - one coordinator.chat, from provider to provider until one begins to answer.
 *
 * Every attempt is a SPLICE call: from the first part on the answer goes straight to
 * the client's call and only a copy of the end comes here; an error before that comes
 * here alone and choose.c says what follows. The request to the provider is packed
 * once; what differs between attempts (model, attempt) stands at its end.
 */
#include "route.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_BYTES  (MAX_MODEL + 64u)
#define HEAD_BYTES  128u
#define MAX_DIALECT 32u

/* ---- Life ---- */

static struct route **slot_of(struct coordinator *c, uint64_t id)
{
    struct route **at = &c->routes[(id ^ id >> 32) % BUCKETS];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

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

static void route_free(struct route *r)
{
    struct route **slot = slot_of(r->c, r->id);

    if (*slot == r)
        *slot = r->next;
    if (r->waiting)
        unwait(r);
    free(r->packed);
    free(r->error.body);
    r->c->host->release(r->c->host, r);
}

/* Freed at once, or by attempt() when its call() is still on the stack. */
void route_finish(struct route *r)
{
    r->over = 1;
    if (!r->calling)
        route_free(r);
}

/* ---- Choice ---- */

static int fallback_wanted(const struct route *r)
{
    return r->fallback_allowed && strcmp(r->c->config->fallback, "none") != 0;
}

/* An offline provider that is not the fallback serves only those who ask for its model. */
static int is_spare(const struct coordinator *c, const struct member *m)
{
    const char *fallback = c->config->fallback;

    return m->offline && strcmp(fallback, "auto") != 0 && strcmp(fallback, m->name) != 0;
}

/* Whether a member has the wanted model. Any real one's first will do for `auto`. */
static enum lists list_of(const struct route *r, const struct member *m)
{
    if (r->only == m)
        return LIST_WITH;
    if (!r->automatic)
        return lists_has(&m->models, r->bare);
    return m->offline ? LIST_WITHOUT : !m->models.mem ? LIST_UNKNOWN : m->models.n ? LIST_WITH : LIST_WITHOUT;
}

/* Those whom the client's choice leaves; members[index[i]] is list[i]. */
static size_t candidates(const struct route *r, struct candidate *list, size_t *index)
{
    const struct coordinator *c = r->c;
    size_t n = 0;

    for (size_t i = 0; i < c->n_members; i++) {
        const struct member *m = c->members[i];

        if (!m->present || (r->only && r->only != m && !m->offline))
            continue;
        list[n] = (struct candidate){
            .offline = m->offline,
            .healthy = m->healthy,
            .tried = r->tried >> i & 1,
            .lists = list_of(r, m),
        };
        if (!is_spare(c, m) || list[n].lists == LIST_WITH)
            index[n++] = i;
    }
    return n;
}

/* Index of the next member, or CHOOSE_*. */
static int choose(const struct route *r)
{
    struct wish wish = {r->only_listed, r->c->config->unlisted == UNLISTED_PASS,
                        fallback_wanted(r)};
    struct candidate list[MAX_MEMBERS];
    size_t index[MAX_MEMBERS], n = candidates(r, list, index);
    int at;

    if (r->attempts < (unsigned)r->c->config->attempts)
        at = choose_next(list, n, &wish);
    else
        at = wish.fallback ? choose_offline(list, n) : CHOOSE_NO_PROVIDER;
    return at < 0 ? at : (int)index[at];
}

static void nobody(struct route *r, int why)
{
    char text[MAX_MODEL + 160];

    if (r->error.rank) {
        route_pass_on(r);
    } else if (why == CHOOSE_NO_MODEL) {
        snprintf(text, sizeof(text), "no provider has the model '%s'; GET /v1/models lists them",
                 r->bare);
        route_fail(r, AIEX_E_NOT_FOUND, 404, text);
    } else {
        snprintf(text, sizeof(text), "no provider for the model '%s' is reachable; GET /readyz says why",
                 r->bare);
        route_fail(r, AIEX_E_UNAVAILABLE, 503, text);
    }
}

/* ---- Attempts ---- */

static void on_answer(void *arg, const struct aiex_answer *a);

static struct aiex_slice pack_tail(struct route *r, const struct member *m)
{
    char first[MAX_MODEL + 1];
    const char *model = r->automatic && lists_first(&m->models, first, sizeof(first)) ? first : r->bare;
    struct aiex_writer w;

    aiex_writer_init(&w, r->packed + r->packed_len, TAIL_BYTES);
    aiex_w_key_str(&w, "model", model);
    aiex_w_key_uint(&w, "attempt", r->attempts);
    return (struct aiex_slice){r->packed, r->packed_len + w.len};
}

/* What is left of the caller's time; 0 = the caller had no limit, -1 = none is left. */
static int64_t time_left(const struct route *r)
{
    uint64_t used = r->c->host->now_ms(r->c->host) - r->begun_ms;

    if (r->timeout_ms == 0)
        return 0;
    return used < r->timeout_ms ? (int64_t)(r->timeout_ms - used) : -1;
}

static int call_member(struct route *r, struct member *m)
{
    int64_t left = time_left(r);
    struct aiex_request q = {.struct_size = sizeof(q),
                             .flags = AIEX_CALL_SPLICE,
                             .service = m->name,
                             .method = "provider.chat",
                             .parent = r->id,
                             .trace = r->trace,
                             .timeout_ms = (uint32_t)(left > 0 ? left : 0)};
    uint64_t call = 0;
    int result;

    q.body = pack_tail(r, m);
    m->requests++;
    m->in_flight++;
    r->at = m;
    r->calling = 1;
    result = r->c->host->call(r->c->host, &q, on_answer, r, &call);
    r->calling = 0;
    r->call = call;
    return result;
}

static void failed(struct route *r, const char *code, const char *text, uint32_t retry_after_ms,
                   struct aiex_slice body);

/* Tries providers until one is at work or the call is over. May free r. */
static void attempt(struct route *r)
{
    do {
        int at, result;

        if (time_left(r) < 0) {
            route_fail(r, AIEX_E_TIMEOUT, 504, "the deadline passed before a provider answered");
            return;
        }
        at = choose(r);
        if (at < 0) {
            nobody(r, at);
            return;
        }
        r->tried |= (uint64_t)1 << at;
        r->attempts++;
        r->again = 0;
        result = call_member(r, r->c->members[at]);
        if (result < 0) {
            r->at->in_flight--;
            r->calling = 1; /* failed() must not begin the next round itself */
            failed(r, result == -EBUSY ? AIEX_E_BUSY : AIEX_E_INTERNAL,
                   "the call to the provider could not be made", 0, (struct aiex_slice){NULL, 0});
            r->calling = 0;
        }
        if (r->over) {
            route_free(r);
            return;
        }
    } while (r->again);
}

static void failed(struct route *r, const char *code, const char *text, uint32_t retry_after_ms,
                   struct aiex_slice body)
{
    struct aiex_slice who = {NULL, 0};
    struct verdict v;

    r->at->errors++;
    if ((strcmp(code, AIEX_E_UNAVAILABLE) == 0 || strcmp(code, AIEX_E_CRASHED) == 0) &&
        aiex_get_str(body, "provider", &who) != 1)
        members_gone(r->at, text && *text ? text : code); /* the host's word, not the provider's */
    v = choose_after(code, r->at->healthy);
    route_keep_error(r, v.rank, code, text, retry_after_ms, body);
    r->fallback_allowed &= v.fallback;
    r->only_listed |= v.next == NEXT_LISTED;
    if (v.next == NEXT_NONE || r->at->offline) {
        route_pass_on(r);
        return;
    }
    r->again = 1;
    if (!r->calling)
        attempt(r);
}

static void forward_part(struct route *r, struct aiex_slice part)
{
    int result = r->c->host->stream(r->c->host, r->id, part);

    r->forwarded = 1;
    if (result >= 0)
        return;
    r->at->in_flight--;
    r->at->errors++;
    if (!r->calling)
        r->c->host->cancel(r->c->host, r->call);
    route_fail(r, AIEX_E_INTERNAL, 500, "a part of the answer could not be handed on");
}

static void on_answer(void *arg, const struct aiex_answer *a)
{
    struct route *r = arg;

    if (r->over)
        return;
    if (a->kind == AIEX_ANSWER_PART) {
        forward_part(r, a->body);
        return;
    }
    r->at->in_flight--;
    if (a->code && !(a->flags & AIEX_AF_SPLICED) && !r->forwarded) {
        failed(r, a->code, a->text, a->retry_after_ms, a->body);
        return;
    }
    route_account(r, a->code, a->body);
    if (a->code)
        r->at->errors++;
    if (!(a->flags & AIEX_AF_SPLICED)) {
        if (a->code)
            r->c->host->fail(r->c->host, r->id, a->code, a->text, a->retry_after_ms, a->body);
        else
            r->c->host->reply(r->c->host, r->id, a->body);
    }
    route_finish(r);
}

/* ---- Requests ---- */

static int refuse(struct coordinator *c, uint64_t id, const char *code, int http_status,
                  const char *text)
{
    uint8_t mem[128];

    c->host->fail(c->host, id, code, text, 0, route_details(NULL, http_status, mem, sizeof(mem)));
    return 0;
}

struct wanted {
    struct aiex_slice dialect, body;
    char model[MAX_MODEL + 1];
    int stream;
};

static const char *read_request(const struct aiex_message *m, struct wanted *q)
{
    if (aiex_get_str(m->body, "dialect", &q->dialect) != 1 || q->dialect.len > MAX_DIALECT)
        return "field 'dialect' (str, at most 32 bytes) is missing or wrong";
    if (aiex_get_text(m->body, "model", q->model, sizeof(q->model)) != 1 || !q->model[0])
        return "field 'model' (str, 1 to 256 bytes) is missing or wrong";
    if (aiex_get_bytes(m->body, "body", &q->body) != 1)
        return "field 'body' (bin) is missing";
    if (aiex_get_bool(m->body, "stream", &q->stream) < 0)
        return "field 'stream' is not a bool";
    return NULL;
}

static int pack(struct route *r, const struct wanted *q)
{
    size_t cap = q->body.len + HEAD_BYTES + TAIL_BYTES;
    struct aiex_writer w;

    r->packed = malloc(cap);
    if (!r->packed)
        return -ENOMEM;
    aiex_writer_init(&w, r->packed, cap);
    aiex_w_map(&w, 5);
    aiex_w_key_strn(&w, "dialect", (const char *)q->dialect.data, q->dialect.len);
    aiex_w_key_bool(&w, "stream", q->stream);
    aiex_w_key_bin(&w, "body", q->body.data, q->body.len);
    r->packed_len = w.len;
    return 0;
}

static void resolve(struct route *r)
{
    const char *standard = r->c->config->auto_model;

    if (strcmp(r->model, "auto") == 0 && standard[0])
        snprintf(r->model, sizeof(r->model), "%s", standard);
    r->automatic = strcmp(r->model, "auto") == 0;
    r->bare = r->model;
    r->only = members_named(r->c, r->model, &r->bare);
}

static void wait_for_round(struct route *r)
{
    struct route **at = &r->c->waiting;

    while (*at)
        at = &(*at)->next_waiting;
    *at = r;
    r->waiting = 1;
    r->c->n_waiting++;
}

int route_begin(struct coordinator *c, const struct aiex_message *m)
{
    struct wanted q = {.stream = 0};
    const char *wrong = read_request(m, &q);
    struct route *r;

    if (wrong)
        return refuse(c, m->id, AIEX_E_INVALID, 400, wrong);
    if (!c->ready && c->n_waiting == MAX_WAITING)
        return refuse(c, m->id, AIEX_E_BUSY, 503, "too many requests wait for the first providers");
    r = c->host->alloc(c->host, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->c = c;
    r->id = m->id;
    r->trace = m->trace;
    r->timeout_ms = m->timeout_ms;
    r->begun_ms = c->host->now_ms(c->host);
    r->fallback_allowed = 1;
    memcpy(r->model, q.model, sizeof(r->model));
    r->next = NULL;
    *slot_of(c, m->id) = r;
    if (pack(r, &q) != 0) {
        route_free(r);
        return -ENOMEM;
    }
    if (!c->ready) {
        wait_for_round(r);
        return 0;
    }
    resolve(r);
    attempt(r);
    return 0;
}

void route_release(struct coordinator *c)
{
    while (c->waiting) {
        struct route *r = c->waiting;

        unwait(r);
        r->waiting = 0;
        resolve(r);
        attempt(r);
    }
}

void route_cancel(struct coordinator *c, uint64_t id)
{
    struct route *r = *slot_of(c, id);

    if (!r)
        return;
    if (r->at && !r->waiting) {
        r->at->in_flight--;
        c->host->cancel(c->host, r->call);
    }
    route_free(r);
}

void route_free_all(struct coordinator *c)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (c->routes[i])
            route_cancel(c, c->routes[i]->id);
}
