/*
 * build.c - one generation of a projection's rows: read, project, save, again. See projection.h.
 *
 *     load -> look -> work -> save -> look ...       with nothing new: a pause, then look
 *                      ^  |
 *                     get (rows that an event needs)
 *
 * What fails on the way to the store begins with load again, so that the position is always the
 * one that was saved. An event that can not be projected ends the page: what precedes it is saved
 * together with the reason, and after a pause it is tried again.
 */
#include "projection.h"

#include <errno.h>
#include <stdio.h>

#define PAGE_EVENTS 100
#define SAVE_EVERY                                                                                 \
    10000 /* events of others that pass before the position is saved all the same                  \
           */
#define MAX_PAUSE 60000u

static void load(void *owner);

/* ---- Life ---- */

static void release(void *owner)
{
    struct build *b = owner;
    const struct aiex_host *host = b->ask.host;

    ev_rows_done(&b->rows);
    host->release(host, b->page);
    host->release(host, b);
}

struct build *ev_build_new(struct projection *p, uint32_t generation)
{
    const struct aiex_host *host = p->all->host;
    struct build *b = host->alloc(host, sizeof(*b));

    if (!b)
        return NULL;
    b->ask = (struct asking){
        .host = host, .service = p->all->store, .timeout_ms = 30000, .free = release, .owner = b};
    b->p = p;
    b->generation = generation;
    b->rows.host = host;
    snprintf(b->key, sizeof(b->key), "%s/%u", p->name, generation);
    return b;
}

void ev_build_begin(struct build *b)
{
    load(b);
}

void ev_build_free(struct build *b)
{
    if (b)
        ev_asking_release(&b->ask);
}

int64_t ev_build_lag(const struct build *b)
{
    return !b || b->state == BUILD_STARTING ? -1
           : b->bound > b->sequence         ? b->bound - b->sequence
                                            : 0;
}

static void drop_page(struct build *b)
{
    b->ask.host->release(b->ask.host, b->page);
    b->page = NULL;
    b->left = 0;
    b->more = b->asked_needs = 0;
    ev_rows_drop(b->ask.host, &b->rows.staged);
    ev_rows_drop(b->ask.host, &b->rows.needs);
}

/* ---- Faults ---- */

static void note_failure(struct build *b, const char *text)
{
    if (b->state != BUILD_FAILED || strcmp(b->error, text) != 0)
        aiex_logf(b->ask.host, AIEX_LOG_WARN, 0, "projection '%s' (build %u) has failed: %.300s",
                  b->p->name, b->generation, text);
    snprintf(b->error, sizeof(b->error), "%s", text);
    b->state = BUILD_FAILED;
    b->failures++;
    b->tries++;
}

static uint64_t pause_after(uint32_t tries)
{
    return tries > 6 ? MAX_PAUSE : (uint64_t)1000 << (tries ? tries - 1 : 0);
}

void ev_build_later(struct build *b, uint64_t ms, void (*step)(void *owner))
{
    if (ev_asking_later(&b->ask, ms, step) != 0)
        aiex_logf(b->ask.host, AIEX_LOG_ERROR, 0,
                  "projection '%s' stands still: no memory for a timer; it goes on when the "
                  "instance is started anew",
                  b->p->name);
}

/* The next step. Inside a call that was answered at once it waits for the next turn of the loop, so
 * that a store in the same cell does not let the stack grow with the number of pages. */
static void go_on(struct build *b, void (*step)(void *owner))
{
    if (b->ask.calling)
        ev_build_later(b, 0, step);
    else
        step(b);
}

/* The store did not do it; what it knows is true. A store that is away for a moment is no failure
 * of the projection. */
void ev_build_lost(struct build *b, const char *code, const char *text)
{
    drop_page(b);
    ev_rows_drop(b->ask.host, &b->rows.kept);
    b->pause_ms = 0;
    if (ev_code_is_passing(code) && b->tries < 8) {
        b->tries++;
        ev_build_later(b, ev_pause_of(b->tries), load);
        return;
    }
    note_failure(b, text);
    ev_build_later(b, pause_after(b->tries > 8 ? b->tries - 8 : 1), load);
}

void ev_build_not_asked(struct build *b, int failed)
{
    ev_build_lost(b, failed == -EMSGSIZE ? AIEX_E_INVALID : AIEX_E_BUSY, strerror(-failed));
}

/* ---- Load ---- */

void ev_write_row_name(struct aiex_writer *w, const void *arg)
{
    const struct row_name *name = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", name->key, strlen(name->key));
}

static void on_row(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    struct aiex_slice value = {NULL, 0};

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        ev_build_lost(b, answer->code, answer->text);
        return;
    }
    b->row_version = b->position = b->sequence = 0;
    aiex_get_int(answer->body, "version", &b->row_version);
    if (aiex_get_bytes(answer->body, "value", &value) == 1) {
        aiex_get_int(value, "position", &b->position);
        aiex_get_int(value, "sequence", &b->sequence);
    }
    b->saved = b->position;
    if (b->state == BUILD_STARTING)
        b->state = BUILD_CATCHING_UP;
    ev_build_look(b);
}

static void load(void *owner)
{
    struct build *b = owner;
    const struct row_name name = {b->key};
    int failed;

    b->ask.fn = on_row;
    failed = ev_asking_call(&b->ask, "store.get", ev_write_row_name, &name);
    if (failed)
        ev_build_not_asked(b, failed);
}

/* ---- Look ---- */

static void write_look(struct aiex_writer *w, const void *arg)
{
    const struct build *b = arg;
    const struct aiex_projection *def = &b->p->def;

    aiex_w_map(w, 2u + (def->stream != NULL) + (def->type != NULL));
    if (def->stream)
        aiex_w_key_str(w, "stream", def->stream);
    if (def->type)
        aiex_w_key_str(w, "type", def->type);
    aiex_w_key_int(w, "from", b->position + 1);
    aiex_w_key_int(w, "limit", PAGE_EVENTS);
}

/* The first part is the page; what follows is asked for again. */
static int take_page(struct build *b, struct aiex_slice part)
{
    struct aiex_value v;

    if (b->page) {
        b->more = 1;
        return 0;
    }
    b->page = b->ask.host->alloc(b->ask.host, part.len + 1);
    if (!b->page)
        return -ENOMEM;
    memcpy(b->page, part.data, part.len);
    b->at.data = b->page;
    b->at.len = part.len;
    if (aiex_r_value(&b->at, &v) != 0 || v.type != AIEX_T_ARRAY)
        return -EPROTO;
    b->left = v.count;
    return 0;
}

/* An older copy of the store was put in its place: its rows know how far they are. */
static void went_back(struct build *b)
{
    drop_page(b);
    ev_rows_drop(b->ask.host, &b->rows.kept);
    ev_build_later(b, b->p->all->look_ms, load);
}

static void on_look(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    int end = 0, r;

    if (answer->kind == AIEX_ANSWER_PART) {
        r = take_page(b, answer->body);
        if (r < 0) {
            ev_asking_stop(&b->ask);
            ev_build_lost(b, r == -ENOMEM ? AIEX_E_BUSY : AIEX_E_UPSTREAM,
                          r == -ENOMEM ? "no memory for a page"
                                       : "the store sent what is no array of events");
        }
        return;
    }
    if (answer->code) {
        ev_build_lost(b, answer->code, answer->text);
        return;
    }
    aiex_get_bool(answer->body, "end", &end);
    aiex_get_int(answer->body, "sequence", &b->bound);
    b->more |= !end;
    if (b->bound < b->sequence)
        went_back(b);
    else
        ev_build_work(b);
}

void ev_build_look(void *owner)
{
    struct build *b = owner;
    int failed;

    drop_page(b);
    b->ask.fn = on_look;
    failed = ev_asking_call(&b->ask, "store.read", write_look, b);
    if (failed)
        ev_build_not_asked(b, failed);
}

/* ---- Work ---- */

struct wanted_row {
    const struct build *b;
    struct aiex_slice key;
};

size_t ev_place_key(uint8_t *out, uint32_t generation, struct aiex_slice key)
{
    for (unsigned i = 0; i < GENERATION_BYTES; i++)
        out[i] = (uint8_t)(generation >> (24 - 8 * i));
    if (key.len)
        memcpy(out + GENERATION_BYTES, key.data, key.len);
    return GENERATION_BYTES + key.len;
}

void ev_put_place(struct aiex_writer *w, const struct build *b, struct aiex_slice key)
{
    uint8_t out[GENERATION_BYTES + AIEX_PROJECTION_KEY];
    size_t n = ev_place_key(out, b->generation, key);

    aiex_w_key_str(w, "table", b->p->table);
    aiex_w_key_bin(w, "key", out, n);
}

static void write_wanted(struct aiex_writer *w, const void *arg)
{
    const struct wanted_row *wanted = arg;

    aiex_w_map(w, 2);
    ev_put_place(w, wanted->b, wanted->key);
}

static void work_again(void *owner)
{
    ev_build_work(owner);
}

static void on_wanted(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    struct aiex_slice value = {NULL, 0};
    int found = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        ev_build_lost(b, answer->code, answer->text);
        return;
    }
    aiex_get_bool(answer->body, "found", &found);
    if (found)
        aiex_get_bytes(answer->body, "value", &value);
    if (ev_row_set(b->ask.host, &b->rows.kept, b->rows.needs.rows[b->need].key, value, found, 0) <
        0)
        ev_build_lost(b, AIEX_E_BUSY, "no memory for a row");
    else
        go_on(b, work_again);
}

/* The next row that is needed and not known is asked for. 1 = it is, 0 = none is left. */
static int fetch(struct build *b)
{
    for (; b->need < b->rows.needs.n; b->need++) {
        const struct wanted_row wanted = {b, b->rows.needs.rows[b->need].key};
        int failed;

        if (ev_row_find(&b->rows.kept, wanted.key))
            continue;
        b->ask.fn = on_wanted;
        failed = ev_asking_call(&b->ask, "store.get", write_wanted, &wanted);
        if (failed)
            ev_build_not_asked(b, failed);
        return 1;
    }
    return 0;
}

/* The event at hand can not be projected: what precedes it is saved, with the reason. */
static void stop_at(struct build *b, const struct aiex_stored_event *e, int error, const char *why)
{
    char text[256];

    snprintf(text, sizeof(text), "event %lld of '%.*s': %s", (long long)e->version,
             (int)(e->stream.len < 80 ? e->stream.len : 80), (const char *)e->stream.data,
             *why ? why : strerror(-error));
    note_failure(b, text);
    drop_page(b);
    b->pause_ms = pause_after(b->tries);
    ev_build_save(b);
}

static int peek(struct build *b, struct aiex_stored_event *e, struct aiex_slice *behind)
{
    struct aiex_slice map = b->at;

    *behind = b->at;
    if (aiex_r_skip(behind) != 0)
        return -EPROTO;
    map.len -= behind->len;
    return aiex_stored_event_read(map, e);
}

/* One event. 1 = it is done with; 0 = something was begun instead. */
static int project(struct build *b)
{
    const struct aiex_projection *def = &b->p->def;
    struct aiex_stored_event e;
    struct aiex_slice behind;
    struct aiex_error err = {""};
    int r = peek(b, &e, &behind);

    if (r < 0) {
        ev_build_lost(b, AIEX_E_UPSTREAM, "the store sent an event that is none");
        return 0;
    }
    if (!b->asked_needs && def->needs)
        r = def->needs(def->arg, &e, &b->rows);
    if (!b->asked_needs)
        b->need = 0;
    b->asked_needs = 1;
    if (r >= 0 && fetch(b))
        return 0;
    r = r < 0 ? r : def->project(def->arg, &e, &b->rows, &err);
    r = r < 0 ? r : ev_rows_commit(&b->rows);
    if (r < 0) {
        stop_at(b, &e, r, err.text);
        return 0;
    }
    b->asked_needs = 0;
    b->at = behind;
    b->left--;
    b->events++;
    b->position = def->stream ? e.version : e.sequence;
    b->sequence = e.sequence;
    return 1;
}

static void rest(struct build *b)
{
    b->state = BUILD_LIVE;
    ev_build_later(b, b->p->all->look_ms, ev_build_look);
    ev_projection_caught_up(b->p, b);
}

/* Everything that was asked for is done and saved. */
void ev_build_next(struct build *b)
{
    if (b->more) {
        if (b->state != BUILD_LIVE)
            b->state = BUILD_CATCHING_UP;
        go_on(b, ev_build_look);
        return;
    }
    b->sequence = b->bound > b->sequence ? b->bound : b->sequence;
    if (!b->p->def.stream)
        b->position = b->sequence;
    rest(b);
}

void ev_build_work(struct build *b)
{
    while (b->left && (b->asked_needs || !ev_rows_full(&b->rows)))
        if (!project(b))
            return;
    if (b->left) {
        ev_build_save(b);
        return;
    }
    b->tries = 0;
    b->error[0] = 0;
    if (!b->more && !b->p->def.stream && b->bound > b->position)
        b->position = b->sequence = b->bound;
    if (ev_rows_dirty(&b->rows) || b->position - b->saved >= SAVE_EVERY ||
        b->state == BUILD_FAILED || !b->row_version)
        ev_build_save(b);
    else
        ev_build_next(b);
}
