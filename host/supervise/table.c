/*
 * table.c - the supervisor as two tables. unit_table says what an event does to a unit,
 * by its state; events of an incarnation arrive there when it is the current one.
 * Events of other incarnations are looked up by role in role_table. TICK means here that
 * a timer of the unit ran out; deadlines of incarnations are the same for all roles and
 * are handled in supervise.c.
 */
#include "supervise/machine.h"

#define ____ unit_ignore

/* clang-format off */
cell *const unit_table[SUPERVISE_N_STATES][SUPERVISE_N_KINDS] = {
/*                       START             READY     EXIT               STOP             REPLACE           REMOVE             DRAINED  TICK            HUNG       SPAWN_FAILED */
[SUPERVISE_DOWN]     = { unit_want,        ____,     ____,              unit_stop,       ____,             unit_remove,       ____,    ____,           ____,      ____ },
[SUPERVISE_STARTING] = { ____,             unit_up,  unit_failed_start, unit_stop,       unit_begin_again, unit_remove,       ____,    ____,           unit_hung, unit_failed_start },
[SUPERVISE_UP]       = { ____,             ____,     unit_crashed,      unit_stop,       unit_replace,     unit_remove,       ____,    unit_spare_due, unit_hung, unit_crashed },
[SUPERVISE_BACKOFF]  = { unit_retry,       ____,     ____,              unit_stop,       unit_retry,       unit_remove,       ____,    unit_due,       ____,      ____ },
[SUPERVISE_FAILED]   = { unit_retry,       unit_up,  unit_probe_failed, unit_stop,       unit_retry,       unit_remove,       ____,    unit_probe,     unit_hung, unit_probe_failed },
[SUPERVISE_STOPPING] = { unit_start_after, ____,     ____,              unit_stop_after, ____,             unit_remove_after, ____,    ____,           ____,      ____ },
[SUPERVISE_STOPPED]  = { unit_want,        ____,     ____,              ____,            ____,             unit_remove,       ____,    ____,           ____,      ____ },
};

cell *const role_table[SUPERVISE_N_ROLES][SUPERVISE_N_KINDS] = {
/*                          START READY              EXIT                STOP  REPLACE REMOVE DRAINED          TICK  HUNG       SPAWN_FAILED */
[SUPERVISE_CURRENT]     = { ____, ____,              ____,               ____, ____,   ____,  ____,            ____, ____,      ____ },
[SUPERVISE_REPLACEMENT] = { ____, replacement_ready, replacement_failed, ____, ____,   ____,  ____,            ____, unit_hung, replacement_failed },
[SUPERVISE_SPARE]       = { ____, spare_ready,       spare_failed,       ____, ____,   ____,  ____,            ____, unit_hung, spare_failed },
[SUPERVISE_LEAVING]     = { ____, ____,              leaving_ended,      ____, ____,   ____,  leaving_drained, ____, unit_hung, leaving_ended },
};
/* clang-format on */
