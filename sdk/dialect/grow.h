/*
 * grow.h - JSON written into memory that grows: the vendor's request.
 *
 * Values are put one after the other; commas come by themselves. After the maximum is reached or
 * memory is short everything is ignored and `error` says so, so that one look at the end is enough.
 *
 *     grow_open(g, '{');
 *     grow_key(g, "model");
 *     grow_text(g, model);            a raw string: escapes stay as they are
 *     grow_close(g, '}');
 */
#ifndef DIALECT_GROW_H
#define DIALECT_GROW_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* JSON as it stands in a document. A text is the inside of a string: escaped, without quotes. */
struct raw {
    const char *at;
    size_t len;
};

#define RAW(literal) ((struct raw){"" literal, sizeof(literal) - 1})

struct grow {
    char *data; /* malloc; the owner frees */
    size_t len, cap, max;
    int error; /* 0, -ENOMEM, -EMSGSIZE */
};

/* 0 or -ENOMEM. One that may stay empty can be zeroed but for `max` instead. */
int grow_init(struct grow *g, size_t first, size_t max);
/* Makes room for `more` bytes. 1, or 0 with g->error set. */
int grow_room(struct grow *g, size_t more);

/* Bytes as they are, no comma. */
static inline void grow_put(struct grow *g, const char *bytes, size_t len)
{
    if (len > g->cap - g->len && !grow_room(g, len))
        return;
    if (len)
        memcpy(g->data + g->len, bytes, len);
    g->len += len;
}

static inline void grow_lit(struct grow *g, const char *literal)
{
    grow_put(g, literal, strlen(literal));
}

void grow_open(struct grow *g, char bracket);
void grow_close(struct grow *g, char bracket);
void grow_key(struct grow *g, const char *key);
/* A value that is JSON already. */
void grow_raw(struct grow *g, struct raw json);
/* A raw text, in quotes. */
void grow_text(struct grow *g, struct raw text);
/* A plain literal that needs no escapes, in quotes. */
void grow_str(struct grow *g, const char *plain);
void grow_int(struct grow *g, int64_t v);
void grow_bool(struct grow *g, int on);
/* Begins and ends a string that is put together with grow_put() and grow_escape(). */
void grow_quote(struct grow *g);
void grow_unquote(struct grow *g);
/* Bytes of well-formed UTF-8, escaped for the inside of a string. */
void grow_escape(struct grow *g, const char *bytes, size_t len);
/* The comma, where one is due: before a value that is put by hand. */
void grow_comma(struct grow *g);

#endif
