/* peer_sqlite.c - SQLite with a write-ahead log: synchronous FULL, or OFF. */
#include "peer.h"

#include "measure.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sqlite {
    sqlite3 *db;
    sqlite3_stmt *put, *read, *replay, *begin, *commit;
};

static void must(struct sqlite *s, int r, const char *what)
{
    if (r != SQLITE_OK && r != SQLITE_DONE && r != SQLITE_ROW)
        give_up("sqlite, %s: %s", what, sqlite3_errmsg(s->db));
}

static void run(struct sqlite *s, const char *sql)
{
    must(s, sqlite3_exec(s->db, sql, NULL, NULL, NULL), sql);
}

static sqlite3_stmt *statement(struct sqlite *s, const char *sql)
{
    sqlite3_stmt *st;

    must(s, sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), sql);
    return st;
}

static void *sqlite_open(const char *dir, int synced)
{
    struct sqlite *s = calloc(1, sizeof(*s));
    char path[100];

    if (!s)
        give_up("no memory");
    snprintf(path, sizeof(path), "%s/sqlite.db", dir);
    must(s, sqlite3_open(path, &s->db), path);
    run(s, "pragma journal_mode=wal; pragma cache_size=-262144; pragma wal_autocheckpoint=4096;"
           "create table if not exists events(sequence integer primary key, stream text, version "
           "integer, id text, type text, correlation text, time integer, data blob);"
           "create unique index if not exists by_stream on events(stream, version);"
           "create unique index if not exists by_id on events(id);"
           "create index if not exists by_type on events(type, sequence);"
           "create index if not exists by_correlation on events(correlation, sequence);");
    run(s, synced ? "pragma synchronous=full" : "pragma synchronous=off");
    s->put = statement(s, "insert into events values(?,?,?,?,?,?,?,?)");
    s->read = statement(s, "select version, data from events where stream = ? order by version");
    s->replay = statement(s, "select sequence, data from events order by sequence");
    s->begin = statement(s, "begin immediate");
    s->commit = statement(s, "commit");
    return s;
}

static void step(struct sqlite *s, sqlite3_stmt *st, const char *what)
{
    must(s, sqlite3_step(st), what);
    sqlite3_reset(st);
}

static void sqlite_begin(void *self)
{
    struct sqlite *s = self;

    step(s, s->begin, "begin");
}

static void sqlite_put(void *self, const struct peer_event *e)
{
    struct sqlite *s = self;

    sqlite3_bind_int64(s->put, 1, (sqlite3_int64)e->sequence);
    sqlite3_bind_text(s->put, 2, e->stream, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->put, 3, (sqlite3_int64)e->version);
    sqlite3_bind_text(s->put, 4, e->id, -1, SQLITE_STATIC);
    sqlite3_bind_text(s->put, 5, e->type, -1, SQLITE_STATIC);
    sqlite3_bind_text(s->put, 6, e->stream, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->put, 7, e->time);
    sqlite3_bind_blob(s->put, 8, e->data, PEER_DATA, SQLITE_STATIC);
    step(s, s->put, "insert");
}

static void sqlite_commit(void *self)
{
    struct sqlite *s = self;

    step(s, s->commit, "commit");
}

static long all(struct sqlite *s, sqlite3_stmt *st)
{
    long n = 0;
    int r;

    while ((r = sqlite3_step(st)) == SQLITE_ROW)
        n += ((const uint8_t *)sqlite3_column_blob(st, 1))[0] != 0;
    must(s, r, "read");
    sqlite3_reset(st);
    return n;
}

static long sqlite_read(void *self, const char *stream)
{
    struct sqlite *s = self;

    sqlite3_bind_text(s->read, 1, stream, -1, SQLITE_STATIC);
    return all(s, s->read);
}

static long sqlite_replay(void *self)
{
    struct sqlite *s = self;

    return all(s, s->replay);
}

static void sqlite_close(void *self)
{
    struct sqlite *s = self;

    sqlite3_finalize(s->put);
    sqlite3_finalize(s->read);
    sqlite3_finalize(s->replay);
    sqlite3_finalize(s->begin);
    sqlite3_finalize(s->commit);
    sqlite3_close(s->db);
    free(s);
}

const struct peer peer_sqlite = {"sqlite",      sqlite_open, sqlite_begin,  sqlite_put,
                                 sqlite_commit, sqlite_read, sqlite_replay, sqlite_close};
