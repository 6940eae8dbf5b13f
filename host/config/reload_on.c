#include "config/reload_on.h"

#include "base/topic.h"
#include "config/sections.h"

#include <string.h>

static void check(const struct config_instance *in, struct report *report)
{
    const char *at = in->keys.reload_on;
    char topic[TOPIC_BYTES];
    int r;

    while ((r = topic_next(&at, topic)) > 0)
        ;
    if (r < 0)
        report_error(report, section_get(in->section, "reload_on")->at, in->name,
                     "reload_on: '%.*s' is no topic; they are words joined by dots, as store.restored",
                     (int)strcspn(at, ", \t") < 80 ? (int)strcspn(at, ", \t") : 80, at);
}

void reload_on_check(const struct config *c, struct report *report)
{
    for (size_t i = 0; i < c->n_instances; i++)
        check(&c->instances[i], report);
}
