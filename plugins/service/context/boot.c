/*
 * boot.c - the start: tables are defined, the epoch is taken, the memory is made. A step that fails
 * is tried again every second, for as long as it takes, while requests wait a bounded time.
 *
 * The epoch: the owner's row is read, written with the condition that nobody changed it, and read
 * again. Only when it then holds this life's random number it is ours, whatever became of the
 * answer. Every transaction carries it, so from here on the store refuses those of an older life,
 * and what is loaded afterwards stays true.
 */
#include "context.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define PAUSE_MS  1000u
#define PAGE_ROWS 1000
#define OWNER     "owner", 5

enum step { DEFINE, OWNER_GET, OWNER_PUT, OWNER_CONFIRM, LOAD };

static const char *const doings[] = {
    [DEFINE] = "the tables can not be defined",
    [OWNER_GET] = "the owner of the contexts can not be read",
    [OWNER_PUT] = "the contexts can not be taken over",
    [OWNER_CONFIRM] = "the owner of the contexts can not be read",
    [LOAD] = "the contexts can not be loaded",
};

static void step_begin(struct context *c);

/* ---- What is asked ---- */

static void write_define(struct aiex_writer *w, const void *arg)
{
    static const char *const indexes[][3] = {
        {"kind", "by_kind", "str"},       {"session", "by_session", "str"},
        {"project", "by_project", "str"}, {"path", "by_path", "str"},
        {"time", "rank", "int"},          {"expires", "expires", "int"},
    };
    const uint32_t n = sizeof(indexes) / sizeof(indexes[0]);

    (void)arg;
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", "context_entry");
    aiex_w_str(w, "indexes");
    aiex_w_array(w, n);
    for (uint32_t i = 0; i < n; i++) {
        aiex_w_map(w, 3);
        aiex_w_key_str(w, "name", indexes[i][0]);
        aiex_w_key_str(w, "field", indexes[i][1]);
        aiex_w_key_str(w, "type", indexes[i][2]);
    }
}

static void write_take(struct aiex_writer *w, const void *arg)
{
    const struct context *c = arg;
    const struct boot *b = &c->boot;
    uint8_t mem[64];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    aiex_w_map(&value, 2);
    aiex_w_key_int(&value, "epoch", b->epoch);
    aiex_w_key_int(&value, "holder", b->holder);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "owner", "context");
    aiex_w_key_int(w, "epoch", b->epoch);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    write_condition(w, "context_meta", OWNER, b->owner_version);
    write_operations(w, 1);
    write_put(w, "context_meta", OWNER);
    aiex_w_bin(w, mem, value.len);
}

static void write_page(struct aiex_writer *w, const void *arg)
{
    const struct context *c = arg;
    const struct range r = {
        .table = "context_entry", .token = {c->boot.token, c->boot.token_len}, .limit = PAGE_ROWS};

    write_range(w, &r);
}

/* ---- What is told ---- */

static void again(void *arg)
{
    struct context *c = arg;

    c->boot.timer = 0;
    step_begin(c);
}

static void trouble(struct context *c, const char *code, const char *text)
{
    struct boot *b = &c->boot;
    char before[sizeof(b->trouble)];

    memcpy(before, b->trouble, sizeof(before));
    snprintf(b->trouble, sizeof(b->trouble), "%s: %.200s (%s)", doings[b->step], text ? text : "",
             code);
    if (strcmp(before, b->trouble) != 0)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "%s; trying again every second", b->trouble);
    if (c->host->timer(c->host, PAUSE_MS, 0, again, c, &b->timer) != 0)
        aiex_logf(c->host, AIEX_LOG_ERROR, 0, "no memory for a timer; reload the plugin");
}

static void owner_row(struct context *c, struct aiex_slice body, int64_t *ret_holder)
{
    struct aiex_slice value;
    int64_t epoch = 0;
    int found = 0;

    *ret_holder = 0;
    c->boot.owner_version = 0;
    if (aiex_get_bool(body, "found", &found) != 1 || !found ||
        aiex_get_int(body, "version", &c->boot.owner_version) != 1 ||
        aiex_get_bytes(body, "value", &value) != 1)
        return;
    aiex_get_int(value, "epoch", &epoch);
    aiex_get_int(value, "holder", ret_holder);
    if (epoch >= c->boot.epoch && *ret_holder != c->boot.holder)
        c->boot.epoch = epoch + 1;
}

static void load_row(void *arg, const struct row_seen *seen)
{
    struct context *c = arg;
    struct row row;
    struct entry *e;

    if (row_read(seen->value, seen->version, &row) < 0) {
        aiex_logf(c->host, AIEX_LOG_ERROR, 0,
                  "a row of the table 'context_entry' can not be read and is left out; see "
                  "store.verify");
        return;
    }
    e = index_make(&c->index, row.id, strlen(row.id));
    if (!e || kind_number(c, row.kind) < 0)
        c->boot.no_memory = 1;
    else
        entry_take(c, e, &row);
}

static int on_part(struct aiex_ask *a, struct aiex_slice part)
{
    rows_each(part, load_row, a->owner); /* once more changes nothing */
    return 0;
}

static void ready(struct context *c)
{
    c->boot.trouble[0] = 0;
    c->phase = READY;
    aiex_logf(c->host, AIEX_LOG_INFO, 0, "%zu contexts, epoch %lld", c->index.n_live,
              (long long)c->epoch);
    works_begin(c);
    sweep_soon(c);
}

static void loaded(struct context *c, const struct aiex_answer *end)
{
    struct boot *b = &c->boot;
    struct aiex_slice next = {NULL, 0};
    int is_end = 1;

    aiex_get_bool(end->body, "end", &is_end);
    free(b->token);
    b->token = NULL;
    b->token_len = 0;
    if (!is_end && aiex_get_bytes(end->body, "next", &next) == 1 && next.len) {
        b->token = malloc(next.len);
        b->no_memory |= !b->token;
    }
    if (b->no_memory) {
        b->no_memory = 0;
        trouble(c, AIEX_E_BUSY, "no memory, or more kinds than fit");
    } else if (b->token) {
        memcpy(b->token, next.data, next.len);
        b->token_len = next.len;
        step_begin(c);
    } else {
        ready(c);
    }
}

static void taken(struct context *c, const struct aiex_answer *end)
{
    int64_t holds = 0;

    c->boot.step = OWNER_CONFIRM; /* the row itself tells how it went */
    if (end->code && strcmp(end->code, AIEX_E_CONFLICT) == 0) {
        c->boot.step = OWNER_GET;
        if (aiex_get_int(end->body, "failed", &holds) != 1 &&
            aiex_get_int(end->body, "version", &holds) == 1 && holds >= c->boot.epoch)
            c->boot.epoch = holds + 1; /* the store has seen a higher one */
    }
    if (end->code && strcmp(end->code, AIEX_E_CONFLICT) != 0)
        trouble(c, end->code, end->text);
    else
        step_begin(c);
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct context *c = a->owner;
    struct boot *b = &c->boot;
    int64_t holder;

    if (b->step == OWNER_PUT) {
        taken(c, end);
        return;
    }
    if (end->code) {
        trouble(c, end->code, end->text);
        return;
    }
    switch (b->step) {
    case LOAD:
        loaded(c, end);
        return;
    case DEFINE:
        b->step = OWNER_GET;
        break;
    case OWNER_GET:
        owner_row(c, end->body, &holder);
        b->step = OWNER_PUT;
        break;
    default:
        owner_row(c, end->body, &holder);
        b->step = holder == b->holder ? LOAD : OWNER_GET;
        c->epoch = b->epoch;
    }
    step_begin(c);
}

static void step_begin(struct context *c)
{
    struct aiex_ask *a = &c->boot.ask;

    a->owner = c;
    a->part = c->boot.step == LOAD ? on_part : NULL;
    a->end = on_end;
    a->late = NULL;
    switch (c->boot.step) {
    case DEFINE:
        ask_by(a, "store.define", write_define, NULL);
        break;
    case OWNER_PUT:
        ask_by(a, "store.transact", write_take, c);
        break;
    case LOAD:
        ask_by(a, "store.range", write_page, c);
        break;
    default:
        ask_row(a, "context_meta", OWNER);
    }
}

static void first(void *arg)
{
    step_begin(arg);
}

void boot_start(struct context *c)
{
    c->phase = LOADING;
    c->boot.epoch = 1;
    randombytes_buf(&c->boot.holder, sizeof(c->boot.holder));
    c->boot.holder &= INT64_MAX;
    if (c->host->post(c->host, first, c) != 0)
        first(c);
}

void boot_stop(struct context *c)
{
    if (c->boot.timer)
        c->host->unwatch(c->host, c->boot.timer);
    c->boot.timer = 0;
    if (c->boot.ask.owner)
        aiex_ask_stop(&c->boot.ask);
    free(c->boot.token);
    c->boot.token = NULL;
}
