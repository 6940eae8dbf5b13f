/* fake_loop.c - clock by hand, timers, posts, and real poll() for real sockets. */
#include "fake.h"

#include <fcntl.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

/* ---- Posts ---- */

int fake_post(const struct aiex_host *t, void (*fn)(void *arg), void *arg)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_post *p;

    if (fake_short(h))
        return -ENOMEM;
    p = fake_must(calloc(1, sizeof(*p)));
    p->fn = fn;
    p->arg = arg;
    pthread_mutex_lock(&h->lock);
    *h->posts_end = p;
    h->posts_end = &p->next;
    /* a full pipe is fine: it is readable, that is all it has to say */
    if (write(h->wake[1], "", 1) < 0 && errno != EAGAIN)
        abort();
    pthread_mutex_unlock(&h->lock);
    return 0;
}

static struct fake_post *take_post(struct aiex_fake_host *h)
{
    struct fake_post *p;
    char drop[64];

    pthread_mutex_lock(&h->lock);
    p = h->posts;
    if (p) {
        h->posts = p->next;
        if (!h->posts)
            h->posts_end = &h->posts;
    }
    if (!h->posts) {
        while (read(h->wake[0], drop, sizeof(drop)) > 0)
            ;
    }
    pthread_mutex_unlock(&h->lock);
    return p;
}

size_t aiex_fake_run_posts(struct aiex_fake_host *h)
{
    struct fake_post *p;
    size_t n = 0;

    while ((p = take_post(h)) != NULL) {
        p->fn(p->arg);
        free(p);
        n++;
    }
    return n;
}

void fake_posts_drop(struct aiex_fake_host *h)
{
    struct fake_post *p;

    while ((p = take_post(h)) != NULL)
        free(p);
}

/* ---- Timers and watches ---- */

static int add_watch(struct aiex_fake_host *h, const struct fake_watch *given, uint64_t *ret_watch)
{
    struct fake_watch *w;

    if (fake_short(h))
        return -ENOMEM;
    w = fake_must(malloc(sizeof(*w)));
    *w = *given;
    w->id = fake_id(h);
    w->next = h->watches;
    h->watches = w;
    if (ret_watch)
        *ret_watch = w->id;
    return 0;
}

int fake_timer(const struct aiex_host *t, uint64_t after_ms, uint64_t every_ms,
               void (*fn)(void *arg), void *arg, uint64_t *ret_watch)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_watch w = {.fd = -1,
                           .due_ms = h->now_ms + (after_ms || !every_ms ? after_ms : every_ms),
                           .every_ms = every_ms,
                           .on_time = fn,
                           .arg = arg};

    fake_loop_only(h, "timer");
    return fn ? add_watch(h, &w, ret_watch) : -EINVAL;
}

int fake_watch(const struct aiex_host *t, int fd, uint32_t events,
               void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret_watch)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_watch w = {.fd = fd, .events = events, .on_ready = fn, .arg = arg};

    fake_loop_only(h, "watch");
    if (!fn || fcntl(fd, F_GETFD) < 0)
        return -EINVAL;
    return add_watch(h, &w, ret_watch);
}

static struct fake_watch **find(struct aiex_fake_host *h, uint64_t id)
{
    struct fake_watch **at = &h->watches;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

int fake_rewatch(const struct aiex_host *t, uint64_t watch, uint32_t events)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_watch *w = *find(h, watch);

    fake_loop_only(h, "rewatch");
    if (!w || w->fd < 0)
        return -ENOENT;
    w->events = events;
    return 0;
}

int fake_unwatch(const struct aiex_host *t, uint64_t watch)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_watch **at = find(h, watch), *w = *at;

    fake_loop_only(h, "unwatch");
    if (!w)
        return -ENOENT;
    *at = w->next;
    free(w);
    return 0;
}

/* ---- The clock ---- */

static void set_now(struct aiex_fake_host *h, uint64_t now_ms)
{
    pthread_mutex_lock(&h->lock);
    h->now_ms = now_ms;
    pthread_mutex_unlock(&h->lock);
}

/* The timer that is due first, in the order of starting when several are. */
static struct fake_watch *first_due(struct aiex_fake_host *h, uint64_t until_ms)
{
    struct fake_watch *best = NULL;

    for (struct fake_watch *w = h->watches; w; w = w->next) {
        if (w->fd >= 0 || w->due_ms > until_ms)
            continue;
        if (!best || w->due_ms < best->due_ms || (w->due_ms == best->due_ms && w->id < best->id))
            best = w;
    }
    return best;
}

size_t aiex_fake_advance(struct aiex_fake_host *h, uint64_t ms)
{
    uint64_t until_ms = h->now_ms + ms;
    struct fake_watch *w;
    size_t n = 0;

    while ((w = first_due(h, until_ms)) != NULL) {
        void (*fn)(void *arg) = w->on_time;
        void *arg = w->arg;

        if (w->due_ms > h->now_ms)
            set_now(h, w->due_ms);
        if (w->every_ms)
            w->due_ms += w->every_ms;
        else
            fake_unwatch(&h->table, w->id);
        fn(arg);
        n++;
    }
    set_now(h, until_ms);
    return n;
}

void aiex_fake_set_now(struct aiex_fake_host *h, uint64_t now_ms)
{
    set_now(h, now_ms);
}

/* ---- Descriptors ---- */

static short poll_events(uint32_t events)
{
    return (short)(((events & AIEX_WATCH_READ) ? POLLIN : 0) |
                   ((events & AIEX_WATCH_WRITE) ? POLLOUT : 0));
}

/* Errors and hang-ups are told as whatever was asked for: the next read or write says more. */
static uint32_t ready_events(const struct fake_watch *w, short revents)
{
    uint32_t e = 0;

    if (revents & (POLLIN | POLLERR | POLLHUP | POLLNVAL))
        e |= AIEX_WATCH_READ;
    if (revents & (POLLOUT | POLLERR | POLLHUP | POLLNVAL))
        e |= AIEX_WATCH_WRITE;
    return e & w->events;
}

static size_t collect(struct aiex_fake_host *h, struct pollfd **ret_fds, uint64_t **ret_ids)
{
    size_t n = 1, i = 1;

    for (struct fake_watch *w = h->watches; w; w = w->next)
        n += w->fd >= 0 && w->events;
    *ret_fds = fake_must(calloc(n, sizeof(**ret_fds)));
    *ret_ids = fake_must(calloc(n, sizeof(**ret_ids)));
    (*ret_fds)[0] = (struct pollfd){.fd = h->wake[0], .events = POLLIN};
    for (struct fake_watch *w = h->watches; w; w = w->next) {
        if (w->fd < 0 || !w->events)
            continue;
        (*ret_fds)[i] = (struct pollfd){.fd = w->fd, .events = poll_events(w->events)};
        (*ret_ids)[i++] = w->id;
    }
    return n;
}

size_t aiex_fake_poll(struct aiex_fake_host *h, int timeout_ms)
{
    struct pollfd *fds;
    uint64_t *ids;
    size_t n = collect(h, &fds, &ids), ran = 0;

    if (poll(fds, n, timeout_ms) > 0) {
        for (size_t i = 1; i < n; i++) {
            struct fake_watch *w = *find(h, ids[i]); /* an earlier callback may have ended it */
            uint32_t e = w ? ready_events(w, fds[i].revents) : 0;

            if (e) {
                w->on_ready(w->arg, e);
                ran++;
            }
        }
    }
    free(fds);
    free(ids);
    return ran + aiex_fake_run_posts(h);
}

static int64_t real_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int aiex_fake_poll_until(struct aiex_fake_host *h, int (*until)(void *arg), void *arg,
                         int timeout_ms)
{
    int64_t end_ms = real_ms() + timeout_ms, left_ms;

    while (!until(arg)) {
        left_ms = end_ms - real_ms();
        if (left_ms <= 0)
            return -ETIMEDOUT;
        aiex_fake_poll(h, (int)left_ms);
    }
    return 0;
}

void fake_loop_free(struct aiex_fake_host *h)
{
    struct fake_watch *w;

    fake_posts_drop(h);
    while ((w = h->watches) != NULL) {
        h->watches = w->next;
        free(w);
    }
}
