/* journal_file.h - what journal.c and journal_read.c share. */
#ifndef GATEWAY_JOURNAL_FILE_H
#define GATEWAY_JOURNAL_FILE_H

#include "journal.h"

#define FRAME_HEAD  32u
#define KEYS_FILE   "keys"
#define PEPPER_FILE "pepper"

static const uint8_t frame_mark[4] = {'A', 'K', 'F', '1'};

/* Fills err with "what 'where': strerror" and returns `error`. */
int journal_fail(struct aiex_error *err, int error, const char *what, const char *where);
void journal_path(const struct journal *j, const char *name, char out[600]);
int journal_write_all(int fd, const uint8_t *bytes, size_t n);
int journal_sync_folder(const struct journal *j);
/* journal_read.c */
int journal_write_pepper(struct journal *j, const char *path, struct aiex_error *err);
int journal_write_first(struct journal *j, struct aiex_error *err);

#endif
