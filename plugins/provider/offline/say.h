/* say.h - the texts of answers, in Markdown. Each begins with the notice that no model made it. */
#ifndef OFFLINE_SAY_H
#define OFFLINE_SAY_H

#include "question.h"

/* How to get answers from a model. `limited` = a search was given up. */
void say_help(struct text *t, const struct question *q, int has_root, int limited);
/* About a definition of a source; NULL = its longest. */
void say_definition(struct text *t, const struct source *s, const struct definition *d);
/* From the code of the conversation: a named definition in any block, else the block that the last
 * message itself shows. 1 = said. */
int say_conversation(struct text *t, const struct question *q);

#endif
