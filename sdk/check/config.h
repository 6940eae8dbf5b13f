/* config.h - the configuration that a checked instance gets. */
#ifndef AIEX_CHECK_CONFIG_H
#define AIEX_CHECK_CONFIG_H

#include "check.h"

#include <aiex_fake_host.h>

#define CONFIG_MAX 256 /* options of one plugin */

struct config {
    struct aiex_fake_pair pairs[CONFIG_MAX + 1];
    size_t n;
};

/* The i-th option by the plugin's own stride, NULL behind the last or when the table has no end. */
const struct aiex_option *config_option(const struct aiex_plugin *p, size_t i);

/* What --set gave, and a harmless value for each required option that it did not give. */
void config_fill(const struct check *c, struct config *ret_config);

/* The same with one option changed. `text` is kept by reference. */
void config_with(const struct check *c, const char *name, const char *text,
                 struct config *ret_config);

#endif
