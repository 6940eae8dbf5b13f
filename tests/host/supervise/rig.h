/* rig.h - a supervisor on a bench: a clock by hand and the actions of the last step. */
#ifndef AIEX_TESTS_SUPERVISE_RIG_H
#define AIEX_TESTS_SUPERVISE_RIG_H

#include "supervise/supervise.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

static struct supervisor *sup;
static struct supervise_actions acts;
static uint64_t now;

static inline void rig_init(void)
{
    sup = supervise_new(32, 42);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sup);
    now = 1000000;
    acts.n = 0;
}

static inline void rig_done(void)
{
    supervise_free(sup);
    sup = NULL;
}

static inline struct supervise_spec rig_spec(const char *name, int group)
{
    struct supervise_spec spec = {.group = group,
                                  .restart = SUPERVISE_PERMANENT,
                                  .max_restarts = 3,
                                  .period_ms = 5000,
                                  .start_deadline_ms = 3000,
                                  .drain_deadline_ms = 2000,
                                  .hang_ms = 500};
    snprintf(spec.name, sizeof spec.name, "%s", name);
    return spec;
}

static inline uint32_t rig_unit(const char *name, int group)
{
    struct supervise_spec spec = rig_spec(name, group);
    int unit = supervise_add(sup, &spec, UINT32_MAX);

    CU_ASSERT_FATAL(unit >= 0);
    return (uint32_t)unit;
}

static inline void about_unit(enum supervise_kind kind, uint32_t unit)
{
    supervise_step(sup, &(struct supervise_event){.kind = kind, .unit = unit}, now, &acts);
}

static inline void about_inc(enum supervise_kind kind, uint32_t inc)
{
    supervise_step(sup, &(struct supervise_event){.kind = kind, .inc = inc}, now, &acts);
}

static inline void ended(uint32_t inc, enum supervise_class class)
{
    supervise_step(sup,
                   &(struct supervise_event){.kind = SUPERVISE_EXIT, .inc = inc, .class = class},
                   now, &acts);
}

static inline void tick_after(uint64_t ms)
{
    now += ms;
    supervise_step(sup, &(struct supervise_event){.kind = SUPERVISE_TICK}, now, &acts);
}

/* The n-th action of that kind in the last step, or NULL. */
static inline const struct supervise_action *act_nth(enum supervise_do what, unsigned n)
{
    for (uint32_t i = 0; i < acts.n; i++)
        if (acts.at[i].what == what && n-- == 0)
            return &acts.at[i];
    return NULL;
}

static inline const struct supervise_action *act(enum supervise_do what)
{
    return act_nth(what, 0);
}

static inline unsigned n_acts(enum supervise_do what)
{
    unsigned n = 0;

    while (act_nth(what, n))
        n++;
    return n;
}

static inline uint32_t spawned(void)
{
    const struct supervise_action *a = act(SUPERVISE_DO_SPAWN);

    CU_ASSERT_PTR_NOT_NULL_FATAL(a);
    return a->inc;
}

static inline enum supervise_state state_of(uint32_t unit)
{
    struct supervise_info info;

    CU_ASSERT_EQUAL_FATAL(supervise_info(sup, unit, &info), 0);
    return (enum supervise_state)info.state;
}

static inline enum supervise_why why_of(uint32_t unit)
{
    struct supervise_info info;

    CU_ASSERT_EQUAL_FATAL(supervise_info(sup, unit, &info), 0);
    return (enum supervise_why)info.why;
}

static inline uint32_t current_of(uint32_t unit)
{
    struct supervise_info info;

    CU_ASSERT_EQUAL_FATAL(supervise_info(sup, unit, &info), 0);
    return info.current;
}

/* The unit started and READY; its incarnation. */
static inline uint32_t up(uint32_t unit)
{
    uint32_t inc;

    about_unit(SUPERVISE_START, unit);
    inc = current_of(unit);
    CU_ASSERT_NOT_EQUAL_FATAL(inc, 0);
    about_inc(SUPERVISE_READY, inc);
    CU_ASSERT_EQUAL(state_of(unit), SUPERVISE_UP);
    return inc;
}

#endif
