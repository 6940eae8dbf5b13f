/*
 * crash_rig.h - a child process with the plugin and 64 writers that is made to die, and the look at
 * what it left.
 *
 * Writer w sends its events one by one, with ids "w.n". Every fourth one puts n into its row in the
 * same transaction. After a death it goes on with the first n that was not acknowledged, as a
 * client does that lost an answer: that event is in the store already, or it is not, and in the end
 * it is there once.
 */
#ifndef CRASH_RIG_H
#define CRASH_RIG_H

#include "store_rig.h"

/* A folder, and writers that have sent nothing. */
void crash_begin(void);
/* This many events (a multiple of 500) are there before. */
void crash_fill(int events);
void crash_end(void);
/* Runs a child until it is dead: by the failpoint `fail`, or killed after `limit` acknowledgements
 * (0: it dies by itself). Their number. `level` NULL = synced and written in turn. */
int crash_run(const char *fail, int limit, const char *level);
/* Opens the store: all that was acknowledged is there, once, in its place, and one more of each
 * writer at most; no gaps; rows and indexes as the events say. Its number of events. */
long long crash_check(void);
/* In the child, before the plugin is loaded; may be NULL. */
extern void (*crash_prepare)(void);

#endif
