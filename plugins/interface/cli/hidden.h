/*
 * hidden.h - a secret from the person at the terminal, who does not see it while typing, or
 * from standard input. Never from the command line: everybody can read that of a process.
 */
#ifndef AIEX_CLI_HIDDEN_H
#define AIEX_CLI_HIDDEN_H

#include <aiex/aiex_plugin.h>

#define HIDDEN_MAX (12u * 1024u) /* bytes of a secret */

struct hidden {
    char text[HIDDEN_MAX + 4]; /* 0-terminated, without its last line end */
    size_t len;
};

/* Asks on the terminal with `prompt`, or reads standard input to its end when that is no terminal.
 * 0; -EINTR (Ctrl-C), -EFBIG, -ENODATA (nothing), -EINVAL (a 0 byte), -errno; err says it. */
int hidden_read(const char *prompt, struct hidden *ret, struct aiex_error *err);
/* Keeps this process out of core files and away from debuggers of the same user. */
void hidden_protect(void);
/* Wipes. */
void hidden_done(struct hidden *h);

#endif
