/*
 * names.h - small integers for "service, method" pairs, per direction of a channel.
 *
 * The sender numbers a pair when it first uses it and tells the other side with a
 * NAME record; from then on records carry the number. Tables are bounded: a peer that
 * defines more than NAMES_MAX breaks the protocol.
 */
#ifndef AIEX_CHANNEL_NAMES_H
#define AIEX_CHANNEL_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_MAX 1024u

/* The hashes are made once, when the pair is defined. */
struct name {
    const char *service;
    const char *method;
    uint32_t hash;         /* of the pair as it travels */
    uint32_t service_hash; /* of the service alone */
    uint16_t service_len, method_len;
};

/* A pair as it travels: service, 0, method. Bounded by two AIEX_MAX_NAME. */
#define NAME_TEXT_MAX 128u

/* Sender: text -> number. */
struct names_out;
struct names_out *names_out_new(void);
void names_out_free(struct names_out *n);
/* The number of a pair; *ret_new = 1 when it was not defined before (send a NAME record with
 * text[len], which are set then only). >= 0, -EINVAL (a name too long or empty), -ENOSPC, -ENOMEM.
 */
int names_out_get(struct names_out *n, const char *service, const char *method, int *ret_new,
                  char text[NAME_TEXT_MAX], size_t *ret_len);
/* What struct name has as hash. */
uint32_t names_hash(const char *service, const char *method);
/* The number of a pair that is defined already, by the hash it has in struct name; -ENOENT. */
int names_out_find(const struct names_out *n, uint32_t hash, const char *service,
                   const char *method);
/* Takes the newest pair back: its NAME record could not be sent. */
void names_out_undo(struct names_out *n);

/* Text of a number (with its 0 inside), NULL past the last; for saving. */
const char *names_out_text(const struct names_out *n, unsigned number, size_t *ret_len);

/* Receiver: number -> names. */
struct names_in;
struct names_in *names_in_new(void);
void names_in_free(struct names_in *n);
/* 0, -EINVAL (number or text out of bounds, defined twice), -ENOMEM. */
int names_in_define(struct names_in *n, unsigned number, const void *text, size_t len);
/* The same for the receiver's table; numbers may have gaps (NULL), NAMES_MAX ends it. */
const char *names_in_text(const struct names_in *n, unsigned number, size_t *ret_len);
/* NULL when not defined. */
const struct name *names_in_get(const struct names_in *n, unsigned number);

#endif
