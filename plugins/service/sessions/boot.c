/*
 * boot.c - the start: nobody else serves the sessions (peer.c), the table is defined, the epoch
 * taken, the index made. Step by step; a step
 * that fails is tried again after a pause, for as long as it takes, while requests wait a bounded
 * time.
 *
 * The epoch: the owner's row is read, written with the condition that nobody changed it, and read
 * again. Only when it then has this life's random `holder` it is ours, whatever became of the
 * answer to the write; the row's version is what every transaction from then on demands.
 */
#include "sessions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PAUSE_MS  1000u
#define PAGE_ROWS 1000
#define OWNER_KEY "sessions"

enum step { PEER, DEFINE, OWNER_GET, OWNER_PUT, OWNER_CONFIRM, LOAD, N_STEPS };

static void step_begin(struct sessions *s);

/* ---- What is asked ---- */

static void write_define(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", "session");
    aiex_w_str(w, "indexes");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "name", "order");
    aiex_w_key_str(w, "field", "order");
    aiex_w_key_str(w, "type", "str");
}

static void write_owner_key(struct aiex_writer *w, const void *arg)
{
    (void)arg;
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", "session_owner");
    aiex_w_key_bin(w, "key", OWNER_KEY, strlen(OWNER_KEY));
}

static void write_owner(struct aiex_writer *w, const struct sessions *s)
{
    aiex_w_map(w, 5);
    aiex_w_key_int(w, "epoch", s->boot.epoch);
    aiex_w_key_str(w, "holder", s->holder);
    aiex_w_key_str(w, "instance", s->host->instance);
    aiex_w_key_str(w, "node", s->host->node);
    aiex_w_key_int(w, "time", s->boot.time);
}

static void write_take(struct aiex_writer *w, const void *arg)
{
    const struct sessions *s = arg;
    uint8_t mem[512];
    struct aiex_writer value;

    aiex_writer_init(&value, mem, sizeof(mem));
    write_owner(&value, s);
    aiex_w_map(w, 2);
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", "session_owner");
    aiex_w_key_bin(w, "key", OWNER_KEY, strlen(OWNER_KEY));
    aiex_w_key_int(w, "version", s->owner_version);
    aiex_w_str(w, "operations");
    aiex_w_array(w, 1);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", "session_owner");
    aiex_w_key_bin(w, "key", OWNER_KEY, strlen(OWNER_KEY));
    aiex_w_key_bin(w, "value", mem, value.len);
}

static void write_range(struct aiex_writer *w, const void *arg)
{
    const struct sessions *s = arg;
    char from[MAX_ORDER], to[MAX_ORDER];

    shelf_bounds("live", from, to);
    aiex_w_map(w, 5);
    aiex_w_key_str(w, "table", "session");
    aiex_w_key_str(w, "index", "order");
    aiex_w_key_str(w, "from", s->boot.from[0] ? s->boot.from : from);
    aiex_w_key_str(w, "to", to);
    aiex_w_key_int(w, "limit", PAGE_ROWS);
}

static const struct {
    const char *method, *doing;
    aiex_write_fn write;
} steps[N_STEPS] = {
    [PEER] = {NULL, "the sessions are not served here", NULL},
    [DEFINE] = {"store.define", "the table of sessions can not be defined", write_define},
    [OWNER_GET] = {"store.get", "the owner of the sessions can not be read", write_owner_key},
    [OWNER_PUT] = {"store.transact", "the ownership can not be taken", write_take},
    [OWNER_CONFIRM] = {"store.get", "the owner of the sessions can not be read", write_owner_key},
    [LOAD] = {"store.range", "the sessions can not be read", write_range},
};

/* ---- What is told ---- */

static void again(void *arg)
{
    struct sessions *s = arg;

    s->boot.timer = 0;
    step_begin(s);
}

static void trouble(struct sessions *s, const char *code, const char *text)
{
    struct boot *b = &s->boot;
    char before[sizeof(b->trouble)];

    memcpy(before, b->trouble, sizeof(before));
    snprintf(b->trouble, sizeof(b->trouble), "%s: %s (%s)", steps[b->step].doing, text, code);
    if (strcmp(before, b->trouble) != 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0, "%s; trying again every second", b->trouble);
    if (s->host->timer(s->host, PAUSE_MS, 0, again, s, &b->timer) != 0)
        aiex_logf(s->host, AIEX_LOG_ERROR, 0, "no memory for a timer; reload the plugin");
}

static int64_t owner_row(struct aiex_slice body, int64_t *ret_epoch, char holder[33])
{
    struct aiex_slice value;
    int64_t version = 0;
    int found = 0;

    *ret_epoch = 0;
    holder[0] = 0;
    if (aiex_get_bool(body, "found", &found) == 1 && found &&
        aiex_get_int(body, "version", &version) == 1 &&
        aiex_get_bytes(body, "value", &value) == 1) {
        aiex_get_int(value, "epoch", ret_epoch);
        aiex_get_text(value, "holder", holder, 33);
    }
    return version;
}

/* One row of a page of the index. */
static int load_row(struct sessions *s, struct aiex_slice map)
{
    struct aiex_slice value = {NULL, 0}, key = {NULL, 0};
    struct row row;
    struct entry *e;

    aiex_get_bytes(map, "key", &key);
    aiex_get_bytes(map, "value", &value);
    if (aiex_get_text(value, "order", s->boot.from, MAX_ORDER - 1) == 1)
        strcat(s->boot.from, "!"); /* behind it, before the next one */
    if (row_read(value, &row) < 0 || !aiex_slice_is(key, row.id)) {
        aiex_logf(s->host, AIEX_LOG_ERROR, 0,
                  "a row of the table 'session' can not be read and is left out; see store.verify");
        return 0;
    }
    e = entry_new(&s->index, &row);
    if (!e)
        return -ENOMEM;
    if (index_put(&s->index, e) < 0) {
        entry_free(&s->index, e);
        return -ENOMEM;
    }
    s->boot.rows++;
    return 0;
}

static int load_part(struct aiex_ask *a, struct aiex_slice part)
{
    struct sessions *s = a->owner;
    struct aiex_value v, head;

    if (!part.data || aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0; /* asked again: what came is put once more, which changes nothing */
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice start = part, peek = part;

        if (aiex_r_value(&peek, &head) != 0 || aiex_r_skip(&part) != 0)
            return 0;
        start.len -= part.len;
        if (head.type == AIEX_T_MAP && load_row(s, start) < 0) {
            s->boot.rows = SIZE_MAX; /* told at the end */
            return 1;
        }
    }
    return 0;
}

static void ready(struct sessions *s)
{
    s->boot.trouble[0] = 0;
    s->phase = READY;
    aiex_logf(s->host, AIEX_LOG_INFO, 0, "%zu live sessions, epoch %lld", s->index.n_live,
              (long long)s->epoch);
    works_begin(s);
    erase_soon(s);
}

static void owner_step(struct sessions *s, struct aiex_slice body)
{
    struct boot *b = &s->boot;
    char holder[33];
    int64_t epoch, version = owner_row(body, &epoch, holder);

    s->owner_version = version;
    if (b->step == OWNER_GET) {
        b->epoch = epoch + 1;
        b->time = wall_ms();
        b->step = OWNER_PUT;
    } else if (strcmp(holder, s->holder) == 0) {
        s->epoch = epoch;
        b->step = LOAD;
        b->from[0] = 0;
    } else {
        b->step = OWNER_GET; /* another one was faster */
    }
}

static void load_step(struct sessions *s, const struct aiex_answer *end)
{
    struct boot *b = &s->boot;
    int is_end = 0;

    if (b->rows == SIZE_MAX) {
        b->rows = 0;
        trouble(s, AIEX_E_BUSY, "no memory for the index");
    } else if (aiex_get_bool(end->body, "end", &is_end) == 1 && is_end) {
        ready(s);
    } else {
        step_begin(s);
    }
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct sessions *s = a->owner;
    struct boot *b = &s->boot;

    if (b->step == OWNER_PUT) { /* the row itself tells how it went */
        if (end->code)
            trouble(s, end->code, end->text);
        b->step = !end->code || a->unknown ? OWNER_CONFIRM : OWNER_GET;
        if (!end->code)
            step_begin(s);
    } else if (end->code) {
        trouble(s, end->code, end->text);
    } else if (b->step == LOAD) {
        load_step(s, end);
    } else if (b->step == DEFINE) {
        b->step = OWNER_GET;
        step_begin(s);
    } else {
        owner_step(s, end->body);
        step_begin(s);
    }
}

static void on_peer(struct sessions *s, const char *other)
{
    char text[160];

    if (!other) {
        s->boot.step = DEFINE;
        step_begin(s);
        return;
    }
    snprintf(text, sizeof(text), "the instance '%s' serves them; configure one only", other);
    trouble(s, AIEX_E_CONFLICT, text);
}

static void step_begin(struct sessions *s)
{
    struct aiex_ask *a = &s->boot.ask;

    if (s->boot.step == PEER) {
        peer_ask(s, on_peer);
        return;
    }
    a->owner = s;
    a->method = steps[s->boot.step].method;
    a->part = s->boot.step == LOAD ? load_part : NULL;
    a->end = on_end;
    ask_by(a, steps[s->boot.step].write, s);
}

static void first(void *arg)
{
    step_begin(arg);
}

void boot_start(struct sessions *s)
{
    char id[MAX_ID + 1];

    random_id(id);
    random_id(s->holder);
    strcat(s->holder, id);
    s->phase = LOADING;
    if (s->host->post(s->host, first, s) != 0)
        first(s);
}

void boot_stop(struct sessions *s)
{
    if (s->boot.timer)
        s->host->unwatch(s->host, s->boot.timer);
    s->boot.timer = 0;
    peer_stop(s);
    if (s->boot.ask.owner)
        aiex_ask_stop(&s->boot.ask);
}

/* ---- Later: is the row still ours? ---- */

void owner_ask(struct aiex_ask *a)
{
    a->method = "store.get";
    a->part = NULL;
    ask_by(a, write_owner_key, NULL);
}

int owner_is_mine(struct sessions *s, struct aiex_slice end_body)
{
    char holder[33];

    owner_row(end_body, &s->other_epoch, holder);
    return strcmp(holder, s->holder) == 0;
}

const char *fenced_by(const struct sessions *s)
{
    return s->other_epoch < s->epoch ? "the store was put back to when it had another owner"
                                     : "another instance owns the sessions now";
}

void fenced(struct sessions *s)
{
    if (s->phase == FENCED)
        return;
    s->phase = FENCED;
    aiex_logf(s->host, s->other_epoch < s->epoch ? AIEX_LOG_WARN : AIEX_LOG_ERROR, 0,
              "%s; this one (epoch %lld) writes no more%s", fenced_by(s), (long long)s->epoch,
              s->other_epoch < s->epoch
                  ? ", and is to be replaced: reload_on = store.restored, or aiex plugin reload"
                  : "");
}
