/* restore_point.c - see restore_point.h. */
#include "restore_point.h"

#include "bytes.h"

#include <aiex_service.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MARK_TYPE  (DB_user_BEGIN + 1u)
#define FILL_TYPE  (DB_user_BEGIN + 2u)
#define HEAD_BYTES 16u
#define MARK_BYTES (HEAD_BYTES + 32u)

static void put_head(uint8_t *record, uint32_t type)
{
    memset(record, 0, HEAD_BYTES);
    memcpy(record, &type, sizeof(type)); /* as the library writes its own */
}

static int put(struct env *e, const uint8_t *record, size_t len)
{
    DBT data = env_dbt(record, len);
    DB_LSN at;

    return env_errno(e, e->env->log_put(e->env, &at, &data, 0));
}

int restore_point_put(struct env *e, const struct restore_point *point)
{
    uint8_t record[MARK_BYTES];

    put_head(record, MARK_TYPE);
    put_be(record + 16, point->time_ms, 8);
    put_be(record + 24, point->sequence, 8);
    put_be(record + 32, point->commits, 8);
    put_be(record + 40, point->transactions, 8);
    return put(e, record, sizeof(record));
}

int restore_point_fill(struct env *e, uint32_t bytes)
{
    uint8_t *record = calloc(1, bytes + HEAD_BYTES);
    int r;

    if (!record)
        return -ENOMEM;
    put_head(record, FILL_TYPE);
    r = put(e, record, bytes + HEAD_BYTES);
    free(record);
    return r;
}

int restore_point_dispatch(DB_ENV *env, DBT *record, DB_LSN *at, db_recops op)
{
    (void)env;
    (void)record;
    (void)at;
    (void)op;
    return 0;
}

/* ---- Reading ---- */

/* 1 when the record is one of ours, of that kind. */
static int read_point(const DBT *record, const DB_LSN *at, struct restore_point *ret)
{
    const uint8_t *bytes = record->data;
    uint32_t type = 0;

    if (record->size != MARK_BYTES)
        return 0;
    memcpy(&type, bytes, sizeof(type));
    if (type != MARK_TYPE)
        return 0;
    ret->time_ms = get_be(bytes + 16, 8);
    ret->sequence = get_be(bytes + 24, 8);
    ret->commits = get_be(bytes + 32, 8);
    ret->transactions = get_be(bytes + 40, 8);
    ret->at = *at;
    return 1;
}

/*
 * A point whose transaction was not committed has the counters of the one that took its place, so
 * the end of the target is the first one with more commits. By time the first one that is later
 * ends it, also when the clock was set back behind it.
 */
static void look(struct restore_point_search *s, const struct restore_point *m)
{
    int within = (s->by_time ? m->time_ms : m->sequence) <= s->limit;

    s->points++;
    s->last = *m;
    if (s->cut)
        return;
    if (within) {
        s->target = *m;
        s->found = 1;
    } else if (!s->found || m->commits > s->target.commits) {
        s->next = *m;
        s->cut = 1;
    }
}

static int walk(DB_ENV *env, struct restore_point_search *search)
{
    DBT record = {.flags = DB_DBT_REALLOC};
    struct restore_point m;
    DB_LOGC *c;
    DB_LSN at;
    int r = env->log_cursor(env, &c, 0);

    if (r != 0)
        return r;
    r = c->get(c, &at, &record, DB_FIRST);
    while (r == 0) {
        if (read_point(&record, &at, &m))
            look(search, &m);
        r = c->get(c, &at, &record, DB_NEXT);
    }
    c->close(c, 0);
    free(record.data);
    return r == DB_NOTFOUND ? 0 : r;
}

int restore_point_find(const char *logs, const char *password, const struct aiex_host *host,
                       struct restore_point_search *search, struct aiex_error *err)
{
    struct env e = {.host = host};
    int r = db_env_create(&e.env, 0);

    if (r != 0)
        return aiex_failed(err, -ENOMEM, "Berkeley DB: %s", db_strerror(r));
    env_listen(&e);
    r = password ? e.env->set_encrypt(e.env, password, DB_ENCRYPT_AES) : 0;
    r = r ? r : e.env->open(e.env, logs, DB_CREATE | DB_PRIVATE | DB_THREAD | DB_INIT_LOG, 0600);
    r = r ? r : walk(e.env, search);
    e.env->close(e.env, 0);
    if (r != 0)
        return aiex_failed(err, env_errno(&e, r), "the log in '%.200s' can not be read: %s; %.150s",
                           logs, db_strerror(r), e.said);
    return 0;
}
