/* http_rig_tls.h - the client's side of TLS, and certificates made on the spot. */
#ifndef INTERFACE_HTTP_RIG_TLS_H
#define INTERFACE_HTTP_RIG_TLS_H

#include "http_rig.h"

#include <sys/types.h>

/* A key and a certificate that signs itself, or is signed by `by`. PEM texts. */
struct rig_pair {
    char cert[4096], key[4096];
};
void rig_pair_make(struct rig_pair *p, const char *name, const struct rig_pair *by);

/* What the client does otherwise than usual; zero it. */
struct rig_tls {
    int max_version;             /* 0 or TLS1_2_VERSION, ... */
    const char *alpn;            /* in wire form: "\x02h2"; NULL = none */
    const struct rig_pair *pair; /* the client's certificate */
};
/* Begins TLS on an open client. 1 when the handshake came to an end that is good. */
int rig_tls_begin(struct client *c, const struct rig_tls *how);
/* Common name of the server's certificate. */
void rig_tls_server_name(struct client *c, char *out, size_t size);
/* The protocol chosen by ALPN, "" = none. */
void rig_tls_protocol(struct client *c, char *out, size_t size);
/* 1 when the server has said by close_notify that no more will come. */
int rig_tls_closed(struct client *c);

ssize_t rig_tls_send(struct client *c, const void *bytes, size_t n);
ssize_t rig_tls_receive(struct client *c, void *mem, size_t n);
void rig_tls_free(struct client *c);

#endif /* INTERFACE_HTTP_RIG_TLS_H */
