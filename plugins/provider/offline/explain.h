/* explain.h - says in words what can be read off a definition. Nothing is guessed. */
#ifndef OFFLINE_EXPLAIN_H
#define OFFLINE_EXPLAIN_H

#include "scan.h"
#include "text.h"

/* The definition: where it is, its comment, signature, parameters, calls, control flow, returns,
 * facts, and the code itself. Markdown. */
void explain_definition(struct text *t, const struct source *s, const struct definition *d);
/* One line per definition of the source, except `but` (may be NULL). */
void explain_list(struct text *t, const struct source *s, const struct definition *but);

#endif
