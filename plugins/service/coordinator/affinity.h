/*
 * affinity.h - where a conversation's prompt cache is warm.
 *
 * Vendors keep the computed prompt of a conversation for some minutes and charge a tenth for what
 * they find there; local servers keep it in memory. So a conversation goes back to where it was:
 * a bounded table from conversation to place, the least recently used one leaves first, and an
 * entry that was not used for a while counts as cold. A conversation is what the client calls its
 * session, else its messages up to the first one of the user. Pure; the caller brings the clock.
 */
#ifndef COORDINATOR_AFFINITY_H
#define COORDINATOR_AFFINITY_H

#include "siphash.h"

#include <aiex/aiex_plugin.h>

struct affinity;

/* NULL when there is no memory. All memory is taken here: about 48 bytes per entry. */
struct affinity *affinity_new(size_t entries);
void affinity_free(struct affinity *a); /* NULL is fine */
/* The place of a conversation, 0 = none that is warm. */
uint64_t affinity_find(struct affinity *a, uint64_t conversation, uint64_t now_ms, uint64_t ttl_ms);
/* It was served at `place` (not 0). */
void affinity_note(struct affinity *a, uint64_t conversation, uint64_t place, uint64_t now_ms);
size_t affinity_count(const struct affinity *a);

/* The part of a body that all requests of one conversation begin with: the messages up to the first
 * one of the user. Adds it to `s`; nothing when it is not found. */
void affinity_prefix(struct aiex_slice body, struct siphash *s);

#endif
