/*
 * tls_peer.h - certificates made at test time by `openssl req`, and a peer that answers over TLS
 * from a child process with blocking calls.
 */
#ifndef AIEX_TEST_TLS_PEER_H
#define AIEX_TEST_TLS_PEER_H

#include "test.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct tls_peer {
    const char *cert, *key; /* files */
    int n;                  /* requests on one connection */
    const char *answer;
    int newest; /* TLS version, 0 = any */
};

/* A certificate for localhost with the key of a file (-key), or a new one (-newkey ... -keyout). */
static inline void tls_make(const char *key_option, const char *key, const char *out)
{
    char command[512];

    snprintf(command, sizeof(command),
             "openssl req -x509 %s %s -nodes -days 2 -subj /CN=localhost "
             "-addext subjectAltName=DNS:localhost -out %s 2>/dev/null",
             key_option, key, out);
    CU_ASSERT_EQUAL_FATAL(system(command), 0);
}

/* The same certificate, over since yesterday. */
static inline void tls_expire(const char *cert, const char *key, const char *out)
{
    FILE *c = fopen(cert, "r"), *k = fopen(key, "r"), *o = fopen(out, "w");
    X509 *x = c ? PEM_read_X509(c, NULL, NULL, NULL) : NULL;
    EVP_PKEY *pkey = k ? PEM_read_PrivateKey(k, NULL, NULL, NULL) : NULL;

    CU_ASSERT_FATAL(x && pkey && o);
    X509_gmtime_adj(X509_getm_notBefore(x), -10 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), -86400);
    CU_ASSERT(X509_sign(x, pkey, EVP_sha256()) > 0);
    CU_ASSERT_EQUAL(PEM_write_X509(o, x), 1);
    X509_free(x);
    EVP_PKEY_free(pkey);
    fclose(c);
    fclose(k);
    fclose(o);
}

/* Answers `n` requests on one connection, then closes it; exits. */
static inline void tls_serve(int listener, const struct tls_peer *peer)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    struct pollfd p = {listener, POLLIN, 0};
    char in[65536];
    SSL *ssl;

    SSL_CTX_use_certificate_file(ctx, peer->cert, SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(ctx, peer->key, SSL_FILETYPE_PEM);
    if (peer->newest) {
        SSL_CTX_set_security_level(ctx, 0);
        SSL_CTX_set_max_proto_version(ctx, peer->newest);
    }
    poll(&p, 1, -1); /* the listener itself does not block, and is the parent's too */
    ssl = SSL_new(ctx);
    SSL_set_fd(ssl, accept(listener, NULL, NULL));
    if (SSL_accept(ssl) == 1) {
        for (int n = peer->n, got = 0; n > 0; n--) {
            for (got = 0; got < (int)sizeof(in) - 1 && !memmem(in, (size_t)got, "\r\n\r\nx", 5);) {
                int k = SSL_read(ssl, in + got, (int)sizeof(in) - 1 - got);

                if (k <= 0)
                    _exit(1);
                got += k;
            }
            SSL_write(ssl, peer->answer, (int)strlen(peer->answer));
        }
        SSL_shutdown(ssl);
    }
    _exit(0);
}

#endif
