/* put.h - pieces that several writers share. */
#ifndef DIALECT_PUT_H
#define DIALECT_PUT_H

#include "answer.h"

/* `,"usage":{...}` of chat and completions. */
void put_openai_usage(struct answer *a, struct bytes *b);
/* finish_reason of chat and completions. */
const char *put_openai_finish(const struct answer *a);
/* All blocks of a kind as one string, in quotes; null when there are none. 1 when there were some.
 */
int put_joined(struct answer *a, struct bytes *b, enum block_kind kind);
/* What was said to people, refusals included, as one string in quotes. */
void put_said(struct answer *a, struct bytes *b);
int put_has(const struct answer *a, enum block_kind kind);
/* "2026-11-21T13:40:00Z" of the setup's time, in quotes. */
void put_time(struct answer *a, struct bytes *b);

#endif
