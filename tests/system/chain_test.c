/*
 * chain_test.c - a request through two instances of one cell, gateway and coordinator, to a
 * producer in another: the parts do not pass through the cell in the middle, and what happens to
 * that cell in mid-stream happens to its own requests only.
 */
#include "rig.h"

#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS 400 /* one per millisecond */

static const char ini[] = "[host]\nnode = test\n"
                          "[service_faulty:gateway]\ncell = chat\n"
                          "[service_faulty:coordinator]\ncell = chat\n"
                          "[service_faulty:provider]\n";

/* A stream of n parts of the text "service_faulty:provider", asked for at the gateway. */
static struct aiex_slice chat(const char *method, int64_t n)
{
    static uint8_t mem[256];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "text", "service_faulty:coordinator/service_faulty:provider");
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_int(&w, "n", n);
    return aiex_written(&w);
}

/* What a client saw of its stream. */
struct stream {
    struct client *client; /* its own: the rig's loses parts while it asks for something else */
    int64_t id;
    int n_parts, n_ends;
    char code[32];
};

static void begin(struct rig *rig, struct stream *s, const char *method, int64_t n)
{
    *s = (struct stream){.client = client_open(rig->socket)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(s->client);
    s->id = client_call(s->client, "service_faulty:gateway", "relay", chat(method, n), 60000);
    CU_ASSERT_EQUAL(client_send(s->client), 0);
}

/* Reads until that many parts, or the end, have come. */
static void go_on(struct stream *s, int until_parts)
{
    struct frame f;

    while (!s->n_ends && s->n_parts < until_parts && client_next(s->client, &f, RIG_WAIT_MS) == 1) {
        if (f.is_part) {
            s->n_parts++;
            client_credit(s->client, s->id, (uint32_t)f.body.len);
        } else {
            s->n_ends++;
            memcpy(s->code, f.code, sizeof(s->code));
        }
    }
}

/* It ended once, with this code. */
static void ended(struct stream *s, const char *code)
{
    go_on(s, 1 << 30);
    CU_ASSERT_EQUAL(s->n_ends, 1);
    CU_ASSERT_STRING_EQUAL(s->code, code);
    client_close(s->client);
}

static int idle(struct rig *rig, void *arg)
{
    return rig_plugin(rig, arg).in_flight == 0;
}

static void all_idle(struct rig *rig)
{
    CU_ASSERT(rig_until(rig, idle, "service_faulty:gateway"));
    CU_ASSERT(rig_until(rig, idle, "service_faulty:coordinator"));
    CU_ASSERT(rig_until(rig, idle, "service_faulty:provider"));
}

/* ---- host.trace ---- */

struct trace {
    struct client *client;
    int64_t id;
    unsigned n_requests, n_streams, n_ends;
};

/* Reads up to the first end that passes by, or until nothing came for so long. */
static void trace_read(struct trace *t, int wait_ms)
{
    struct aiex_slice kind;
    struct frame f;

    while (!t->n_ends && client_next(t->client, &f, wait_ms) == 1) {
        CU_ASSERT(f.is_part);
        if (!f.is_part)
            break;
        client_credit(t->client, t->id, (uint32_t)f.body.len);
        if (aiex_get_str(f.body, "kind", &kind) != 1)
            continue;
        t->n_requests += aiex_slice_is(kind, "request");
        t->n_streams += aiex_slice_is(kind, "part");
        t->n_ends += aiex_slice_is(kind, "end");
    }
}

static void trace_begin(struct rig *rig, struct trace *t, const char *instance)
{
    static uint8_t mem[128];
    struct aiex_writer w;

    *t = (struct trace){.client = client_open(rig->socket)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(t->client);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, "name", instance);
    t->id = client_call(t->client, "host", "host.trace", aiex_written(&w), 0);
    CU_ASSERT_EQUAL(client_send(t->client), 0);
    for (int i = 0; i < 100 && !t->n_ends; i++) {
        CU_ASSERT(rig_echo(rig, instance));
        trace_read(t, 200);
    }
    CU_ASSERT_EQUAL(t->n_ends, 1); /* it is on */
    t->n_requests = t->n_ends = 0;
}

static void parts_pass_by_the_middle(void)
{
    struct rig *rig = rig_start(ini);
    struct trace gateway, provider;
    struct stream s;

    trace_begin(rig, &gateway, "service_faulty:gateway");
    trace_begin(rig, &provider, "service_faulty:provider");
    begin(rig, &s, "sleep_stream", 50);
    ended(&s, "");
    CU_ASSERT_EQUAL(s.n_parts, 50);
    trace_read(&provider, RIG_WAIT_MS);
    CU_ASSERT_EQUAL(provider.n_requests, 1);
    CU_ASSERT_EQUAL(provider.n_streams, 50);
    /* an echo behind it is the first end that the gateway itself sends */
    CU_ASSERT(rig_echo(rig, "service_faulty:gateway"));
    trace_read(&gateway, RIG_WAIT_MS);
    CU_ASSERT_EQUAL(gateway.n_requests, 2);
    CU_ASSERT_EQUAL(gateway.n_streams, 0);
    client_close(provider.client);
    client_close(gateway.client);
    all_idle(rig);
    rig_end(rig);
}

static void the_middle_is_killed(void)
{
    struct rig *rig = rig_start(ini);
    pid_t pid = rig_plugin(rig, "service_faulty:gateway").pid;
    struct stream s;

    CU_ASSERT_EQUAL(pid, rig_plugin(rig, "service_faulty:coordinator").pid);
    begin(rig, &s, "sleep_stream", 1 << 20);
    go_on(&s, 20);
    CU_ASSERT_EQUAL(process_signal(pid, SIGKILL), 0);
    ended(&s, "crashed");
    CU_ASSERT(rig_until_back(rig, "service_faulty:gateway", 1, pid));
    CU_ASSERT(rig_until(rig, idle, "service_faulty:provider")); /* it was told to stop */
    CU_ASSERT_EQUAL(rig_plugin(rig, "service_faulty:provider").restarts, 0);
    begin(rig, &s, "sleep_stream", 20);
    ended(&s, "");
    CU_ASSERT_EQUAL(s.n_parts, 20);
    rig_end(rig);
}

/* A new incarnation takes over; the old one goes when the stream that it began is at its end. */
static void the_middle_is_replaced(void)
{
    struct rig *rig = rig_start(ini);
    pid_t pid = rig_plugin(rig, "service_faulty:gateway").pid;
    struct stream s;
    char *log;

    begin(rig, &s, "sleep_stream", PARTS);
    go_on(&s, 10);
    CU_ASSERT(rig_host(rig, "host.reload", "name", "service_faulty:gateway", NULL));
    ended(&s, "");
    CU_ASSERT_EQUAL(s.n_parts, PARTS);
    CU_ASSERT(rig_until_back(rig, "service_faulty:gateway", 0, pid));
    CU_ASSERT(process_gone(pid, RIG_WAIT_MS));
    all_idle(rig);
    log = rig_log(rig);
    CU_ASSERT_PTR_NULL(strstr(log, "killed")); /* it was told of the end, and drained */
    free(log);
    rig_end(rig);
}

static void the_host_is_replaced(void)
{
    struct rig *rig = rig_start(ini);
    struct stream s;

    begin(rig, &s, "sleep_stream", PARTS);
    go_on(&s, 10);
    CU_ASSERT(rig_upgrade(rig));
    ended(&s, "");
    CU_ASSERT_EQUAL(s.n_parts, PARTS);
    all_idle(rig);
    rig_end(rig);
}

/* Who asks an instance is what the host says: over the control socket, from another instance of its
 * cell, and from one of another cell, whose second instance it is. */
static void it_is_known_who_asks(void)
{
    static const struct {
        const char *asked, *by, *caller; /* asked: by way of these */
    } rows[] = {
        {"service_faulty:provider", NULL, "host.control"},
        {"service_faulty:gateway", "service_faulty:coordinator", "service_faulty:gateway"},
        {"service_faulty:coordinator", "service_faulty:provider", "service_faulty:coordinator"},
        {"service_faulty:gateway", "service_faulty:coordinator/service_faulty:provider",
         "service_faulty:coordinator"}};
    struct rig *rig = rig_start(ini);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char caller[AIEX_MAX_NAME + 1] = "";
        uint8_t mem[256];
        struct aiex_writer w;
        struct answer a;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, rows[i].by ? 2 : 0);
        if (rows[i].by) {
            aiex_w_key_str(&w, "text", rows[i].by);
            aiex_w_key_str(&w, "method", "caller");
        }
        a = rig_ask(rig, rows[i].asked, rows[i].by ? "relay" : "caller", aiex_written(&w),
                    RIG_WAIT_MS);
        CU_ASSERT_STRING_EQUAL(a.code, "");
        aiex_get_text(a.body, "caller", caller, sizeof(caller));
        CU_ASSERT_STRING_EQUAL(caller, rows[i].caller);
    }
    rig_stop(rig);
}

/* `callers`: who is not named is refused, whatever name he finds the instance by; and it can be
 * changed while all run. */
static void only_callers_may_call(void)
{
    static const char some[] = "[host]\nnode = test\n"
                               "[service_faulty:a]\n[service_faulty:b]\n"
                               "[service_faulty:c]\njoin_group = crew\n"
                               "callers = *:a, host.control\n";
    static const char none[] = "[host]\nnode = test\n"
                               "[service_faulty:a]\n[service_faulty:b]\n"
                               "[service_faulty:c]\njoin_group = crew\n"
                               "callers = *:b\n";
    struct rig *rig = rig_start(some);
    struct answer a;

    a = rig_call(rig, "service_faulty:a", "relay", 0, "service_faulty:c");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:c", "echo", 0, "");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:b", "relay", 0, "service_faulty:c");
    CU_ASSERT_STRING_EQUAL(a.code, "denied");
    a = rig_call(rig, "service_faulty:b", "relay", 0, "crew");
    CU_ASSERT_STRING_EQUAL(a.code, "denied");
    rig_write(rig, "10.ini", none);
    rig_reload(rig);
    CU_ASSERT_FATAL(rig_until_state(rig, "service_faulty:c", "up"));
    a = rig_call(rig, "service_faulty:b", "relay", 0, "service_faulty:c");
    CU_ASSERT_STRING_EQUAL(a.code, "");
    a = rig_call(rig, "service_faulty:a", "relay", 0, "service_faulty:c");
    CU_ASSERT_STRING_EQUAL(a.code, "denied");
    a = rig_call(rig, "service_faulty:c", "echo", 0, "");
    CU_ASSERT_STRING_EQUAL(a.code, "denied");
    CU_ASSERT_PTR_NOT_NULL(strstr(a.text, "'service_faulty:c' is not for 'host.control'"));
    rig_stop(rig);
}

const struct test_case tests[] = {
    {"only callers may call", only_callers_may_call},
    {"it is known who asks", it_is_known_who_asks},
    {"parts pass by the middle", parts_pass_by_the_middle},
    {"the middle is killed", the_middle_is_killed},
    {"the middle is replaced", the_middle_is_replaced},
    {"the host is replaced", the_host_is_replaced},
    {0},
};
