/* pool.c - threads for getaddrinfo(); see pool.h. One lock guards everything but a job at work. */
#include "pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct job {
    struct job *next;
    struct pool *pool;
    struct answer answer;
    char host[256];
};

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t work;
    const struct aiex_host *host;
    pool_done_fn done;
    void *arg;
    struct job *first, **last; /* waiting */
    struct job *finished, **last_finished;
    unsigned n_waiting, max_jobs, n_threads, max_threads, n_idle;
    unsigned n_refs; /* the plugin and each thread */
    int stopping, posted;
};

/* ---- The look-up ---- */

static int known(const struct answer *a, const char *text)
{
    for (int i = 0; i < a->n; i++) {
        if (strcmp(a->address[i], text) == 0)
            return 1;
    }
    return 0;
}

static void look_up(const char *host, struct answer *a)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list, *i;
    char text[ADDRESS_BYTES];
    int e = getaddrinfo(host, NULL, &hints, &list);

    memset(a, 0, sizeof(*a));
    if (e != 0) {
        a->failed = 1;
        a->lasting = e == EAI_NONAME || e == EAI_NODATA;
        snprintf(a->text, sizeof(a->text), "%s",
                 e == EAI_SYSTEM ? strerror(errno) : gai_strerror(e));
        return;
    }
    for (i = list; i && a->n < MAX_ADDRESSES; i = i->ai_next) {
        const void *bytes =
            i->ai_family == AF_INET6
                ? (const void *)&((const struct sockaddr_in6 *)(const void *)i->ai_addr)->sin6_addr
                : (const void *)&((const struct sockaddr_in *)(const void *)i->ai_addr)->sin_addr;

        if (i->ai_family != AF_INET && i->ai_family != AF_INET6)
            continue;
        if (inet_ntop(i->ai_family, bytes, text, sizeof(text)) && !known(a, text))
            strcpy(a->address[a->n++], text);
    }
    freeaddrinfo(list);
    if (a->n == 0) {
        a->failed = a->lasting = 1;
        snprintf(a->text, sizeof(a->text), "the name has no address");
    }
}

/* ---- Threads ---- */

static void unref_and_unlock(struct pool *p)
{
    int last = --p->n_refs == 0;

    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void drop(struct job *j)
{
    while (j) {
        struct job *next = j->next;

        free(j);
        j = next;
    }
}

/* On the loop thread: hands out what is finished. */
static void collect(void *arg)
{
    struct pool *p = arg;
    struct job *j, *next;

    pthread_mutex_lock(&p->lock);
    p->posted = 0;
    j = p->finished;
    p->finished = NULL;
    p->last_finished = &p->finished;
    pthread_mutex_unlock(&p->lock);
    for (; j; j = next) {
        next = j->next;
        p->done(p->arg, j->host, &j->answer);
        free(j);
    }
}

/* Under the lock: gives the job back, unless nobody waits for it any more. */
static void finish(struct pool *p, struct job *j)
{
    if (p->stopping) {
        free(j);
        return;
    }
    j->next = NULL;
    *p->last_finished = j;
    p->last_finished = &j->next;
    if (!p->posted)
        p->posted = p->host->post(p->host, collect, p) == 0;
}

/* Under the lock: waits for work; when post() had no memory, only a moment, to try it again. */
static void rest(struct pool *p)
{
    struct timespec until;

    if (p->finished && !p->posted)
        p->posted = p->host->post(p->host, collect, p) == 0;
    p->n_idle++;
    if (p->finished && !p->posted) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 50 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&p->work, &p->lock, &until);
    } else {
        pthread_cond_wait(&p->work, &p->lock);
    }
    p->n_idle--;
}

static void *run(void *arg)
{
    struct pool *p = arg;
    struct job *j;

    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        j = p->first;
        if (!j) {
            rest(p);
            continue;
        }
        p->first = j->next;
        if (!p->first)
            p->last = &p->first;
        p->n_waiting--;
        pthread_mutex_unlock(&p->lock);
        look_up(j->host, &j->answer);
        pthread_mutex_lock(&p->lock);
        finish(p, j);
    }
    unref_and_unlock(p);
    return NULL;
}

/* What is sent to the process stays with the loop thread. What a thread causes by itself does not:
 * SIGSYS is how the sandbox answers fstat() (aiex_plugin.h, AIEX_NEED_THREADS), and a fault that is
 * blocked ends the process without a trace. */
static void block_signals(sigset_t *ret_before)
{
    static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigset_t sent;

    sigfillset(&sent);
    for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
        sigdelset(&sent, own[i]);
    pthread_sigmask(SIG_BLOCK, &sent, ret_before);
}

/* Under the lock: one more thread. */
static int start_thread(struct pool *p)
{
    sigset_t before;
    pthread_t thread;
    int e;

    block_signals(&before);
    p->n_refs++;
    e = pthread_create(&thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0) {
        p->n_refs--;
        return -EAGAIN;
    }
    pthread_detach(thread);
    p->n_threads++;
    return 0;
}

struct pool *pool_new(const struct aiex_host *host, unsigned n_threads, unsigned max_jobs,
                      pool_done_fn done, void *arg)
{
    struct pool *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    p->host = host;
    p->done = done;
    p->arg = arg;
    p->last = &p->first;
    p->last_finished = &p->finished;
    p->max_jobs = max_jobs;
    p->max_threads = n_threads;
    p->n_refs = 1;
    return p;
}

int pool_ask(struct pool *p, const char *host)
{
    struct job *j = calloc(1, sizeof(*j));
    int e = 0;

    if (!j)
        return -ENOMEM;
    j->pool = p;
    snprintf(j->host, sizeof(j->host), "%s", host);
    pthread_mutex_lock(&p->lock);
    if (p->n_waiting >= p->max_jobs)
        e = -EBUSY;
    else if (p->n_idle <= p->n_waiting && p->n_threads < p->max_threads)
        e = start_thread(p);
    if (e == -EAGAIN && p->n_threads)
        e = 0; /* those that run will come to it */
    if (e == 0) {
        *p->last = j;
        p->last = &j->next;
        p->n_waiting++;
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    if (e != 0)
        free(j);
    return e;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stopping = 1;
    drop(p->first);
    drop(p->finished);
    p->first = p->finished = NULL;
    p->last = &p->first;
    p->last_finished = &p->finished;
    pthread_cond_broadcast(&p->work);
    unref_and_unlock(p);
}
