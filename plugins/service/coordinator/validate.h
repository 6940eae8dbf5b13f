/*
 * validate.h - did a model keep what the request asked for?
 *
 * Looks at a whole, unstreamed answer in the client's dialect. Level `json`: where the request asks
 * for structured output, the text is JSON. `schema`: and fits the schema that the request gives.
 * `tools`: and every call names a tool of the request, with arguments that fit its schema.
 * Refusals, and answers that end in tool calls, need no text. Pure; allocates what it unescapes and
 * frees it.
 */
#ifndef COORDINATOR_VALIDATE_H
#define COORDINATOR_VALIDATE_H

#include "alias.h"

/* 1 = nothing to complain about (also when the dialect knows no structured output, or there is no
 * memory to look), 0 = a sentence in `fault`. */
int validate_answer(struct aiex_slice dialect, struct aiex_slice request, struct aiex_slice answer,
                    enum validate level, char *fault, size_t size);

/* The request with a message at its end that says what was wrong. malloc()ed, 0 and *ret; -EINVAL
 * when the request has no list of messages, -ENOMEM. */
int validate_repair(struct aiex_slice request, const char *fault, struct aiex_slice *ret);

#endif
