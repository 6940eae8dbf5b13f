/* fdpass.h - one message with descriptors over a SOCK_SEQPACKET socket (SCM_RIGHTS). */
#ifndef AIEX_CHANNEL_FDPASS_H
#define AIEX_CHANNEL_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

#define FDPASS_MAX 12

/* Bytes sent or negative errno. The descriptors stay the caller's. */
ssize_t fdpass_send(int sock, const void *bytes, size_t len, const int *fds, int n_fds);
/* Bytes received (0 = closed) or negative errno (-EMSGSIZE: there was more than room for it, all of
 * it is dropped); descriptors are close-on-exec and the caller's. *n_fds: in = room (<= FDPASS_MAX), out = received. */
ssize_t fdpass_recv(int sock, void *bytes, size_t size, int *fds, int *n_fds);

#endif
