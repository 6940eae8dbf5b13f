/*
 * death_test.c - how hosts end: killed (no cell outlives them), asked to (what is in
 * flight is answered first), and not started at all (the data folder is in use).
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define DEAD_MS 2000 /* from the host's end to the last cell's */
#define FAR_MS  60000
#define N_SLOW  60

static const char four[] =
    "[host]\nnode = test\nhang = 1h\n[service_faulty]\n[service_faulty:loop]\n"
    "[service_faulty:stop]\n[service_faulty:deaf]\n";

static int is_spinning(struct rig *rig, void *arg)
{
    return rig_plugin(rig, "service_faulty:loop").in_flight == 1 &&
           process_state(rig_plugin(rig, "service_faulty:stop").pid) == 'T';
}

static void killed_host_leaves_no_cell(void)
{
    struct rig *rig = rig_start(four);
    pid_t children[64];
    int n;

    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty:deaf", "handlers", 0, NULL).code, "");
    client_call(rig->client, "service_faulty:loop", "loop", body_of(0, NULL), FAR_MS);
    client_call(rig->client, "service_faulty:stop", "stop_self", body_of(0, NULL), FAR_MS);
    CU_ASSERT(rig_until(rig, is_spinning, NULL));
    n = process_children(rig->pid, children, 64);
    CU_ASSERT(n >= 4); /* and the one that makes cells */
    rig_kill(rig);
    for (int64_t until = now_ms() + DEAD_MS; n > 0; n--) {
        int64_t left = until - now_ms();

        CU_ASSERT(process_gone(children[n - 1], left > 0 ? (int)left : 0));
    }
    rig_again(rig); /* what it left behind is in nobody's way */
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static void data_folder_has_one_host(void)
{
    struct rig *rig = rig_start(four);
    char *argv[] = {AIEX_BUILD_DIR "/bin/aiex-host",
                    "--config",
                    rig->config,
                    "--data",
                    rig->data,
                    "--plugins",
                    rig->plugins,
                    NULL};
    char out[4096], expected[64];

    CU_ASSERT_EQUAL(rig_run(argv, out, sizeof(out)), 1);
    snprintf(expected, sizeof(expected), "in use by aiex-host with pid %d", (int)rig->pid);
    CU_ASSERT_PTR_NOT_NULL(strstr(out, expected));
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static void send_slow(struct rig *rig, int64_t ms)
{
    for (int i = 0; i < N_SLOW; i++)
        client_call(rig->client, i % 2 ? "service_faulty" : "service_faulty:loop", "slow",
                    body_of(ms, NULL), FAR_MS);
    CU_ASSERT_EQUAL(client_send(rig->client), 0);
}

static int all_slow(struct rig *rig, void *arg)
{
    return rig_plugin(rig, "service_faulty").in_flight +
               rig_plugin(rig, "service_faulty:loop").in_flight ==
           N_SLOW;
}

/* Every call in flight is answered, then the connection ends. */
static void stop_under_load(void)
{
    struct rig *rig = rig_start(four);
    int answered = 0, failed = 0, r;
    struct frame f;

    send_slow(rig, 700);
    CU_ASSERT(rig_until(rig, all_slow, NULL));
    CU_ASSERT_EQUAL(process_signal(rig->pid, SIGTERM), 0);
    CU_ASSERT_EQUAL(process_signal(rig->pid, SIGTERM), 0); /* impatience changes nothing */
    while ((r = client_next(rig->client, &f, RIG_WAIT_MS)) == 1) {
        answered += !f.code[0];
        failed += !!f.code[0];
        if (f.code[0] && failed == 1)
            printf("\n    %s: %s", f.code, f.text);
    }
    CU_ASSERT_EQUAL(r, -1);
    CU_ASSERT_EQUAL(answered, N_SLOW);
    CU_ASSERT_EQUAL(failed, 0);
    rig_end(rig);
}

/* As many signals as one likes, to its very end: it ends as one that was asked to. */
static void impatience(void)
{
    struct rig *rig = rig_start(four);
    int sent = 0;

    while (!process_gone(rig->pid, 0))
        sent += process_signal(rig->pid, sent % 2 ? SIGTERM : SIGINT) == 0;
    CU_ASSERT(sent > 2);
    rig_end(rig);
}

/* A call that is never answered does not hold the host: the drain deadline ends it, and says so. */
static void stop_is_bounded(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\ndrain_deadline = 300ms\n");
    int64_t began;
    struct frame f;

    client_call(rig->client, "service_faulty", "silent", body_of(0, NULL), FAR_MS);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    began = now_ms();
    CU_ASSERT_EQUAL(process_signal(rig->pid, SIGINT), 0);
    CU_ASSERT_EQUAL(client_next(rig->client, &f, RIG_WAIT_MS), 1);
    printf("\n    %s: %s", f.code, f.text);
    CU_ASSERT(!strcmp(f.code, "crashed") || !strcmp(f.code, "unavailable"));
    CU_ASSERT(process_gone(rig->pid, RIG_WAIT_MS));
    CU_ASSERT(now_ms() - began >= 300 && now_ms() - began < 5000);
    rig_end(rig);
}

/* The process that makes cells dies: the host and its cells do not, and new ones still start. */
static void zygote_dies(void)
{
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\n[service_faulty:two]\n");
    pid_t children[64], one = rig_plugin(rig, "service_faulty").pid,
                        two = rig_plugin(rig, "service_faulty:two").pid;
    int n = process_children(rig->pid, children, 64), killed = 0;

    for (int i = 0; i < n; i++)
        if (children[i] != one && children[i] != two) {
            CU_ASSERT_EQUAL(process_signal(children[i], SIGKILL), 0);
            CU_ASSERT(process_gone(children[i], RIG_WAIT_MS));
            killed++;
        }
    CU_ASSERT_EQUAL(killed, 1);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    for (int i = 1; i <= 2; i++) {
        struct answer a = rig_call(rig, "service_faulty", "abort", 0, NULL);

        CU_ASSERT_STRING_EQUAL(a.code, "crashed");
        CU_ASSERT(rig_until_back(rig, "service_faulty", i, one));
        one = rig_plugin(rig, "service_faulty").pid;
    }
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:two").pid, two);
    rig_end(rig);
}

const struct test_case tests[] = {
    {"a killed host leaves no cell", killed_host_leaves_no_cell},
    {"a data folder has one host", data_folder_has_one_host},
    {"a stop under load", stop_under_load},
    {"impatience", impatience},
    {"a stop is bounded", stop_is_bounded},
    {"the maker of cells dies", zygote_dies},
    {0},
};
