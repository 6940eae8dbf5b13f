/*
 * question.h - the client's request, as far as the offline provider reads it: the last
 * user message, the code blocks of the conversation, and the names the question uses.
 */
#ifndef OFFLINE_QUESTION_H
#define OFFLINE_QUESTION_H

#include "scan.h"
#include "text.h"

#include <aiex/aiex_plugin.h>

#define QUESTION_MAX_NAMES  12u
#define QUESTION_MAX_BLOCKS 16u

struct block {
    char *text;
    size_t len;
    const struct language *language; /* of the fence, may be NULL */
    int in_last;                     /* stands in the last user message */
};

struct question {
    char *last;                               /* the last user message without its code blocks */
    struct block blocks[QUESTION_MAX_BLOCKS]; /* the newest first */
    size_t n_blocks;
    char names[QUESTION_MAX_NAMES]
              [128]; /* identifiers and file names it mentions, likely ones first */
    size_t n_names;
    size_t n_input_bytes; /* of all messages, for the estimate of tokens */
    int include_usage, wants_json, wants_tools;
};

/* 0; -EINVAL and a reason; -ENOMEM. question_done() frees in every case. */
int question_read(struct question *q, struct aiex_slice json, struct aiex_error *err);
void question_done(struct question *q);

/* The definition that the question names in this source, or NULL. `loosely`: any word of the prose
 * may be the name, not only what looks like one. */
const struct definition *question_names(const struct question *q, const struct source *s,
                                        int loosely);

#endif
