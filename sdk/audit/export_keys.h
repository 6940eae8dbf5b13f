/*
 * export_keys.h - the keys that signed an exported log one after the other.
 *
 * The meta line lists them with the size from which on each signs. A list is anybody's word: the
 * key that a verifier knows vouches for its successor by a head that it signed itself, of entries
 * among which the log (writer `audit`) names that successor. From there on the former key is good
 * for nothing: whoever has it can not sign larger heads.
 */
#ifndef AUDIT_EXPORT_KEYS_H
#define AUDIT_EXPORT_KEYS_H

#include "aiex_audit_check.h"

#include <aiex_json.h>

struct key_since {
    uint64_t from; /* size of the first head that it signs */
    struct aiex_note_key key;
    int named; /* entry `seq` names it */
    uint64_t seq;
    int vouched; /* a head says so, which the key before signed */
};

struct export_keys {
    struct key_since v[AIEX_AUDIT_KEYS];
    size_t n; /* 0: the export has no list */
};

/* [{from, key}, ...], ascending. 0, or -EINVAL: no such list; it is as if there were none. */
int export_keys_read(struct export_keys *k, const struct aiex_json_span *list);
/* An entry of the writer `audit`. */
void export_keys_entry(struct export_keys *k, uint64_t seq, struct aiex_slice body, int encoding);
/* A head of the export, before any is checked. */
void export_keys_head(struct export_keys *k, struct aiex_slice note);
/* Gives the checker the key that is known, and those it leads to. 0 or as aiex_check_key_until().
 */
int export_keys_trust(struct export_keys *k, const struct aiex_note_key *known,
                      struct aiex_check *check);

#endif
