/* jobs_private.h - a job as the host runs it, shared by jobs.c and jobs_apply.c only. */
#ifndef AIEX_NODE_JOBS_PRIVATE_H
#define AIEX_NODE_JOBS_PRIVATE_H

#include "base/list.h"
#include "node/job_file.h"
#include "node/jobs.h"
#include "schedule/job.h"

enum step {
    AT_REST,
    DUE,     /* to be written down */
    WRITING, /* its line is on the way to the disk */
    RUNNING  /* its call is open */
};

struct entry {
    struct list link;
    struct node_jobs *jobs;
    char name[64], zone_name[64], cron_text[CRON_MAX_TEXT + 1];
    char service[AIEX_MAX_NAME + 1], method[AIEX_MAX_NAME + 1];
    struct cron cron;
    struct zone *zone;
    enum job_missed missed;
    uint32_t timeout_ms;
    uint8_t *body;
    size_t body_len;
    int id;                    /* in the table, -1 = not by time */
    int64_t since_ms, last_ms; /* as in the file */
    enum step step;
    uint64_t call;
    uint64_t begun_ms;
    uint64_t runs, failures, skipped;
    char last_error[256];
    int keep; /* mark of apply */
    int gone; /* not configured any more, ends its run */
};

struct node_jobs {
    struct node_jobs_options options;
    struct endpoint *endpoint;
    int part;
    struct job_file *file;
    struct jobs *table;
    struct list entries;
    struct loop_timer *timer;
    int applied, stopped, dirty;
};

/* jobs.c */
/* Sets the timer to what is due next. */
void jobs_arm(struct node_jobs *jobs);
void entry_free(struct entry *e);

/* jobs_apply.c */
struct entry *entry_find(const struct node_jobs *jobs, const char *name);

#endif
