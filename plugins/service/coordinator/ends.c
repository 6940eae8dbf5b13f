/*
 * ends.c - how a request ends: which of several errors the client gets, what comes before giving
 * up, and the outcome that the usage record tells.
 */
#include "route.h"

#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Sinks ---- */

/* Ends each sink once; `body` is a map. */
static void reply_all(struct route *r, struct aiex_slice body)
{
    for (struct sink *s = r->sinks; s; s = s->next) {
        if (s->gone)
            continue;
        if (s->own) { /* it listened to another's request */
            struct aiex_slice marked = hits_mark(r->c, body, "coalesced");

            r->c->host->reply(r->c->host, s->id, marked);
            settle_follower(s, NULL);
        } else {
            r->c->host->reply(r->c->host, s->id, body);
        }
    }
}

static void fail_all(struct route *r, const char *code, const char *text, uint32_t retry_after_ms,
                     struct aiex_slice body)
{
    for (struct sink *s = r->sinks; s; s = s->next) {
        if (s->gone)
            continue;
        r->c->host->fail(r->c->host, s->id, code, text, retry_after_ms, body);
        if (s->own)
            settle_follower(s, code);
    }
}

static int64_t int_or(struct aiex_slice body, const char *key, int64_t otherwise)
{
    aiex_get_int(body, key, &otherwise);
    return otherwise;
}

/* ---- Errors ---- */

struct aiex_slice ends_details(const struct route *r, int http_status, const char *reason,
                               uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 5);
    aiex_w_key_int(&w, "http_status", http_status);
    aiex_w_key_str(&w, "reason", reason);
    aiex_w_key_bool(&w, "started", 0);
    aiex_w_key_str(&w, "provider", r && r->winner ? r->winner->name : "");
    aiex_w_key_int(&w, "attempts", r ? (int64_t)r->attempts : 0);
    return aiex_written(&w);
}

static void failed_outcome(struct route *r, const char *code, int http_status)
{
    r->outcome.code = result_names[result_of(code)];
    r->outcome.http_status = http_status;
}

void ends_fail(struct route *r, const char *code, int http_status, const char *reason,
               const char *text, uint32_t retry_after_ms)
{
    uint8_t mem[256];

    failed_outcome(r, code, http_status);
    route_enter(r);
    fail_all(r, code, text, retry_after_ms, ends_details(r, http_status, reason, mem, sizeof(mem)));
    if (!route_leave(r))
        route_finish(r);
}

void ends_keep(struct route *r, int rank, const char *code, const char *text,
               uint32_t retry_after_ms, struct aiex_slice body)
{
    struct kept_error *e = &r->error;
    uint8_t own[256];

    if (rank <= e->rank)
        return;
    if (body.len == 0)
        body = ends_details(r, strcmp(code, AIEX_E_TIMEOUT) == 0 ? 504 : 503, "server", own,
                            sizeof(own));
    free(e->body);
    e->body = malloc(body.len + 1);
    e->body_len = e->body ? body.len : 0;
    if (e->body_len)
        memcpy(e->body, body.data, body.len);
    e->rank = rank;
    e->retry_after_ms = retry_after_ms;
    snprintf(e->code, sizeof(e->code), "%s", code);
    snprintf(e->text, sizeof(e->text), "%s", text ? text : "");
}

/* The provider's details with `attempts`, as the contract has it. In *ret_mem, to be freed. */
static struct aiex_slice with_attempts(const struct route *r, struct aiex_slice body,
                                       uint8_t **ret_mem)
{
    struct aiex_slice rest = body;
    struct aiex_value head;
    struct aiex_writer w;
    int64_t told;

    *ret_mem = NULL;
    if (aiex_get_int(body, "attempts", &told) == 1 || aiex_r_value(&rest, &head) != 0 ||
        head.type != AIEX_T_MAP || !(*ret_mem = malloc(body.len + 32)))
        return body;
    aiex_writer_init(&w, *ret_mem, body.len + 32);
    aiex_w_map(&w, head.count + 1);
    aiex_w_raw(&w, rest.data, rest.len);
    aiex_w_key_uint(&w, "attempts", r->attempts);
    return aiex_written(&w);
}

void ends_pass_on(struct route *r)
{
    struct kept_error *e = &r->error;
    struct aiex_slice body = {e->body, e->body_len};
    uint8_t *mem;

    failed_outcome(r, e->code, (int)int_or(body, "http_status", 502));
    body = with_attempts(r, body, &mem);
    route_enter(r);
    fail_all(r, e->code, e->text, e->retry_after_ms, body);
    free(mem);
    if (!route_leave(r))
        route_finish(r);
}

void ends_broken(struct route *r, const struct aiex_answer *a)
{
    failed_outcome(r, a->code, (int)int_or(a->body, "http_status", 502));
    route_enter(r);
    if (!(a->flags & AIEX_AF_SPLICED))
        fail_all(r, a->code, a->text, a->retry_after_ms, a->body);
    if (!route_leave(r))
        route_finish(r);
}

/* ---- Success ---- */

/* An answer that was held back goes out as one part: one is taken whatever its size. */
static void play_all(struct route *r)
{
    for (struct sink *s = r->sinks; s; s = s->next)
        if (!s->gone)
            r->c->host->stream(r->c->host, s->id, tape_whole(r->tape));
}

static void copy_text(char *out, size_t size, struct aiex_slice text)
{
    if (text.len < size && text.len)
        memcpy(out, text.data, text.len);
}

void ends_good(struct route *r, struct try *t, struct aiex_slice body, const struct facts *f,
               int spliced)
{
    struct outcome *o = &r->outcome;

    o->code = "";
    o->http_status = 200;
    copy_text(o->finish_text, sizeof(o->finish_text), f->finish);
    copy_text(o->vendor_model, sizeof(o->vendor_model), f->model);
    o->offline = f->offline || r->winner->offline;
    o->usage = t->usage;
    o->first_ms = t->at_ms + t->first_ms;
    route_enter(r);
    if (!spliced) {
        hits_keep(r, body);
        if (r->validate != VALIDATE_OFF && r->tape)
            play_all(r);
        reply_all(r, body);
    }
    if (!route_leave(r))
        route_finish(r);
}

/* ---- Before giving up ---- */

static void nobody(struct route *r, const struct pick *p)
{
    char text[ALIAS_MODEL + 200];

    if (r->error.rank) {
        ends_pass_on(r);
    } else if (p->kind == PICK_NO_MODEL) {
        snprintf(text, sizeof(text), "no provider has the model '%s'; GET /v1/models lists them",
                 r->bare);
        ends_fail(r, AIEX_E_NOT_FOUND, 404, "model", text, 0);
    } else if (p->kind == PICK_UNABLE) {
        snprintf(
            text, sizeof(text),
            "no provider that has the model '%s' can do coordinator.%s; ask for another model%s",
            r->bare, operation_names[r->op],
            r->op == OP_EMBED ? " or set the option embed_model" : "");
        ends_fail(r, AIEX_E_NOT_FOUND, 404, "model", text, 0);
    } else if (p->wait_ms) {
        snprintf(text, sizeof(text),
                 "every provider for the model '%s' failed lately; the next try is in %llu ms",
                 r->bare, (unsigned long long)p->wait_ms);
        ends_fail(r, AIEX_E_UNAVAILABLE, 503, "overloaded", text, (uint32_t)p->wait_ms);
    } else {
        snprintf(text, sizeof(text),
                 "no provider for the model '%s' is reachable; GET /readyz says why", r->bare);
        ends_fail(r, AIEX_E_UNAVAILABLE, 503, "connect", text, 0);
    }
}

/* The limits of all who fit are reached, and their queues are full or too slow. */
static void keep_busy(struct route *r, const struct pick *p)
{
    uint32_t wait = p->wait_ms != LIMIT_AFTER_ANOTHER && p->wait_ms < UINT32_MAX
                        ? (uint32_t)p->wait_ms
                        : 1000;
    char text[AIEX_MAX_NAME + 120];
    uint8_t mem[256];

    snprintf(text, sizeof(text), "the limits of %s are reached and too many requests wait for it",
             p->m->name);
    r->winner = p->m;
    ends_keep(r, 5, AIEX_E_BUSY, text, wait, ends_details(r, 429, "rate_limit", mem, sizeof(mem)));
    r->fallback = FALLBACK_OVERLOADED;
    r->offline_allowed = 0;
    r->same = NULL;
}

static void aim_anew(struct route *r, const char *to, const char *reason)
{
    r->hop_reason = reason;
    r->attempts_here = 0;
    r->only_listed = 0;
    r->same = NULL;
    r->turn_taken = 0;
    route_aim(r, to);
}

static int hop(struct route *r)
{
    const char *to = fallback_find(&r->plan->fallbacks, r->alias_name, r->fallback);

    if (!to || r->hops == MAX_HOPS || strcmp(to, r->target) == 0)
        return 0;
    r->hops++;
    r->c->stats.fallbacks[r->fallback]++;
    aim_anew(r, to, fallback_names[r->fallback]);
    return 1;
}

/* Nobody who has the model makes embeddings: the model that is set for that, once. */
static int embed_elsewhere(struct route *r, const struct pick *p)
{
    const char *to = r->c->config->embed_model;

    if (p->kind != PICK_UNABLE || r->op != OP_EMBED || !to[0] || r->embed_aimed)
        return 0;
    r->embed_aimed = 1;
    aim_anew(r, to, "embeddings, which the model asked for can not make");
    return 1;
}

/* 1 = the same provider is asked again, now or after a pause. */
static int repeat(struct route *r, enum last_resort *ret)
{
    uint64_t now = route_now(r), ms;
    const struct config *config = r->c->config;

    if (!r->same || r->same_now || r->attempts_here >= leg_max_attempts(r) ||
        !retry_take(&r->c->budget, now))
        return 0;
    if (r->same_waits) { /* its queue knows when */
        r->same_now = 1;
        *ret = LAST_LOOK;
        return 1;
    }
    ms = retry_pause_ms((uint64_t)config->retry_pause, ++r->repeats, &r->c->random);
    if (now + ms >= r->deadline_ms)
        return 0;
    wait_pause(r, ms);
    *ret = LAST_OVER;
    return 1;
}

enum last_resort ends_last_resort(struct route *r, struct pick *p)
{
    enum last_resort how;

    if (p->kind == PICK_WAIT)
        keep_busy(r, p);
    else if (!r->error.rank && p->kind == PICK_NOBODY)
        r->fallback = FALLBACK_UNAVAILABLE;
    if (hop(r) || embed_elsewhere(r, p))
        return LAST_LOOK;
    if (repeat(r, &how))
        return how;
    if (p->barred && recover_wait(r, p->barred))
        return LAST_OVER;
    if (r->fallback != FALLBACK_NONE && hits_stale(r))
        return LAST_OVER;
    if (r->offline_allowed && (p->kind == PICK_NOBODY || r->error.rank) && r->op != OP_EMBED &&
        strcmp(r->c->config->fallback, "none") != 0 && pick_offline(r, p)) {
        r->c->stats.offline++;
        return LAST_GO;
    }
    nobody(r, p);
    return LAST_OVER;
}
