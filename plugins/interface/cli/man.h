/* man.h - manual pages in roff, generated from the verb table. */
#ifndef AIEX_CLI_MAN_H
#define AIEX_CLI_MAN_H

#include <stdio.h>

/* Writes one page: "aiex", or "aiex-NOUN" for the verbs of a noun. 0, -ENOENT = no such page. */
int man_print(FILE *to, const char *page);
/* Calls fn with the name of every page, first "aiex". Stops at non-zero and returns it. */
int man_each_page(int (*fn)(void *arg, const char *page), void *arg);

#endif
