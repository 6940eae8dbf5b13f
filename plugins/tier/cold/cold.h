/*
 * cold.h - the parts of the cold tier.
 *
 *     cold.c       the descriptor: options, life
 *     methods.c    requests become jobs, finished jobs become answers       loop
 *     waiting.c    requests that came while the store is being opened       loop
 *     jobs.c       the queues between the loop and the threads
 *     opening.c    lock, reading all segments, what damage makes doubtful   writer
 *     write.c      a batch of puts and deletes, one fdatasync for all        writer
 *     clean.c      the oldest segment goes: what is worth it is copied       writer
 *     read.c       one entry from the disk                                    reader
 *     train.c      dictionaries from samples                                 trainer
 *     dicts.c      those in use      pack.c  values to and from Zstandard
 *     segment.c    the files         record.c  what stands in them          clock.c  the wall
 *
 * Files: `00000001.seg` and so on, each a record log (aiex_record_log.h) that begins with its
 * number; `dict-XXXXXXXX`; `mark`, how far was acknowledged; `lock`. Only the newest segment is
 * written to, only the oldest one is removed: so no older version of a key can outlive a newer one,
 * and a mark of deletion may go when its segment is the oldest.
 *
 * Records are numbered without gaps, and each names (by a checksum) the keys of the RECALL records
 * before it. When records are missing, by damage, a cut or a lost file, the next one tells which
 * keys they were about: older versions of these are not returned. When more are missing than are
 * named, nothing older than the gap is.
 *
 * The index is an aiex_cache in memory: key to place. The writer alone changes it (besides what
 * expires), after the disk has the data; gets look into it on the loop.
 */
#ifndef COLD_H
#define COLD_H

#include <aiex_cache.h>
#include <aiex_record_log.h>
#include <aiex_service.h>
#include <aiex_tier.h>

#include <pthread.h>
#include <stdatomic.h>

#include "record.h"

#define MAX_SEGMENTS   160u
#define MANY_SEGMENTS  96u /* from here on the oldest is merged into the newest */
#define MAX_DICTS      4u
#define PROBE_MS       200u /* how often a full disk is tried, and opening after a failure */
#define MAX_OPEN       4096u
#define MAX_OPEN_BYTES (64u << 20)
#define PIECE          (512u << 10) /* of a value that does not fit one record */

struct config {
    int64_t max_bytes, index_bytes;
};

struct cold;

/* ---- Segments (segment.c) ---- */

struct segment {
    uint64_t number;
    struct aiex_rlog log; /* fd and salt; `end` of the newest one only */
    uint64_t size;
    atomic_uint_fast64_t live; /* bytes that the index points to */
    atomic_uint refs;          /* the list's, and one for each read under way */
    unsigned dicts;            /* bits of the slots that records in it use */
};

/* Where the newest version of a key is: the value of an index entry. */
struct where {
    uint64_t segment, offset, bytes; /* offset of the put; bytes with pieces and frames */
    uint32_t uses_then;              /* when it was written */
    uint32_t sum;                    /* of the key */
    uint32_t value_len;
};

/* A name in the folder, in `path`. */
void segment_path(const struct cold *c, uint64_t number, char path[512]);
/* The newest one becomes a new file with its first record. 0 or negative errno. */
int segment_new(struct cold *c);
struct segment *segment_newest(const struct cold *c);
/* With a reference, or NULL. */
struct segment *segment_ref(struct cold *c, uint64_t number);
void segment_unref(struct segment *s);
/* The oldest file goes, from list and disk. */
void segment_drop_oldest(struct cold *c);
void segment_live(struct cold *c, uint64_t number, int64_t bytes);
/* The names of the folder are on the disk. */
int folder_sync(const struct cold *c);
/* After each commit: how far is acknowledged. Not synced: it may be older after a loss of power,
 * never newer. */
void mark_write(struct cold *c);
struct mark {
    uint64_t oldest, segment, end;
    struct recall recall;
};
/* 0, -ENOENT, -EBADMSG. */
int mark_read(const struct cold *c, struct mark *ret);

/* ---- Dictionaries (dicts.c) ---- */

struct dict {
    uint32_t id; /* 0 = the slot is free */
    int retired; /* freed when refs is 0 */
    unsigned refs;
    void *in, *out; /* ZSTD_CDict, ZSTD_DDict */
};

int dicts_load(struct cold *c);
void dicts_free(struct cold *c);
/* Slot of an id with a reference, or -1. */
int dict_ref(struct cold *c, uint32_t id);
void dict_unref(struct cold *c, int slot);
/* A new one, on disk before it is used; becomes the current one. 0, -ENOSPC (all slots in use) ...
 */
int dict_adopt(struct cold *c, struct aiex_slice bytes);
/* Those that no segment needs and that are not current go. */
void dicts_retire(struct cold *c);

/* ---- Jobs (jobs.c) ---- */

enum { JOB_PUT, JOB_DELETE, JOB_GET };

struct job {
    struct job *next;
    struct job *open_newer, *open_older; /* loop: jobs without an answer */
    int kind;
    uint64_t id;               /* loop: 0 = nobody waits any more */
    struct aiex_cache_put put; /* slices into `bytes` */
    size_t cost;
    struct where where; /* of a get, and of what was written */
    uint32_t uses;
    uint64_t wall_ms, now_ms; /* when it came */
    /* result */
    int error; /* 0 or negative errno */
    int found;
    uint64_t evicted;
    struct aiex_slice body; /* of a get: free() */
    char text[200];
    uint8_t bytes[];
};

struct job_list {
    struct job *first, **end;
};

struct worker {
    struct cold *cold;
    pthread_t thread;
    pthread_cond_t wake;
    struct job_list jobs;
    int running;
};

int workers_start(struct cold *c, struct aiex_error *err);
void workers_stop(struct cold *c);
void job_push(struct job_list *l, struct job *j);
/* To a worker; from the loop. */
void job_send(struct worker *w, struct job *j);
/* Finished; from a worker. The loop is told. */
void jobs_done(struct cold *c, struct job *first);

/* ---- The tier ---- */

enum { OPENING, OPEN, FAILED };

/* Samples for a dictionary. */
struct samples {
    uint8_t *bytes;
    size_t *sizes;
    size_t n, n_bytes;
    uint64_t seen, wait; /* small values since the last training, and how many until the next */
    int training;
};

/* What reading the segments found; for messages and health. */
struct findings {
    uint64_t records, doubtful, without_dict;
    char text[300]; /* the first damage */
};

struct cold {
    const struct aiex_host *host;
    const struct config *config;
    struct aiex_cache *index;

    pthread_mutex_t lock; /* all below up to the next line */
    struct worker writer, reader, trainer;
    struct job *done, **done_end;
    int posted, stop;
    struct segment *segments[MAX_SEGMENTS]; /* oldest first */
    unsigned n_segments;
    uint64_t last_number; /* of any segment that there was */
    struct dict dicts[MAX_DICTS];
    struct samples *train;     /* for the trainer */
    struct aiex_slice trained; /* from the trainer */
    char reason[300];
    struct findings findings;

    /* atomic */
    atomic_int state, read_only;
    atomic_int current; /* slot of the dictionary for new values, -1 = none */
    atomic_uint_fast64_t max_bytes, disk_bytes, evicted, damaged, raw_bytes, packed_bytes;

    /* the writer's */
    int lock_fd, folder_fd, mark_fd;
    struct recall recall; /* number of the last record and the keys of the last ones */
    struct samples samples;
    void *in;                         /* ZSTD_CCtx */
    struct aiex_rlog_cursor cleaning; /* of the oldest segment; fd 0 = none */
    uint64_t cleaning_number;
    int cleaning_evicts;
    int sync_failed;      /* the newest file is not to be trusted: a new one */
    int batch_failed;     /* a sync within this batch failed */
    int batch_copied;     /* cleaning wrote within this batch: nothing may be cut off */
    uint64_t batch_first; /* segment of this batch's first record, 0 = none: what is not in the
                             index yet must not be cleaned away */
    void *out;            /* the reader's ZSTD_DCtx */

    /* the loop's */
    struct job *open; /* newest first */
    unsigned n_open;
    size_t open_bytes;
    struct waiting *waiting, **waiting_end;
    unsigned n_waiting;
    int replaying; /* waiting_run() is at work */
    size_t waiting_bytes;
    uint64_t puts, timer;
    void (*drained)(void *arg);
    void *drained_arg;
};

/* ---- clock.c ---- */

/* Milliseconds since 1970; what is on disk outlives the host's clock. */
uint64_t wall_ms(const struct aiex_host *host);

/* ---- pack.c ---- */

/* The value for the disk: *ret_packed is malloc()ed, or NULL when it stays as it is. 0, -ENOMEM.
 * Sets dict slot (-1 = none). The writer's. */
int pack(struct cold *c, struct aiex_slice value, uint8_t **ret_packed, size_t *ret_len,
         int *ret_slot);
/* Exactly `len` bytes to `to`. 0, -ENOENT (no such dictionary), -EBADMSG, -ENOMEM. The reader's. */
int unpack(struct cold *c, uint32_t dict, struct aiex_slice packed, uint8_t *to, size_t len);

/* ---- opening.c, write.c, clean.c, read.c, train.c: on their threads ---- */

/* Logs damage with its place, counts it, and keeps the first one for health. */
void damage(struct cold *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 0: open; -EAGAIN: another process still has it; negative errno with a reason. */
int store_open(struct cold *c, struct aiex_error *err);
void store_close(struct cold *c);
void *writer_main(void *worker);
void *reader_main(void *worker);
void *trainer_main(void *worker);
/* The packed value of a put with pieces, malloc()ed. 0, -EBADMSG, -ENOMEM, other errno. */
int gather(const struct segment *s, const struct record *r, uint8_t **ret_mem);
/* Appends a record of any kind; pieces before it when it is large. Nothing is synced. `ret` may be
 * NULL. 0 or negative errno: then nothing was added. */
int append(struct cold *c, struct record *r, struct aiex_slice data, struct where *ret);
/* Room for `bytes` more within max_bytes; the oldest segment goes when nothing else helps. 0,
 * -EFBIG. */
int make_room(struct cold *c, uint64_t bytes);
/* A bit of cleaning, when it is wanted: 1 = there is more to do. */
int clean(struct cold *c);
void clean_stop(struct cold *c);
/* Full disk: only gets from now on; or it takes writes again. Logs the change. */
void set_read_only(struct cold *c, int error);
void sample(struct cold *c, struct aiex_slice value);
void samples_free(struct samples *s);

/* ---- methods.c, waiting.c ---- */

int cold_handle(struct cold *c, const struct aiex_message *m);
/* On the loop: answers what is finished. */
void answer_done(void *cold);
void drained_if_idle(struct cold *c);
/* Keeps a request until the store is open; answers busy when too many wait. */
int wait_for_opening(struct cold *c, const struct aiex_message *m);
/* What waited is handled, or refused when opening failed. */
void waiting_run(struct cold *c);
void waiting_cancel(struct cold *c, uint64_t id);
void waiting_free(struct cold *c);

#endif
