/* stored.c - the store's stream folded into a table and its file. See stored.h. */
#include "restore.h"

#include <errno.h>
#include <stdio.h>

#define TICK_MS 1000u

int stored_is_on(const struct templates *t)
{
    return t->config->store[0] && strcmp(t->config->store, "none") != 0;
}

int stored_knows(const struct templates *t)
{
    if (!t->fold || t->is_complete)
        return 1;
    return t->was_cache ? !t->holes : t->table.n != 0;
}

/* ---- Events ---- */

static void seen(struct templates *t, const struct aiex_stored_event *e)
{
    t->position.version = e->version;
    t->position.event[0] = 0;
    if (e->id.len < sizeof(t->position.event)) {
        memcpy(t->position.event, e->id.data, e->id.len);
        t->position.event[e->id.len] = 0;
    }
}

static int apply(void *arg, const struct aiex_stored_event *e)
{
    struct templates *t = arg;
    struct aiex_slice record = e->data;
    int r = -ENOTSUP; /* of a later version */

    if (aiex_slice_is(e->type, "template.put") || aiex_slice_is(e->type, "template.imported") ||
        aiex_slice_is(e->type, "template.removed") || aiex_slice_is(e->type, "template.restored") ||
        aiex_slice_is(e->type, "template.withdrawn")) {
        r = table_take(t->is_complete ? &t->table : &t->fresh, record);
    } else if (aiex_slice_is(e->type, "stream.restored")) { /* a checkpoint: versions stay */
        record.len = 0;
        r = 0;
    }
    if (r < 0)
        return r;
    seen(t, e);
    if (t->is_complete)
        store_cache(t, record);
    return 0;
}

static void lost(void *arg)
{
    struct templates *t = arg;

    table_done(&t->fresh);
    t->is_complete = 0;
    t->was_stored = 1;
    t->position = (struct position){.version = 0};
}

static void live(void *arg)
{
    struct templates *t = arg;

    t->is_live = 1;
    import_begin(t);
    kept_go(t);
}

/* ---- Life ---- */

static void on_tick(void *arg)
{
    struct templates *t = arg;

    if (t->is_live && !t->is_complete)
        import_begin(t);
    if (t->is_complete && t->stale)
        store_cache_anew(t);
    restore_tick(t);
    kept_tick(t);
}

int stored_start(struct templates *t, struct aiex_error *err)
{
    const struct aiex_fold_setting setting = {.host = t->host,
                                              .store = t->config->store,
                                              .stream = STREAM,
                                              .wait_ms = (uint32_t)t->config->store_wait,
                                              .max_changes = MAX_KEPT + 1, /* and the import */
                                              .version = t->position.version,
                                              .event = t->position.event,
                                              .apply = apply,
                                              .lost = lost,
                                              .live = live,
                                              .arg = t};
    int r;

    t->last_kept = &t->kept;
    if (!stored_is_on(t))
        return 0;
    t->was_stored = t->was_cache;
    t->is_complete = t->position.version > 0;
    r = t->host->timer(t->host, TICK_MS, TICK_MS, on_tick, t, &t->timer);
    if (r == 0)
        r = aiex_fold_new(&setting, &t->fold);
    return r < 0 ? aiex_failed(err, r, "can not begin: %s", strerror(-r)) : 0;
}

void stored_stop(struct templates *t)
{
    aiex_fold_free(t->fold);
    t->fold = NULL;
    if (t->timer)
        t->host->unwatch(t->host, t->timer);
    kept_stop(t);
    restore_done(t);
    table_done(&t->fresh);
}

const char *stored_trouble(const struct templates *t)
{
    struct aiex_fold_state state;

    if (!t->fold)
        return "";
    aiex_fold_state(t->fold, &state);
    return state.trouble;
}
