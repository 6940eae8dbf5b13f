/*
 * export.c - the JSON lines of aiex-audit/1.
 *
 * Entries go to the checker as they come. Heads and proofs speak of entries that may stand behind
 * them, so they are kept until the end; only then is all known that they are compared with.
 */
#include "aiex_audit_check.h"
#include "export_keys.h"
#include "note_text.h"
#include "view.h"

#include <aiex_json.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEPT (64u << 20)

enum field {
    F_KIND,
    F_SEQ,
    F_BODY,
    F_VIEW,
    F_WRITER,
    F_WSEQ,
    F_PAYLOAD,
    F_SALT,
    F_NOTE,
    F_INDEX,
    F_SIZE,
    F_LEAF,
    F_PROOF,
    F_SIZE1,
    F_SIZE2,
    F_FORMAT,
    F_ORIGIN,
    F_ENCODING,
    F_KEY,
    F_KEYS,
    F_FROM,
    F_TO,
    F_REDACTIONS,
    N_FIELDS
};

static const char *const names[N_FIELDS] = {
    "kind",   "seq",      "body", "view", "writer", "wseq",  "payload",    "salt",
    "note",   "index",    "size", "leaf", "proof",  "size1", "size2",      "format",
    "origin", "encoding", "key",  "keys", "from",   "to",    "redactions",
};

struct kept {
    struct kept *next;
    size_t len;
    char text[];
};

struct aiex_export {
    struct aiex_export_setup setup;
    struct aiex_check *check; /* once the meta line was there */
    struct aiex_note_key key;
    int has_key, key_is_its_own, encoding, strict;
    struct export_keys keys;
    char origin[AIEX_NOTE_NAME];
    uint8_t *witness;
    size_t witness_len;
    struct kept *heads, **heads_end, *proofs, **proofs_end;
    size_t kept_bytes;
    uint64_t line;
    uint8_t *mem; /* for decoded base64, as long as the longest line */
    size_t room;
};

/* ---- Life ---- */

int aiex_export_new(const struct aiex_export_setup *s, struct aiex_export **ret_export,
                    struct aiex_error *err)
{
    struct aiex_export *x = calloc(1, sizeof(*x));

    if (!x)
        return -ENOMEM;
    x->setup = *s;
    x->heads_end = &x->heads;
    x->proofs_end = &x->proofs;
    x->witness_len = s->witness.len;
    x->witness = malloc(s->witness.len + 1);
    if (x->witness && s->witness.len)
        memcpy(x->witness, s->witness.data, s->witness.len);
    if (!x->witness || (s->key && aiex_note_key_read(&x->key, s->key, err) != 0)) {
        int r = x->witness ? -EINVAL : -ENOMEM;

        aiex_export_free(x);
        return r;
    }
    x->has_key = s->key != NULL;
    *ret_export = x;
    return 0;
}

static void free_kept(struct kept *k)
{
    while (k) {
        struct kept *next = k->next;

        free(k);
        k = next;
    }
}

void aiex_export_free(struct aiex_export *x)
{
    if (!x)
        return;
    aiex_check_free(x->check);
    free_kept(x->heads);
    free_kept(x->proofs);
    free(x->witness);
    free(x->mem);
    free(x);
}

static void line_fault(struct aiex_export *x, const char *why)
{
    aiex_check_fault(x->check, "line", 0, 0, 0, "line %" PRIu64 ": %s", x->line, why);
}

/* ---- Fields ---- */

static int whole(const struct aiex_json_field *f, uint64_t *ret)
{
    int64_t v;

    if (f->value.type != AIEX_JSON_NUMBER || aiex_json_int(&f->value, &v) != 0 || v < 0)
        return -EINVAL;
    *ret = (uint64_t)v;
    return 0;
}

/* base64 text into x->mem + at. */
static int decode(struct aiex_export *x, const struct aiex_json_field *f, size_t at,
                  struct aiex_slice *ret)
{
    const struct aiex_json_span *v = &f->value;
    size_t n;

    if (v->type != AIEX_JSON_STRING ||
        note_unbase64(v->data + 1, v->len - 2, x->mem + at, x->room - at, &n) != 0)
        return -EINVAL;
    *ret = (struct aiex_slice){x->mem + at, n};
    return 0;
}

static int make_room(struct aiex_export *x, size_t n)
{
    uint8_t *grown;

    if (n <= x->room)
        return 0;
    grown = realloc(x->mem, n * 2);
    if (!grown)
        return -ENOMEM;
    x->mem = grown;
    x->room = n * 2;
    return 0;
}

/* ---- meta ---- */

/* The log's key: what the caller trusts, else what the file says. */
static void meta_key(struct aiex_export *x, const struct aiex_json_field *f)
{
    char text[AIEX_NOTE_KEY];
    struct aiex_error err;

    if (x->has_key || !f[F_KEY].seen)
        return;
    if (aiex_json_text(&f[F_KEY].value, text, sizeof(text)) < 0 ||
        aiex_note_key_read(&x->key, text, &err) != 0)
        return;
    x->has_key = x->key_is_its_own = 1;
}

static int begin(struct aiex_export *x, const struct aiex_json_field *f)
{
    struct aiex_check_setup s = {.fault = x->setup.fault, .arg = x->setup.arg, .keep_leaves = 1};
    char encoding[16] = "json";

    if (f && f[F_ENCODING].seen)
        aiex_json_text(&f[F_ENCODING].value, encoding, sizeof(encoding));
    x->encoding = strcmp(encoding, "msgpack") == 0 ? AIEX_BODY_MSGPACK : AIEX_BODY_JSON;
    if (f) {
        meta_key(x, f);
        if (f[F_KEYS].seen)
            export_keys_read(&x->keys, &f[F_KEYS].value);
        if (f[F_ORIGIN].seen)
            aiex_json_text(&f[F_ORIGIN].value, x->origin, sizeof(x->origin));
        x->strict = f[F_REDACTIONS].seen && aiex_json_is(&f[F_REDACTIONS].value, "entries");
        if (f[F_FROM].seen && whole(&f[F_FROM], &s.first) != 0)
            s.first = 0;
        s.has_last = f[F_TO].seen && whole(&f[F_TO], &s.last) == 0;
    }
    s.origin = x->origin[0] ? x->origin : NULL;
    x->strict = x->strict && s.first == 0 && !s.has_last;
    return aiex_check_new(&s, &x->check);
}

static int take_meta(struct aiex_export *x, const struct aiex_json_field *f)
{
    int r;

    if (x->check) {
        line_fault(x, "a second meta line");
        return 0;
    }
    r = begin(x, f);
    if (r < 0)
        return r;
    if (!aiex_json_is(&f[F_FORMAT].value, "aiex-audit/1"))
        line_fault(x, "the format is not aiex-audit/1");
    if (!x->origin[0])
        line_fault(x, "the meta line has no origin");
    if (!aiex_json_is(&f[F_ENCODING].value, "json") &&
        !aiex_json_is(&f[F_ENCODING].value, "msgpack"))
        line_fault(x, "the encoding is neither json nor msgpack");
    return 0;
}

/* ---- entry ---- */

static int check_view(struct aiex_export *x, const struct aiex_json_field *f, uint64_t seq,
                      struct aiex_slice body)
{
    char key[64];
    int r;

    if (f[F_VIEW].value.type != AIEX_JSON_OBJECT) {
        aiex_check_fault(x->check, "view", 1, seq, seq, "the entry has no view");
        return 0;
    }
    r = view_check(&f[F_VIEW].value, body, x->encoding, key, sizeof(key));
    if (r == -EINVAL)
        aiex_check_fault(x->check, "view", 1, seq, seq, "the view says another '%s' than the body",
                         key);
    return r == -ENOMEM ? r : 0;
}

/* What stands beside the body says the same as it. */
static void check_beside(struct aiex_export *x, const struct aiex_json_field *f, uint64_t seq,
                         const struct aiex_audit_body *b)
{
    uint64_t wseq;

    if (f[F_WRITER].seen && !aiex_json_is(&f[F_WRITER].value, b->writer))
        aiex_check_fault(x->check, "view", 1, seq, seq,
                         "the line says another writer than the body");
    if (f[F_WSEQ].seen && (whole(&f[F_WSEQ], &wseq) != 0 || wseq != b->wseq))
        aiex_check_fault(x->check, "view", 1, seq, seq, "the line says another wseq than the body");
}

static int take_entry(struct aiex_export *x, const struct aiex_json_field *f)
{
    struct aiex_check_entry e = {.encoding = x->encoding};
    const struct aiex_audit_body *b;
    uint64_t next = aiex_check_next(x->check);
    int r;

    if (whole(&f[F_SEQ], &e.seq) != 0) {
        line_fault(x, "an entry without a seq");
        return 0;
    }
    if (decode(x, &f[F_BODY], 0, &e.body) != 0) {
        if (e.seq != next) /* it is not where it should be either: let that be told */
            return aiex_check_entry(x->check, &e, NULL);
        return aiex_check_hole(x->check, e.seq, NULL, "body", "not readable: no base64");
    }
    e.has_payload = f[F_PAYLOAD].seen && f[F_PAYLOAD].value.type != AIEX_JSON_NULL;
    if (e.has_payload && (decode(x, &f[F_PAYLOAD], e.body.len, &e.payload) != 0 ||
                          decode(x, &f[F_SALT], e.body.len + e.payload.len, &e.salt) != 0))
        e.payload = e.salt = (struct aiex_slice){NULL, 0}; /* told as one that does not fit */
    r = check_view(x, f, e.seq, e.body);
    if (r == 0)
        r = aiex_check_entry(x->check, &e, &b);
    if (r == 0 && b && strcmp(b->writer, "audit") == 0)
        export_keys_entry(&x->keys, e.seq, e.body, x->encoding);
    if (r == 0 && b)
        check_beside(x, f, e.seq, b);
    return r;
}

/* ---- Others ---- */

static int keep(struct aiex_export *x, struct kept ***end, struct aiex_slice line,
                struct aiex_error *err)
{
    struct kept *k;

    if (x->kept_bytes + line.len > MAX_KEPT) {
        note_fail(err, "line %" PRIu64 ": more than %u MiB of heads and proofs", x->line,
                  MAX_KEPT >> 20);
        return -E2BIG;
    }
    k = malloc(sizeof(*k) + line.len);
    if (!k)
        return -ENOMEM;
    k->next = NULL;
    k->len = line.len;
    memcpy(k->text, line.data, line.len);
    x->kept_bytes += line.len + sizeof(*k);
    **end = k;
    *end = &k->next;
    return 0;
}

static int take_redaction(struct aiex_export *x, const struct aiex_json_field *f)
{
    uint64_t seq;

    if (whole(&f[F_SEQ], &seq) == 0)
        return aiex_check_redaction(x->check, seq);
    line_fault(x, "a redaction without a seq");
    return 0;
}

static int scan(struct aiex_slice line, struct aiex_json_field f[N_FIELDS])
{
    for (int i = 0; i < N_FIELDS; i++)
        f[i] = (struct aiex_json_field){.key = names[i]};
    if (aiex_json_scan(line, 0, f, N_FIELDS, NULL) != AIEX_JSON_OBJECT)
        return -EINVAL;
    for (int i = 0; i < N_FIELDS; i++)
        if (f[i].seen > 1)
            return -EINVAL;
    return 0;
}

int aiex_export_line(struct aiex_export *x, struct aiex_slice line, struct aiex_error *err)
{
    struct aiex_json_field f[N_FIELDS];
    const struct aiex_json_span *kind = &f[F_KIND].value;
    int r, is_json;

    x->line++;
    if (line.len > AIEX_AUDIT_MAX_LINE) {
        note_fail(err, "line %" PRIu64 " is longer than %u MiB", x->line,
                  AIEX_AUDIT_MAX_LINE >> 20);
        return -E2BIG;
    }
    if (make_room(x, line.len + 16) != 0)
        return -ENOMEM;
    is_json = scan(line, f) == 0;
    if (is_json && aiex_json_is(kind, "meta"))
        return take_meta(x, f);
    if (!x->check) {
        r = begin(x, NULL);
        if (r < 0)
            return r;
        line_fault(x, "the first line is no meta line");
    }
    if (!is_json) {
        line_fault(x, "not a JSON object, or a key stands twice");
        return 0;
    }
    if (aiex_json_is(kind, "entry"))
        return take_entry(x, f);
    if (aiex_json_is(kind, "head"))
        return keep(x, &x->heads_end, line, err);
    if (aiex_json_is(kind, "inclusion") || aiex_json_is(kind, "consistency"))
        return keep(x, &x->proofs_end, line, err);
    if (aiex_json_is(kind, "redaction"))
        return take_redaction(x, f);
    if (kind->type != AIEX_JSON_STRING)
        line_fault(x, "a line without a kind");
    return 0; /* kinds to come are not for this reader */
}

/* ---- The end ---- */

/* The note of a line with a head; its length, or -1. */
static long note_of(const struct kept *k, char note[AIEX_NOTE_MAX + 1])
{
    struct aiex_json_field f[N_FIELDS];

    scan((struct aiex_slice){(const uint8_t *)k->text, k->len}, f);
    return f[F_NOTE].value.type == AIEX_JSON_STRING
               ? aiex_json_text(&f[F_NOTE].value, note, AIEX_NOTE_MAX + 1)
               : -1;
}

static int finish_head(struct aiex_export *x, const struct kept *k)
{
    char note[AIEX_NOTE_MAX + 1];
    long n = note_of(k, note);

    if (n >= 0)
        return aiex_check_head(x->check, (struct aiex_slice){(uint8_t *)note, (size_t)n});
    aiex_check_fault(x->check, "note", 0, 0, 0, "a head has no note, or one above %u bytes",
                     AIEX_NOTE_MAX);
    return 0;
}

/* [hex, ...]. 0, -EINVAL. */
static int read_proof(const struct aiex_json_span *array, struct aiex_proof *p)
{
    struct aiex_json_span item;
    size_t at = 0;

    p->n = 0;
    if (array->type != AIEX_JSON_ARRAY)
        return -EINVAL;
    while (aiex_json_next(array, &at, NULL, &item)) {
        if (p->n == AIEX_PROOF_MAX || item.type != AIEX_JSON_STRING ||
            aiex_unhex(item.data + 1, item.len - 2, p->hashes[p->n++], AIEX_HASH) != 0)
            return -EINVAL;
    }
    return 0;
}

static int finish_proof(struct aiex_export *x, const struct kept *k)
{
    struct aiex_slice line = {(const uint8_t *)k->text, k->len};
    struct aiex_json_field f[N_FIELDS];
    uint8_t leaf[AIEX_HASH];
    struct aiex_proof p;
    uint64_t a, b;
    int is_inclusion;

    scan(line, f);
    is_inclusion = aiex_json_is(&f[F_KIND].value, "inclusion");
    if (read_proof(&f[F_PROOF].value, &p) != 0 ||
        whole(&f[is_inclusion ? F_INDEX : F_SIZE1], &a) != 0 ||
        whole(&f[is_inclusion ? F_SIZE : F_SIZE2], &b) != 0 ||
        (is_inclusion &&
         (f[F_LEAF].value.type != AIEX_JSON_STRING ||
          aiex_unhex(f[F_LEAF].value.data + 1, f[F_LEAF].value.len - 2, leaf, AIEX_HASH) != 0))) {
        aiex_check_fault(x->check, "line", 0, 0, 0, "a proof is not readable");
        return 0;
    }
    return is_inclusion ? aiex_check_inclusion(x->check, a, b, leaf, &p)
                        : aiex_check_consistency(x->check, a, b, &p);
}

/* What was seen elsewhere must be a begin of this log. */
static int finish_witness(struct aiex_export *x)
{
    struct aiex_slice bytes = {x->witness, x->witness_len};
    struct aiex_checkpoint p;
    struct aiex_note note;
    struct aiex_error err;

    if (!bytes.len)
        return 0;
    if (aiex_note_read(&note, bytes, &err) != 0 || aiex_checkpoint_read(&p, note.text, &err) != 0) {
        aiex_check_fault(x->check, "witness", 0, 0, 0, "the witness file is not readable: %s",
                         err.text);
        return 0;
    }
    if (p.size > aiex_check_next(x->check)) {
        aiex_check_fault(x->check, "rollback", 1, aiex_check_next(x->check), p.size - 1,
                         "the witness has seen %" PRIu64 " entries, here are %" PRIu64
                         ": an older copy of the log, or its end is cut off",
                         p.size, aiex_check_next(x->check));
        return 0;
    }
    return aiex_check_head(x->check, bytes);
}

/* The keys whose heads are good. */
static int finish_keys(struct aiex_export *x)
{
    char note[AIEX_NOTE_MAX + 1];

    if (!x->has_key)
        return 0;
    for (const struct kept *k = x->heads; k && x->keys.n > 1; k = k->next) {
        long n = note_of(k, note);

        if (n >= 0)
            export_keys_head(&x->keys, (struct aiex_slice){(uint8_t *)note, (size_t)n});
    }
    return export_keys_trust(&x->keys, &x->key, x->check);
}

static int finish_all(struct aiex_export *x)
{
    int r = finish_keys(x);

    for (const struct kept *k = x->heads; k && r == 0; k = k->next)
        r = finish_head(x, k);
    if (r == 0)
        r = finish_witness(x);
    for (const struct kept *k = x->proofs; k && r == 0; k = k->next)
        r = finish_proof(x, k);
    return r;
}

int aiex_export_finish(struct aiex_export *x, struct aiex_export_sum *ret_sum,
                       struct aiex_error *err)
{
    int r = 0;

    memset(ret_sum, 0, sizeof(*ret_sum));
    if (!x->check) {
        r = begin(x, NULL);
        if (r == 0)
            line_fault(x, "the export is empty");
    }
    if (r == 0 && !x->has_key)
        aiex_check_fault(
            x->check, "key", 0, 0, 0,
            "the export names no key, so that no signature was checked; give the log's");
    if (r == 0)
        r = finish_all(x);
    if (r < 0) {
        note_fail(err, "no memory to check the export");
        return r;
    }
    aiex_check_finish(x->check, x->strict);
    ret_sum->entries = aiex_check_entries(x->check);
    ret_sum->faults = aiex_check_faults(x->check);
    ret_sum->size = aiex_check_proven(x->check, ret_sum->root);
    ret_sum->key_is_its_own = x->key_is_its_own;
    if (x->has_key)
        aiex_note_key_text(&x->key, ret_sum->key);
    return 0;
}
