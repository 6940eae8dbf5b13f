/*
 * verify.c - audit.verify: segments, index and heads against each other, by the checker that
 * verifies exports too. Of entries outside the range only the recorded leaf is taken, so that the
 * heads can be compared all the same. What is found stops the log: nothing is appended behind a
 * broken chain.
 */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_RECORDS 4096u

struct known_head {
    uint64_t size, at; /* place in the file */
};

struct verifying {
    struct job job;
    struct aiex_check *check;
    struct walk walk;
    int walking, walked, finished;
    int64_t from, to;
    uint64_t size, heads_end; /* of then: what came later is not looked at */
    char *note;               /* the newest head */
    struct known_head *heads;
    size_t n_heads, next_head;
    uint8_t *items; /* of the index: first .. first + n - 1 */
    uint64_t items_first, items_n;
    const char *hole; /* damaged bytes were stepped over */
    uint64_t checked, faults;
    char first_fault[400];
    uint8_t *told; /* maps of faults, each behind its length (4 bytes) */
    size_t told_len, told_room, told_at;
    struct heads_reader reader;
};

static void free_verifying(struct job *j)
{
    struct verifying *v = (struct verifying *)j;

    if (v->walking)
        walk_done(&v->walk);
    aiex_check_free(v->check);
    free(v->note);
    free(v->heads);
    free(v->items);
    free(v->told);
    free(j);
}

/* ---- Faults ---- */

static void on_fault(void *arg, const struct aiex_fault *f)
{
    struct verifying *v = arg;
    char where[48];
    struct aiex_writer w;

    aiex_fault_where(f, where);
    if (!v->first_fault[0])
        snprintf(v->first_fault, sizeof(v->first_fault), "%s: %.300s", where, f->text);
    if (v->told_len + 1024 > v->told_room) {
        size_t room = v->told_room ? v->told_room * 2 : 16384;
        uint8_t *grown = realloc(v->told, room);

        if (!grown)
            return; /* it is counted */
        v->told = grown;
        v->told_room = room;
    }
    aiex_writer_init(&w, v->told + v->told_len + 4, 1020);
    aiex_w_map(&w, f->has_place ? 6 : 3);
    aiex_w_key_str(&w, "kind", f->kind);
    aiex_w_key_str(&w, "where", where);
    aiex_w_key_str(&w, "text", f->text);
    if (f->has_place) {
        aiex_w_key_uint(&w, "seq", f->from);
        aiex_w_key_uint(&w, "from", f->from);
        aiex_w_key_uint(&w, "to", f->to);
    }
    for (int i = 0; i < 4; i++)
        v->told[v->told_len + (size_t)i] = (uint8_t)(w.len >> (8 * i));
    v->told_len += 4 + w.len;
}

/* The next map to be told as the part of this step. 1, or 0: none. */
static int tell_one(struct verifying *v)
{
    size_t n = 0;

    if (v->told_at == v->told_len || !v->job.id) {
        v->told_at = v->told_len = 0;
        return 0;
    }
    for (int i = 3; i >= 0; i--)
        n = n << 8 | v->told[v->told_at + (size_t)i];
    if (job_room(&v->job, n) != 0)
        return 0;
    memcpy(v->job.part, v->told + v->told_at + 4, n);
    v->job.part_len = n;
    v->told_at += 4 + n;
    return 1;
}

/* ---- Heads ---- */

static int compare(const void *a, const void *b)
{
    const struct known_head *x = a, *y = b;

    return x->size < y->size ? -1 : x->size > y->size;
}

/* Where each stored head is, by its size. */
static int list_heads(struct verifying *v)
{
    struct aiex_checkpoint c;
    struct aiex_slice bytes;
    struct aiex_note note;
    size_t room = 0;
    int e;

    v->reader.fd = v->job.chain->log.heads.fd;
    v->reader.at = 0;
    v->reader.end = v->heads_end;
    for (;;) {
        uint64_t at = v->reader.at;

        e = heads_next(&v->reader, &bytes);
        if (e != 1)
            break;
        if (v->n_heads == room) {
            struct known_head *grown;

            room = room ? room * 2 : 256;
            grown = realloc(v->heads, room * sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            v->heads = grown;
        }
        c.size = 0; /* one that is not readable is told at once */
        if (aiex_note_read(&note, bytes, NULL) == 0)
            aiex_checkpoint_read(&c, note.text, NULL);
        v->heads[v->n_heads++] = (struct known_head){c.size, at};
    }
    if (e == -EBADMSG)
        aiex_check_fault(v->check, "heads", 0, 0, 0,
                         "the file of heads is damaged from byte %" PRIu64 " on", v->reader.at);
    if (v->n_heads)
        qsort(v->heads, v->n_heads, sizeof(*v->heads), compare);
    return e == -EBADMSG ? 0 : e;
}

/* Heads of no more than `size` entries, or all. */
static int feed_heads(struct verifying *v, uint64_t size)
{
    struct aiex_slice bytes;
    int r = 0;

    while (r == 0 && v->next_head < v->n_heads && v->heads[v->next_head].size <= size) {
        v->reader.at = v->heads[v->next_head++].at;
        if (heads_next(&v->reader, &bytes) == 1)
            r = aiex_check_head(v->check, bytes);
    }
    return r;
}

/* ---- Entries ---- */

/* The leaf that was recorded for seq; NULL = not known. */
static const uint8_t *recorded(struct verifying *v, uint64_t seq)
{
    static const uint8_t unknown[AIEX_HASH];
    struct log *l = &v->job.chain->log;
    const uint8_t *leaf;

    if (seq < v->items_first || seq >= v->items_first + v->items_n) {
        uint64_t left = v->size - seq;
        int r;

        v->items_first = seq;
        v->items_n = left < STEP_RECORDS ? left : STEP_RECORDS;
        pthread_mutex_lock(&l->lock);
        r = index_read(&l->index, seq, v->items_n, v->items);
        pthread_mutex_unlock(&l->lock);
        if (r < 0)
            v->items_n = 0;
        if (r < 0)
            return NULL;
    }
    leaf = v->items + INDEX_ITEM * (seq - v->items_first);
    return memcmp(leaf, unknown, AIEX_HASH) == 0 ? NULL : leaf;
}

static int take_holes(struct verifying *v, uint64_t upto, const char *kind, const char *text)
{
    int r = 0;

    for (uint64_t seq = aiex_check_next(v->check); seq < upto && r == 0; seq++) {
        r = aiex_check_hole(v->check, seq, recorded(v, seq), kind, text);
        v->checked++;
        if (r == 0)
            r = feed_heads(v, seq + 1);
    }
    return r;
}

/* Whoever took this payload away said so: in the log, perhaps behind the entries that are verified.
 */
static int take_erased(struct verifying *v, uint64_t seq)
{
    struct log *l = &v->job.chain->log;
    const struct redaction *found;
    uint64_t by = 0;
    int r;

    pthread_mutex_lock(&l->lock);
    found = redactions_find(&l->redactions, seq);
    by = found ? found->by : 0;
    pthread_mutex_unlock(&l->lock);
    if (!found)
        return 0; /* the checker says that nobody did */
    r = aiex_check_redaction(v->check, seq);
    return r == 0 && by >= v->size ? aiex_check_redacted(v->check, seq) : r;
}

static int take_record(struct verifying *v, const struct record *rec)
{
    uint64_t next = aiex_check_next(v->check);
    struct aiex_check_entry e = {.seq = rec->seq, .body = rec->body, .encoding = AIEX_BODY_JSON};
    int r = 0;

    if (rec->seq < next || rec->seq >= v->size) {
        aiex_check_fault(v->check, "sequence", 1, rec->seq, rec->seq,
                         "an entry with this number stands where %" PRIu64 " was to come", next);
        return 0;
    }
    if (rec->seq > next)
        r = take_holes(v, rec->seq, v->hole ? "damaged" : "sequence",
                       v->hole ? v->hole : "missing");
    else if (v->hole)
        aiex_check_fault(v->check, "damaged", 1, next, next,
                         "damaged bytes stand before the entry");
    v->hole = NULL;
    e.recorded = recorded(v, rec->seq);
    e.has_payload = rec->secret.len && !record_is_erased(rec);
    if (e.has_payload) {
        e.salt = (struct aiex_slice){rec->secret.data, RECORD_SALT};
        e.payload = (struct aiex_slice){rec->secret.data + RECORD_SALT,
                                        rec->secret.len - RECORD_SALT};
    }
    if (r == 0)
        r = aiex_check_entry(v->check, &e, NULL);
    if (r == 0 && rec->secret.len && !e.has_payload)
        r = take_erased(v, rec->seq);
    v->checked++;
    return r == 0 ? feed_heads(v, rec->seq + 1) : r;
}

/* Entries before and behind the range: their leaves. */
static int take_leaves(struct verifying *v, uint64_t upto)
{
    int r = 0;

    for (uint32_t i = 0; i < STEP_RECORDS && r == 0; i++) {
        uint64_t seq = aiex_check_next(v->check);
        const uint8_t *leaf;

        if (seq >= upto)
            break;
        leaf = recorded(v, seq);
        r = leaf ? aiex_check_leaf(v->check, seq, leaf)
                 : aiex_check_hole(v->check, seq, NULL, "index", "no leaf is recorded");
        if (r == 0)
            r = feed_heads(v, seq + 1);
    }
    return r;
}

static int take_records(struct verifying *v)
{
    uint64_t end = (uint64_t)v->to + 1 < v->size ? (uint64_t)v->to + 1 : v->size;
    struct record rec;
    int e, r = 0;

    for (uint32_t i = 0; i < STEP_RECORDS && r == 0; i++) {
        if (aiex_check_next(v->check) >= end && end < v->size) {
            v->walked = 1;
            return 0;
        }
        e = walk_next(&v->walk, &rec);
        if (e < 0)
            return e;
        if (e == 0) {
            v->walked = 1;
            return take_holes(v, end, v->hole ? "damaged" : "cut",
                              v->hole ? v->hole : "missing at the end of the segments");
        }
        if (e == SCAN_RECORD && rec.seq >= v->size && aiex_check_next(v->check) == v->size) {
            v->walked = 1; /* appended meanwhile */
            return 0;
        }
        if (e == SCAN_RECORD)
            r = take_record(v, &rec);
        else
            v->hole = "the entry is damaged";
    }
    return r;
}

/* ---- Steps ---- */

/* What was redacted before this began is erased by now. */
static int check_erased(struct verifying *v)
{
    struct log *l = &v->job.chain->log;
    uint8_t *mem = malloc(MAX_RECORD), leaf[AIEX_HASH];
    struct record rec;

    for (size_t i = 0; mem; i++) {
        struct redaction one = {0, UINT64_MAX};
        int is_end;

        pthread_mutex_lock(&l->lock);
        is_end = i >= l->redactions.n;
        if (!is_end)
            one = l->redactions.v[i];
        pthread_mutex_unlock(&l->lock);
        if (is_end)
            break;
        if (one.seq >= (uint64_t)v->from && one.seq <= (uint64_t)v->to && one.by < v->size &&
            log_read(l, one.seq, mem, &rec, leaf) == 0 && !record_is_erased(&rec))
            aiex_check_fault(v->check, "redaction", 1, one.seq, one.seq,
                             "entry %" PRIu64 " says that the payload was taken away; it is there",
                             one.by);
    }
    free(mem);
    return mem ? 0 : -ENOMEM;
}

static int finish(struct verifying *v)
{
    int strict = v->from == 0 && (uint64_t)v->to >= v->size;
    int r = feed_heads(v, UINT64_MAX);

    if (r == 0)
        r = aiex_check_head(v->check, (struct aiex_slice){(uint8_t *)v->note, strlen(v->note)});
    if (r == 0)
        r = check_erased(v);
    if (r < 0)
        return r;
    aiex_check_finish(v->check, strict);
    v->faults = aiex_check_faults(v->check);
    v->finished = 1;
    return 0;
}

static int end(struct verifying *v)
{
    struct aiex_writer w;

    aiex_writer_init(&w, v->job.end, sizeof(v->job.end));
    aiex_w_map(&w, 3);
    aiex_w_key_uint(&w, "checked", v->checked);
    aiex_w_key_uint(&w, "faults", v->faults);
    aiex_w_key_uint(&w, "size", v->size);
    v->job.end_len = w.len;
    if (v->faults)
        writer_fault(v->job.chain, v->first_fault);
    return JOB_DONE;
}

/* Each for the heads of its time. */
static int use_keys(struct verifying *v)
{
    struct log_key *keys = calloc(AIEX_AUDIT_KEYS, sizeof(*keys));
    size_t n = keys ? keys_all(&v->job.chain->log, keys) : 0;
    int r = keys ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++)
        r = aiex_check_key_until(v->check, &keys[i].key, i + 1 < n ? keys[i + 1].from : UINT64_MAX);
    free(keys);
    return r;
}

static int open_all(struct verifying *v)
{
    struct chain *c = v->job.chain;
    const struct aiex_check_setup s = {.fault = on_fault, .arg = v, .origin = c->origin};
    int r = walk_begin(c, &v->walk, (uint64_t)v->from);

    v->walking = r == 0;
    if (r == 0)
        r = aiex_check_new(&s, &v->check);
    if (r == 0)
        r = use_keys(v);
    v->items = malloc((size_t)STEP_RECORDS * INDEX_ITEM);
    if (r == 0 && !v->items)
        r = -ENOMEM;
    if (r == 0)
        r = list_heads(v);
    return r == 0 ? feed_heads(v, 0) : r;
}

static int step(struct job *j)
{
    struct verifying *v = (struct verifying *)j;
    uint64_t next = v->check ? aiex_check_next(v->check) : 0;
    int r;

    if (tell_one(v))
        return JOB_MORE;
    if (v->finished)
        return end(v);
    if (!v->check)
        r = open_all(v);
    else if (next < (uint64_t)v->from && next < v->size)
        r = take_leaves(v, (uint64_t)v->from < v->size ? (uint64_t)v->from : v->size);
    else if (!v->walked && (uint64_t)v->from < v->size)
        r = take_records(v);
    else if (next < v->size)
        r = take_leaves(v, v->size);
    else
        r = finish(v);
    if (r < 0)
        return job_fail(j, r == -ENOMEM ? AIEX_E_BUSY : AIEX_E_INTERNAL,
                        "the log can not be verified: %s", strerror(-r));
    return JOB_MORE;
}

/* ---- Requests, and the plugin's own ---- */

static void ended_own(struct job *j)
{
    struct verifying *v = (struct verifying *)j;
    struct chain *c = j->chain;

    c->verifying = 0;
    if (!j->code && v->faults == 0)
        c->last_verified = (uint64_t)wall_ms();
    if (j->code)
        aiex_logf(c->host, AIEX_LOG_WARN, 0, "the audit log could not be verified: %s", j->text);
    else
        aiex_logf(c->host, v->faults ? AIEX_LOG_ERROR : AIEX_LOG_INFO, 0,
                  "the audit log was verified: %" PRIu64 " entries, %" PRIu64 " faults%s%s",
                  v->checked, v->faults, v->faults ? "; " : "", v->first_fault);
}

static void begin(struct op *op)
{
    struct verifying *v = op->arg;

    if (op->result < 0 || v->job.cancelled) {
        v->job.chain->verifying &= v->job.id != 0;
        job_refuse(&v->job, AIEX_E_UNAVAILABLE, op->why);
        return;
    }
    v->size = op->size;
    v->heads_end = op->heads_end;
    v->note = op->note;
    op->note = NULL;
    job_begin(&v->job);
}

static struct verifying *make(struct chain *c, uint64_t id)
{
    struct verifying *v = (struct verifying *)job_new(c, id, sizeof(*v));

    if (!v)
        return NULL;
    v->job.free = free_verifying;
    v->job.step = step;
    v->to = INT64_MAX - 1;
    return v;
}

int verify_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct verifying *v = make(c, m->id);

    if (!v)
        return 0;
    if (!aiex_is_map(m->body) || aiex_get_int(m->body, "from", &v->from) < 0 ||
        aiex_get_int(m->body, "to", &v->to) < 0 || v->from < 0 || v->to < v->from)
        job_refuse(&v->job, AIEX_E_INVALID, "'from' and 'to' are numbers of entries");
    else if (append_head(c, m->id, begin, v) != 0)
        job_refuse(&v->job, AIEX_E_BUSY, "too much waits for the audit log");
    return 0;
}

void verify_due(struct chain *c)
{
    uint64_t now = mono_ms(c->host);
    struct verifying *v;

    if (!c->config->verify_interval || c->verifying || now < c->verify_at ||
        c->told_state != STATE_OK)
        return;
    c->verify_at = now + (uint64_t)c->config->verify_interval;
    v = make(c, 0);
    if (!v)
        return;
    v->job.ended = ended_own;
    c->verifying = append_head(c, 0, begin, v) == 0;
    if (!c->verifying)
        job_refuse(&v->job, AIEX_E_BUSY, "");
}
