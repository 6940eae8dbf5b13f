/*
 * faults_test.c - one instance per misdeed, in one host: the caller of the failing
 * request is told, the exit reason is right, the instance comes back, and the host and
 * every other instance go on as if nothing had happened.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What one method does to its own cell. */
struct misdeed {
    const char *method;
    const char *code;           /* of the answer, "" = success */
    const char *exit;           /* in last_exit after it; NULL = the process must survive */
    const char *exit_sanitized; /* where a sanitizer ends the process in its own way */
    const char *keys;           /* of the instance */
    int64_t n;
    uint32_t timeout_ms;
    int not_sanitized; /* needs a memory limit, which a sanitizer's shadow does not bear */
};

static const struct misdeed misdeeds[] = {
    {"segfault", "crashed", "signal 11 (segmentation fault)", NULL, "", 1, 0, 0},
    {"abort", "crashed", "signal 6 (aborted", NULL, "", 1, 0, 0},
    {"exit", "crashed", "exited with code 3", NULL, "", 3, 0, 0},
    {"heap", "crashed", "signal 6 (aborted", "exited with code 1", "", 1, 0, 0},
    {"loop", "crashed", "killed: no progress for 200 ms", NULL, "hang = 200ms\n", 1, 0, 0},
    {"leak", "crashed", "signal 6 (aborted", NULL, "limit_memory = 64M\nhang = 10s\n", 1, 0, 1},
    {"flood", "timeout", NULL, NULL, "hang = 10s\n", 1, 2000, 0},
    {"twice", "", NULL, NULL, "", 1, 0, 0},
    {"garbage", "internal", NULL, NULL, "", 1, 0, 0},
    {"scribble", "crashed", "ring", NULL, "", 1, 0, 0},
    {"truncate", "", NULL, NULL, "", 1, 0, 0},
    {"fork", "", NULL, NULL, "", 1, 0, 0},
    {"handlers", "", NULL, NULL, "", 1, 0, 0},
    {"thread", "", NULL, NULL, "", 1, 0, 0},
    {"stop_self", "crashed", "killed: no progress for 300 ms", NULL, "hang = 300ms\n", 1, 0, 0},
    {"log_flood", "", NULL, NULL, "hang = 10s\n", 1, 0, 0},
};

#define N_MISDEEDS (sizeof(misdeeds) / sizeof(misdeeds[0]))

static int skipped(const struct misdeed *m)
{
    return m->not_sanitized && RIG_SANITIZED;
}

static void instance_of(const struct misdeed *m, char *out, size_t size)
{
    snprintf(out, size, "service_faulty:%s", m->method);
}

static void commit(struct rig *rig, const struct misdeed *m)
{
    const char *exit = m->exit;
    struct plugin before, after;
    struct answer a;
    char name[64];

    instance_of(m, name, sizeof(name));
    before = rig_plugin(rig, name);
    a = rig_ask(rig, name, m->method, body_of(m->n, NULL), m->timeout_ms);
    printf("\n    %-10s %s%s%s", m->method, a.code[0] ? a.code : "answered", a.code[0] ? ": " : "",
           a.text);
    CU_ASSERT(a.got);
    CU_ASSERT_STRING_EQUAL(a.code, m->code);
    if (exit)
        CU_ASSERT(rig_until_back(rig, name, before.restarts + 1, before.pid));
    after = rig_plugin(rig, name);
    if (exit) {
        /* how much of a heap overwrite the sanitizer sees depends on the optimiser */
        CU_ASSERT(strstr(after.last_exit, exit) ||
                  (RIG_SANITIZED && m->exit_sanitized && strstr(after.last_exit, m->exit_sanitized)));
        CU_ASSERT(process_gone(before.pid, 0));
    } else {
        CU_ASSERT_EQUAL(after.pid, before.pid);
        CU_ASSERT_EQUAL(after.restarts, 0);
        CU_ASSERT_STRING_EQUAL(after.last_exit, "");
    }
    if (exit && !strstr(after.last_exit, exit))
        printf("\n      but its exit reads '%s'", after.last_exit);
}

/* Everyone answers, and nobody but those who had to was restarted. */
static void check_all(struct rig *rig, size_t done)
{
    char name[64];

    for (size_t i = 0; i < N_MISDEEDS; i++) {
        struct plugin p;

        instance_of(&misdeeds[i], name, sizeof(name));
        p = rig_plugin(rig, name);
        CU_ASSERT(rig_echo(rig, name));
        CU_ASSERT_EQUAL(p.restarts, i <= done && misdeeds[i].exit && !skipped(&misdeeds[i]));
    }
}

static void misdeeds_stay_alone(void)
{
    char ini[4096] = "[host]\nnode = test\nhang = 2s\n";
    struct rig *rig;
    char *log;

    for (size_t i = 0; i < N_MISDEEDS; i++)
        snprintf(ini + strlen(ini), sizeof(ini) - strlen(ini), "[service_faulty:%s]\n%s",
                 misdeeds[i].method, misdeeds[i].keys);
    rig = rig_start(ini);
    for (size_t i = 0; i < N_MISDEEDS; i++) {
        if (skipped(&misdeeds[i]))
            continue;
        commit(rig, &misdeeds[i]);
        check_all(rig, i);
    }
    log = rig_log(rig);
    CU_ASSERT(log && strlen(log) < 512 * 1024); /* 100,000 lines were written */
    free(log);
    rig_end(rig);
}

static void stopped_and_continued(void)
{
    struct rig *rig = rig_start(
        "[host]\nnode = test\n[service_faulty]\nhang = 1h\n[service_faulty:two]\n");
    struct plugin before = rig_plugin(rig, "service_faulty"), after;
    int64_t id = client_call(rig->client, "service_faulty", "stop_self", body_of(1, NULL), 60000);
    struct frame f;

    CU_ASSERT_EQUAL(client_send(rig->client), 0);
    for (int64_t until = now_ms() + RIG_WAIT_MS;
         process_state(before.pid) != 'T' && now_ms() < until;)
        CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    CU_ASSERT_EQUAL(process_state(before.pid), 'T');
    CU_ASSERT_EQUAL(process_signal(before.pid, SIGCONT), 0);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    after = rig_plugin(rig, "service_faulty");
    CU_ASSERT_EQUAL(after.pid, before.pid);
    CU_ASSERT_EQUAL(after.restarts, 0);
    CU_ASSERT(id > 0 && client_next(rig->client, &f, 0) == 0); /* nothing came twice */
    rig_end(rig);
}

/* Faults on the way up: the instance is given up, visible with its reason; the others serve. */
static void faults_at_birth(void)
{
    static const struct {
        const char *name, *keys, *exit;
    } births[] = {
        {"create_fail", "at_create = fail\n", "told to fail"},
        {"create_hang", "at_create = hang\n", "killed: "},
        {"create_crash", "at_create = crash\n", "signal 6 (aborted"},
        {"start_fail", "at_start = fail\n", "told to fail"},
        {"start_hang", "at_start = hang\n", "killed: "},
        {"start_crash", "at_start = crash\n", "signal 6 (aborted"},
    };
    char ini[2048] = "[host]\nnode = test\n[service_faulty]\n", name[64];
    struct rig *rig;

    for (size_t i = 0; i < sizeof(births) / sizeof(births[0]); i++)
        snprintf(ini + strlen(ini), sizeof(ini) - strlen(ini),
                 "[service_faulty:%s]\nstart_deadline = 300ms\nmax_restarts = 1\n%s",
                 births[i].name, births[i].keys);
    rig = rig_start_raw(ini, NULL);
    CU_ASSERT(rig_until_state(rig, "service_faulty", "up"));
    for (size_t i = 0; i < sizeof(births) / sizeof(births[0]); i++) {
        struct plugin p;
        struct answer a;

        snprintf(name, sizeof(name), "service_faulty:%s", births[i].name);
        CU_ASSERT(rig_until_state(rig, name, "failed"));
        p = rig_plugin(rig, name);
        printf("\n    %-12s %s", births[i].name, p.last_exit);
        CU_ASSERT_PTR_NOT_NULL(strstr(p.last_exit, births[i].exit));
        a = rig_call(rig, name, "echo", 1, NULL);
        CU_ASSERT_STRING_EQUAL(a.code, "unavailable");
        CU_ASSERT(rig_echo(rig, "service_faulty"));
    }
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").restarts, 0);
    rig_end(rig);
}

/* Faults on the way out: a replacement serves, and the old process is gone within its deadline. */
static void faults_at_drain(void)
{
    static const char *const moods[] = {"fail", "hang", "crash"};
    char ini[1024] = "[host]\nnode = test\n", name[64];
    struct rig *rig;

    for (size_t i = 0; i < 3; i++)
        snprintf(ini + strlen(ini), sizeof(ini) - strlen(ini),
                 "[service_faulty:%s]\nat_drain = %s\ndrain_deadline = 500ms\nhang = 300ms\n",
                 moods[i], moods[i]);
    rig = rig_start(ini);
    for (size_t i = 0; i < 3; i++) {
        struct plugin before;

        snprintf(name, sizeof(name), "service_faulty:%s", moods[i]);
        before = rig_plugin(rig, name);
        printf("\n    %s", name);
        CU_ASSERT(rig_host(rig, "host.reload", "name", name, NULL));
        CU_ASSERT(rig_until_back(rig, name, 0, before.pid));
        CU_ASSERT(rig_echo(rig, name));
        CU_ASSERT(process_gone(before.pid, RIG_WAIT_MS));
        CU_ASSERT(rig_echo(rig, name));
        CU_ASSERT_STRING_EQUAL(rig_plugin(rig, name).state, "up");
    }
    rig_end(rig); /* where all three misbehave again, and the host ends cleanly */
}

const struct test_case tests[] = {
    {"misdeeds stay alone", misdeeds_stay_alone},
    {"stopped and continued", stopped_and_continued},
    {"faults at birth", faults_at_birth},
    {"faults at drain", faults_at_drain},
    {0},
};
