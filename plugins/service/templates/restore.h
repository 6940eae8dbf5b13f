/*
 * restore.h - templates as a checkpoint has them, brought back.
 *
 * Whoever restores gives the stream's events of then (templates.restore_from), which make a table
 * beside the one that holds. templates.restore compares both and appends what leads from the one
 * to the other: versions that are missing come back under their numbers (template.restored), those
 * that came since go (template.withdrawn), and templates that were made since are removed. So the
 * owner judges, the stream says what happened, and asking again finds nothing more to do.
 *
 * A page at a time: an append has a bound, and so has an answer. Thread rule: loop thread.
 */
#ifndef TEMPLATES_RESTORE_H
#define TEMPLATES_RESTORE_H

#include "stored.h"

#define RESTORE_METHOD  "templates.restore"
#define RESTORE_IDLE_MS 600000u /* after which what was given is forgotten */

int restore_from_take(void *self, const struct aiex_message *m);
/* Decides on one page. 0, or as aiex_fold_decide_fn. */
int restore_decide(struct templates *t, const struct aiex_message *m, struct aiex_decision *d,
                   struct aiex_error *err);
/* The page is stored. */
void restore_reply(struct templates *t, uint64_t id);
void restore_tick(struct templates *t);
void restore_done(struct templates *t);

#endif
