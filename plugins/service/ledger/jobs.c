/* jobs.c - long reads in slices, one slice of each job per turn of the loop. */
#include "ledger.h"

#include <errno.h>
#include <stdlib.h>

static void run(void *arg);

static void schedule(struct ledger *l)
{
    if (!l->jobs_posted && l->host->post(l->host, run, l) == 0)
        l->jobs_posted = 1;
}

static void remove_job(struct ledger *l, struct job *job)
{
    struct job **at = &l->jobs;

    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    l->n_jobs--;
    job->free(job);
}

/* An answer may call back in here (a caller in the same cell): jobs come and go during step(). */
static void run(void *arg)
{
    struct ledger *l = arg;
    struct job *job, *next;
    int again = 0;

    l->jobs_posted = 0;
    for (job = l->jobs; job; job = next) {
        int r = JOB_WAIT;

        if (!job->waiting) {
            l->stepping = job;
            r = job->step(job);
            l->stepping = NULL;
            job->waiting = r == JOB_WAIT;
        }
        next = job->next;
        if (r == JOB_DONE || job->cancelled)
            remove_job(l, job);
        again |= r == JOB_AGAIN;
    }
    if (again)
        schedule(l);
}

int job_begin(struct job *job)
{
    struct ledger *l = job->l;

    if (l->n_jobs >= MAX_JOBS)
        return -EBUSY;
    job->next = l->jobs;
    job->waiting = job->cancelled = 0;
    l->jobs = job;
    l->n_jobs++;
    schedule(l);
    return 0;
}

void job_wake(struct job *job)
{
    job->waiting = 0;
    schedule(job->l);
}

void jobs_wake(struct ledger *l)
{
    for (struct job *j = l->jobs; j; j = j->next)
        j->waiting = 0;
    if (l->jobs)
        schedule(l);
}

struct job *job_find(struct ledger *l, uint64_t id)
{
    struct job *j = l->jobs;

    while (j && j->id != id)
        j = j->next;
    return j;
}

void job_cancel(struct ledger *l, uint64_t id)
{
    struct job *job = job_find(l, id);

    if (job && job == l->stepping)
        job->cancelled = 1;
    else if (job)
        remove_job(l, job);
}

void jobs_end(struct ledger *l, int tell)
{
    while (l->jobs) {
        if (tell)
            aiex_refuse(l->host, l->jobs->id, AIEX_E_UNAVAILABLE, "the ledger is stopping");
        remove_job(l, l->jobs);
    }
}
