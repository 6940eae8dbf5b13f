/*
 * spawner.h - makes cell processes: through the zygote (a runner that is mapped and
 * linked already and clones itself, with the host as parent), or with posix_spawn when
 * there is none. The host never forks: that would cost milliseconds with a large heap.
 *
 * Asynchronous: spawner_start() returns at once and `made` is called later from the
 * loop with the process id and a pidfd. If the zygote dies, what it owed is spawned
 * directly and a new zygote is started.
 *
 * Thread rule: loop thread, which must be the process's main thread: cells die with the
 * thread that made them (PR_SET_PDEATHSIG).
 */
#ifndef AIEX_CELL_SPAWNER_H
#define AIEX_CELL_SPAWNER_H

#include "loop/loop.h"

#include <aiex/aiex_plugin.h>

struct spawner;

/* runner: path of aiex-runner. preload: path of a module that the zygote maps once, "" = none.
 * zygote 0 = always posix_spawn. */
struct spawner *spawner_new(struct loop *loop, const char *runner, const char *preload, int zygote);
void spawner_free(struct spawner *sp);

/* Called once: pid > 0 and a pidfd (the callee's to close), or pid = negative errno. */
typedef void (*spawner_made_fn)(void *arg, int pid, int pidfd);
/* message and fds as of wire/start.h; the fds are duplicated. 0, -ENOMEM, -EMFILE. */
int spawner_start(struct spawner *sp, struct aiex_slice message, const int *fds,
                  spawner_made_fn made, void *arg);
/* The caller of an unfinished spawner_start() goes away: the process is killed when it appears. */
void spawner_forget(struct spawner *sp, void *arg);
/* Orders that are not done yet. */
int spawner_busy(const struct spawner *sp);
int spawner_has_zygote(const struct spawner *sp);
int spawner_zygote_pid(const struct spawner *sp);
/* Ends the zygote for good, e.g. before the host executes a new version of itself. */
void spawner_stop_zygote(struct spawner *sp);

#endif
