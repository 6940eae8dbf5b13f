/* env.c - see env.h. */
#include "env.h"

#include "page_hooks.h"
#include "restore_point.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_LOCKS  100000u /* a batch of 4096 events touches tens of thousands of pages */
#define MAX_TXNS   64u     /* the writer's, and those of single puts */
#define LOG_BUFFER (2u << 20)

/* Large pages where one thing comes behind the other, small ones where keys are scattered: each
 * change there is a page of the next checkpoint. */
static const struct {
    const char *name;
    uint32_t page_bytes;
} files[N_FILES] = {
    [EVENTS] = {"events.db", 16384}, [STREAMS] = {"streams.db", 16384},
    [HEADS] = {"heads.db", 4096},    [IDS] = {"ids.db", 4096},
    [MARKS] = {"marks.db", 8192},    [META] = {"meta.db", 4096},
    [ROWS] = {"rows.db", 8192},      [FIELDS] = {"fields.db", 4096},
};

/* What this thread looks at: Berkeley DB complains about pages and does not say of which file. A
 * thread serves one store only. */
static _Thread_local enum file looked_at = N_FILES;

void env_look(enum file file)
{
    looked_at = file;
}

DB *env_file(struct env *e, enum file file)
{
    looked_at = file;
    return e->files[file];
}

const char *env_file_name(enum file file)
{
    return files[file].name;
}

static void on_error(const DB_ENV *env, const char *prefix, const char *text)
{
    struct env *e = env->app_private;

    (void)prefix;
    if (!atomic_load(&e->panicked) && !strstr(text, "PANIC")) /* the cause, not what follows */
        snprintf(e->said, sizeof(e->said), "%s: %s",
                 looked_at < N_FILES ? files[looked_at].name : "log", text);
    aiex_logf(e->host, AIEX_LOG_WARN, 0, "Berkeley DB: %s", text);
}

static void on_event(DB_ENV *env, uint32_t event, void *info)
{
    struct env *e = env->app_private;

    (void)info;
    if (event == DB_EVENT_PANIC)
        atomic_store(&e->panicked, 1);
}

int env_errno(struct env *e, int result)
{
    if (atomic_load(&e->panicked))
        return -EUCLEAN;
    switch (result) {
    case DB_LOCK_DEADLOCK:
    case DB_LOCK_NOTGRANTED:
        return -EAGAIN;
    case DB_NOTFOUND:
    case DB_KEYEMPTY:
        return -ENOENT;
    case DB_KEYEXIST:
        return -EEXIST;
    case DB_BUFFER_SMALL:
        return -ENOBUFS;
    default:
        return result > 0 ? -result : result < 0 ? -EUCLEAN : 0;
    }
}

void env_listen(struct env *e)
{
    e->env->app_private = e;
    e->env->set_errcall(e->env, on_error);
    e->env->set_event_notify(e->env, on_event);
}

static int configure(struct env *e, const struct env_options *o)
{
    DB_ENV *env = e->env;
    int r;

    env_listen(e);
    e->encrypted = o->password != NULL;
    r = o->password ? env->set_encrypt(env, o->password, DB_ENCRYPT_AES) : 0;
    r = r ? r : env->set_app_dispatch(env, restore_point_dispatch);
    r = r ? r
          : env->set_cachesize(env, (uint32_t)(o->cache_bytes >> 30),
                               (uint32_t)(o->cache_bytes & ((1 << 30) - 1)), 1);
    r = r ? r : env->set_lg_bsize(env, LOG_BUFFER);
    r = r ? r : env->set_lg_max(env, (uint32_t)o->log_bytes);
    r = r ? r : env->log_set_config(env, DB_LOG_AUTO_REMOVE, !o->keep_log);
    /* who holds the fewest write locks gives way: a reader, never the writer */
    r = r ? r : env->set_lk_detect(env, DB_LOCK_MINWRITE);
    r = r ? r : env->set_lk_max_locks(env, MAX_LOCKS);
    r = r ? r : env->set_lk_max_objects(env, MAX_LOCKS);
    r = r ? r : env->set_tx_max(env, MAX_TXNS);
    return r;
}

static int open_file(struct env *e, enum file file)
{
    DB *db;
    int r = db_create(&e->files[file], e->env, 0);

    if (r != 0) {
        e->files[file] = NULL;
        return r;
    }
    db = e->files[file];
    r = db->set_pagesize(db, files[file].page_bytes);
    r = r ? r : db->set_flags(db, e->encrypted ? DB_ENCRYPT : DB_CHKSUM);
    r = r ? r
          : db->open(db, NULL, files[file].name, NULL, DB_BTREE,
                     DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
    return r;
}

int env_open(struct env *e, const char *home, const struct env_options *options,
             const struct aiex_host *host, struct aiex_error *err)
{
    const char *what = "its log";
    int r;

    looked_at = N_FILES;
    hooks_met_full_disk();
    memset(e, 0, sizeof(*e));
    e->host = host;
    r = pages_begin(&e->pages, home, err);
    if (r < 0)
        return r;
    pages_log(e->pages, options->log_bytes);
    if (!options->password)
        pages_scrub(e->pages);
    r = db_env_create(&e->env, 0);
    if (r != 0) {
        e->env = NULL;
        env_close(e);
        return aiex_failed(err, -ENOMEM, "Berkeley DB: %s", db_strerror(r));
    }
    r = configure(e, options);
    r = r ? r
          : e->env->open(e->env, home,
                         DB_CREATE | (options->whole_log ? DB_RECOVER_FATAL : DB_RECOVER) |
                             DB_PRIVATE | DB_THREAD | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_LOCK |
                             DB_INIT_MPOOL,
                         0600);
    for (enum file f = 0; r == 0 && f < N_FILES; f++) {
        what = files[f].name;
        looked_at = f;
        r = open_file(e, f);
    }
    if (r == 0)
        return 0;
    r = aiex_failed(err, env_errno(e, r), "%.120s: %s can not be opened: %s; %.180s", home, what,
                    db_strerror(r), e->said);
    env_close(e);
    return hooks_met_full_disk() ? -ENOSPC : r;
}

void env_close(struct env *e)
{
    for (enum file f = 0; f < N_FILES; f++) {
        if (e->files[f])
            e->files[f]->close(e->files[f], 0);
        e->files[f] = NULL;
    }
    if (e->env)
        e->env->close(e->env, 0);
    e->env = NULL;
    pages_end(e->pages);
    e->pages = NULL;
}

int env_read_begin(struct env *e, DB_TXN **ret_txn)
{
    int r = env_errno(e, e->env->txn_begin(e->env, NULL, ret_txn, DB_READ_COMMITTED));

    if (r < 0)
        *ret_txn = NULL;
    return r;
}

void env_read_end(DB_TXN *txn)
{
    if (txn)
        txn->abort(txn); /* nothing was written; right also after a lost lock */
}

int env_get(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len, void *mem,
            size_t size)
{
    DBT k = env_dbt(key, key_len), v = env_room(mem, size);
    int r = env_file(e, file)->get(e->files[file], txn, &k, &v, 0);

    return r == 0 ? (int)v.size : env_errno(e, r);
}

int env_put(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len,
            const void *value, size_t len, uint32_t flags)
{
    DBT k = env_dbt(key, key_len), v = env_dbt(value, len);

    return env_errno(e, env_file(e, file)->put(e->files[file], txn, &k, &v, flags));
}

int env_del(struct env *e, enum file file, DB_TXN *txn, const void *key, size_t key_len)
{
    DBT k = env_dbt(key, key_len);

    return env_errno(e, env_file(e, file)->del(e->files[file], txn, &k, 0));
}

int env_seek(struct env *e, enum file file, DB_TXN *txn, DBT *key, DBT *value, uint32_t how)
{
    DBC *c;
    int r = env_errno(e, env_file(e, file)->cursor(e->files[file], txn, &c, 0));

    if (r < 0)
        return r;
    r = env_errno(e, c->get(c, key, value, how));
    c->close(c);
    return r;
}

int env_last(struct env *e, enum file file, void *key, size_t size, DBT *value)
{
    DBT k = env_room(key, size), none = {.flags = DB_DBT_USERMEM | DB_DBT_PARTIAL};
    DBC *c;
    int r = env_file(e, file)->cursor(e->files[file], NULL, &c, 0);

    if (r != 0)
        return env_errno(e, r);
    r = c->get(c, &k, value ? value : &none, DB_LAST);
    c->close(c);
    if (r == DB_NOTFOUND)
        return 0;
    return r == 0 ? (int)k.size : env_errno(e, r);
}
