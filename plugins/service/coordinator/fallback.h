/*
 * fallback.h - where a request goes when its own targets can not serve it.
 *
 *     fallback.overloaded          = openai/gpt-4o-mini     every request
 *     fallback.big.context_length  = huge                   those to the alias `big`
 *
 * Reasons: overloaded, context_length, content_filter, unavailable. A value is an alias, a model,
 * or INSTANCE/MODEL. A rule of the alias wins over one for all. Pure.
 */
#ifndef COORDINATOR_FALLBACK_H
#define COORDINATOR_FALLBACK_H

#include "alias.h"
#include "verdict.h"

#define FALLBACK_MAX 256u

struct fallback_rule {
    char alias[ALIAS_NAME + 1]; /* "" = every request */
    enum fallback_class why;
    char to[ALIAS_MODEL];
};

struct fallback_table {
    struct fallback_rule *rules;
    size_t n;
};

/* 0, -EINVAL with a sentence (ret is untouched), -ENOMEM. */
int fallback_parse(const char *text, const struct alias_table *aliases, struct fallback_table *ret,
                   struct aiex_error *err);
void fallback_done(struct fallback_table *t);
/* Where to, or NULL. `alias` may be "". */
const char *fallback_find(const struct fallback_table *t, const char *alias,
                          enum fallback_class why);

#endif
