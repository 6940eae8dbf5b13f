/* group_test.c - strategies, intensity of groups, and stopping everything. */
#include "rig.h"

static uint32_t a, b, c, d;
static uint32_t ia, ib, ic, id;

/* Members a b c of one group, all UP, and d outside it. */
static void three(enum supervise_strategy strategy, uint32_t max_restarts)
{
    int group;

    rig_init();
    group = supervise_group(sup, "trio", strategy, max_restarts, 10000);
    a = rig_unit("a", group);
    b = rig_unit("b", group);
    c = rig_unit("c", group);
    d = rig_unit("d", -1);
    ia = up(a);
    ib = up(b);
    ic = up(c);
    id = up(d);
}

static void one_for_one_leaves_the_others(void)
{
    three(SUPERVISE_ONE_FOR_ONE, 5);
    ended(ib, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(acts.n, 2);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_STARTING);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_UP);
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_UP);
    rig_done();
}

static void members_start_one_after_the_other(void)
{
    int group;

    rig_init();
    group = supervise_group(sup, "g", SUPERVISE_REST_FOR_ONE, 3, 5000);
    a = rig_unit("a", group);
    b = rig_unit("b", group);
    about_unit(SUPERVISE_START, a);
    about_unit(SUPERVISE_START, b);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_DOWN);
    ended(current_of(a), SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_BACKOFF);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_DOWN);
    tick_after(100);
    about_inc(SUPERVISE_READY, current_of(a));
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_STARTING);
    rig_done();
}

static void rest_for_one_stops_in_reverse_and_starts_in_order(void)
{
    three(SUPERVISE_REST_FOR_ONE, 5);
    ended(ia, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_DRAIN), 1);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ic); /* the last one first, alone */
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 0);
    about_inc(SUPERVISE_DRAINED, ic);
    ended(ic, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ib);
    ended(ib, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 1);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, a);
    about_inc(SUPERVISE_READY, spawned());
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, b);
    about_inc(SUPERVISE_READY, spawned());
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, c);
    about_inc(SUPERVISE_READY, spawned());
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_UP);
    CU_ASSERT_EQUAL(current_of(d), id); /* not a member: untouched */
    rig_done();
}

static void rest_for_one_leaves_the_earlier(void)
{
    three(SUPERVISE_REST_FOR_ONE, 5);
    ended(ib, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ic);
    ended(ic, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, b);
    CU_ASSERT_EQUAL(current_of(a), ia);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_UP);
    rig_done();
}

static void one_for_all_restarts_all(void)
{
    three(SUPERVISE_ONE_FOR_ALL, 5);
    ended(ib, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ic);
    ended(ic, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ia);
    ended(ia, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 1);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, a);
    rig_done();
}

static void crash_of_one_that_waits_to_be_stopped(void)
{
    three(SUPERVISE_ONE_FOR_ALL, 5);
    ended(ia, SUPERVISE_EXIT_CRASH);
    ended(ib, SUPERVISE_EXIT_CRASH); /* while c drains */
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 0);
    ended(ic, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_SPAWN)->unit, a);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 1);
    about_inc(SUPERVISE_READY, spawned());
    about_inc(SUPERVISE_READY, current_of(b));
    about_inc(SUPERVISE_READY, current_of(c));
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_UP);
    rig_done();
}

static void stopped_member_stays_stopped(void)
{
    three(SUPERVISE_REST_FOR_ONE, 5);
    about_unit(SUPERVISE_STOP, b);
    ended(ib, SUPERVISE_EXIT_DONE);
    ended(ia, SUPERVISE_EXIT_CRASH);
    ended(ic, SUPERVISE_EXIT_DONE);
    about_inc(SUPERVISE_READY, current_of(a));
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_STOPPED);
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_STARTING);
    rig_done();
}

static void refused_configuration_holds_back_the_dependents(void)
{
    three(SUPERVISE_REST_FOR_ONE, 5);
    ended(ia, SUPERVISE_EXIT_CONFIG);
    ended(ic, SUPERVISE_EXIT_DONE);
    ended(ib, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_DOWN);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), SUPERVISE_NEVER);
    about_unit(SUPERVISE_REPLACE, a);
    about_inc(SUPERVISE_READY, current_of(a));
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_STARTING);
    rig_done();
}

/* Crashes of different members add up: 2 allowed, the third fails the group. */
static void fail_group(void)
{
    three(SUPERVISE_ONE_FOR_ONE, 2);
    ended(ia, SUPERVISE_EXIT_CRASH);
    about_inc(SUPERVISE_READY, current_of(a));
    ended(ib, SUPERVISE_EXIT_CRASH);
    about_inc(SUPERVISE_READY, current_of(b));
    ended(ic, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_ANNOUNCE)->in_ms, SUPERVISE_PROBE_MS);
    ended(current_of(b) ? current_of(b) : act(SUPERVISE_DO_DRAIN)->inc, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(why_of(b), SUPERVISE_WHY_GROUP);
    ended(act(SUPERVISE_DO_DRAIN)->inc, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(state_of(d), SUPERVISE_UP);
}

static void group_intensity_fails_all_and_probes_as_one(void)
{
    fail_group();
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + SUPERVISE_PROBE_MS);
    tick_after(SUPERVISE_PROBE_MS);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 3);
    ended(current_of(b), SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_FAILED);
    while (act(SUPERVISE_DO_KILL))
        ended(act(SUPERVISE_DO_KILL)->inc, SUPERVISE_EXIT_ASKED);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + 2 * SUPERVISE_PROBE_MS);
    tick_after(2 * SUPERVISE_PROBE_MS);
    about_inc(SUPERVISE_READY, current_of(a));
    about_inc(SUPERVISE_READY, current_of(b));
    about_inc(SUPERVISE_READY, current_of(c));
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_UP);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), SUPERVISE_NEVER);
    ended(current_of(a), SUPERVISE_EXIT_CRASH); /* healed: no longer on probation */
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_UP);
    rig_done();
}

static void start_of_a_member_tries_a_failed_group_now(void)
{
    fail_group();
    about_unit(SUPERVISE_START, b);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_SPAWN), 3);
    rig_done();
}

static void unit_intensity_fails_an_ordered_group(void)
{
    three(SUPERVISE_REST_FOR_ONE, 60);
    for (int i = 0; i < 4; i++) {
        ended(current_of(c), SUPERVISE_EXIT_CRASH);
        tick_after(i < 3 ? 1000 : 0);
        about_inc(SUPERVISE_READY, current_of(c));
    }
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_FAILED);
    CU_ASSERT_EQUAL(state_of(b), SUPERVISE_STOPPING);
    rig_done();
}

static void spare_serves_while_dependents_restart(void)
{
    struct supervise_spec spec;
    uint32_t spare;

    three(SUPERVISE_REST_FOR_ONE, 5);
    spec = rig_spec("a", supervise_group(sup, "trio", SUPERVISE_REST_FOR_ONE, 5, 10000));
    spec.spare = 1;
    CU_ASSERT_EQUAL(supervise_change(sup, a, &spec), 0);
    about_unit(SUPERVISE_REPLACE, a);
    ia = spawned();
    about_inc(SUPERVISE_READY, ia);
    tick_after(SUPERVISE_SPARE_MS);
    spare = spawned();
    about_inc(SUPERVISE_READY, spare);
    ended(ia, SUPERVISE_EXIT_CRASH);
    CU_ASSERT_EQUAL(current_of(a), spare);
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_UP);
    CU_ASSERT_EQUAL(state_of(c), SUPERVISE_STOPPING);
    rig_done();
}

static void stop_all_goes_backwards_one_by_one(void)
{
    three(SUPERVISE_ONE_FOR_ONE, 5);
    supervise_stop_all(sup, now, 8000, &acts);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, id);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_DRAIN), 1);
    about_unit(SUPERVISE_START, a);
    CU_ASSERT_EQUAL(acts.n, 0);
    ended(ia, SUPERVISE_EXIT_CRASH); /* nothing restarts any more */
    CU_ASSERT_EQUAL(state_of(a), SUPERVISE_STOPPED);
    ended(id, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ic);
    ended(ic, SUPERVISE_EXIT_DONE);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_DRAIN)->inc, ib);
    CU_ASSERT(!supervise_quiet(sup));
    ended(ib, SUPERVISE_EXIT_DONE);
    CU_ASSERT(supervise_quiet(sup));
    rig_done();
}

static void stop_all_is_bounded(void)
{
    three(SUPERVISE_ONE_FOR_ALL, 5);
    supervise_stop_all(sup, now, 1000, &acts);
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), now + 1000);
    tick_after(1000);
    CU_ASSERT_EQUAL(n_acts(SUPERVISE_DO_KILL), 4);
    CU_ASSERT_EQUAL(act(SUPERVISE_DO_KILL)->why, SUPERVISE_WHY_SHUTDOWN);
    ended(ia, SUPERVISE_EXIT_ASKED);
    ended(ib, SUPERVISE_EXIT_ASKED);
    ended(ic, SUPERVISE_EXIT_ASKED);
    ended(id, SUPERVISE_EXIT_ASKED);
    CU_ASSERT(supervise_quiet(sup));
    CU_ASSERT_EQUAL(supervise_next_deadline(sup), SUPERVISE_NEVER);
    rig_done();
}

const struct test_case tests[] = {
    {"one_for_one_leaves_the_others", one_for_one_leaves_the_others},
    {"members_start_one_after_the_other", members_start_one_after_the_other},
    {"rest_for_one_stops_in_reverse_and_starts_in_order",
     rest_for_one_stops_in_reverse_and_starts_in_order},
    {"rest_for_one_leaves_the_earlier", rest_for_one_leaves_the_earlier},
    {"one_for_all_restarts_all", one_for_all_restarts_all},
    {"crash_of_one_that_waits_to_be_stopped", crash_of_one_that_waits_to_be_stopped},
    {"stopped_member_stays_stopped", stopped_member_stays_stopped},
    {"refused_configuration_holds_back_the_dependents",
     refused_configuration_holds_back_the_dependents},
    {"group_intensity_fails_all_and_probes_as_one", group_intensity_fails_all_and_probes_as_one},
    {"start_of_a_member_tries_a_failed_group_now", start_of_a_member_tries_a_failed_group_now},
    {"unit_intensity_fails_an_ordered_group", unit_intensity_fails_an_ordered_group},
    {"spare_serves_while_dependents_restart", spare_serves_while_dependents_restart},
    {"stop_all_goes_backwards_one_by_one", stop_all_goes_backwards_one_by_one},
    {"stop_all_is_bounded", stop_all_is_bounded},
    {0},
};
