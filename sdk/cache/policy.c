/*
 * policy.c - S3-FIFO: who has to go (Yang, Zhang, Qiu, Yue, Vinayak: "FIFO queues are all you need
 * for cache eviction", SOSP 2023).
 *
 * New entries wait in a small queue, a tenth of the bytes. Who was used more than once there goes
 * over to the main queue; the others leave and are remembered as ghosts. A key that comes back
 * while its ghost is there goes to the main queue at once. The main queue is a clock with a counter
 * to 3. A get only raises that counter.
 *
 * Ghosts are 32 bits of the hash and a stamp in sets of four, as many as half the places of the
 * table. The oldest of a set is written over; one counts while fewer ghosts than there is room for
 * came after it.
 */
#include "shard.h"

#define SMALL_SHARE 10u /* the small queue has bytes / SMALL_SHARE */
#define SET         4u

static uint32_t print_of(uint64_t hash)
{
    uint32_t print = (uint32_t)(hash >> 24);

    return print ? print : 1;
}

static size_t n_ghosts(unsigned bits)
{
    return (size_t)1 << (bits - 1);
}

static struct ghost *set_of(struct ghost *ghosts, unsigned bits, uint32_t print)
{
    return ghosts + (print >> (32 - (bits - 1))) / SET * SET;
}

static int is_there(const struct ghost *g, uint32_t clock, unsigned bits)
{
    return g->print && clock - g->stamp < n_ghosts(bits);
}

/* A ghost is used up by being found. */
static int came_back(struct shard *s, uint64_t hash)
{
    uint32_t print = print_of(hash);
    struct ghost *set = set_of(s->ghosts, s->bits, print);

    for (unsigned i = 0; i < SET; i++)
        if (set[i].print == print && is_there(&set[i], s->clock, s->bits)) {
            set[i].print = 0;
            return 1;
        }
    return 0;
}

static void write_ghost(struct ghost *set, uint32_t print, uint32_t stamp)
{
    struct ghost *g = set;

    for (unsigned i = 1; i < SET && g->print; i++)
        if (!set[i].print || (int32_t)(set[i].stamp - g->stamp) < 0)
            g = &set[i];
    *g = (struct ghost){print, stamp};
}

void policy_remember(struct shard *s, const struct entry *e)
{
    uint32_t print = print_of(e->hash);

    if (e->queue == SMALL)
        write_ghost(set_of(s->ghosts, s->bits, print), print, s->clock++);
}

void policy_move(struct ghost *to, unsigned to_bits, const struct ghost *from, unsigned from_bits)
{
    for (size_t i = 0; i < n_ghosts(from_bits); i++)
        if (from[i].print)
            write_ghost(set_of(to, to_bits, from[i].print), from[i].print, from[i].stamp);
}

static void enqueue(struct shard *s, struct entry *e, unsigned queue)
{
    e->queue = (uint8_t)queue;
    e->freq = 0;
    list_add(&s->queues[queue], e);
    s->queue_bytes[queue] += entry_cost(e);
}

void policy_add(struct shard *s, struct entry *e)
{
    enqueue(s, e, came_back(s, e->hash) ? MAIN : SMALL);
}

void policy_take(struct shard *s, struct entry *e)
{
    list_take(&s->queues[e->queue], e);
    s->queue_bytes[e->queue] -= entry_cost(e);
}

void policy_swap(struct shard *s, struct entry *old, struct entry *e)
{
    struct list *l = &s->queues[old->queue];

    e->queue = old->queue;
    e->freq = old->freq;
    e->newer = old->newer;
    e->older = old->older;
    *(e->newer ? &e->newer->older : &l->newest) = e;
    *(e->older ? &e->older->newer : &l->oldest) = e;
    s->queue_bytes[e->queue] += entry_cost(e) - entry_cost(old);
}

struct entry *policy_victim(struct shard *s, uint64_t now)
{
    for (;;) {
        size_t all = s->queue_bytes[SMALL] + s->queue_bytes[MAIN];
        int small = s->queues[SMALL].oldest &&
                    (s->queue_bytes[SMALL] > all / SMALL_SHARE || !s->queues[MAIN].oldest);
        struct entry *e = s->queues[small ? SMALL : MAIN].oldest;
        unsigned freq;

        if (!e || entry_over(e, now) || e->freq <= (small ? 1 : 0))
            return e;
        freq = small ? 0 : e->freq - 1u;
        policy_take(s, e);
        enqueue(s, e, MAIN);
        e->freq = (uint8_t)freq;
    }
}
