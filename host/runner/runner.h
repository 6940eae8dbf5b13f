/*
 * runner.h - the inside of a cell: its instances, their host tables, and the loop that
 * serves them.
 *
 * runner_run() is the whole life: take the descriptors, seal the process, load, create,
 * start, say HELLO, serve until told to stop. It does not return: a cell leaves by
 * _exit(), because unloading foreign libraries is not safe.
 *
 * First file to read: runner.c (life), then instance.c (what a plugin may call).
 */
#ifndef AIEX_RUNNER_H
#define AIEX_RUNNER_H

#include "wire/start.h"

/* message: the start message; fds as START_FDS. Never returns. */
_Noreturn void runner_run(struct aiex_slice message, const int *fds);
/* Loads one plugin, sealed, writes its packed descriptor (or '!' and a sentence) to `sock`, ends. */
_Noreturn void runner_probe(const char *path, int sock);

#endif
