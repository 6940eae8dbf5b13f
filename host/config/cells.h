/* cells.h - which processes the instances need, and with what limits. */
#ifndef AIEX_CONFIG_CELLS_H
#define AIEX_CONFIG_CELLS_H

#include "config/config.h"

/* Fills config->cells, puts the cells' values into the instances' keys, and reports keys that a
 * shared cell can not honour. Needs complete instance keys. */
void cells_complete(struct config *config, struct report *report);

#endif
