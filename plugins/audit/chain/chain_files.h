/* chain_files.h - for tests: the files of a log, looked at and changed by hand. */
#ifndef CHAIN_FILES_H
#define CHAIN_FILES_H

#include "chain.h"
#include "chain_rig.h"

#define SEGMENT "entries-00000000000000000000"

off_t size_of(const char *name); /* -1 = there is none */

/* What audit.status says. */
uint64_t entries(void);
const char *state(void);
/* Waits until it says this state: the writer looks by its own clock. */
void wait_state(const char *want);

/* All of a file; data is malloced. */
struct image {
    uint8_t *data;
    size_t n;
};

struct image load(const char *name);
void save(const char *name, const void *data, size_t n);
void save_image(const char *name, struct image f); /* and frees it */

/* The n-th record of the first segment, which is on the disk as f was loaded; slices lie in f. */
struct record nth(struct image f, unsigned n);
/* Makes its checksum right again, as who tampers with it does. */
void seal(struct image f, struct record r);
void change_text(struct record r, const char *from, const char *to);

/* A log of twenty entries with heads of 5, 10, 15 and 20, closed. */
void begin_twenty(void);

#endif
