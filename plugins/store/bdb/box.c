/* box.c - results of the other threads, on their way to the loop. One wake-up for all that lie
 * there. */
#include "store.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_ready(void *arg, uint32_t events)
{
    (void)events;
    box_empty(arg);
}

int box_start(struct store *s, struct aiex_error *err)
{
    struct box *b = &s->box;

    b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (b->fd < 0)
        return aiex_failed(err, -errno, "no eventfd: %s", strerror(errno));
    if (s->host->watch(s->host, b->fd, AIEX_WATCH_READ, on_ready, s, &b->watch) != 0)
        return aiex_failed(err, -ENOMEM, "no memory to watch an eventfd");
    return 0;
}

void box_put_all(struct store *s, struct note *first, struct note **end)
{
    struct box *b = &s->box;
    const uint64_t one = 1;
    int was_empty;

    pthread_mutex_lock(&b->lock);
    was_empty = !b->first;
    *b->end = first;
    b->end = end;
    pthread_mutex_unlock(&b->lock);
    if (was_empty && write(b->fd, &one, sizeof(one)) < 0)
        return; /* EAGAIN: it is readable already */
}

void box_put(struct store *s, struct note *note)
{
    note->next = NULL;
    box_put_all(s, note, &note->next);
}

void box_empty(struct store *s)
{
    struct box *b = &s->box;
    struct note *n;
    uint64_t drop;

    if (read(b->fd, &drop, sizeof(drop)) < 0 && errno != EAGAIN)
        return;
    pthread_mutex_lock(&b->lock);
    n = b->first;
    b->first = NULL;
    b->end = &b->first;
    pthread_mutex_unlock(&b->lock);
    while (n) {
        struct note *next = n->next;

        n->land(s, n);
        n = next;
    }
    if (s->seen != atomic_load(&s->visible)) {
        s->seen = atomic_load(&s->visible);
        subs_wake(s);
    }
}

void box_stop(struct store *s)
{
    struct box *b = &s->box;

    if (b->watch)
        s->host->unwatch(s->host, b->watch);
    b->watch = 0;
    if (b->fd >= 0)
        close(b->fd);
    b->fd = -1;
}
