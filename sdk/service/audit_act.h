/* audit_act.h - an act as the map that the audit log reads; between audit.c and audit_batch.c. */
#ifndef AUDIT_ACT_H
#define AUDIT_ACT_H

#include "aiex_audit.h"

#include <aiex/aiex_pack.h>

/* `time` is wall ms; 0 = the log's own clock. */
void audit_act_write(struct aiex_writer *w, const struct aiex_audit_act *a, int64_t time);

#endif
