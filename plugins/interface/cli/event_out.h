/*
 * event_out.h - a stored event as one line of JSON, or as one line for people.
 *
 * Data that is JSON stands there as JSON (`data`), other data as base64 (`data_base64`). When it
 * need not be exact, JSON over several lines is put on one, and data that is a msgpack map, as
 * plugins write it, is shown as JSON.
 */
#ifndef AIEX_CLI_EVENT_OUT_H
#define AIEX_CLI_EVENT_OUT_H

#include <aiex/aiex_plugin.h>
#include <stdio.h>

enum event_form { EVENT_SHOWN, EVENT_EXACT };

void event_out_json(FILE *to, struct aiex_slice event, enum event_form form);
/* Version, sequence, time, type, stream (unless `one_stream`) and data. */
void event_out_text(FILE *to, struct aiex_slice event, int one_stream);

/* Calls fn with each map of a part that is an array; stops when it returns non-zero, and returns
 * that. -EPROTO: no array of maps. */
typedef int (*event_fn)(void *arg, struct aiex_slice event);
int event_each(struct aiex_slice part, event_fn fn, void *arg);

#endif
