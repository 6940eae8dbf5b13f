/*
 * jobs.c - queues between the loop and three threads: one writes, one reads, one trains.
 *
 * The loop hands a job over and forgets it; finished ones come back in one list, and a post() that
 * answers them. When post() has no memory, the loop's timer does it.
 */
#include "cold.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

void job_push(struct job_list *l, struct job *j)
{
    j->next = NULL;
    if (!l->first)
        l->end = &l->first;
    *l->end = j;
    l->end = &j->next;
}

void job_send(struct worker *w, struct job *j)
{
    pthread_mutex_lock(&w->cold->lock);
    job_push(&w->jobs, j);
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->cold->lock);
}

void jobs_done(struct cold *c, struct job *first)
{
    if (!first)
        return;
    pthread_mutex_lock(&c->lock);
    *c->done_end = first;
    while (*c->done_end)
        c->done_end = &(*c->done_end)->next;
    if (!c->posted)
        c->posted = c->host->post(c->host, answer_done, c) == 0;
    pthread_mutex_unlock(&c->lock);
}

static int start(struct cold *c, struct worker *w, void *(*main)(void *worker))
{
    pthread_condattr_t attr;
    int r;

    w->cold = c;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    r = pthread_create(&w->thread, NULL, main, w);
    if (r != 0)
        pthread_cond_destroy(&w->wake);
    w->running = r == 0;
    return -r;
}

int workers_start(struct cold *c, struct aiex_error *err)
{
    /* what a thread causes by itself must not be blocked: aiex_plugin.h, AIEX_NEED_THREADS */
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t all, old;
    int r;

    sigfillset(&all);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&all, own[i]);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = start(c, &c->reader, reader_main);
    if (r == 0)
        r = start(c, &c->trainer, trainer_main);
    if (r == 0)
        r = start(c, &c->writer, writer_main);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r < 0 ? aiex_failed(err, r, "a thread can not be started: %s", strerror(-r)) : 0;
}

static void stop(struct worker *w)
{
    if (!w->running)
        return;
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    w->running = 0;
}

void workers_stop(struct cold *c)
{
    struct worker *all[] = {&c->writer, &c->reader, &c->trainer};

    pthread_mutex_lock(&c->lock);
    c->stop = 1;
    for (int i = 0; i < 3; i++)
        if (all[i]->running)
            pthread_cond_signal(&all[i]->wake);
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < 3; i++)
        stop(all[i]);
}
