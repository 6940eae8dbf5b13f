/*
 * jobs.h - the [job:NAME] sections at work: a call to a service at the times that a cron
 * expression names. When is schedule/job.h's; here are the clock, the calls and the file.
 *
 * A run is: due -> written down (job_file.h) -> called -> ended. The line is on disk before the
 * call goes out, so a host that dies in between has lost one run and never makes one twice. When
 * the line can not be written the job runs all the same and the log says so.
 *
 *   - Due again while it runs: skipped and counted. A job has at most one call open.
 *   - missed = run: times that went by while the host was down are made up for by one run.
 *   - The wall clock is looked at once a minute at least, so that a clock that was set, or a
 * machine that slept, delays a job by a minute at most.
 *   - A changed section keeps its counters; a changed cron or zone counts from now on. A job that
 * is removed while it runs ends its run.
 *   - A new image of the host (upgrade) takes running calls and counters over. @reboot jobs run
 * when a host starts, not after an upgrade or a reload.
 *
 * Every end is told as an event of topic "host.job", type done, failed or skipped, subject = the
 * job's name, data {ms, code, text} (skipped: {text}).
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_NODE_JOBS_H
#define AIEX_NODE_JOBS_H

#include "config/config.h"
#include "loop/loop.h"
#include "node/inside.h"

struct node_jobs;
struct pack;

/* For config_load_options.check_job: cron, zone and body. */
int node_jobs_check(void *arg, const struct config_job *job, const char **ret_key,
                    struct aiex_error *err);

struct node_jobs_options {
    struct loop *loop;
    struct inside *inside;
    const char *path;         /* of the file; copied */
    int64_t (*wall_ms)(void); /* the clock; clock_wall_ms() */
};

/* Joins the bus as part "host.jobs". NULL: no memory. */
struct node_jobs *node_jobs_new(const struct node_jobs_options *options);
/* Before its inside and loop. Calls that run end unrecorded. */
void node_jobs_free(struct node_jobs *jobs);
/* What runs from now on; jobs of the configuration before it are compared. `resumed`: this image
 * took over from another one. */
void node_jobs_apply(struct node_jobs *jobs, const struct config *config, int resumed);
/* Runs what is due now and sets the timer; the timer calls it too. */
void node_jobs_tick(struct node_jobs *jobs);
/* Once per loop turn. 1 = did something. */
int node_jobs_turn(struct node_jobs *jobs);
/* Nothing is started any more: the host stops. */
void node_jobs_stop(struct node_jobs *jobs);

struct node_job_info {
    const char *name, *cron, *zone, *service, *method;
    int64_t next_ms, last_ms; /* wall clock; 0 = none, never */
    int running;
    uint64_t runs, failures, skipped;
    const char *last_error; /* "" = the last run was fine */
};
/* The i-th job in the order in which they came: 0, -ENOENT past the last. Texts live until the
 * next loop turn. */
int node_jobs_info(const struct node_jobs *jobs, unsigned i, struct node_job_info *ret);
/* Starts a run now. 0, -ENOENT, -EBUSY (it runs), -ESHUTDOWN. */
int node_jobs_run(struct node_jobs *jobs, const char *name);

/* For a new image of the host: 1 when nothing is half written. */
int node_jobs_quiet(const struct node_jobs *jobs);
void node_jobs_save(const struct node_jobs *jobs, struct pack *out);
/* After node_jobs_apply() and after the inside's endpoint was loaded. */
void node_jobs_load(struct node_jobs *jobs, const void *doc_value);

#endif
