/*
 * keys.h - the key that signs heads, and those that did before it.
 *
 *     signing.key        PRIVATE+KEY+..., when the option `key` names no secret
 *     signing.key.next   the next one while it takes over: its line, and the entry that names it
 *     keys               "FROM KEY" of each, in their order: the size of its first head
 *
 * A key takes over in this order, each step on the disk before the next: signing.key.next; the
 * entry `audit.key_rotated`, whose subject is the public key; a head of that size with the
 * signatures of both; a line in `keys`; signing.key. A crash in between is taken up at the next
 * opening: what the entry has said comes to its end, what it has not is forgotten. From then on the
 * former key exists no more, so nobody can sign with it.
 */
#ifndef KEYS_H
#define KEYS_H

#include <aiex_audit_check.h>

struct log;
struct entry;

struct log_key {
    uint64_t from; /* size of its first head */
    struct aiex_note_key key;
};

/* Where the signing key comes from; to be wiped after keys_open(). */
struct key_source {
    char origin[AIEX_NOTE_NAME]; /* name of the log */
    int is_named;                /* the option said it, so it must be that of the key */
    char secret[AIEX_NOTE_KEY], old_key[AIEX_NOTE_KEY]; /* "" = not configured */
};

/* Reads or makes the signing key. 0 or negative errno with a reason. Again once the folder is held:
 * who held it before may have given it another. */
int keys_load(struct log *l, const struct key_source *s, struct aiex_error *err);
/* After all entries were read: compares the key with those of the file `keys`, ends what a crash
 * cut off, lets a secret take over that is new. What does not fit is a fault of the log. 0 or
 * negative errno with a reason. */
int keys_open(struct log *l, const struct key_source *s, struct aiex_error *err);
void keys_close(struct log *l);
/* A new key takes over; `e` has actor and reason. 0: e->seq and e->subject say which (subject lives
 * until the next call). -EPERM: the key is a secret; -E2BIG: too many; else as log_add() and
 * log_commit(). */
int keys_rotate(struct log *l, struct entry *e, struct aiex_error *err);

/* ---- readers ---- */

void keys_current(struct log *l, struct aiex_note_key *out);
/* All, oldest first; out has AIEX_AUDIT_KEYS. How many. */
size_t keys_all(struct log *l, struct log_key *out);
/* 1: a key signed the note that was good for heads of `size` entries. */
int keys_signed(struct log *l, const struct aiex_note *note, uint64_t size);
/* The note of an earlier head, with the signature of the key of now behind it, into out
 * (AIEX_NOTE_MAX): one key is enough to verify an export. Its length; the note as it is when it is
 * not a good head of this log. */
size_t keys_resign(struct log *l, struct aiex_slice note, char *out);

#endif
