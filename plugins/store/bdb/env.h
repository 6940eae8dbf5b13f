/*
 * env.h - the Berkeley DB environment and its files.
 *
 * One process, one environment: DB_PRIVATE (its cache is our memory; no region files to clean up
 * after a crash), DB_RECOVER at each opening, DB_THREAD, checksums on all pages. One thread writes;
 * any thread reads. All keys are bytes that sort by themselves (big-endian numbers, no comparator),
 * so recovery needs nothing of ours.
 *
 *     file      key                              value
 *     events    sequence 8                       run of events (event.h): the order of all
 *     streams   stream 8, version 8              run of events again, to read a stream in one go
 *     heads     name of a stream                 its number, versions and tail (streams.h)
 *     ids       'e' id of an event | 't' of a transaction     sequence | transaction (ids.h)
 *     marks     't' type 0 sequence | 'c' correlation 0 sequence           sequences (marks.h)
 *     rows      table 4, key                     version 8, expires 8, value
 *     fields    table 4, index 2, field, 0 1, key             nothing (rows.h)
 *     meta      one letter and what it is about  (store.h)
 *
 * The key { 0 } of each file has its stamp: the number of the checkpoint that wrote it. A file that
 * was exchanged for an older one betrays itself by it.
 *
 * Errors are negative errno; what Berkeley DB said stands in `said`, with the file.
 *     -EUCLEAN   damage: a checksum, an impossible page, a log that recovery refuses
 *     -EAGAIN    a lock was lost to another: try again
 *     -ENOENT    no such key     -EEXIST    there is one
 */
#ifndef ENV_H
#define ENV_H

#include "pages.h"

#include <db.h>
#include <stdatomic.h>

enum file { EVENTS, STREAMS, HEADS, IDS, MARKS, META, ROWS, FIELDS, N_FILES };

struct env {
    DB_ENV *env; /* NULL = closed */
    DB *files[N_FILES];
    int encrypted;
    struct pages *pages;          /* the guard of its files */
    const struct aiex_host *host; /* for its log */
    atomic_int panicked, full;    /* full: a complaint was about the disk */
    char said[256];               /* the last complaint before a panic */
};

struct env_options {
    int64_t cache_bytes, log_bytes;
    const char *password; /* NULL: nothing is encrypted */
    int keep_log;         /* files of the log stay until somebody removes them */
    int whole_log;        /* recovery repeats all of the log, not only what follows a checkpoint */
};

/* Opens, and makes, the environment in folder `home`, with recovery. 0 or negative errno with a
 * reason; then it is closed. */
int env_open(struct env *e, const char *home, const struct env_options *options,
             const struct aiex_host *host, struct aiex_error *err);
/* Closes what is open. After a panic Berkeley DB gives back less than everything. */
void env_close(struct env *e);

/* Its complaints go to `said` and the log, its panics to `panicked`; for environments that are
 * opened otherwise. */
void env_listen(struct env *e);

/* Name of a file, as on the disk. */
const char *env_file_name(enum file file);
/* Negative errno for a result of Berkeley DB; 0 stays 0. */
int env_errno(struct env *e, int result);

/* One look-up into `mem`. Length, or -ENOENT, -ENOBUFS (longer than `size`), ... txn may be NULL.
 */
int env_get(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len, void *mem,
            size_t size);
/* `flags`: 0 or DB_NOOVERWRITE. */
int env_put(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len,
            const void *value, size_t len, uint32_t flags);
int env_del(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len);
/* The entry to which a cursor goes from `key` as `how` says (DB_SET_RANGE, DB_LAST), which becomes
 * its key. */
int env_seek(struct env *e, enum file file, DB_TXN *txn, DBT *key, DBT *value, uint32_t how);
/* The last key of a file into `key`; its length, 0 when the file is empty. `value` may be NULL. */
int env_last(struct env *e, enum file file, void *key, size_t size, DBT *value);

/*
 * Reading with a cursor and looking something up meanwhile: both in one such transaction, of which
 * Berkeley DB sees that they are one reader. Otherwise a cursor that holds a page for which the
 * writer waits, and a look-up that waits for the writer, wait for ever, and no detector knows. No
 * lock is kept behind the cursor. 0 or negative errno; *ret_txn is NULL then.
 */
int env_read_begin(struct env *e, DB_TXN **ret_txn);
void env_read_end(DB_TXN *txn);

/* A bare file of the environment, in use by this thread: complaints name it. */
DB *env_file(struct env *e, enum file file);
/* The same for a cursor that goes on after other files were looked at. */
void env_look(enum file file);

static inline DBT env_dbt(const void *data, size_t len)
{
    DBT t = {0};

    t.data = (void *)(uintptr_t)data;
    t.size = (uint32_t)len;
    return t;
}

/* Memory that grows with what is read; who made it frees its data. */
static inline DBT env_grows(void)
{
    DBT t = {0};

    t.flags = DB_DBT_REALLOC;
    return t;
}

/* Where an answer is to go. */
static inline DBT env_room(void *mem, size_t size)
{
    DBT t = {0};

    t.data = mem;
    t.ulen = (uint32_t)size;
    t.flags = DB_DBT_USERMEM;
    return t;
}

#endif
