/*
 * families.h - the keys of an instance that options ending in ".*" take, made one
 * option each. After it `options` of an instance has no key that is not in the table.
 */
#ifndef AIEX_CONFIG_FAMILIES_H
#define AIEX_CONFIG_FAMILIES_H

#include "config/config.h"

/* A family stands where its first key stood. Wrong keys are reported and left out. 0, -ENOMEM. */
int families_gather(struct config *config, struct config_instance *in, struct report *report);

#endif
