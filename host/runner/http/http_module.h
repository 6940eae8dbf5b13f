/*
 * http_module.h - how the runner gets "aiex.http/1": aiex_http.so, loaded when an
 * instance asks for the extension for the first time, so that cells without HTTP
 * never map libcurl.
 *
 *     open = dlsym(dlopen(".../aiex_http.so", RTLD_NOW | RTLD_LOCAL), AIEX_HTTP_OPEN);
 *     table = open(host, &env, &err);       once per instance, answers extension()
 *     ...
 *     close(host);                          after destroy() of the instance
 *
 * The module uses nothing of the runner but the instance's `struct aiex_host`
 * (timer, watch, rewatch, unwatch, call, now_ms, alloc, release); no threads, no
 * signals, no environment, no proxy variables. All files are read inside the first
 * open() of the process (certificates, OpenSSL's configuration), so open() has to come
 * before the sandbox closes the file system; afterwards it needs TCP sockets only.
 *
 * Names: literal addresses and "localhost" are known; others are asked from the service
 * "resolver", method "resolver.resolve" {host str, port int} -> {addresses: array of str}.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_RUNNER_HTTP_MODULE_H
#define AIEX_RUNNER_HTTP_MODULE_H

#include <aiex/aiex_http.h>

#define AIEX_HTTP_OPEN  "aiex_http_open"
#define AIEX_HTTP_CLOSE "aiex_http_close"

/* https is going to be used: the certificates are made ready inside open(), 30 to 60 ms for the
 * system's bundle. Without the flag https works too, but each new connection takes that long. */
#define AIEX_HTTP_ENV_TLS 1u

struct aiex_http_env {
    uint32_t struct_size;
    uint32_t flags;         /* AIEX_HTTP_ENV_* */
    const char *ca_file;    /* PEM bundle; NULL = the system's. Only the first open() reads it */
    const char *user_agent; /* NULL = none is added */
};

/* The table for this instance; the same for all instances, valid for the life of the process. NULL
 * and a reason: certificates unreadable, no memory. A second open() for one host is harmless. */
AIEX_EXPORT const struct aiex_http *aiex_http_open(const struct aiex_host *host,
                                                   const struct aiex_http_env *env,
                                                   struct aiex_error *err);
/* Drops all requests of the instance without end(), closes its connections. */
AIEX_EXPORT void aiex_http_close(const struct aiex_host *host);

typedef const struct aiex_http *(*aiex_http_open_fn)(const struct aiex_host *,
                                                     const struct aiex_http_env *,
                                                     struct aiex_error *);
typedef void (*aiex_http_close_fn)(const struct aiex_host *);

#endif
