/*
 * leak_test.c - what is done a thousand times (half as often under sanitizers) leaves nothing
 * behind in the host: no descriptor, process, shared memory or heap.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>

#define MIB   (1024 * 1024)
#define CELLS 25
#define PERIOD_MS                                                                                  \
    100 /* after so long a healthy cell's crash is its first again: restarted at once */

struct shape {
    int fds, children;
    int64_t rss, open_calls;
};

static struct shape shape_of(struct rig *rig)
{
    struct answer a = rig_call(rig, "host", "host.status", 0, NULL);
    struct shape s = {.fds = process_fds(rig->pid), .rss = process_rss_bytes(rig->pid)};
    pid_t children[256];

    s.children = process_children(rig->pid, children, 256);
    s.open_calls = answer_int(&a, "open_calls");
    return s;
}

static void name_of(int i, char *out, size_t size)
{
    snprintf(out, size, "service_faulty:n%d", i);
}

/* Everyone is up again after `restarts` and has been for PERIOD_MS. */
static int all_ripe(struct rig *rig, void *arg)
{
    struct plugin all[CELLS];
    int ripe = 0;

    CU_ASSERT_EQUAL_FATAL(rig_plugins(rig, all, CELLS), CELLS);
    for (int i = 0; i < CELLS; i++)
        ripe += !strcmp(all[i].state, "up") && all[i].restarts >= *(int *)arg &&
                all[i].uptime_ms > PERIOD_MS;
    return ripe == CELLS;
}

/* All cells crash side by side: once each. */
static void crash_all(struct rig *rig, int round)
{
    static const char *const ways[] = {"segfault", "abort", "exit"};
    int ended = 0, crashed = 0;
    char name[64];
    struct frame f;

    for (int i = 0; i < CELLS; i++) {
        name_of(i, name, sizeof(name));
        client_call(rig->client, name, ways[(round + i) % 3], body_of(3, NULL), 60000);
    }
    while (ended < CELLS && client_next(rig->client, &f, RIG_WAIT_MS) == 1) {
        ended++;
        crashed += !strcmp(f.code, "crashed");
    }
    CU_ASSERT_EQUAL(crashed, CELLS);
    round++;
    CU_ASSERT_FATAL(rig_until(rig, all_ripe, &round));
}

static void many_crashes(void)
{
    enum { WARM = 4, ROUNDS = (RIG_SANITIZED ? 500 : 1000) / CELLS };
    char ini[8192] = "[host]\nnode = test\nhang = 10s\n", name[64];
    struct shape before, after;
    struct rig *rig;

    for (int i = 0; i < CELLS; i++) {
        name_of(i, name, sizeof(name));
        snprintf(ini + strlen(ini), sizeof(ini) - strlen(ini),
                 "[%s]\nmax_restarts = 63\nperiod = %dms\n", name, PERIOD_MS);
    }
    rig = rig_start(ini);
    CU_ASSERT_FATAL(rig_until(rig, all_ripe, &(int){0}));
    for (int round = 0; round < WARM; round++)
        crash_all(rig, round);
    before = shape_of(rig);
    for (int round = WARM; round < WARM + ROUNDS; round++)
        crash_all(rig, round);
    after = shape_of(rig);
    printf("\n    %d crashes: %d descriptors, then %d; %d processes, then %d; %.1f MiB, then %.1f",
           ROUNDS * CELLS, before.fds, after.fds, before.children, after.children,
           (double)before.rss / MIB, (double)after.rss / MIB);
    CU_ASSERT_EQUAL(after.fds, before.fds);
    CU_ASSERT_EQUAL(after.children, before.children);
    CU_ASSERT_EQUAL(after.open_calls, before.open_calls);
    CU_ASSERT(after.rss - before.rss < (RIG_SANITIZED ? 24 : 4) * MIB);
    rig_end(rig);
}

static int shrunk(struct rig *rig, void *arg)
{
    struct shape now = shape_of(rig), *before = arg;

    return now.fds == before->fds && now.open_calls == before->open_calls;
}

/* Clients that come, leave calls open and go. */
static void clients_come_and_go(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\n");
    struct shape before = {0};
    char text[201];

    memset(text, 'p', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    for (int i = 0; i < 600; i++) {
        struct client *c = client_open(rig->socket);
        struct frame f;
        int64_t id;

        CU_ASSERT_FATAL(c != NULL);
        client_call(c, "service_faulty", "silent", body_of(i, NULL), 60000);
        client_call(c, "service_faulty", "polite", body_of(100000, text), 60000);
        client_call(c, "host", "host.events", (struct aiex_slice){0}, 60000);
        client_cancel(c, 1);
        id = client_call(c, "service_faulty", "echo", body_of(i, NULL), 60000);
        while (client_next(c, &f, RIG_WAIT_MS) == 1 && f.id != id)
            ;
        CU_ASSERT_EQUAL(f.id, id);
        client_close(c);
        if (i == 99)
            before = shape_of(rig);
    }
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    before.fds -= process_fds(rig->pid) < before.fds; /* the hundredth may still have been there */
    CU_ASSERT(rig_until(rig, shrunk, &before));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").in_flight, 0);
    CU_ASSERT(process_rss_bytes(rig->pid) - before.rss < (RIG_SANITIZED ? 24 : 4) * MIB);
    rig_end(rig);
}

/* Instances that come and go. */
static void instances_come_and_go(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\n");
    struct shape before = {0};
    char path[128];

    snprintf(path, sizeof(path), "%s/more.txt", rig->dir);
    rig_write(rig, "../more.txt",
              "[service_faulty:more]\nsubscribe = a.*\njoin_group = service_more\n");
    for (int i = 0; i < 60; i++) {
        pid_t pid;

        CU_ASSERT_FATAL(rig_host(rig, "host.load", "file", path, NULL));
        CU_ASSERT_FATAL(rig_until_state(rig, "service_faulty:more", "up"));
        CU_ASSERT(rig_echo(rig, "service_more"));
        pid = rig_plugin(rig, "service_faulty:more").pid;
        CU_ASSERT(rig_host(rig, "host.remove", "name", "service_faulty:more", NULL));
        CU_ASSERT(process_gone(pid, RIG_WAIT_MS));
        if (i == 9)
            before = shape_of(rig);
    }
    CU_ASSERT(rig_until(rig, shrunk, &before));
    CU_ASSERT(process_rss_bytes(rig->pid) - before.rss < (RIG_SANITIZED ? 24 : 4) * MIB);
    rig_end(rig);
}

const struct test_case tests[] = {
    {"many crashes", many_crashes},
    {"clients come and go", clients_come_and_go},
    {"instances come and go", instances_come_and_go},
    {0},
};
