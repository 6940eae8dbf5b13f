/*
 * aiex_listen.h - extension "aiex.listen/1": listening sockets that outlive the plugin.
 *
 * The host opens (or inherits from systemd) the socket, keeps it while the
 * configuration names it, and passes the same descriptor to every incarnation, so
 * that a restart or an upgrade loses no connection that waits to be accepted.
 *
 * Thread rule: [loop]. Ownership: the returned descriptor is the plugin's to close.
 */
#ifndef AIEX_LISTEN_H
#define AIEX_LISTEN_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_LISTEN_ID "aiex.listen/1"

struct aiex_listen {
    uint32_t struct_size;
    uint32_t reserved;
    /* address: "127.0.0.1:7420", "[::1]:7420", "unix:/path", "systemd:NAME". May be called in
     * create() and start(); blocks for the host's answer, at most 5 s. The descriptor is
     * non-blocking and close-on-exec. >= 0, or -EINVAL, -EADDRINUSE, -EACCES, -ETIMEDOUT with a
     * reason in err. */
    int (*open)(const struct aiex_host *, const char *address, struct aiex_error *err);
};

#ifdef __cplusplus
}
#endif

#endif /* AIEX_LISTEN_H */
