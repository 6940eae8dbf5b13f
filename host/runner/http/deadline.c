/*
 * deadline.c - every time limit of a client behind one timer of the host.
 *
 * A binary heap, and laziness: a limit that moves later (each byte that arrives moves
 * the next one) only changes `due`; when its old place in the heap comes up, it is
 * put back. The host's timer is only set when something is due before it fires.
 */
#include "client.h"

static void place(struct client *cl, size_t i, struct deadline *d)
{
    cl->heap[i] = d;
    d->at = i + 1;
}

static void sift_up(struct client *cl, size_t i)
{
    struct deadline *d = cl->heap[i];

    for (; i > 0 && cl->heap[(i - 1) / 2]->key > d->key; i = (i - 1) / 2)
        place(cl, i, cl->heap[(i - 1) / 2]);
    place(cl, i, d);
}

static void sift_down(struct client *cl, size_t i)
{
    struct deadline *d = cl->heap[i];

    for (size_t child; (child = 2 * i + 1) < cl->n_heap; i = child) {
        if (child + 1 < cl->n_heap && cl->heap[child + 1]->key < cl->heap[child]->key)
            child++;
        if (cl->heap[child]->key >= d->key)
            break;
        place(cl, i, cl->heap[child]);
    }
    place(cl, i, d);
}

int deadline_init(struct client *cl, struct deadline *d, void (*fn)(struct deadline *))
{
    size_t cap = cl->cap_heap ? cl->cap_heap * 2 : 64;
    struct deadline **heap;

    memset(d, 0, sizeof(*d));
    d->fn = fn;
    if (cl->n_deadlines == cl->cap_heap) {
        heap = cl->host->alloc(cl->host, cap * sizeof(struct deadline *));
        if (!heap)
            return -ENOMEM;
        if (cl->n_heap)
            memcpy(heap, cl->heap, cl->n_heap * sizeof(struct deadline *));
        cl->host->release(cl->host, cl->heap);
        cl->heap = heap;
        cl->cap_heap = cap;
    }
    cl->n_deadlines++;
    return 0;
}

void deadline_done(struct client *cl, struct deadline *d)
{
    deadline_drop(cl, d);
    cl->n_deadlines--;
}

static void on_timer(void *arg);

static void arm(struct client *cl)
{
    uint64_t now, at;

    if (cl->n_heap == 0 || (cl->timer && cl->timer_at <= cl->heap[0]->key))
        return;
    if (cl->timer)
        cl->host->unwatch(cl->host, cl->timer);
    cl->timer = 0;
    now = cl->host->now_ms(cl->host);
    at = cl->heap[0]->key;
    if (cl->host->timer(cl->host, at > now ? at - now : 0, 0, on_timer, cl, &cl->timer) != 0)
        cl->timer = 0;
    cl->timer_at = at;
}

void deadline_drop(struct client *cl, struct deadline *d)
{
    size_t i = d->at;
    struct deadline *last;

    d->due = 0;
    if (i == 0)
        return;
    d->at = 0;
    last = cl->heap[--cl->n_heap];
    if (last == d)
        return;
    place(cl, i - 1, last);
    sift_down(cl, i - 1);
    sift_up(cl, last->at - 1);
}

void deadline_set(struct client *cl, struct deadline *d, uint64_t due)
{
    d->due = due;
    if (due == 0 || (d->at && d->key <= due))
        return;
    if (!d->at) {
        d->key = due;
        cl->heap[cl->n_heap] = d;
        sift_up(cl, cl->n_heap++);
    } else {
        d->key = due;
        sift_up(cl, d->at - 1);
    }
    arm(cl);
}

static void on_timer(void *arg)
{
    struct client *cl = arg;
    uint64_t now = cl->host->now_ms(cl->host), due;

    cl->timer = 0;
    while (cl->n_heap && cl->heap[0]->key <= now) {
        struct deadline *d = cl->heap[0];

        due = d->due;
        deadline_drop(cl, d);
        if (due > now)
            deadline_set(cl, d, due);
        else if (due)
            d->fn(d);
    }
    arm(cl);
}
