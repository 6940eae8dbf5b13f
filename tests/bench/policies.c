/* policies.c - see policies.h. Lists are numbers in arrays, one node for each key of the trace. */
#include "policies.h"
#include "measure.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct node {
    uint32_t newer, older;
    uint32_t stamp; /* of a ghost */
    uint8_t where, freq;
};

struct queue {
    uint32_t newest, oldest, n;
};

static void *must(size_t n, size_t size)
{
    void *mem = calloc(n ? n : 1, size);

    if (!mem)
        give_up("no memory for a trace");
    return mem;
}

static void add(struct node *k, struct queue *q, uint32_t i)
{
    k[i].older = q->n ? q->newest : NONE;
    k[i].newer = NONE;
    if (q->n)
        k[q->newest].newer = i;
    else
        q->oldest = i;
    q->newest = i;
    q->n++;
}

static void take(struct node *k, struct queue *q, uint32_t i)
{
    if (k[i].newer != NONE)
        k[k[i].newer].older = k[i].older;
    else
        q->newest = k[i].older;
    if (k[i].older != NONE)
        k[k[i].older].newer = k[i].newer;
    else
        q->oldest = k[i].newer;
    q->n--;
}

static uint32_t take_oldest(struct node *k, struct queue *q)
{
    uint32_t i = q->oldest;

    take(k, q, i);
    return i;
}

static double share(size_t hits, const struct trace *t)
{
    return t->n ? (double)hits / (double)t->n : 0;
}

double policy_lru(const struct trace *t, uint32_t room)
{
    struct node *k = must(t->n_keys, sizeof(*k));
    struct queue q = {0};
    size_t hits = 0;

    for (size_t i = 0; i < t->n; i++) {
        uint32_t key = t->keys[i];

        if (k[key].where) {
            hits++;
            take(k, &q, key);
        } else if (q.n == room) {
            k[take_oldest(k, &q)].where = 0;
        }
        k[key].where = 1;
        add(k, &q, key);
    }
    free(k);
    return share(hits, t);
}

/* ---- S3-FIFO ---- */

enum { OUT, SMALL, MAIN, GHOST };

struct s3 {
    struct node *k;
    struct queue small, main;
    uint32_t room, clock;
    unsigned promote;
};

static void s3_leave_main(struct s3 *c)
{
    for (;;) {
        uint32_t i = take_oldest(c->k, &c->main);

        if (!c->k[i].freq) {
            c->k[i].where = OUT;
            return;
        }
        c->k[i].freq--;
        add(c->k, &c->main, i);
    }
}

static void s3_evict(struct s3 *c)
{
    while (c->small.n > c->room / 10 || !c->main.n) {
        uint32_t i = take_oldest(c->k, &c->small);

        if (c->k[i].freq < c->promote) {
            c->k[i].where = GHOST;
            c->k[i].stamp = c->clock++;
            return;
        }
        c->k[i].where = MAIN;
        c->k[i].freq = 0;
        add(c->k, &c->main, i);
    }
    s3_leave_main(c);
}

double policy_s3fifo(const struct trace *t, uint32_t room, unsigned promote)
{
    struct s3 c = {.k = must(t->n_keys, sizeof(struct node)), .room = room, .promote = promote};
    size_t hits = 0;

    for (size_t i = 0; i < t->n; i++) {
        struct node *n = &c.k[t->keys[i]];
        int back;

        if (n->where == SMALL || n->where == MAIN) {
            hits++;
            n->freq += n->freq < 3;
            continue;
        }
        back = n->where == GHOST && c.clock - n->stamp < room;
        if (c.small.n + c.main.n == room)
            s3_evict(&c);
        n->where = back ? MAIN : SMALL;
        n->freq = 0;
        add(c.k, back ? &c.main : &c.small, t->keys[i]);
    }
    free(c.k);
    return share(hits, t);
}

/* ---- W-TinyLFU ---- */

enum { WINDOW = 1, PROBATION, PROTECTED };

struct sketch {
    uint8_t *counts; /* four rows */
    uint32_t mask;
    size_t seen, period;
};

static uint32_t cell(const struct sketch *s, uint32_t key, unsigned row)
{
    uint64_t h = (key + 1) * (0x9e3779b97f4a7c15u + row * 0x632be59bd9b4e019u);

    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return (uint32_t)(h >> 32) & s->mask;
}

static void sketch_count(struct sketch *s, uint32_t key)
{
    for (unsigned r = 0; r < 4; r++) {
        uint8_t *c = &s->counts[(size_t)r * (s->mask + 1) + cell(s, key, r)];

        *c += *c < 15;
    }
    if (++s->seen < s->period)
        return;
    s->seen /= 2;
    for (size_t i = 0; i < 4 * ((size_t)s->mask + 1); i++)
        s->counts[i] /= 2;
}

static unsigned sketch_of(const struct sketch *s, uint32_t key)
{
    unsigned least = 15;

    for (unsigned r = 0; r < 4; r++) {
        unsigned c = s->counts[(size_t)r * (s->mask + 1) + cell(s, key, r)];

        least = c < least ? c : least;
    }
    return least;
}

struct tiny {
    struct node *k;
    struct queue queues[4];
    struct sketch sketch;
    uint32_t window, protected, room;
};

static void tiny_put(struct tiny *c, uint32_t key, unsigned where)
{
    c->k[key].where = (uint8_t)where;
    add(c->k, &c->queues[where], key);
}

static void tiny_hit(struct tiny *c, uint32_t key)
{
    unsigned where = c->k[key].where;

    take(c->k, &c->queues[where], key);
    tiny_put(c, key, where == WINDOW ? WINDOW : PROTECTED);
    if (c->queues[PROTECTED].n > c->protected)
        tiny_put(c, take_oldest(c->k, &c->queues[PROTECTED]), PROBATION);
}

static void tiny_miss(struct tiny *c, uint32_t key)
{
    struct queue *main = &c->queues[PROBATION];
    uint32_t candidate, victim;

    tiny_put(c, key, WINDOW);
    if (c->queues[WINDOW].n <= c->window)
        return;
    candidate = take_oldest(c->k, &c->queues[WINDOW]);
    if (main->n + c->queues[PROTECTED].n < c->room - c->window) {
        tiny_put(c, candidate, PROBATION);
        return;
    }
    if (!main->n)
        tiny_put(c, take_oldest(c->k, &c->queues[PROTECTED]), PROBATION);
    victim = main->oldest;
    if (sketch_of(&c->sketch, candidate) > sketch_of(&c->sketch, victim)) {
        take(c->k, main, victim);
        c->k[victim].where = 0;
        tiny_put(c, candidate, PROBATION);
    } else {
        c->k[candidate].where = 0;
    }
}

double policy_wtinylfu(const struct trace *t, uint32_t room)
{
    struct tiny c = {.k = must(t->n_keys, sizeof(struct node)), .room = room};
    uint32_t width = 8;
    size_t hits = 0;

    while (width < room)
        width *= 2;
    c.sketch = (struct sketch){must(4 * (size_t)width, 1), width - 1, 0, 10 * (size_t)room};
    c.window = room / 100 ? room / 100 : 1;
    c.protected = (room - c.window) / 5 * 4;
    for (size_t i = 0; i < t->n; i++) {
        sketch_count(&c.sketch, t->keys[i]);
        if (c.k[t->keys[i]].where) {
            hits++;
            tiny_hit(&c, t->keys[i]);
        } else {
            tiny_miss(&c, t->keys[i]);
        }
    }
    free(c.sketch.counts);
    free(c.k);
    return share(hits, t);
}

/* ---- Belady ---- */

/* A heap of what is held by its next use, the farthest first; stale entries are skipped. */
struct heap {
    struct {
        size_t next;
        uint32_t key;
    } * v;
    size_t n;
};

static void heap_swap(struct heap *h, size_t a, size_t b)
{
    size_t next = h->v[a].next;
    uint32_t key = h->v[a].key;

    h->v[a] = h->v[b];
    h->v[b].next = next;
    h->v[b].key = key;
}

static void heap_add(struct heap *h, size_t next, uint32_t key)
{
    size_t i = h->n++;

    h->v[i].next = next;
    h->v[i].key = key;
    for (; i && h->v[(i - 1) / 2].next < h->v[i].next; i = (i - 1) / 2)
        heap_swap(h, i, (i - 1) / 2);
}

static void heap_pop(struct heap *h)
{
    size_t i = 0;

    heap_swap(h, 0, --h->n);
    for (;;) {
        size_t most = i;

        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < h->n; c++)
            if (h->v[c].next > h->v[most].next)
                most = c;
        if (most == i)
            return;
        heap_swap(h, i, most);
        i = most;
    }
}

double policy_optimal(const struct trace *t, uint32_t room)
{
    size_t *next = must(t->n, sizeof(*next)), *at = must(t->n_keys, sizeof(*at)), hits = 0;
    struct heap h = {must(t->n, sizeof(*h.v)), 0};
    uint32_t held = 0;

    for (size_t i = t->n; i--;) { /* at: the next use + 1 */
        next[i] = at[t->keys[i]] ? at[t->keys[i]] : SIZE_MAX;
        at[t->keys[i]] = i + 1;
    }
    memset(at, 0, t->n_keys * sizeof(*at)); /* now: next use of what is held, 0 = not held */
    for (size_t i = 0; i < t->n; i++) {
        uint32_t key = t->keys[i];

        if (at[key]) {
            hits++;
        } else {
            for (; held == room; heap_pop(&h))
                if (at[h.v[0].key] == h.v[0].next) {
                    at[h.v[0].key] = 0;
                    held--;
                }
            held++;
        }
        at[key] = next[i];
        heap_add(&h, next[i], key);
    }
    free(next);
    free(at);
    free(h.v);
    return share(hits, t);
}
