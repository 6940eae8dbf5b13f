/* cold_rig.h - what tests of tier_cold share: a clock on the wall that follows the fake host's, a
 * disk that can be full or fail, restarts, damage. */
#ifndef COLD_RIG_H
#define COLD_RIG_H

#include <tier_rig.h>

/* Bytes that the disk still takes; -1 = any. */
extern _Atomic long disk_room;
extern _Atomic int sync_fails; /* the next so many fdatasync() */
extern _Atomic unsigned syncs; /* so far */
extern long wall_step;         /* the wall clock was set by this much */

extern const struct aiex_fake_pair small_store[]; /* max_bytes 4M */

void cold_begin(const struct aiex_fake_pair *pairs);
void cold_end(void);
/* Closes and opens; the wall clock goes on by `ms` meanwhile. */
void cold_restart(const struct aiex_fake_pair *pairs, unsigned ms);
/* Until it is open: tier.stats is answered at once, so this asks for a key. */
void cold_ready(void);
/* Names of the segments, in order. */
unsigned cold_segments(char names[][32], unsigned most);
long cold_size(const char *name);
void cold_flip(const char *name, long at);
void cold_cut(const char *name, long bytes_less);
/* A line of the log has this. */
int cold_logged(const char *words);
/* `work` in a process that ends without a word. */
void cold_killed(const struct aiex_fake_pair *pairs, void (*work)(void));

#endif
