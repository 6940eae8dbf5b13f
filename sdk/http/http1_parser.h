/*
 * http1_parser.h - the parser's insides, shared by the files of this library only.
 *
 *   http1.c        life, feed(), what the phases hand to each other
 *   http1_head.c   bytes of a head -> method, target, fields (line discipline, llhttp, arena)
 *   http1_rules.c  fields -> framing, keep-alive, what is refused (RFC 9112 6, RFC 9110)
 *   http1_body.c   bytes of a body -> events.body (length, chunks, until the end)
 *   http1_write.c  the other direction
 */
#ifndef AIEX_HTTP1_PARSER_H
#define AIEX_HTTP1_PARSER_H

#include "aiex_http1.h"

#include <errno.h>
#include <llhttp.h>
#include <stdlib.h>
#include <string.h>

enum http1_phase {
    PHASE_HEAD,
    PHASE_LENGTH, /* body of a told length */
    PHASE_CHUNKS,
    PHASE_UNTIL_EOF,
    PHASE_DONE,
    PHASE_DEAD, /* an error or a stop; only next() helps */
};

/* Where a chunked body stands (RFC 9112 7.1). */
enum http1_chunk {
    CHUNK_SIZE, /* at least one digit is needed */
    CHUNK_EXT,  /* behind ';', up to CR; skipped */
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER, /* at the start of a trailer line, or of the closing empty line */
    CHUNK_TRAILER_LINE,
    CHUNK_TRAILER_LF,
    CHUNK_LAST_LF,
};

/* Offsets into the arena, for it moves while it grows. */
struct http1_field {
    uint32_t name, value;
};

struct aiex_http1 {
    llhttp_t ll;
    enum http1_phase phase;
    uint32_t kind;
    int head_request; /* a response to HEAD is expected */
    struct aiex_http1_limits limits;
    struct aiex_http1_events events;
    void *arg;

    /* Head, as it comes in. */
    size_t head_seen; /* bytes, with interim answers and leading empty lines */
    size_t line_seen; /* bytes of the present line */
    int in_start_line;
    int cr;         /* the last byte was CR */
    char first[24]; /* of the start line */
    size_t n_first;
    char *arena;
    size_t used, cap;
    struct http1_field *fields;
    struct aiex_http_header *headers;
    size_t n_fields, cap_fields;
    size_t target_at, n_target, path_at, query_at;
    struct aiex_http1_head head;
    int has_head;

    /* Body. */
    uint64_t left; /* bytes of the body or the chunk still to come */
    uint64_t body_seen;
    enum http1_chunk chunk;
    unsigned n_digits;
    size_t trailer_seen;

    int status; /* of the error */
    const char *text;
};

/* Notes the error; returns `code` so that it can be returned at once. */
int http1_refuse(struct aiex_http1 *p, int code, int status, const char *text);

/* Each takes bytes and sets *took. 0 = all taken, go on; 1 = the phase changed; else as feed(). */
int http1_head_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took);
int http1_body_feed(struct aiex_http1 *p, const char *bytes, size_t n, size_t *took);

/* Forgets the fields; the arena is kept. */
void http1_head_reset(struct aiex_http1 *p);
void http1_head_done(struct aiex_http1 *p);
/* Judges a complete head: fills head.flags and content_length. 0 or as http1_refuse(). */
int http1_rules(struct aiex_http1 *p);

#endif
