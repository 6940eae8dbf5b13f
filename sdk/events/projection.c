/*
 * projection.c - a projection's row, its builds, and which one readers have. See projection.h.
 *
 *     read the row -> write it (with what is to be built) -> remove what is old -> builds run
 *     a build caught up, or a rebuild is wanted:  write the row -> ...
 *
 * One step at a time, by p->ask; what comes meanwhile is noted in the fields and looked at when the
 * step is done.
 */
#include "projection.h"

#include <errno.h>
#include <stdio.h>

#define GRACE_MS 1000 /* for readers that are on their way to rows of the last generation */

static void read_row(void *owner);
static void write_row(struct projection *p);

/* ---- Life ---- */

int aiex_projections_new(const struct aiex_projections_setting *setting,
                         struct aiex_projections **ret_p)
{
    struct aiex_projections *all;

    if (setting->store && strlen(setting->store) > AIEX_MAX_NAME)
        return -EINVAL;
    all = setting->host->alloc(setting->host, sizeof(*all));
    if (!all)
        return -ENOMEM;
    all->host = setting->host;
    snprintf(all->store, sizeof(all->store), "%s", setting->store ? setting->store : "store");
    all->look_ms = setting->look_ms ? setting->look_ms : 100;
    *ret_p = all;
    return 0;
}

static void release(void *owner)
{
    struct projection *p = owner;
    const struct aiex_host *host = p->ask.host;

    host->release(host, (void *)(uintptr_t)p->doomed.data);
    host->release(host, p);
}

void aiex_projections_free(struct aiex_projections *all)
{
    if (!all)
        return;
    while (all->first) {
        struct projection *p = all->first;

        all->first = p->next;
        ev_build_free(p->live);
        ev_build_free(p->newer);
        ev_asking_release(&p->ask);
    }
    all->host->release(all->host, all);
}

static int is_name(const char *name)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";

    return *name && strlen(name) <= AIEX_PROJECTION_NAME && strspn(name, good) == strlen(name);
}

static struct projection *find(const struct aiex_projections *all, const char *name)
{
    struct projection *p = all->first;

    while (p && strcmp(p->name, name) != 0)
        p = p->next;
    return p;
}

int aiex_projection_start(struct aiex_projections *all, const struct aiex_projection *projection)
{
    struct projection *p;

    if (!is_name(projection->name) || !projection->version)
        return -EINVAL;
    if (find(all, projection->name))
        return -EEXIST;
    p = all->host->alloc(all->host, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->def = *projection;
    p->all = all;
    strcpy(p->name, projection->name);
    snprintf(p->table, sizeof(p->table), "projection.%s", p->name);
    p->ask = (struct asking){
        .host = all->host, .service = all->store, .timeout_ms = 30000, .free = release, .owner = p};
    p->next = all->first;
    all->first = p;
    read_row(p);
    return 0;
}

/* ---- Faults ---- */

static void lost(struct projection *p, const char *text)
{
    p->tries++;
    if (p->tries == 8 || (p->tries > 8 && strncmp(p->error, text, sizeof(p->error) - 1) != 0))
        aiex_logf(p->ask.host, AIEX_LOG_WARN, 0, "projection '%s' waits for its store: %.300s",
                  p->name, text);
    snprintf(p->error, sizeof(p->error), "%s", text);
    if (ev_asking_later(&p->ask, ev_pause_of(p->tries), read_row) != 0)
        aiex_logf(p->ask.host, AIEX_LOG_ERROR, 0,
                  "projection '%s' stands still: no memory for a timer; it goes on when the "
                  "instance is started anew",
                  p->name);
}

/* ---- Its row ---- */

static void take_number(struct aiex_slice value, const char *key, uint32_t *out)
{
    int64_t n = 0;

    aiex_get_int(value, key, &n);
    *out = n > 0 && n <= INT32_MAX ? (uint32_t)n : 0;
}

/* What is to be built: nothing, what was being built, or something new. */
static void plan(struct projection *p)
{
    uint32_t newest = p->generation > p->building ? p->generation : p->building;
    int fits = p->generation && p->version == p->def.version;

    if (p->building && p->building_version == p->def.version)
        p->wanted = p->wanted > p->building ? p->wanted : p->building;
    else if (!fits && !p->wanted)
        p->wanted = newest + 1;
    if (p->wanted && p->wanted < p->building) /* of another process, or before a fault */
        p->wanted = newest + 1;
}

static void on_row(void *owner, const struct aiex_answer *answer)
{
    struct projection *p = owner;
    struct aiex_slice value = {NULL, 0};

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        lost(p, answer->text);
        return;
    }
    p->row_version = 0;
    aiex_get_int(answer->body, "version", &p->row_version);
    aiex_get_bytes(answer->body, "value", &value);
    take_number(value, "version", &p->version);
    take_number(value, "generation", &p->generation);
    take_number(value, "building", &p->building);
    take_number(value, "building_version", &p->building_version);
    plan(p);
    p->dropped = p->building != p->wanted ? p->building : 0;
    write_row(p);
}

static void read_row(void *owner)
{
    struct projection *p = owner;
    const struct row_name name = {p->name};

    p->ask.fn = on_row;
    if (ev_asking_call(&p->ask, "store.get", ev_write_row_name, &name) != 0)
        lost(p, "no memory for a call, or too many of them");
}

static void put_row(struct aiex_writer *w, const struct projection *p)
{
    aiex_w_map(w, 6);
    aiex_w_key_str(w, "name", p->name);
    aiex_w_key_uint(w, "version", p->version);
    aiex_w_key_uint(w, "generation", p->generation);
    aiex_w_key_uint(w, "building", p->wanted);
    aiex_w_key_uint(w, "building_version", p->wanted ? p->def.version : 0);
    aiex_w_key_str(w, "service", p->all->host->instance);
}

static void put_operation(struct aiex_writer *w, const char *op, const char *key, uint32_t pairs)
{
    aiex_w_map(w, pairs);
    aiex_w_key_str(w, "op", op);
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", key, strlen(key));
}

/* The row; that of a build that is no longer goes. */
static void write_pointer(struct aiex_writer *w, const void *arg)
{
    const struct projection *p = arg;
    struct aiex_writer measure;
    char key[STATE_KEY];

    aiex_writer_init(&measure, NULL, 0);
    put_row(&measure, p);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "level", "written");
    aiex_w_str(w, "conditions");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3);
    aiex_w_key_str(w, "table", AIEX_PROJECTION_TABLE);
    aiex_w_key_bin(w, "key", p->name, strlen(p->name));
    aiex_w_key_int(w, "version", p->row_version);
    aiex_w_str(w, "operations");
    aiex_w_array(w, 1u + (p->dropped != 0));
    put_operation(w, "put", p->name, 4);
    aiex_w_str(w, "value");
    aiex_w_bin_head(w, measure.len);
    put_row(w, p);
    if (p->dropped) {
        snprintf(key, sizeof(key), "%s/%u", p->name, p->dropped);
        put_operation(w, "delete", key, 3);
    }
}

/* ---- Builds ---- */

static void run(struct projection *p, struct build **at, uint32_t generation)
{
    if (*at && (*at)->generation != generation) {
        ev_build_free(*at);
        *at = NULL;
    }
    if (*at || !generation)
        return;
    *at = ev_build_new(p, generation);
    if (*at)
        ev_build_begin(*at);
    else
        lost(p, "no memory for a build");
}

static void clean(void *owner)
{
    ev_projection_clean(owner);
}

static void on_written(void *owner, const struct aiex_answer *answer)
{
    struct projection *p = owner;

    if (answer->kind != AIEX_ANSWER_END)
        return;
    if (answer->code) {
        lost(p, answer->text);
        return;
    }
    aiex_get_int(answer->body, "version", &p->row_version);
    p->building = p->wanted;
    p->building_version = p->wanted ? p->def.version : 0;
    p->dropped = 0;
    p->known = 1;
    p->tries = 0;
    p->error[0] = 0;
    run(p, &p->newer, p->building);
    if (p->ask.waiting)
        return;
    /* rows of another version stay as they are: the program that built them is gone */
    run(p, &p->live, p->version == p->def.version ? p->generation : 0);
    if (!p->ask.waiting && p->generation > 1)
        ev_asking_later(&p->ask, GRACE_MS, clean); /* else the next process does it */
}

static void write_row(struct projection *p)
{
    p->ask.fn = on_written;
    if (ev_asking_call(&p->ask, "store.transact", write_pointer, p) != 0)
        lost(p, "no memory for a call, or too many of them");
}

void ev_projection_caught_up(struct projection *p, struct build *b)
{
    if (b != p->newer || p->ask.open || p->ask.waiting)
        return; /* the next look comes soon */
    ev_build_free(p->live);
    p->live = b;
    p->newer = NULL;
    p->dropped = p->generation;
    p->generation = b->generation;
    p->version = p->def.version;
    p->wanted = 0;
    write_row(p);
}

int aiex_projection_rebuild(struct aiex_projections *all, const char *name)
{
    struct projection *p = find(all, name);

    if (!p)
        return -ENOENT;
    if (p->newer || p->wanted)
        return -EALREADY;
    if (!p->known || p->ask.open || p->ask.waiting)
        return -EAGAIN;
    p->wanted = p->generation + 1;
    write_row(p);
    return 0;
}

/* ---- How it is ---- */

int aiex_projection_state(const struct aiex_projections *all, const char *name,
                          struct aiex_projection_state *ret_state)
{
    const struct projection *p = find(all, name);
    const struct build *b = p ? p->live ? p->live : p->newer : NULL;

    if (!p)
        return -ENOENT;
    memset(ret_state, 0, sizeof(*ret_state));
    ret_state->state = b ? ev_build_states[b->state] : ev_build_states[BUILD_STARTING];
    ret_state->error = b ? b->state == BUILD_FAILED ? b->error : "" : p->error;
    ret_state->version = p->version;
    ret_state->generation = p->generation;
    ret_state->building = p->newer ? p->newer->generation : 0;
    ret_state->position = p->live ? p->live->sequence : 0;
    ret_state->lag = ev_build_lag(p->live);
    ret_state->building_lag = ev_build_lag(p->newer);
    ret_state->events = b ? b->events : 0;
    ret_state->failures = b ? b->failures : 0;
    if (p->newer && p->newer->state == BUILD_FAILED) { /* seen, whatever readers have */
        ret_state->error = p->newer->error;
        ret_state->failures = p->newer->failures;
    }
    return 0;
}

int aiex_projection_place(const struct aiex_projections *all, const char *name,
                          struct aiex_slice key, char table[AIEX_PROJECTION_TABLE_SIZE],
                          uint8_t *out, size_t size)
{
    const struct projection *p = find(all, name);

    if (!p || !p->generation)
        return -ENOENT;
    if (key.len > AIEX_PROJECTION_KEY || key.len + GENERATION_BYTES > size)
        return -EMSGSIZE;
    memcpy(table, p->table, sizeof(p->table));
    return (int)ev_place_key(out, p->generation, key);
}
