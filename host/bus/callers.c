/*
 * callers.c - who may call an instance: the host key `callers`, a list of names with *.
 *
 * A cell can not claim to be another, so this holds between cells; instances of one cell call each
 * other without the bus. The last caller that was let in is remembered: most instances have one.
 * What only tells how an instance is may be asked by everyone.
 */
#include "bus/bus_private.h"

#include <fnmatch.h>
#include <string.h>

static const char between[] = ", \t";

static int fits(const char *list, const char *name)
{
    while (*list) {
        char pattern[AIEX_MAX_NAME + 1];
        size_t n;

        list += strspn(list, between);
        n = strcspn(list, between);
        if (n && n < sizeof(pattern)) {
            memcpy(pattern, list, n);
            pattern[n] = 0;
            if (fnmatch(pattern, name, FNM_NOESCAPE) == 0)
                return 1;
        }
        list += n;
    }
    return 0;
}

void callers_set(struct bus_instance *callee, const char *list)
{
    size_t n = list ? strnlen(list, BUS_CALLERS_MAX) : 0;

    if (n)
        memcpy(callee->callers, list, n);
    callee->callers[n] = 0;
    callee->let_in[0] = 0;
}

int callers_is_open(const char *method)
{
    return strcmp(method, "service.health") == 0 || strcmp(method, "service.metrics") == 0;
}

int callers_allow(struct bus_instance *callee, const char *name)
{
    if (!callee->callers[0] || (name[0] && strcmp(callee->let_in, name) == 0))
        return 1;
    if (!fits(callee->callers, name))
        return 0;
    strcpy(callee->let_in, name); /* both have the size of a name */
    return 1;
}
