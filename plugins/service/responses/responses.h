/*
 * responses.h - the parts of the responses service.
 *
 *     store.c    one file for each response: written whole, checked, read back
 *     index.c    what is there, in memory: by id, and in order of use
 *     history.c  a chain of responses as one array of items
 *     methods.c  put, get, items, delete, history, status: what callers say, checked
 *
 * A file is a head with checksums, a map {id owner previous created}, the input and the response:
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

#include <aiex_json.h>
#include <aiex_service.h>

#define MAX_ID       128u
#define MAX_OWNER    128u
#define MAX_CHAIN    4096u       /* responses of one history */
#define MAX_HISTORY  (16u << 20) /* bytes of one history */
#define HEAD         32u
#define BUCKETS      16384u
#define EXPIRE_SLICE 1000u /* files removed per tick */

struct config {
    int64_t ttl, max_count, max_bytes;
};

/* Milliseconds since 1970; clock.c, or a test's own. */
int64_t wall_ms(void);

struct entry {
    char id[MAX_ID + 1], owner[MAX_OWNER + 1], previous[MAX_ID + 1];
    int64_t created;
    uint32_t meta_len, input_len, response_len, crc; /* crc of input and response */
    struct entry *same;                              /* next of the bucket */
    struct entry *newer, *older;                     /* by use */
};

struct responses {
    const struct aiex_host *host;
    const struct config *config;
    struct entry *buckets[BUCKETS];
    struct entry *newest, *oldest;
    size_t n;
    uint64_t bytes, evicted, expired, damaged;
    uint64_t tick;
    int write_error; /* of the last put, 0 = good */
};

/* ---- index.c ---- */

struct entry *index_find(const struct responses *r, const char *id);
/* Takes a malloc()ed entry whose id is not there yet; it becomes the newest. */
void index_add(struct responses *r, struct entry *e);
void index_remove(struct responses *r, struct entry *e); /* and frees it */
void index_touch(struct responses *r, struct entry *e);
uint64_t entry_bytes(const struct entry *e);

/* ---- store.c ---- */

/* Letters, digits, _ and -: what may be part of a file's name. */
int store_is_id(const char *id);
/* Finds what the folder has. 0 or negative errno with a reason. */
int store_start(struct responses *r, struct aiex_error *err);
/* The entry, also of a file that another process wrote; NULL when there is none (or it is over
 * its time). */
struct entry *store_find(struct responses *r, const char *id);
/* Writes and takes `e` (freed when that fails); one of that id is replaced. Makes room first. */
int store_put(struct responses *r, struct entry *e, struct aiex_slice input,
              struct aiex_slice response, struct aiex_error *err);
/* Reads both; free() *ret_mem. -ENOENT (the file went away: so does the entry), -EBADMSG (damaged:
 * logged, removed), other errno. */
int store_read(struct responses *r, struct entry *e, uint8_t **ret_mem,
               struct aiex_slice *ret_input, struct aiex_slice *ret_response);
void store_remove(struct responses *r, struct entry *e);
/* Removes what is over its time, a slice of it; 1 when there may be more. */
int store_expire(struct responses *r);

/* ---- history.c ---- */

/* Items of a chain that ends with `e`, oldest first; free() *ret_json. -EMSGSIZE, -ENOENT (a
 * part is gone), -ELOOP, -ENOMEM ... with a reason. */
int history_make(struct responses *r, struct entry *e, char **ret_json, size_t *ret_len,
                 struct aiex_error *err);

/* ---- methods.c ---- */

int put_take(void *self, const struct aiex_message *m);
int get_take(void *self, const struct aiex_message *m);
int items_take(void *self, const struct aiex_message *m);
int delete_take(void *self, const struct aiex_message *m);
int history_take(void *self, const struct aiex_message *m);
int status_take(void *self, const struct aiex_message *m);
int health_take(void *self, const struct aiex_message *m);

#endif
