/* reload_on.h - checks the key `reload_on` of instances: a list of topics. */
#ifndef AIEX_CONFIG_RELOAD_ON_H
#define AIEX_CONFIG_RELOAD_ON_H

#include "config/config.h"
#include "config/report.h"

void reload_on_check(const struct config *config, struct report *report);

#endif
