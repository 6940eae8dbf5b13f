/*
 * heads.h - signed heads: made, kept in the file `heads`, and those that witnesses signed as well.
 *
 *     note 312\n          bytes of the note
 *     ...                 the note itself (C2SP signed-note), then an empty line
 *
 * A head is stored after the entries that it speaks of are on the disk, so it never says more than
 * there is; when it does, the end of the log was cut off.
 */
#ifndef HEADS_H
#define HEADS_H

#include <aiex_note.h>

struct heads {
    int fd;
    uint64_t end;  /* bytes of whole notes */
    uint64_t size; /* entries of the last head of the file; 0 = none */
    uint8_t root[AIEX_HASH];
    uint64_t damaged; /* bytes at the end that are no note; cut off at opening when nothing is after
                         them */
    char *cosigned;   /* the newest note that a witness signed, or NULL */
};

/* 0 or negative errno with a reason. */
int heads_open(struct heads *h, const char *path, struct aiex_error *err);
void heads_close(struct heads *h);
/* Appends and syncs; what could not be written is taken back. 0 or negative errno. */
int heads_store(struct heads *h, struct aiex_slice note);
/* A note with the signer's signature into out (AIEX_NOTE_MAX). Its length. */
long heads_sign(const struct aiex_note_signer *s, uint64_t size, const uint8_t root[AIEX_HASH],
                char *out);

/* ---- Reading ---- */

struct heads_reader {
    int fd; /* not its own */
    uint64_t at, end;
    char mem[AIEX_NOTE_MAX + 64];
};

/* 1 and the next note, 0 at the end, -EBADMSG (no note stands there), negative errno. */
int heads_next(struct heads_reader *r, struct aiex_slice *ret_note);

#endif
