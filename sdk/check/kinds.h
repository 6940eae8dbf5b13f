/*
 * kinds.h - the machine-readable part of sdk/kinds: which methods a kind must answer, with a
 * minimal valid request and what the answer must hold.
 */
#ifndef AIEX_CHECK_KINDS_H
#define AIEX_CHECK_KINDS_H

#include <aiex/aiex_message.h>

#define KIND_PARTS_SSE    1u /* each part: whole server-sent events; `last` is in the last one */
#define KIND_PARTS_JSON   2u /* the parts together are one JSON document */
#define KIND_PARTS_ARRAYS 4u /* each part is one msgpack array */
#define KIND_PARTS_LINES  8u /* each part: whole lines of JSON; `last` is in the last one */

struct kind_method {
    const char *method;
    const char *request; /* JSON of the minimal request, read with the table below */
    const struct aiex_message_table *request_table; /* NULL = no fields */
    const struct aiex_message_table *end_table;     /* of a success */
    uint32_t parts;                                 /* KIND_PARTS_* */
    const char *last; /* how the dialect says that a stream is whole */
    const char
        *codes; /* errors that are an answer here, too, with blanks around: " busy upstream " */
};

struct kind {
    const char *name;  /* "provider/1" */
    const char *group; /* the name that every instance joins; "*" = some name; NULL = none */
    const struct kind_method *methods; /* ends with method NULL; the first is the main one */
};

/* NULL when this SDK does not know it (also for another major). */
const struct kind *kind_find(const char *name);

/* The request of a method as a body; valid until the next call. */
struct aiex_slice kind_request(const struct kind_method *m);

#endif
