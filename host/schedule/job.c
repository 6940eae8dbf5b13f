#include "schedule/job.h"

#include <stdlib.h>
#include <string.h>

struct job {
    char name[64]; /* "" = free */
    struct cron cron;
    const struct zone *zone;
    enum job_missed missed;
    int64_t last_s;
    int64_t next_s;
};

struct jobs {
    int64_t seen_s; /* latest time the caller brought */
    uint32_t max;
    struct job at[];
};

struct jobs *jobs_new(uint32_t max)
{
    struct jobs *j;

    if (max == 0 || max > JOB_MAX)
        return NULL;
    j = calloc(1, sizeof *j + max * sizeof j->at[0]);
    if (!j)
        return NULL;
    j->max = max;
    j->seen_s = INT64_MIN;
    return j;
}

void jobs_free(struct jobs *j)
{
    free(j);
}

static struct job *find(struct jobs *j, const char *name)
{
    for (uint32_t i = 0; i < j->max; i++)
        if (strcmp(j->at[i].name, name) == 0)
            return &j->at[i];
    return NULL;
}

int jobs_add(struct jobs *j, const char *name, const struct cron *cron, const struct zone *zone,
             enum job_missed missed, int64_t last_s, int64_t now_s)
{
    struct job *job;

    if (!name[0] || strnlen(name, sizeof job->name) == sizeof job->name)
        return -EINVAL;
    if (find(j, name))
        return -EEXIST;
    job = find(j, "");
    if (!job)
        return -ENOSPC;
    *job = (struct job){.cron = *cron, .zone = zone, .missed = missed, .last_s = last_s};
    strcpy(job->name, name);
    if (cron->reboot)
        job->next_s = now_s;
    else /* a last run in the future (clock was wrong) counts as now */
        job->next_s = cron_next(cron, zone, last_s == INT64_MIN || last_s > now_s ? now_s : last_s);
    return (int)(job - j->at);
}

int jobs_remove(struct jobs *j, const char *name)
{
    struct job *job = name[0] ? find(j, name) : NULL;

    if (!job)
        return -ENOENT;
    memset(job, 0, sizeof *job);
    return 0;
}

static void clock_went_back(struct jobs *j, int64_t now_s)
{
    for (uint32_t i = 0; i < j->max; i++) {
        struct job *job = &j->at[i];
        if (!job->name[0] || job->cron.reboot)
            continue;
        if (job->last_s > now_s)
            job->last_s = now_s;
        job->next_s = cron_next(&job->cron, job->zone, now_s);
    }
}

/* 1 if the job is to run now; moves it to its next time either way. */
static int take(struct job *job, int64_t now_s, struct job_due *out)
{
    int64_t planned = job->next_s;
    int late = !job->cron.reboot && now_s - planned > JOB_GRACE_S;

    job->next_s = cron_next(&job->cron, job->zone, now_s);
    if (late && job->missed == JOB_SKIP)
        return 0;
    job->last_s = now_s;
    out->planned_s = planned;
    out->late = late;
    return 1;
}

uint32_t jobs_take_due(struct jobs *j, int64_t now_s, struct job_due *out, uint32_t max)
{
    uint32_t n = 0;

    if (j->seen_s != INT64_MIN && now_s < j->seen_s - 3600)
        clock_went_back(j, now_s);
    j->seen_s = now_s;
    for (uint32_t i = 0; i < j->max && n < max; i++) {
        if (!j->at[i].name[0] || j->at[i].next_s > now_s)
            continue;
        out[n].id = i;
        n += (uint32_t)take(&j->at[i], now_s, &out[n]);
    }
    return n;
}

int64_t jobs_next(const struct jobs *j)
{
    int64_t next = CRON_NEVER;

    for (uint32_t i = 0; i < j->max; i++)
        if (j->at[i].name[0] && j->at[i].next_s < next)
            next = j->at[i].next_s;
    return next;
}

int jobs_info(const struct jobs *j, uint32_t id, struct job_info *ret_info)
{
    if (id >= j->max || !j->at[id].name[0])
        return -ENOENT;
    *ret_info = (struct job_info){j->at[id].name, j->at[id].last_s, j->at[id].next_s};
    return 0;
}
