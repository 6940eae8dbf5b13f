/* backup.h - backups by their names. */
#ifndef BACKUP_H
#define BACKUP_H

#include "manifest.h"
#include "store.h"

/* The field `path`: a folder below the data folder that may be a backup. NULL: it is none. */
const char *backup_name(struct aiex_slice body, char out[BACKUP_PATH + 1]);
/* Loop: refuses a request for such a path. */
int backup_refuse_name(struct store *s, uint64_t id);
/* Removes what a backup that did not come to its end left: it is made in `backup.new`. */
void backup_forget(const char *data_dir);

#endif
