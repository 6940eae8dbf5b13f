#include "config/callers.h"

#include "config/sections.h"

#include <fnmatch.h>
#include <string.h>

/* 1 when some instance fits the pattern. The host's own names are not among them. */
static int anyone_fits(const struct config *c, const char *pattern)
{
    for (size_t i = 0; i < c->n_instances; i++)
        if (fnmatch(pattern, c->instances[i].name, FNM_NOESCAPE) == 0)
            return 1;
    return strncmp(pattern, "host", 4) == 0;
}

static void check(const struct config *c, const struct config_instance *in, struct report *report)
{
    const char *at = in->keys.callers;
    struct place place;

    if (!*at)
        return;
    place = section_get(in->section, "callers")->at;
    if (strlen(at) > CALLERS_MAX)
        report_error(report, place, in->name, "callers is longer than %u bytes; use patterns",
                     CALLERS_MAX);
    for (size_t n; *at; at += n) {
        char pattern[AIEX_MAX_NAME + 1];

        at += strspn(at, ", \t");
        n = strcspn(at, ", \t");
        if (n >= sizeof(pattern)) {
            report_error(report, place, in->name, "callers: '%.*s' is longer than a name", 80, at);
            continue;
        }
        memcpy(pattern, at, n);
        pattern[n] = 0;
        if (n && !anyone_fits(c, pattern))
            report_warning(report, place, in->name, "callers: no instance fits '%s'", pattern);
    }
}

void callers_check(const struct config *c, struct report *report)
{
    for (size_t i = 0; i < c->n_instances; i++)
        check(c, &c->instances[i], report);
}
