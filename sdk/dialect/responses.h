/* responses.h - the objects of openai.responses: response, items, parts. */
#ifndef DIALECT_RESPONSES_H
#define DIALECT_RESPONSES_H

#include "put.h"

/* Where the answer stands at its end: "completed" or "incomplete". */
const char *responses_status(const struct answer *a);
/* The response object; in progress it has neither output nor usage. */
void responses_put(struct answer *a, const char *status);
/* An output item; in progress it is still empty. */
void responses_put_item(struct answer *a, const struct block *b, int64_t index, const char *status);
void responses_put_id(struct answer *a, struct bytes *out, const struct block *b, int64_t index);
/* The part of a message or of a reasoning's summary, with its text or still without. */
void responses_put_part(struct answer *a, const struct block *b, int with_text);

#endif
