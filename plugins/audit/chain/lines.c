/*
 * lines.c - audit.export: JSON lines of aiex-audit/1.
 *
 * The whole log: meta, entries with their redactions, every stored head and the newest. A part of
 * it can not be proven by heads alone: then the newest head stands first and each entry has its
 * inclusion proof.
 */
#include "chain.h"

#include <aiex/aiex_pack.h>
#include <aiex_json.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define STEP_RECORDS 512u

enum stage { STAGE_META, STAGE_ENTRIES, STAGE_HEADS, STAGE_LAST };

struct exporting {
    struct job job;
    struct walk walk;
    enum stage stage;
    int walking;
    int64_t from, to; /* both included */
    uint64_t size;    /* of the newest head */
    char *note;       /* it */
    int has_last;     /* a stored head was of that size */
    uint64_t next, given;
    struct heads_reader *heads;
    struct aiex_json_out out;
    char base64[(MAX_PAYLOAD + 64) * 4 / 3 + 16];
};

static void free_exporting(struct job *j)
{
    struct exporting *x = (struct exporting *)j;

    if (x->walking)
        walk_done(&x->walk);
    free(x->note);
    free(x->heads);
    free(j);
}

/* ---- Lines ---- */

/* Room for a line, written with x->out. */
static int open_line(struct exporting *x, size_t n)
{
    struct job *j = &x->job;

    if (job_room(j, n) != 0)
        return -ENOMEM;
    aiex_jw_init(&x->out, j->part + j->part_len, j->part_room - j->part_len);
    return 0;
}

static int close_line(struct exporting *x)
{
    aiex_jw_raw(&x->out, "}\n");
    if (x->out.failed)
        return -ENOMEM;
    x->job.part_len += x->out.len;
    return 0;
}

static void put_base64(struct exporting *x, const char *key, struct aiex_slice bytes)
{
    aiex_jw_raw(&x->out, key);
    sodium_bin2base64(x->base64, sizeof(x->base64), bytes.data, bytes.len,
                      sodium_base64_VARIANT_ORIGINAL);
    aiex_jw_raw(&x->out, x->base64);
    aiex_jw_raw(&x->out, "\"");
}

static void put_number(struct exporting *x, const char *key, uint64_t v)
{
    aiex_jw_raw(&x->out, key);
    aiex_jw_int(&x->out, (int64_t)v);
}

static int is_whole(const struct exporting *x)
{
    return x->from == 0 && (uint64_t)x->to + 1 == x->size;
}

/* Those that signed before, for who knows one of them. */
static void put_keys(struct exporting *x)
{
    struct log_key *keys = calloc(AIEX_AUDIT_KEYS, sizeof(*keys));
    size_t n = keys ? keys_all(&x->job.chain->log, keys) : 0;
    char text[AIEX_NOTE_KEY];

    while (n && keys[n - 1].from > x->size)
        n--; /* took over while this was made */
    for (size_t i = 0; i < n && n > 1; i++) {
        put_number(x, i ? ",{\"from\":" : ",\"keys\":[{\"from\":", keys[i].from);
        aiex_note_key_text(&keys[i].key, text);
        aiex_jw_raw(&x->out, ",\"key\":");
        aiex_jw_str(&x->out, text);
        aiex_jw_raw(&x->out, i + 1 == n ? "}]" : "}");
    }
    free(keys);
}

static int put_meta(struct exporting *x)
{
    struct aiex_note_key key;
    char text[AIEX_NOTE_KEY];

    if (open_line(x, 2048 + AIEX_AUDIT_KEYS * (AIEX_NOTE_KEY + 64)) != 0)
        return -ENOMEM;
    keys_current(&x->job.chain->log, &key);
    aiex_note_key_text(&key, text);
    aiex_jw_raw(&x->out, "{\"kind\":\"meta\",\"format\":\"aiex-audit/1\",\"origin\":");
    aiex_jw_str(&x->out, key.name);
    aiex_jw_raw(&x->out, ",\"encoding\":\"json\",\"key\":");
    aiex_jw_str(&x->out, text);
    aiex_jw_raw(&x->out, ",\"redactions\":\"entries\"");
    if (is_whole(x))
        put_keys(x);
    if (!is_whole(x)) {
        put_number(x, ",\"from\":", (uint64_t)x->from);
        put_number(x, ",\"to\":", (uint64_t)x->to);
    }
    return close_line(x);
}

static int put_head(struct exporting *x, struct aiex_slice note)
{
    if (open_line(x, note.len * 2 + 64) != 0)
        return -ENOMEM;
    aiex_jw_raw(&x->out, "{\"kind\":\"head\",\"note\":");
    aiex_jw_strn(&x->out, (const char *)note.data, note.len);
    return close_line(x);
}

/* The key of now signs what an earlier one has signed: who has one key can check all heads. */
static int put_old_head(struct exporting *x, struct aiex_slice note)
{
    char signed_again[AIEX_NOTE_MAX];
    size_t n = keys_resign(&x->job.chain->log, note, signed_again);

    return put_head(x, (struct aiex_slice){(uint8_t *)signed_again, n});
}

static int put_entry(struct exporting *x, const struct record *rec, const struct aiex_audit_body *b)
{
    size_t n = rec->body.len * 3 + rec->secret.len * 2 + AIEX_AUDIT_WRITER * 6 + 512;

    if (open_line(x, n) != 0)
        return -ENOMEM;
    put_number(x, "{\"kind\":\"entry\",\"seq\":", rec->seq);
    put_base64(x, ",\"body\":\"", rec->body);
    aiex_jw_raw(&x->out, ",\"view\":");
    aiex_jw_rawn(&x->out, (const char *)rec->body.data, rec->body.len);
    aiex_jw_raw(&x->out, ",\"writer\":");
    aiex_jw_str(&x->out, b->writer);
    put_number(x, ",\"wseq\":", b->wseq);
    if (rec->secret.len && !record_is_erased(rec)) {
        put_base64(
            x, ",\"payload\":\"",
            (struct aiex_slice){rec->secret.data + RECORD_SALT, rec->secret.len - RECORD_SALT});
        put_base64(x, ",\"salt\":\"", (struct aiex_slice){rec->secret.data, RECORD_SALT});
    }
    return close_line(x);
}

static void put_text(struct exporting *x, const char *key, const struct aiex_json_field *f)
{
    if (!f->seen)
        return;
    aiex_jw_raw(&x->out, key);
    aiex_jw_rawn(&x->out, f->value.data, f->value.len);
}

/* What the entry says that took the payload away. */
static int put_redaction(struct exporting *x, uint64_t seq)
{
    struct aiex_json_field f[] = {{.key = "reason"}, {.key = "actor"}, {.key = "time"}};
    struct log *l = &x->job.chain->log;
    const struct redaction *found;
    uint8_t *mem, leaf[AIEX_HASH];
    struct record rec;
    uint64_t by = 0;
    int r;

    pthread_mutex_lock(&l->lock);
    found = redactions_find(&l->redactions, seq);
    by = found ? found->by : 0;
    pthread_mutex_unlock(&l->lock);
    if (!found)
        return 0; /* a fault, for whoever verifies */
    if (is_whole(x) && by >= x->size)
        return -ESTALE; /* the entry that says so is not in this export */
    mem = malloc(MAX_RECORD);
    r = mem ? log_read(l, by, mem, &rec, leaf) : -ENOMEM;
    if (r == 0)
        aiex_json_scan(rec.body, 0, f, 3, NULL);
    if (r != -ENOMEM && open_line(x, MAX_BODY) == 0) {
        put_number(x, "{\"kind\":\"redaction\",\"seq\":", seq);
        put_text(x, ",\"reason\":", &f[0]);
        put_text(x, ",\"actor\":", &f[1]);
        put_text(x, ",\"time\":", &f[2]);
        put_number(x, ",\"by\":", by);
        r = close_line(x);
    } else {
        r = -ENOMEM;
    }
    free(mem);
    return r;
}

static int put_inclusion(struct exporting *x, const struct record *rec)
{
    struct log *l = &x->job.chain->log;
    uint8_t leaf[AIEX_HASH];
    char hex[2 * AIEX_HASH + 1];
    struct aiex_proof p;
    int r;

    pthread_mutex_lock(&l->lock);
    r = aiex_tree_inclusion(&l->tree, rec->seq, x->size, &p);
    pthread_mutex_unlock(&l->lock);
    if (r < 0 || open_line(x, 8192) != 0)
        return r < 0 ? r : -ENOMEM;
    aiex_leaf_hash(rec->body, leaf);
    put_number(x, "{\"kind\":\"inclusion\",\"index\":", rec->seq);
    put_number(x, ",\"size\":", x->size);
    aiex_hex(leaf, AIEX_HASH, hex);
    aiex_jw_raw(&x->out, ",\"leaf\":");
    aiex_jw_str(&x->out, hex);
    aiex_jw_raw(&x->out, ",\"proof\":[");
    for (uint32_t i = 0; i < p.n; i++) {
        aiex_hex(p.hashes[i], AIEX_HASH, hex);
        aiex_jw_raw(&x->out, i ? "," : "");
        aiex_jw_str(&x->out, hex);
    }
    aiex_jw_raw(&x->out, "]");
    return close_line(x);
}

static int put_record(struct exporting *x, const struct record *rec)
{
    struct aiex_audit_body b;
    const char *why;
    int r;

    if (aiex_audit_body_read(&b, rec->body, AIEX_BODY_JSON, &why) != 0)
        return 0; /* no entry of ours: it is missing in the export, as it should be */
    r = put_entry(x, rec, &b);
    if (r == 0 && rec->secret.len && record_is_erased(rec))
        r = put_redaction(x, rec->seq);
    if (r == 0 && !is_whole(x))
        r = put_inclusion(x, rec);
    x->given++;
    return r;
}

/* ---- Steps ---- */

static struct aiex_slice last_note(const struct exporting *x)
{
    return (struct aiex_slice){(const uint8_t *)x->note, strlen(x->note)};
}

static int do_meta(struct exporting *x)
{
    int r = put_meta(x);

    if (r == 0 && !is_whole(x))
        r = put_old_head(x, last_note(x));
    if (r == 0)
        r = walk_begin(x->job.chain, &x->walk, (uint64_t)x->from);
    x->walking = r == 0;
    x->next = (uint64_t)x->from;
    x->stage = x->from > x->to ? STAGE_HEADS : STAGE_ENTRIES;
    return r;
}

static int do_entries(struct exporting *x)
{
    struct record rec;
    int e, r = 0;

    for (uint32_t i = 0; i < STEP_RECORDS && x->job.part_len < PART_BYTES && r == 0; i++) {
        e = walk_next(&x->walk, &rec);
        if (e < 0)
            return e;
        if (e == 0 || (e == SCAN_RECORD && rec.seq > (uint64_t)x->to)) {
            x->stage = STAGE_HEADS;
            break;
        }
        if (e != SCAN_RECORD || rec.seq < x->next)
            continue;
        x->next = rec.seq + 1;
        r = put_record(x, &rec);
    }
    return r;
}

static int do_heads(struct exporting *x)
{
    struct aiex_checkpoint c;
    struct aiex_slice bytes;
    struct aiex_note note;
    int e, r = 0;

    if (!is_whole(x)) {
        x->has_last = 1;
        x->stage = STAGE_LAST;
        return 0;
    }
    if (!x->heads && !(x->heads = calloc(1, sizeof(*x->heads))))
        return -ENOMEM;
    if (!x->heads->fd) {
        x->heads->fd = x->job.chain->log.heads.fd;
        x->heads->at = 0;
        x->heads->end = x->walk.view.heads_end;
    }
    while (r == 0 && x->job.part_len < PART_BYTES) {
        e = heads_next(x->heads, &bytes);
        if (e < 0 && e != -EBADMSG)
            return e;
        if (e != 1) { /* damage is for the verification to tell */
            x->stage = STAGE_LAST;
            break;
        }
        if (aiex_note_read(&note, bytes, NULL) != 0 ||
            aiex_checkpoint_read(&c, note.text, NULL) != 0 || c.size > x->size)
            continue;
        x->has_last |= c.size == x->size;
        r = put_old_head(x, bytes);
    }
    return r;
}

static int finish(struct exporting *x)
{
    struct aiex_writer w;
    int r = x->has_last ? 0 : put_old_head(x, last_note(x));

    if (r < 0)
        return job_fail(&x->job, AIEX_E_BUSY, "no memory");
    aiex_writer_init(&w, x->job.end, sizeof(x->job.end));
    aiex_w_map(&w, 1);
    aiex_w_key_uint(&w, "entries", x->given);
    x->job.end_len = w.len;
    return JOB_DONE;
}

static int step(struct job *j)
{
    struct exporting *x = (struct exporting *)j;
    int r = 0;

    switch (x->stage) {
    case STAGE_META:
        r = do_meta(x);
        break;
    case STAGE_ENTRIES:
        r = do_entries(x);
        break;
    case STAGE_HEADS:
        r = do_heads(x);
        break;
    case STAGE_LAST:
        return finish(x);
    }
    if (r == -ESTALE)
        return job_fail(j, AIEX_E_CONFLICT, "a payload was redacted meanwhile; export again");
    if (r < 0)
        return job_fail(j, r == -ENOMEM ? AIEX_E_BUSY : AIEX_E_INTERNAL,
                        "the log can not be exported: %s", strerror(-r));
    return JOB_MORE;
}

/* ---- The request ---- */

static void begin(struct op *op)
{
    struct exporting *x = op->arg;

    if (op->result < 0 || x->job.cancelled) {
        job_refuse(&x->job, AIEX_E_UNAVAILABLE, op->why);
        return;
    }
    x->size = op->size;
    x->note = op->note;
    op->note = NULL;
    if ((uint64_t)x->to >= x->size)
        x->to = (int64_t)x->size - 1;
    job_begin(&x->job);
}

int export_take(void *self, const struct aiex_message *m)
{
    struct chain *c = self;
    struct exporting *x = (struct exporting *)job_new(c, m->id, sizeof(*x));

    if (!x)
        return 0;
    x->job.free = free_exporting;
    x->job.step = step;
    x->to = INT64_MAX;
    if (!aiex_is_map(m->body) || aiex_get_int(m->body, "from", &x->from) < 0 ||
        aiex_get_int(m->body, "to", &x->to) < 0 || x->from < 0 || x->to < 0)
        job_refuse(&x->job, AIEX_E_INVALID, "'from' and 'to' are numbers of entries");
    else if (append_head(c, m->id, begin, x) != 0)
        job_refuse(&x->job, AIEX_E_BUSY, "too much waits for the audit log");
    return 0;
}
