/*
 * sync.c - fdatasync(2) on a thread, because a busy disk may take seconds for it.
 *
 * The loop hands over duplicates of the descriptors; the thread syncs and closes them. What did not
 * fit into the short list stays dirty and is handed over the next time.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* On the thread. Called with the lock held. */
static void sync_one(struct syncer *s)
{
    int fd = s->fds[--s->n_fds], r;

    s->busy = 1;
    pthread_mutex_unlock(&s->lock);
    r = fdatasync(fd) == 0 ? 0 : -errno;
    close(fd);
    pthread_mutex_lock(&s->lock);
    s->busy = 0;
    s->error = r;
}

static void tell_idle(struct syncer *s)
{
    if (s->tell && !s->n_fds && !s->busy && s->host->post(s->host, s->done, s->arg) == 0)
        s->tell = 0;
}

static void *thread_main(void *arg)
{
    struct syncer *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stop || s->n_fds) {
        if (s->n_fds)
            sync_one(s);
        tell_idle(s);
        if (!s->n_fds && !s->stop)
            pthread_cond_wait(&s->wake, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

int sync_start(struct ledger *l, struct aiex_error *err)
{
    /* what a thread causes by itself must not be blocked: aiex_plugin.h, AIEX_NEED_THREADS */
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    struct syncer *s = &l->sync;
    sigset_t all, old;
    int r;

    s->host = l->host;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(&s->thread, NULL, thread_main, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return aiex_failed(err, -r, "no thread for fdatasync: %s", strerror(r));
    s->running = 1;
    return 0;
}

void sync_stop(struct ledger *l)
{
    struct syncer *s = &l->sync;

    if (!s->running)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = 1;
    s->tell = 0;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    s->running = 0;
}

void sync_begin(struct ledger *l)
{
    struct syncer *s = &l->sync;

    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < OPEN_DAYS && s->n_fds < OPEN_DAYS * 2; i++) {
        int fd = l->days[i] && l->days[i]->dirty ? fcntl(l->days[i]->log.fd, F_DUPFD_CLOEXEC, 3)
                                                 : -1;

        if (fd < 0)
            continue;
        s->fds[s->n_fds++] = fd;
        l->days[i]->dirty = 0;
    }
    if (s->n_fds)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void sync_then(struct ledger *l, void (*done)(void *arg), void *arg)
{
    struct syncer *s = &l->sync;

    pthread_mutex_lock(&s->lock);
    s->done = done;
    s->arg = arg;
    s->tell = 1;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

int sync_error(struct ledger *l)
{
    int r;

    pthread_mutex_lock(&l->sync.lock);
    r = l->sync.error;
    pthread_mutex_unlock(&l->sync.lock);
    return r;
}
