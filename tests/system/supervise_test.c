/*
 * supervise_test.c - who is restarted with whom, how often, and when not at all; and
 * what the host says about a configuration before it runs it.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>

static pid_t pid_of(struct rig *rig, const char *name)
{
    return rig_plugin(rig, name).pid;
}

static void crash(struct rig *rig, const char *name)
{
    struct answer a = rig_call(rig, name, "abort", 0, NULL);

    CU_ASSERT(a.got);
    CU_ASSERT_STRING_EQUAL(a.code, "crashed");
}

/* ---- Groups ---- */

static const char *const trio[] = {"service_faulty:a", "service_faulty:b", "service_faulty:c"};

static struct rig *start_trio(const char *strategy, const char *max_restarts)
{
    char ini[1024];

    snprintf(ini, sizeof(ini),
             "[host]\nnode = test\n[group:g]\nstrategy = %s\nmax_restarts = %s\nperiod = 60s\n"
             "[service_faulty:a]\ngroup = g\n[service_faulty:b]\ngroup = "
             "g\n[service_faulty:c]\ngroup = g\n"
             "[service_faulty:other]\n",
             strategy, max_restarts);
    return rig_start(ini);
}

/* b crashes: those from `first` on are new afterwards, the others are not. */
static void check_strategy(const char *strategy, int from, int to)
{
    struct rig *rig = start_trio(strategy, "5");
    pid_t before[3], other = pid_of(rig, "service_faulty:other");

    for (int i = 0; i < 3; i++)
        before[i] = pid_of(rig, trio[i]);
    crash(rig, "service_faulty:b");
    for (int i = 0; i < 3; i++) {
        int renewed = i >= from && i <= to;

        CU_ASSERT(rig_until_back(rig, trio[i], 0, renewed ? before[i] : -1));
        CU_ASSERT_EQUAL(pid_of(rig, trio[i]) != before[i], renewed);
        CU_ASSERT(rig_echo(rig, trio[i]));
        CU_ASSERT_EQUAL(process_gone(before[i], renewed ? RIG_WAIT_MS : 0), renewed);
    }
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:other"), other);
    rig_end(rig);
}

static void one_for_one(void)
{
    check_strategy("one_for_one", 1, 1);
}

static void rest_for_one(void)
{
    check_strategy("rest_for_one", 1, 2);
}

static void one_for_all(void)
{
    check_strategy("one_for_all", 0, 2);
}

/* A group that is beyond its intensity is given up as a whole. */
static void group_gives_up(void)
{
    struct rig *rig = start_trio("rest_for_one", "1");
    pid_t b = pid_of(rig, "service_faulty:b");

    crash(rig, "service_faulty:b");
    CU_ASSERT(rig_until_back(rig, "service_faulty:b", 1, b));
    CU_ASSERT(rig_until_state(rig, "service_faulty:c", "up"));
    crash(rig, "service_faulty:b");
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(rig_until_state(rig, trio[i], "failed"));
        CU_ASSERT_STRING_EQUAL(rig_call(rig, trio[i], "echo", 0, NULL).code, "unavailable");
    }
    CU_ASSERT(rig_echo(rig, "service_faulty:other"));
    rig_end(rig);
}

/* ---- Intensity ---- */

static void too_many_restarts(void)
{
    struct rig *rig = rig_start(
        "[host]\nnode = test\n[service_faulty]\nmax_restarts = 2\nperiod = 60s\n"
        "[service_faulty:two]\n");
    struct plugin p;
    struct answer a;
    int ready = 1;

    for (int i = 1; i <= 2; i++) {
        pid_t pid = pid_of(rig, "service_faulty");

        crash(rig, "service_faulty");
        CU_ASSERT(rig_until_back(rig, "service_faulty", i, pid));
    }
    crash(rig, "service_faulty");
    CU_ASSERT(rig_until_state(rig, "service_faulty", "failed"));
    p = rig_plugin(rig, "service_faulty");
    CU_ASSERT_STRING_EQUAL(p.reason, "too many restarts");
    CU_ASSERT_PTR_NOT_NULL(strstr(p.last_exit, "signal 6"));
    CU_ASSERT(p.next_try_ms > 30000); /* probed slowly */
    CU_ASSERT_EQUAL(p.pid, 0);
    a = rig_call(rig, "service_faulty", "echo", 0, NULL);
    CU_ASSERT_STRING_EQUAL(a.code, "unavailable");
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "too many restarts"));
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    a = rig_call(rig, "host", "host.status", 0, NULL);
    CU_ASSERT(aiex_get_bool(a.body, "ready", &ready) == 1 && !ready);

    /* an operator's word brings it back */
    CU_ASSERT(rig_host(rig, "host.reload", "name", "service_faulty", NULL));
    CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

/* ---- Ends that are not crashes ---- */

static void restart_policies(void)
{
    static const struct {
        const char *policy;
        int code; /* it exits with */
        const char *state, *exit;
    } ends[] = {
        {"permanent", 0, "up", "finished (exit 0)"},
        {"permanent", 3, "up", "exited with code 3"},
        {"transient", 0, "stopped", "finished (exit 0)"},
        {"transient", 3, "up", "exited with code 3"},
        {"temporary", 0, "stopped", "finished (exit 0)"},
        {"temporary", 3, "stopped", "exited with code 3"},
        {"permanent", 78, "failed", "configuration refused"},
        {"transient", 78, "failed", "configuration refused"},
    };
    enum { N = sizeof(ends) / sizeof(ends[0]) };
    char ini[2048] = "[host]\nnode = test\n", name[64];
    struct rig *rig;

    for (int i = 0; i < N; i++)
        snprintf(ini + strlen(ini), sizeof(ini) - strlen(ini),
                 "[service_faulty:n%d]\nrestart = %s\n", i, ends[i].policy);
    rig = rig_start(ini);
    for (int i = 0; i < N; i++) {
        struct plugin before, p;

        snprintf(name, sizeof(name), "service_faulty:n%d", i);
        before = rig_plugin(rig, name);
        CU_ASSERT_STRING_EQUAL(rig_call(rig, name, "exit", ends[i].code, NULL).code, "crashed");
        if (!strcmp(ends[i].state, "up"))
            CU_ASSERT(rig_until_back(rig, name, 1, before.pid));
        CU_ASSERT(rig_until_state(rig, name, ends[i].state));
        p = rig_plugin(rig, name);
        printf("\n    %-9s exits with %-2d: %s, %s", ends[i].policy, ends[i].code, p.state,
               p.last_exit);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.last_exit, ends[i].exit));
        CU_ASSERT_EQUAL(p.next_try_ms, 0);
        CU_ASSERT_EQUAL(p.restarts, !strcmp(ends[i].state, "up"));
    }
    rig_end(rig);
}

/* Two in one process: they crash and come back together. */
static void shared_cell(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty:a]\ncell = both\n"
                                "[service_faulty:b]\ncell = both\n[service_faulty:c]\n");
    pid_t pid = pid_of(rig, "service_faulty:a"), c = pid_of(rig, "service_faulty:c");

    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:b"), pid);
    crash(rig, "service_faulty:b");
    CU_ASSERT(rig_until_back(rig, "service_faulty:a", 1, pid));
    CU_ASSERT(rig_echo(rig, "service_faulty:a"));
    CU_ASSERT(rig_echo(rig, "service_faulty:b"));
    CU_ASSERT_EQUAL(pid_of(rig, "service_faulty:c"), c);
    rig_end(rig);
}

/* ---- Spare ---- */

static int has_three_children(struct rig *rig, void *arg)
{
    pid_t children[16];

    return process_children(rig->pid, children, 16) ==
           3; /* the maker of cells, one that serves, a spare */
}

static void spare_takes_over(void)
{
    struct rig *rig = rig_start(
        "[host]\nnode = test\n[service_faulty]\nspare = 1\nmax_restarts = 20\n");

    for (int i = 0; i < 3; i++) {
        pid_t children[16], before = pid_of(rig, "service_faulty"), now;
        int known = 0;

        CU_ASSERT(rig_until(rig, has_three_children, NULL));
        process_children(rig->pid, children, 16);
        crash(rig, "service_faulty");
        CU_ASSERT(rig_echo(rig, "service_faulty"));
        CU_ASSERT(rig_until_back(rig, "service_faulty", 0, before));
        now = pid_of(rig, "service_faulty");
        for (int k = 0; k < 3; k++)
            known += children[k] == now;
        if (i == 0) /* later the new spare may still be starting when the crash comes */
            CU_ASSERT_EQUAL(known, 1);
    }
    CU_ASSERT(rig_until(rig, has_three_children, NULL));
    rig_end(rig);
}

/* ---- Before anything runs ---- */

static void every_error_in_one_run(void)
{
    static const char ini[] = "[host]\n"
                              "node = test\n"
                              "hnag = 1s\n" /* 3 */
                              "[service_faulty]\n"
                              "at_create = sometimes\n" /* 5 */
                              "max_restarts = many\n"   /* 6 */
                              "nte = x\n"               /* 7 */
                              "[service_faulty:two]\n"
                              "cell = host\n"      /* 9: needs trust */
                              "group = nowhere\n"  /* 10 */
                              "[service_absent]\n" /* 11 */
                              "[service_faulty:three]\n"
                              "drain_deadline = -1s\n"   /* 13 */
                              "a line that is nothing\n" /* 14 */
                              "[service_faulty:four]\n"
                              "note = ${AIEX_TEST_NOT_SET}\n"; /* 16 */
    static const char *const sentences[] = {"10.ini:3: [host]",
                                            "10.ini:5: [service_faulty]",
                                            "10.ini:6: [service_faulty]",
                                            "10.ini:7: [service_faulty]",
                                            "10.ini:9: [service_faulty:two]",
                                            "10.ini:10: [service_faulty:two]",
                                            "10.ini:11: [service_absent]",
                                            "10.ini:13: [service_faulty:three]",
                                            "10.ini:14",
                                            "10.ini:16: [service_faulty:four]",
                                            "did you mean 'hang'",
                                            "did you mean 'note'"};
    char out[16384];

    CU_ASSERT_EQUAL(rig_check(ini, NULL, out, sizeof(out)), 2);
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        CU_ASSERT_PTR_NOT_NULL(strstr(out, sentences[i]));
        if (!strstr(out, sentences[i]))
            printf("\n    missing: %s", sentences[i]);
    }
    CU_ASSERT_EQUAL(rig_check("[host]\nnode = test\n[service_faulty]\n", NULL, out, sizeof(out)),
                    0);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "is sound"));
}

const struct test_case tests[] = {
    {"one for one", one_for_one},
    {"rest for one", rest_for_one},
    {"one for all", one_for_all},
    {"a group is given up", group_gives_up},
    {"too many restarts", too_many_restarts},
    {"restart policies", restart_policies},
    {"a shared cell", shared_cell},
    {"a spare takes over", spare_takes_over},
    {"every error in one run", every_error_in_one_run},
    {0},
};
