/*
 * upgrade_test.c - new incarnations under load: the instance answers all the time, and
 * no request fails or ends twice.
 */
#include "load.h"

#include "test.h"

#include <stdio.h>

#define UPGRADES      40
#define HOST_UPGRADES 10

static const char ini[] =
    "[host]\nnode = test\n[service_faulty]\nhang = 10s\n[service_faulty:two]\n";

static void plugin_under_load(void)
{
    struct rig *rig = rig_start(ini);
    struct load load;
    pid_t pid, first;

    load_start(&load, rig, "service_faulty");
    load_run(&load, 100);
    pid = first = rig_plugin(rig, "service_faulty").pid;
    for (int i = 0; i < UPGRADES; i++) {
        struct plugin p = {0};

        CU_ASSERT(rig_host(rig, "host.reload", "name", "service_faulty", NULL));
        for (int64_t until = now_ms() + RIG_WAIT_MS; now_ms() < until;) {
            load_run(&load, 20);
            p = rig_plugin(rig, "service_faulty");
            if (p.pid != pid && !strcmp(p.state, "up"))
                break;
        }
        CU_ASSERT(p.pid != pid && p.pid > 0);
        pid = p.pid;
    }
    load_run(&load, 100);
    load_finish(&load);
    CU_ASSERT(process_gone(first, RIG_WAIT_MS));
    CU_ASSERT_STRING_EQUAL(rig_plugin(rig, "service_faulty").state, "up");
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:two").restarts, 0);
    rig_end(rig);
}

static int one_child_less(struct rig *rig, void *arg)
{
    pid_t children[64];

    return process_children(rig->pid, children, 64) <= *(int *)arg;
}

static int no_more_fds(struct rig *rig, void *arg)
{
    return process_fds(rig->pid) <= *(int *)arg;
}

/* Nothing of the replaced ones stays: processes, descriptors. */
static void nothing_stays(void)
{
    struct rig *rig = rig_start(ini);
    pid_t children[64], pid;
    int n_children, fds;

    for (int i = 0; i < 12; i++) {
        pid = rig_plugin(rig, "service_faulty").pid;
        CU_ASSERT(rig_host(rig, "host.reload", "name", "service_faulty", NULL));
        CU_ASSERT(rig_until_back(rig, "service_faulty", 0, pid));
        CU_ASSERT(process_gone(pid, RIG_WAIT_MS));
        if (i == 1) {
            n_children = process_children(rig->pid, children, 64);
            CU_ASSERT(rig_until(rig, one_child_less, &n_children));
            fds = process_fds(rig->pid);
        }
    }
    CU_ASSERT(rig_until(rig, one_child_less, &n_children));
    CU_ASSERT(rig_until(rig, no_more_fds, &fds));
    printf("\n    %d descriptors, then %d", fds, process_fds(rig->pid));
    rig_end(rig);
}

/* An upgrade to something that does not start: refused or failed, the old one goes on. */
static void failed_upgrade(void)
{
    struct rig *rig = rig_start(ini);
    struct plugin before = rig_plugin(rig, "service_faulty"), after;
    struct answer a;

    CU_ASSERT_FALSE(rig_host(rig, "host.reload", "name", "service_unknown", &a));
    CU_ASSERT_STRING_EQUAL(a.code, "not_found");
    rig_write(rig, "10.ini",
              "[host]\nnode = test\n[service_faulty]\nhang = 10s\nat_start = "
              "fail\n[service_faulty:two]\n");
    rig_reload(rig);
    for (int i = 0; i < 20; i++)
        CU_ASSERT(rig_echo(rig, "service_faulty"));
    after = rig_plugin(rig, "service_faulty");
    CU_ASSERT_EQUAL(after.pid, before.pid);
    CU_ASSERT_STRING_EQUAL(after.state, "up");
    rig_end(rig);
}

/* The host itself: same process, same cells, same connections, no call lost. */
static void host_under_load(void)
{
    struct rig *rig = rig_start(ini);
    struct plugin before = rig_plugin(rig, "service_faulty"), after;
    struct load load;
    struct answer a;

    load_start(&load, rig, "service_faulty");
    for (int i = 0; i < HOST_UPGRADES; i++) {
        load_run(&load, 100);
        CU_ASSERT(rig_upgrade(rig));
        after = rig_plugin(rig, "service_faulty");
        CU_ASSERT_EQUAL(after.pid, before.pid);
        CU_ASSERT_EQUAL(after.restarts, 0);
    }
    load_run(&load, 100);
    load_finish(&load);
    CU_ASSERT(rig_host(rig, "host.upgrade", NULL, NULL, &a)); /* the other door */
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"40 upgrades of a plugin under load", plugin_under_load},
    {"nothing of the old ones stays", nothing_stays},
    {"a failed upgrade", failed_upgrade},
    {"10 upgrades of the host", host_under_load},
    {0},
};
