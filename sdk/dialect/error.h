/* error.h - reasons and statuses of vendors' errors, and the words that each dialect has for them.
 */
#ifndef DIALECT_ERROR_H
#define DIALECT_ERROR_H

#include "aiex_chat.h"

/* The row that fits best: by status where the status says more than the reason. */
struct error_words {
    int reason;
    int status;            /* 0 = any */
    int usual;             /* the HTTP status when the vendor gave none */
    const char *anthropic; /* error.type */
    const char *type;      /* openai: error.type */
    const char *code;      /* openai: error.code, NULL = null */
};
const struct error_words *error_words(int reason, int status);

/* What words of a vendor mean; `code`, `type` and `message` may be "". */
int error_reason(int status, const char *code, const char *type, const char *message);

/* "Bad Gateway" for 502, "" for what has no name. */
const char *error_status_text(int status);

/* Whether `type` is one of Anthropic's own words. */
int error_is_anthropic_type(const char *type);

#endif
