/*
 * content.h - hashes of what a client sent and got, for the audit log (option `content_hash`).
 *
 * Hashed are the bytes of the request's body and of the answer's, as they are after transfer and
 * content coding were undone (no chunk heads, no gzip): what a client's HTTP library hands out, and
 * of a stream the bytes of all its events. sha256 is SHA-256 of them; salted is HMAC-SHA256 with 32
 * random bytes, made for this request, as the key.
 *
 * The request's hash goes to the gateway with the request, the answer's behind it as a cast; the
 * gateway puts both into the usage record. Of an answer that ends early, by whomever, what was
 * handed to the connection until then is hashed; how many bytes that were is told, too. When the
 * option is off, one pointer is looked at.
 */
#ifndef INTERFACE_HTTP_CONTENT_H
#define INTERFACE_HTTP_CONTENT_H

#include "server.h"

#define CONTENT_OFF    0 /* in the order of the option's choices */
#define CONTENT_SHA256 1
#define CONTENT_SALTED 2

/* The request is complete and still as the client sent it. 0, or -ENOMEM: it must not go on. */
int content_begin(struct conn *c);
/* The request goes to the gateway: what is known of it, as one more field. How many pairs. */
uint32_t content_fields(const struct conn *c, struct aiex_writer *w);
/* Bytes of the answer's body that the connection has taken. */
void content_answer(struct conn *c, const void *bytes, size_t n);
/* There will be no more of them: tells the gateway. May be called again. */
void content_end(struct conn *c);

#endif
