/*
 * lines.h - lines from a descriptor, one by one, with a longest one.
 *
 * A line that is too long is told once and left out up to its end; the next one is good again. The
 * last line needs no line end.
 */
#ifndef AIEX_CLI_LINES_H
#define AIEX_CLI_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines {
    int fd;
    size_t max; /* bytes of a line */
    char *data;
    size_t len, cap, taken;
    size_t looked;   /* bytes behind `taken` that have no line end */
    uint64_t number; /* of the last line given, from 1 */
    int skipping;    /* inside a line that was too long */
    int ended;
};

void lines_init(struct lines *l, int fd, size_t max);
void lines_done(struct lines *l);
/* Reads what is there, once; waits when nothing is. 0, or negative errno. */
int lines_read(struct lines *l);
/* 1 = a line without its end, in *ret_line until the next call here; 0 = none yet, or none any more
 * (l->ended); -EMSGSIZE = a line that was too long. */
int lines_next(struct lines *l, char **ret_line, size_t *ret_len);

#endif
