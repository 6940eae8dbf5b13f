/*
 * tls_context.c - from PEM texts to what new connections are made of.
 */
#include "tls.h"
#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* The reason of OpenSSL's last error goes behind the text. */
__attribute__((format(printf, 2, 3))) static int fail(struct aiex_error *err, const char *format,
                                                      ...)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    if (reason && n > 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", reason);
    ERR_clear_error();
    return -EINVAL;
}

static BIO *open_text(const char *pem)
{
    return BIO_new_mem_buf(pem, -1);
}

/* Nobody is here to be asked. */
static int no_password(char *out, int size, int writing, void *arg)
{
    return -1;
}

/* The first certificate is the server's, the others lead from it to a root. */
static int use_certificates(SSL_CTX *ctx, const char *pem, struct aiex_error *err)
{
    BIO *text = open_text(pem);
    X509 *own = text ? PEM_read_bio_X509_AUX(text, NULL, no_password, NULL) : NULL, *next;
    int r = 0;

    if (!own)
        r = fail(err, "option tls_cert is no certificate in PEM form; set it to file:/path");
    else if (SSL_CTX_use_certificate(ctx, own) != 1)
        r = fail(err, "the certificate of tls_cert can not be used");
    while (r == 0 && (next = PEM_read_bio_X509(text, NULL, no_password, NULL))) {
        if (SSL_CTX_add1_chain_cert(ctx, next) != 1)
            r = fail(err, "a further certificate of tls_cert can not be used");
        X509_free(next);
    }
    ERR_clear_error(); /* the end of the text is an error to OpenSSL */
    X509_free(own);
    BIO_free(text);
    return r;
}

static int use_key(SSL_CTX *ctx, const char *pem, struct aiex_error *err)
{
    BIO *text = open_text(pem);
    EVP_PKEY *key = text ? PEM_read_bio_PrivateKey(text, NULL, no_password, NULL) : NULL;
    int r = 0;

    if (!key)
        r = fail(err, "option tls_key is no private key in PEM form without a password; set it to "
                      "file:/path");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        r = fail(err, "the key of tls_key does not belong to the certificate of tls_cert");
    EVP_PKEY_free(key);
    BIO_free(text);
    return r;
}

/* Client certificates are asked for and checked when they come; none is fine. */
static int use_client_ca(SSL_CTX *ctx, const char *pem, struct aiex_error *err)
{
    BIO *text = open_text(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    int n = 0, r = 0;
    X509 *ca;

    while (text && r == 0 && (ca = PEM_read_bio_X509(text, NULL, no_password, NULL))) {
        if (X509_STORE_add_cert(store, ca) != 1 || SSL_CTX_add_client_CA(ctx, ca) != 1)
            r = fail(err, "a certificate of tls_client_ca can not be used");
        X509_free(ca);
        n++;
    }
    if (r == 0 && n == 0)
        r = fail(err, "option tls_client_ca is no certificate in PEM form; set it to file:/path");
    ERR_clear_error();
    BIO_free(text);
    if (r == 0)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    return r;
}

/* RFC 7301: http/1.1 when it is offered; whoever offers only others is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned int n, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, offered, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void set_rules(SSL_CTX *ctx, const struct config *config)
{
    SSL_CTX_set_min_proto_version(ctx, config->tls_min_version ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"aiex", 4);
    SSL_CTX_set_num_tickets(ctx, 1);
    SSL_CTX_set_max_cert_list(ctx, 64 * 1024);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
}

/* Seconds since 1970, 0 when the certificate's time can not be read. */
static int64_t end_of(SSL_CTX *ctx)
{
    X509 *own = SSL_CTX_get0_certificate(ctx);
    struct tm tm;

    if (!own || ASN1_TIME_to_tm(X509_get0_notAfter(own), &tm) != 1)
        return 0;
    return (int64_t)timegm(&tm);
}

int tls_context_new(const struct config *config, struct tls_context **ret, struct aiex_error *err)
{
    struct tls_context *t = OPENSSL_zalloc(sizeof(*t));
    int r = 0;

    /* no configuration files, nothing to undo when the plugin leaves */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
    ERR_clear_error();
    if (t)
        t->ctx = SSL_CTX_new(TLS_server_method());
    if (!t || !t->ctx) {
        tls_context_free(t);
        return fail(err, "no memory for TLS"), -ENOMEM;
    }
    set_rules(t->ctx, config);
    if (!*config->tls_cert || !*config->tls_key)
        r = fail(err, "a listen address asks for TLS: set tls_cert = file:/path and tls_key = "
                      "file:/path");
    if (r == 0)
        r = use_certificates(t->ctx, config->tls_cert, err);
    if (r == 0)
        r = use_key(t->ctx, config->tls_key, err);
    if (r == 0 && *config->tls_client_ca)
        r = use_client_ca(t->ctx, config->tls_client_ca, err);
    if (r != 0) {
        tls_context_free(t);
        return r;
    }
    t->expires = end_of(t->ctx);
    *ret = t;
    return 0;
}

void tls_context_free(struct tls_context *t)
{
    if (!t)
        return;
    SSL_CTX_free(t->ctx);
    OPENSSL_free(t);
}

int64_t tls_expires(const struct tls_context *t)
{
    return t ? t->expires : 0;
}
