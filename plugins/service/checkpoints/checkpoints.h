/*
 * checkpoints.h - the parts of the checkpoints service, and which thread does what.
 *
 * The loop thread takes requests and answers those that the catalog in memory can answer. All else
 * is a job for one worker thread, one after the other: it reads and writes files, packs, and asks
 * other services, in plain sequential code. The worker never calls the host: what is the loop's to
 * do (a call, a part, a timer) it wishes for, and waits (remote.c).
 *
 *     checkpoints.c descriptor, options, life         work.c      requests -> jobs, the worker
 *     remote.c   calls and parts of the worker        ask.c       questions that are asked again
 *     chunk.c    bytes under their own name           manifest.c  what a checkpoint is
 *     catalog.c  all manifests, in memory             choice.c    which streams and tables
 *     cut.c      values -> chunks                     walk.c      chunks -> values
 *     heads.c    streams and their versions           gather.c    the state of the store -> chunks
 *     same.c     did anything change
 *     create.c   delete.c   retain.c   verify.c   compare.c   carry.c (export, import)
 *     plan.c     what a restore does to tables        restore.c   restores, from begin to end
 *     replay.c   what it does to streams              sessions.c  and to sessions
 *     owned.c    and to streams whose owner goes back
 *     batch.c    changes on their way to the store    tally.c     counts and keys for each part
 *
 * A checkpoint is there when its manifest is: chunks first, flushed, then the folders, then the
 * manifest, in one rename. What a crash leaves before that is chunks that nobody names; they are
 * collected at the next start. A lock file keeps a second process of this instance (one that is
 * being replaced) from writing meanwhile.
 */
#ifndef CHECKPOINTS_H
#define CHECKPOINTS_H

#include "manifest.h"

#include <aiex_service.h>
#include <pthread.h>
#include <stdatomic.h>

#define MAX_JOBS        64u
#define MAX_CALLS       4u         /* of the worker at a time */
#define WINDOW          (1u << 20) /* bytes of parts that wait for the worker */
#define MAX_PIECE       (8u << 20) /* of an import */
#define MAX_UPLOADS     4u
#define MAX_LISTED      1000 /* keys of one part that are named */
#define OWN_PREFIX      "checkpoint/"
#define STREAM_RESTORED "stream.restored"
#define OWN_LOG         "checkpoint/log"
#define OWN_RESTORES    "checkpoint/restores"
#define SESSION_TABLE   "session"
#define SESSIONS        "session/" /* begin of their streams */

struct config {
    int64_t store_wait, keep_last, keep_daily, keep_weekly, max_checkpoints, max_streams, max_bytes,
        min_free, level;
    const char *store, *sessions, *templates, *gateway;
};

struct cps;
struct job;

/* ---- remote.c: what the worker wishes from the loop ---- */

struct call {
    struct job *job;
    struct seat *seat;   /* NULL = not open */
    struct piece *shown; /* whose memory the worker looks at */
    int ended;
    char code[32], text[400]; /* code "" = good */
    uint32_t retry_ms;
    uint8_t *body; /* of the end */
    size_t body_len;
};

struct remote;
int remote_start(struct cps *s, struct aiex_error *err);
/* Worker and loop: nothing is waited for any more. */
void remote_stop(struct cps *s);
/* Loop, when the worker is gone. */
void remote_done(struct cps *s);
/* Loop: the consumer of `id` has room again. */
void remote_resume(struct cps *s, uint64_t id);
/* Loop: waits of this job end. */
void remote_wake(struct cps *s);

/* Worker. Begins a call whose body `write` writes. 0, -ECANCELED, -ENOMEM, or what host->call()
 * says. call_done() in any case. */
int call_begin(struct job *j, struct call *c, const char *service, const char *method,
               aiex_write_fn write, const void *arg, uint32_t timeout_ms);
/* 1 = the next part (valid until the next call), 0 = it ended well, -EREMOTEIO = it ended with
 * c->code, -ECANCELED. */
int call_part(struct call *c, struct aiex_slice *ret_part);
/* Gives up what is open and frees. */
void call_done(struct call *c);
/* Streams a part to the caller of the job and waits while he has no room. 0, -ECANCELED, -ENOMEM.
 */
int job_say(struct job *j, struct aiex_slice part);
int job_say_by(struct job *j, aiex_write_fn write, const void *arg);
/* 0, -ECANCELED. */
int job_pause(struct job *j, uint32_t ms);

/* ---- ask.c ---- */

/* A call without parts, asked again while it is `busy`, `unavailable`, `timeout` or `crashed` and
 * `store_wait` is not over. 0: c has the body. -EREMOTEIO: c has the code. Others as call_begin().
 * call_done() in any case. */
int ask(struct job *j, struct call *c, const char *service, const char *method, aiex_write_fn write,
        const void *arg);
/* 1 = such an answer may be another one later. */
int is_passing(const char *code);
/* A pause before the next try, or -ETIMEDOUT when `store_wait` is over since the first. */
struct patience {
    uint64_t until;
    uint32_t pause;
};
int try_later(struct job *j, struct patience *p, uint32_t retry_ms);
/* The call's failure becomes the job's. */
int job_refused_by(struct job *j, const struct call *c, const char *what);

/* Reads an answer of store.read part by part and goes on behind the last event when the store was
 * lost in between. see() gets whole events (maps); negative ends it. `to` 0 = all. */
typedef int (*see_event_fn)(void *arg, struct aiex_slice event);
int read_events(struct job *j, const char *stream, int64_t from, int64_t to, see_event_fn see,
                void *arg);
/* One event, the last one up to `at` (0: of all); stream NULL = all streams. 1, 0 = none. */
int read_one(struct job *j, const char *stream, int64_t at, struct call *c,
             struct aiex_slice *ret_event);

/* ---- work.c ---- */

struct verb {
    const char *method;
    /* 0, or a negative errno after job_fail(). Fields: j->body. */
    int (*run)(struct job *j);
    int quick; /* reads the catalog only: on the loop, too */
};
extern const struct verb verbs[];

struct job {
    struct job *next;
    struct cps *s;
    const struct verb *verb;
    uint64_t id, trace; /* id 0: nobody waits */
    struct aiex_slice body;
    int cancelled;    /* under the remote's lock */
    const char *code; /* NULL = good */
    char text[480];
    uint8_t *end;
    size_t end_len;
    uint8_t mem[]; /* of the body */
};

/* -ENOSYS, or 0: it will be answered. */
int work_take(struct cps *s, const struct aiex_message *m);
void work_cancel(struct cps *s, uint64_t id);
void *work_main(void *arg);
/* Loop: a finished job is answered. */
void work_land(struct cps *s, struct job *j);
/* Ends the queued ones. */
void work_refuse_queued(struct cps *s, const char *text);
/* Says why; returns -EREMOTEIO. */
int job_fail(struct job *j, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a negative errno of a file or of memory; -ECANCELED and -EREMOTEIO pass. */
int job_errno(struct job *j, int r, const char *what);
/* The end's body. 0 or -ENOMEM, told. */
int job_end_by(struct job *j, aiex_write_fn write, const void *arg);
/* The same for what is done and can not be undone: without memory the answer is empty. */
void job_done_by(struct job *j, aiex_write_fn write, const void *arg);
/* A field of the request; told when it is wrong. 1 = there, 0 = not, negative. */
int job_text(struct job *j, const char *key, char *out, size_t size);
int job_bool(struct job *j, const char *key, int *out);
/* The checkpoint that field `key` names. told when there is none. */
int job_manifest(struct job *j, const char *key, struct manifest *ret);
int64_t wall_ms(void); /* clock.c */

/* ---- catalog.c ---- */

struct catalog {
    pthread_mutex_t lock;
    struct about **all; /* oldest first */
    size_t n;
    struct about *spare; /* and room for it: catalog_reserve() */
    int loaded;
    size_t broken; /* manifests that can not be read */
    char why[300]; /* the last of them */
};

/* Reads all manifests again. Those that can not be read are logged and counted. 0, -ENOMEM ... */
int catalog_load(struct cps *s);
void catalog_done(struct catalog *c);
/* So that the next catalog_add() does not fail. 0, -ENOMEM. */
int catalog_reserve(struct catalog *c);
int catalog_add(struct catalog *c, const struct about *a);
/* The number of the next one. */
int64_t catalog_next(struct catalog *c);
void catalog_drop(struct catalog *c, const char *name);
/* A copy; 0, -ENOENT. */
int catalog_find(struct catalog *c, const char *name, struct about *ret);
/* The newest one for which fits() says so. */
int catalog_newest(struct catalog *c, int (*fits)(void *arg, const struct about *a), void *arg,
                   struct about *ret);
/* Removes the files of chunks that no manifest names. */
int catalog_collect(struct job *j, size_t *ret_n, int64_t *ret_bytes);
int run_list(struct job *j);
int run_show(struct job *j);

/* ---- choice.c ---- */

struct choice {
    char (*parts)[MAX_PART + 1];
    uint32_t n; /* 0 = everything */
};
/* 0, -EINVAL with a reason when it is none of: all, sessions, contexts, templates, limits, keys,
 * stream:BEGIN, table:NAME. */
int part_check(const char *part, struct aiex_error *err);
int choice_has_stream(const struct choice *c, struct aiex_slice stream);
/* By a part `stream:...`. */
int choice_names_stream(const struct choice *c, struct aiex_slice stream);
int choice_has_table(const struct choice *c, const char *table);
/* Some table may be in it. */
int choice_has_tables(const struct choice *c);
/* Derived from other state, or one process' own: never kept. */
int is_derived_table(const char *table);
/* The array `parts` of a request. told when it is wrong. */
int choice_read(struct job *j, char (*parts)[MAX_PART + 1], uint32_t *ret_n);
/* What a stream is counted under: "stream:" and its name up to the first / or -. */
void stream_part(struct aiex_slice stream, char out[MAX_PART + 1]);

/* ---- cut.c, walk.c ---- */

/* Values into chunks. A chunk ends at a value whose key says so, wherever it begins: after a change
 * the same values make the same chunks again. */
struct cut {
    struct chunks *chunks;
    struct chunk_list *list;
    uint8_t *mem;
    size_t len, size;
    uint32_t items;
    int64_t raw, total_items;
};
void cut_begin(struct cut *c, struct chunks *chunks, struct chunk_list *list);
/* `ends`: a chunk may end behind this value. 0, negative errno with a reason. */
int cut_add(struct cut *c, struct aiex_slice value, int ends, struct aiex_error *err);
int cut_end(struct cut *c, struct aiex_error *err);
void cut_done(struct cut *c);
/* The same for equal bytes, whatever came before: 1 of `one_in` (a power of 2). */
int ends_at(struct aiex_slice key, unsigned one_in);

struct walk {
    struct chunks *chunks;
    const struct chunk_list *list;
    size_t next; /* chunk */
    uint8_t *raw;
    struct aiex_slice left;
    uint32_t items; /* of the chunk that are left */
};
void walk_begin(struct walk *w, struct chunks *chunks, const struct chunk_list *list);
/* 1 = a value (valid until the next call), 0 = the end, -EBADMSG ... with a reason. */
int walk_next(struct walk *w, struct aiex_slice *ret_value, struct aiex_error *err);
/* At the begin of a chunk: its reference, else NULL. */
const struct chunk_ref *walk_chunk(const struct walk *w);
void walk_skip_chunk(struct walk *w);
void walk_done(struct walk *w);

/* ---- heads.c ---- */

struct head {
    struct aiex_slice stream;
    int64_t version, events; /* last version, events that are there */
    struct aiex_slice id;    /* of the last event */
    int64_t back_to;         /* it went back to this version, and nothing happened since; -1 */
    int content;             /* something happened that a session's history and values show */
};
struct heads;
/* At most `max` streams. NULL: no memory. */
struct heads *heads_new(size_t max);
void heads_free(struct heads *h);
/* Copies. 0, -ENOMEM, -E2BIG. */
int heads_put(struct heads *h, const struct head *head);
const struct head *heads_find(const struct heads *h, struct aiex_slice stream);
size_t heads_count(const struct heads *h);
/* By name; heads_put() undoes it. */
void heads_sort(struct heads *h);
const struct head *heads_at(const struct heads *h, size_t i);
/* One more event of its stream. 0, -EBADMSG: no event, -ENOMEM, -E2BIG. */
int heads_see(struct heads *h, struct aiex_slice event);
/* As a checkpoint keeps it. */
void head_write(struct aiex_writer *w, const struct head *head);
int head_read(struct aiex_slice value, struct head *ret);
int slice_order(struct aiex_slice a, struct aiex_slice b);
/* The same for the same name. */
uint64_t heads_number(struct aiex_slice stream);

/* ---- gather.c ---- */

/* What is being made. */
struct making {
    struct job *job;
    struct manifest *m;
    const struct manifest *parent; /* NULL = full */
    struct heads *heads;           /* of what was read now */
    int if_changed;                /* nothing is kept when all is as in the parent */
    uint64_t told;                 /* when progress was last told */
    int64_t done;
};
/* Tables and the sequence; then events, heads. 0 or negative, told. */
int gather_tables(struct making *k);
int gather_events(struct making *k);
/* Tells how far it is, now and then. */
int tell_progress(struct making *k, const char *phase, int64_t done, int64_t total);

/* ---- the verbs ---- */

int run_create(struct job *j);
int run_delete(struct job *j);
int run_prune(struct job *j);
int run_verify(struct job *j);
int run_compare(struct job *j);
int run_export(struct job *j);
int run_import(struct job *j);
int run_restore(struct job *j);
/* Makes what m->about describes (name, tags, parts ...; an id is given). 0, 1 = `if_changed`, and
 * nothing did since m->about.parent, or negative, told. */
int create_now(struct job *j, struct manifest *m, int if_changed);
/* 1 = all is as in the parent, 0, negative, told. */
int is_same_state(struct making *k);
/* Reads all of it. `quiet`: faults are counted, not told as parts. */
int verify_all(struct job *j, const struct manifest *m, int quiet, int64_t *ret_faults);
/* 1 = the store's history goes on from where this one ended, 0 = it does not; negative. */
int goes_on(struct job *j, const struct about *a);
/* Goes on with a restore that a crash ended. */
int run_resume(struct job *j);
/* What create says about itself in the store's log; failures are logged. */
void tell_log(struct job *j, const char *type, const struct about *a);
/* Removes the manifest and says so; its chunks are for catalog_collect(). */
int remove_manifest(struct job *j, const struct about *a);
/* Drafts of imports that a crash left. */
void carry_clean(struct cps *s);

/* ---- tally.c ---- */

enum change { ADDED, CHANGED, REMOVED, APPENDED, ROLLED_BACK, MARKED, LEFT, CONFLICT, N_CHANGES };

struct tally {
    struct job *job;
    int64_t list; /* keys that are named of each change of a part */
    struct tally_part *parts;
    size_t n;
    int64_t total[N_CHANGES];
};
/* Reads `list` of the request. */
int tally_begin(struct tally *t, struct job *j);
void tally_done(struct tally *t);
/* Counts, and tells the caller the key while `list` allows. `detail` may be NULL. */
int tally_add(struct tally *t, const char *part, enum change change, struct aiex_slice key,
              const char *detail);
/* Pairs: `parts` and `total`. */
#define TALLY_PAIRS 2u
void tally_write(struct aiex_writer *w, const struct tally *t);

/* ---- batch.c ---- */

/* In head.events of a stream that is replayed: how far that is. */
enum replay_state { STREAM_UNKNOWN = -1, STREAM_GOES_ON = -2, STREAM_CONFLICT = -3 };

/* Changes of a restore, gathered to transactions of the store. A change whose condition does not
 * hold (somebody else wrote meanwhile) is left out and counted as a conflict; the others are made.
 */
struct batch {
    struct job *job;
    struct tally *tally;
    struct heads
        *streams;   /* of replayed events; a stream with a conflict is marked here. May be NULL */
    int dry;        /* counts only */
    char nonce[17]; /* a part of the transactions' ids */
    uint64_t number;
    uint8_t *mem; /* operations and keys behind each other */
    size_t len, size;
    struct planned *all;
    uint32_t n;
};
int batch_begin(struct batch *b, struct job *j, struct tally *t, int dry);
void batch_done(struct batch *b);
/* A put (with the wall time at which it ends, 0 = never) or, with a value without data, a delete;
 * when the row has this version, 0 = is not there. Counted as ADDED, CHANGED or REMOVED. */
int batch_row(struct batch *b, const char *table, struct aiex_slice key, struct aiex_slice value,
              int64_t expires, int64_t version);
/* One event at the end of a stream that has this version. `event` is a map as store.append takes.
 * `marks`: it is counted as MARKED, else the caller counts. */
int batch_event(struct batch *b, struct aiex_slice stream, int64_t expected,
                struct aiex_slice event, int marks);
/* What is left. */
int batch_flush(struct batch *b);

/* ---- plan.c, replay.c, sessions.c, restore.c ---- */

struct restore {
    struct job *job;
    struct manifest m;
    struct choice choice; /* within the checkpoint's own */
    char parts[MAX_PARTS][MAX_PART + 1];
    int dry, keep_added, mark, keys, same_store;
    char id[33];
    char before[MAX_NAME + 1]; /* the checkpoint that was made first */
    int64_t now;               /* sequence, when it began */
    struct tally tally;
    struct batch batch;
    struct heads *here; /* same store: streams that changed since; other: all, see replay.c */
    unsigned restarts;  /* bits of who may remember other rows now */
};
int restore_has_stream(const struct restore *x, struct aiex_slice stream);
/* The request marks, and names this stream by a part of its own. */
int restore_marks(const struct restore *x, struct aiex_slice stream);
/* Rows of this table change: notes who must be started anew. */
void restore_touches(struct restore *x, const char *table);
int restore_has_table(const struct restore *x, const char *table);
/* Streams first: on another store the rows of sessions come when their streams are there. */
int restore_streams(struct restore *x);
int restore_tables(struct restore *x);
/* Other store, after restore_streams(): the stream of this session is here, as it was then. */
int replayed_session(const struct restore *x, struct aiex_slice session);
/* Same store: a session whose stream changed since (`now`) goes back to `then`; NULL: it was made
 * since. */
int restore_session(struct restore *x, const struct head *then, const struct head *now);

/* The stream has an owner that goes back, and the request does not leave it out (API keys). */
int restore_is_owned(const struct restore *x, struct aiex_slice stream);
int restore_is_keys(struct aiex_slice stream);
/* He goes back to what the checkpoint has, up to version `then` of the same store. */
int restore_owned(struct restore *x, struct aiex_slice stream, int64_t then);

/* ---- the instance ---- */

struct cps {
    const struct aiex_host *host;
    struct config *config; /* our own: the worker reads it, and a reload changes its numbers */
    char manifests[400], imports[400], restoring[420];
    int lock_fd, running;
    pthread_t thread;
    struct remote *remote;
    struct chunks chunks; /* worker */
    struct catalog catalog;
    struct job *first, **end, *now; /* under the remote's lock */
    size_t n_jobs;
    int draining;
    void (*drained)(void *arg);
    void *drained_arg;
    atomic_int ready; /* the lock is held */
    atomic_uint_fast64_t created, failed, restored, verified;
};

/* Of the remote. */
pthread_mutex_t *work_lock(struct cps *s);
pthread_cond_t *work_cond(struct cps *s);
int work_is_stopping(struct cps *s);
/* Worker: the job is done; the loop answers and frees it. */
void work_land_later(struct cps *s, struct job *j);

#endif
