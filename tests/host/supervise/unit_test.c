/* unit_test.c - the life of single units, with a clock driven by hand. */
#include "rig.h"

#include <errno.h>

static uint32_t unit_with(uint32_t restart, uint32_t spare)
{
    struct supervise_spec spec = rig_spec("one", -1);

    spec.restart = restart;
    spec.spare = spare;
    return (uint32_t)supervise_add(sup, &spec, UINT32_MAX);
}

static void first_crash_restarts_at_once_second_waits(void)
{
    uint32_t u, inc;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    inc = up(u);
    ended(inc, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_CRASH);
    CU_ASSERT_NOT_EQUAL(spawned(), inc);
    about_inc(SUPERVISE_READY, spawned());
    ended(current_of(u), SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_BACKOFF);
    rig_done();
}

static void healthy_again_after_a_period(void)
{
    uint32_t u;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    up(u);
    for (int i = 0; i < 20; i++) {
        ended(current_of(u), SUPERVISE_EXIT_CRASH);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
        about_inc(SUPERVISE_READY, current_of(u));
        now += 5000;
    }
    rig_done();
}

static void backoff_doubles_to_its_cap(void)
{
    struct supervise_spec spec;
    uint64_t base = SUPERVISE_BACKOFF_MS;
    uint32_t u;

    rig_init();
    spec = rig_spec("slow", -1);
    spec.max_restarts = SUPERVISE_MAX_INTENSITY;
    u = (uint32_t)supervise_add(sup, &spec, 0);
    about_unit(SUPERVISE_START, u);
    for (int i = 0; i < 14; i++) {
        uint64_t wait;
        ended(current_of(u), SUPERVISE_EXIT_CRASH);
        CU_ASSERT_EQUAL_FATAL(state_of(u), SUPERVISE_BACKOFF);
        wait = supervise_next_deadline(sup) - now;
        CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->in_ms, wait);
        CU_ASSERT(wait >= (base < 30000 ? base : 30000));
        CU_ASSERT(wait <= 30000 && wait <= base + base / 4);
        tick_after(wait - 1);
        CU_ASSERT_EQUAL(acts.n, 0);
        tick_after(1);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
        base *= 2;
    }
    rig_done();
}

static void jitter_differs_by_seed_only(void)
{
    uint64_t waits[3];
    static const uint64_t seeds[3] = {1, 1, 77};

    for (int i = 0; i < 3; i++) {
        struct supervise_spec spec = rig_spec("j", -1);
        uint64_t sum = 0;
        sup = supervise_new(4, seeds[i]);
        now = 5000;
        spec.max_restarts = 20;
        supervise_add(sup, &spec, 0);
        about_unit(SUPERVISE_START, 0);
        for (int k = 0; k < 8; k++) {
            ended(current_of(0), SUPERVISE_EXIT_CRASH);
            sum = sum * 31 + supervise_next_deadline(sup) - now;
            tick_after(supervise_next_deadline(sup) - now);
        }
        waits[i] = sum;
        rig_done();
    }
    CU_ASSERT_EQUAL(waits[0], waits[1]);
    CU_ASSERT_NOT_EQUAL(waits[0], waits[2]);
}

/* Crashes right after READY until the unit is given up; counts the restarts. */
static int crash_until_failed(uint32_t u)
{
    int n = 0;

    while (state_of(u) != SUPERVISE_FAILED && n < 100) {
        if (state_of(u) == SUPERVISE_BACKOFF)
            tick_after(supervise_next_deadline(sup) - now);
        about_inc(SUPERVISE_READY, current_of(u));
        ended(current_of(u), SUPERVISE_EXIT_CRASH);
        n++;
    }
    return n;
}

static void intensity_then_slow_probe_then_healed(void)
{
    uint32_t u;
    uint64_t wait = SUPERVISE_PROBE_MS;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    up(u);
    CU_ASSERT_EQUAL(crash_until_failed(u), 4);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_INTENSITY);
    for (int i = 0; i < 6; i++) {
        CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + wait);
        CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->in_ms, wait);
        tick_after(wait);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_FAILED);
        ended(spawned(), SUPERVISE_EXIT_CRASH);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_FAILED);
        wait = wait * 2 < SUPERVISE_PROBE_CAP_MS ? wait * 2 : SUPERVISE_PROBE_CAP_MS;
    }
    tick_after(wait);
    about_inc(SUPERVISE_READY, spawned());
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SWITCH), 1);
    now += 5000;
    ended(current_of(u), SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    rig_done();
}

static void configuration_is_not_retried(void)
{
    uint32_t u;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    about_unit(SUPERVISE_START, u);
    ended(spawned(), SUPERVISE_EXIT_CONFIG);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_CONFIG);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), SUPERVISE_NEVER);
    tick_after(SUPERVISE_PROBE_CAP_MS * 2);
    CU_ASSERT_EQUAL(acts.n, 0);
    about_unit(SUPERVISE_REPLACE, u);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    about_inc(SUPERVISE_READY, spawned());
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    rig_done();
}

static void probe_that_is_refused_is_not_probed_again(void)
{
    uint32_t u;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    up(u);
    crash_until_failed(u);
    tick_after(SUPERVISE_PROBE_MS);
    ended(spawned(), SUPERVISE_EXIT_CONFIG);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_CONFIG);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), SUPERVISE_NEVER);
    rig_done();
}

static void policies(void)
{
    static const struct {
        uint32_t restart;
        enum supervise_class class;
        enum supervise_state after;
    } rows[] = {
        {SUPERVISE_PERMANENT, SUPERVISE_EXIT_DONE, SUPERVISE_STARTING},
        {SUPERVISE_PERMANENT, SUPERVISE_EXIT_ASKED, SUPERVISE_STARTING},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_DONE, SUPERVISE_STOPPED},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_ASKED, SUPERVISE_STOPPED},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_CRASH, SUPERVISE_STARTING},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_HANG, SUPERVISE_STARTING},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_OOM, SUPERVISE_STARTING},
        {SUPERVISE_TRANSIENT, SUPERVISE_EXIT_PROTOCOL, SUPERVISE_STARTING},
        {SUPERVISE_TEMPORARY, SUPERVISE_EXIT_CRASH, SUPERVISE_STOPPED},
        {SUPERVISE_TEMPORARY, SUPERVISE_EXIT_DONE, SUPERVISE_STOPPED},
        {SUPERVISE_TEMPORARY, SUPERVISE_EXIT_CONFIG, SUPERVISE_STOPPED},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t u;
        rig_init();
        u = unit_with(rows[i].restart, 0);
        ended(up(u), rows[i].class);
        CU_ASSERT_EQUAL(state_of(u), rows[i].after);
        rig_done();
    }
}

static void start_deadline_kills_then_backs_off(void)
{
    uint32_t u, inc;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    about_unit(SUPERVISE_START, u);
    inc = spawned();
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + 3000);
    tick_after(3000);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_KILL)->inc, inc);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_KILL)->why, SUPERVISE_WHY_START_DEADLINE);
    about_inc(SUPERVISE_READY, inc); /* said before it was killed */
    CU_ASSERT_EQUAL(acts.n, 0);
    tick_after(5000);
    CU_ASSERT_EQUAL(acts.n, 0); /* one KILL is enough */
    ended(inc, SUPERVISE_EXIT_HANG);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_BACKOFF);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_START_DEADLINE);
    rig_done();
}

static void stop_drains_ends_and_kills_at_the_deadline(void)
{
    uint32_t u, inc;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    inc = up(u);
    about_unit(SUPERVISE_STOP, u);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, inc);
    tick_after(1999);
    CU_ASSERT_EQUAL(acts.n, 0);
    about_inc(SUPERVISE_DRAINED, inc);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_END)->inc, inc);
    tick_after(SUPERVISE_END_MS);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_KILL)->why, SUPERVISE_WHY_DRAIN_DEADLINE);
    ended(inc, SUPERVISE_EXIT_ASKED);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STOPPED);
    CU_ASSERT(supervise_quiet(sup));
    rig_done();
}

static void start_while_stopping_starts_afterwards(void)
{
    uint32_t u, inc;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    inc = up(u);
    about_unit(SUPERVISE_STOP, u);
    about_unit(SUPERVISE_START, u);
    ended(inc, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    about_unit(SUPERVISE_STOP, u);
    about_unit(SUPERVISE_REMOVE, u);
    ended(act(SUPERVISE_DO_KILL) ? act(SUPERVISE_DO_KILL)->inc : inc, SUPERVISE_EXIT_ASKED);
    rig_done();
}

static void upgrade_switches_when_ready(void)
{
    uint32_t u, old, new;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    old = up(u);
    about_unit(SUPERVISE_REPLACE, u);
    new = spawned();
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->role, SUPERVISE_REPLACEMENT);
    CU_ASSERT_EQUAL(current_of(u), old);
    about_inc(SUPERVISE_READY, new);
    CU_ASSERT_EQUAL(acts.at[0].what, SUPERVISE_DO_SWITCH); /* before the old one drains */
    CU_ASSERT_EQUAL(acts.at[0].inc, new);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, old);
    about_inc(SUPERVISE_DRAINED, old);
    ended(old, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    CU_ASSERT_EQUAL(current_of(u), new);
    rig_done();
}

static void failed_replacement_leaves_the_old_one(void)
{
    uint32_t u, old;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    old = up(u);
    about_unit(SUPERVISE_REPLACE, u);
    ended(spawned(), SUPERVISE_EXIT_CONFIG);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->state, SUPERVISE_UP);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->why, SUPERVISE_WHY_REPLACEMENT_FAILED);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->cause, SUPERVISE_WHY_CONFIG);
    CU_ASSERT_EQUAL(current_of(u), old);
    rig_done();
}

static void crash_during_upgrade_waits_for_the_new_one(void)
{
    uint32_t u, old, new;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    old = up(u);
    about_unit(SUPERVISE_REPLACE, u);
    new = spawned();
    ended(old, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 0);
    about_inc(SUPERVISE_READY, new);
    CU_ASSERT_EQUAL(current_of(u), new);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    rig_done();
}

static void many_upgrades_wait_for_slots(void)
{
    uint32_t u, leaving[16], n = 0, last;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 0);
    leaving[n++] = up(u);
    for (int i = 0; i < 5; i++) {
        about_unit(SUPERVISE_REPLACE, u);
        last = spawned();
        about_inc(SUPERVISE_READY, last);
        leaving[n++] = last;
    }
    about_unit(SUPERVISE_REPLACE, u); /* six live: no slot */
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 0);
    ended(leaving[0], SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 1);
    rig_done();
}

static void spare_takes_over_at_once(void)
{
    uint32_t u, first, spare;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 1);
    first = up(u);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + SUPERVISE_SPARE_MS);
    tick_after(SUPERVISE_SPARE_MS);
    spare = spawned();
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->role, SUPERVISE_SPARE);
    about_inc(SUPERVISE_READY, spare);
    ended(first, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SWITCH)->inc, spare);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 0); /* not on the recovery path */
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    CU_ASSERT_EQUAL(why_of(u), SUPERVISE_WHY_SPARE);
    tick_after(SUPERVISE_SPARE_MS);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->role, SUPERVISE_SPARE);
    rig_done();
}

static void spare_not_ready_becomes_the_start(void)
{
    uint32_t u, first, spare;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 1);
    first = up(u);
    tick_after(SUPERVISE_SPARE_MS);
    spare = spawned();
    ended(first, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_STARTING);
    CU_ASSERT_EQUAL(current_of(u), spare);
    about_inc(SUPERVISE_READY, spare);
    CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    rig_done();
}

static void failing_spare_backs_off_and_harms_nobody(void)
{
    uint32_t u;
    uint64_t last = 0;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 1);
    up(u);
    tick_after(SUPERVISE_SPARE_MS);
    for (int i = 0; i < 8; i++) {
        uint64_t wait;
        ended(spawned(), SUPERVISE_EXIT_CRASH);
        CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->why, SUPERVISE_WHY_SPARE_FAILED);
        wait = supervise_next_deadline(sup) - now;
        CU_ASSERT(wait > last);
        last = wait;
        tick_after(wait);
        CU_ASSERT_EQUAL(state_of(u), SUPERVISE_UP);
    }
    rig_done();
}

static void upgrade_replaces_the_spare_too(void)
{
    uint32_t u, spare, new;

    rig_init();
    u = unit_with(SUPERVISE_PERMANENT, 1);
    up(u);
    tick_after(SUPERVISE_SPARE_MS);
    spare = spawned();
    about_inc(SUPERVISE_READY, spare);
    about_unit(SUPERVISE_REPLACE, u);
    new = spawned();
    about_inc(SUPERVISE_READY, new);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_END)->inc, spare);
    tick_after(SUPERVISE_SPARE_MS);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->role, SUPERVISE_SPARE);
    rig_done();
}

static void refused_values(void)
{
    struct supervise_spec spec;

    CU_ASSERT_PTR_NULL(supervise_new(0, 1));
    CU_ASSERT_PTR_NULL(supervise_new(SUPERVISE_MAX_UNITS + 1, 1));
    rig_init();
    spec = rig_spec("", -1);
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EINVAL);
    spec = rig_spec("a", 3);
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EINVAL);
    spec = rig_spec("a", -1);
    spec.max_restarts = 64;
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EINVAL);
    spec = rig_spec("a", -1);
    spec.period_ms = 0;
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EINVAL);
    memset(spec.name, 'x', sizeof spec.name);
    spec.period_ms = 1;
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EINVAL);
    spec = rig_spec("a", -1);
    CU_ASSERT(supervise_add(sup, &spec, 0) >= 0);
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -EEXIST);
    CU_ASSERT_EQUAL(supervise_change(sup, 9, &spec), -ENOENT);
    CU_ASSERT_EQUAL(supervise_group(sup, "", SUPERVISE_ONE_FOR_ONE, 1, 1), -EINVAL);
    CU_ASSERT_EQUAL(supervise_group(sup, "g", SUPERVISE_ONE_FOR_ONE, 64, 1), -EINVAL);
    for (int i = 0; i < 31; i++) {
        snprintf(spec.name, sizeof spec.name, "n%d", i);
        CU_ASSERT(supervise_add(sup, &spec, UINT32_MAX) >= 0);
    }
    snprintf(spec.name, sizeof spec.name, "full");
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), -ENOSPC);
    rig_done();
}

static void removed_units_number_and_order(void)
{
    struct supervise_spec spec;
    uint32_t a, b, inc;

    rig_init();
    a = rig_unit("a", -1);
    b = rig_unit("b", -1);
    inc = up(a);
    about_unit(SUPERVISE_REMOVE, a);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_GONE), 0);
    ended(inc, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_GONE)->unit, a);
    CU_ASSERT_EQUAL(supervise_nth(sup, 0), (int)b);
    CU_ASSERT_EQUAL(supervise_nth(sup, 1), -ENOENT);
    spec = rig_spec("c", -1);
    CU_ASSERT_EQUAL(supervise_add(sup, &spec, 0), (int)a);
    CU_ASSERT_EQUAL(supervise_nth(sup, 0), (int)a);
    CU_ASSERT_NOT_EQUAL(up(a), inc); /* a number never comes twice */
    CU_ASSERT_EQUAL(supervise_unit_of(sup, inc), -ENOENT);
    rig_done();
}

const struct test_case tests[] = {
    {"first_crash_restarts_at_once_second_waits", first_crash_restarts_at_once_second_waits},
    {"healthy_again_after_a_period", healthy_again_after_a_period},
    {"backoff_doubles_to_its_cap", backoff_doubles_to_its_cap},
    {"jitter_differs_by_seed_only", jitter_differs_by_seed_only},
    {"intensity_then_slow_probe_then_healed", intensity_then_slow_probe_then_healed},
    {"configuration_is_not_retried", configuration_is_not_retried},
    {"probe_that_is_refused_is_not_probed_again", probe_that_is_refused_is_not_probed_again},
    {"policies", policies},
    {"start_deadline_kills_then_backs_off", start_deadline_kills_then_backs_off},
    {"stop_drains_ends_and_kills_at_the_deadline", stop_drains_ends_and_kills_at_the_deadline},
    {"start_while_stopping_starts_afterwards", start_while_stopping_starts_afterwards},
    {"upgrade_switches_when_ready", upgrade_switches_when_ready},
    {"failed_replacement_leaves_the_old_one", failed_replacement_leaves_the_old_one},
    {"crash_during_upgrade_waits_for_the_new_one", crash_during_upgrade_waits_for_the_new_one},
    {"many_upgrades_wait_for_slots", many_upgrades_wait_for_slots},
    {"spare_takes_over_at_once", spare_takes_over_at_once},
    {"spare_not_ready_becomes_the_start", spare_not_ready_becomes_the_start},
    {"failing_spare_backs_off_and_harms_nobody", failing_spare_backs_off_and_harms_nobody},
    {"upgrade_replaces_the_spare_too", upgrade_replaces_the_spare_too},
    {"refused_values", refused_values},
    {"removed_units_number_and_order", removed_units_number_and_order},
    {0},
};
