/* answer.h - a text in the exact shape of an OpenAI chat completion, whole or as a stream. */
#ifndef OFFLINE_ANSWER_H
#define OFFLINE_ANSWER_H

#include "text.h"

#include <stdint.h>

#define OFFLINE_MODEL "aiex-offline"

struct answer {
    uint64_t id;
    int64_t created; /* seconds since 1970 */
    const char *content;
    size_t content_len;
    int64_t input_tokens, output_tokens; /* estimates */
    int include_usage;
};

/* One JSON document. */
void answer_unary(struct text *out, const struct answer *a);
/* Server-sent events: role, pieces of the content cut between words, finish, usage if asked,
 * [DONE]. */
void answer_stream(struct text *out, const struct answer *a);
/* About four bytes make a token; at least 1. */
int64_t answer_tokens(size_t bytes);

#endif
