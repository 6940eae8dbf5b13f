/*
 * store.h - the parts of the store and who owns what.
 *
 * Three kinds of threads. The loop thread takes requests apart, hands them on and gives the answers
 * out; it never touches a file. One writer thread opens the database, applies what is queued in
 * one transaction after the other, and closes it. Reader threads run reads in slices; a care
 * thread does what takes long or comes back: checkpoints, space, expiry, verify, backup.
 *
 *     store.c      descriptor, life, dispatch     box.c        results on their way to the loop
 *     request.c    bodies -> struct write         limits.h     what is too much
 *     owners.c     whose a name is                owned.c veil.c  what this caller may write, see
 *     writer.c     queue, batch, commit, flush    open.c       opening, and what is compared
 *     append.c     streams in a batch             rows.c       tables in a batch
 *     events.c streams.c runs.c  where events lie scan*.c marks.c ids.c known.c  how they are found
 *     keep.c       stamps, erasing, positions of subscriptions, epochs in a batch
 *     jobs.c       reads: slices, back-pressure   read.c       events
 *     range.c      tables                         subs*.c      durable subscriptions
 *     snapshot.c pins.c   many tables as they were at one moment, while writers go on
 *     care.c       the care thread                verify.c     everything against everything
 *     backup.c copy.c manifest.c                  copies that were tried
 *     restore.c point.c exchange.c                another database in the place of this one
 *     archive.c restore_point.c  the log, points in it  cipher.c rewrite.c  encryption
 *     shrink.c           room given back          pages.c scrub.c      pages, written twice
 *     state.c      may it write, and if not, why  status.c     status, health
 *     reply.c      answers
 *     env.c folder.c lock_file.c side.c event.c tables.c space.c fail.c: one idea each, see their
 * headers
 *
 * A write is acknowledged at its level: `applied` and `written` when its transaction is committed
 * and its log is with the system (kill -9 loses nothing), `synced` when the log is on the disk. One
 * flush serves all that wait: a batch is what came while the one before was written, never held
 * back to grow. Within a batch each request is checked completely before its first put, against
 * what the requests before it have put, so that one that is refused leaves nothing behind and
 * undoes no neighbour. A replica that must confirm would be waited for behind the flush, before
 * the answers, outside of all locks (writer.c, finish()).
 *
 * Readers see what was flushed, never what a power failure could still take back: events up to
 * `visible`, a table between the batches that change it. (Snapshots of Berkeley DB were tried: each
 * transaction that writes leaves some memory behind that is never given back.)
 *
 *     meta      'T'              the tail: counters behind the last transaction
 *               'b' block 8      earliest and latest time of 1024 events, when it is full
 *               'd' table        definition           's' name       subscription
 *               'e' owner        epoch
 */
#ifndef STORE_H
#define STORE_H

#include "cipher.h"
#include "env.h"
#include "event.h"
#include "events.h"
#include "fail.h"
#include "ids.h"
#include "known.h"
#include "limits.h"
#include "lock_file.h"
#include "manifest.h"
#include "pins.h"
#include "marks.h"
#include "owners.h"
#include "side.h"
#include "space.h"
#include "streams.h"
#include "tables.h"

#include <aiex_service.h>
#include <pthread.h>

struct config {
    const char *name, *key, *old_key, *owners;
    int64_t cache, log_file, checkpoint, min_free, ballast, max_event, readers;
    int64_t archive, keep_backups, encrypt;
};

struct store;

/* ---- box.c: from the other threads to the loop ---- */

/* First member of what comes back; land() runs on the loop thread and owns it. */
struct note {
    struct note *next;
    void (*land)(struct store *, struct note *);
};

struct box {
    pthread_mutex_t lock;
    struct note *first, **end;
    int fd; /* eventfd, readable while something waits */
    uint64_t watch;
};

int box_start(struct store *s, struct aiex_error *err);
void box_stop(struct store *s);
/* Any thread. Never fails. */
void box_put(struct store *s, struct note *note);
/* Several at once, linked by next. */
void box_put_all(struct store *s, struct note *first, struct note **end);
/* Loop: lands what is there. */
void box_empty(struct store *s);

/* reply.c, loop: as aiex_reply_by(), and the call always ends. */
void store_reply(struct store *s, uint64_t id, aiex_write_fn write, const void *arg);

/* ---- state.c: any thread ---- */

enum phase { OPENING, OPEN, FAILED, CLOSED };
enum cause { FULL, DAMAGE, UNSURE, OPERATOR, N_CAUSES };

#define STATE_TEXT 320u

struct state {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum phase phase;
    unsigned causes;                             /* bits: why it does not write */
    char why[N_CAUSES][240], failed[STATE_TEXT]; /* failed: why it is not open */
};

void state_init(struct state *st);
void state_done(struct state *st);
void state_phase(struct state *st, enum phase phase, const char *why);
enum phase state_now(struct state *st);
/* The phase, and why it is no other ("" = nothing was said). */
enum phase state_told(struct state *st, char why[STATE_TEXT]);
/* Waits while the phase is OPENING. */
enum phase state_wait(struct state *st);
void state_set(struct store *s, enum cause cause, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void state_clear(struct store *s, enum cause cause);
/* 1 when it writes; else a reason (of `size` bytes, may be NULL). */
int state_writes(struct state *st, char *why, size_t size);
int state_has(struct state *st, enum cause cause);
/* Damage that was met while reading: tells it and stops writing. */
void state_damage(struct store *s, const char *what);

/* ---- Requests for the writer ---- */

enum level { APPLIED, WRITTEN, SYNCED };

struct condition {
    struct aiex_slice table, key;
    int64_t version;
};

enum op_kind { OP_APPEND, OP_PUT, OP_DELETE };

struct op {
    enum op_kind kind;
    struct aiex_slice stream; /* APPEND */
    int64_t expected;
    struct event *events;
    uint32_t n_events;
    struct aiex_slice table, key, value; /* PUT, DELETE */
    int64_t ttl_ms;
    /* what came out of it */
    struct head_found head;
    uint64_t version, sequence;
    int duplicate;
    struct table *in; /* table of PUT, DELETE */
};

struct write;

struct write_kind {
    /* Writer thread, in the transaction. 0 = put, REFUSED = w->code says why and nothing was put,
     * UNCHANGED = nothing to put, negative errno = the batch fails. */
    int (*apply)(struct store *, DB_TXN *, struct write *);
    /* Writer thread: the batch is committed. May be NULL. */
    void (*committed)(struct store *, struct write *);
    /* Loop thread; NULL = nobody waits. Does not free. */
    void (*answer)(struct store *, struct write *);
    int alone; /* a batch of its own */
    /* Writer thread, instead of a batch, also when the store is not open. NULL = a batch. */
    void (*run)(struct store *, struct write *);
};

#define REFUSED   1
#define UNCHANGED 2

struct write {
    struct note note;
    struct write *next;
    const struct write_kind *kind;
    uint64_t id; /* call, 0 = a cast, or the store itself */
    enum level level;
    size_t bytes;    /* counted in the queue */
    uint32_t events; /* in all its ops */
    /* outcome */
    const char *code; /* NULL = done */
    char text[200];
    int64_t actual;   /* conflict: version that was found */
    int64_t failed;   /* transact: condition or operation that did not hold, -1 = none */
    int unknown;      /* it may be done or not */
    uint64_t version; /* number of the transaction */
    int duplicate;
    /* request */
    int64_t epoch; /* -1 = none */
    struct aiex_slice owner, transaction;
    struct condition *conditions;
    uint32_t n_conditions;
    struct op *ops;
    uint32_t n_ops;
    /* of the other kinds, see there */
    uint64_t a, b, c, erased;
    void *arg; /* malloc()ed */
    struct job *job;
    uint8_t *body;
};

/* ---- request.c: loop thread ---- */

int append_take(void *self, const struct aiex_message *m);
int transact_take(void *self, const struct aiex_message *m);
int define_take(void *self, const struct aiex_message *m);
int compact_take(void *self, const struct aiex_message *m);
int erase_take(void *self, const struct aiex_message *m);
int accept_take(void *self, const struct aiex_message *m);
int freeze_take(void *self, const struct aiex_message *m);
/* A write of this kind with a copy of `body`; free with write_free(). NULL: no memory. */
struct write *write_new(const struct write_kind *kind, uint64_t id, struct aiex_slice body);
void write_free(struct write *w);
/* Refuses or queues; takes the write in both cases. */
void write_submit(struct store *s, struct write *w);
/* Ends the call with what the write was refused for. */
void write_refused(struct store *s, struct write *w);

/* owned.c, loop: 0, or -EACCES and the reason: it touches what is another's. */
int write_deny(struct store *s, const struct aiex_message *m, const struct write *w,
               struct aiex_error *err);

/* ---- writer.c ---- */

/* Counters behind the last transaction. */
struct tail {
    uint64_t sequence, commits, transactions, streams, next_number, events_bytes;
    uint64_t stamp, epoch, opens;
    uint64_t earliest, latest; /* times in the block of `sequence` */
    uint64_t marked;           /* events up to this one have their marks */
    uint64_t filed;            /* the ids of events up to this one are in the tree */
    uint64_t put;              /* ids that were put since the opening; not stored */
    uint8_t chain[EVENT_HASH];
};

struct writer {
    pthread_t thread;
    int running;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct write *first, **end;
    size_t n, bytes;
    int stop, over; /* over: the thread takes no more */
    /* of the writer thread */
    int reopens; /* the log could not be flushed for want of room: only an opening can tell what is
                    there */
    struct tail tail, draft;
    uint8_t *mem; /* for one record */
    size_t mem_size;
    uint8_t salts[256][EVENT_SALT];
    unsigned n_salts;
    struct table *touched[MAX_TABLES]; /* by the batch */
    uint32_t n_touched;
};

int writer_start(struct store *s, struct aiex_error *err);
/* Waits until what is queued is done and the database is closed. */
void writer_stop(struct store *s);
/* The same without waiting: the phase becomes CLOSED. */
void writer_end(struct store *s);
/* Any thread. -EBUSY: the queue is full, or nobody empties it any more; not taken. */
int writer_put(struct store *s, struct write *w);
/* Writer thread. At least `size` bytes of scratch memory, NULL = none. */
uint8_t *writer_mem(struct store *s, size_t size);
/* Sets the outcome; returns REFUSED. */
int refuse(struct write *w, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One at a time, in turn: who waits is next, however soon the other one comes back. */
struct gate {
    pthread_mutex_t turn, inside;
};
void gate_enter(struct gate *g);
void gate_leave(struct gate *g);
/* A signal mask for the store's threads, and the start of one. */
int thread_start(pthread_t *thread, void *(*fn)(void *), void *arg);
int64_t wall_ms(void);

/* ---- open.c: writer thread ---- */

/* Opens and compares; sets the state. 0, or negative errno: not open. */
int store_open(struct store *s, struct aiex_error *err);
void store_close(struct store *s);
/* Loop: tells all who read the store that it is not the one that they knew. */
void store_tell_restored(struct store *s);
/* Writes the side record as of `tail`. */
int store_acknowledge(struct store *s, const struct tail *tail);
int tail_put(struct store *s, DB_TXN *txn, struct tail *tail);
/* All zero when there is none. */
int tail_get(struct store *s, struct tail *tail);
/* The options of the configuration for an environment with that much cache. */
struct env_options store_options(const struct store *s, int64_t cache_bytes);

/* ---- append.c, rows.c, keep.c: in a batch ---- */

extern const struct write_kind append_kind, transact_kind, define_kind, stamp_kind, sweep_kind,
    erase_kind, accept_kind, subscription_kind, ack_kind, drop_kind, restore_kind, rewrite_kind;

int append_check(struct store *s, DB_TXN *txn, struct write *w, uint32_t op);
int append_put(struct store *s, DB_TXN *txn, struct op *op);
int rows_check(struct store *s, DB_TXN *txn, struct write *w);
int rows_put(struct store *s, DB_TXN *txn, struct op *op, uint64_t version);
/* The batch is flushed or taken back. */
void rows_release(struct store *s);
int epoch_check(struct store *s, DB_TXN *txn, struct write *w);
int epoch_put(struct store *s, DB_TXN *txn, struct write *w);
/* Definition of a table that has none. Before the batch, in a transaction of its own. */
int tables_prepare(struct store *s, struct write *w);
int tables_load(struct store *s);

/* ---- jobs.c: reads ---- */

enum job_step {
    JOB_PART, /* `out` is a part (or empty); there is more */
    JOB_END,  /* the last part, then the answer */
    JOB_IDLE  /* nothing to do until job_wake() */
};

/* Memory of a reader thread, for bulk reads. */
struct reader {
    struct store *s;
    pthread_t thread;
    int running, slow; /* slow: the care thread */
    uint8_t *bulk;
    size_t bulk_size;
    DB_TXN *txn; /* of a slice that looks things up while its cursor is open */
};

/* A read. Either the loop has it or, from job_go() until it lands, a reader. */
struct job {
    struct note note;
    struct job *next; /* in the queue */
    struct job *next_all, **at_all;
    struct store *s;
    struct reader *reader; /* while it steps */
    uint64_t id;
    enum job_step (*step)(struct job *); /* reader thread */
    void (*answer)(struct job *);        /* loop: replies */
    void (*done)(struct job *);          /* loop: frees what the kind added; may be NULL */
    int slow;                            /* for the care thread */
    int queued, cancelled, paused, want, woken;
    enum job_step stepped;
    uint8_t *part; /* memory of the part */
    size_t part_len, part_size;
    struct owners *veil; /* hides some streams from `caller`; NULL = it sees all */
    char caller[AIEX_MAX_NAME + 1];
    struct aiex_slice out; /* to be streamed; into part */
    const char *code;      /* JOB_END: NULL = answer() */
    char text[240];
};

struct queue {
    pthread_cond_t wake;
    struct job *first, **end;
    int nudged; /* look now */
};

struct jobs {
    struct reader readers[MAX_READERS + 1]; /* the last one is the care thread */
    pthread_mutex_t lock;
    struct queue quick, slow;
    int stop;
    struct job *all; /* loop */
    size_t n;
};

int jobs_start(struct store *s, struct aiex_error *err);
void jobs_stop(struct store *s);
/* A zeroed job of `size` bytes; NULL: the call was refused. */
void *job_new(struct store *s, uint64_t id, size_t size, enum job_step (*step)(struct job *));
/* Loop: begins, or goes on when it is neither paused nor idle. */
void job_go(struct job *j);
/* Loop: an idle job looks again. */
void job_wake(struct job *j);
struct job *job_find(struct store *s, uint64_t id);
void job_resume(struct store *s, uint64_t id);
/* Loop: ends it without a word, or with `code`. Freed now or when its reader is done. */
void job_stop(struct job *j, const char *code, const char *text);
void jobs_end(struct store *s, const char *code, const char *text);
/* The next job of a queue within `ms` (-1: wait), NULL = none or stop. */
struct job *queue_take(struct store *s, struct queue *q, int64_t ms);
/* Any thread: whoever waits for the queue comes back at once. */
void queue_nudge(struct store *s, struct queue *q);
/* One step of a job on this thread, and its way back. */
void job_run(struct reader *reader, struct job *j);
/* Reader: room for n more bytes of the part. 0, -ENOMEM. */
int job_room(struct job *j, size_t n);
/* Reader: ends with a code for a negative errno of a read of `what`. */
enum job_step job_failed(struct job *j, int r, const char *what);
enum job_step job_refused(struct job *j, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- read.c, range.c, subs.c, verify.c, backup.c, restore.c, rewrite.c, shrink.c, status.c ----
 */

int read_take(void *self, const struct aiex_message *m);
int get_take(void *self, const struct aiex_message *m);
int range_take(void *self, const struct aiex_message *m);
int snapshot_take(void *self, const struct aiex_message *m);
/* Reads a table between two batches; `forget` drops what was read in vain. What read() says. */
int read_quietly(struct store *s, struct table *t, int (*read)(void *), void (*forget)(void *),
                 void *arg);
int subscribe_take(void *self, const struct aiex_message *m);
int unsubscribe_take(void *self, const struct aiex_message *m);
int ack_take(void *self, const struct aiex_message *m);
int verify_take(void *self, const struct aiex_message *m);
int backup_take(void *self, const struct aiex_message *m);
int backups_take(void *self, const struct aiex_message *m);
int restore_take(void *self, const struct aiex_message *m);
int rewrite_take(void *self, const struct aiex_message *m);
int shrink_take(void *self, const struct aiex_message *m);
int status_take(void *self, const struct aiex_message *m);
int metrics_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

/* Which events are wanted. */
struct filter {
    char stream[MAX_STREAM + 1], type[MAX_TYPE + 1], correlation[MAX_CORRELATION + 1];
    int64_t from_time, to_time;
    uint32_t partition, partitions; /* 0 = all */
};

/* A place in the order of what a filter lets through. */
struct scan {
    struct filter filter;
    uint64_t at, to; /* version or sequence: the next one, the last one that is wanted */
    uint64_t bound;  /* sequence that nothing shown exceeds */
    int backwards;
    int64_t left;                  /* events, -1 = all */
    uint64_t number;               /* of the stream, once it is known */
    uint64_t base;                 /* of the stream, when its runs were looked at */
    int begun, end;                /* end: nothing is left */
    int in_order;                  /* of what has no marks yet */
    uint64_t shown, last_sequence; /* events, and the last one's sequence */
    uint64_t behind; /* of a stream: not before this sequence; until `at` is known by it */
    void (*note)(struct scan *, uint64_t sequence); /* sees what is shown; may be NULL */
};

/* Reader thread: up to PART_BYTES of events as one msgpack array into the job's part; scan->end
 * when nothing is left. 0 or negative errno. */
int scan_slice(struct job *j, struct scan *scan);
/* Reads stream, type, correlation, from_time, to_time. 0, or -EINVAL with the job's refusal text.
 */
int filter_read(struct aiex_slice body, struct filter *f, struct aiex_error *err);

/* veil.c, loop: the job shows what the caller of `m` may see. */
void job_veil(struct job *j, const struct aiex_message *m);
/* Reader: this event's map without data and meta and with `hidden` into `out`, when its stream is
 * hidden from the job's caller: its length. 0 = it is not. -EBADMSG. `out` has room for `map` and
 * VEIL_BYTES. */
#define VEIL_BYTES 16u
int veil_event(const struct job *j, struct aiex_slice map, uint8_t *out);

/* Loop: something new may be seen. */
void subs_wake(struct store *s);

/* ---- care.c, space.c ---- */

struct care {
    int64_t next_space_ms, next_sweep_ms, next_checkpoint_ms, next_sync_ms;
    atomic_int sweeping, stamping; /* a write is on its way */
    atomic_uint_fast64_t stamped;  /* the last stamp that was written */
    uint64_t checked;              /* the one that a checkpoint followed */
    uint64_t log_bytes;            /* behind the last checkpoint */
    atomic_uint_fast64_t begun;    /* bytes of log before it: a start repeats those behind them */
    atomic_int hurrying;           /* the writer has seen that the next one is due */
    pthread_mutex_t running;       /* held during a checkpoint */
};

void *care_main(void *reader);
/* Writer, between two batches: tells the care thread when a checkpoint is due; waits for the end of
 * the one that is running when a start would have to repeat too much by now. */
void care_pace(struct store *s);

struct store {
    const struct aiex_host *host;
    struct config config; /* our own: threads read it, and a reload changes two of its numbers */
    char home[300], path[300]; /* database; any other, on the loop */
    struct fail fail;
    struct lock_file lock;
    struct side side;
    pthread_mutex_t side_lock;
    struct side_record acknowledged;
    struct env env;
    struct cipher cipher;       /* of the database that is open */
    char lineage[LINEAGE_TEXT]; /* of its log, "" = no archive */
    int is_another;       /* writer: it was put in place of another one, and nobody was told yet */
    pthread_rwlock_t use; /* readers: of env, while it is open */
    struct gate gate;     /* held by the writer from the first put to the flush */
    struct state state;
    struct owners *owners; /* the loop's */
    struct tables tables;
    struct writer writer;
    struct events events; /* the writer's */
    struct ids ids;       /* the writer's */
    struct known known;
    struct streams heads;
    struct pin *pins; /* with the gate */
    struct marks marks;
    struct box box;
    struct note closed; /* the writer's last word */
    struct jobs jobs;
    struct consumer *consumers; /* subs.c */
    size_t n_consumers;
    struct care care;
    struct space space;
    atomic_uint_fast64_t visible; /* last sequence that readers may see */
    atomic_uint_fast64_t marked;  /* last one that `marks` has, for readers */
    atomic_uint_fast64_t filed;   /* the same of `ids` */
    uint64_t seen;                /* loop: `visible` when subscribers were woken */
    atomic_uint_fast64_t streams, transactions, batches, flushes, bytes, log_bytes, flush_us,
        writes, conflicts, denied, reads, parts, checkpoints, epoch, opens, last_backup;
    uint64_t tick;
    void (*drained)(void *arg);
    void *drained_arg;
    int draining;
};

#endif
