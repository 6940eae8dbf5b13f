/*
 * job.h - a table of jobs that run by cron expressions. Pure: the caller brings the wall
 * clock in whole seconds, performs what is due, and stores the last-run times so that
 * they outlive a restart of the host.
 *
 * A job never runs twice for the same time, and after a pause (host down, machine asleep)
 * once at most: JOB_RUN makes up for missed times with one run, JOB_SKIP waits for the
 * next regular time. A run up to JOB_GRACE_S late counts as regular. If the wall clock is
 * set back by more than an hour, next times are computed afresh.
 */
#ifndef AIEX_SCHEDULE_JOB_H
#define AIEX_SCHEDULE_JOB_H

#include "schedule/cron.h"

#define JOB_GRACE_S 60
#define JOB_MAX     1024u

enum job_missed { JOB_SKIP, JOB_RUN };

struct job_due {
    uint32_t id;
    int64_t planned_s; /* the time it was due */
    int late;          /* 1 = makes up for a missed time */
};

struct job_info {
    const char *name;
    int64_t last_s; /* INT64_MIN = never */
    int64_t next_s; /* CRON_NEVER = not by time */
};

struct jobs;

/* NULL = no memory, or max not in 1..JOB_MAX. */
struct jobs *jobs_new(uint32_t max);
void jobs_free(struct jobs *);
/* The zone must outlive the job. last_s: as exported before a restart, or INT64_MIN. An @reboot
 * job is due at once. Its id >= 0, -EINVAL (name of 1..63 bytes), -EEXIST, -ENOSPC. */
int jobs_add(struct jobs *, const char *name, const struct cron *, const struct zone *,
             enum job_missed, int64_t last_s, int64_t now_s);
/* 0, -ENOENT. */
int jobs_remove(struct jobs *, const char *name);
/* Takes up to `max` due jobs out of the table's line; each is told once. Call again while it
 * returns `max`. */
uint32_t jobs_take_due(struct jobs *, int64_t now_s, struct job_due *out, uint32_t max);
/* When something is due next, CRON_NEVER = nothing. */
int64_t jobs_next(const struct jobs *);
/* For status and for storing: 0, -ENOENT (no job of that id; ids go up to max - 1). */
int jobs_info(const struct jobs *, uint32_t id, struct job_info *ret_info);

#endif
