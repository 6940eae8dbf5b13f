#include "verdict.h"

#include <aiex/aiex_plugin.h>

#include <string.h>

const char *const fallback_names[N_FALLBACKS] = {"", "overloaded", "context_length",
                                                 "content_filter", "unavailable"};

#define BAD  OUTCOME_BAD
#define IDLE OUTCOME_NEUTRAL

/* clang-format off */
static const struct {
    const char *code, *reason; /* NULL = any; the first row that fits counts */
    struct verdict v;
} rows[] = {
    /* the client's: no other provider would do better */
    {NULL, "context_length", {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_CONTEXT_LENGTH}},
    {NULL, "content_filter", {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_CONTENT_FILTER}},
    {AIEX_E_INVALID, NULL,   {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_NONE}},
    {AIEX_E_CONFLICT, NULL,  {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_NONE}},
    {AIEX_E_CANCELLED, NULL, {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_NONE}},
    {AIEX_E_READ_ONLY, NULL, {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_NONE}},
    {AIEX_E_NOT_FOUND, NULL, {NEXT_LISTED, AGAIN_NEVER, OFFLINE_NEVER, 2, IDLE, BLAME_NONE, FALLBACK_NONE}},
    /* the key's */
    {NULL, "auth",           {NEXT_ANY, AGAIN_NEVER, OFFLINE_NEVER, 3, IDLE, BLAME_KEY, FALLBACK_UNAVAILABLE}},
    {NULL, "quota",          {NEXT_ANY, AGAIN_NEVER, OFFLINE_NEVER, 3, IDLE, BLAME_KEY, FALLBACK_UNAVAILABLE}},
    {AIEX_E_DENIED, NULL,    {NEXT_ANY, AGAIN_NEVER, OFFLINE_NEVER, 3, IDLE, BLAME_NONE, FALLBACK_NONE}},
    /* the provider's */
    {AIEX_E_BUSY, "rate_limit", {NEXT_ANY, AGAIN_AFTER_WAIT, OFFLINE_NEVER, 5, IDLE, BLAME_WAIT, FALLBACK_OVERLOADED}},
    {AIEX_E_BUSY, "overloaded", {NEXT_ANY, AGAIN_AFTER_PAUSE, OFFLINE_NEVER, 5, BAD, BLAME_WAIT, FALLBACK_OVERLOADED}},
    {AIEX_E_BUSY, NULL,      {NEXT_ANY, AGAIN_AFTER_WAIT, OFFLINE_NEVER, 5, IDLE, BLAME_WAIT, FALLBACK_OVERLOADED}},
    {AIEX_E_UPSTREAM, "overloaded", {NEXT_ANY, AGAIN_AFTER_PAUSE, OFFLINE_IF_DOWN, 4, BAD, BLAME_WAIT, FALLBACK_OVERLOADED}},
    {AIEX_E_UPSTREAM, NULL,  {NEXT_ANY, AGAIN_AFTER_PAUSE, OFFLINE_IF_DOWN, 4, BAD, BLAME_NONE, FALLBACK_UNAVAILABLE}},
    {AIEX_E_TIMEOUT, NULL,   {NEXT_ANY, AGAIN_NEVER, OFFLINE_IF_DOWN, 4, BAD, BLAME_NONE, FALLBACK_UNAVAILABLE}},
    {AIEX_E_UNAVAILABLE, NULL, {NEXT_ANY, AGAIN_AFTER_PAUSE, OFFLINE_ALWAYS, 1, BAD, BLAME_NONE, FALLBACK_UNAVAILABLE}},
    {AIEX_E_CRASHED, NULL,   {NEXT_ANY, AGAIN_NEVER, OFFLINE_ALWAYS, 1, IDLE, BLAME_NONE, FALLBACK_UNAVAILABLE}},
    {AIEX_E_INTERNAL, NULL,  {NEXT_ANY, AGAIN_NEVER, OFFLINE_NEVER, 2, BAD, BLAME_NONE, FALLBACK_NONE}},
    {NULL, NULL,             {NEXT_NONE, AGAIN_NEVER, OFFLINE_NEVER, 9, IDLE, BLAME_NONE, FALLBACK_NONE}},
};
/* clang-format on */

struct verdict verdict_of(const char *code, const char *reason)
{
    size_t i = 0;

    while ((rows[i].code && strcmp(rows[i].code, code) != 0) ||
           (rows[i].reason && strcmp(rows[i].reason, reason) != 0))
        i++;
    return rows[i].v;
}
