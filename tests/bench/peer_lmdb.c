/* peer_lmdb.c - LMDB: synced as it comes, or with MDB_NOSYNC. */
#include "peer.h"

#include "measure.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS, STREAMS, IDS, TYPES, CORRELATIONS, N_DBS };

struct lmdb {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbs[N_DBS];
};

static void must(int r, const char *what)
{
    if (r != 0)
        give_up("lmdb, %s: %s", what, mdb_strerror(r));
}

static void put_be(uint8_t *to, uint64_t n)
{
    for (int i = 7; i >= 0; i--, n >>= 8)
        to[i] = (uint8_t)n;
}

static void *lmdb_open(const char *dir, int synced)
{
    static const char *const names[N_DBS] = {"events", "streams", "ids", "types", "correlations"};
    struct lmdb *l = calloc(1, sizeof(*l));

    if (!l)
        give_up("no memory");
    must(mdb_env_create(&l->env), "create");
    must(mdb_env_set_maxdbs(l->env, N_DBS), "files");
    must(mdb_env_set_mapsize(l->env, (size_t)4 << 30), "map");
    must(mdb_env_open(l->env, dir, synced ? 0 : MDB_NOSYNC, 0600), dir);
    must(mdb_txn_begin(l->env, NULL, 0, &l->txn), "begin");
    for (int i = 0; i < N_DBS; i++)
        must(mdb_dbi_open(l->txn, names[i], MDB_CREATE, &l->dbs[i]), names[i]);
    must(mdb_txn_commit(l->txn), "commit");
    return l;
}

static void lmdb_begin(void *self)
{
    struct lmdb *l = self;

    must(mdb_txn_begin(l->env, NULL, 0, &l->txn), "begin");
}

static void put(struct lmdb *l, int db, const void *key, size_t key_len, const void *value,
                size_t len, unsigned flags)
{
    MDB_val k = {key_len, (void *)(uintptr_t)key}, v = {len, (void *)(uintptr_t)value};

    must(mdb_put(l->txn, l->dbs[db], &k, &v, flags), "put");
}

/* A text, a zero and a number. */
static size_t key_of(uint8_t *key, const char *text, uint64_t n)
{
    size_t len = strlen(text) + 1;

    memcpy(key, text, len);
    put_be(key + len, n);
    return len + 8;
}

static void lmdb_put(void *self, const struct peer_event *e)
{
    struct lmdb *l = self;
    uint8_t key[64], sequence[8];
    size_t n;

    put_be(sequence, e->sequence);
    put(l, EVENTS, sequence, 8, e, sizeof(*e), MDB_APPEND);
    n = key_of(key, e->stream, e->version);
    put(l, STREAMS, key, n, sequence, 8, MDB_NOOVERWRITE);
    put(l, IDS, e->id, strlen(e->id), sequence, 8, MDB_NOOVERWRITE);
    n = key_of(key, e->type, e->sequence);
    put(l, TYPES, key, n, NULL, 0, 0);
    n = key_of(key, e->stream, e->sequence);
    put(l, CORRELATIONS, key, n, NULL, 0, 0);
}

static void lmdb_commit(void *self)
{
    struct lmdb *l = self;

    must(mdb_txn_commit(l->txn), "commit");
}

static int has_data(const MDB_val *v)
{
    return ((const struct peer_event *)v->mv_data)->data[0] != 0;
}

static long lmdb_read(void *self, const char *stream)
{
    struct lmdb *l = self;
    MDB_cursor *c;
    uint8_t key[64];
    size_t text = strlen(stream) + 1;
    MDB_val k = {key_of(key, stream, 0), key}, v, event;
    long n = 0;
    int r;

    must(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn), "begin");
    must(mdb_cursor_open(l->txn, l->dbs[STREAMS], &c), "cursor");
    r = mdb_cursor_get(c, &k, &v, MDB_SET_RANGE);
    while (r == 0 && k.mv_size == text + 8 && memcmp(k.mv_data, stream, text) == 0) {
        must(mdb_get(l->txn, l->dbs[EVENTS], &v, &event), "get");
        n += has_data(&event);
        r = mdb_cursor_get(c, &k, &v, MDB_NEXT);
    }
    mdb_cursor_close(c);
    mdb_txn_abort(l->txn);
    return n;
}

static long lmdb_replay(void *self)
{
    struct lmdb *l = self;
    MDB_cursor *c;
    MDB_val k, v;
    long n = 0;

    must(mdb_txn_begin(l->env, NULL, MDB_RDONLY, &l->txn), "begin");
    must(mdb_cursor_open(l->txn, l->dbs[EVENTS], &c), "cursor");
    while (mdb_cursor_get(c, &k, &v, MDB_NEXT) == 0)
        n += has_data(&v);
    mdb_cursor_close(c);
    mdb_txn_abort(l->txn);
    return n;
}

static void lmdb_close(void *self)
{
    struct lmdb *l = self;

    mdb_env_close(l->env);
    free(l);
}

const struct peer peer_lmdb = {"lmdb",      lmdb_open, lmdb_begin,  lmdb_put,
                               lmdb_commit, lmdb_read, lmdb_replay, lmdb_close};
