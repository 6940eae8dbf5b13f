/*
 * open.c - opening the database, and what must be true of it before anything is written.
 *
 * Recovery of Berkeley DB is silent about damage: it takes the first bad record of its log for
 * the end. Here what there is is compared with what was acknowledged (side.h), the counters with
 * the events, and the stamps of the files with each other. The first difference makes the store
 * read-only, with what differs and where, until an operator restores a backup or accepts what is
 * there (store.accept).
 */
#include "store.h"

#include "archive.h"
#include "backup.h"
#include "bytes.h"
#include "exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TAIL_NUMBERS 13u
#define TAIL_BYTES   (TAIL_NUMBERS * 8 + EVENT_HASH)

static const uint8_t tail_key[1] = {'T'}, stamp_key[1] = {0};

/* ---- The tail in meta ---- */

static void tail_numbers(struct tail *t, uint64_t *numbers[TAIL_NUMBERS])
{
    uint64_t *const all[TAIL_NUMBERS] = {
        &t->sequence,     &t->commits, &t->transactions, &t->streams, &t->next_number,
        &t->events_bytes, &t->stamp,   &t->epoch,        &t->opens,   &t->earliest,
        &t->latest,       &t->marked,  &t->filed};

    memcpy(numbers, all, sizeof(all));
}

int tail_put(struct store *s, DB_TXN *txn, struct tail *tail)
{
    uint64_t *numbers[TAIL_NUMBERS];
    uint8_t value[TAIL_BYTES];

    tail_numbers(tail, numbers);
    for (unsigned i = 0; i < TAIL_NUMBERS; i++)
        put_be(value + i * 8, *numbers[i], 8);
    memcpy(value + TAIL_NUMBERS * 8, tail->chain, EVENT_HASH);
    return env_put(&s->env, META, txn, tail_key, 1, value, sizeof(value), 0);
}

/* A store of before wrote the times of a block that was not full; now they stand in the tail. */
static int drop_times(struct store *s, DB_TXN *txn, const struct tail *t)
{
    uint8_t key[9] = {'b'};
    int r;

    put_be(key + 1, t->sequence / BLOCK, 8);
    r = env_del(&s->env, META, txn, key, sizeof(key));
    return r == -ENOENT ? 0 : r;
}

int tail_get(struct store *s, struct tail *tail)
{
    uint64_t *numbers[TAIL_NUMBERS];
    uint8_t value[TAIL_BYTES];
    unsigned n;
    int r = env_get(&s->env, META, NULL, tail_key, 1, value, sizeof(value));

    memset(tail, 0, sizeof(*tail));
    if (r == -ENOENT)
        return 0;
    if (r != (int)sizeof(value) && r != (int)sizeof(value) - 8)
        return r < 0 ? r : -EBADMSG;
    tail_numbers(tail, numbers);
    n = ((unsigned)r - EVENT_HASH) / 8;
    for (unsigned i = 0; i < n; i++)
        *numbers[i] = get_be(value + i * 8, 8);
    memcpy(tail->chain, value + n * 8, EVENT_HASH);
    if (n < TAIL_NUMBERS) /* a store of before: each id was put with its event */
        tail->filed = tail->sequence;
    return 0;
}

/* ---- The side record ---- */

int store_acknowledge(struct store *s, const struct tail *tail)
{
    struct side_record *a = &s->acknowledged;
    int r;

    pthread_mutex_lock(&s->side_lock);
    a->sequence = tail->sequence;
    a->commits = tail->commits;
    a->epoch = tail->epoch;
    a->opens = tail->opens;
    memcpy(a->head, tail->chain, SIDE_HASH);
    r = side_write(&s->side, a);
    pthread_mutex_unlock(&s->side_lock);
    return r;
}

/* ---- What must be true ---- */

/* The chain in the event with this sequence. 0 or negative errno. */
static int chain_at(struct store *s, uint64_t sequence, uint8_t chain[EVENT_HASH])
{
    DBT mem = env_grows();
    struct run_entry event;
    struct event_view view;
    int r = events_get(&s->env, NULL, sequence, &mem, &event);

    r = r ? r : event_view(event.record, event.len, sequence, &view);
    if (r == 0)
        memcpy(chain, view.chain, EVENT_HASH);
    free(mem.data);
    return r;
}

static void compare_events(struct store *s, const struct tail *t)
{
    DBT mem = env_grows();
    struct run_entry event;
    uint8_t chain[EVENT_HASH];

    if (events_last(&s->env, &mem, &event) < 0)
        state_damage(s, "events.db, at its end");
    else if (event.number != t->sequence)
        state_set(s, DAMAGE,
                  "damage: events.db ends at sequence %llu, meta.db counts %llu; restore a backup",
                  (unsigned long long)event.number, (unsigned long long)t->sequence);
    else if (t->sequence &&
             (chain_at(s, t->sequence, chain) < 0 || memcmp(chain, t->chain, EVENT_HASH) != 0))
        state_set(s, DAMAGE,
                  "damage: event %llu of events.db is not the one meta.db knows; restore a backup",
                  (unsigned long long)t->sequence);
    free(mem.data);
}

static uint64_t stamp_of(struct store *s, enum file file)
{
    uint8_t value[8];

    return env_get(&s->env, file, NULL, stamp_key, 1, value, 8) == 8 ? get_be(value, 8) : 0;
}

static void compare_stamps(struct store *s, const struct tail *t)
{
    for (enum file f = 0; f < N_FILES; f++) {
        uint64_t stamp = stamp_of(s, f);

        if (stamp != t->stamp || stamp < s->acknowledged.stamp)
            state_set(s, DAMAGE,
                      "damage: %s bears stamp %llu, the store %llu and the side record %llu: it "
                      "is another copy; restore a backup",
                      env_file_name(f), (unsigned long long)stamp, (unsigned long long)t->stamp,
                      (unsigned long long)s->acknowledged.stamp);
    }
}

static void compare_acknowledged(struct store *s, const struct tail *t)
{
    const struct side_record *a = &s->acknowledged;
    uint8_t chain[EVENT_HASH];

    if (a->sequence > t->sequence)
        state_set(s, DAMAGE,
                  "damage: sequences %llu to %llu were acknowledged and are gone, the log ends "
                  "before them; restore a backup",
                  (unsigned long long)t->sequence + 1, (unsigned long long)a->sequence);
    else if (a->commits > t->commits)
        state_set(s, DAMAGE,
                  "damage: transactions %llu to %llu were acknowledged and are gone, the log ends "
                  "before them; restore a backup",
                  (unsigned long long)t->commits + 1, (unsigned long long)a->commits);
    else if (a->epoch > t->epoch)
        state_set(s, DAMAGE, "damage: the writer's epoch went back from %llu to %llu",
                  (unsigned long long)a->epoch, (unsigned long long)t->epoch);
    else if (a->sequence &&
             (chain_at(s, a->sequence, chain) < 0 || memcmp(chain, a->head, SIDE_HASH) != 0))
        state_set(s, DAMAGE,
                  "damage: event %llu of events.db is not the one that was acknowledged; restore a "
                  "backup",
                  (unsigned long long)a->sequence);
}

static void compare(struct store *s, const struct tail *t, int side)
{
    if (side != 1 && t->commits)
        state_set(s, DAMAGE,
                  "damage: the file 'side' beside the database is %s; store.verify, "
                  "then store.accept or restore a backup",
                  side == 0 ? "missing" : "not readable");
    if (side == 1)
        compare_acknowledged(s, t);
    compare_events(s, t);
    compare_stamps(s, t);
}

/* ---- Opening ---- */

/* All files of a new store bear the stamp 0, so that one that is removed is missed. */
static int stamp_new(struct store *s)
{
    struct tail *t = &s->writer.draft;
    DB_TXN *txn;
    int r = env_errno(&s->env, s->env.env->txn_begin(s->env.env, NULL, &txn, 0));

    if (r < 0)
        return r;
    *t = s->writer.tail;
    r = store_acknowledge(s, t);
    r = r ? r : side_sync(&s->side); /* before the first commit: from here on there is a record */
    r = r ? r : stamp_kind.apply(s, txn, NULL);
    r = r ? r : drop_times(s, txn, t);
    t->commits++;
    t->opens++;
    r = r ? r : tail_put(s, txn, t);
    if (r < 0) {
        txn->abort(txn);
        return r;
    }
    r = env_errno(&s->env, txn->commit(txn, DB_TXN_SYNC));
    r = r ? r : store_acknowledge(s, t);
    if (r == 0)
        s->writer.tail = *t;
    return r;
}

static int open_side(struct store *s, int *ret_side, struct aiex_error *err)
{
    char path[320];

    snprintf(path, sizeof(path), "%s/side", s->host->data_dir);
    *ret_side = side_open(&s->side, path, &s->acknowledged, err);
    return *ret_side < 0 && *ret_side != -EBADMSG ? *ret_side : 0;
}

struct env_options store_options(const struct store *s, int64_t cache_bytes)
{
    return (struct env_options){.cache_bytes = cache_bytes,
                                .log_bytes = s->config.log_file,
                                .password = cipher_password(&s->cipher),
                                .keep_log = s->config.archive != 0};
}

/* The key that the database is under, before any of it is touched. */
static int open_cipher(struct store *s, struct aiex_error *err)
{
    const char *const keys[] = {s->config.key, s->config.old_key};
    const char *dir = s->host->data_dir;
    struct stat st;
    char path[400];
    int r = cipher_read(dir, keys, 2, &s->cipher, err);

    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "%s/meta.db", s->home);
    if (s->config.encrypt && !s->cipher.on && stat(path, &st) != 0)
        return cipher_make(dir, s->config.key, &s->cipher, err);
    if (s->cipher.on != (int)s->config.encrypt || s->cipher.key != 0)
        return aiex_failed(err, -EINVAL,
                           "the database is %s, and is to be %s; nothing was opened. store.rewrite "
                           "(aiex events rewrite) changes it",
                           s->cipher.key  ? "encrypted under 'old_key'"
                           : s->cipher.on ? "encrypted"
                                          : "not encrypted",
                           s->config.encrypt ? "encrypted under 'key'" : "not encrypted");
    return 0;
}

static int open_files(struct store *s, struct aiex_error *err)
{
    struct env_options options;
    int r = exchange_finish(s->host->data_dir, err);

    if (r < 0)
        return r;
    s->is_another |= r;
    exchange_forget(s->host->data_dir);
    backup_forget(s->host->data_dir);
    r = open_cipher(s, err);
    if (r < 0)
        return r;
    options = store_options(s, s->config.cache);
    if (mkdir(s->home, 0700) != 0 && errno != EEXIST)
        return aiex_failed(err, -errno, "folder '%.300s': %s", s->home, strerror(errno));
    r = env_open(&s->env, s->home, &options, s->host, err);
    if (r == -ENOSPC && space_drop(&s->space))
        r = env_open(&s->env, s->home, &options, s->host, err);
    return r;
}

/* Loop. */
static void tell_restored(void *arg)
{
    store_tell_restored(arg);
}

static void publish(struct store *s, const struct tail *t)
{
    atomic_store(&s->visible, t->sequence);
    atomic_store(&s->marked, t->marked);
    atomic_store(&s->filed, t->filed);
    atomic_store(&s->streams, t->streams);
    atomic_store(&s->bytes, t->events_bytes);
    atomic_store(&s->transactions, t->transactions);
    atomic_store(&s->epoch, t->epoch);
    atomic_store(&s->opens, t->opens);
}

int store_open(struct store *s, struct aiex_error *err)
{
    struct tail *t = &s->writer.tail;
    int side, r = open_files(s, err);

    if (r < 0)
        return r;
    events_forget(s);
    streams_forget(s);
    atomic_store(&s->care.begun, 0); /* the log is counted from the opening */
    fail_pass(&s->fail, FAIL_OPEN);
    r = open_side(s, &side, err);
    if (r == 0) {
        r = tail_get(s, t);
        if (r < 0)
            state_damage(s, "meta.db, the counters");
        compare(s, t, side);
        state_clear(s, FULL);
        if (!space_enough(&s->space))
            state_set(s, FULL, "less than %lld bytes are free for '%.150s'",
                      (long long)s->space.min_free, s->space.folder);
        r = state_writes(&s->state, NULL, 0) ? stamp_new(s) : 0;
        r = r ? r : tables_load(s);
        r = r ? r : archive_begin(s, err);
        known_begin(s, t->sequence);
        r = r ? r : ids_begin(s, t); /* last: it reads pages, and a damaged one is the end of all */
    }
    if (r < 0) {
        if (!err->text[0])
            aiex_failed(err, r, "'%.300s': %s; %.120s", s->home, strerror(-r), s->env.said);
        store_close(s);
        return r;
    }
    publish(s, t);
    state_phase(&s->state, OPEN, NULL);
    if (s->is_another && s->host->post(s->host, tell_restored, s) != 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0,
                  "no memory to tell others that the store was restored; reload what reads it");
    s->is_another = 0;
    return 0;
}

void store_close(struct store *s)
{
    pthread_rwlock_wrlock(&s->use);
    if (s->env.env && !atomic_load(&s->env.panicked))
        s->env.env->txn_checkpoint(s->env.env, 0, 0, 0);
    known_end(s);
    env_close(&s->env);
    side_close(&s->side);
    cipher_wipe(&s->cipher);
    tables_clear(&s->tables);
    pthread_rwlock_unlock(&s->use);
}
