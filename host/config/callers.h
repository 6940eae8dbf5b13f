/* callers.h - checks the key `callers` of instances: lengths, and patterns that fit nobody. */
#ifndef AIEX_CONFIG_CALLERS_H
#define AIEX_CONFIG_CALLERS_H

#include "config/config.h"

#define CALLERS_MAX 511u /* bytes; what the bus keeps of it */

void callers_check(const struct config *config, struct report *report);

#endif
