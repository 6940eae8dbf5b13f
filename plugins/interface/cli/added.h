/* added.h - verbs that plugins added: asked of service "cli", method "cli.verbs". */
#ifndef AIEX_CLI_ADDED_H
#define AIEX_CLI_ADDED_H

#include "command.h"

#define ADDED_HELP_TIMEOUT_MS 300 /* help must not wait for a host that does not answer */

/* Prints the added verbs as lines of the help. Nothing when no host answers. */
void added_help(struct command *c, FILE *to);

#endif
