/*
 * responses.h - the parts of the responses service.
 *
 *     methods.c  put, get, items, delete, status: what callers say, checked
 *     history.c  a chain of responses as one array of items
 *     work.c     a request from its arrival to its answer
 *     keep.c     finds, reads, puts and removes a response, wherever it is kept
 *     rows.c     kept in a store: rows of a head and of pieces, one transaction for each response;
 *                rows_read.c, rows_start.c
 *     files.c    kept without a store: one file for each response, written whole, checked
 *     index.c    what is known in memory: by id, by owner, in order of use
 *     room.c     what has to go: over its time, or more than there may be
 *
 * With a store, the index is what this process has seen, not what there is: an id that is not in it
 * is looked up. A response is put, replaced and deleted in one transaction, on the condition that
 * its head is as it was seen, so no two processes ever mix their halves.
 *
 *     table responses        key ID         map {owner previous created input response crc}
 *     table responses.piece  key ID/NNN     up to PIECE bytes of input and response
 *
 * Without one, a file is a head with checksums, a map {id owner previous created}, the input and
 * the response:
 *
 *     "AIEXRSP1"  meta_len u32  input_len u32  response_len u32  crc of meta u32
 *     crc of input and response u32  crc of the 28 bytes before u32       32 bytes
 *     meta  input  response                                    (numbers little-endian)
 *
 * A start reads heads and maps only; the rest is checked when it is read. What is torn or damaged
 * is named in the log and left out.
 */
#ifndef RESPONSES_H
#define RESPONSES_H

#include <aiex_ask.h>
#include <aiex_json.h>
#include <aiex_service.h>

#define MAX_ID       128u
#define MAX_OWNER    128u
#define MAX_CHAIN    4096u       /* responses of one history */
#define MAX_HISTORY  (16u << 20) /* bytes of one history */
#define MAX_STORED   (16u << 20) /* bytes of input and response in a store */
#define MAX_PENDING  (64u << 20) /* bytes on their way to it */
#define MAX_WORKS    1024u
#define PIECE        (1u << 20)
#define HEAD         32u
#define BUCKETS      16384u
#define OWNERS       1024u
#define EXPIRE_SLICE 1000u /* responses removed per tick */

struct config {
    int64_t ttl, max_count, max_bytes, key_max_count, key_max_bytes, store_wait, put_wait;
    const char *store; /* "" = files */
};

/* Milliseconds since 1970; clock.c, or a test's own. */
int64_t wall_ms(void);

struct entry;

/* A key that has responses. */
struct owner {
    struct owner *same; /* next of the bucket */
    struct entry *newest, *oldest;
    size_t n;
    uint64_t bytes;
    char name[MAX_OWNER + 1];
};

struct entry {
    char id[MAX_ID + 1], previous[MAX_ID + 1], key[MAX_OWNER + 1]; /* key: of the owner */
    struct owner *owner;                                           /* NULL: not in the index */
    int64_t created, version;                        /* version: of its row in the store */
    uint32_t meta_len, input_len, response_len, crc; /* crc of input and response */
    struct entry *same;                              /* next of the bucket */
    struct entry *newer, *older;                     /* by use */
    struct entry *own_newer, *own_older;             /* by use, of the owner's */
};

struct responses;
struct work;

/* A response that went for want of room, until its rows are gone. */
struct doomed {
    struct doomed *next;
    int64_t version;
    uint64_t bytes;
    char id[MAX_ID + 1];
};

struct responses {
    const struct aiex_host *host;
    const struct config *config;
    struct entry *buckets[BUCKETS];
    struct owner *owners[OWNERS];
    struct entry *newest, *oldest;
    size_t n;
    uint64_t bytes, evicted, expired, damaged, not_kept;
    uint64_t tick;
    char trouble[200]; /* why the last put failed, "" = it was good */
    /* requests */
    struct work *works, **last_work;
    size_t n_works;
    uint64_t pending; /* bytes */
    void (*drained)(void *arg);
    void *drained_arg;
    /* rows.c */
    char life[17]; /* of transactions' ids */
    uint64_t n_transactions;
    struct aiex_ask load, removal;
    int loaded;
    uint8_t load_next[512];
    size_t load_next_len;
    uint64_t load_timer;
    struct doomed *doomed, **last_doomed;
    size_t n_doomed;
    int removing, removal_failed;
};

/* ---- index.c ---- */

struct entry *index_find(const struct responses *r, const char *id);
/* Takes a malloc()ed entry whose id is not there yet; it becomes the newest. 0, or -ENOMEM: it is
 * freed. */
int index_add(struct responses *r, struct entry *e);
void index_remove(struct responses *r, struct entry *e); /* and frees it */
void index_touch(struct responses *r, struct entry *e);
/* The least recently created is the least recently used: use itself is not written down. 0,
 * -ENOMEM. */
int index_order(struct responses *r);
const struct owner *index_owner(const struct responses *r, const char *key);
uint64_t entry_bytes(const struct entry *e);

/* ---- room.c ---- */

int room_is_over(const struct responses *r, const struct entry *e);
/* Makes room for e; `old`, which it will replace, counts as free. 0, or -EFBIG with a reason. */
int room_make(struct responses *r, const struct entry *e, struct entry *old,
              struct aiex_error *err);
/* What is more than there may be, after a start or another configuration. */
void room_trim(struct responses *r);
/* Removes what is over its time, a slice of it; 1 when there may be more. */
int room_expire(struct responses *r);

/* ---- keep.c ---- */

/* Letters, digits, _ and -: what may be part of a file's name. */
int keep_is_id(const char *id);
/* Each goes on with then(w): in w->e what was found (good until then() asks for something else), or
 * NULL; in w->error what went wrong, with w->code and w->err.text. */
void keep_find(struct work *w, const char *id, void (*then)(struct work *w));
/* w->e into w->input and w->response. -ENOENT: it went away meanwhile, -EBADMSG: damaged; either
 * way it is removed. */
void keep_read(struct work *w, void (*then)(struct work *w));
/* Puts w->fresh, with w->input and w->response, in the place of w->e (NULL: there is none).
 * -ESTALE: there is another one now, find it first. */
void keep_put(struct work *w, void (*then)(struct work *w));
/* Removes w->e. -ESTALE as above. */
void keep_delete(struct work *w, void (*then)(struct work *w));
/* For want of room or time; nobody waits. */
void keep_forget(struct responses *r, struct entry *e);

/* ---- work.c ---- */

struct work {
    struct responses *r;
    struct work *next, **at;
    uint64_t id, trace; /* id: of the message, 0 = nobody waits */
    void (*step)(struct work *w);
    int running, again, over;
    int writes; /* later requests for the same id wait for it */
    char name[MAX_ID + 1], owner[MAX_OWNER + 1];
    /* keep.c */
    char wanted[MAX_ID + 1];
    void (*then)(struct work *w);
    int waits; /* for another one that writes `wanted` */
    struct aiex_ask ask;
    struct entry *e, *fresh; /* fresh: owned */
    int error;
    char code[32];
    struct aiex_error err;
    uint8_t *mem; /* input and response stand in it; owned. NULL: in the message */
    size_t len, cap;
    struct aiex_slice input, response;
    uint8_t next_page[512];
    size_t next_len;
    unsigned tries;
    void (*after)(struct work *w);
    int64_t version; /* of what is read, with its crc */
    uint32_t crc;
    size_t page_at;
    uint64_t pending;
    int wants_items; /* of get */
    struct chain *chain;
};

/* One more, that will begin with `step`; NULL: it was refused with `busy`. */
struct work *work_new(struct responses *r, const struct aiex_message *m,
                      void (*step)(struct work *w));
/* Goes on with w->step; the work may be gone afterwards. */
void work_run(struct work *w);
void work_next(struct work *w, void (*step)(struct work *w));
/* Ends. Without `write` there is nothing to say but that it is done. */
void work_reply(struct work *w, aiex_write_fn write, const void *arg);
void work_refuse(struct work *w, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With w->error, w->code and w->err. */
void work_fail(struct work *w);
/* An earlier one writes this id. */
int work_is_written(const struct work *w, const char *id);
void work_cancel(struct responses *r, uint64_t id);
void works_drop(struct responses *r);

/* ---- rows.c: as keep.c says; w->then follows ---- */

/* Begins to find what there is; nobody has to wait for it. 0, -EIO. */
int rows_start(struct responses *r);
void rows_stop(struct responses *r);
/* What could not be removed is tried again. */
void rows_tick(struct responses *r);
void rows_find(struct work *w);
void rows_read(struct work *w);
void rows_put(struct work *w);
void rows_delete(struct work *w);
/* Its rows go when the store does it. */
void rows_forget(struct responses *r, const struct entry *e);

/* ---- files.c ---- */

/* Finds what the folder has. 0 or negative errno with a reason. */
int files_start(struct responses *r, struct aiex_error *err);
/* The entry, also of a file that another process wrote; NULL when there is none. */
struct entry *files_find(struct responses *r, const char *id);
/* Writes and takes `e` (freed when that fails); `old` of that id is replaced. */
int files_put(struct responses *r, struct entry *e, struct entry *old, struct aiex_slice input,
              struct aiex_slice response, struct aiex_error *err);
/* Reads both; free() *ret_mem. -ENOENT (the file went away: so does the entry), -EBADMSG (damaged:
 * logged, removed), other errno. */
int files_read(struct responses *r, struct entry *e, uint8_t **ret_mem,
               struct aiex_slice *ret_input, struct aiex_slice *ret_response);
void files_remove(struct responses *r, struct entry *e);

/* ---- history.c ---- */

struct chain;
void chain_free(struct chain *c);

/* ---- methods.c, history.c ---- */

int put_take(void *self, const struct aiex_message *m);
int get_take(void *self, const struct aiex_message *m);
int items_take(void *self, const struct aiex_message *m);
int delete_take(void *self, const struct aiex_message *m);
int history_take(void *self, const struct aiex_message *m);
int status_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);
int metrics_take(void *self, const struct aiex_message *m);

/* A reply of one byte string, and with e what is told of it besides. */
struct bytes {
    const char *key;
    struct aiex_slice value;
    const struct entry *e;
};
void bytes_write(struct aiex_writer *w, const void *arg);
/* A work whose name and owner are read. NULL: the message is answered. */
struct work *named_work(struct responses *r, const struct aiex_message *m,
                        void (*step)(struct work *w));

#endif
