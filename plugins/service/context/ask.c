/*
 * ask.c - one call to the store.
 *
 * `busy` and `unavailable` say that nothing was done, `timeout`, `crashed` and `internal` that
 * nobody knows. All are asked again with the same body for `store_wait`; a transaction's id makes
 * that safe. A write whose outcome is still unknown then is asked on, until the store has said what
 * became of it: memory and store never part. Once a try is doubtful, only success or a refusal by
 * a condition is an answer.
 */
#include "context.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_PAUSE_MS 50u
#define LONG_PAUSE_MS  250u

static void try_once(void *arg);

static void clear(struct ask *a)
{
    const struct aiex_host *host = a->c->host;

    if (a->call)
        host->cancel(host, a->call);
    if (a->timer)
        host->unwatch(host, a->timer);
    if (a->over)
        *a->over = 1;
    a->call = a->timer = 0;
    a->over = NULL;
    free((void *)(uintptr_t)a->body.data);
    a->body = (struct aiex_slice){NULL, 0};
    a->active = 0;
}

void ask_stop(struct ask *a)
{
    if (a->active)
        clear(a);
}

static void finish(struct ask *a, const struct aiex_answer *end)
{
    a->call = 0;
    clear(a);
    a->end(a, end);
}

static void finish_with(struct ask *a, const char *code, const char *text)
{
    const struct aiex_answer end = {
        .struct_size = sizeof(end), .kind = AIEX_ANSWER_END, .code = code, .text = text};

    finish(a, &end);
}

static int is_one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return 1;
    return 0;
}

static int after(struct ask *a, uint64_t pause)
{
    const struct aiex_host *host = a->c->host;

    return host->timer(host, pause, 0, try_once, a, &a->timer) == 0;
}

/* 1 = it will be asked again, or what comes of it is not ours any more. */
static int later(struct ask *a, uint64_t least_ms)
{
    uint64_t now = a->c->host->now_ms(a->c->host);
    uint64_t pause = (uint64_t)FIRST_PAUSE_MS << (a->tries < 5 ? a->tries : 5);

    pause = pause > LONG_PAUSE_MS ? LONG_PAUSE_MS : pause;
    pause = pause < least_ms ? least_ms : pause;
    if (now + pause < a->give_up || (a->unknown && a->late)) {
        if (!after(a, pause))
            return 0;
        if (now + pause >= a->give_up && !a->is_late) {
            a->is_late = 1;
            a->late(a);
        }
        return 1;
    }
    return 0;
}

static int is_final(const struct ask *a, const char *code)
{
    return !a->late || !a->unknown || strcmp(code, AIEX_E_CONFLICT) == 0 ||
           strcmp(code, AIEX_E_INVALID) == 0;
}

static void ended(struct ask *a, const struct aiex_answer *end)
{
    static const char *const again[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,
                                        AIEX_E_CRASHED, NULL};
    static const char *const doubtful[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED, AIEX_E_INTERNAL,
                                           AIEX_E_CANCELLED, NULL};
    int told = 0;

    a->call = 0;
    if (end->code) {
        aiex_get_bool(end->body, "unknown", &told);
        a->unknown |= told || is_one_of(end->code, doubtful);
        if ((is_one_of(end->code, again) || !is_final(a, end->code)) &&
            later(a, end->retry_after_ms))
            return;
    }
    finish(a, end);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct ask *a = arg;

    if (answer->kind != AIEX_ANSWER_END) {
        if (a->part)
            a->part(a, answer->body);
        return;
    }
    if (a->over)
        *a->over = 1;
    a->over = NULL;
    ended(a, answer);
}

static void try_once(void *arg)
{
    struct ask *a = arg;
    const struct aiex_host *host = a->c->host;
    uint64_t now = host->now_ms(host), id = 0;
    uint64_t left = a->give_up > now ? (a->give_up - now) / 2 : 0;
    struct aiex_request rq = {.struct_size = sizeof(rq),
                              .service = a->c->config->store,
                              .method = a->method,
                              .body = a->body,
                              .trace = a->trace};
    int over = 0, r;

    /* half of what is left, so that an answer that was lost can be asked for again */
    rq.timeout_ms = (uint32_t)(left < 1000 ? 1000 : left);
    a->timer = 0;
    if (a->tries++ && a->part)
        a->part(a, (struct aiex_slice){NULL, 0});
    a->over = &over;
    r = host->call(host, &rq, on_answer, a, &id);
    if (over)
        return;
    a->over = NULL;
    if (r == 0)
        a->call = id;
    else if (r == -EMSGSIZE || r == -EINVAL)
        finish_with(a, AIEX_E_INVALID, "the request to the store is longer than it may be");
    else if (!later(a, 0))
        finish_with(a, AIEX_E_BUSY, "too many calls are under way");
}

void ask_by(struct ask *a, const char *method, aiex_write_fn write, const void *arg)
{
    struct aiex_slice body = {NULL, 0};

    aiex_write_alloc(write, arg, &body);
    a->method = method;
    a->body = body;
    a->tries = 0;
    a->call = a->timer = 0;
    a->unknown = a->is_late = 0;
    a->over = NULL;
    a->active = 1;
    a->give_up = a->c->host->now_ms(a->c->host) + (uint64_t)a->c->config->store_wait;
    if (!body.data)
        finish_with(a, AIEX_E_BUSY, "no memory for a request to the store");
    else
        try_once(a);
}

/* ---- Reading ---- */

struct key {
    const char *table;
    const void *key;
    size_t len;
};

static void write_get(struct aiex_writer *w, const void *arg)
{
    const struct key *k = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", k->table);
    aiex_w_key_bin(w, "key", k->key, k->len);
}

void ask_row(struct ask *a, const char *table, const void *key, size_t len)
{
    const struct key k = {table, key, len};

    ask_by(a, "store.get", write_get, &k);
}

static void write_bound(struct aiex_writer *w, const struct range *r, const char *key,
                        struct aiex_slice bytes, int64_t number)
{
    if (r->ints)
        aiex_w_key_int(w, key, number);
    else if (bytes.len && r->index)
        aiex_w_key_strn(w, key, (const char *)bytes.data, bytes.len);
    else if (bytes.len)
        aiex_w_key_bin(w, key, bytes.data, bytes.len);
    else
        aiex_w_str(w, key), aiex_w_nil(w);
}

void write_range(struct aiex_writer *w, const void *arg)
{
    const struct range *r = arg;

    aiex_w_map(w, 5 + (r->index != NULL) + (r->token.len != 0));
    aiex_w_key_str(w, "table", r->table);
    if (r->index)
        aiex_w_key_str(w, "index", r->index);
    write_bound(w, r, "from", r->from, r->from_int);
    write_bound(w, r, "to", r->to, r->to_int);
    aiex_w_key_bool(w, "backwards", r->backwards);
    aiex_w_key_int(w, "limit", r->limit);
    if (r->token.len)
        aiex_w_key_bin(w, "token", r->token.data, r->token.len);
}

void rows_each(struct aiex_slice part, void (*fn)(void *arg, const struct row_seen *row), void *arg)
{
    struct aiex_value v, head;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return;
    for (uint32_t i = 0; i < v.count; i++) {
        struct row_seen row = {{NULL, 0}, {NULL, 0}, 0};
        struct aiex_slice map = part, peek = part;

        if (aiex_r_value(&peek, &head) != 0 || aiex_r_skip(&part) != 0)
            return;
        map.len -= part.len;
        if (head.type == AIEX_T_MAP && aiex_get_bytes(map, "key", &row.key) == 1 &&
            aiex_get_bytes(map, "value", &row.value) >= 0 &&
            aiex_get_int(map, "version", &row.version) >= 0)
            fn(arg, &row);
    }
}

/* ---- Transactions ---- */

void transact_id(struct context *c, struct transact *t)
{
    t->c = c;
    snprintf(t->id, sizeof(t->id), "context-%llx-%llx", (unsigned long long)c->epoch,
             (unsigned long long)++c->transactions);
}

void write_transact(struct aiex_writer *w, const struct transact *t, uint32_t conditions)
{
    static const char *const levels[] = {"applied", "written", "synced"};

    aiex_w_map(w, 6);
    aiex_w_key_str(w, "id", t->id);
    aiex_w_key_str(w, "level", levels[t->c->config->level]);
    aiex_w_key_str(w, "owner", "context");
    aiex_w_key_int(w, "epoch", t->c->epoch);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, conditions);
}

void write_condition(struct aiex_writer *w, const char *table, const void *key, size_t len,
                     int64_t version)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
    aiex_w_key_int(w, "version", version);
}

void write_operations(struct aiex_writer *w, uint32_t n)
{
    aiex_w_str(w, "operations");
    aiex_w_array(w, n);
}

void write_put(struct aiex_writer *w, const char *table, const void *key, size_t len)
{
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
    aiex_w_str(w, "value");
}

void write_delete(struct aiex_writer *w, const char *table, const void *key, size_t len)
{
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "op", "delete");
    aiex_w_key_str(w, "table", table);
    aiex_w_key_bin(w, "key", key, len);
}

int look_fenced(struct context *c, const struct aiex_answer *end)
{
    int64_t failed, holds = 0;

    if (!end->code || strcmp(end->code, AIEX_E_CONFLICT) != 0 ||
        aiex_get_int(end->body, "failed", &failed) == 1 ||
        aiex_get_int(end->body, "version", &holds) != 1 || holds <= c->epoch)
        return 0;
    if (c->phase != FENCED)
        aiex_logf(c->host, AIEX_LOG_ERROR, 0,
                  "another instance (epoch %lld) keeps the contexts now; this one (epoch %lld) "
                  "writes no more",
                  (long long)holds, (long long)c->epoch);
    c->phase = FENCED;
    return 1;
}

void doc_key(int64_t doc, uint8_t out[8])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)doc >> (56 - 8 * i));
}
