/*
 * export_rig.h - a small audit log made by hand, from the description of the format alone: lines of
 * an export that tests then tamper with. Nothing of the plugin is used.
 */
#ifndef EXPORT_RIG_H
#define EXPORT_RIG_H

#include <aiex_audit_check.h>

#define RIG_ENTRIES  24u /* written by three writers in turn, "a" "b" "c" */
#define RIG_PAYLOAD  4u  /* entries with seq % 4 == 1 have a payload */
#define RIG_REDACTED 9u  /* its payload is gone, with a redaction line */
#define RIG_LINES    128u

struct rig {
    char *lines[RIG_LINES];
    size_t n;
    struct aiex_note_signer log;
    char key[AIEX_NOTE_KEY];
    struct aiex_tree tree;
    char notes[RIG_ENTRIES + 1][1024]; /* a signed head of every size */
};

/* Bodies in AIEX_BODY_JSON or AIEX_BODY_MSGPACK. Lines: meta, entries, heads of 8, 16 and 24, one
 * inclusion proof, one consistency proof. */
void rig_make(struct rig *r, int encoding);
void rig_free(struct rig *r);

/* Line number (from 0) of an entry; of the n-th line of a kind. */
size_t rig_entry(const struct rig *r, unsigned seq);
size_t rig_kind(const struct rig *r, const char *kind, unsigned n);
void rig_remove(struct rig *r, size_t line);
void rig_swap(struct rig *r, size_t a, size_t b);
/* The first `from` in a line becomes `to` (of any length). 1 when it was there. */
int rig_replace(struct rig *r, size_t line, const char *from, const char *to);
/* Changes the body of an entry and its view alike: actor "ann" becomes "eve". JSON only. */
void rig_change_body(struct rig *r, unsigned seq);

/* Faults as lines "where kind", one behind the other, in static memory. Checks with the rig's key
 * unless `key` says another ("" = that of the export), and against `witness` (may be NULL). */
const char *rig_check(struct rig *r, const char *key, const char *witness,
                      struct aiex_export_sum *ret_sum);
const char *rig_faults(struct rig *r);

#endif
