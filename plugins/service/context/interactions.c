/*
 * interactions.c - the table `llm_interaction`: a row for each request to a model, written from the
 * usage records that the ledger tails.
 *
 * A row is the usage record as it is (sdk/kinds/service.md "Usage record") and the keys of two
 * indexes: who, what, tokens, money, times, every attempt. No record has a question or an answer in
 * it; what was said lies where policy lets it lie (sessions, contexts of kind `interaction`).
 *
 * The key begins with the time, so the table is in order of time, and holds id and ticket: a record
 * that comes twice is one row. With each batch the time up to which all is written is kept; after a
 * restart the ledger is asked for its last records once more, and those far before it are passed
 * over. What the ledger sends is credited only when it is in the store, so at most a window of it
 * is in memory, whatever the store does.
 */
#include "context.h"

#include <errno.h>
#include <stdlib.h>

#define TABLE      INTERACTION_TABLE
#define POSITION   "interactions", 12
#define CATCH_UP   10000 /* records that the ledger reads again at most */
#define OVERLAP_MS 60000 /* records do not end in the order in which they began */
#define BATCH      64u   /* rows in a transaction */
#define WINDOW     (256u << 10)
#define CALL_MS    (24u * 3600000) /* then it is asked anew */
#define PRUNE_ROWS 500
#define MAX_KEY    64u

/* ---- Rows that wait for the store, each behind its head ---- */

struct row_head {
    int64_t end; /* of the request */
    uint32_t key_len, value_len, credit;
};

struct record {
    struct aiex_slice whole;
    char id[MAX_KEY - 16], user[MAX_NAME + 1], model[MAX_NAME + 1];
    int64_t time, ticket, end;
};

static int read_record(struct aiex_slice whole, struct record *r)
{
    struct aiex_slice principal;
    int64_t total = 0;

    memset(r, 0, sizeof(*r));
    r->whole = whole;
    if (!aiex_is_map(whole) || aiex_get_int(whole, "time", &r->time) != 1 || r->time <= 0 ||
        aiex_get_text(whole, "id", r->id, sizeof(r->id)) != 1)
        return -EBADMSG;
    aiex_get_int(whole, "ticket", &r->ticket);
    aiex_get_int(whole, "total_ms", &total);
    r->end = r->time + (total > 0 && total < 86400000 ? total : 0);
    aiex_get_text(whole, "model", r->model, sizeof(r->model));
    if (aiex_get_whole(whole, "principal", &principal) == 1)
        aiex_get_text(principal, "user", r->user, sizeof(r->user));
    return 0;
}

static size_t write_key(const struct record *r, uint8_t out[MAX_KEY])
{
    doc_key(r->time, out);
    memcpy(out + 8, r->id, strlen(r->id));
    doc_key(r->ticket, out + 8 + strlen(r->id));
    return 16 + strlen(r->id);
}

static void write_value(struct aiex_writer *w, const struct record *r)
{
    struct aiex_slice rest = r->whole;
    char order[MAX_ORDER];
    struct aiex_value head;

    aiex_r_value(&rest, &head);
    aiex_w_map(w, head.count + (r->user[0] != 0) + (r->model[0] != 0));
    aiex_w_raw(w, rest.data, rest.len);
    if (r->user[0])
        aiex_w_key_strn(w, "by_user", order, order_key(order, r->user, r->time));
    if (r->model[0])
        aiex_w_key_strn(w, "by_model", order, order_key(order, r->model, r->time));
}

static int make_room(struct interactions *x, size_t bytes)
{
    size_t need = x->len + bytes, cap = need > 2 * x->cap ? need : 2 * x->cap;
    uint8_t *more;

    if (need <= x->cap)
        return 0;
    more = realloc(x->rows, cap);
    if (!more)
        return -ENOMEM;
    x->rows = more;
    x->cap = cap;
    return 0;
}

static int keep(struct interactions *x, const struct record *r)
{
    size_t most = sizeof(struct row_head) + MAX_KEY + r->whole.len + 2 * (MAX_ORDER + 16) + 16;
    struct row_head head = {.end = r->end, .credit = (uint32_t)r->whole.len};
    struct aiex_writer w;
    uint8_t *at;

    if (make_room(x, most) < 0)
        return -ENOMEM;
    at = x->rows + x->len + sizeof(head);
    head.key_len = (uint32_t)write_key(r, at);
    aiex_writer_init(&w, at + head.key_len, most - sizeof(head) - head.key_len);
    write_value(&w, r);
    head.value_len = (uint32_t)w.len;
    memcpy(x->rows + x->len, &head, sizeof(head));
    x->len += sizeof(head) + head.key_len + head.value_len;
    x->n++;
    return 0;
}

static size_t next_row(const struct interactions *x, size_t at, struct row_head *ret)
{
    memcpy(ret, x->rows + at, sizeof(*ret));
    return at + sizeof(*ret) + ret->key_len + ret->value_len;
}

/* Up to there all is written when what is sent now is. */
static int64_t position_of(const struct interactions *x)
{
    int64_t end = x->end;
    struct row_head head;
    size_t at = 0;

    for (unsigned i = 0; i < x->n_sent; i++) {
        at = next_row(x, at, &head);
        end = head.end > end ? head.end : end;
    }
    return end;
}

/* ---- To the store ---- */

static void write_batch(struct aiex_writer *w, const void *arg)
{
    const struct interactions *x = arg;
    uint8_t position[32];
    struct aiex_writer value;
    struct row_head head;
    size_t at = 0;

    write_transact(w, &x->transact, 0);
    write_operations(w, x->n_sent + 1);
    for (unsigned i = 0; i < x->n_sent; i++) {
        const uint8_t *key = x->rows + at + sizeof(head);

        at = next_row(x, at, &head);
        write_put(w, TABLE, key, head.key_len);
        aiex_w_bin(w, key + head.key_len, head.value_len);
    }
    aiex_writer_init(&value, position, sizeof(position));
    aiex_w_map(&value, 1);
    aiex_w_key_int(&value, "end", position_of(x));
    write_put(w, "context_meta", POSITION);
    aiex_w_bin(w, position, value.len);
}

static void write_next(struct context *c);

/* They are in the store: the ledger may send more. */
static void written(struct context *c)
{
    struct interactions *x = &c->interactions;
    struct row_head head;
    uint32_t bytes = 0;
    size_t at = 0;

    x->end = position_of(x);
    for (unsigned i = 0; i < x->n_sent; i++) {
        at = next_row(x, at, &head);
        bytes += head.credit;
    }
    memmove(x->rows, x->rows + at, x->len - at);
    x->len -= at;
    x->n -= x->n_sent;
    x->written += x->n_sent;
    x->n_sent = 0;
    if (x->call && bytes)
        c->host->credit(c->host, x->call, bytes);
}

static void failed(struct context *c, const struct aiex_answer *end, const char *doing)
{
    struct interactions *x = &c->interactions;

    x->failures++;
    if (!look_fenced(c, end) && !x->trouble)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "%s: %s (%s); trying again every second", doing,
                  end->text ? end->text : "", end->code);
    x->trouble = 1;
}

static void on_written(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct interactions *x = &c->interactions;

    if (end->code) {
        x->n_sent = 0; /* the same rows again with the next tick */
        failed(c, end, "interactions can not be written");
        return;
    }
    x->trouble = 0;
    written(c);
    if (x->n >= BATCH)
        write_next(c);
}

static void write_next(struct context *c)
{
    struct interactions *x = &c->interactions;

    if (x->ask.active || !x->n)
        return;
    x->n_sent = x->n < BATCH ? x->n : BATCH;
    transact_id(c, &x->transact);
    x->ask.part = NULL;
    x->ask.end = on_written;
    ask_by(&x->ask, "store.transact", write_batch, x);
}

/* ---- From the ledger ---- */

static void take_record(struct context *c, struct aiex_slice part)
{
    struct interactions *x = &c->interactions;
    struct record r;
    int64_t missed = 0;
    int old = read_record(part, &r) < 0 || r.end + OVERLAP_MS < x->begun;

    if (aiex_get_int(part, "missed", &missed) == 1)
        x->missed += (uint64_t)missed;
    if (!old && keep(x, &r) < 0) {
        x->missed++; /* it is in the ledger */
        old = 1;
    }
    if (old)
        c->host->credit(c->host, x->call, (uint32_t)part.len);
    else if (x->n >= BATCH)
        write_next(c);
}

static void on_tail(void *arg, const struct aiex_answer *a)
{
    struct context *c = arg;
    struct interactions *x = &c->interactions;

    if (a->kind == AIEX_ANSWER_PART) {
        take_record(c, a->body);
        return;
    }
    x->call = 0;
    x->begun = x->end;
    if (a->code && strcmp(a->code, AIEX_E_TIMEOUT) != 0 && !x->silent)
        aiex_logf(c->host, AIEX_LOG_NOTICE, 0,
                  "the ledger does not tell its records: %s (%s); asking again every second",
                  a->text ? a->text : "", a->code);
    x->silent = a->code != NULL;
}

static void tail(struct context *c)
{
    struct interactions *x = &c->interactions;
    uint8_t mem[32];
    struct aiex_writer w;
    uint64_t id = 0;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "limit", CATCH_UP);
    aiex_w_key_bool(&w, "follow", 1);
    x->call = UINT64_MAX; /* it may be refused inside */
    if (c->host->call(c->host,
                      &(struct aiex_request){.struct_size = sizeof(struct aiex_request),
                                             .flags = AIEX_CALL_MANUAL,
                                             .service = "ledger",
                                             .method = "ledger.tail",
                                             .body = aiex_written(&w),
                                             .window_bytes = WINDOW,
                                             .timeout_ms = CALL_MS},
                      on_tail, c, &id) < 0)
        x->call = 0;
    else if (x->call)
        x->call = id;
}

/* ---- The start ---- */

static void write_define(struct aiex_writer *w, const void *arg)
{
    static const char *const indexes[][2] = {{"user", "by_user"}, {"model", "by_model"}};

    (void)arg;
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", TABLE);
    aiex_w_str(w, "indexes");
    aiex_w_array(w, 2);
    for (unsigned i = 0; i < 2; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "name", indexes[i][0]);
        aiex_w_key_str(w, "field", indexes[i][1]);
        aiex_w_key_str(w, "type", "str");
    }
}

static void on_position(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct interactions *x = &c->interactions;
    struct aiex_slice value;

    if (end->code) {
        failed(c, end, "how far the interactions are written can not be read");
        return;
    }
    if (aiex_get_bytes(end->body, "value", &value) == 1)
        aiex_get_int(value, "end", &x->end);
    x->begun = x->end;
    x->trouble = 0;
    x->ready = 1;
    tail(c);
}

static void on_defined(struct aiex_ask *a, const struct aiex_answer *end)
{
    if (end->code) {
        failed(a->owner, end, "the table '" TABLE "' can not be defined");
        return;
    }
    a->end = on_position;
    ask_row(a, "context_meta", POSITION);
}

/* ---- The end of old rows ---- */

static void take_old(void *arg, const struct row_seen *row)
{
    struct interactions *x = arg;

    if (x->n_old == PRUNE_ROWS || row->key.len > MAX_KEY)
        return;
    memcpy(x->old[x->n_old].key, row->key.data, row->key.len);
    x->old[x->n_old++].len = row->key.len;
}

static int on_old_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct interactions *x = &((struct context *)a->owner)->interactions;

    if (part.data)
        rows_each(part, take_old, x);
    else
        x->n_old = 0;
    return 0;
}

static void write_prune(struct aiex_writer *w, const void *arg)
{
    const struct interactions *x = arg;

    write_transact(w, &x->transact, 0);
    write_operations(w, x->n_old);
    for (unsigned i = 0; i < x->n_old; i++)
        write_delete(w, TABLE, x->old[i].key, x->old[i].len);
}

static void pruned(struct interactions *x)
{
    free(x->old);
    x->old = NULL;
    x->n_old = 0;
}

static void on_pruned(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;

    if (end->code)
        failed(c, end, "old interactions can not be taken away");
    else
        c->interactions.pruned += c->interactions.n_old;
    pruned(&c->interactions);
}

static void on_old(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct interactions *x = &c->interactions;

    if (end->code || !x->n_old) {
        pruned(x);
        return;
    }
    transact_id(c, &x->transact);
    a->part = NULL;
    a->end = on_pruned;
    ask_by(a, "store.transact", write_prune, x);
}

void interactions_prune(struct context *c)
{
    struct interactions *x = &c->interactions;
    int64_t before = wall_ms() - c->config->interactions_keep;
    uint8_t to[8];
    const struct range r = {.table = TABLE, .to = {to, 8}, .limit = PRUNE_ROWS};

    if (!x->ready || x->ask.active || !c->config->interactions_keep || before <= 0)
        return;
    x->old = calloc(PRUNE_ROWS, sizeof(*x->old));
    if (!x->old)
        return; /* the next sweep tries again */
    doc_key(before, to);
    x->ask.part = on_old_part;
    x->ask.end = on_old;
    ask_by(&x->ask, "store.range", write_range, &r);
}

/* ---- From outside ---- */

void interactions_tick(struct context *c)
{
    struct interactions *x = &c->interactions;

    if (!c->config->interactions || c->draining || c->phase == FENCED) {
        interactions_stop(c);
        return;
    }
    if (c->phase != READY || x->ask.active)
        return;
    x->ask.owner = c;
    if (!x->ready) {
        x->ask.part = NULL;
        x->ask.end = on_defined;
        ask_by(&x->ask, "store.define", write_define, NULL);
        return;
    }
    write_next(c);
    if (!x->call)
        tail(c);
}

/* What was not written is in the ledger: it is read again from the position. */
void interactions_stop(struct context *c)
{
    struct interactions *x = &c->interactions;

    if (x->call)
        c->host->cancel(c->host, x->call);
    if (x->ask.owner)
        aiex_ask_stop(&x->ask);
    pruned(x);
    free(x->rows);
    x->rows = NULL;
    x->len = x->cap = 0;
    x->n = x->n_sent = 0;
    x->call = 0;
    x->ready = 0;
}
