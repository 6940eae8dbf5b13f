/* read.c - audit.read: entries of a range, by type, actor and time. */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP_RECORDS  4096u
#define ARRAY_HEAD    5u
#define OPENING_TRIES 100

struct reading {
    struct job job;
    struct walk walk;
    int64_t from, to, from_time, to_time, limit;
    char type[129], actor[257];
    uint64_t next, given;
    int ended, waited;
    uint32_t n_items; /* of this part */
    char text[MAX_BODY];
};

enum field { TIME, TYPE, ACTOR, SUBJECT, WRITER, CORRELATION, REASON, REDACTS, N_FIELDS };

static const char *const names[N_FIELDS] = {"time",   "type",        "actor",  "subject",
                                            "writer", "correlation", "reason", "redacts"};

static void free_reading(struct job *j)
{
    walk_done(&((struct reading *)j)->walk);
    free(j);
}

/* ---- One entry ---- */

/* 1 when the text is `want`, or begins with it when that ends in *. */
static int matches(struct reading *r, const struct aiex_json_span *v, const char *want)
{
    size_t n = strlen(want);

    if (n == 0)
        return 1;
    if (aiex_json_text(v, r->text, sizeof(r->text)) < 0)
        return 0;
    if (want[n - 1] == '*')
        return strncmp(r->text, want, n - 1) == 0;
    return strcmp(r->text, want) == 0;
}

static int wanted(struct reading *r, const struct aiex_json_field *f)
{
    int64_t time;

    if (aiex_json_int(&f[TIME].value, &time) != 0)
        return 0;
    return time >= r->from_time && time <= r->to_time && matches(r, &f[TYPE].value, r->type) &&
           matches(r, &f[ACTOR].value, r->actor);
}

static void put_item(struct aiex_writer *w, struct reading *r, const struct record *rec,
                     const struct aiex_json_field *f)
{
    int has = rec->secret.len > RECORD_SALT, erased = has && record_is_erased(rec);
    uint8_t leaf[AIEX_HASH];
    int64_t v = 0;
    uint32_t n = 2;

    for (int i = 0; i < N_FIELDS; i++)
        n += f[i].seen != 0;
    aiex_leaf_hash(rec->body, leaf);
    aiex_w_map(w, n + (uint32_t)has);
    aiex_w_key_uint(w, "seq", rec->seq);
    for (int i = 0; i < N_FIELDS; i++) {
        long len;

        if (!f[i].seen)
            continue;
        aiex_w_str(w, names[i]);
        if (f[i].value.type == AIEX_JSON_NUMBER) {
            aiex_json_int(&f[i].value, &v);
            aiex_w_int(w, v);
            continue;
        }
        len = aiex_json_text(&f[i].value, r->text, sizeof(r->text));
        aiex_w_strn(w, r->text, len < 0 ? 0 : (size_t)len);
    }
    if (erased)
        aiex_w_key_bool(w, "redacted", 1);
    else if (has)
        aiex_w_key_bin(w, "payload", rec->secret.data + RECORD_SALT, rec->secret.len - RECORD_SALT);
    aiex_w_key_bin(w, "hash", leaf, AIEX_HASH);
}

/* 0, -ENOMEM. */
static int take(struct reading *r, const struct record *rec)
{
    struct aiex_json_field f[N_FIELDS];
    struct job *j = &r->job;
    struct aiex_writer w;

    for (int i = 0; i < N_FIELDS; i++)
        f[i] = (struct aiex_json_field){.key = names[i]};
    if (aiex_json_scan(rec->body, 0, f, N_FIELDS, NULL) != AIEX_JSON_OBJECT || !wanted(r, f))
        return 0;
    if (job_room(j, rec->bytes + 512) != 0)
        return -ENOMEM;
    aiex_writer_init(&w, j->part + j->part_len, j->part_room - j->part_len);
    put_item(&w, r, rec, f);
    if (w.failed)
        return -ENOMEM;
    j->part_len += w.len;
    r->n_items++;
    r->given++;
    return 0;
}

/* ---- Steps ---- */

static void close_part(struct reading *r)
{
    struct job *j = &r->job;

    if (r->n_items == 0) {
        j->part_len = 0;
        return;
    }
    j->part[0] = 0xdd;
    for (int i = 0; i < 4; i++)
        j->part[1 + i] = (uint8_t)(r->n_items >> (24 - 8 * i));
}

static int finish(struct reading *r)
{
    struct aiex_writer w;

    aiex_writer_init(&w, r->job.end, sizeof(r->job.end));
    aiex_w_map(&w, 2);
    aiex_w_key_uint(&w, "entries", r->given);
    aiex_w_key_bool(&w, "end", r->ended);
    r->job.end_len = w.len;
    return JOB_DONE;
}

static int step(struct job *j)
{
    struct reading *r = (struct reading *)j;
    struct record rec;
    int e = 0;

    r->n_items = 0;
    if (job_room(j, PART_BYTES) != 0)
        return job_fail(j, AIEX_E_BUSY, "no memory");
    j->part_len = ARRAY_HEAD;
    for (uint32_t i = 0; i < STEP_RECORDS && j->part_len < PART_BYTES && !r->ended; i++) {
        if (r->given == (uint64_t)r->limit) {
            close_part(r);
            return finish(r);
        }
        e = walk_next(&r->walk, &rec);
        if (e < 0)
            return job_fail(j, AIEX_E_INTERNAL, "the log can not be read: %s", strerror(-e));
        if (e == 0 || (e == SCAN_RECORD && rec.seq > (uint64_t)r->to))
            r->ended = 1;
        else if (e == SCAN_RECORD && rec.seq >= r->next) {
            r->next = rec.seq + 1;
            if (take(r, &rec) != 0)
                return job_fail(j, AIEX_E_BUSY, "no memory");
        }
    }
    close_part(r);
    return r->ended ? finish(r) : JOB_MORE;
}

/* ---- The request ---- */

static int whole(struct aiex_slice body, const char *key, int64_t *out)
{
    int64_t v = *out;

    if (aiex_get_int(body, key, &v) < 0 || v < 0)
        return -EINVAL;
    *out = v;
    return 0;
}

static int read_request(struct reading *r, struct aiex_slice body)
{
    if (!aiex_is_map(body) || whole(body, "from", &r->from) != 0 ||
        whole(body, "to", &r->to) != 0 || whole(body, "from_time", &r->from_time) != 0 ||
        whole(body, "to_time", &r->to_time) != 0 || whole(body, "limit", &r->limit) != 0)
        return -EINVAL;
    return aiex_get_text(body, "type", r->type, sizeof(r->type)) < 0 ||
                   aiex_get_text(body, "actor", r->actor, sizeof(r->actor)) < 0
               ? -EINVAL
               : 0;
}

/* The log can be read once it is open; while the plugin is replaced that takes a moment. */
static int begin(struct job *j)
{
    const struct timespec pause = {0, 10 * 1000000};
    struct reading *r = (struct reading *)j;
    char reason[400];
    uint64_t size;
    enum state s = writer_state(j->chain, reason, &size);

    if (s == STATE_OPENING && r->waited++ < OPENING_TRIES) {
        nanosleep(&pause, NULL);
        return JOB_MORE;
    }
    if (s == STATE_OPENING || s == STATE_DEAD)
        return job_fail(j, AIEX_E_UNAVAILABLE, "the log can not be read: %.200s", reason);
    if (walk_begin(j->chain, &r->walk, (uint64_t)r->from) != 0)
        return job_fail(j, AIEX_E_INTERNAL, "the log can not be read");
    r->next = (uint64_t)r->from;
    j->step = step;
    return JOB_MORE;
}

int read_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct reading *r = (struct reading *)job_new(c, m->id, sizeof(*r));

    if (!r)
        return 0;
    r->job.free = free_reading;
    r->job.step = begin;
    r->to = r->to_time = r->limit = INT64_MAX;
    if (read_request(r, m->body) != 0) {
        job_refuse(&r->job, AIEX_E_INVALID,
                   "'from', 'to', 'from_time', 'to_time' and 'limit' are numbers from 0 on, 'type' "
                   "and 'actor' text");
        return 0;
    }
    job_begin(&r->job);
    return 0;
}
