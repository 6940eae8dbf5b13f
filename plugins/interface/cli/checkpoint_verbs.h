/* checkpoint_verbs.h - what the files of aiex checkpoint share. */
#ifndef AIEX_CLI_CHECKPOINT_VERBS_H
#define AIEX_CLI_CHECKPOINT_VERBS_H

#include "command.h"

#define CHECKPOINTS "checkpoints"

/* A part that says how far the work is: shown on a terminal, 1. 0 = it is another part. */
int checkpoint_progress(struct command *c, struct aiex_slice part);
/* The terminal's line is free again. */
void checkpoint_progress_end(struct command *c);

#endif
