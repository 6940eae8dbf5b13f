/*
 * tables.h - the tables that are defined, and how rows and indexed fields become keys.
 *
 * Definitions are only added, by the writer, and never move: a pointer that was found stays good
 * until the store ends.
 *
 *     rows     table u32, key                           -> version u64, expires u64 (0 never),
 * value fields   table u32, index u16, field, 0 1, key    -> nothing table 0, expires u64, table
 * u32, key     -> nothing: what is to be removed when
 *
 * A field is 8 bytes with its sign turned over (int), or its bytes with each 0 as 0 255 (str, bin),
 * so that keys sort as fields do, and then by the row's key.
 */
#ifndef TABLES_H
#define TABLES_H

#include "limits.h"

#include <aiex/aiex_plugin.h>
#include <pthread.h>
#include <stdatomic.h>

enum field_type { FIELD_STR, FIELD_INT, FIELD_BIN, N_FIELD_TYPES };

#define ROW_HEAD      16u
#define ROW_KEY_MAX   (4u + MAX_KEY)
#define FIELD_KEY_MAX (16u + 2u * MAX_FIELD + MAX_KEY)

struct table {
    char name[MAX_TABLE + 1];
    uint32_t id;
    uint32_t n_indexes;
    int defined;      /* by store.define, not by the first put */
    atomic_uint turn; /* odd while a batch changes its rows, until they are flushed */
    struct index {
        char name[MAX_TABLE + 1], field[MAX_TABLE + 1];
        enum field_type type;
    } indexes[MAX_INDEXES];
};

struct tables {
    pthread_rwlock_t lock;
    struct table *all[MAX_TABLES];
    uint32_t n;
};

void tables_init(struct tables *t);
void tables_done(struct tables *t);
/* Forgets all (the database is opened anew). */
void tables_clear(struct tables *t);
uint32_t tables_count(struct tables *t);
struct table *tables_find(struct tables *t, struct aiex_slice name);
struct table *tables_by_id(struct tables *t, uint32_t id);
/* Takes `table` (malloc). -ENOSPC: too many. */
int tables_add(struct tables *t, struct table *table);
const char *field_type_name(enum field_type type);

/* Keys; each returns its length. */
size_t row_key(const struct table *t, struct aiex_slice key, uint8_t out[ROW_KEY_MAX]);
/* Where the keys of an index begin; 6 bytes. */
size_t field_prefix(const struct table *t, uint32_t index, uint8_t *out);
/* The indexed field of a value that is a msgpack map: its key's length, 0 = the value has no such
 * field, -EINVAL = it has another type or is too long. */
int field_key(const struct table *t, uint32_t index, struct aiex_slice value, struct aiex_slice key,
              uint8_t out[FIELD_KEY_MAX]);
/* A bound of a range over an index, from a msgpack value. The same results. */
struct aiex_value;
int field_bound(const struct table *t, uint32_t index, const struct aiex_value *v,
                uint8_t out[FIELD_KEY_MAX]);
/* The row's key out of a key of fields. 0, -EBADMSG. */
int field_row(const struct table *t, uint32_t index, const uint8_t *key, size_t len,
              struct aiex_slice *ret_key);
size_t expiry_key(const struct table *t, uint64_t at_ms, struct aiex_slice key,
                  uint8_t out[FIELD_KEY_MAX]);

#endif
