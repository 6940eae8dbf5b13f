/*
 * zygote.h - a runner that waits, mapped and linked, and clones itself for each cell.
 *
 * clone3(CLONE_PARENT) makes the new process a child of the host, so that waiting,
 * pidfd and the parent-death signal work as if the host had spawned it. The zygote
 * stays single-threaded and never runs plugin code.
 */
#ifndef AIEX_RUNNER_ZYGOTE_H
#define AIEX_RUNNER_ZYGOTE_H

/* sock: orders come in (wire/start.h + START_FDS), {pid} + pidfd go out. preload: module to map
 * once for all cells, "" = none. Never returns. */
_Noreturn void zygote_run(int sock, const char *preload);

#endif
