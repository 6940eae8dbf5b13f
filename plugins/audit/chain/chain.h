/*
 * chain.h - the parts of the audit log.
 *
 *     chain.c    descriptor, options, life       append.c   audit.append, redact, head, cosign,
 *                                                             rotate_key
 *     append_all.c   many acts at once
 *     writer.c   the thread that writes          alarm.c    what can not be recorded: told, counted
 *     log.h      the log on the disk             policy.c   which acts must be recorded
 *     job.c      long answers on two threads: read.c, lines.c (export), verify.c, prove.c
 *
 * Threads. The loop takes requests, makes an op of each and hands it to the writer, which takes all
 * that came meanwhile as one batch: one write, one fdatasync, then the ops come back and are
 * answered. Workers read: a job makes one part of its answer at a time, so a slow consumer holds up
 * nobody. The loop waits for none of them; what a disk does not take within `deadline` is refused
 * by a timer.
 */
#ifndef CHAIN_H
#define CHAIN_H

#include "log.h"

#include <aiex_audit_check.h>
#include <aiex_service.h>

#define MAX_QUEUED_OPS   65536u
#define MAX_QUEUED_BYTES (64u << 20)
#define MAX_JOBS         64u
#define MAX_SENDERS      64u
#define N_WORKERS        2u
#define MAX_WITNESSES    16u
#define TICK_MS          100u
#define PART_BYTES       (64u << 10)

struct config {
    const char *origin, *key, *key_old, *must, *operators, *witnesses, *topics;
    int64_t deadline, head_interval, head_entries, segment_size, verify_interval;
};

/* What the log can do now. */
enum state {
    STATE_OPENING, /* reading what is there, or another process holds it */
    STATE_OK,
    STATE_FULL,  /* the disk takes nothing; tried again */
    STATE_FAULT, /* damaged, or its files vanished: for reading only, until an operator decides */
    STATE_DEAD   /* could not be opened at all */
};

extern const char *const state_names[]; /* "opening", "ok", "full", "fault", "dead" */

/* ---- One thing for the writer ---- */

enum op_kind { OP_APPEND, OP_REDACT, OP_HEAD, OP_COSIGN, OP_ROTATE };

/* append_all.c: who numbers its acts. */
struct sender {
    char by[WRITER_NAME];
    int64_t nonce;
    uint64_t next; /* number of its next act */
    uint64_t used; /* greater = later */
    int open;      /* a request is not through */
};

struct group; /* append_all.c: acts that came in one request */

struct op {
    struct op *next;          /* in the queue, in the batch, among the done */
    struct op *older, *newer; /* on the loop: those that wait, by arrival */
    enum op_kind kind;
    uint64_t id;               /* request; 0 = a cast */
    char by[WRITER_NAME];      /* instance that asks, "" = not known */
    uint64_t arrived;          /* mono_ms() */
    int must;                  /* the act must not happen unless it is recorded */
    struct group *group;       /* whose answer waits for this one, too; NULL = none */
    int told;                  /* the caller was answered already, or left */
    void (*then)(struct op *); /* HEAD: on the loop, instead of the answer */
    void *arg;
    struct entry entry;
    int64_t target; /* REDACT */
    int result;     /* 0 or negative errno */
    char why[256];
    /* HEAD, COSIGN */
    uint64_t size, heads_end; /* heads_end: of the file that has no later heads */
    uint8_t root[AIEX_HASH];
    char *note, *cosigned, *key; /* malloced; key: HEAD, ROTATE */
    struct chain *chain;
    size_t n_bytes;
    uint8_t bytes[]; /* the request's body */
};

struct writer_thread {
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    int running, stop, posted;
    struct op *queue, **queue_end;
    struct op *done, **done_end;
    size_t n_queued, queued_bytes;
    enum state state;
    char reason[400];
    int fault_asked; /* a verification found something: go to STATE_FAULT */
    char fault_text[400];
    uint64_t size;          /* entries on the disk */
    uint64_t lost, refused; /* told by the loop, recorded when the disk takes something again */
    uint64_t commits, commit_us; /* batches that were synced, and the time of that */
};

/* ---- Jobs ---- */

#define JOB_MORE 0 /* step() made a part or nothing, and has more to do */
#define JOB_DONE 1 /* the end is in `end`, or in `code` and `text` */

struct job {
    struct job *next;      /* among all, on the loop */
    struct job *next_work; /* in the workers' queue, or among what they finished */
    struct chain *chain;
    uint64_t id; /* request; 0 = the plugin's own */
    int working, paused, cancelled;
    int (*step)(struct job *); /* on a worker */
    void (*free)(struct job *);
    void (*ended)(struct job *); /* on the loop, instead of an answer; may be NULL */
    int result;
    uint8_t *part; /* PART_BYTES and more of room; what one step made */
    size_t part_len, part_room;
    uint8_t end[2560];
    size_t end_len;
    const char *code; /* NULL = success */
    char text[256];
};

struct workers {
    pthread_t threads[N_WORKERS];
    unsigned n_threads;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int stop, posted;
    struct job *queue, **queue_end, *done, **done_end;
};

struct chain {
    const struct aiex_host *host;
    const struct config *config;
    char origin[AIEX_NOTE_NAME];
    struct log log;
    struct key_source source; /* until the writer has opened the log; then wiped */
    struct aiex_note_key witnesses[MAX_WITNESSES];
    size_t n_witnesses;
    struct writer_thread writer;
    struct workers workers;
    int stop;                            /* atomic: opening looks at it */
    int64_t head_interval, head_entries; /* atomic: the writer must not look at `config` */
    /* the loop's own */
    struct op *oldest, *newest; /* that wait for the writer */
    struct group *groups;
    struct sender senders[MAX_SENDERS];
    uint64_t sender_uses;
    size_t n_waiting;
    struct job *jobs;
    size_t n_jobs;
    uint64_t tick;
    enum state told_state;
    int hung;
    char reason[400];
    uint64_t lost, lost_must, refused, told_lost, told_ms;
    uint64_t verify_at; /* mono_ms() of the next verification; 0 = none */
    int verifying;
    uint64_t last_verified; /* wall ms of the last good one */
    void (*drained)(void *arg);
    void *drained_arg;
};

/* ---- policy.c ---- */

/* 1 = `type` is in the list of the option `must`: words with blanks or commas between them, a * at
 * the end of one stands for anything. */
int policy_must(const char *list, struct aiex_slice type);
/* 0, or -EINVAL with a reason. */
int policy_check(const char *list, struct aiex_error *err);

/* ---- append.c (loop) ---- */

int append_take(void *self, const struct aiex_message *m);
int redact_take(void *self, const struct aiex_message *m);
int head_take(void *self, const struct aiex_message *m);
int cosign_take(void *self, const struct aiex_message *m);
int rotate_take(void *self, const struct aiex_message *m);
/* An event of the topics that are recorded. */
int event_take(struct chain *c, const struct aiex_message *m);
/* Answers what the writer is done with. */
void append_done(struct chain *c);
/* Asks the writer for a head, then calls then(op) with result, size, root, note; without `then` the
 * request is answered. 0, or -ENOMEM, -EBUSY (nothing will be called). */
int append_head(struct chain *c, uint64_t id, void (*then)(struct op *), void *arg);
/* CANCEL of a request that waits. */
void append_cancel(struct chain *c, uint64_t id);
/* Refuses what waits longer than the deadline. */
void append_overdue(struct chain *c);
void append_end(struct chain *c, int tell);
void op_free(struct op *op);
/* An op with a copy of the message's body; NULL = no memory, said. */
struct op *op_new(struct chain *c, const struct aiex_message *m, enum op_kind kind);
/* Reads the fields of an act from the op's bytes. 0, or the request is refused (text is checked:
 * what is no text would be another one in the log than its caller said). */
int append_read(struct op *op);
/* Hands the op to the writer, or refuses it. */
void append_push(struct chain *c, struct op *op);
/* A refusal says in its details which kind of act it was and what is wrong, for programs. */
void refuse_act(struct chain *c, uint64_t id, int must, const char *word, const char *reason);

/* ---- append_all.c (loop) ---- */

int append_all_take(void *self, const struct aiex_message *m);
/* One act of a group is through; the last one answers. */
void group_done(struct op *op);
/* It never will be. */
void group_left(struct op *op);
void group_cancel(struct chain *c, uint64_t id);

/* ---- writer.c ---- */

int writer_start(struct chain *c, struct aiex_error *err);
/* Records what is queued, writes the state, waits for the thread. */
void writer_stop(struct chain *c);
/* Hands over; 0, or -EBUSY: too much waits. */
int writer_push(struct chain *c, struct op *op);
void writer_fault(struct chain *c, const char *text);
enum state writer_state(struct chain *c, char reason[400], uint64_t *ret_size);

/* ---- alarm.c (loop) ---- */

/* A look at writer and disk: publishes what changed. Each tick and after each batch. */
void alarm_look(struct chain *c);
/* NULL, or why nothing can be recorded now. */
const char *alarm_reason(struct chain *c);
/* The word for it: "full", "hung", ... */
const char *alarm_word(struct chain *c);
/* An act that was not recorded. */
void alarm_lost(struct chain *c, int must, int refused);
int health_take(void *self, const struct aiex_message *m);
int status_take(void *self, const struct aiex_message *m);
int metrics_take(void *self, const struct aiex_message *m);

/* ---- job.c ---- */

int workers_start(struct chain *c, struct aiex_error *err);
void workers_stop(struct chain *c);
/* A zeroed job of `size` bytes for this request. NULL: refused (busy), said. */
struct job *job_new(struct chain *c, uint64_t id, size_t size);
void job_begin(struct job *j);
/* Answers a job that no worker has, and frees it. */
void job_refuse(struct job *j, const char *code, const char *text);
void job_cancel(struct chain *c, uint64_t id);
void job_resume(struct chain *c, uint64_t id);
void jobs_done(struct chain *c);
void jobs_end(struct chain *c, int tell);
/* For steps: room for n more bytes of the part. 0, -ENOMEM. */
int job_room(struct job *j, size_t n);
/* Ends with an error. JOB_DONE. */
int job_fail(struct job *j, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Where entries stand: what a job reads without holding the lock. */
struct view {
    uint64_t size, heads_end;
    struct segment *segments; /* malloced; descriptors stay the log's */
    size_t n_segments;
};

int view_take(struct chain *c, struct view *v);
void view_done(struct view *v);

/* Records as they stand in the segments, from that of some seq on. What is missing, doubled or
 * moved is the caller's to see. */
struct walk {
    struct view view;
    struct scan scan;
    int scanning;
    size_t segment;
};

int walk_begin(struct chain *c, struct walk *w, uint64_t from);
/* SCAN_RECORD and the record, SCAN_HOLE or SCAN_TORN (damaged bytes), 0 at the end, negative errno.
 */
int walk_next(struct walk *w, struct record *r);
void walk_done(struct walk *w);

/* ---- read.c, lines.c, verify.c, prove.c (loop and worker) ---- */

int read_take(void *self, const struct aiex_message *m);
int export_take(void *self, const struct aiex_message *m);
int verify_take(void *self, const struct aiex_message *m);
int proof_take(void *self, const struct aiex_message *m);
/* The plugin's own verification, each verify_interval. */
void verify_due(struct chain *c);

#endif
