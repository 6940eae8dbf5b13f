/* write_anthropic.h - between the two files that write a request of anthropic.messages. */
#ifndef DIALECT_WRITE_ANTHROPIC_H
#define DIALECT_WRITE_ANTHROPIC_H

#include "request.h"

/* Opens an object of a type. */
void anthropic_open(struct writer *w, const char *type);
/* The message at or behind `m` that says something; system messages only when `as_user`. */
const struct message *anthropic_next(const struct message *m, int as_user);
/* `as_user`: there are only system messages, which the user says then. `format_words`: asks for the
 * answer's form in words. */
void anthropic_system(struct writer *w, int as_user, int format_words);
int anthropic_messages(struct writer *w, int as_user);

#endif
