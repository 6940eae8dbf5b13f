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
#include <time.h>

#define PAGE_EVENTS 100
#define SAVE_EVERY                                                                                 \
    10000 /* events of others that pass before the position is saved all the same                  \
           */
#define MAX_PAUSE 60000u

static const char *const names[] = {"starting", "catching_up", "live", "failed"};

static void load(void *owner);
static void look(void *owner);
static void work(struct build *b);
static void save(struct build *b);

/* ---- Life ---- */

static void release(void *owner)
{
    struct build *b = owner;
    const struct aiex_host *host = b->ask.host;

    rows_done(&b->rows);
    host->release(host, b->page);
    host->release(host, b);
}

struct build *build_new(struct projection *p, uint32_t generation)
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

void build_begin(struct build *b)
{
    load(b);
}

void build_free(struct build *b)
{
    if (b)
        asking_release(&b->ask);
}

int64_t build_lag(const struct build *b)
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
    rows_drop(b->ask.host, &b->rows.staged);
    rows_drop(b->ask.host, &b->rows.needs);
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

static void later(struct build *b, uint64_t ms, void (*step)(void *owner))
{
    if (asking_later(&b->ask, ms, step) != 0)
        aiex_logf(b->ask.host, AIEX_LOG_ERROR, 0,
                  "projection '%s' stands still: no memory for a timer; it goes on when the "
                  "instance is started anew",
                  b->p->name);
}

/* The store did not do it; what it knows is true. A store that is away for a moment is no failure
 * of the projection. */
static void lost(struct build *b, const char *code, const char *text)
{
    drop_page(b);
    rows_drop(b->ask.host, &b->rows.kept);
    b->pause_ms = 0;
    if (code_is_passing(code) && b->tries < 8) {
        b->tries++;
        later(b, pause_of(b->tries), load);
        return;
    }
    note_failure(b, text);
    later(b, pause_after(b->tries > 8 ? b->tries - 8 : 1), load);
}

static void not_asked(struct build *b, int failed)
{
    lost(b, failed == -EMSGSIZE ? AIEX_E_INVALID : AIEX_E_BUSY, strerror(-failed));
}

/* ---- Load ---- */

void write_row_name(struct aiex_writer *w, const void *arg)
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
        lost(b, answer->code, answer->text);
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
    look(b);
}

static void load(void *owner)
{
    struct build *b = owner;
    const struct row_name name = {b->key};
    int failed;

    b->ask.fn = on_row;
    failed = asking_call(&b->ask, "store.get", write_row_name, &name);
    if (failed)
        not_asked(b, failed);
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
    rows_drop(b->ask.host, &b->rows.kept);
    later(b, b->p->all->look_ms, load);
}

static void on_look(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    int end = 0, r;

    if (answer->kind == AIEX_ANSWER_PART) {
        r = take_page(b, answer->body);
        if (r < 0) {
            asking_stop(&b->ask);
            lost(b, r == -ENOMEM ? AIEX_E_BUSY : AIEX_E_UPSTREAM,
                 r == -ENOMEM ? "no memory for a page"
                              : "the store sent what is no array of events");
        }
        return;
    }
    if (answer->code) {
        lost(b, answer->code, answer->text);
        return;
    }
    aiex_get_bool(answer->body, "end", &end);
    aiex_get_int(answer->body, "sequence", &b->bound);
    b->more |= !end;
    if (b->bound < b->sequence)
        went_back(b);
    else
        work(b);
}

static void look(void *owner)
{
    struct build *b = owner;
    int failed;

    drop_page(b);
    b->ask.fn = on_look;
    failed = asking_call(&b->ask, "store.read", write_look, b);
    if (failed)
        not_asked(b, failed);
}

/* ---- Work ---- */

struct wanted_row {
    const struct build *b;
    struct aiex_slice key;
};

size_t place_key(uint8_t *out, uint32_t generation, struct aiex_slice key)
{
    for (unsigned i = 0; i < GENERATION_BYTES; i++)
        out[i] = (uint8_t)(generation >> (24 - 8 * i));
    if (key.len)
        memcpy(out + GENERATION_BYTES, key.data, key.len);
    return GENERATION_BYTES + key.len;
}

static void put_place(struct aiex_writer *w, const struct build *b, struct aiex_slice key)
{
    uint8_t out[GENERATION_BYTES + AIEX_PROJECTION_KEY];
    size_t n = place_key(out, b->generation, key);

    aiex_w_key_str(w, "table", b->p->table);
    aiex_w_key_bin(w, "key", out, n);
}

static void write_wanted(struct aiex_writer *w, const void *arg)
{
    const struct wanted_row *wanted = arg;

    aiex_w_map(w, 2);
    put_place(w, wanted->b, wanted->key);
}

static void on_wanted(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    struct aiex_slice value = {NULL, 0};
    int found = 0;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        lost(b, answer->code, answer->text);
        return;
    }
    aiex_get_bool(answer->body, "found", &found);
    if (found)
        aiex_get_bytes(answer->body, "value", &value);
    if (row_set(b->ask.host, &b->rows.kept, b->rows.needs.rows[b->need].key, value, found, 0) < 0)
        lost(b, AIEX_E_BUSY, "no memory for a row");
    else
        work(b);
}

/* The next row that is needed and not known is asked for. 1 = it is, 0 = none is left. */
static int fetch(struct build *b)
{
    for (; b->need < b->rows.needs.n; b->need++) {
        const struct wanted_row wanted = {b, b->rows.needs.rows[b->need].key};
        int failed;

        if (row_find(&b->rows.kept, wanted.key))
            continue;
        b->ask.fn = on_wanted;
        failed = asking_call(&b->ask, "store.get", write_wanted, &wanted);
        if (failed)
            not_asked(b, failed);
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
    save(b);
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
        lost(b, AIEX_E_UPSTREAM, "the store sent an event that is none");
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
    r = r < 0 ? r : rows_commit(&b->rows);
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
    later(b, b->p->all->look_ms, look);
    projection_caught_up(b->p, b);
}

/* Everything that was asked for is done and saved. */
static void next(struct build *b)
{
    if (b->more) {
        if (b->state != BUILD_LIVE)
            b->state = BUILD_CATCHING_UP;
        look(b);
        return;
    }
    b->sequence = b->bound > b->sequence ? b->bound : b->sequence;
    if (!b->p->def.stream)
        b->position = b->sequence;
    rest(b);
}

static void work(struct build *b)
{
    while (b->left && (b->asked_needs || !rows_full(&b->rows)))
        if (!project(b))
            return;
    if (b->left) {
        save(b);
        return;
    }
    b->tries = 0;
    b->error[0] = 0;
    if (!b->more && !b->p->def.stream && b->bound > b->position)
        b->position = b->sequence = b->bound;
    if (rows_dirty(&b->rows) || b->position - b->saved >= SAVE_EVERY || b->state == BUILD_FAILED ||
        !b->row_version)
        save(b);
    else
        next(b);
}

/* ---- Save ---- */

static void put_state(struct aiex_writer *w, const struct build *b)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    aiex_w_map(w, 8);
    aiex_w_key_str(w, "name", b->p->name);
    aiex_w_key_uint(w, "generation", b->generation);
    aiex_w_key_uint(w, "version", b->p->def.version);
    aiex_w_key_int(w, "position", b->position);
    aiex_w_key_int(w, "sequence", b->sequence);
    aiex_w_key_str(w, "state",
                   b->pause_ms          ? names[BUILD_FAILED]
                   : b->more || b->left ? names[BUILD_CATCHING_UP]
                                        : names[BUILD_LIVE]);
    aiex_w_key_str(w, "error", b->pause_ms ? b->error : "");
    aiex_w_key_int(w, "time", (int64_t)t.tv_sec * 1000);
}

static void put_row(struct aiex_writer *w, const struct build *b, const struct row *row)
{
    aiex_w_map(w, row->exists ? 4 : 3);
    aiex_w_key_str(w, "op", row->exists ? "put" : "delete");
    put_place(w, b, row->key);
    if (row->exists)
        aiex_w_key_bin(w, "value", row->value.data, row->value.len);
}

static void put_own_row(struct aiex_writer *w, const struct build *b)
{
    struct aiex_writer measure;

    aiex_writer_init(&measure, NULL, 0);
    put_state(&measure, b);
    aiex_w_map(w, 4);
    aiex_w_key_str(w, "op", "put");
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", b->key, strlen(b->key));
    aiex_w_str(w, "value");
    aiex_w_bin_head(w, measure.len);
    put_state(w, b);
}

static void write_save(struct aiex_writer *w, const void *arg)
{
    const struct build *b = arg;

    aiex_w_map(w, 3);
    aiex_w_key_str(w, "level", "written"); /* rows and position stay or go together */
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", b->key, strlen(b->key));
    aiex_w_key_int(w, "version", b->row_version);
    aiex_w_str(w, "operations");
    aiex_w_array(w, rows_dirty(&b->rows) + 1);
    for (uint32_t i = 0; i < b->rows.kept.n; i++)
        if (b->rows.kept.rows[i].dirty)
            put_row(w, b, &b->rows.kept.rows[i]);
    put_own_row(w, b);
}

static void on_saved(void *owner, const struct aiex_answer *answer)
{
    struct build *b = owner;
    uint64_t pause = b->pause_ms;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        lost(b, answer->code,
             strcmp(answer->code, AIEX_E_CONFLICT) == 0
                 ? "another process builds the same rows; only one may run it"
                 : answer->text);
        return;
    }
    aiex_get_int(answer->body, "version", &b->row_version);
    b->saved = b->position;
    b->pause_ms = 0;
    rows_drop(b->ask.host, &b->rows.kept);
    if (pause)
        later(b, pause, look);
    else if (b->left)
        work(b);
    else
        next(b);
}

static void save(struct build *b)
{
    int failed;

    b->ask.fn = on_saved;
    failed = asking_call(&b->ask, "store.transact", write_save, b);
    if (failed)
        not_asked(b, failed);
}
