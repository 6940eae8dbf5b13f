/*
 * page_hooks.h - what Berkeley DB calls instead of the system: db_env_set_func_*().
 *
 * These functions belong to the process and get nothing but descriptors. So the table of guarded
 * descriptors is the one thing here that is static; several stores of one process share it.
 * Descriptors of *.db files below a guarded folder go to pages.h, all others to the system.
 */
#ifndef PAGE_HOOKS_H
#define PAGE_HOOKS_H

#include "pages.h"

/* The files that are opened in its folder from now on are guarded. 0, -ENFILE. */
int hooks_begin(struct pages *p);
/* No more; also those that a panic has left open. */
void hooks_end(struct pages *p);
/* This thread makes a checkpoint, or no more: one that meets a page in use would come back to it a
 * second later, and the log that a start repeats would grow for as long. Now it comes back sooner.
 */
void hooks_hurry(int on);
/* 1 when the disk had no room for something that this thread wrote since it asked last. The library
 * gives up then, and says something else. */
int hooks_met_full_disk(void);

#endif
