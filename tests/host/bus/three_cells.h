/* three_cells.h - a caller and two cells on one bus, for tests of single calls. */
#ifndef THREE_CELLS_H
#define THREE_CELLS_H

#include "bus/bus_private.h"
#include "host/bus/cells.h"
#include "test.h"

#include <aiex/aiex_pack.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cells all;
static struct cell_rig *caller, *a, *b;
static const struct aiex_slice none;

static int stay(struct cell_rig *cell, unsigned instance, const struct aiex_message *m)
{
    return 0;
}

static void begin(void)
{
    cells_init(&all);
    caller = cells_add(&all, "caller", 1);
    a = cells_add(&all, "a", 2);
    b = cells_add(&all, "b", 1);
}

static void finish(void)
{
    struct bus_stats stats;

    for (unsigned i = 0; i < all.n; i++) {
        CU_ASSERT_EQUAL(all.cells[i]->violations, 0);
        CU_ASSERT_EQUAL(all.cells[i]->proto_errors, 0);
    }
    bus_stats(all.bus, &stats);
    CU_ASSERT_EQUAL(stats.open_calls, 0);
    cells_done(&all);
}

/* Calls once and returns the code; how it ended or "" when it has not. */
static const char *call_once(const char *service, const struct aiex_request *more)
{
    static struct seen_answer seen;
    static char code[64];

    seen_init(&seen);
    CU_ASSERT_EQUAL(cells_call(caller, service, "m", none, more, &seen), 0);
    cells_run(&all);
    CU_ASSERT(seen.ends <= 1);
    snprintf(code, sizeof(code), "%s", seen.ends ? seen.code : "");
    if (!seen.ends)
        endpoint_cancel(caller->endpoint, seen.call);
    cells_run(&all);
    seen_done(&seen);
    return code;
}

static void join(struct cell_rig *cell, unsigned index, const char *name, unsigned flags)
{
    cells_raw(cell,
              &(struct record){.kind = RECORD_JOIN,
                               .aux = index,
                               .status = (int32_t)flags,
                               .len = (uint32_t)strlen(name)},
              name);
}

#endif
