/*
 * alias.h - names for models, made by the operator.
 *
 *     alias.fast = ollama/qwen2.5-coder, openai/gpt-4o-mini | hedge=p95 first_token=2s
 *     alias.big  = openai:work/gpt-5 weight=3 if context>100k, anthropic/claude-sonnet-4-5
 *     strategy.fast = affinity
 *
 * A value is a list of targets, perhaps followed by `|` and settings for requests to this alias.
 *
 *     target    = [INSTANCE/]MODEL [weight=N] [if CONDITION [and CONDITION]...]
 *     CONDITION = [not] tools | vision | json | fim | embeddings | stream
 *               | context>N  context>=N  context<N  context<=N     estimated prompt tokens; 100k
 *               | tag:NAME=VALUE
 *     setting   = first_token=T idle=T total=T attempts=N hedge=off|pNN|T cache=on|off
 *                 validate=off|json|schema|tools
 *
 * An instance may be written without `provider_`; without an instance every provider that lists
 * the model is meant. Aliases do not nest: a fallback may name another alias. Pure.
 */
#ifndef COORDINATOR_ALIAS_H
#define COORDINATOR_ALIAS_H

#include "line.h"
#include "strategy.h"

#define ALIAS_MAX        256u
#define ALIAS_TARGETS    32u
#define ALIAS_CONDITIONS 4u
#define ALIAS_NAME       64u
#define ALIAS_MODEL      320u /* "INSTANCE/MODEL" */

enum condition_kind { IF_NEED, IF_CONTEXT_ABOVE, IF_CONTEXT_BELOW, IF_TAG, IF_STREAM };

struct condition {
    enum condition_kind kind;
    int not ;
    unsigned need;   /* IF_NEED: NEED_* */
    int64_t context; /* above: more than, below: less than */
    char tag[64], value[64];
};

struct target {
    char model[ALIAS_MODEL];
    uint32_t weight;
    unsigned n_conditions;
    struct condition conditions[ALIAS_CONDITIONS];
};

/* When a second request is made because the first has not begun to answer. */
enum hedge_kind { HEDGE_OFF, HEDGE_QUANTILE, HEDGE_TIME, HEDGE_UNSET };

struct hedge {
    enum hedge_kind kind;
    int64_t value; /* percent, or ms */
};

enum validate { VALIDATE_OFF, VALIDATE_JSON, VALIDATE_SCHEMA, VALIDATE_TOOLS };
extern const char *const validate_names[]; /* NULL at the end */

struct alias_settings { /* -1 = as the option of that name says */
    int64_t first_token_ms, idle_ms, total_ms, attempts, cache, validate;
    struct hedge hedge; /* HEDGE_UNSET likewise */
};

struct alias {
    char name[ALIAS_NAME + 1];
    struct target *targets;
    size_t n;
    enum strategy strategy;
    int has_strategy; /* else as the option says */
    struct alias_settings settings;
    uint64_t turn; /* round robin */
};

struct alias_table {
    struct alias *list;
    size_t n;
};

/* Reads `alias.*` and `strategy.*`. 0, -EINVAL with a sentence (ret is untouched), -ENOMEM. */
int alias_parse(const char *aliases, const char *strategies, struct alias_table *ret,
                struct aiex_error *err);
void alias_done(struct alias_table *t);
struct alias *alias_find(const struct alias_table *t, const char *name);

/* "off", "p95", "800ms". 0, -EINVAL with a sentence. Also for the option `hedge`. */
int alias_read_hedge(struct cursor *c, struct word w, struct hedge *ret);

/* What conditions are held against. */
struct asked {
    unsigned needs;
    int stream;
    int64_t context;        /* estimated tokens of the prompt; < 0 unknown, counts as 0 */
    struct aiex_slice tags; /* msgpack map of str, may be empty */
};

/* 1 when all conditions hold. */
int alias_target_fits(const struct target *t, const struct asked *a);
/* 1 when some target asks for the context size, which costs time to find out. */
int alias_wants_context(const struct alias *a);
int alias_wants_needs(const struct alias *a); /* likewise, for what the body needs */

#endif
