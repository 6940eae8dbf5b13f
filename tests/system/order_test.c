/*
 * order_test.c - where an instance stands: in the declared order also when a reload put it
 * there.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>

#define A    "[service_faulty:a]\ngroup = g\n"
#define B    "[service_faulty:b]\ngroup = g\n"
#define C    "[service_faulty:c]\ngroup = g\n"
#define HEAD "[host]\nnode = test\n[group:g]\nstrategy = rest_for_one\n"

/* Members of a rest_for_one group that restart when one crashes: those declared after it, also when
 * one of them came later. */
static void a_reload_keeps_the_declared_order(void)
{
    struct rig *rig = rig_start(HEAD A C);
    struct plugin a, b, c;

    rig_write(rig, "10.ini", HEAD A B C);
    rig_reload(rig);
    CU_ASSERT(rig_until_state(rig, "service_faulty:b", "up"));
    a = rig_plugin(rig, "service_faulty:a");
    b = rig_plugin(rig, "service_faulty:b");
    c = rig_plugin(rig, "service_faulty:c");
    CU_ASSERT_EQUAL_FATAL(kill(c.pid, SIGKILL), 0);
    CU_ASSERT(rig_until_back(rig, "service_faulty:c", 1, c.pid));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:b").pid, b.pid); /* stands before c */
    CU_ASSERT_EQUAL_FATAL(kill(b.pid, SIGKILL), 0);
    CU_ASSERT(rig_until_back(rig, "service_faulty:b", 1, b.pid));
    c.pid = rig_plugin(rig, "service_faulty:c").pid;
    CU_ASSERT(rig_until_back(rig, "service_faulty:c", 1, 0));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:a").pid, a.pid);
    rig_end(rig);
}

const struct test_case tests[] = {
    {"a reload keeps the declared order", a_reload_keeps_the_declared_order},
    {0},
};
