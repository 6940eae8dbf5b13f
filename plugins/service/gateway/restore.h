/*
 * restore.h - limits and keys as a checkpoint has them, brought back.
 *
 * Whoever restores gives the stream's events of then (gateway.restore_from); of each limit or key
 * the last one holds. gateway.restore compares them with what holds now and appends what leads
 * there, as any other change: behind the audit log, at the version that was seen (change.c).
 *
 * Limits go back as they were. Of keys only those that are missing are made again, with the secret
 * of then, and limits of keys go back. What a key may is never more than now: one that was revoked
 * stays so, also when it was forgotten since (the events `since` say that), and roles, dates and
 * secrets of keys that are here stay. Keys that were made since stay. Thread rule: loop thread.
 */
#ifndef GATEWAY_RESTORE_H
#define GATEWAY_RESTORE_H

#include "gateway.h"

int restore_from(struct gateway *g, const struct aiex_message *m);
int restore_take(struct gateway *g, const struct aiex_message *m);
/* The page that was decided on is stored: tells of each change, and answers `id` (0 = nobody). */
void restore_stored(struct gateway *g, uint64_t id, const char *by, uint64_t trace);
/* Once a second: what nobody asks for any more is forgotten. */
void restore_tick(struct gateway *g);
void restore_done(struct gateway *g);

#endif
