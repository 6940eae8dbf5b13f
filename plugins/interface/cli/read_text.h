/*
 * read_text.h - text from files and standard input, with a limit, checked to be UTF-8 text.
 */
#ifndef AIEX_CLI_READ_TEXT_H
#define AIEX_CLI_READ_TEXT_H

#include <aiex/aiex_plugin.h>

#define READ_TEXT_FILE_BYTES  (2u * 1024u * 1024u)  /* of one file sent along */
#define READ_TEXT_TOTAL_BYTES (16u * 1024u * 1024u) /* of all that one request carries */

struct read_text {
    char *data; /* malloc'ed, 0-terminated; the caller's to free */
    size_t len;
};

/* name NULL = standard input, called `title` in messages. 0, -ENOENT, -EFBIG (above max), -EILSEQ
 * (a 0 byte, or not UTF-8), -EISDIR, -EINTR, -errno. A byte order mark is dropped. */
int read_text(const char *name, const char *title, size_t max, struct read_text *ret_text,
              struct aiex_error *err);

#endif
