/* flight.c - see flight.h. */
#include "flight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A ticket is positive: 22 bits of epoch, 24 of generation, 16 of slot. */
#define SLOT_BITS       16u
#define GENERATION_BITS 24u
#define EPOCH_BITS      22u

#define LOW(bits) ((1u << (bits)) - 1u)

int flights_init(struct flights *all, const struct aiex_host *host)
{
    memset(all, 0, sizeof(*all));
    all->host = host;
    if (secret_random(&all->epoch, sizeof(all->epoch)) != 0)
        return -EIO;
    all->epoch = (all->epoch & LOW(EPOCH_BITS)) | 1u;
    return map_init(&all->by_request, host, 1024);
}

static void drop_contents(struct flight *f)
{
    free(f->message);
    f->message = NULL;
    content_leave(f->gateway, f->content);
    f->content = NULL;
}

void flights_done(struct flights *all)
{
    if (!all->host)
        return;
    for (uint32_t i = 0; i < all->n_slots; i++)
        drop_contents(&all->blocks[i / FLIGHTS_PER_BLOCK][i % FLIGHTS_PER_BLOCK]);
    for (uint32_t i = 0; i < all->n_slots; i += FLIGHTS_PER_BLOCK)
        all->host->release(all->host, all->blocks[i / FLIGHTS_PER_BLOCK]);
    map_done(&all->by_request);
    if (all->timer)
        all->host->unwatch(all->host, all->timer);
    all->host = NULL;
}

/* ---- Lists ---- */

static void list_append(struct flight **first, struct flight **last, struct flight *f)
{
    f->next = NULL;
    f->prev = *last;
    if (*last)
        (*last)->next = f;
    else
        *first = f;
    *last = f;
}

static void list_remove(struct flight **first, struct flight **last, struct flight *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        *first = f->next;
    if (f->next)
        f->next->prev = f->prev;
    else
        *last = f->prev;
    f->next = f->prev = NULL;
}

void flight_wait(struct flights *all, struct flight *f)
{
    if (f->waiting)
        return;
    f->waiting = 1;
    list_append(&all->waiting, &all->waiting_last, f);
}

void flight_unwait(struct flights *all, struct flight *f)
{
    if (!f->waiting)
        return;
    f->waiting = 0;
    list_remove(&all->waiting, &all->waiting_last, f);
}

/* ---- Slots ---- */

static void push_free(struct flights *all, struct flight *f)
{
    f->state = FLIGHT_FREE;
    f->next = all->free;
    all->free = f;
}

static void free_oldest_ghost(struct flights *all)
{
    struct flight *f = all->ghosts;

    list_remove(&all->ghosts, &all->ghosts_last, f);
    all->n_ghosts--;
    push_free(all, f);
}

void flight_haunt(struct flights *all, struct flight *f)
{
    flight_unwait(all, f);
    f->state = FLIGHT_GHOST;
    all->n_used--;
    list_append(&all->ghosts, &all->ghosts_last, f);
    if (++all->n_ghosts > MAX_GHOSTS)
        free_oldest_ghost(all);
}

static void add_block(struct flights *all)
{
    struct flight *block;

    if (all->n_slots == MAX_FLIGHTS)
        return;
    block = all->host->alloc(all->host, FLIGHTS_PER_BLOCK * sizeof(*block));
    if (!block)
        return;
    all->blocks[all->n_slots / FLIGHTS_PER_BLOCK] = block;
    for (uint32_t i = FLIGHTS_PER_BLOCK; i-- > 0;) {
        block[i].slot = all->n_slots + i;
        push_free(all, &block[i]);
    }
    all->n_slots += FLIGHTS_PER_BLOCK;
}

struct flight *flight_new(struct gateway *g, struct flights *all, uint64_t request)
{
    struct flight *f;
    uint32_t slot, generation;

    if (!all->free)
        add_block(all);
    if (!all->free && all->ghosts)
        free_oldest_ghost(all);
    f = all->free;
    if (!f)
        return NULL;
    all->free = f->next;
    slot = f->slot;
    generation = (f->generation + 1) & LOW(GENERATION_BITS);
    drop_contents(f);
    memset(f, 0, sizeof(*f));
    f->gateway = g;
    f->slot = slot;
    f->generation = generation;
    f->state = FLIGHT_BEGUN;
    f->id = request;
    all->n_used++;
    if (request)
        map_put(&all->by_request, &f->by_request, map_hash_number(request));
    return f;
}

void flight_forget_request(struct flights *all, struct flight *f)
{
    if (!f->id)
        return;
    map_remove(&all->by_request, &f->by_request);
    f->id = 0;
}

void flight_release(struct flights *all, struct flight *f)
{
    flight_forget_request(all, f);
    flight_unwait(all, f);
    if (f->state == FLIGHT_GHOST) {
        list_remove(&all->ghosts, &all->ghosts_last, f);
        all->n_ghosts--;
    } else {
        all->n_used--;
    }
    drop_contents(f);
    push_free(all, f);
}

struct flight *flight_of_request(const struct flights *all, uint64_t id)
{
    struct map_node *n = map_first(&all->by_request, map_hash_number(id));

    for (; n; n = map_next(n)) {
        struct flight *f = map_entry(n, struct flight, by_request);

        if (f->id == id)
            return f;
    }
    return NULL;
}

/* ---- Tickets ---- */

int64_t flight_ticket(const struct flights *all, const struct flight *f)
{
    return (int64_t)((uint64_t)all->epoch << (GENERATION_BITS + SLOT_BITS) |
                     (uint64_t)f->generation << SLOT_BITS | f->slot);
}

struct flight *flight_of_ticket(const struct flights *all, int64_t ticket, int *ret_foreign)
{
    uint64_t t = (uint64_t)ticket;
    uint32_t slot = (uint32_t)t & LOW(SLOT_BITS);
    struct flight *f;

    *ret_foreign = ticket <= 0 || t >> (GENERATION_BITS + SLOT_BITS) != all->epoch;
    if (*ret_foreign || slot >= all->n_slots)
        return NULL;
    f = &all->blocks[slot / FLIGHTS_PER_BLOCK][slot % FLIGHTS_PER_BLOCK];
    if (f->generation != (uint32_t)(t >> SLOT_BITS & LOW(GENERATION_BITS)) ||
        f->state == FLIGHT_FREE || f->state == FLIGHT_BEGUN)
        return NULL;
    return f;
}
