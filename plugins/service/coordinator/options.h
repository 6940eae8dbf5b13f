/* options.h - the option table of the coordinator. */
#ifndef COORDINATOR_OPTIONS_H
#define COORDINATOR_OPTIONS_H

#include "coordinator.h"

extern const struct aiex_option coordinator_options[];

#endif
