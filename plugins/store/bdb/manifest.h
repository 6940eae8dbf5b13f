/*
 * manifest.h - what a backup says about itself: the file `manifest` in its folder, one `name value`
 * a line. It is written when the copy was opened and verified; a backup without one was not.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include <aiex/aiex_plugin.h>

#define LINEAGE_TEXT 40u /* bytes with the 0; see archive.h */
#define BACKUP_PATH  180u
#define MAX_BACKUPS  1000u

struct manifest {
    uint64_t sequence, commits, transactions; /* of its state */
    int64_t time_ms;                          /* when it was taken */
    uint64_t number; /* the order in which they were taken; clocks go back */
    int64_t bytes;
    int verified, encrypted;
    char lineage[LINEAGE_TEXT]; /* "" = there was no archive */
    uint64_t first_log;         /* number of the first log file that it needs */
};

struct backup_entry {
    char path[BACKUP_PATH + 1]; /* below the data folder */
    struct manifest manifest;
};

/* The first part of a path below the data folder is the store's own, and no backup. */
int manifest_is_own(const char *path);
/* Writes it to the disk. 0 or negative errno. */
int manifest_write(const char *folder, const struct manifest *m);
/* 0, -ENOENT (also of a folder), -EBADMSG, other negative errno. A backup of earlier days, which
 * has none, is read from its side record: not verified, without an archive. */
int manifest_read(const char *folder, struct manifest *m);
/* The backups below `data_dir`, the oldest first; free() them. 0 or negative errno. */
int manifest_list(const char *data_dir, struct backup_entry **ret_all, size_t *ret_n);

#endif
