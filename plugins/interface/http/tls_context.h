/* tls_context.h - the inside of struct tls_context, for tls*.c only. */
#ifndef INTERFACE_HTTP_TLS_CONTEXT_H
#define INTERFACE_HTTP_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdint.h>

struct tls_context {
    SSL_CTX *ctx;
    int64_t expires;
};

#endif
