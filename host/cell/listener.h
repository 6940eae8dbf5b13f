/*
 * listener.h - listening sockets of the node. They belong to the host, so that they
 * outlive the cells that accept on them; whoever asks again for the same address gets
 * the same socket. Sockets given by systemd (LISTEN_FDS, sd_listen_fds(3)) are found by
 * name, or by their address.
 */
#ifndef AIEX_CELL_LISTENER_H
#define AIEX_CELL_LISTENER_H

#include <aiex/aiex_plugin.h>

struct listeners;

struct listeners *listeners_new(void);
void listeners_free(struct listeners *l);
/* The descriptor (stays the table's) for "127.0.0.1:7420", "[::1]:7420", "unix:/path" or
 * "systemd:NAME"; opened when it is not yet. Negative errno with a reason. */
int listeners_get(struct listeners *l, const char *address, struct aiex_error *err);
/* Walks the table; for re-exec. Returns 0 at the end. */
int listeners_each(const struct listeners *l, unsigned i, const char **address, int *fd);
int listeners_adopt(struct listeners *l, const char *address, int fd);

#endif
