/*
 * template.h - a chat that names a prompt template: the key `aiex_template` in its body, an object
 * {"name", "version", "values"}. The text that the service `templates` makes of it becomes the
 * system prompt in the client's dialect, before one that is there already.
 *
 *     template_wanted()    is there such a key? A search for its name first: 17 us for 200 KB
 *     template_render()    asks for the text; the request is handled anew with the body changed
 *     template_put()       the body with the text in and the key out; pure
 *
 * Thread rule: loop thread. Ownership: a request that waits for its text is kept here.
 */
#ifndef GATEWAY_TEMPLATE_H
#define GATEWAY_TEMPLATE_H

#include "gateway.h"

#include <aiex_json.h>

/* 1 and the value of the key, when the body is a JSON object that has it once; else 0. */
int template_wanted(struct aiex_slice body, struct aiex_json_span *ret);
/* Takes the request over: it is answered by refusal, or handled again when the text is there. 0. */
int template_render(struct gateway *g, const struct aiex_message *m, const struct ask *a,
                    const struct key *key, const struct aiex_json_span *wanted);
/* Writes the changed body. NULL, or a sentence: this dialect or body has no place for it. */
const char *template_put(int dialect, struct aiex_slice body, struct aiex_slice text,
                         struct aiex_json_out *out);
void template_cancel(struct gateway *g, uint64_t id);
void template_stop(struct gateway *g);

#endif
