/*
 * check_chain.c - the chain of each writer.
 *
 * An entry j whose `prev` does not fit its writer's entry i before it says that one of the two was
 * changed. If j was, j's own successor does not fit either; if that one fits, it was i.
 */
#include "check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_name(const char *name)
{
    uint64_t h = 1469598103934665603u;

    while (*name)
        h = (h ^ (uint8_t)*name++) * 1099511628211u;
    return h ^ h >> 29;
}

/* The slot that holds `name`, or the free one for it. */
static uint32_t *find_slot(struct aiex_check *c, const char *name)
{
    size_t at = hash_name(name) & (c->n_slots - 1);

    while (c->slots[at] && strcmp(c->writers[c->slots[at] - 1].name, name) != 0)
        at = (at + 1) & (c->n_slots - 1);
    return &c->slots[at];
}

static int grow(struct aiex_check *c)
{
    size_t room = c->writers_room ? c->writers_room * 2 : 16;
    struct check_writer *writers = realloc(c->writers, room * sizeof(*writers));
    uint32_t *slots;

    if (!writers)
        return -ENOMEM;
    c->writers = writers;
    slots = calloc(room * 4, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    free(c->slots);
    c->slots = slots;
    c->n_slots = room * 4;
    c->writers_room = room;
    for (size_t i = 0; i < c->n_writers; i++)
        *find_slot(c, c->writers[i].name) = (uint32_t)i + 1;
    return 0;
}

static int find_writer(struct aiex_check *c, const char *name, struct check_writer **ret)
{
    struct check_writer *w;
    uint32_t *slot;

    if (c->last_writer < c->n_writers && strcmp(c->writers[c->last_writer].name, name) == 0) {
        *ret = &c->writers[c->last_writer];
        return 0;
    }
    if (c->n_writers == MAX_WRITERS)
        return -E2BIG;
    if (c->n_writers == c->writers_room && grow(c) != 0)
        return -ENOMEM;
    slot = find_slot(c, name);
    if (!*slot) {
        w = &c->writers[c->n_writers];
        memset(w, 0, sizeof(*w));
        w->name = strdup(name);
        if (!w->name)
            return -ENOMEM;
        w->known = c->setup.first == 0 && !c->gap; /* else its begin may be what is not there */
        *slot = (uint32_t)++c->n_writers;
    }
    c->last_writer = *slot - 1;
    *ret = &c->writers[c->last_writer];
    return 0;
}

static void tell_break(struct aiex_check *c, const struct check_writer *w, uint64_t from,
                       uint64_t to)
{
    if (from == to)
        aiex_check_fault(c, "chain", 1, from, to,
                         "the entry was changed: the next one of writer '%.64s' does not follow it",
                         w->name);
    else
        aiex_check_fault(c, "chain", 1, from, to,
                         "the chain of writer '%.64s' is broken between these two entries",
                         w->name);
}

/* `wseq` is not the one to come. */
static void check_jump(struct aiex_check *c, struct check_writer *w, uint64_t seq,
                       const struct aiex_audit_body *b)
{
    uint64_t from = w->next ? w->last : seq;

    if (c->gap > w->last && b->wseq > w->next)
        return; /* those between were told as missing */
    aiex_check_fault(c, "chain", 1, from, seq,
                     "entry %" PRIu64 " of writer '%.64s' stands where its entry %" PRIu64
                     " was to come",
                     b->wseq, w->name, w->next);
}

static void check_prev(struct aiex_check *c, struct check_writer *w, uint64_t seq,
                       const struct aiex_audit_body *b)
{
    int fits = memcmp(b->prev, w->chain, AIEX_HASH) == 0, was_broken = w->broken;

    w->broken = 0;
    if (was_broken)
        tell_break(c, w, w->before, fits ? w->before : w->last);
    if (fits || was_broken)
        return;
    if (w->next == 0) { /* nothing before it that could have been changed */
        aiex_check_fault(c, "chain", 1, seq, seq,
                         "the first entry of writer '%.64s' has a prev that is not zero", w->name);
        return;
    }
    w->broken = 1;
    w->before = w->last;
}

int check_chain(struct aiex_check *c, uint64_t seq, const struct aiex_audit_body *b,
                const uint8_t *leaf)
{
    struct check_writer *w;
    int r = find_writer(c, b->writer, &w);

    if (r < 0)
        return r;
    if (w->known && b->wseq != w->next) {
        if (w->broken)
            tell_break(c, w, w->before, w->last);
        w->broken = 0;
        check_jump(c, w, seq, b);
    } else if (w->known) {
        check_prev(c, w, seq, b);
    }
    aiex_chain_hash(b->prev, leaf, w->chain);
    w->next = b->wseq + 1;
    w->last = seq;
    w->known = 1;
    return 0;
}

void check_chain_finish(struct aiex_check *c)
{
    for (size_t i = 0; i < c->n_writers; i++)
        if (c->writers[i].broken)
            tell_break(c, &c->writers[i], c->writers[i].before, c->writers[i].last);
}

void check_chain_done(struct aiex_check *c)
{
    for (size_t i = 0; i < c->n_writers; i++)
        free(c->writers[i].name);
    free(c->writers);
    free(c->slots);
}
