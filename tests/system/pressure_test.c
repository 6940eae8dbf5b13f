/*
 * pressure_test.c - more than someone can take: a cell that stands still, a reader that
 * is slow, bodies of many megabytes, a subscriber that sleeps. The host's memory stays
 * bounded, the one who asks too much is told, and nothing that was accepted is lost.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB    (1024 * 1024)
#define FAR_MS 60000

static const char two[] =
    "[host]\nnode = test\n[service_faulty]\nhang = 1h\n[service_faulty:two]\nhang = 1h\n";

/* {n, text of `len` bytes}; the caller frees .data. */
static struct aiex_slice large_body(size_t len)
{
    uint8_t *mem = malloc(len + 64);
    char *text = malloc(len);
    struct aiex_writer w;

    CU_ASSERT_FATAL(mem && text);
    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 23);
    aiex_writer_init(&w, mem, len + 64);
    aiex_w_map(&w, 2);
    aiex_w_key_int(&w, "n", (int64_t)len);
    aiex_w_key_strn(&w, "text", text, len);
    free(text);
    return aiex_written(&w);
}

/* One of several clients of a cell that stands still. */
struct pusher {
    struct client *client;
    int n, busy, ok, other;
};

/* Takes ends until those of all n calls are there, or `last` ended. */
static void take_ends(struct pusher *p, int64_t last, struct aiex_slice sent)
{
    struct frame f;

    while (p->busy + p->ok + p->other < p->n && client_next(p->client, &f, RIG_WAIT_MS) == 1) {
        int64_t bytes = 0;

        if (f.id == last)
            return;
        aiex_get_int(f.body, "bytes", &bytes);
        if (!strcmp(f.code, "busy") && f.retry_after_ms > 0)
            p->busy++;
        else if (!f.code[0] && bytes == (int64_t)sent.len)
            p->ok++;
        else
            p->other++;
    }
}

static void push(struct pusher *p, struct rig *rig, int n, struct aiex_slice body)
{
    int64_t last;

    *p = (struct pusher){.client = client_open(rig->socket), .n = n};
    CU_ASSERT_FATAL(p->client != NULL);
    for (int i = 0; i < n; i++)
        client_call(p->client, "service_faulty", "sum", body, FAR_MS);
    /* when this one is answered, those before it were taken or refused */
    last = client_call(p->client, "service_faulty:two", "echo", body_of(1, NULL), FAR_MS);
    take_ends(p, last, body);
    CU_ASSERT_EQUAL(p->ok, 0);
    CU_ASSERT_EQUAL(p->other, 0);
}

/* The stopped cell gets more than its ring and its queue hold. */
static void stopped_cell(void)
{
    enum { PUSHERS = 5, EACH = 200 };
    struct rig *rig = rig_start(two);
    struct aiex_slice body = large_body(100 * 1024);
    struct pusher pushers[PUSHERS];
    pid_t pid = rig_plugin(rig, "service_faulty").pid;
    int64_t before = process_rss_bytes(rig->pid), during;
    int busy = 0;

    CU_ASSERT_EQUAL(process_signal(pid, SIGSTOP), 0);
    for (int i = 0; i < PUSHERS; i++) {
        push(&pushers[i], rig, EACH, body);
        busy += pushers[i].busy;
    }
    during = process_rss_bytes(rig->pid);
    printf("\n    %d of %d refused as busy; host from %lld to %lld MiB", busy, PUSHERS * EACH,
           (long long)(before / MIB), (long long)(during / MIB));
    CU_ASSERT(busy > 0 && busy < PUSHERS * EACH);
    CU_ASSERT(during - before < 160 * MIB);
    CU_ASSERT_EQUAL(process_signal(pid, SIGCONT), 0);
    for (int i = 0; i < PUSHERS; i++) {
        take_ends(&pushers[i], -1, body);
        CU_ASSERT_EQUAL(pushers[i].ok + pushers[i].busy, EACH);
        CU_ASSERT_EQUAL(pushers[i].other, 0);
        client_close(pushers[i].client);
    }
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").pid, pid);
    CU_ASSERT(rig_echo(rig, "service_faulty"));
    free((void *)body.data);
    rig_end(rig);
}

/* Takes parts of call `id` until its end or until none comes for wait_ms; credits them if asked to.
 * 1 = it ended. */
static int read_parts(struct rig *rig, int64_t id, int credit, int wait_ms, size_t *bytes)
{
    struct frame f;

    while (client_next(rig->client, &f, wait_ms) == 1) {
        if (f.id != id)
            continue;
        if (!f.is_part) {
            CU_ASSERT_STRING_EQUAL(f.code, "");
            return 1;
        }
        *bytes += f.body.len;
        if (credit)
            client_credit(rig->client, id, (uint32_t)f.body.len);
    }
    return 0;
}

/* A reader that credits nothing gets one window; the producer pauses, and goes on with the reader.
 */
static void slow_reader(void)
{
    enum { PART = 200, PARTS = 20000 };
    struct rig *rig = rig_start(two);
    char text[PART + 1];
    int64_t id, before = process_rss_bytes(rig->pid);
    size_t bytes = 0;

    memset(text, 'p', PART);
    text[PART] = 0;
    id = client_call(rig->client, "service_faulty", "polite", body_of(PARTS, text), FAR_MS);
    CU_ASSERT_EQUAL(read_parts(rig, id, 0, 500, &bytes), 0);
    printf("\n    %zu KiB without credit", bytes / 1024);
    CU_ASSERT(bytes >= 256 * 1024 - PART && bytes <= 256 * 1024 + PART);
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").in_flight, 1);
    CU_ASSERT(rig_echo(rig, "service_faulty")); /* the others of the same cell are not held up */
    client_credit(rig->client, id, (uint32_t)bytes);
    CU_ASSERT_EQUAL(read_parts(rig, id, 1, RIG_WAIT_MS, &bytes), 1);
    CU_ASSERT_EQUAL(bytes, (size_t)PART * PARTS);

    /* a producer that does not pause is refused soon, and its call can still be ended */
    bytes = 0;
    id = client_call(rig->client, "service_faulty", "stream", body_of(10 * MIB, text), FAR_MS);
    CU_ASSERT_EQUAL(read_parts(rig, id, 0, RIG_WAIT_MS, &bytes), 1);
    printf(", %zu KiB from one who does not pause", bytes / 1024);
    CU_ASSERT(bytes >= 256 * 1024 && bytes < 2 * MIB);
    CU_ASSERT(process_rss_bytes(rig->pid) - before < 64 * MIB);
    rig_end(rig);
}

static void send_big(struct rig *rig, const char *method, struct aiex_slice body)
{
    int64_t id = client_call(rig->client, "service_faulty", method, body, FAR_MS), got = 0;
    struct frame f;
    int r;

    while ((r = client_next(rig->client, &f, FAR_MS)) == 1 && f.id != id)
        ;
    CU_ASSERT_EQUAL_FATAL(r, 1);
    CU_ASSERT_STRING_EQUAL(f.code, "");
    if (f.code[0])
        printf("\n    %s: %s", f.code, f.text);
    if (!strcmp(method, "echo")) {
        CU_ASSERT_EQUAL(f.body.len, body.len);
        CU_ASSERT(f.body.len == body.len && memcmp(f.body.data, body.data, body.len) == 0);
    } else {
        CU_ASSERT_EQUAL(aiex_get_int(f.body, "bytes", &got), 1);
        CU_ASSERT_EQUAL(got, (int64_t)body.len);
    }
}

/* Both ways, beside a neighbour that answers meanwhile; afterwards the memory is given back. */
static void big_bodies(void)
{
    struct rig *rig = rig_start(two);
    size_t sizes[] = {16 * 1024 - 64, 16 * 1024, 300 * 1024, 20 * MIB};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct aiex_slice body = large_body(sizes[i]);

        send_big(rig, "sum", body);
        send_big(rig, "echo", body);
        CU_ASSERT(rig_echo(rig, "service_faulty:two"));
        free((void *)body.data);
    }
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty").restarts, 0);
    rig_end(rig);
}

static int saw_all(struct rig *rig, void *arg)
{
    struct answer a = rig_call(rig, "service_faulty:sub", "seen", 0, NULL);

    return answer_int(&a, "seen") >= *(int64_t *)arg;
}

/* A subscriber that sleeps through a flood: it is told how many it missed, and the sum is right. */
static void event_flood(void)
{
    enum { ROUNDS = 40, EACH = 2000 };
    struct rig *rig = rig_start("[host]\nnode = test\n[service_faulty]\nhang = 1h\n"
                                "[service_faulty:sub]\nhang = 1h\nsubscribe = flood.*\n"
                                "[service_faulty:awake]\nhang = 1h\nsubscribe = flood.*\n");
    pid_t pid = rig_plugin(rig, "service_faulty:sub").pid;
    int64_t before = process_rss_bytes(rig->pid), all = ROUNDS * EACH, missed;
    struct answer a;

    CU_ASSERT_EQUAL(process_signal(pid, SIGSTOP), 0);
    for (int i = 0; i < ROUNDS; i++)
        CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty", "publish", EACH, "flood.x").code,
                               "");
    printf("\n    host from %lld to %lld MiB", (long long)(before / MIB),
           (long long)(process_rss_bytes(rig->pid) / MIB));
    CU_ASSERT(process_rss_bytes(rig->pid) - before < 96 * MIB);
    CU_ASSERT_EQUAL(process_signal(pid, SIGCONT), 0);
    /* the next event carries the count of those dropped last */
    CU_ASSERT_STRING_EQUAL(rig_call(rig, "service_faulty", "publish", 1, "flood.x").code, "");
    all++;
    CU_ASSERT(rig_until(rig, saw_all, &all));
    a = rig_call(rig, "service_faulty:sub", "seen", 0, NULL);
    CU_ASSERT_EQUAL(answer_int(&a, "seen"), all);
    a = rig_call(rig, "service_faulty:sub", "missed", 0, NULL);
    missed = answer_int(&a, "missed");
    printf(", %lld of %lld missed", (long long)missed, (long long)all);
    CU_ASSERT(missed > 0 && missed < all);
    a = rig_call(rig, "service_faulty:awake", "seen", 0, NULL);
    CU_ASSERT_EQUAL(answer_int(&a, "seen"), all);
    rig_end(rig);
}

const struct test_case tests[] = {
    {"a stopped cell", stopped_cell},
    {"a slow reader", slow_reader},
    {"big bodies", big_bodies},
    {"an event flood", event_flood},
    {0},
};
