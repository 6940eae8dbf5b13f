#include "choose.h"

#include <string.h>

/* The first healthy, untried one that is real and whose list says `lists`. */
static int first(const struct candidate *c, size_t n, enum lists lists)
{
    for (size_t i = 0; i < n; i++)
        if (c[i].healthy && !c[i].tried && !c[i].offline && c[i].lists == lists)
            return (int)i;
    return CHOOSE_NO_PROVIDER;
}

int choose_offline(const struct candidate *c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c[i].offline && !c[i].tried)
            return (int)i;
    return CHOOSE_NO_PROVIDER;
}

/* Somebody real is healthy and untried, but nobody is known who could have the model: a provider
 * that lists it and is down, or one that was tried in vain, makes it "its provider is away". */
static int model_is_missing(const struct candidate *c, size_t n)
{
    int healthy = 0;

    for (size_t i = 0; i < n; i++) {
        if (c[i].offline)
            continue;
        if (c[i].tried || (!c[i].healthy && c[i].lists == LIST_WITH))
            return 0;
        healthy |= c[i].healthy;
    }
    return healthy;
}

int choose_next(const struct candidate *c, size_t n, const struct wish *wish)
{
    int at = first(c, n, LIST_WITH);

    if (at >= 0)
        return at;
    for (size_t i = 0; i < n; i++) /* the client asked for the offline model by its name */
        if (c[i].offline && !c[i].tried && c[i].lists == LIST_WITH)
            return (int)i;
    if (wish->only_listed)
        return CHOOSE_NO_MODEL;
    at = first(c, n, LIST_UNKNOWN);
    if (at < 0 && wish->pass_unlisted)
        at = first(c, n, LIST_WITHOUT);
    if (at >= 0)
        return at;
    if (model_is_missing(c, n))
        return CHOOSE_NO_MODEL;
    return wish->fallback ? choose_offline(c, n) : CHOOSE_NO_PROVIDER;
}
