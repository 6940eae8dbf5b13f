/*
 * aiex_http.h - extension "aiex.http/1": outgoing HTTP/1.1 requests.
 *
 * The process that runs the plugin owns libcurl, connections, TLS and the
 * keep-alive pool; the plugin hands over a request and is called back as the
 * answer arrives. Redirects are never followed, 1xx answers are skipped, bodies
 * are handed on de-chunked and, when `AIEX_HTTP_DECODE` is set, decompressed
 * within `max_body_bytes`. Names are resolved outside the cell.
 *
 * Thread rule: [loop] only. Ownership: everything in the request is copied before
 * request() returns; pointers in callbacks die when the callback returns.
 */
#ifndef AIEX_HTTP_H
#define AIEX_HTTP_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_HTTP_ID "aiex.http/1"

struct aiex_http_header {
    const char *name;
    const char *value;
};

/* How a request ended. */
#define AIEX_HTTP_OK 0u            /* the answer is complete */
#define AIEX_HTTP_CONNECT 1u       /* no connection: refused, unreachable, name not found */
#define AIEX_HTTP_TLS 2u           /* handshake or certificate */
#define AIEX_HTTP_TIMEOUT 3u       /* one of the limits below; text says which */
#define AIEX_HTTP_CUT 4u           /* the peer closed or reset before the answer was complete */
#define AIEX_HTTP_MALFORMED 5u     /* not HTTP, or limits on head or body were exceeded */
#define AIEX_HTTP_CANCELLED 6u     /* head() or body() gave up */

struct aiex_http_handler {
    uint32_t struct_size;
    uint32_t reserved;
    /* The head; header names are lower case. Non-zero = give up (end is still called). */
    int (*head)(void *arg, int status, const struct aiex_http_header *headers, size_t n_headers);
    /* Bytes of the body. Non-zero = give up. */
    int (*body)(void *arg, struct aiex_slice bytes);
    /* Exactly once; after it the request id is dead. `sent` = any byte of the request may have
     * reached the peer (then a repeat is not free of effect). */
    void (*end)(void *arg, uint32_t result, int sent, const char *text);
};

#define AIEX_HTTP_DECODE 1u     /* accept and undo gzip, undo deflate; their headers are then not
                                   shown. The decoded bytes count against max_body_bytes, and above
                                   1 MiB may be 200 times the bytes that came */
#define AIEX_HTTP_NO_VERIFY 2u  /* do not check the certificate; only by explicit configuration */
#define AIEX_HTTP_BORROW 4u     /* since 1.2: the body stays where it is, unchanged, until head() or end() is
                                   called or cancel() returns: a large one needs no copy. Without it,
                                   and on an older host, request() has copied it when it returns */

struct aiex_http_request {
    uint32_t struct_size;
    uint32_t flags;             /* AIEX_HTTP_DECODE ... */
    const char *method;         /* "POST" */
    const char *url;            /* http:// or https:// absolute */
    const struct aiex_http_header *headers;
    size_t n_headers;           /* Host and Content-Length are added; given ones of Host,
                                   Content-Length, Connection, Transfer-Encoding, TE, Upgrade, Expect
                                   and Trailer are refused (-EINVAL) */
    struct aiex_slice body;
    uint32_t connect_ms;        /* limits, 0 = the defaults 10 s, 60 s, 60 s, none */
    uint32_t first_byte_ms;     /* from request sent to the head; interim answers put it off no more
                                   than a head that drips in */
    uint32_t idle_ms;           /* between bytes, counted only while not paused */
    uint32_t total_ms;
    uint64_t max_body_bytes;    /* 0 = AIEX_MAX_BODY for unary; streams count as one body */
    /* Since 1.1: the certificates to believe instead of the system's, PEM, 0-terminated, at most
       256 KiB; NULL = the system's. An older host checks against the system's. In a configuration:
       an option of type STRING with `file:PATH`. */
    const char *ca_pem;
};

struct aiex_http {
    uint32_t struct_size;
    uint32_t reserved;
    /* Starts a request; end() will be called, never before this returns.
     * 0 and *ret_id set, or -EINVAL with a reason, -ENOMEM. */
    int (*request)(const struct aiex_host *, const struct aiex_http_request *,
                   const struct aiex_http_handler *, void *arg, uint64_t *ret_id,
                   struct aiex_error *err);
    /* Stops (1) or resumes (0) reading the body: back-pressure. 0, -ENOENT. */
    int (*pause)(const struct aiex_host *, uint64_t id, int on);
    /* Drops the request and its connection; end() is NOT called. 0, -ENOENT. */
    int (*cancel)(const struct aiex_host *, uint64_t id);
};

#ifdef __cplusplus
}
#endif

#endif /* AIEX_HTTP_H */
