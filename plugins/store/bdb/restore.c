/*
 * restore.c - store.restore, on the writer thread, instead of a batch.
 *
 * What is to be the database is made beside it and verified (restore.new); only then is the
 * database closed, exchanged (exchange.h) and opened. So a restore that can not be done leaves
 * the store as it was. What was there is kept as `db.replaced` and `side.replaced` until the next
 * one, and its log goes into the archive: from a backup of before also the restore can be undone.
 */
#include "restore.h"

#include "archive.h"
#include "backup.h"
#include "copy.h"
#include "exchange.h"
#include "folder.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int restore_swap(struct store *s, struct aiex_error *err)
{
    const char *dir = s->host->data_dir;
    int r;

    state_phase(&s->state, OPENING, NULL); /* before, so that nobody begins in between */
    store_close(s);
    r = archive_close(s);
    if (r < 0)
        aiex_failed(err, r, "the log can not be put into the archive: %s", strerror(-r));
    r = r ? r : exchange_decide(dir, err);
    if (r == 0)
        for (enum cause c = 0; c < N_CAUSES; c++)
            if (c != OPERATOR)
                state_clear(s, c);
    if (store_open(s, r < 0 ? &(struct aiex_error){""} : err) < 0) {
        state_phase(&s->state, FAILED, err->text[0] ? err->text : "the store could not be opened");
        r = r ? r : -EIO;
    }
    return r;
}

/* ---- The backup as it is ---- */

static int make_whole(struct store *s, const char *from, const char *to, const char *password,
                      const struct manifest *m, struct aiex_error *err)
{
    char db[600], db_to[600];
    struct tail tail;
    int r;

    snprintf(db, sizeof(db), "%s/db", from);
    snprintf(db_to, sizeof(db_to), "%s/db", to);
    r = folder_copy(db, db_to, err);
    r = r ? r : copy_try(s, to, password, 0, &tail, err);
    if (r == 0 && (tail.sequence != m->sequence || tail.commits != m->commits))
        r = aiex_failed(
            err, -EBADMSG,
            "the backup ends at sequence %llu (transaction %llu) instead of %llu (%llu)",
            (unsigned long long)tail.sequence, (unsigned long long)tail.commits,
            (unsigned long long)m->sequence, (unsigned long long)m->commits);
    return r;
}

static void whole_outcome(struct restore *r, const struct manifest *m)
{
    r->sequence = m->sequence;
    r->transactions = m->transactions;
    r->time_ms = m->time_ms;
}

/* ---- One request ---- */

/* The backup's key; an encrypted store is not replaced by plain files unasked, nor the other way.
 */
static int read_cipher(struct store *s, const char *from, struct cipher *ret,
                       struct aiex_error *err)
{
    const char *const keys[] = {s->config.key};
    int r = cipher_read(from, keys, 1, ret, err);

    if (r == 0 && ret->on != (int)s->config.encrypt)
        r = aiex_failed(err, -EINVAL,
                        "the backup is %sencrypted and the option 'encrypt' is %s; restore it with "
                        "the other setting, then change it by store.rewrite",
                        ret->on ? "" : "not ", s->config.encrypt ? "on" : "off");
    return r;
}

static int make(struct store *s, struct restore *r, const char *to, struct aiex_error *err)
{
    struct cipher cipher = {0};
    struct manifest m;
    char from[500];
    int got;

    snprintf(from, sizeof(from), "%s/%s", s->host->data_dir, r->path);
    got = manifest_read(from, &m);
    if (got < 0)
        return aiex_failed(err, got, "'%s' is no backup: %s", r->path,
                           got == -EBADMSG ? "its manifest is damaged" : strerror(-got));
    got = read_cipher(s, from, &cipher, err);
    if (got == 0 && r->to_point)
        got = point_make(s, r, from, to, &m, cipher_password(&cipher), err);
    else if (got == 0)
        whole_outcome(r, &m);
    if (got == 0 && !r->to_point && !r->dry_run)
        got = make_whole(s, from, to, cipher_password(&cipher), &m, err);
    cipher_wipe(&cipher);
    if (got == 0 && !r->dry_run) {
        got = cipher_copy(from, to);
        if (got < 0)
            aiex_failed(err, got, "'%.200s/cipher': %s", from, strerror(-got));
    }
    return got;
}

static const char *code_of(int r)
{
    switch (r) {
    case -EINVAL:
    case -EKEYREJECTED:
        return AIEX_E_INVALID;
    case -ENOENT:
        return AIEX_E_NOT_FOUND;
    case -ENOMEM:
        return AIEX_E_BUSY;
    default:
        return AIEX_E_INTERNAL;
    }
}

static void restore_run(struct store *s, struct write *w)
{
    struct restore *restore = w->arg;
    struct aiex_error err = {""};
    char to[500];
    int r;

    restore->present = atomic_load(&s->visible);
    restore->present_transactions = atomic_load(&s->transactions);
    r = exchange_begin(s->host->data_dir, to, sizeof(to), &err);
    if (r == 0) {
        r = make(s, restore, to, &err);
        if (r == 0 && !restore->dry_run)
            r = restore_swap(s, &err);
        exchange_forget(s->host->data_dir); /* what is left of it */
    }
    if (r < 0)
        refuse(w, code_of(r), "%.190s", err.text[0] ? err.text : strerror(-r));
}

static uint64_t lost(uint64_t present, uint64_t state)
{
    return present > state ? present - state : 0;
}

static void write_restored(struct aiex_writer *out, const void *arg)
{
    const struct restore *r = arg;

    aiex_w_map(out, 6);
    aiex_w_key_uint(out, "sequence", r->sequence);
    aiex_w_key_int(out, "time", r->time_ms);
    aiex_w_key_uint(out, "present", r->present);
    aiex_w_key_uint(out, "lost_events", lost(r->present, r->sequence));
    aiex_w_key_uint(out, "lost_transactions", lost(r->present_transactions, r->transactions));
    aiex_w_key_bool(out, "dry_run", r->dry_run);
}

void store_tell_restored(struct store *s)
{
    const struct aiex_event event = {.struct_size = sizeof(event),
                                     .topic = "store.restored",
                                     .type = "restored",
                                     .subject = s->host->instance};

    if (s->host->publish(s->host, &event) < 0)
        aiex_logf(s->host, AIEX_LOG_WARN, 0,
                  "others could not be told that the store was restored; reload what reads it");
}

static void answer(struct store *s, struct write *w)
{
    if (w->code)
        write_refused(s, w);
    else
        store_reply(s, w->id, write_restored, w->arg);
}

const struct write_kind restore_kind = {.run = restore_run, .answer = answer, .alone = 1};

/* ---- store.restore ---- */

static const char *fields(struct aiex_slice body, struct restore *r)
{
    int64_t sequence = -1, time = -1;

    if (aiex_get_int(body, "to_sequence", &sequence) < 0 || sequence < -1)
        return "field 'to_sequence' must be a number from 0 on";
    if (aiex_get_int(body, "to_time", &time) < 0 || time < -1)
        return "field 'to_time' must be milliseconds since 1970";
    if (sequence >= 0 && time >= 0)
        return "give 'to_sequence' or 'to_time', not both";
    if (aiex_get_bool(body, "dry_run", &r->dry_run) < 0)
        return "field 'dry_run' must be a bool";
    r->to_point = sequence >= 0 || time >= 0;
    r->point.by_time = time >= 0;
    r->point.limit = (uint64_t)(time >= 0 ? time : sequence);
    return NULL;
}

int restore_take(void *self, const struct aiex_message *m)
{
    struct store *s = self;
    struct restore *r;
    const char *wrong;
    struct write *w = write_new(&restore_kind, m->id, m->body);

    r = w ? w->arg = calloc(1, sizeof(*r)) : NULL;
    if (!r) {
        if (w)
            write_free(w);
        return aiex_refuse(s->host, m->id, AIEX_E_BUSY, "no memory for the request");
    }
    wrong = fields(m->body, r);
    if (wrong || !backup_name(m->body, r->path)) {
        write_free(w);
        return wrong ? aiex_refuse(s->host, m->id, AIEX_E_INVALID, "%s", wrong)
                     : backup_refuse_name(s, m->id);
    }
    if (!r->dry_run)
        jobs_end(s, AIEX_E_UNAVAILABLE, "a backup is being restored");
    write_submit(s, w);
    return 0;
}
