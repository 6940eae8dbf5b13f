/* table_test.c - every cell of both tables: what a unit in that state (an incarnation in that role)
 * becomes, and which actions come of it. The expectations are written out beside the product's
 * table, so a changed cell has to be changed twice, with thought. */
#include "rig.h"

/* Brings unit `u` into a state; returns the incarnation that events are to be about. */
static uint32_t reach(uint32_t u, enum supervise_state state)
{
    uint32_t inc = 0;

    switch (state) {
    case SUPERVISE_DOWN:
        break;
    case SUPERVISE_STARTING:
        about_unit(SUPERVISE_START, u);
        inc = spawned();
        break;
    case SUPERVISE_UP:
        inc = up(u);
        break;
    case SUPERVISE_BACKOFF:
        about_unit(SUPERVISE_START, u);
        inc = spawned();
        ended(inc, SUPERVISE_EXIT_CRASH);
        break;
    case SUPERVISE_FAILED: /* with a probe running */
        about_unit(SUPERVISE_START, u);
        for (int i = 0; i < 3; i++) {
            ended(current_of(u), SUPERVISE_EXIT_CRASH);
            tick_after(1000);
        }
        ended(current_of(u), SUPERVISE_EXIT_CRASH);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_FAILED);
        tick_after(SUPERVISE_PROBE_MS);
        inc = spawned();
        break;
    case SUPERVISE_STOPPING:
        inc = up(u);
        about_unit(SUPERVISE_STOP, u);
        break;
    case SUPERVISE_STOPPED:
        inc = up(u);
        about_unit(SUPERVISE_STOP, u);
        about_inc(SUPERVISE_DRAINED, inc);
        ended(inc, SUPERVISE_EXIT_DONE);
        break;
    default:
        CU_FAIL_FATAL("no such state");
    }
    CU_ASSERT_EQUAL_FATAL(state_of(u), state);
    return inc;
}

/* Expected state after the event (GONE = removed) and the actions, one letter each in order:
 * s SPAWN w SWITCH d DRAIN e END k KILL a ANNOUNCE g GONE. NULL actions = the cell is silent. */
#define GONE SUPERVISE_N_STATES
struct expected {
    uint32_t state;
    const char *actions;
};

#define SILENT(state)                                                                              \
    {                                                                                              \
        SUPERVISE_##state, ""                                                                      \
    }

static const struct expected expected[SUPERVISE_N_STATES][SUPERVISE_N_KINDS] =
    {
        [SUPERVISE_DOWN] =
            {
                [SUPERVISE_START] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_READY] = SILENT(DOWN),
                [SUPERVISE_EXIT] = SILENT(DOWN),
                [SUPERVISE_STOP] = {SUPERVISE_STOPPED, "a"},
                [SUPERVISE_REPLACE] = SILENT(DOWN),
                [SUPERVISE_REMOVE] = {GONE, "g"},
                [SUPERVISE_DRAINED] = SILENT(DOWN),
                [SUPERVISE_TICK] = SILENT(DOWN),
                [SUPERVISE_HUNG] = SILENT(DOWN),
                [SUPERVISE_SPAWN_FAILED] = SILENT(DOWN),
            },
        [SUPERVISE_STARTING] =
            {
                [SUPERVISE_START] = SILENT(STARTING),
                [SUPERVISE_READY] = {SUPERVISE_UP, "wa"},
                [SUPERVISE_EXIT] = {SUPERVISE_BACKOFF, "a"},
                [SUPERVISE_STOP] = {SUPERVISE_STOPPING, "ka"},
                [SUPERVISE_REPLACE] = {SUPERVISE_STARTING, "ksa"},
                [SUPERVISE_REMOVE] = {SUPERVISE_STOPPING, "ka"},
                [SUPERVISE_DRAINED] = SILENT(STARTING),
                [SUPERVISE_TICK] = {SUPERVISE_STARTING, "k"},
                [SUPERVISE_HUNG] = {SUPERVISE_STARTING, "k"},
                [SUPERVISE_SPAWN_FAILED] = {SUPERVISE_BACKOFF, "a"},
            },
        [SUPERVISE_UP] =
            {
                [SUPERVISE_START] = SILENT(UP),
                [SUPERVISE_READY] = SILENT(UP),
                [SUPERVISE_EXIT] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_STOP] = {SUPERVISE_STOPPING, "da"},
                [SUPERVISE_REPLACE] = {SUPERVISE_UP, "s"},
                [SUPERVISE_REMOVE] = {SUPERVISE_STOPPING, "da"},
                [SUPERVISE_DRAINED] = SILENT(UP),
                [SUPERVISE_TICK] = SILENT(UP),
                [SUPERVISE_HUNG] = {SUPERVISE_UP, "k"},
                [SUPERVISE_SPAWN_FAILED] = {SUPERVISE_STARTING, "sa"},
            },
        [SUPERVISE_BACKOFF] =
            {
                [SUPERVISE_START] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_READY] = SILENT(BACKOFF),
                [SUPERVISE_EXIT] = SILENT(BACKOFF),
                [SUPERVISE_STOP] = {SUPERVISE_STOPPED, "a"},
                [SUPERVISE_REPLACE] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_REMOVE] = {GONE, "g"},
                [SUPERVISE_DRAINED] = SILENT(BACKOFF),
                [SUPERVISE_TICK] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_HUNG] = SILENT(BACKOFF),
                [SUPERVISE_SPAWN_FAILED] = SILENT(BACKOFF),
            },
        [SUPERVISE_FAILED] =
            {
                [SUPERVISE_START] = {SUPERVISE_STARTING, "ksa"},
                [SUPERVISE_READY] = {SUPERVISE_UP, "wa"},
                [SUPERVISE_EXIT] = {SUPERVISE_FAILED, "a"},
                [SUPERVISE_STOP] = {SUPERVISE_STOPPING, "ka"},
                [SUPERVISE_REPLACE] = {SUPERVISE_STARTING, "ksa"},
                [SUPERVISE_REMOVE] = {SUPERVISE_STOPPING, "ka"},
                [SUPERVISE_DRAINED] = SILENT(FAILED),
                [SUPERVISE_TICK] = {SUPERVISE_FAILED, "k"},
                [SUPERVISE_HUNG] = {SUPERVISE_FAILED, "k"},
                [SUPERVISE_SPAWN_FAILED] = {SUPERVISE_FAILED, "a"},
            },
        [SUPERVISE_STOPPING] =
            {
                [SUPERVISE_START] = SILENT(STOPPING),
                [SUPERVISE_READY] = SILENT(STOPPING),
                [SUPERVISE_EXIT] = {SUPERVISE_STOPPED, "a"},
                [SUPERVISE_STOP] = SILENT(STOPPING),
                [SUPERVISE_REPLACE] = SILENT(STOPPING),
                [SUPERVISE_REMOVE] = SILENT(STOPPING),
                [SUPERVISE_DRAINED] = {SUPERVISE_STOPPING, "e"},
                [SUPERVISE_TICK] = {SUPERVISE_STOPPING, "k"},
                [SUPERVISE_HUNG] = {SUPERVISE_STOPPING, "k"},
                [SUPERVISE_SPAWN_FAILED] = {SUPERVISE_STOPPED, "a"},
            },
        [SUPERVISE_STOPPED] =
            {
                [SUPERVISE_START] = {SUPERVISE_STARTING, "sa"},
                [SUPERVISE_READY] = SILENT(STOPPED),
                [SUPERVISE_EXIT] = SILENT(STOPPED),
                [SUPERVISE_STOP] = SILENT(STOPPED),
                [SUPERVISE_REPLACE] = SILENT(STOPPED),
                [SUPERVISE_REMOVE] = {GONE, "g"},
                [SUPERVISE_DRAINED] = SILENT(STOPPED),
                [SUPERVISE_TICK] = SILENT(STOPPED),
                [SUPERVISE_HUNG] = SILENT(STOPPED),
                [SUPERVISE_SPAWN_FAILED] = SILENT(STOPPED),
            },
};

static const char *letters(void)
{
    static char text[64];

    for (uint32_t i = 0; i < acts.n && i < sizeof text - 1; i++)
        text[i] = "swdekag"[acts.at[i].what];
    text[acts.n] = 0;
    return text;
}

static void check_cell(enum supervise_state state, enum supervise_kind kind)
{
    const struct expected *want = &expected[state][kind];
    struct supervise_info info;
    struct supervise_event e = {.kind = kind, .class = SUPERVISE_EXIT_CRASH};

    rig_init();
    e.unit = rig_unit("cell", -1);
    e.inc = reach(e.unit, state);
    if (kind == SUPERVISE_TICK)
        now += 20000; /* past every deadline of a unit, not past a probe's */
    supervise_step(sup, &e, now, &acts);
    if (strcmp(letters(), want->actions) != 0)
        fprintf(stderr, "state %s, event %d: actions '%s', expected '%s'\n",
                supervise_state_text(state), kind, letters(), want->actions);
    CU_ASSERT_STRING_EQUAL(letters(), want->actions);
    if (want->state == GONE) {
        CU_ASSERT_EQUAL(supervise_info(sup, e.unit, &info), -2);
    } else {
        CU_ASSERT_EQUAL(state_of(e.unit), want->state);
    }
    rig_done();
}

static void every_state_and_event(void)
{
    for (int state = 0; state < SUPERVISE_N_STATES; state++)
        for (int kind = 0; kind < SUPERVISE_N_KINDS; kind++) {
            CU_ASSERT_PTR_NOT_NULL_FATAL(expected[state][kind].actions);
            check_cell(state, kind);
        }
}

/* ---- Incarnations that are not the current one ---------------------------------- */

struct role_row {
    enum supervise_role role;
    enum supervise_kind kind;
    const char *actions;
};

static const struct role_row role_rows[] = {
    {SUPERVISE_REPLACEMENT, SUPERVISE_READY, "wda"},
    {SUPERVISE_REPLACEMENT, SUPERVISE_EXIT, "a"},
    {SUPERVISE_REPLACEMENT, SUPERVISE_DRAINED, ""},
    {SUPERVISE_REPLACEMENT, SUPERVISE_TICK, "k"},
    {SUPERVISE_REPLACEMENT, SUPERVISE_HUNG, "k"},
    {SUPERVISE_REPLACEMENT, SUPERVISE_SPAWN_FAILED, "a"},
    {SUPERVISE_SPARE, SUPERVISE_READY, ""},
    {SUPERVISE_SPARE, SUPERVISE_EXIT, "a"},
    {SUPERVISE_SPARE, SUPERVISE_DRAINED, ""},
    {SUPERVISE_SPARE, SUPERVISE_TICK, "k"},
    {SUPERVISE_SPARE, SUPERVISE_HUNG, "k"},
    {SUPERVISE_SPARE, SUPERVISE_SPAWN_FAILED, "a"},
    {SUPERVISE_LEAVING, SUPERVISE_READY, ""},
    {SUPERVISE_LEAVING, SUPERVISE_EXIT, ""},
    {SUPERVISE_LEAVING, SUPERVISE_DRAINED, "e"},
    {SUPERVISE_LEAVING, SUPERVISE_TICK, "k"},
    {SUPERVISE_LEAVING, SUPERVISE_HUNG, "k"},
    {SUPERVISE_LEAVING, SUPERVISE_SPAWN_FAILED, ""},
};

/* An UP unit beside whose current incarnation lives one in `role`; returns that one. */
static uint32_t beside(uint32_t u, enum supervise_role role)
{
    uint32_t first = up(u), second;

    if (role == SUPERVISE_SPARE) {
        tick_after(SUPERVISE_SPARE_MS);
        return spawned();
    }
    about_unit(SUPERVISE_REPLACE, u);
    second = spawned();
    if (role == SUPERVISE_REPLACEMENT)
        return second;
    about_inc(SUPERVISE_READY, second);
    CU_ASSERT_EQUAL(current_of(u), second);
    return first;
}

static void every_role_and_event(void)
{
    for (size_t i = 0; i < sizeof role_rows / sizeof role_rows[0]; i++) {
        const struct role_row *row = &role_rows[i];
        struct supervise_spec spec;
        struct supervise_event e = {.kind = row->kind, .class = SUPERVISE_EXIT_CRASH};
        rig_init();
        spec = rig_spec("cell", -1);
        spec.spare = row->role == SUPERVISE_SPARE;
        e.unit = (uint32_t)supervise_add(sup, &spec, 0);
        e.inc = beside(e.unit, row->role);
        CU_ASSERT_EQUAL(supervise_role_of(sup, e.inc), (int)row->role);
        if (row->kind == SUPERVISE_TICK)
            now += 20000;
        supervise_step(sup, &e, now, &acts);
        if (strcmp(letters(), row->actions) != 0)
            fprintf(stderr, "role %d, event %d: actions '%s', expected '%s'\n", row->role,
                    row->kind, letters(), row->actions);
        CU_ASSERT_STRING_EQUAL(letters(), row->actions);
        CU_ASSERT_EQUAL(state_of(e.unit), SUPERVISE_UP);
        rig_done();
    }
}

const struct test_case tests[] = {
    {"every_state_and_event", every_state_and_event},
    {"every_role_and_event", every_role_and_event},
    {0},
};
