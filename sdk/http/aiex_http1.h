/*
 * aiex_http1.h - HTTP/1.1 framing for servers and clients (RFC 9110, RFC 9112).
 *
 * A small static library for plugins that speak HTTP themselves; it does no I/O,
 * starts nothing and knows no host. llhttp takes heads apart; what this layer adds
 * is strictness (every reading that two parsers could disagree on is an error, not
 * a guess), limits, body framing and writers that refuse injected line ends.
 *
 * A server, for each connection:
 *
 *     p = aiex_http1_new(AIEX_HTTP1_REQUEST, NULL, &events, connection);
 *     ... bytes arrive ...
 *     r = aiex_http1_feed(p, bytes, n, &used);
 *     if (r == AIEX_HTTP1_MORE)  all n bytes were used, read on
 *     if (r == AIEX_HTTP1_DONE)  one message is complete; bytes + used is the next one.
 *                                Answer, then aiex_http1_next(p) and feed the rest
 *     if (r == AIEX_HTTP1_STOP)  a callback returned non-zero
 *     if (r < 0)                 answer aiex_http1_status(p) ("Connection: close") and close
 *
 * Thread rule: one thread at a time per parser; no globals. Ownership: the parser
 * owns the head and its strings, valid from events.head() until aiex_http1_next(),
 * aiex_http1_free(), or a further feed() after an error; body bytes point into what
 * was fed and die when the callback returns.
 */
#ifndef AIEX_HTTP1_H
#define AIEX_HTTP1_H

#include <aiex/aiex_http.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_HTTP1_REQUEST  1u
#define AIEX_HTTP1_RESPONSE 2u

/* What may come in. Zero = the default in brackets. */
struct aiex_http1_limits {
    uint32_t head_bytes;   /* start line and headers as sent, also trailers [64 KiB] */
    uint32_t n_headers;    /* [100] */
    uint32_t target_bytes; /* request target [8 KiB] */
    uint32_t reserved;
    uint64_t body_bytes; /* de-chunked [32 MiB = AIEX_MAX_BODY]; UINT64_MAX = no limit */
};

#define AIEX_HTTP1_KEEP_ALIVE 1u /* the connection may carry another message after this one */
#define AIEX_HTTP1_CHUNKED    2u /* the body comes in chunks */
#define AIEX_HTTP1_CONTINUE   4u /* request: "Expect: 100-continue" waits for AIEX_HTTP1_100 */
#define AIEX_HTTP1_UPGRADE    8u /* request asked to switch protocols; ignored, go on as HTTP/1.1 */
#define AIEX_HTTP1_HAS_BODY   16u /* body bytes follow (length > 0, chunked, or until the end) */
#define AIEX_HTTP1_UNTIL_EOF  32u /* response: the body ends with the connection */

struct aiex_http1_head {
    /* Requests; "" in responses. */
    const char *method; /* upper case as sent: "POST" */
    const char *target; /* as sent, raw: "/a%20b?x=1", "http://host/a", "*" */
    const char *path;   /* raw, without scheme, host and query; begins with '/' (or is "*") */
    const char *query;  /* raw, behind '?'; "" */
    /* Responses; 0 in requests. */
    int status;
    int minor; /* HTTP/1.minor: 0 or 1 */
    uint32_t flags;
    int64_t content_length;                 /* -1 = not told */
    const struct aiex_http_header *headers; /* in order; names lower case, values trimmed */
    size_t n_headers;
};

/* Callbacks; each may be NULL. Non-zero stops the feed with AIEX_HTTP1_STOP. */
struct aiex_http1_events {
    int (*head)(void *arg, const struct aiex_http1_head *head);
    int (*body)(void *arg, const uint8_t *bytes, size_t n); /* n > 0 */
};

struct aiex_http1; /* a parser */

/* kind: AIEX_HTTP1_REQUEST or _RESPONSE. limits NULL = defaults; copied, as is events.
 * NULL = no memory. About 0.5 KiB until the first head, then as large as the largest head. */
struct aiex_http1 *aiex_http1_new(uint32_t kind, const struct aiex_http1_limits *limits,
                                  const struct aiex_http1_events *events, void *arg);
void aiex_http1_free(struct aiex_http1 *p);

/* Makes ready for the next message on the same (or, for pooled parsers, another) connection. */
void aiex_http1_next(struct aiex_http1 *p);
/* Other callback argument or body limit for the next message; call before feeding it. */
void aiex_http1_bind(struct aiex_http1 *p, void *arg, uint64_t body_bytes);
/* Responses: the request that is answered next was HEAD, so no body follows. Reset by _next(). */
void aiex_http1_expect_head(struct aiex_http1 *p);

#define AIEX_HTTP1_MORE 0 /* everything was used and the message goes on */
#define AIEX_HTTP1_DONE 1 /* the message is complete; *ret_used bytes belonged to it */
#define AIEX_HTTP1_STOP 2 /* a callback asked to stop; the parser is dead until _next() */

/* Takes n bytes. One of the above, or -EPROTO (not valid), -EMSGSIZE (a limit), -ENOMEM; then
 * aiex_http1_status() and _text() say more. 1xx responses but 101 are skipped. */
int aiex_http1_feed(struct aiex_http1 *p, const void *bytes, size_t n, size_t *ret_used);
/* The peer closed. DONE: nothing is missing (a body until the end, or the message was complete).
 * MORE: not one byte of a message had arrived. -EPROTO: cut in the middle. */
int aiex_http1_eof(struct aiex_http1 *p);
/* 1 = no byte of the current message has been fed yet (empty lines before a request not counted).
 */
int aiex_http1_is_idle(const struct aiex_http1 *p);
/* 1 = the head is complete, so _head() may be asked. */
const struct aiex_http1_head *aiex_http1_head(const struct aiex_http1 *p);

/* After an error: the status a server should answer: 400, 413, 414, 417, 431, 501, 505 (500: no
 * memory).
 */
int aiex_http1_status(const struct aiex_http1 *p);
/* After an error: the reason for people. Static text, never bytes of the peer. */
const char *aiex_http1_text(const struct aiex_http1 *p);

/* Value of the first header of that (lower-case) name, or NULL. */
const char *aiex_http1_get(const struct aiex_http1_head *head, const char *name);
/* 1 if a header that is a comma separated list holds the token (ASCII case ignored); all headers of
 * that name are looked at: aiex_http1_has(head, "accept-encoding", "gzip"). Parameters behind ';'
 * are not part of the token; ";q=0" counts as absent. */
int aiex_http1_has(const struct aiex_http1_head *head, const char *name, const char *token);

/* ---- Writing ----
 * Into memory that the caller gives. Like aiex_pack.h: nothing is checked on the way, `failed` once
 * at the end: AIEX_HTTP1_W_FULL (len says what is needed) or AIEX_HTTP1_W_BAD (a name that is no
 * token or a value with CR, LF, NUL or another control byte: never sent). */
struct aiex_http1_writer {
    uint8_t *data;
    size_t len; /* bytes needed so far, also beyond cap */
    size_t cap;
    int failed;
};

#define AIEX_HTTP1_W_FULL 1
#define AIEX_HTTP1_W_BAD  2

/* A Date value, computed once per second; the caller's, zeroed at first. */
struct aiex_http1_date {
    int64_t second;
    char text[80]; /* "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7) */
};

void aiex_http1_writer_init(struct aiex_http1_writer *w, void *mem, size_t cap);
/* "HTTP/1.1 200 OK\r\n"; the reason is the registered one, "" for unknown codes. */
void aiex_http1_w_status(struct aiex_http1_writer *w, int status);
/* "POST /v1/x HTTP/1.1\r\n"; target must be printable ASCII without spaces. */
void aiex_http1_w_request(struct aiex_http1_writer *w, const char *method, const char *target);
void aiex_http1_w_header(struct aiex_http1_writer *w, const char *name, const char *value);
void aiex_http1_w_headern(struct aiex_http1_writer *w, const char *name, const void *value,
                          size_t len);
void aiex_http1_w_number(struct aiex_http1_writer *w, const char *name, uint64_t value);
/* "Date: ..." for the wall clock in ms since 1970, formatted once per second. */
void aiex_http1_w_date(struct aiex_http1_writer *w, struct aiex_http1_date *date, int64_t wall_ms);
/* The empty line. */
void aiex_http1_w_end(struct aiex_http1_writer *w);
/* Bytes behind the head: a short body in the same send. */
void aiex_http1_w_raw(struct aiex_http1_writer *w, const void *bytes, size_t n);

/* One chunk = this head, the n > 0 bytes, then "\r\n". Returns the length of the head. */
#define AIEX_HTTP1_CHUNK_HEAD 18
size_t aiex_http1_chunk_head(char out[AIEX_HTTP1_CHUNK_HEAD], size_t n);
/* Behind the last chunk. */
#define AIEX_HTTP1_CHUNK_END "0\r\n\r\n"
/* The interim answer to AIEX_HTTP1_CONTINUE. */
#define AIEX_HTTP1_100 "HTTP/1.1 100 Continue\r\n\r\n"

/* The registered reason phrase (RFC 9110 15), "" when unknown. */
const char *aiex_http1_reason(int status);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_HTTP1_H */
