/* audit_calls.h - what the verbs of `aiex audit` share: ranges of entries, and heads. */
#ifndef AIEX_CLI_AUDIT_CALLS_H
#define AIEX_CLI_AUDIT_CALLS_H

#include "command.h"

#include <aiex_note.h>

#define AUDIT "audit"

/* Entries from .. to, both included. */
struct audit_range {
    int64_t from, to; /* to < from: none */
};

/* The head of the running log. */
struct audit_head {
    uint64_t size;
    uint8_t root[AIEX_HASH];
    char note[AIEX_NOTE_MAX + 1], cosigned[AIEX_NOTE_MAX + 1], key[AIEX_NOTE_KEY];
};

/* --from-seq and --to-seq, else those of the period --from .. --to (days), which are looked up;
 * else all. OUTCOME_OK, or said. */
enum outcome audit_range(struct command *c, struct audit_range *ret_range);
/* Writes from and to, of which those that say nothing are left out. For command_pack_fn. */
void audit_pack_range(struct aiex_writer *w, const void *range);
/* OUTCOME_OK, or said. */
enum outcome audit_head(struct command *c, struct audit_head *ret_head);
/* A whole number of an argument: OUTCOME_OK or OUTCOME_USAGE, said. */
enum outcome audit_number(struct command *c, const char *what, const char *text, int64_t *ret);
/* [hex, ...] of a proof in an answer, on standard output. OUTCOME_OK, or said. */
enum outcome audit_put_proof(struct command *c, struct aiex_slice end);
/* One line {"kind":"head","note":...} on standard output. */
void audit_put_head(const char *note);
/* Calls audit.proof with two numbers. */
enum outcome audit_proof(struct command *c, const char *name1, int64_t v1, const char *name2,
                         int64_t v2, struct control_end *ret_end);

#endif
