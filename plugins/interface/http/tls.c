/*
 * tls.c - one connection under TLS: handshake, reading, writing, the end.
 *
 * OpenSSL reads and writes the socket through a small BIO of ours, because its own would
 * raise SIGPIPE. Reads go into room for a whole record at least, so nothing that arrived
 * stays inside OpenSSL where the loop would not see it.
 */
#include "tls.h"
#include "tls_context.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD_BYTES    16384 /* of plain text in one record, RFC 8446 5.1 */
#define HANDSHAKE_FIRST 0x16  /* what TLS begins with */

/* ---- The socket, for OpenSSL ---- */

static int fd_of(BIO *b)
{
    return ((const struct conn *)BIO_get_data(b))->fd;
}

static int bio_read(BIO *b, char *out, int n)
{
    ssize_t got = recv(fd_of(b), out, (size_t)n, 0);

    BIO_clear_retry_flags(b);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(b);
    if (got == 0)
        BIO_set_flags(b, BIO_FLAGS_IN_EOF);
    return (int)got;
}

static int bio_write(BIO *b, const char *bytes, int n)
{
    ssize_t sent = send(fd_of(b), bytes, (size_t)n, MSG_NOSIGNAL);

    BIO_clear_retry_flags(b);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(b);
    return (int)sent;
}

static long bio_control(BIO *b, int what, long n, void *p)
{
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(b, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH || what == BIO_CTRL_DUP;
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "aiex socket");

    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_control))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- Life ---- */

int tls_attach(struct conn *c)
{
    struct server *s = c->server;
    BIO *socket_bio;

    if (!s->tls_method)
        s->tls_method = new_method();
    c->tls = s->tls_method ? SSL_new(s->tls->ctx) : NULL;
    socket_bio = c->tls ? BIO_new(s->tls_method) : NULL;
    if (!socket_bio) {
        tls_detach(c);
        ERR_clear_error();
        return -ENOMEM;
    }
    BIO_set_data(socket_bio, c);
    BIO_set_init(socket_bio, 1);
    SSL_set_bio(c->tls, socket_bio, socket_bio);
    SSL_set_accept_state(c->tls);
    return 0;
}

void tls_detach(struct conn *c)
{
    SSL_free(c->tls);
    c->tls = NULL;
    c->tls_ended = 0;
}

/* Says what to wait for after a call that did not succeed. 1 when waiting helps. */
static int must_wait(struct conn *c, int result)
{
    int error = SSL_get_error(c->tls, result);

    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE)
        conn_watch(c, c->watched | AIEX_WATCH_WRITE);
    else if (error == SSL_ERROR_WANT_READ)
        conn_watch(c, c->watched | AIEX_WATCH_READ);
    else
        return 0;
    return 1;
}

int tls_handshake(struct conn *c)
{
    uint8_t first;
    int r;

    if (SSL_in_before(c->tls) && recv(c->fd, &first, 1, MSG_PEEK) == 1 && first != HANDSHAKE_FIRST)
        return TLS_PLAIN;
    r = SSL_do_handshake(c->tls);
    if (r == 1) {
        conn_watch(c, AIEX_WATCH_READ);
        return TLS_DONE;
    }
    return must_wait(c, r) ? TLS_MORE : TLS_FAILED;
}

/* ---- Bytes ---- */

ssize_t tls_receive(struct conn *c, void *mem, size_t n)
{
    size_t got = 0;
    int r = 1;

    while (!c->tls_ended && n - got >= RECORD_BYTES) {
        r = SSL_read(c->tls, (char *)mem + got, RECORD_BYTES);
        if (r <= 0)
            break;
        got += (size_t)r;
    }
    if (r <= 0 && !must_wait(c, r))
        c->tls_ended = 1;
    if (got || c->tls_ended)
        return (ssize_t)got;
    errno = EAGAIN;
    return -1;
}

ssize_t tls_send(struct conn *c, const void *bytes, size_t n)
{
    size_t sent = 0;
    int r = 1;

    while (sent < n && r > 0) {
        size_t piece = n - sent < RECORD_BYTES ? n - sent : RECORD_BYTES;

        r = SSL_write(c->tls, (const char *)bytes + sent, (int)piece);
        sent += r > 0 ? (size_t)r : 0;
    }
    if (r > 0 || sent || SSL_get_error(c->tls, r) == SSL_ERROR_WANT_WRITE ||
        SSL_get_error(c->tls, r) == SSL_ERROR_WANT_READ) {
        ERR_clear_error();
        if (sent)
            return (ssize_t)sent;
        errno = EAGAIN;
        return -1;
    }
    ERR_clear_error();
    errno = EPIPE;
    return -1;
}

void tls_end(struct conn *c)
{
    if (SSL_is_init_finished(c->tls))
        SSL_shutdown(c->tls);
    ERR_clear_error();
}

int tls_client_name(const struct conn *c, char *out, size_t size)
{
    X509 *peer = c->tls ? SSL_get0_peer_certificate(c->tls) : NULL;
    int n = 0;

    if (peer && SSL_get_verify_result(c->tls) == X509_V_OK)
        n = X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, out, (int)size);
    for (int i = 0; i < n; i++) {
        if (out[i] < ' ' || out[i] > '~')
            return 0;
    }
    return n > 0;
}

void tls_done(struct server *s)
{
    tls_context_free(s->tls);
    s->tls = NULL;
    BIO_meth_free(s->tls_method);
    s->tls_method = NULL;
}
