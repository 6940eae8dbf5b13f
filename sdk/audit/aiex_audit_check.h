/*
 * aiex_audit_check.h - one checker for every copy of an audit log: the plugin's segments and
 * exports.
 *
 * Entries are fed in the order of `seq`, heads and proofs when they come; each fault is told once,
 * with where it is. What is checked: sequence   no entry missing, doubled or moved chain `wseq` and
 * `prev` of each writer; one changed entry is found by its successor, which is why a fault is told
 * when the writer's next but one entry was seen, or at the end payload    the commitment; a payload
 * may be missing when a redaction says so head       signature, origin and root; a head of more
 * entries than there are says what was cut coverage   entries that no head and no inclusion proof
 * speaks of: a cut tail When the owner knows the leaf that was once recorded (`recorded`), a
 * changed entry is exact.
 *
 * aiex_export_* reads the JSON lines of aiex-audit/1 and feeds the checker; it also compares `view`
 * with `body`, which is what people read with what was signed.
 *
 * Limits: 65,536 writers, 10,000 faults told (faults of one kind in a row are one, with a range),
 * 4 MiB for a line, 64 MiB for heads and proofs of an export. Memory of an export: 33 bytes per
 * entry. Threads: one for each checker. Nothing is thrown away silently: -ENOMEM and -E2BIG end a
 * check.
 */
#ifndef AIEX_AUDIT_CHECK_H
#define AIEX_AUDIT_CHECK_H

#include "aiex_note.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_AUDIT_WRITER    256u /* bytes of a writer's name with its 0 */
#define AIEX_AUDIT_MAX_LINE  (4u << 20)
#define AIEX_AUDIT_MAX_FAULT 10000u
#define AIEX_AUDIT_KEYS      256u                /* that signed one log, one after the other */
#define AIEX_AUDIT_ROTATED   "audit.key_rotated" /* type of the entry that names the next key */

/* ---- Bodies: the exact bytes of a leaf ---- */

#define AIEX_BODY_JSON    1
#define AIEX_BODY_MSGPACK 2

struct aiex_audit_body {
    char writer[AIEX_AUDIT_WRITER];
    uint64_t wseq;
    uint8_t prev[AIEX_HASH];
    int64_t time;
    int has_commit;
    uint8_t commit[AIEX_HASH];
    int64_t redacts; /* the entry whose payload this one took away; -1 = none */
};

/* 0, or -EINVAL and *ret_why (static text): no map, a required field is missing or wrong. */
int aiex_audit_body_read(struct aiex_audit_body *b, struct aiex_slice body, int encoding,
                         const char **ret_why);

/* ---- Faults ---- */

struct aiex_fault {
    const char *kind; /* "sequence", "chain", "body", "changed", "payload", ...: one word */
    int has_place;    /* from .. to are entries, both included */
    uint64_t from, to;
    const char *text; /* dies with the call */
};

typedef void (*aiex_fault_fn)(void *arg, const struct aiex_fault *f);

/* "seq=7", "3..9", or "log" for what has no place. Returns out (at least 48 bytes). */
const char *aiex_fault_where(const struct aiex_fault *f, char *out);

/* ---- The checker ---- */

struct aiex_check;

struct aiex_check_setup {
    aiex_fault_fn fault;
    void *arg;
    const char *origin;              /* of the heads; NULL = that of the first head */
    const struct aiex_note_key *key; /* of the log, copied; NULL = aiex_check_key() comes later */
    uint64_t first;                  /* seq of the first entry; above 0 there is no tree */
    int has_last;                    /* the range ends at `last` although heads say more */
    uint64_t last;
    int keep_leaves; /* roots and proofs of earlier sizes can be checked: 32 bytes per entry */
};

struct aiex_check_entry {
    uint64_t seq;
    struct aiex_slice body;
    int encoding;
    int has_payload;
    struct aiex_slice salt, payload;
    const uint8_t *recorded; /* the leaf as it was once recorded, or NULL */
};

/* 0, -ENOMEM. */
int aiex_check_new(const struct aiex_check_setup *s, struct aiex_check **ret_check);
void aiex_check_free(struct aiex_check *c);
/* The only key. */
void aiex_check_key(struct aiex_check *c, const struct aiex_note_key *key);
/* One of several: heads of at most `until` entries are good when it signed them. 0, -E2BIG. */
int aiex_check_key_until(struct aiex_check *c, const struct aiex_note_key *key, uint64_t until);
/* 0, -ENOMEM, -E2BIG (more than 65,536 writers). *ret_body (may be NULL) is NULL when it could not
 * be read. */
int aiex_check_entry(struct aiex_check *c, const struct aiex_check_entry *e,
                     const struct aiex_audit_body **ret_body);
/* An entry that is not to be looked at, by its recorded leaf: the tree goes on. 0, -ENOMEM. */
int aiex_check_leaf(struct aiex_check *c, uint64_t seq, const uint8_t leaf[AIEX_HASH]);
/* Entry `seq` is not readable, which is told with this kind and text; `recorded` may be NULL. */
int aiex_check_hole(struct aiex_check *c, uint64_t seq, const uint8_t *recorded, const char *kind,
                    const char *text);
/* Whoever took the payload of `seq` away said so. Any order. 0, -ENOMEM. */
int aiex_check_redaction(struct aiex_check *c, uint64_t seq);
/* An entry behind those that are fed says so, for strict checks. */
int aiex_check_redacted(struct aiex_check *c, uint64_t seq);
/* A signed head. Without keep_leaves: when exactly `size` entries were fed, or at the end. */
int aiex_check_head(struct aiex_check *c, struct aiex_slice note);
/* Proofs: when the entries and heads they speak of were fed. */
int aiex_check_inclusion(struct aiex_check *c, uint64_t index, uint64_t size,
                         const uint8_t leaf[AIEX_HASH], const struct aiex_proof *p);
int aiex_check_consistency(struct aiex_check *c, uint64_t size1, uint64_t size2,
                           const struct aiex_proof *p);
/* A fault that someone else found. */
void aiex_check_fault(struct aiex_check *c, const char *kind, int has_place, uint64_t from,
                      uint64_t to, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Tells what was held back. strict = every missing payload needs an entry of the log that says so.
 */
void aiex_check_finish(struct aiex_check *c, int strict);

uint64_t aiex_check_entries(const struct aiex_check *c);
uint64_t aiex_check_faults(const struct aiex_check *c);
/* The seq that comes next, and the root so far (only with first = 0). */
uint64_t aiex_check_next(const struct aiex_check *c);
/* The largest head that was good: 0 when there was none. */
uint64_t aiex_check_proven(const struct aiex_check *c, uint8_t root[AIEX_HASH]);

/* ---- Exports ---- */

struct aiex_export;

struct aiex_export_setup {
    aiex_fault_fn fault;
    void *arg;
    const char *key;           /* NAME+ID+BASE64; NULL = the one that the export says itself */
    struct aiex_slice witness; /* a note that was kept elsewhere, or empty */
};

struct aiex_export_sum {
    uint64_t entries, faults, size; /* size: of the largest good head */
    uint8_t root[AIEX_HASH];
    char key[AIEX_NOTE_KEY]; /* that the heads were checked with; "" = none */
    int key_is_its_own;      /* nobody but the export vouches for the key */
};

/* 0, -ENOMEM, -EINVAL with a reason (key, witness). */
int aiex_export_new(const struct aiex_export_setup *s, struct aiex_export **ret_export,
                    struct aiex_error *err);
void aiex_export_free(struct aiex_export *x);
/* One line without its newline. 0, -ENOMEM, -E2BIG with a reason. */
int aiex_export_line(struct aiex_export *x, struct aiex_slice line, struct aiex_error *err);
int aiex_export_finish(struct aiex_export *x, struct aiex_export_sum *ret_sum,
                       struct aiex_error *err);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_AUDIT_CHECK_H */
