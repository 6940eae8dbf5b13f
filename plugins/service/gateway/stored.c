/* stored.c - the streams of the store folded into memory and its file. See stored.h. */
#include "stored.h"
#include "restore.h"
#include "job_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 2000u

/* A checkpoint was restored and marks that in the streams that it left: nothing goes back here, or
 * a key that was revoked since would be good again. */
#define RESTORED "stream.restored"

const char *const stream_names[N_STREAMS] = {"gateway/keys", "gateway/limits"};

int stored_is_on(const struct gateway *g)
{
    return g->config->store[0] && strcmp(g->config->store, "none") != 0;
}

/* ---- Events ---- */

static void seen(struct gateway *g, int stream, const struct aiex_stored_event *e)
{
    struct position *p = &g->keys.position[stream];

    p->version = e->version;
    p->event[0] = 0;
    if (e->id.len < sizeof(p->event)) {
        memcpy(p->event, e->id.data, e->id.len);
        p->event[e->id.len] = 0;
    }
}

static int has_type(const struct aiex_stored_event *e, const char *const *types)
{
    for (; *types; types++)
        if (aiex_slice_is(e->type, *types))
            return 1;
    return 0;
}

/* The hashes of the stream are made with its pepper. */
static int take_pepper(struct gateway *g, const struct aiex_stored_event *e)
{
    struct aiex_error err = {""};
    struct aiex_slice pepper = NOTHING;
    int r;

    if (aiex_get_bytes(e->data, "pepper", &pepper) != 1 || pepper.len != PEPPER_BYTES)
        return -EBADMSG;
    if (memcmp(pepper.data, g->keys.journal.pepper, PEPPER_BYTES) != 0) {
        g->stored->rejected = g->keys.by_id.n != 0;
        if (g->stored->rejected)
            return -EKEYREJECTED;
        r = journal_adopt(&g->keys.journal, pepper.data, &err);
        if (r < 0) {
            g->host->log(g->host, AIEX_LOG_ERROR, 0, err.text);
            return r;
        }
    }
    g->stored->has_pepper = 1;
    return 0;
}

/* Keys that were revoked long ago are left out, as at the start. */
static int is_forgotten(struct gateway *g, const struct key_record *r)
{
    return r->revoked && r->revoked < g->keys.drop_before &&
           !keys_by_id(&g->keys, (struct aiex_slice){(const uint8_t *)r->id, KEY_ID});
}

static int take_key(struct gateway *g, const struct aiex_stored_event *e)
{
    struct key_parts parts;
    struct key_record r;
    int result;

    if (key_record_unpack(e->data, &r) != 0)
        return -EBADMSG;
    if (is_forgotten(g, &r)) {
        g->keys.demanded = 1;
        return 0;
    }
    if (!import_compare_key(g, &r)) {
        result = keys_prepare(&g->keys, &r, &parts);
        if (result < 0)
            return result;
        keys_commit(&g->keys, &r, &parts);
    }
    seen(g, STREAM_KEYS, e);
    if (g->stored->is_complete[STREAM_KEYS])
        keys_cache_key(&g->keys, &r);
    return 0;
}

static int apply_keys(void *arg, const struct aiex_stored_event *e)
{
    static const char *const types[] = {"key.created", "key.changed",  "key.rotated",
                                        "key.revoked", "key.imported", NULL};
    struct gateway *g = arg;
    int r = 0;

    if (has_type(e, types))
        r = take_key(g, e);
    else if (aiex_slice_is(e->type, "pepper.set"))
        r = take_pepper(g, e);
    else if (aiex_slice_is(e->type, "keys.demanded"))
        g->keys.demanded = 1;
    else if (!aiex_slice_is(e->type, RESTORED))
        r = -ENOTSUP; /* of a later version: leaving it out might open a door */
    if (r == 0)
        seen(g, STREAM_KEYS, e);
    return r;
}

static int apply_limits(void *arg, const struct aiex_stored_event *e)
{
    static const char *const types[] = {"limit.set", "limit.imported", NULL};
    struct gateway *g = arg;
    struct aiex_slice name = NOTHING;
    struct limits limits;
    enum scope scope;
    int r;

    if (aiex_slice_is(e->type, RESTORED)) {
        seen(g, STREAM_LIMITS, e);
        return 0;
    }
    if (!has_type(e, types))
        return -ENOTSUP;
    if (limits_record_unpack(e->data, &scope, &name, &limits) != 0)
        return -EBADMSG;
    if (!import_compare_limits(g, scope, name, &limits)) {
        r = keys_apply_limits(&g->keys, scope, name, &limits);
        if (r < 0)
            return r;
    }
    seen(g, STREAM_LIMITS, e);
    if (g->stored->is_complete[STREAM_LIMITS])
        keys_cache_limits(&g->keys, scope, name, &limits);
    return 0;
}

/* ---- The folds ---- */

static void lost(struct gateway *g, int stream)
{
    g->keys.position[stream] = (struct position){.version = 0};
    g->stored->is_complete[stream] = 0;
    if (stream == STREAM_KEYS)
        g->stored->has_pepper = 0;
    import_doubt(g, stream);
}

static void lost_keys(void *arg)
{
    lost(arg, STREAM_KEYS);
}

static void lost_limits(void *arg)
{
    lost(arg, STREAM_LIMITS);
}

static void live(struct gateway *g, int stream)
{
    struct stored *st = g->stored;

    st->is_live[stream] = 1;
    import_begin(g, stream);
    if (st->knows || !st->is_live[STREAM_KEYS] || !st->is_live[STREAM_LIMITS])
        return;
    st->knows = 1;
    job_store_start(g);
    spent_anew(g);
    spent_release(g);
}

static void live_keys(void *arg)
{
    live(arg, STREAM_KEYS);
}

static void live_limits(void *arg)
{
    live(arg, STREAM_LIMITS);
}

static int open_fold(struct gateway *g, int stream)
{
    const struct position *p = &g->keys.position[stream];
    const struct aiex_fold_setting setting = {
        .host = g->host,
        .store = g->config->store,
        .stream = stream_names[stream],
        .look_ms = LOOK_MS,
        .wait_ms = (uint32_t)g->config->store_wait,
        .max_changes = MAX_CHANGES + 1, /* and the import */
        .version = p->version,
        .event = p->event,
        .apply = stream == STREAM_KEYS ? apply_keys : apply_limits,
        .lost = stream == STREAM_KEYS ? lost_keys : lost_limits,
        .live = stream == STREAM_KEYS ? live_keys : live_limits,
        .arg = g};

    g->stored->is_complete[stream] = p->version > 0;
    if (!p->version && !g->keys.journal.emptied)
        import_doubt(g, stream);
    return aiex_fold_new(&setting, &g->stored->folds[stream]);
}

/* A cache that was emptied, or cut near its beginning, knows nobody. */
static int cache_knows(const struct keys *k)
{
    return k->was_cache ? k->is_whole : k->demanded;
}

int stored_start(struct gateway *g)
{
    int r = 0;

    if (!stored_is_on(g))
        return 0;
    g->stored->has_pepper = g->keys.position[STREAM_KEYS].version > 0;
    g->stored->knows = cache_knows(&g->keys);
    for (int s = 0; s < N_STREAMS && r == 0; s++)
        r = open_fold(g, s);
    return r;
}

void stored_stop(struct gateway *g)
{
    for (int s = 0; s < N_STREAMS; s++)
        aiex_fold_free(g->stored->folds[s]);
    change_stop(g);
    restore_done(g);
}

int stored_knows(const struct gateway *g)
{
    return g->stored->knows || !stored_is_on(g);
}

void stored_look(struct gateway *g)
{
    for (int s = 0; s < N_STREAMS; s++)
        if (g->stored->folds[s])
            aiex_fold_look(g->stored->folds[s]);
}

void stored_tick(struct gateway *g)
{
    for (int s = 0; s < N_STREAMS; s++)
        if (g->stored->folds[s] && g->stored->is_live[s] && !g->stored->is_complete[s])
            import_begin(g, s);
    if (g->stored->is_complete[STREAM_KEYS] && g->stored->is_complete[STREAM_LIMITS] &&
        (g->keys.stale || keys_should_compact(&g->keys)))
        keys_cache_anew(&g->keys);
    change_tick(g);
    restore_tick(g);
}

const char *stored_trouble(const struct gateway *g)
{
    struct aiex_fold_state state;

    if (g->stored->rejected)
        return "the keys here were made with another pepper than those of the store: they are "
               "still good, but nothing can be changed; empty this instance's data folder to take "
               "those of the store";
    for (int s = 0; s < N_STREAMS; s++) {
        if (!g->stored->folds[s])
            continue;
        aiex_fold_state(g->stored->folds[s], &state);
        if (state.trouble[0])
            return state.trouble;
    }
    return "";
}
