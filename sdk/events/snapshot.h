/* snapshot.h - saved states of aggregates: a map {form, version, state} under the stream's name. */
#ifndef AIEX_EVENTS_SNAPSHOT_H
#define AIEX_EVENTS_SNAPSHOT_H

#include "aiex_events.h"

/* Loads a saved state into a zeroed one, upgraded to the form that `type` has now. 0 and the
 * version of the stream that it stands for; negative errno: it is of no use (the state may be half
 * filled). */
int ev_snapshot_load(const struct aiex_host *host, const struct aiex_aggregate *type,
                     struct aiex_slice value, void *state, int64_t *ret_version);
/* Writes the value. */
void ev_snapshot_write(struct aiex_writer *w, const struct aiex_aggregate *type, const void *state,
                       int64_t version);

#endif
