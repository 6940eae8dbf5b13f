#include "runner/runner_private.h"

#include <errno.h>
#include <stdlib.h>

int posts_add(const struct aiex_host *host, void (*fn)(void *arg), void *arg)
{
    struct runner *r = instance_of(host)->runner;
    struct post *p = malloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    *p = (struct post){NULL, fn, arg};
    pthread_mutex_lock(&r->posts_lock);
    if (r->posts)
        r->posts_tail->next = p;
    else
        r->posts = p;
    r->posts_tail = p;
    pthread_mutex_unlock(&r->posts_lock);
    if (!pthread_equal(pthread_self(), r->thread))
        loop_wake(r->loop);
    return 0;
}

/* What is there now; posts that these make run in the next round. */
int posts_run(struct runner *r)
{
    struct post *p;
    int did = 0;

    pthread_mutex_lock(&r->posts_lock);
    p = r->posts;
    r->posts = NULL;
    pthread_mutex_unlock(&r->posts_lock);
    while (p) {
        struct post *next = p->next;

        p->fn(p->arg);
        free(p);
        p = next;
        did = 1;
    }
    return did;
}

void posts_done(struct runner *r)
{
    struct post *p;

    while ((p = r->posts)) {
        r->posts = p->next;
        free(p);
    }
}
