/* answer.h - what one JSON document of the vendor (a chunk or a whole answer) says. */
#ifndef OPENAI_ANSWER_H
#define OPENAI_ANSWER_H

#include <aiex_json.h>

/* Gathered over all documents of one answer; the last word counts. */
struct answer {
    int64_t input_tokens, output_tokens, cached_tokens; /* -1 = not reported */
    char finish[32];                                    /* "" = not yet */
    char model[257];
};

#define ANSWER_ERROR      1u /* {"error": ...} instead of choices */
#define ANSWER_USAGE_ONLY 2u /* the chunk that include_usage adds: no choices, but usage */

void answer_init(struct answer *a);
/* ANSWER_* flags (0 = an ordinary document), or -EINVAL with *why (static text): not a JSON object.
 */
int answer_scan(struct answer *a, struct aiex_slice json, const char **why);

#endif
