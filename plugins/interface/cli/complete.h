/* complete.h - shell completions, generated from the verb table. */
#ifndef AIEX_CLI_COMPLETE_H
#define AIEX_CLI_COMPLETE_H

#include <stdio.h>

/* Writes the script for "bash", "zsh" or "fish". 0, -EINVAL for another shell. */
int complete_print(FILE *to, const char *shell);

#endif
