/*
 * tls.h - TLS 1.2 and 1.3 on listening sockets, by OpenSSL 3.
 *
 * Handshake, reading and writing happen on the loop thread without blocking; time limits
 * are those of deadline.c. Certificate and key come as PEM texts from the configuration
 * (`file:` reads them outside the sandbox), so a reload brings new ones: connections that
 * stand keep theirs. A connection takes about 14 KiB more than a plain one while it is idle and
 * 30 KiB while it is busy; sessions are kept by the clients (tickets), none here.
 */
#ifndef INTERFACE_HTTP_TLS_H
#define INTERFACE_HTTP_TLS_H

#include "server.h"

struct tls_context;

/* Reads the PEM texts of the configuration. 0, or -EINVAL with a sentence, -ENOMEM. */
int tls_context_new(const struct config *config, struct tls_context **ret, struct aiex_error *err);
void tls_context_free(struct tls_context *t); /* NULL is fine */
/* When the certificate ends, in seconds since 1970; 0 = not known. */
int64_t tls_expires(const struct tls_context *t);

/* Frees what the server has of TLS; no connection is left. */
void tls_done(struct server *s);

/* Sets c->tls for a connection that was just accepted. 0, -ENOMEM. */
int tls_attach(struct conn *c);
void tls_detach(struct conn *c);

#define TLS_DONE   0
#define TLS_MORE   1 /* wait for what conn_watch() was told */
#define TLS_PLAIN  2 /* the client speaks without TLS */
#define TLS_FAILED 3
int tls_handshake(struct conn *c);

/* As io_receive() and io_send(). */
ssize_t tls_receive(struct conn *c, void *mem, size_t n);
ssize_t tls_send(struct conn *c, const void *bytes, size_t n);
/* Tells the client that no more will come. */
void tls_end(struct conn *c);
/* The common name of a client certificate that was checked. 1, or 0: none. */
int tls_client_name(const struct conn *c, char *out, size_t size);

#endif /* INTERFACE_HTTP_TLS_H */
