/*
 * random_test.c - 30 worlds of random events against a model that only knows which processes
 * exist: every action must be about a living one, no unit has two serving ones, and at the
 * end of each world everything can be stopped.
 */
#include "rig.h"

#define UNITS  12u
#define LIVING 256u

enum life { GONE_BY, LIVES, KILLED };

static struct {
    uint32_t inc, unit;
    enum life life;
} procs[LIVING];
static uint32_t n_procs;
static uint32_t serving[SUPERVISE_MAX_UNITS]; /* inc that SWITCH named, 0 = none */
static uint32_t dice_state;

static uint32_t dice(uint32_t below)
{
    dice_state = dice_state * 1664525u + 1013904223u;
    return (dice_state >> 8) % below;
}

static int proc_of(uint32_t inc)
{
    for (uint32_t i = 0; i < n_procs; i++)
        if (procs[i].inc == inc)
            return (int)i;
    return -1;
}

static void proc_drop(uint32_t i)
{
    if (serving[procs[i].unit] == procs[i].inc)
        serving[procs[i].unit] = 0;
    procs[i] = procs[--n_procs];
}

/* Performs the actions of the last step in the model and checks each. */
static void perform(void)
{
    uint32_t per_unit[SUPERVISE_MAX_UNITS] = {0};

    for (uint32_t i = 0; i < acts.n; i++) {
        const struct supervise_action *x = &acts.at[i];
        int p = x->inc ? proc_of(x->inc) : -1;
        CU_ASSERT_FATAL(x->unit < 32);
        CU_ASSERT(++per_unit[x->unit] <= SUPERVISE_UNIT_ACTIONS);
        switch (x->what) {
        case SUPERVISE_DO_SPAWN:
            CU_ASSERT_EQUAL_FATAL(p, -1); /* a number of its own */
            CU_ASSERT_FATAL(n_procs < LIVING);
            procs[n_procs].inc = x->inc;
            procs[n_procs].unit = x->unit;
            procs[n_procs++].life = LIVES;
            break;
        case SUPERVISE_DO_SWITCH:
            CU_ASSERT_FATAL(p >= 0);
            CU_ASSERT_EQUAL(procs[p].unit, x->unit);
            CU_ASSERT_EQUAL(procs[p].life, LIVES);
            serving[x->unit] = x->inc;
            break;
        case SUPERVISE_DO_DRAIN:
        case SUPERVISE_DO_END:
            CU_ASSERT_FATAL(p >= 0);
            CU_ASSERT_EQUAL(procs[p].life, LIVES);
            if (serving[x->unit] == x->inc)
                serving[x->unit] = 0;
            break;
        case SUPERVISE_DO_KILL:
            CU_ASSERT_FATAL(p >= 0);
            CU_ASSERT_EQUAL(procs[p].life, LIVES); /* never twice */
            procs[p].life = KILLED;
            break;
        case SUPERVISE_DO_GONE:
            for (uint32_t k = 0; k < n_procs; k++)
                CU_ASSERT_NOT_EQUAL(procs[k].unit, x->unit);
            break;
        default:
            CU_ASSERT(x->state < SUPERVISE_N_STATES && x->why < SUPERVISE_N_WHYS);
        }
    }
}

/* What must hold between events. */
static void check_world(void)
{
    for (uint32_t u = 0; u < 32; u++) {
        struct supervise_info info;
        uint32_t alive = 0;
        if (supervise_info(sup, u, &info) < 0)
            continue;
        for (uint32_t i = 0; i < n_procs; i++)
            alive += procs[i].unit == u;
        CU_ASSERT_EQUAL(info.n_incarnations, alive);
        if (info.state == SUPERVISE_UP) {
            CU_ASSERT_EQUAL(serving[u], info.current);
        }
        if (info.state == SUPERVISE_STOPPED || info.state == SUPERVISE_BACKOFF ||
            info.state == SUPERVISE_DOWN) {
            CU_ASSERT_EQUAL(info.current, 0);
        }
        if (info.state == SUPERVISE_STOPPED) {
            CU_ASSERT_EQUAL(alive, 0);
        }
        if (info.state == SUPERVISE_STOPPING) {
            CU_ASSERT(alive > 0);
        }
        if (info.state == SUPERVISE_STARTING) {
            CU_ASSERT_NOT_EQUAL(info.current, 0);
        }
        if (info.state == SUPERVISE_BACKOFF) {
            CU_ASSERT_NOT_EQUAL(info.next_ms, SUPERVISE_NEVER);
        }
    }
}

static void step_with(struct supervise_event e)
{
    if (e.kind == SUPERVISE_EXIT || e.kind == SUPERVISE_SPAWN_FAILED) {
        int p = proc_of(e.inc);
        if (p >= 0)
            proc_drop((uint32_t)p);
    }
    supervise_step(sup, &e, now, &acts);
    perform();
    check_world();
}

static void random_event(void)
{
    static const enum supervise_kind of_unit[] = {SUPERVISE_START, SUPERVISE_START, SUPERVISE_STOP,
                                                  SUPERVISE_REPLACE, SUPERVISE_REPLACE};
    static const enum supervise_kind of_inc[] = {
        SUPERVISE_READY, SUPERVISE_READY,   SUPERVISE_READY, SUPERVISE_EXIT,
        SUPERVISE_HUNG,  SUPERVISE_DRAINED, SUPERVISE_EXIT,  SUPERVISE_SPAWN_FAILED};
    struct supervise_event e = {.kind = SUPERVISE_TICK};
    uint32_t roll = dice(10);

    if (roll < 3 || (roll < 9 && n_procs == 0)) {
        e.kind = of_unit[dice(5)];
        e.unit = dice(UNITS);
    } else if (roll < 8) {
        e.kind = of_inc[dice(8)];
        e.inc = procs[dice(n_procs)].inc;
        e.class = dice(7);
    } else if (roll == 8) { /* nonsense: dead numbers */
        e.kind = of_inc[dice(8)];
        e.inc = dice(1u << 20);
        if (proc_of(e.inc) >= 0)
            e.kind = SUPERVISE_READY;
    } else {
        uint64_t due = supervise_next_deadline(sup);
        now = dice(2) && due != SUPERVISE_NEVER && due > now ? due : now + dice(3000);
    }
    if (e.kind == SUPERVISE_START && dice(40) == 0)
        e.kind = SUPERVISE_REMOVE;
    step_with(e);
}

static void refill(void)
{
    for (uint32_t i = 0; i < UNITS; i++) {
        struct supervise_spec spec = rig_spec("", (int)dice(4) - 1);
        snprintf(spec.name, sizeof spec.name, "u%u", i);
        if (supervise_find(sup, spec.name) >= 0)
            continue;
        spec.restart = dice(4) ? SUPERVISE_PERMANENT : dice(3);
        spec.max_restarts = dice(8);
        spec.spare = dice(3) == 0;
        spec.drain_deadline_ms = dice(3) * 1000;
        CU_ASSERT(supervise_add(sup, &spec, dice(UNITS)) >= 0);
    }
}

/* After the last event: stop all, kill what does not go; nobody is forgotten. */
static void stop_world(void)
{
    supervise_stop_all(sup, now, 5000, &acts);
    perform();
    for (int round = 0; round < 2000 && !supervise_quiet(sup); round++) {
        uint64_t due = supervise_next_deadline(sup);
        struct supervise_event e = {.kind = SUPERVISE_EXIT, .class = SUPERVISE_EXIT_ASKED};
        if (n_procs && dice(2)) {
            e.inc = procs[dice(n_procs)].inc;
        } else {
            e.kind = SUPERVISE_TICK;
            now = due != SUPERVISE_NEVER && due > now ? due : now + 1;
        }
        step_with(e);
    }
    CU_ASSERT(supervise_quiet(sup));
    CU_ASSERT_EQUAL(n_procs, 0);
    for (uint32_t u = 0; u < 32; u++) {
        struct supervise_info info;
        if (supervise_info(sup, u, &info) == 0)
            CU_ASSERT_EQUAL(info.state, SUPERVISE_STOPPED);
    }
}

static void random_worlds(void)
{
    for (uint32_t world = 0; world < 30; world++) {
        rig_init();
        dice_state = world * 7919 + 1;
        n_procs = 0;
        memset(serving, 0, sizeof serving);
        supervise_group(sup, "one", SUPERVISE_ONE_FOR_ONE, 6, 5000);
        supervise_group(sup, "rest", SUPERVISE_REST_FOR_ONE, 10, 5000);
        supervise_group(sup, "all", SUPERVISE_ONE_FOR_ALL, 10, 5000);
        for (int i = 0; i < 1500; i++) {
            if (i % 100 == 0)
                refill();
            random_event();
        }
        stop_world();
        rig_done();
    }
}

/* Left alone with processes that start and never fail, every started unit comes up. */
static void everything_recovers_when_failures_end(void)
{
    for (uint32_t world = 100; world < 130; world++) {
        rig_init();
        dice_state = world;
        n_procs = 0;
        memset(serving, 0, sizeof serving);
        supervise_group(sup, "one", SUPERVISE_ONE_FOR_ONE, 6, 5000);
        supervise_group(sup, "rest", SUPERVISE_REST_FOR_ONE, 10, 5000);
        supervise_group(sup, "all", SUPERVISE_ONE_FOR_ALL, 10, 5000);
        refill();
        for (int i = 0; i < 600; i++)
            random_event();
        refill();
        for (uint32_t u = 0; u < UNITS; u++)
            step_with((struct supervise_event){.kind = SUPERVISE_START, .unit = u});
        for (int round = 0; round < 400; round++) {
            uint64_t due = supervise_next_deadline(sup);
            for (uint32_t i = 0; i < n_procs; i++) {
                uint32_t inc = procs[i].inc;
                if (procs[i].life == KILLED || supervise_role_of(sup, inc) == SUPERVISE_LEAVING)
                    step_with((struct supervise_event){
                        .kind = SUPERVISE_EXIT, .inc = inc, .class = SUPERVISE_EXIT_ASKED});
                else
                    step_with((struct supervise_event){.kind = SUPERVISE_READY, .inc = inc});
            }
            if (due != SUPERVISE_NEVER && due > now)
                now = due;
            step_with((struct supervise_event){.kind = SUPERVISE_TICK});
        }
        for (uint32_t u = 0; u < UNITS; u++) {
            struct supervise_info info;
            if (supervise_info(sup, u, &info) == 0 && info.state != SUPERVISE_UP &&
                info.spec->restart == SUPERVISE_PERMANENT && info.state != SUPERVISE_STOPPED) {
                fprintf(stderr, "world %u unit %u: %s (%s, %s)\n", world, u,
                        supervise_state_text(info.state), supervise_why_text(info.why),
                        supervise_why_text(info.cause));
                CU_FAIL("a unit was forgotten");
            }
        }
        rig_done();
    }
}

const struct test_case tests[] = {
    {"random_worlds", random_worlds},
    {"everything_recovers_when_failures_end", everything_recovers_when_failures_end},
    {0},
};
