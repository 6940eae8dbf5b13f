/* events.c - see events.h. */
#include "events.h"

#include "bytes.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- The ring ---- */

static struct recent *slot_of(struct events *ev, uint64_t sequence)
{
    return &ev->recent[sequence % RECENT_SLOTS];
}

/* Without memory the ring stays empty: the tree has everything. */
static void remember(struct events *ev, uint64_t sequence, const uint8_t *record, size_t len)
{
    struct recent *slot = slot_of(ev, sequence);

    slot->sequence = 0;
    if (!ev->ring)
        ev->ring = malloc(RECENT_BYTES);
    if (!ev->ring || len > RECENT_BYTES / 8)
        return;
    if (ev->end % RECENT_BYTES + len > RECENT_BYTES) /* not around the corner */
        ev->end += RECENT_BYTES - ev->end % RECENT_BYTES;
    memcpy(ev->ring + ev->end % RECENT_BYTES, record, len);
    *slot = (struct recent){sequence, ev->end, len};
    ev->end += len;
}

static int recall(struct events *ev, uint64_t sequence, struct run_entry *ret)
{
    const struct recent *slot = slot_of(ev, sequence);

    if (slot->sequence != sequence || ev->end - slot->at > RECENT_BYTES)
        return 0;
    *ret = (struct run_entry){sequence, ev->ring + slot->at % RECENT_BYTES, slot->len};
    return 1;
}

/* ---- Writer ---- */

int events_flush(struct store *s, DB_TXN *txn)
{
    struct run *draft = &s->events.draft;
    uint8_t key[8];
    int r;

    if (!draft->n)
        return 0;
    put_be(key, draft->last, 8);
    r = env_put(&s->env, EVENTS, txn, key, 8, draft->mem, draft->len, DB_NOOVERWRITE);
    run_clear(draft);
    return r;
}

int events_add(struct store *s, DB_TXN *txn, const struct event *e, const struct event_place *p,
               const uint8_t *salt, uint8_t chain[EVENT_HASH], size_t *ret_len)
{
    struct run *draft = &s->events.draft;
    size_t room = event_room(e, p);
    uint8_t *record;
    int r = run_is_full(draft, room) ? events_flush(s, txn) : 0;

    if (r < 0)
        return r;
    record = run_room(draft, room);
    if (!record)
        return -ENOMEM;
    *ret_len = event_write(record, room, e, p, salt, chain);
    remember(&s->events, p->sequence, record, *ret_len);
    run_took(draft, p->sequence, *ret_len);
    return 0;
}

void events_drop(struct store *s)
{
    run_clear(&s->events.draft);
}

void events_forget(struct store *s)
{
    events_drop(s);
    if (s->events.ring)
        memset(s->events.recent, 0, sizeof(s->events.recent));
}

void events_done(struct store *s)
{
    run_done(&s->events.draft);
    free(s->events.ring);
    s->events.ring = NULL;
}

int events_find(struct store *s, DB_TXN *txn, uint64_t sequence, DBT *mem, struct run_entry *ret)
{
    int r;

    if (recall(&s->events, sequence, ret))
        return 0;
    r = events_flush(s, txn);
    return r ? r : events_get(&s->env, txn, sequence, mem, ret);
}

/* The run with a sequence; `key` becomes its own. */
static int get_run(struct env *e, DB_TXN *txn, uint64_t sequence, uint8_t key[8], DBT *mem)
{
    DBT k = env_room(key, 8);
    int r;

    put_be(key, sequence, 8);
    k.size = 8;
    r = env_seek(e, EVENTS, txn, &k, mem, DB_SET_RANGE);
    return r < 0 ? r : k.size == 8 ? 0 : -EBADMSG;
}

int events_replace(struct store *s, DB_TXN *txn, uint64_t sequence, const void *record, size_t len)
{
    struct run_entry entry;
    struct run made = {0};
    struct aiex_slice rest;
    DBT mem = env_grows();
    uint8_t key[8], *to;
    int r = events_flush(s, txn);

    slot_of(&s->events, sequence)->sequence = 0;
    r = r ? r : get_run(&s->env, txn, sequence, key, &mem);
    rest = (struct aiex_slice){mem.data, mem.size};
    while (r == 0 && (r = run_next(&rest, &entry)) == 1) {
        if (entry.number == sequence)
            entry = (struct run_entry){sequence, record, len};
        to = run_room(&made, entry.len);
        r = to ? 0 : -ENOMEM;
        if (r == 0) {
            memcpy(to, entry.record, entry.len);
            run_took(&made, entry.number, entry.len);
        }
    }
    r = r ? r : env_put(&s->env, EVENTS, txn, key, 8, made.mem, made.len, 0);
    free(mem.data);
    run_done(&made);
    return r;
}

/* ---- Any thread ---- */

int events_get(struct env *e, DB_TXN *txn, uint64_t sequence, DBT *mem, struct run_entry *ret)
{
    uint8_t key[8];
    int r = get_run(e, txn, sequence, key, mem);

    if (r < 0)
        return r;
    r = run_find((struct aiex_slice){mem->data, mem->size}, sequence, ret);
    if (r < 0)
        return r;
    return r == 1 && ret->number == sequence ? 0 : -ENOENT;
}

int events_last(struct env *e, DBT *mem, struct run_entry *ret)
{
    uint8_t key[8];
    DBT k = env_room(key, sizeof(key));
    struct aiex_slice rest;
    int r = env_seek(e, EVENTS, NULL, &k, mem, DB_LAST);

    *ret = (struct run_entry){0};
    if (r == -ENOENT || (r == 0 && k.size != 8)) /* nothing but the stamp */
        return 0;
    if (r < 0)
        return r;
    rest = (struct aiex_slice){mem->data, mem->size};
    while ((r = run_next(&rest, ret)) == 1)
        ;
    return r < 0 || ret->number != get_be(key, 8) ? -EBADMSG : 0;
}
