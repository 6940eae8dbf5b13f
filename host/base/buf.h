/*
 * buf.h - a growing byte buffer that is created with its maximum, so that no input
 * can make it grow without bound. The data is always followed by a 0 byte.
 * Ownership: buf_done() frees; buf_take() hands the memory to the caller (free()).
 */
#ifndef AIEX_BASE_BUF_H
#define AIEX_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes; an append beyond it is refused whole */
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);
/* Room for n more bytes at data + len, or NULL (-> -EMSGSIZE or -ENOMEM). */
uint8_t *buf_room(struct buf *b, size_t n);
/* 0, -EMSGSIZE (would exceed max), -ENOMEM. */
int buf_add(struct buf *b, const void *bytes, size_t n);
int buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
int buf_vaddf(struct buf *b, const char *format, va_list ap);
/* Drops n bytes from the front. */
void buf_eat(struct buf *b, size_t n);
/* The memory, 0-terminated, the caller's to free; NULL when nothing was added. */
char *buf_take(struct buf *b);

#endif
