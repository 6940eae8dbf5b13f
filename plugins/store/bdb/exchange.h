/*
 * exchange.h - another database in the place of this one, whole or not at all.
 *
 * The new one is made and put on the disk in `restore.new`: `db`, `side` and `cipher` (cipher.h).
 * Its new name `restore.ready` is the decision; from there on each start moves the parts that are
 * still there to their places, and what was there to `*.replaced`.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <aiex/aiex_plugin.h>

/* Makes an empty `restore.new`. *ret_folder has `size` bytes. 0 or negative errno. */
int exchange_begin(const char *data_dir, char *ret_folder, size_t size, struct aiex_error *err);
/* Forgets it, also what another process began and did not end. */
void exchange_forget(const char *data_dir);
/* The decision. 0 or negative errno with a reason. */
int exchange_decide(const char *data_dir, struct aiex_error *err);
/* Moves what was decided; the database is closed. 1, 0 = nothing was, or negative errno with a
 * reason: then nothing may be opened. */
int exchange_finish(const char *data_dir, struct aiex_error *err);
/* Removes what the last exchange took the place of. */
void exchange_drop_old(const char *data_dir);

#endif
