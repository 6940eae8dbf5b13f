/*
 * splice.h - small changes of a JSON document as a list of pieces, without building it anew.
 *
 * The document was accepted by aiex_json_scan() and the spans lie in it. Pieces point into the
 * document, into what is put in, or at static text; one behind the other they are the changed
 * document. Pure functions: no memory, no state.
 */
#ifndef INTERFACE_HTTP_SPLICE_H
#define INTERFACE_HTTP_SPLICE_H

#include <aiex_json.h>

#define SPLICE_PIECES 12

struct splice {
    struct aiex_slice pieces[SPLICE_PIECES];
    size_t n;
};

/* The items before those of `input`, and `previous` taken out. `input` is a string, an array, or
 * absent (type 0 or null); `items` a JSON array. 0, or -EINVAL: items is no array. */
int splice_history(struct aiex_slice doc, const struct aiex_json_span *input,
                   const struct aiex_json_span *previous, struct aiex_slice items,
                   struct splice *ret);
/* Members of an array (`items`, without brackets, not empty) before those of `subject`, a string or
 * an array of the document, but behind the system's messages in it. 0, -EINVAL: there is no such
 * subject. */
int splice_before(struct aiex_slice doc, const struct aiex_json_span *subject,
                  struct aiex_slice items, struct splice *ret);
/* `input` as an array of items by itself. */
void splice_input(const struct aiex_json_span *input, struct splice *ret);
/* Another name for the member that has this value. 0, -EINVAL. */
int splice_rename(struct aiex_slice doc, const struct aiex_json_span *value, const char *name,
                  struct splice *ret);

#endif /* INTERFACE_HTTP_SPLICE_H */
