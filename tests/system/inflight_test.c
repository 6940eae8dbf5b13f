/*
 * inflight_test.c - what happens to the other requests when a cell dies: those it had
 * answered stay answered, those it had not begun go to its successor, and every one
 * ends exactly once.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define N         100
#define FAR_MS    60000
#define BIG_BYTES 40000 /* more than two records */

static const char two[] =
    "[host]\nnode = test\n[service_faulty]\nhang = 1h\n[service_faulty:two]\n";

/* Ends by id: how often, and how. */
struct tally {
    int n_ends[N + 1], ok, crashed, other, strangers;
    int64_t first;
    char last_code[32], last_text[600];
};

/* Takes frames until n calls have ended, then whatever still comes without waiting. */
static void gather(struct rig *rig, struct tally *t, int64_t first, int n)
{
    int64_t until = now_ms() + RIG_WAIT_MS;
    int ended = 0, r;
    struct frame f;

    *t = (struct tally){.first = first};
    while ((r = client_next(rig->client, &f, ended < n ? (int)(until - now_ms()) : 0)) == 1) {
        if (f.is_part || f.id < first || f.id >= first + n) {
            t->strangers++;
            continue;
        }
        ended++;
        t->n_ends[f.id - first]++;
        t->ok += !f.code[0];
        t->crashed += !strcmp(f.code, "crashed");
        t->other += f.code[0] && strcmp(f.code, "crashed");
        if (f.code[0]) {
            memcpy(t->last_code, f.code, sizeof(f.code));
            memcpy(t->last_text, f.text, sizeof(f.text));
        }
        if (ended >= n && t->ok + t->crashed + t->other > n)
            break;
    }
    printf("\n    %d answered, %d crashed, %d other%s%s%s%s", t->ok, t->crashed, t->other,
           t->last_code[0] ? "; last error " : "", t->last_code, t->last_code[0] ? ": " : "",
           t->last_text);
}

static void check_once_each(const struct tally *t, int n)
{
    int once = 0;

    for (int i = 0; i < n; i++)
        once += t->n_ends[i] == 1;
    CU_ASSERT_EQUAL(once, n);
    CU_ASSERT_EQUAL(t->strangers, 0);
    CU_ASSERT_EQUAL(t->ok + t->crashed + t->other, n);
}

/* 100 in one write, the 51st crashes; none is marked idempotent. */
static void one_of_hundred(void)
{
    struct rig *rig = rig_start(two);
    struct plugin before = rig_plugin(rig, "service_faulty");
    struct tally t;
    int64_t first = 0;

    for (int i = 0; i < N; i++) {
        int64_t id = client_call(rig->client, "service_faulty",
                                 i == 50 ? "segfault"
                                 : i % 2 ? "echo"
                                         : "sum",
                                 body_of(i, "text of a request"), FAR_MS);

        first = first ? first : id;
    }
    gather(rig, &t, first, N);
    check_once_each(&t, N);
    CU_ASSERT_EQUAL(t.ok, N - 1);
    CU_ASSERT_EQUAL(t.crashed, 1);
    CU_ASSERT(rig_until_back(rig, "service_faulty", before.restarts + 1, before.pid));
    CU_ASSERT(rig_echo(rig, "service_faulty:two"));
    rig_end(rig);
}

/* The same with bodies that travel as several records. */
static void one_of_hundred_large(void)
{
    struct rig *rig = rig_start(two);
    uint8_t *mem = malloc(BIG_BYTES + 64);
    char *text = malloc(BIG_BYTES + 1);
    struct aiex_writer w;
    struct tally t;
    int64_t first = 0;

    CU_ASSERT_FATAL(mem && text);
    memset(text, 'x', BIG_BYTES);
    text[BIG_BYTES] = 0;
    aiex_writer_init(&w, mem, BIG_BYTES + 64);
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "text", text);
    for (int i = 0; i < 20; i++) {
        int64_t id = client_call(rig->client, "service_faulty", i == 3 ? "segfault" : "sum",
                                 aiex_written(&w), FAR_MS);

        first = first ? first : id;
    }
    gather(rig, &t, first, 20);
    check_once_each(&t, 20);
    CU_ASSERT_EQUAL(t.ok, 19);
    CU_ASSERT_EQUAL(t.crashed, 1);
    free(mem);
    free(text);
    rig_end(rig);
}

static int all_in_flight(struct rig *rig, void *arg)
{
    return rig_plugin(rig, arg).in_flight == N;
}

/* Killed from outside while it stood still: it had begun none, so none fails. */
static void all_unbegun(void)
{
    struct rig *rig = rig_start(two);
    struct plugin before = rig_plugin(rig, "service_faulty"), after;
    struct tally t;
    int64_t first = 0;

    CU_ASSERT_EQUAL(process_signal(before.pid, SIGSTOP), 0);
    for (int i = 0; i < N; i++) {
        int64_t id = client_call(rig->client, "service_faulty", "echo", body_of(i, NULL), FAR_MS);

        first = first ? first : id;
    }
    CU_ASSERT(rig_until(rig, all_in_flight, "service_faulty"));
    CU_ASSERT_EQUAL(process_signal(before.pid, SIGKILL), 0);
    gather(rig, &t, first, N);
    check_once_each(&t, N);
    CU_ASSERT_EQUAL(t.ok, N);
    after = rig_plugin(rig, "service_faulty");
    CU_ASSERT_EQUAL(after.restarts, 1);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(after.last_exit, "out of memory suspected (SIGKILL not sent by the host"));
    rig_end(rig);
}

/* {text: service, method, flags, n} */
static struct aiex_slice relay_body(const char *service, const char *method, int64_t flags,
                                    int64_t n)
{
    static uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "text", service);
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_int(&w, "flags", flags);
    aiex_w_key_int(&w, "n", n);
    return aiex_written(&w);
}

static void idempotent_is_repeated_once(void)
{
    struct rig *rig = rig_start(
        "[host]\nnode = test\n[service_faulty]\nmax_restarts = 60\n[service_faulty:two]\n");
    pid_t pid = rig_plugin(rig, "service_faulty").pid;
    struct answer a;

    /* dies once: the successor answers */
    a = rig_ask(rig, "service_faulty:two", "relay",
                relay_body("service_faulty", "abort_as", AIEX_CALL_IDEMPOTENT, pid), FAR_MS);
    CU_ASSERT(a.got);
    CU_ASSERT_STRING_EQUAL(a.code, "");
    CU_ASSERT(answer_int(&a, "pid") > 0 && answer_int(&a, "pid") != pid);
    CU_ASSERT(rig_until_back(rig, "service_faulty", 1, pid));

    /* kills whoever begins it: twice, then the caller is told */
    a = rig_ask(rig, "service_faulty:two", "relay",
                relay_body("service_faulty", "segfault", AIEX_CALL_IDEMPOTENT, 0), FAR_MS);
    CU_ASSERT_STRING_EQUAL(a.code, "crashed");
    CU_ASSERT(rig_until_back(rig, "service_faulty", 3, 0));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").restarts, 3);

    /* not marked: begun once only */
    pid = rig_plugin(rig, "service_faulty").pid;
    a = rig_ask(rig, "service_faulty:two", "relay",
                relay_body("service_faulty", "abort_as", 0, pid), FAR_MS);
    CU_ASSERT_STRING_EQUAL(a.code, "crashed");
    CU_ASSERT(rig_until_back(rig, "service_faulty", 4, pid));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:two").restarts, 0);
    rig_end(rig);
}

/* A stream that is cut ends once, with the reason, after the parts that were sent. */
static void stream_is_cut(void)
{
    struct rig *rig = rig_start(two);
    pid_t pid = rig_plugin(rig, "service_faulty").pid;
    int64_t id = client_call(rig->client, "service_faulty", "sleep_stream",
                             body_of(1000000, "part"), FAR_MS);
    int parts = 0, ends = 0;
    struct frame f;

    while (client_next(rig->client, &f, ends ? 0 : RIG_WAIT_MS) == 1) {
        CU_ASSERT_EQUAL(f.id, id);
        parts += f.is_part;
        if (f.is_part)
            client_credit(rig->client, id, (uint32_t)f.body.len);
        if (parts == 5 && f.is_part)
            CU_ASSERT_EQUAL(process_signal(pid, SIGKILL), 0);
        ends += !f.is_part;
        if (!f.is_part)
            CU_ASSERT_STRING_EQUAL(f.code, "crashed");
    }
    CU_ASSERT(parts >= 5);
    CU_ASSERT_EQUAL(ends, 1);
    CU_ASSERT(rig_until_back(rig, "service_faulty", 1, pid));
    rig_end(rig);
}

static int idle(struct rig *rig, void *arg)
{
    return rig_plugin(rig, arg).in_flight == 0;
}

static int busy(struct rig *rig, void *arg)
{
    return rig_plugin(rig, arg).in_flight == 1;
}

/* A caller that dies: its own caller is told, and what it had asked for is cancelled. */
static void caller_dies(void)
{
    struct rig *rig = rig_start(two);
    pid_t pid = rig_plugin(rig, "service_faulty:two").pid;
    struct tally t;
    int64_t id;

    id = client_call(rig->client, "service_faulty:two", "relay",
                     relay_body("service_faulty", "silent", 0, 0), FAR_MS);
    CU_ASSERT(rig_until(rig, busy, "service_faulty"));
    CU_ASSERT_EQUAL(process_signal(pid, SIGKILL), 0);
    gather(rig, &t, id, 1);
    CU_ASSERT_EQUAL(t.crashed, 1);
    CU_ASSERT(rig_until(rig, idle, "service_faulty"));
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").restarts, 0);
    rig_end(rig);
}

/* A client that goes away cancels down the chain. */
static void client_goes_away(void)
{
    struct rig *rig = rig_start(two);
    struct client *gone = client_open(rig->socket);

    CU_ASSERT_FATAL(gone != NULL);
    client_call(gone, "service_faulty:two", "relay", relay_body("service_faulty", "silent", 0, 0),
                FAR_MS);
    CU_ASSERT_EQUAL(client_send(gone), 0);
    CU_ASSERT(rig_until(rig, busy, "service_faulty"));
    client_close(gone);
    CU_ASSERT(rig_until(rig, idle, "service_faulty"));
    CU_ASSERT(rig_until(rig, idle, "service_faulty:two"));
    rig_end(rig);
}

const struct test_case tests[] = {
    {"one of a hundred", one_of_hundred},
    {"one of twenty with large bodies", one_of_hundred_large},
    {"a hundred that were not begun", all_unbegun},
    {"idempotent is repeated once", idempotent_is_repeated_once},
    {"a stream is cut", stream_is_cut},
    {"a caller dies", caller_dies},
    {"a client goes away", client_goes_away},
    {0},
};
