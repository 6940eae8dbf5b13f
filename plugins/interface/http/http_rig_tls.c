#include "http_rig_tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#define PATIENCE 250

/* ---- Certificates ---- */

static void to_text(BIO *b, char *out, size_t size)
{
    int n = BIO_read(b, out, (int)size - 1);

    CU_ASSERT_TRUE_FATAL(n > 0);
    out[n] = 0;
    BIO_free(b);
}

static EVP_PKEY *read_key(const struct rig_pair *p)
{
    BIO *b = BIO_new_mem_buf(p->key, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);

    BIO_free(b);
    return key;
}

static X509 *read_cert(const struct rig_pair *p)
{
    BIO *b = BIO_new_mem_buf(p->cert, -1);
    X509 *cert = PEM_read_bio_X509(b, NULL, NULL, NULL);

    BIO_free(b);
    return cert;
}

static void mark_as_root(X509 *cert)
{
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints,
                                              "critical,CA:TRUE");

    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

void rig_pair_make(struct rig_pair *p, const char *name, const struct rig_pair *by)
{
    EVP_PKEY *key = EVP_EC_gen("P-256"), *signer = by ? read_key(by) : key;
    X509 *cert = X509_new(), *issuer = by ? read_cert(by) : cert;
    BIO *b;

    CU_ASSERT_TRUE_FATAL(key && signer && cert && issuer);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), by ? 2 : 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    if (!by)
        mark_as_root(cert);
    CU_ASSERT_TRUE(X509_sign(cert, signer, EVP_sha256()) > 0);
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(b, cert);
    to_text(b, p->cert, sizeof(p->cert));
    b = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL);
    to_text(b, p->key, sizeof(p->key));
    if (by) {
        EVP_PKEY_free(signer);
        X509_free(issuer);
    }
    EVP_PKEY_free(key);
    X509_free(cert);
}

/* ---- Clients ---- */

static void use_pair(SSL_CTX *ctx, const struct rig_pair *p)
{
    EVP_PKEY *key = read_key(p);
    X509 *cert = read_cert(p);

    CU_ASSERT_EQUAL(SSL_CTX_use_certificate(ctx, cert), 1);
    CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey(ctx, key), 1);
    EVP_PKEY_free(key);
    X509_free(cert);
}

int rig_tls_begin(struct client *c, const struct rig_tls *how)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    if (how->max_version)
        SSL_CTX_set_max_proto_version(ctx, how->max_version);
    if (how->alpn)
        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)how->alpn, (unsigned)strlen(how->alpn));
    if (how->pair)
        use_pair(ctx, how->pair);
    c->tls = ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own socket BIO of this side */
    SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_fd(ssl, c->fd);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    SSL_set_connect_state(ssl);
    for (int i = 0; i < PATIENCE; i++) {
        int r = SSL_do_handshake(ssl), why = SSL_get_error(ssl, r);

        ERR_clear_error();
        if (r == 1)
            return 1;
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return 0;
        aiex_fake_poll(c->rig->host, i ? 20 : 0);
    }
    return 0;
}

void rig_tls_server_name(struct client *c, char *out, size_t size)
{
    X509 *cert = SSL_get1_peer_certificate(c->tls);

    out[0] = 0;
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, out, (int)size);
    X509_free(cert);
}

void rig_tls_protocol(struct client *c, char *out, size_t size)
{
    const unsigned char *name;
    unsigned n;

    SSL_get0_alpn_selected(c->tls, &name, &n);
    CU_ASSERT_TRUE_FATAL(n < size);
    if (n)
        memcpy(out, name, n);
    out[n] = 0;
}

int rig_tls_closed(struct client *c)
{
    return (SSL_get_shutdown(c->tls) & SSL_RECEIVED_SHUTDOWN) != 0;
}

ssize_t rig_tls_send(struct client *c, const void *bytes, size_t n)
{
    int r = SSL_write(c->tls, bytes, (int)n);
    int why = SSL_get_error(c->tls, r);

    ERR_clear_error();
    if (r > 0)
        return r;
    errno = why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? EAGAIN : EPIPE;
    return -1;
}

ssize_t rig_tls_receive(struct client *c, void *mem, size_t n)
{
    int r = SSL_read(c->tls, mem, (int)n);
    int why = SSL_get_error(c->tls, r);

    ERR_clear_error();
    if (r > 0)
        return r;
    errno = why == SSL_ERROR_WANT_READ ? EAGAIN : ECONNRESET;
    return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

void rig_tls_free(struct client *c)
{
    SSL_free(c->tls);
    c->tls = NULL;
}
