/*
 * pool_test.c - an instance with workers: calls share its cells, wait in order of priority,
 * are refused above its queue; cells come and go with the work, crash alone, are replaced
 * and survive a new image of the host.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POOL(keys) "[host]\nnode = test\n[service_faulty]\n" keys "[service_faulty:relay]\n"

/* ---- Several calls at once ---- */

#define CALLS_MAX 64

struct calls {
    struct client *client;
    int64_t begun_ms;
    int n, n_ended;
    int64_t id[CALLS_MAX];
    char code[CALLS_MAX][16];
    char text[CALLS_MAX][128];
    int64_t ended_ms[CALLS_MAX]; /* after begun_ms */
    int order[CALLS_MAX];        /* which ended first, second ... */
};

static void calls_begin(struct calls *c, struct rig *rig)
{
    memset(c, 0, sizeof(*c));
    c->client = client_open(rig->socket);
    CU_ASSERT_FATAL(c->client != NULL);
    c->begun_ms = now_ms();
}

static int calls_add(struct calls *c, const char *service, const char *method,
                     struct aiex_slice body, uint32_t timeout_ms)
{
    c->id[c->n] = client_call(c->client, service, method, body, timeout_ms);
    CU_ASSERT_FATAL(client_send(c->client) == 0);
    return c->n++;
}

static int slow(struct calls *c, int64_t ms)
{
    return calls_add(c, "service_faulty", "slow", body_of(ms, NULL), 0);
}

/* Takes ends until `wanted` have come in all; 1, or 0 when time ran out. */
static int calls_wait(struct calls *c, int wanted)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    struct frame f;

    while (c->n_ended < wanted && now_ms() < until &&
           client_next(c->client, &f, (int)(until - now_ms())) == 1)
        for (int i = 0; i < c->n; i++)
            if (c->id[i] == f.id && !f.is_part) {
                snprintf(c->code[i], sizeof(c->code[i]), "%s", f.code);
                snprintf(c->text[i], sizeof(c->text[i]), "%s", f.text);
                c->ended_ms[i] = now_ms() - c->begun_ms;
                c->order[c->n_ended++] = i;
            }
    return c->n_ended >= wanted;
}

/* Waits for all and ends the client; the number of them that failed. */
static int calls_end(struct calls *c)
{
    int failed = 0;

    CU_ASSERT(calls_wait(c, c->n));
    for (int i = 0; i < c->n; i++)
        if (c->code[i][0]) {
            failed++;
            printf("\n    call %d: %s: %s", i, c->code[i], c->text[i]);
        }
    client_close(c->client);
    return failed;
}

static int n_workers(struct rig *rig)
{
    char name[64];
    int n = 0;

    for (int i = 1; i <= 16; i++) {
        snprintf(name, sizeof(name), "service_faulty#%d", i);
        n += rig_plugin(rig, name).found;
    }
    return n;
}

static int has_workers(struct rig *rig, void *arg)
{
    return n_workers(rig) == *(int *)arg;
}

static int until_workers(struct rig *rig, int n)
{
    return rig_until(rig, has_workers, &n);
}

static int in_flight_is(struct rig *rig, void *arg)
{
    return rig_plugin(rig, "service_faulty").in_flight == *(int64_t *)arg;
}

static int until_in_flight(struct rig *rig, int64_t n)
{
    return rig_until(rig, in_flight_is, &n);
}

/* ---- Cases ---- */

static void eight_calls_take_two_rounds(void)
{
    struct rig *rig = rig_start(POOL("workers_max = 4\nworkers_idle = 300ms\n"));
    struct calls c;

    CU_ASSERT_EQUAL(n_workers(rig), 1);
    calls_begin(&c, rig);
    for (int i = 0; i < 8; i++)
        slow(&c, 600);
    CU_ASSERT(calls_wait(&c, 1));
    CU_ASSERT_EQUAL(n_workers(rig), 4);
    CU_ASSERT_STRING_EQUAL(rig_plugin(rig, "service_faulty").state, "up");
    CU_ASSERT_EQUAL(calls_end(&c), 0);
    CU_ASSERT(c.ended_ms[c.order[3]] < 1200);  /* a first round of four ... */
    CU_ASSERT(c.ended_ms[c.order[4]] >= 1200); /* ... and a second */
    CU_ASSERT(c.ended_ms[c.order[7]] < 4 * 600);
    /* without work the three above `workers` end */
    CU_ASSERT(until_workers(rig, 1));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty#1").restarts, 0);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static struct aiex_slice with_priority(uint8_t *mem, size_t size, int64_t ms, int64_t priority)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "text", "service_faulty");
    aiex_w_key_str(&w, "method", "slow");
    aiex_w_key_int(&w, "n", ms);
    aiex_w_key_int(&w, "flags", 0);
    aiex_w_key_int(&w, "priority", priority);
    return aiex_written(&w);
}

static void waiting_calls_go_by_priority(void)
{
    static const int64_t priorities[] = {2, 2, 0, 0, 1, 1}; /* low, normal, high */
    struct rig *rig = rig_start(POOL("workers = 2\n"));
    struct calls busy, c;
    uint8_t mem[128];

    calls_begin(&busy, rig);
    slow(&busy, 700);
    slow(&busy, 700);
    CU_ASSERT(until_in_flight(rig, 2));
    calls_begin(&c, rig);
    for (int i = 0; i < 6; i++)
        calls_add(&c, "service_faulty:relay", "relay",
                  with_priority(mem, sizeof(mem), 100, priorities[i]), 0);
    CU_ASSERT_EQUAL(calls_end(&c), 0);
    CU_ASSERT_EQUAL(calls_end(&busy), 0);
    for (int i = 0; i < 6; i++) {
        static const int64_t expected[] = {1, 1, 0, 0, 2, 2};

        CU_ASSERT_EQUAL(priorities[c.order[i]], expected[i]);
    }
    rig_end(rig);
}

static void above_its_queue_it_is_busy(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\nqueue = 3\n"));
    struct calls c;

    calls_begin(&c, rig);
    for (int i = 0; i < 8; i++)
        slow(&c, 500);
    CU_ASSERT(calls_wait(&c, 3));
    for (int i = 5; i < 8; i++) { /* two run, three wait */
        CU_ASSERT_STRING_EQUAL(c.code[i], "busy");
        CU_ASSERT_PTR_NOT_NULL(strstr(c.text[i], "its queue is full"));
        CU_ASSERT(c.ended_ms[i] < 500);
    }
    CU_ASSERT_EQUAL(calls_end(&c), 3);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static void cancelled_and_overdue_calls_leave_the_queue(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\nqueue = 2\n"));
    struct calls c, more;

    calls_begin(&c, rig);
    slow(&c, 900);
    slow(&c, 900);
    CU_ASSERT(until_in_flight(rig, 2));
    calls_add(&c, "service_faulty", "slow", body_of(10, NULL), 150);
    calls_add(&c, "service_faulty", "slow", body_of(10, NULL), 0);
    CU_ASSERT(until_in_flight(rig, 4));
    client_cancel(c.client, c.id[3]);
    CU_ASSERT_FATAL(client_send(c.client) == 0);
    CU_ASSERT(calls_wait(&c, 1)); /* the overdue one; a cancelled one has no end */
    CU_ASSERT_STRING_EQUAL(c.code[2], "timeout");
    CU_ASSERT(until_in_flight(rig, 2));
    calls_begin(&more, rig); /* there is room for two again */
    slow(&more, 10);
    slow(&more, 10);
    CU_ASSERT_EQUAL(calls_end(&more), 0);
    CU_ASSERT(calls_wait(&c, 3));
    client_close(c.client);
    rig_end(rig);
}

static void cancelled_running_call_frees_its_worker(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\n"));
    struct calls c;

    calls_begin(&c, rig);
    for (int i = 0; i < 2; i++)
        calls_add(&c, "service_faulty", "silent", body_of(1, NULL), 0);
    CU_ASSERT(until_in_flight(rig, 2));
    slow(&c, 1);
    CU_ASSERT(until_in_flight(rig, 3));
    client_cancel(c.client, c.id[0]);
    CU_ASSERT_FATAL(client_send(c.client) == 0);
    CU_ASSERT(calls_wait(&c, 1));
    CU_ASSERT_EQUAL(c.order[0], 2);
    client_close(c.client);
    CU_ASSERT(until_in_flight(rig, 0)); /* the client has gone: so has what it asked */
    rig_end(rig);
}

static void a_crash_costs_one_call(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\nworkers_max = 4\n"));
    struct calls c;

    calls_begin(&c, rig);
    for (int i = 0; i < 3; i++)
        slow(&c, 800);
    calls_add(&c, "service_faulty", "abort", body_of(1, NULL), 0);
    for (int i = 0; i < 4; i++)
        slow(&c, 100);
    CU_ASSERT_EQUAL(calls_end(&c), 1);
    CU_ASSERT_STRING_EQUAL(c.code[3], "crashed");
    for (int i = 0; i < 8; i++) /* more than the workers: each answers again */
        CU_ASSERT(rig_echo(rig, "service_faulty"));
    rig_end(rig);
}

static void permanent_workers_come_back(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\n"));
    struct plugin was[2] = {rig_plugin(rig, "service_faulty#1"),
                            rig_plugin(rig, "service_faulty#2")};
    struct calls c;

    CU_ASSERT(was[0].pid > 0 && was[1].pid > 0);
    CU_ASSERT_EQUAL(kill(was[0].pid, SIGKILL), 0);
    CU_ASSERT_EQUAL(kill(was[1].pid, SIGKILL), 0);
    CU_ASSERT(rig_until_back(rig, "service_faulty#1", 1, was[0].pid));
    CU_ASSERT(rig_until_back(rig, "service_faulty#2", 1, was[1].pid));
    calls_begin(&c, rig);
    for (int i = 0; i < 4; i++)
        slow(&c, 100);
    CU_ASSERT_EQUAL(calls_end(&c), 0);
    CU_ASSERT(c.ended_ms[c.order[3]] < 400);
    rig_end(rig);
}

static int is_failed(struct rig *rig, void *arg)
{
    return !strcmp(rig_plugin(rig, "service_faulty").state, "failed");
}

static void a_pool_that_can_not_start_refuses(void)
{
    struct rig *rig = rig_start_raw(
        POOL("workers = 2\nworkers_max = 3\nmax_restarts = 1\nat_start = fail\n"), NULL);
    struct answer a;

    CU_ASSERT(rig_until(rig, is_failed, NULL));
    a = rig_call(rig, "service_faulty", "echo", 1, NULL);
    CU_ASSERT_STRING_EQUAL(a.code, "unavailable");
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "told to fail"));
    CU_ASSERT(rig_echo(rig, "service_faulty:relay"));
    rig_end(rig);
}

static void reloads_lose_no_call(void)
{
    static const char *const inis[] = {
        POOL("workers = 2\nworkers_max = 3\n"), /* another size */
        POOL("workers_max = 3\n"),              /* fewer permanent */
        POOL("workers = 3\nat_drain = fine\n"), /* another option */
        POOL("workers = 3\nnote = two\n"),      /* a reloadable one */
        POOL(""),                               /* no pool */
        POOL("workers = 2\nworkers_max = 4\n"), /* a pool again */
    };
    struct rig *rig = rig_start(POOL("workers_max = 2\n"));
    struct answer a;
    struct calls c;

    for (size_t i = 0; i < sizeof(inis) / sizeof(inis[0]); i++) {
        calls_begin(&c, rig);
        for (int k = 0; k < 6; k++)
            slow(&c, 300);
        CU_ASSERT(until_in_flight(rig, 6));
        rig_write(rig, "10.ini", inis[i]);
        rig_reload(rig);
        CU_ASSERT(rig_echo(rig, "service_faulty"));
        slow(&c, 100);
        CU_ASSERT(rig_host(rig, "host.reload", "name", "service_faulty", &a));
        CU_ASSERT(rig_echo(rig, "service_faulty"));
        CU_ASSERT_EQUAL(calls_end(&c), 0);
    }
    rig_end(rig);
}

/* What runs ends well, what waits is refused; and it may come back at once. */
static void section_goes_and_comes_back(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\n"));
    struct calls c;

    calls_begin(&c, rig);
    for (int k = 0; k < 4; k++)
        slow(&c, 500);
    CU_ASSERT(until_in_flight(rig, 4));
    rig_write(rig, "10.ini", "[host]\nnode = test\n[service_faulty:relay]\n");
    rig_reload(rig);
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty", "echo", 1, NULL).code, "unavailable");
    rig_write(rig, "10.ini", POOL("workers = 2\n"));
    rig_reload(rig);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    CU_ASSERT_EQUAL(calls_end(&c), 2);
    CU_ASSERT_STRING_EQUAL(c.code[2], "unavailable");
    CU_ASSERT_STRING_EQUAL(c.code[3], "unavailable");
    rig_end(rig);
}

static void removed_pool_ends_its_cells(void)
{
    struct rig *rig = rig_start(POOL("workers = 3\n"));
    pid_t pids[3];
    char name[64];

    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof(name), "service_faulty#%d", i + 1);
        pids[i] = rig_plugin(rig, name).pid;
        CU_ASSERT(pids[i] > 0);
    }
    CU_ASSERT(rig_host(rig, "host.remove", "name", "service_faulty", NULL));
    for (int i = 0; i < 3; i++)
        CU_ASSERT(process_gone(pids[i], RIG_WAIT_MS));
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty", "echo", 1, NULL).code, "unavailable");
    rig_end(rig);
}

static void joined_name_outlives_its_worker(void)
{
    struct rig *rig = rig_start(POOL("workers_max = 3\nworkers_idle = 200ms\njoin_group = many\n"));
    struct calls c;

    calls_begin(&c, rig);
    for (int i = 0; i < 3; i++)
        slow(&c, 300);
    CU_ASSERT_EQUAL(calls_end(&c), 0);
    CU_ASSERT(until_workers(rig, 1)); /* the one that joined last is gone */
    CU_ASSERT(rig_echo(rig, "many"));
    rig_end(rig);
}

static void new_image_takes_the_pool_over(void)
{
    struct rig *rig = rig_start(POOL("workers = 2\nworkers_max = 3\nworkers_idle = 500ms\n"));
    struct plugin was = rig_plugin(rig, "service_faulty#1");
    struct calls c;

    for (int round = 0; round < 3; round++) {
        calls_begin(&c, rig);
        for (int i = 0; i < 9; i++) /* three run, six wait */
            slow(&c, 500);
        CU_ASSERT(calls_wait(&c, 1));
        CU_ASSERT(rig_host(rig, "host.upgrade", NULL, NULL, NULL));
        CU_ASSERT_EQUAL(calls_end(&c), 0);
        CU_ASSERT(c.ended_ms[c.order[8]] >= 1500); /* never more than three at once */
    }
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty#1").pid, was.pid);
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty#1").restarts, 0);
    CU_ASSERT(until_workers(rig, 2));
    rig_end(rig);
}

static void wrong_keys_are_refused(void)
{
    static const struct {
        const char *keys, *says;
    } wrong[] = {
        {"workers = 4\nworkers_max = 2\n", "workers_max = '2': expected at least workers"},
        {"workers = 2\nspare = 1\n", "spare needs workers_max = 1"},
        {"workers = 2\nrestart = temporary\n", "restart needs workers_max = 1"},
        {"workers = 2\ncell = shared\n", "workers needs a cell of its own"},
    };
    char ini[512], out[2048];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(ini, sizeof(ini), "[host]\nnode = test\n[service_faulty]\n%s", wrong[i].keys);
        CU_ASSERT_EQUAL(rig_check(ini, NULL, out, sizeof(out)), 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(out, wrong[i].says));
    }
}

const struct test_case tests[] = {
    {"eight calls take two rounds", eight_calls_take_two_rounds},
    {"waiting calls go by priority", waiting_calls_go_by_priority},
    {"above its queue it is busy", above_its_queue_it_is_busy},
    {"cancelled and overdue calls leave the queue", cancelled_and_overdue_calls_leave_the_queue},
    {"cancelled running call frees its worker", cancelled_running_call_frees_its_worker},
    {"a crash costs one call", a_crash_costs_one_call},
    {"permanent workers come back", permanent_workers_come_back},
    {"a pool that can not start refuses", a_pool_that_can_not_start_refuses},
    {"reloads lose no call", reloads_lose_no_call},
    {"section goes and comes back", section_goes_and_comes_back},
    {"removed pool ends its cells", removed_pool_ends_its_cells},
    {"joined name outlives its worker", joined_name_outlives_its_worker},
    {"new image takes the pool over", new_image_takes_the_pool_over},
    {"wrong keys are refused", wrong_keys_are_refused},
    {0},
};
