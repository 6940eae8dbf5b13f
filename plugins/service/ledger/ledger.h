/*
 * ledger.h - the parts of the ledger.
 *
 *     batch.c    ledger.record: one write a turn, then totals, recent records, who follows
 *     record.c   money of the month; full disks
 *     days.c     the open days (segment and totals), what is in the folder, retention, start
 *     totals.c   sums of a day and their summary file      table.c   the hash table below them
 *     facts.c    what is read out of a usage record        recent.c  the last 65536 records
 *     jobs.c     work in slices: report.c, show.c, tail.c
 *     sync.c     fdatasync on a thread of its own          status.c  spent, status, health
 *     acts.c     model calls for the audit log             money*.c  what was spent, as events
 *
 * A record belongs to the UTC day of its `time`; one whose time is missing, more than a day ago or
 * still to come belongs to the time at which it came. That time stands before the record in
 * the segment (8 bytes, little-endian milliseconds), the record behind it as it came.
 * All of it runs on the loop thread but the function in sync.c that says so.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "dates.h"
#include "money.h"
#include "totals.h"

#include <aiex_audit_batch.h>
#include <aiex_service.h>
#include <pthread.h>

#define OPEN_DAYS      3u     /* yesterday, today, and one that is being opened */
#define RECENT         65536u /* records whose place and id are known */
#define RECENT_DAYS    7      /* older ones are not looked at when the ledger starts */
#define MAX_JOBS       64u
#define MAX_COLUMNS_BY 8u
#define MAX_GROUPS     20000u /* rows of one report */
#define SLICE_BYTES    (512u << 10)
#define SLICE_ITEMS    512u

struct config {
    int64_t sync_interval, keep_days, max_rows, checkpoint;
    const char *audit, *store;
    int64_t store_interval, store_wait;
};

/* ---- recent.c: a ring by order of arrival, and a set of what was counted ---- */

struct place {
    uint64_t id; /* hash of the record's id */
    int64_t day;
    uint64_t offset;
};

struct recent {
    struct place *ring; /* number n stands at n % RECENT */
    uint64_t next;      /* number of the next record; those from `next - RECENT` on are there */
    uint64_t *seen;     /* fingerprints of id and ticket, in buckets of four */
};

int recent_init(struct recent *r);
void recent_done(struct recent *r);
/* What id and ticket of a record come down to; 0: it has not both and is never the same as another.
 */
uint64_t recent_print(const struct facts *f);
/* 1 when a record with this print (not 0) is remembered. */
int recent_has(const struct recent *r, uint64_t print);
void recent_add(struct recent *r, const struct facts *f, int64_t day, uint64_t offset);
/* Number of the oldest one that is there. */
uint64_t recent_first(const struct recent *r);
uint64_t recent_hash(struct aiex_slice id);

/* ---- days.c ---- */

struct ledger;

struct day {
    struct ledger *l;
    int64_t number;
    uint64_t counted; /* bytes that the summary counted when it was opened */
    int live;         /* what is seen now adds to the month, too */
    struct aiex_rlog log;
    struct totals totals;
    uint64_t summed; /* bytes that the summary on disk covers */
    int dirty;       /* written since the last sync */
};

/* ---- jobs.c: work for one request, done in slices between other messages ---- */

#define JOB_AGAIN 1 /* step() has more to do */
#define JOB_DONE  0 /* it answered: to be freed */
#define JOB_WAIT  2 /* until job_wake() */

struct job {
    struct job *next;
    struct ledger *l;
    uint64_t id;
    int waiting, cancelled;
    int (*step)(struct job *);
    void (*free)(struct job *); /* frees the job as well */
};

/* ---- sync.c ---- */

struct syncer {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int running, stop, busy;
    int fds[OPEN_DAYS * 2]; /* to be synced and closed */
    unsigned n_fds;
    int error; /* of the last one, negative errno */
    int tell;  /* post `done` when idle */
    const struct aiex_host *host;
    void (*done)(void *arg);
    void *arg;
};

struct batch;

struct ledger {
    const struct aiex_host *host;
    const struct config *config;
    struct day *days[OPEN_DAYS];
    int64_t month; /* number of the month that `spent` speaks of */
    struct table spent;
    struct recent recent;
    struct batch *batch; /* what came in this turn; NULL: nothing yet */
    int flush_posted;
    struct job *jobs, *stepping;
    size_t n_jobs;
    int jobs_posted, followers;
    struct syncer sync;
    uint64_t tick;
    struct aiex_audit_batch acts; /* on their way to the audit log */
    struct money money;
    int started;
    int failing;      /* the disk takes nothing */
    char reason[256]; /* why */
    uint64_t records, duplicates, broken, lost, lost_told, holes;
    int64_t lost_cost, expired_day;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* Opens what is there, fills recent and spent, removes what is too old. A full disk is no error
 * here: it is told as any other time. */
int days_start(struct ledger *l, struct aiex_error *err);
/* Writes the summaries and closes. */
void days_stop(struct ledger *l);
/* The open day, or NULL; days_open() opens or makes it. */
struct day *days_find(struct ledger *l, int64_t number);
int days_open(struct ledger *l, int64_t number, struct day **ret_day, struct aiex_error *err);
/* Writes the summary when it is old enough (or `now`). */
void days_sum(struct ledger *l, struct day *d, int now);
/* Removes days beyond keep_days and closes those that are over. */
void days_tidy(struct ledger *l);
/* Days that have a segment, oldest first; free() it. 0, -ENOMEM, other errno. */
int days_list(struct ledger *l, int64_t **ret_days, size_t *ret_n);
/* ".log" or ".sum" of a day. */
void days_path(const struct ledger *l, int64_t number, const char *suffix, char *out, size_t size);
/* What the summary says of a closed day when it covers the whole segment. 1, or 0. */
int days_totals(struct ledger *l, int64_t number, struct totals *ret_totals);
/* Sums up anew what was spent in a month: a clock that was ahead has made the ledger forget it. */
void days_recount(struct ledger *l, int64_t month);
/* A record by its place. 0 or negative errno; free() *ret_mem. */
int days_get(struct ledger *l, const struct place *p, uint8_t **ret_mem,
             struct aiex_slice *ret_record);
/* Takes the time off a segment's record. 0, -EBADMSG. */
int days_split(struct aiex_slice body, int64_t *ret_ms, struct aiex_slice *ret_record);

/* ---- batch.c ---- */

int record_take(void *self, const struct aiex_message *m);
/* Writes what was taken in this turn: before anything else is done or told. */
void record_flush(struct ledger *l);
void record_free(struct ledger *l);

/* ---- acts.c ---- */

/* Tells the audit log of a request that was recorded. */
void acts_call(struct ledger *l, const struct facts *f, uint64_t trace);

/* ---- record.c ---- */

/* Adds to the money of the month. */
void record_spend(struct ledger *l, const struct facts *f, int64_t day);
/* The disk refused; tells it once. record_lost() counts a record, too. */
void record_failing(struct ledger *l, const char *why);
void record_lost(struct ledger *l, const struct facts *f, const char *why);
/* A record was written. */
void record_works(struct ledger *l);
/* Each sync_interval: tells what was lost since, tries whether there is room again. */
void record_retry(struct ledger *l);

/* ---- jobs.c ---- */

/* Takes `job` (all but next and waiting set) and steps it soon. -EBUSY: too many; not taken. */
int job_begin(struct job *job);
void job_wake(struct job *job);
/* Wakes every job that waits (followers look whether there is something for them). */
void jobs_wake(struct ledger *l);
struct job *job_find(struct ledger *l, uint64_t id);
void job_cancel(struct ledger *l, uint64_t id);
/* Ends all of them with `unavailable`, or without a word. */
void jobs_end(struct ledger *l, int tell);

/* ---- report.c, show.c, tail.c, status.c: methods ---- */

int report_take(void *self, const struct aiex_message *m);
int show_take(void *self, const struct aiex_message *m);
int tail_take(void *self, const struct aiex_message *m);
/* RESUME: the reader has room again. */
void tail_resume(struct ledger *l, uint64_t id);
int spent_take(void *self, const struct aiex_message *m);
int status_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

/* ---- sync.c ---- */

int sync_start(struct ledger *l, struct aiex_error *err);
/* Waits for the thread. */
void sync_stop(struct ledger *l);
/* Hands the written days to the thread. */
void sync_begin(struct ledger *l);
/* Calls done(arg) on the loop when all that was handed over is on the disk. */
void sync_then(struct ledger *l, void (*done)(void *arg), void *arg);
/* Result of the last one: 0 or negative errno. */
int sync_error(struct ledger *l);

#endif
