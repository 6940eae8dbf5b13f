/* stored_event.c - an event from the map of store.read. */
#include "aiex_events.h"

#include <errno.h>

int aiex_stored_event_read(struct aiex_slice map, struct aiex_stored_event *ret_event)
{
    struct aiex_stored_event e;

    memset(&e, 0, sizeof(e));
    if (!map.len || !aiex_is_map(map) || aiex_get_str(map, "stream", &e.stream) != 1 ||
        aiex_get_str(map, "id", &e.id) != 1 || aiex_get_str(map, "type", &e.type) != 1 ||
        aiex_get_int(map, "version", &e.version) != 1 ||
        aiex_get_int(map, "sequence", &e.sequence) != 1 || aiex_get_int(map, "time", &e.time) < 0 ||
        aiex_get_bytes(map, "data", &e.data) < 0 ||
        aiex_get_str(map, "correlation", &e.correlation) < 0 ||
        aiex_get_str(map, "causation", &e.causation) < 0 ||
        aiex_get_whole(map, "meta", &e.meta) < 0)
        return -EPROTO;
    *ret_event = e;
    return 0;
}
