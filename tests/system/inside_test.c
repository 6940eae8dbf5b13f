/*
 * inside_test.c - `cell = host`: plugins in the host's own process answer, call and are
 * called like any other, and end with it.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define INSIDE "cell = host\ntrust = yes\n"

static void serves(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n"
                                "[service_faulty:in]\n" INSIDE "[service_faulty:in2]\n" INSIDE
                                "[service_faulty:out]\n");
    struct answer a = rig_call(rig, "service_faulty:in", "pid", 0, NULL);

    CU_ASSERT_EQUAL(answer_int(&a, "pid"), rig->pid);
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:in").pid, rig->pid);
    CU_ASSERT(rig_echo(rig, "service_faulty:in2"));
    a = rig_call(rig, "service_faulty:out", "relay", 0, "service_faulty:in");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:in", "relay", 0, "service_faulty:out");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:in", "relay", 0, "service_faulty:in2");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:in", "stream", 100, "a part of the answer");
    CU_ASSERT_EQUAL(a.n_parts, 100);
    a = rig_call(rig, "service_faulty:in", "slow", 30, NULL);
    CU_ASSERT_EQUAL(answer_int(&a, "slow"), 1);
    a = rig_call(rig, "service_faulty:in", "no.such_method", 0, NULL);
    CU_ASSERT_STRING_EQUAL(a.code, "not_found");
    rig_end(rig);
}

/* What it refuses to be created with is said, and the host goes on. */
static void refuses_to_start(void)
{
    struct rig *rig = rig_start_raw("[host]\nnode = test\n"
                                    "[service_faulty:in]\n" INSIDE "at_create = fail\nmax_restarts = 1\n"
                                    "[service_faulty:out]\n",
                                    NULL);

    CU_ASSERT(rig_until_state(rig, "service_faulty:in", "failed"));
    CU_ASSERT_PTR_NOT_NULL(strstr(rig_plugin(rig, "service_faulty:in").last_exit, "told to fail"));
    CU_ASSERT(rig_until_state(rig, "service_faulty:out", "up"));
    CU_ASSERT(rig_echo(rig, "service_faulty:out"));
    rig_end(rig);
}

/* Its crash is the host's: said plainly in the documents, and no cell outlives it. */
static void crash_is_the_hosts(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty:in]\n" INSIDE "[service_faulty:out]\n");
    pid_t out = rig_plugin(rig, "service_faulty:out").pid;
    struct answer a = rig_call(rig, "service_faulty:in", "abort", 0, NULL);

    CU_ASSERT(!a.got);
    CU_ASSERT(process_gone(out, RIG_WAIT_MS));
    rig_drop(rig);
}

static void needs_trust(void)
{
    char out[2048];

    CU_ASSERT_EQUAL(rig_check("[service_faulty]\ncell = host\n", NULL, out, sizeof(out)), 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, "trust = yes"));
    CU_ASSERT_EQUAL(rig_check("[service_faulty]\n" INSIDE, NULL, out, sizeof(out)), 0);
}

/* It can leave and, unlike others, is not renewed by a reload. */
static void leaves(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty:in]\n" INSIDE "[service_faulty:out]\n");
    struct answer a;

    rig_write(rig, "10.ini", "[host]\nnode = test\n[service_faulty:out]\n");
    rig_reload(rig);
    a = rig_call(rig, "service_faulty:in", "echo", 0, NULL);
    CU_ASSERT_STRING_EQUAL(a.code, "unavailable");
    CU_ASSERT(rig_echo(rig, "service_faulty:out"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"serves", serves},
    {"refuses to start", refuses_to_start},
    {"crash is the host's", crash_is_the_hosts},
    {"needs trust", needs_trust},
    {"leaves", leaves},
    {0},
};
