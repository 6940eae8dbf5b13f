/*
 * aiex_note.h - signed heads: C2SP signed-note with a tlog-checkpoint body and witness
 * cosignatures.
 *
 *     example.org/log          origin
 *     1234                     size
 *     qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=      root
 *                              (perhaps more lines; then an empty one)
 *     — example.org/log x08go/ZJ...      Ed25519 of the text above, key type 01
 *     — witness.example Lf0AAA...        a witness: time and Ed25519, key type 04
 *
 * A key is told as text: "NAME+ID+BASE64(type | 32 bytes)", its private half with "PRIVATE+KEY+" in
 * front and the seed instead of the public key. ID is SHA-256(NAME LF type public)[:4] in hex.
 * Sources: https://c2sp.org/signed-note, /tlog-checkpoint, /tlog-cosignature; RFC 8032.
 *
 * Everything is read from foreign bytes: nothing is assumed of them. Pointers of a parsed note lie
 * inside its text. Threads: any, after aiex_note_begin() (libsodium's start) returned 0 once.
 */
#ifndef AIEX_NOTE_H
#define AIEX_NOTE_H

#include "aiex_merkle.h"

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_NOTE_MAX        16384u /* bytes of a note with its signatures */
#define AIEX_NOTE_SIGNATURES 32u
#define AIEX_NOTE_NAME       128u /* bytes of a name with its 0 */
#define AIEX_NOTE_KEY        320u /* bytes of a key as text with its 0 */

#define AIEX_KEY_ED25519 1
#define AIEX_KEY_WITNESS 4

struct aiex_note_key {
    char name[AIEX_NOTE_NAME];
    uint8_t type; /* AIEX_KEY_* */
    uint8_t id[4];
    uint8_t public_key[32];
};

struct aiex_note_signer {
    struct aiex_note_key key;
    uint8_t secret[64]; /* libsodium's form: seed and public key; wipe it with aiex_note_wipe() */
};

struct aiex_note_signature {
    struct aiex_slice name;
    uint8_t id[4];
    uint8_t bytes[72]; /* type 01: 64; type 04: time (8, big-endian) and 64 */
    size_t len;        /* 0 = of a kind that is not known here: to be ignored */
};

struct aiex_note {
    struct aiex_slice text; /* what is signed, with its last newline */
    uint32_t n;
    struct aiex_note_signature signatures[AIEX_NOTE_SIGNATURES];
};

struct aiex_checkpoint {
    char origin[AIEX_NOTE_NAME];
    uint64_t size;
    uint8_t root[AIEX_HASH];
};

/* 0, or -EIO: libsodium could not start. */
int aiex_note_begin(void);

/* ---- Keys ---- */

/* 1 when text can be the name of a key or log: UTF-8 without blanks, plus signs and controls. */
int aiex_note_name_ok(const char *name);
/* A new signer of this type. 0, -EINVAL (name). */
int aiex_note_generate(struct aiex_note_signer *s, const char *name, uint8_t type);
/* From the 32 bytes of its seed. */
int aiex_note_from_seed(struct aiex_note_signer *s, const char *name, uint8_t type,
                        const uint8_t seed[32]);
/* Text and back; `out` has AIEX_NOTE_KEY bytes. Reading: 0 or -EINVAL with a reason. */
void aiex_note_key_text(const struct aiex_note_key *k, char *out);
void aiex_note_signer_text(const struct aiex_note_signer *s, char *out);
int aiex_note_key_read(struct aiex_note_key *k, const char *text, struct aiex_error *err);
int aiex_note_signer_read(struct aiex_note_signer *s, const char *text, struct aiex_error *err);
void aiex_note_wipe(void *mem, size_t n);

/* ---- Notes ---- */

/* Takes the bytes of one note apart. 0 or -EINVAL with a reason. */
int aiex_note_read(struct aiex_note *n, struct aiex_slice bytes, struct aiex_error *err);
/* The first three lines. 0 or -EINVAL with a reason. */
int aiex_checkpoint_read(struct aiex_checkpoint *c, struct aiex_slice text, struct aiex_error *err);
/* The text of a checkpoint into out; bytes without the 0, or -ENOSPC. */
long aiex_checkpoint_write(const struct aiex_checkpoint *c, char *out, size_t size);

/* 1: this key signed it; for a witness *ret_time (may be NULL) says when, in seconds. 0: no
 * signature of this key. -EBADMSG: there is one, and it is wrong. */
int aiex_note_signed_by(const struct aiex_note *n, const struct aiex_note_key *k,
                        uint64_t *ret_time);
/* One signature line for `text` with its newline into out (at least 320 bytes); time_s is for
 * witnesses. Bytes without the 0. */
long aiex_note_sign(const struct aiex_note_signer *s, struct aiex_slice text, uint64_t time_s,
                    char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_NOTE_H */
