/*
 * inside.h - what stands between the cell and the runner room when a cell has no process:
 * its plugins run in the host itself (`cell = host`), on the host's loop, over a channel
 * whose two ends are both in this process. The runner room fills the table and main hands
 * it down. No sandbox, no kill: a crash of such a plugin is a crash of the host.
 *
 * Thread rule: loop thread.
 */
#ifndef AIEX_CHANNEL_INSIDE_H
#define AIEX_CHANNEL_INSIDE_H

#include "channel/channel.h"

#include <aiex/aiex_plugin.h>

struct cell_inside_ops {
    void (*exited)(void *arg, int code); /* from the loop; nothing of it is left */
    int (*listen)(void *arg, unsigned instance, const char *address, struct aiex_error *err);
};
struct cell_inside {
    /* Loads, creates and starts; says HELLO or FAULT on the channel like any cell. fds: a copy of the
     * channel's, taken. 0, -EBUSY (there is one already), -errno; then exited() is not called. */
    int (*start)(struct loop *loop, struct hub *hub, struct aiex_slice message,
                 const struct channel_fds *fds, int settings_fd, const struct cell_inside_ops *ops,
                 void *arg);
    /* In every turn of the hub, after the records. 1 = did something. */
    int (*turn)(void);
    /* Destroys what runs; exited() is called later unless `silent`. */
    void (*stop)(int silent);
};

/* The runner room's (host/runner/runner.c). One cell at a time: all instances with `cell = host`. */
extern const struct cell_inside runner_inside;

#endif
