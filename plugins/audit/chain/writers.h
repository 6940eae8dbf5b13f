/*
 * writers.h - the chain of each writer, and the file `state` that spares a start the reading of
 * all.
 *
 * A batch changes chains before it is on the disk: writers_keep() makes that good, writers_drop()
 * takes it back.
 */
#ifndef WRITERS_H
#define WRITERS_H

#include <aiex_merkle.h>

#define MAX_WRITERS    4096u
#define WRITER_NAME    64u /* bytes with the 0 */
#define MAX_REDACTIONS (1u << 20)

struct writer {
    char name[WRITER_NAME];
    uint64_t next, next_kept; /* wseq to come */
    uint8_t chain[AIEX_HASH], chain_kept[AIEX_HASH];
    int touched;
};

struct writers {
    struct writer *v; /* MAX_WRITERS of them, made at once: pointers stay */
    size_t n;
    uint16_t *slots; /* number + 1 */
    uint16_t *touched;
    size_t n_touched;
};

int writers_init(struct writers *w);
void writers_done(struct writers *w);
/* Finds or makes; NULL = MAX_WRITERS are there. */
struct writer *writers_get(struct writers *w, const char *name);
/* The chain goes on by this leaf. */
void writers_step(struct writers *w, struct writer *one, const uint8_t leaf[AIEX_HASH]);
void writers_keep(struct writers *w);
void writers_drop(struct writers *w);

/* ---- Redactions: which entry's payload was taken away, by which entry ---- */

struct redaction {
    uint64_t seq, by;
};

struct redactions {
    struct redaction *v; /* sorted by seq */
    size_t n, room;
};

/* 0, -ENOMEM, -E2BIG. Twice the same is nothing. */
int redactions_add(struct redactions *l, uint64_t seq, uint64_t by);
/* NULL = not redacted. */
const struct redaction *redactions_find(const struct redactions *l, uint64_t seq);

/* ---- The file ---- */

struct saved {
    uint64_t size;    /* entries that writers and redactions speak of */
    uint64_t segment; /* seq of the first entry of the segment that goes on */
    uint64_t offset;  /* where it goes on */
};

/* 0 or negative errno. */
int state_write(const char *path, const struct saved *s, const struct writers *w,
                const struct redactions *l);
/* 0, or negative: there is none that is whole, and nothing was changed. */
int state_read(const char *path, struct saved *s, struct writers *w, struct redactions *l);

#endif
