/*
 * search.h - looks below the configured folders for the file that the question is about.
 *
 * Works in slices, so that the loop is never held longer than about SEARCH_SLICE_MS, and
 * within limits of files, bytes, depth and time. Every step is relative to an open folder
 * and follows no symbolic link. Hidden folders and those of build products are left out.
 */
#ifndef OFFLINE_SEARCH_H
#define OFFLINE_SEARCH_H

#include "question.h"

#include <dirent.h>
#include <stdint.h>

#define SEARCH_SLICE_MS    5u
#define SEARCH_SLICE_FILES 64u
#define SEARCH_MAX_MS      1500u
#define SEARCH_MAX_FILES   4000u
#define SEARCH_MAX_BYTES   (32u * 1024u * 1024u)
#define SEARCH_MAX_FILE    (256u * 1024u)
#define SEARCH_MAX_DEPTH   12u

struct search {
    const struct aiex_host *host;
    const struct question *question;
    const char *roots; /* what is left of the option */
    DIR *stack[SEARCH_MAX_DEPTH];
    size_t ends[SEARCH_MAX_DEPTH]; /* length of path at each depth */
    size_t depth;
    char path[1024]; /* of the innermost open folder, as people may read it */
    uint64_t begun_ms;
    unsigned n_files;
    size_t n_bytes;
    int limited; /* stopped by a limit */
    /* The result: */
    char *text;
    struct source source;
    const struct definition *found; /* NULL with `text` set: the file was named, not a definition */
};

void search_begin(struct search *s, const struct aiex_host *host, const struct question *q,
                  const char *roots);
/* One slice. 1 = call again, 0 = over: s->text tells whether something was found. */
int search_step(struct search *s);
void search_done(struct search *s);

#endif
