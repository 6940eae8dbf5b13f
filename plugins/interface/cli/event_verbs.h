/* event_verbs.h - what the verbs of stored events share. */
#ifndef AIEX_CLI_EVENT_VERBS_H
#define AIEX_CLI_EVENT_VERBS_H

#include "command.h"

/* The store's service: --store, else "store". */
const char *event_store(const struct command *c);

/* Follows stored events; in store_tail.c. */
enum outcome store_tail(struct command *c);
/* Whether an option was given that only stored events have. */
int store_tail_is_meant(const struct command *c);

#endif
