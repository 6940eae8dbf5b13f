/*
 * index.c - the sessions that are live, in little memory: one block for each, its texts behind its
 * numbers, a slot of a hash table with a secret key (ids may be chosen by callers), and a list
 * from the newest to the oldest. What is archived or expired is in here only while somebody works
 * with it.
 */
#include "sessions.h"

#include <errno.h>
#include <sodium.h>
#include <sys/random.h>

#define FIRST_SLOTS 1024u
#define N_TEXTS     6

/* ---- Hash ---- */

uint64_t index_seal(const struct index *x, const char *text, size_t len)
{
    uint64_t h;

    crypto_shorthash((uint8_t *)&h, (const uint8_t *)text, len, x->key);
    return h;
}

static size_t home_of(const struct index *x, const char *id, size_t len)
{
    return (size_t)index_seal(x, id, len) & (x->n_slots - 1);
}

static size_t home(const struct index *x, const struct entry *e)
{
    return home_of(x, e->text, e->id_len);
}

int index_init(struct index *x, const struct aiex_host *host)
{
    size_t got = 0;

    x->host = host;
    while (got < sizeof(x->key)) {
        ssize_t n = getrandom(x->key + got, sizeof(x->key) - got, 0);

        got += n > 0 ? (size_t)n : 0;
    }
    x->slots = host->alloc(host, FIRST_SLOTS * sizeof(*x->slots));
    x->n_slots = x->slots ? FIRST_SLOTS : 0;
    return x->slots ? 0 : -ENOMEM;
}

void index_done(struct index *x)
{
    while (x->newest)
        index_drop(x, x->newest);
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slots[i])
            entry_free(x, x->slots[i]);
    if (x->host)
        x->host->release(x->host, x->slots);
}

static size_t slot_of(const struct index *x, const char *id, size_t len)
{
    size_t at = home_of(x, id, len);

    while (x->slots[at] &&
           (x->slots[at]->id_len != len || memcmp(x->slots[at]->text, id, len) != 0))
        at = (at + 1) & (x->n_slots - 1);
    return at;
}

struct entry *index_find(const struct index *x, const char *id)
{
    return x->slots[slot_of(x, id, strlen(id))];
}

static int grow(struct index *x)
{
    struct entry **old = x->slots;
    size_t n_old = x->n_slots;
    struct entry **slots = x->host->alloc(x->host, 2 * n_old * sizeof(*slots));

    if (!slots)
        return -ENOMEM;
    x->slots = slots;
    x->n_slots = 2 * n_old;
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            x->slots[slot_of(x, old[i]->text, old[i]->id_len)] = old[i];
    x->host->release(x->host, old);
    return 0;
}

/* ---- Entries ---- */

/* Text by text, as `put` says: lengths, or bytes. */
static const char *text_of(const struct entry *e, int i, size_t *len)
{
    const uint8_t lens[] = {e->id_len,      e->origin_len, e->user_len,
                            e->project_len, e->title_len,  e->turns_len};
    const char *at = e->text;

    for (int k = 0; k < i; k++)
        at += lens[k];
    *len = lens[i];
    return at;
}

struct entry *entry_new(const struct index *x, const struct row *row)
{
    const char *texts[] = {row->id, row->origin, row->user, row->project, row->title, row->turns};
    size_t bytes = sizeof(struct entry);
    struct entry *e;
    char *at;

    for (int i = 0; i < N_TEXTS; i++)
        bytes += strlen(texts[i]);
    e = x->host->alloc(x->host, bytes);
    if (!e)
        return NULL;
    at = e->text;
    for (int i = 0; i < N_TEXTS; i++) {
        memcpy(at, texts[i], strlen(texts[i]));
        at += strlen(texts[i]);
    }
    e->id_len = (uint8_t)strlen(row->id);
    e->origin_len = (uint8_t)strlen(row->origin);
    e->user_len = (uint8_t)strlen(row->user);
    e->project_len = (uint8_t)strlen(row->project);
    e->title_len = (uint8_t)strlen(row->title);
    e->turns_len = (uint8_t)strlen(row->turns);
    entry_update(e, row);
    return e;
}

const char *entry_turns(const struct entry *e, size_t *ret_len)
{
    return text_of(e, N_TEXTS - 1, ret_len);
}

void entry_free(const struct index *x, struct entry *e)
{
    x->host->release(x->host, e);
}

void entry_read(const struct entry *e, struct row *ret)
{
    char *const texts[] = {ret->id, ret->origin, ret->user, ret->project, ret->title, ret->turns};

    memset(ret, 0, sizeof(*ret));
    for (int i = 0; i < N_TEXTS; i++) {
        size_t len;
        const char *text = text_of(e, i, &len);

        memcpy(texts[i], text, len);
    }
    ret->origin_at = e->origin_at;
    ret->version = e->version;
    ret->messages = e->messages;
    ret->created = e->created;
    ret->updated = e->updated;
    ret->ttl = e->ttl;
    ret->state_at = e->state_at;
    ret->rank = e->rank;
    ret->state = e->state;
    ret->depth = e->depth;
    ret->erased = e->erased;
}

int entry_update(struct entry *e, const struct row *row)
{
    const char *const texts[] = {row->id,      row->origin, row->user,
                                 row->project, row->title,  row->turns};

    for (int i = 0; i < N_TEXTS; i++) {
        size_t len;
        const char *text = text_of(e, i, &len);

        if (strlen(texts[i]) != len || memcmp(texts[i], text, len) != 0)
            return 0;
    }
    e->origin_at = row->origin_at;
    e->version = row->version;
    e->messages = row->messages;
    e->created = row->created;
    e->updated = row->updated;
    e->ttl = row->ttl;
    e->state_at = row->state_at;
    e->rank = row->rank;
    e->state = row->state;
    e->depth = row->depth;
    e->erased = row->erased;
    return 1;
}

/* ---- The list ---- */

static void unlist(struct index *x, struct entry *e)
{
    if (!e->listed)
        return;
    *(e->newer ? &e->newer->older : &x->newest) = e->older;
    *(e->older ? &e->older->newer : &x->oldest) = e->newer;
    e->newer = e->older = NULL;
    e->listed = 0;
    x->n_live--;
}

void index_list(struct index *x, struct entry *e)
{
    struct entry *above = NULL, *below;

    unlist(x, e);
    if (!state_is_live(e->state))
        return;
    if (e->rank > x->last_rank)
        x->last_rank = e->rank;
    below = x->newest;
    while (below && below->rank > e->rank) {
        above = below;
        below = below->older;
    }
    e->newer = above;
    e->older = below;
    *(above ? &above->older : &x->newest) = e;
    *(below ? &below->newer : &x->oldest) = e;
    e->listed = 1;
    x->n_live++;
}

struct entry *index_below(const struct index *x, int64_t rank)
{
    struct entry *e = x->newest;

    while (e && e->rank >= rank)
        e = e->older;
    return e;
}

int64_t index_next_rank(struct index *x)
{
    int64_t now = wall_ms();

    x->last_rank = x->last_rank >= now ? x->last_rank + 1 : now;
    return x->last_rank;
}

/* ---- Putting and dropping ---- */

int index_put(struct index *x, struct entry *e)
{
    size_t at;
    struct entry *old;

    if (x->n + 1 > x->n_slots / 4 * 3 && grow(x) < 0 && x->n + 1 >= x->n_slots)
        return -ENOMEM;
    at = slot_of(x, e->text, e->id_len);
    old = x->slots[at];
    x->slots[at] = e;
    if (old) {
        e->lane = old->lane;
        if (e->lane)
            e->lane->e = e;
        unlist(x, old);
        entry_free(x, old);
    } else {
        x->n++;
    }
    index_list(x, e);
    return 0;
}

void index_drop(struct index *x, struct entry *e)
{
    size_t hole = slot_of(x, e->text, e->id_len), mask = x->n_slots - 1;

    unlist(x, e);
    x->slots[hole] = NULL;
    x->n--;
    for (size_t at = (hole + 1) & mask; x->slots[at]; at = (at + 1) & mask) {
        size_t wanted = home(x, x->slots[at]);

        /* moves into the hole unless its home lies behind it */
        if (((at - wanted) & mask) < ((at - hole) & mask))
            continue;
        x->slots[hole] = x->slots[at];
        x->slots[at] = NULL;
        hole = at;
    }
    entry_free(x, e);
}
