/* decision.h - the events that a command decided on, before they are stored. */
#ifndef AIEX_EVENTS_DECISION_H
#define AIEX_EVENTS_DECISION_H

#include "aiex_events.h"

#define EVENT_ID   37u /* with its 0 */
#define EVENT_TYPE 128u

struct decided {
    char id[EVENT_ID];
    char type[EVENT_TYPE + 1];
    struct aiex_slice data; /* owned */
};

struct aiex_decision {
    const struct aiex_host *host;
    struct decided *events; /* AIEX_COMMAND_EVENTS places, or NULL */
    uint32_t n;
    size_t bytes;
};

void ev_decision_clear(struct aiex_decision *d);
void ev_decision_done(struct aiex_decision *d);

#endif
