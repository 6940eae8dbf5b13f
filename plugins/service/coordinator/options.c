/*
 * options.c - the options: name, default, help, type, limits and place in one table. README.md
 * shows the same rows in groups. Those that begin with a name and a point are tables: many keys.
 */
#include "options.h"

#define OPT(field) offsetof(struct config, field)
#define LIVE       AIEX_OPT_RELOADABLE
#define HOUR       3600000

static const char *const unlisted[] = {"refuse", "pass", NULL};
static const char *const scopes[] = {"key", "shared", NULL};

#define TEXT(name, def, help, flags, field)                                                        \
    {                                                                                              \
        name, def, help, AIEX_OPT_STRING, flags, 0, 0, NULL, OPT(field)                            \
    }
#define NUMBER(name, def, help, type, min, max, field)                                             \
    {                                                                                              \
        name, def, help, type, LIVE, min, max, NULL, OPT(field)                                    \
    }
#define CHOICE(name, def, help, choices, field)                                                    \
    {                                                                                              \
        name, def, help, AIEX_OPT_CHOICE, LIVE, 0, 0, choices, OPT(field)                          \
    }

const struct aiex_option coordinator_options[] = {
    TEXT("providers", "auto",
         "instances in order of preference, separated by commas; auto takes all of kind provider",
         0, providers),
    TEXT("fallback", "auto",
         "instance that answers when no provider is reachable; auto = provider_offline, none = an "
         "error",
         0, fallback),
    TEXT("alias.*", NULL,
         "a name for models: targets with weights and conditions, settings behind |", LIVE,
         aliases),
    TEXT("strategy.*", NULL, "in which order the targets of that alias are tried", LIVE,
         strategies),
    CHOICE(
        "strategy", "ordered",
        "in which order providers are tried for models and aliases without a strategy of their own",
        strategy_names, strategy),
    TEXT("limit.*", NULL, "what an instance may be asked: rpm= tpm= concurrency= queue=", LIVE,
         limits),
    TEXT("price.*", NULL,
         "dollars per million tokens of models: input= cached= cache_write= output=, or free", LIVE,
         prices),
    TEXT("fallback.*", NULL,
         "where requests go that failed as overloaded, context_length, content_filter or "
         "unavailable",
         LIVE, fallbacks),
    TEXT("auto_model", "",
         "model that the name `auto` stands for; empty = the first one that the chosen provider "
         "lists",
         LIVE, auto_model),
    TEXT(
        "embed_model", "",
        "target for embeddings when no provider of the model asked for can make them; empty = none",
        LIVE, embed_model),
    CHOICE("unlisted", "refuse",
           "a model that no provider lists: refuse with not_found, or pass to the first healthy "
           "provider",
           unlisted, unlisted),
    TEXT("local", "ollama*, lmstudio*, openai:ollama, openai:lmstudio",
         "instances on this machine or near it, for the strategy affinity; * for anything", LIVE,
         local),
    NUMBER("attempts", "3", "calls to providers for one request, without fallbacks", AIEX_OPT_INT,
           1, 16, attempts),
    NUMBER("first_token", "0s",
           "longest time to the first part of an answer; 0 = as the provider has it",
           AIEX_OPT_DURATION, 0, HOUR, first_token),
    NUMBER("idle", "0s", "longest time between two parts; 0 = as the provider has it",
           AIEX_OPT_DURATION, 0, HOUR, idle),
    NUMBER("total", "0s", "longest time of one call to a provider; 0 = as the provider has it",
           AIEX_OPT_DURATION, 0, 24 * HOUR, total),
    TEXT("hedge", "off",
         "a second provider is asked when the first has not begun to answer: off, p50 to p99 of "
         "its times, or "
         "a time",
         LIVE, hedge),
    NUMBER("retry_pause", "200ms",
           "pause before the same provider is asked again, doubled each time", AIEX_OPT_DURATION, 1,
           60000, retry_pause),
    NUMBER("retry_wait", "10s",
           "longest Retry-After that a request waits for when no other provider fits",
           AIEX_OPT_DURATION, 0, HOUR, retry_wait),
    NUMBER("retry_budget", "20",
           "repeats and hedges in percent of requests; ten and one each second are free",
           AIEX_OPT_INT, 0, 1000, retry_budget),
    NUMBER("queue", "256", "requests that may wait for the limits of one instance", AIEX_OPT_INT, 0,
           100000, queue),
    NUMBER("queue_time", "30s", "longest time that a request waits there", AIEX_OPT_DURATION, 0,
           HOUR, queue_time),
    NUMBER("key_rest", "60s", "how long an instance goes last after its key was refused",
           AIEX_OPT_DURATION, 0, HOUR, key_rest),
    NUMBER("breaker_failures", "10",
           "requests in a row that failed and open a breaker; 0 = they do not count", AIEX_OPT_INT,
           0, 10000, breaker_failures),
    NUMBER("breaker_percent", "50",
           "share of failed calls that opens a breaker; 0 = it does not count", AIEX_OPT_INT, 0,
           100, breaker_percent),
    NUMBER("breaker_least", "20", "calls that must have ended for the share to count", AIEX_OPT_INT,
           1, 100000, breaker_least),
    NUMBER("breaker_window", "30s", "time that the share is taken over", AIEX_OPT_DURATION, 100,
           HOUR, breaker_window),
    NUMBER("breaker_open", "5s", "how long an open breaker lets nothing through; doubled each time",
           AIEX_OPT_DURATION, 10, HOUR, breaker_open),
    NUMBER("breaker_open_max", "2m", "the longest such time", AIEX_OPT_DURATION, 10, HOUR,
           breaker_open_max),
    NUMBER("breaker_probes", "1", "calls that may run at once while it is half open", AIEX_OPT_INT,
           1, 1000, breaker_probes),
    NUMBER("breaker_wait", "5s",
           "how soon an open breaker must let a probe through for a request to wait that no other "
           "provider fits; 0 = none waits",
           AIEX_OPT_DURATION, 0, HOUR, breaker_wait),
    NUMBER("slow_call", "0s", "a longer call counts as failed for the breaker; 0 = none does",
           AIEX_OPT_DURATION, 0, HOUR, slow_call),
    {"affinity", "4096", "conversations whose place is remembered; 0 = none", AIEX_OPT_INT, 0, 0,
     1000000, NULL, OPT(affinity)},
    NUMBER("affinity_ttl", "5m", "how long a prompt cache is taken for warm", AIEX_OPT_DURATION, 0,
           24 * HOUR, affinity_ttl),
    NUMBER("cache", "off", "keep whole answers and give them again to equal requests",
           AIEX_OPT_BOOL, 0, 0, cache),
    NUMBER("cache_ttl", "10m", "how long an answer is given again", AIEX_OPT_DURATION, 0,
           24 * HOUR * 7, cache_ttl),
    NUMBER("cache_bytes", "16M", "memory for answers", AIEX_OPT_SIZE, 64 * 1024, 1024 * 1024 * 1024,
           cache_bytes),
    NUMBER("cache_entry", "512k", "the largest answer that is kept", AIEX_OPT_SIZE, 1024,
           768 * 1024, cache_entry),
    NUMBER("cache_levels", "off",
           "answers are kept in tiers as well: found by all nodes' processes and after a restart",
           AIEX_OPT_BOOL, 0, 0, cache_levels),
    TEXT("cache_node", "tier_warm", "tier for them in memory; empty = none", LIVE, cache_node),
    TEXT("cache_disk", "tier_cold", "tier for them on disk; empty = none", LIVE, cache_disk),
    NUMBER("cache_wait", "5ms", "how long a request waits for both", AIEX_OPT_DURATION, 1, 1000,
           cache_wait),
    CHOICE("cache_scope", "key", "who shares answers: requests of one API key, or all", scopes,
           cache_scope),
    CHOICE(
        "validate", "off",
        "look at unstreamed answers and ask once more when they are broken: json, schema or tools",
        validate_names, validate),
    {"health_interval", "10s", "time between two rounds of questions to all providers",
     AIEX_OPT_DURATION, 0, 100, HOUR, NULL, OPT(health_interval)},
    NUMBER("accounting_events", "no",
           "publish coordinator.call with provider, model and tokens of each call", AIEX_OPT_BOOL,
           0, 0, accounting_events),
    {0},
};
