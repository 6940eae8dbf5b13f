/* copy.h - a database that is not the store's own, opened to be verified: a backup, or what is to
 * take the store's place. */
#ifndef COPY_H
#define COPY_H

#include "store.h"

/* Opens what lies in `folder`/db, with recovery (of the whole log: `whole_log`), verifies it from
 * the first event to the last, and gives it a new side record in `folder`/side. *ret_tail: its
 * counters. 0 or negative errno with a reason. */
int copy_try(struct store *s, const char *folder, const char *password, int whole_log,
             struct tail *ret_tail, struct aiex_error *err);

#endif
