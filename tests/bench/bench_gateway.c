/*
 * bench_gateway.c - the request path of the product beside nginx's proxy_pass: bench_gateway BUILD.
 *
 * The gateway under test runs on processor 1 with its whole process tree, the mock upstream and the
 * load on processor 0, so requests per second are "per gateway core" and its CPU time is counted
 * from the scheduler. Rounds alternate between the two; a ratio is the median of the ratios of
 * rounds, because absolute times drift. Without nginx only the product's own figures are printed.
 *
 * Rows of `tls_` go to the same mock behind TLS, which a second nginx on processor 0 ends; its
 * certificate is made for the run and not checked, by neither gateway.
 */
#include "deployment.h"
#include "load.h"
#include "measure.h"
#include "mock_upstream.h"
#include "nginx.h"
#include "proc.h"

#include <aiex/aiex_pack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AIEX, NGINX, GATEWAYS };
enum { ROUNDS_MAX = 9, CPU_DRIVER = 0, CPU_GATEWAY = 1 };

static const char *const words[] = {"aiex", "nginx"};

static const struct scenario {
    const char *name;
    struct load_plan plan;
    int per_event; /* figures are per event of a stream, else per request */
    int tls;       /* between gateway and mock */
} scenarios[] = {
    {.name = "unary_c1", .plan = {.connections = 1, .seconds = 0.6, .model = "mock"}},
    {.name = "unary_c16", .plan = {.connections = 16, .seconds = 0.6, .model = "mock"}},
    {.name = "unary_c64", .plan = {.connections = 64, .seconds = 0.6, .model = "mock"}},
    {.name = "prompt_200KB_c8",
     .plan = {.connections = 8, .seconds = 0.6, .model = "mock", .prompt_bytes = 200000}},
    /* Anthropic's dialect in front of an OpenAI server; nginx passes the server's own dialect */
    {.name = "messages_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock", .messages = 1}},
    {.name = "messages_c64",
     .plan = {.connections = 64, .seconds = 0.6, .model = "mock", .messages = 1}},
    {.name = "messages_sse_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock-n200", .stream = 1, .messages = 1},
     .per_event = 1},
    {.name = "tls_unary_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock-tls"},
     .tls = 1},
    {.name = "tls_unary_c64",
     .plan = {.connections = 64, .seconds = 0.6, .model = "mock-tls"},
     .tls = 1},
    {.name = "tls_prompt_200KB_c8",
     .plan = {.connections = 8, .seconds = 0.6, .model = "mock-tls", .prompt_bytes = 200000},
     .tls = 1},
    {.name = "tls_sse_full_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock-tls-n200", .stream = 1},
     .per_event = 1,
     .tls = 1},
    {.name = "sse_full_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock-n200", .stream = 1},
     .per_event = 1},
    {.name = "sse_bursts_c16",
     .plan = {.connections = 16, .seconds = 0.6, .model = "mock-n200-bursts", .stream = 1},
     .per_event = 1},
    {.name = "sse_in_step_c64",
     .plan = {.connections = 64, .requests = 192, .model = "mock-n50-i5000", .stream = 1},
     .per_event = 1},
    {.name = "sse_spread",
     .plan =
         {.connections = 96, .requests = 160, .rate = 256, .model = "mock-n50-i5000", .stream = 1},
     .per_event = 1},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

struct figures {
    double cpu_us, rate, p50, p99, switches;
};

static struct {
    struct mock mock;
    struct deployment aiex;
    struct nginx nginx;
    int port[GATEWAYS], pid[GATEWAYS];
    double memory_idle[GATEWAYS];
    char key[80]; /* of the product's client */
    int n_gateways;
    struct figures got[SCENARIOS][GATEWAYS][ROUNDS_MAX];
    long bad[GATEWAYS];
} bench;

/* ---- The two gateways ---- */

/* An API key with every limit on, none of which is reached. */
static void make_key(void)
{
    struct ending end;
    struct aiex_writer w;
    uint8_t mem[512];

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_bool(&w, "local", 1);
    aiex_w_key_str(&w, "name", "bench");
    aiex_w_key_int(&w, "rpm", 100000000);
    aiex_w_key_int(&w, "tpm", 1000000000);
    aiex_w_key_int(&w, "concurrency", 10000);
    aiex_w_key_int(&w, "budget_day", 1000000000000);
    aiex_w_key_int(&w, "budget_month", 10000000000000);
    control_wait(
        bench.aiex.control,
        control_send(bench.aiex.control, "gateway", "gateway.key_create", aiex_written(&w), 5000),
        &end);
    if (end.code[0] || aiex_get_text((struct aiex_slice){end.body, end.len}, "key", bench.key,
                                     sizeof(bench.key)) != 1)
        give_up("no API key could be made: %s %s", end.code, end.text);
    ending_done(&end);
}

/* As conf.d has it, but for addresses, with a price: interface, host, provider and ledger in
 * processes of their own; coordinator and gateway share one. Key, limits and budgets are checked.
 */
static void start_aiex(void)
{
    char *conf = NULL, tls[200] = "";

    bench.port[AIEX] = free_port();
    if (bench.nginx.front_port)
        snprintf(tls, sizeof(tls),
                 "[provider_openai:tls]\nplugin = provider_openai\nverify_tls = no\n"
                 "base_url = https://127.0.0.1:%d/v1\nmodels = mock-tls, mock-tls-n200\n",
                 bench.nginx.front_port);
    if (asprintf(&conf,
                 "[host]\nnode = bench\n"
                 "[interface_http]\nlisten = 127.0.0.1:%d\n"
                 "[provider_openai]\nbase_url = http://127.0.0.1:%d/v1\nmodels = mock\n"
                 "%s"
                 "[service_coordinator]\nunlisted = pass\nfallback = none\ncell = chat\n"
                 "price.mock = for=mock* input=1 output=2\n"
                 "[service_gateway]\ncell = chat\n[service_ledger]\n",
                 bench.port[AIEX], bench.mock.port, tls) < 0)
        give_up("no memory");
    deployment_start(&bench.aiex, conf, "plugins", CPU_GATEWAY);
    free(conf);
    make_key();
    bench.pid[AIEX] = bench.aiex.pid;
    bench.n_gateways = 1;
}

static void start_nginx(void)
{
    bench.pid[NGINX] = nginx_start(&bench.nginx, bench.mock.port, CPU_GATEWAY);
    if (!bench.pid[NGINX]) {
        note("nginx is not installed: no ratios");
        return;
    }
    bench.port[NGINX] = bench.nginx.port;
    bench.n_gateways = 2;
}

static void stop_all(void)
{
    deployment_stop(&bench.aiex);
    nginx_stop(&bench.nginx);
    mock_stop(&bench.mock);
}

/* ---- Measuring ---- */

static struct tree_cost cost_of(int gateway)
{
    struct tree tree;

    tree_of(bench.pid[gateway], &tree);
    return tree_cost(&tree);
}

static struct load_plan scaled(const struct load_plan *plan, int gateway)
{
    struct load_plan p = *plan;

    p.messages = plan->messages && gateway == AIEX;
    p.key = gateway == AIEX ? bench.key : NULL;
    p.seconds = is_quick() ? p.seconds / 4 : p.seconds;
    p.requests = is_quick() && p.requests ? p.requests / 2 : p.requests;
    return p;
}

static void warm(int gateway)
{
    struct load_plan plan = {.connections = 16,
                             .seconds = 0.3,
                             .model = "mock",
                             .key = gateway == AIEX ? bench.key : NULL};
    struct load_result r;

    for (int i = 0;; i++) { /* health probes may still be on their way */
        plan.requests = i < 100 ? 1 : 0;
        load_run_plan(&plan, bench.port[gateway], &r);
        if (r.bad && i == 99)
            give_up("%s does not answer: %s", words[gateway], r.error);
        if (!r.bad)
            break;
        load_done(&r);
        pause_ms(50);
    }
    load_done(&r);
    bench.memory_idle[gateway] = cost_of(gateway).pss_mb;
    plan.requests = 0;
    load_run_plan(&plan, bench.port[gateway], &r);
    load_done(&r);
    plan.stream = 1;
    plan.model = "mock-n50";
    load_run_plan(&plan, bench.port[gateway], &r);
    load_done(&r);
}

static int port_of(const struct scenario *s, int gateway)
{
    return s->tls && gateway == NGINX ? bench.nginx.tls_port : bench.port[gateway];
}

static struct figures measure(const struct scenario *s, int gateway)
{
    struct load_plan plan = scaled(&s->plan, gateway);
    struct tree_cost before = cost_of(gateway), after;
    struct load_result r;
    struct series *times;
    struct figures f;
    double n;

    load_run_plan(&plan, port_of(s, gateway), &r);
    after = cost_of(gateway);
    if (r.bad)
        note("%s of %s: %ld bad, first: %s", s->name, words[gateway], r.bad, r.error);
    bench.bad[gateway] += r.bad;
    n = s->per_event ? (double)r.events : (double)r.good;
    n = n > 0 ? n : 1;
    times = s->per_event ? &r.delay_us : &r.took_us;
    f = (struct figures){.cpu_us = (double)(after.cpu_ns - before.cpu_ns) / 1e3 / n,
                         .rate = n / r.seconds,
                         .p50 = series_at(times, 0.5),
                         .p99 = series_at(times, 0.99),
                         .switches = (double)(after.switches - before.switches) / n};
    load_done(&r);
    return f;
}

/* Streams that the client leaves after ten of 150 events. */
static void client_leaves(int gateway)
{
    struct load_plan plan = {.connections = 32,
                             .requests = 64,
                             .model = "mock-n150-i5000",
                             .stream = 1,
                             .leave_after = 10,
                             .key = gateway == AIEX ? bench.key : NULL};
    struct mock_stats *s = bench.mock.stats;
    long cancelled = s->streams_cancelled, events = s->events_of_cancelled;
    struct load_result r;
    char name[80];

    load_run_plan(&plan, bench.port[gateway], &r);
    for (int i = 0; i < 200 && s->streams_open; i++)
        pause_ms(10);
    cancelled = s->streams_cancelled - cancelled;
    events = s->events_of_cancelled - events;
    snprintf(name, sizeof(name), "gateway.client_leaves.%s.upstream_cancelled_of_64",
             words[gateway]);
    row(name, (double)cancelled, "streams");
    snprintf(name, sizeof(name), "gateway.client_leaves.%s.late_events", words[gateway]);
    row(name, cancelled ? (double)events / (double)cancelled - plan.leave_after : -1,
        "events/stream");
    load_done(&r);
}

/* ---- Rows ---- */

static double median_of(size_t s, int gateway, size_t field, int n_rounds)
{
    struct series v = {0};
    double m;

    for (int i = 0; i < n_rounds; i++)
        series_add(&v, *(double *)((char *)&bench.got[s][gateway][i] + field));
    m = series_at(&v, 0.5);
    series_done(&v);
    return m;
}

/* Median of the rounds' aiex / nginx, or of aiex - nginx. */
static double compare(size_t s, size_t field, int n_rounds, int difference)
{
    struct series v = {0};
    double m;

    for (int i = 0; i < n_rounds; i++) {
        double a = *(double *)((char *)&bench.got[s][AIEX][i] + field);
        double b = *(double *)((char *)&bench.got[s][NGINX][i] + field);

        series_add(&v, difference ? a - b : b > 0 ? a / b : 0);
    }
    m = series_at(&v, 0.5);
    series_done(&v);
    return m;
}

static void print_scenario(size_t s, int n_rounds)
{
    const struct scenario *sc = &scenarios[s];
    const char *what = sc->per_event ? "event" : "request",
               *per_s = sc->per_event ? "events/s" : "requests/s";
    static const struct {
        const char *name;
        size_t field;
        int difference;
        const char *unit;
    } ratios[] = {{"cpu", offsetof(struct figures, cpu_us), 0, "x_nginx"},
                  {"rate", offsetof(struct figures, rate), 0, "x_nginx"},
                  {"p50_minus_nginx", offsetof(struct figures, p50), 1, "us"},
                  {"p99", offsetof(struct figures, p99), 0, "x_nginx"}};
    char name[120];

    for (int g = 0; g < bench.n_gateways; g++) {
        snprintf(name, sizeof(name), "gateway.%s.%s.cpu_per_%s", sc->name, words[g], what);
        row(name, median_of(s, g, offsetof(struct figures, cpu_us), n_rounds), "us");
        snprintf(name, sizeof(name), "gateway.%s.%s.rate", sc->name, words[g]);
        row(name, median_of(s, g, offsetof(struct figures, rate), n_rounds), per_s);
        snprintf(name, sizeof(name), "gateway.%s.%s.p50", sc->name, words[g]);
        row(name, median_of(s, g, offsetof(struct figures, p50), n_rounds), "us");
        snprintf(name, sizeof(name), "gateway.%s.%s.switches_per_%s", sc->name, words[g], what);
        row(name, median_of(s, g, offsetof(struct figures, switches), n_rounds), "switches");
    }
    for (size_t i = 0; bench.n_gateways == 2 && i < sizeof(ratios) / sizeof(ratios[0]); i++) {
        snprintf(name, sizeof(name), "gateway.%s.%s", sc->name, ratios[i].name);
        row(name, compare(s, ratios[i].field, n_rounds, ratios[i].difference), ratios[i].unit);
    }
}

static void print_memory(void)
{
    for (int g = 0; g < bench.n_gateways; g++) {
        char name[80];
        double after = cost_of(g).pss_mb;

        if (after <= 0) {
            note("memory of %s can only be read by root", words[g]);
            continue;
        }
        snprintf(name, sizeof(name), "gateway.memory.%s.idle", words[g]);
        row(name, bench.memory_idle[g], "MB");
        snprintf(name, sizeof(name), "gateway.memory.%s.after_load", words[g]);
        row(name, after, "MB");
    }
}

static int is_wanted(const struct scenario *s, const char *only)
{
    return (!s->tls || bench.nginx.front_port) && (!only || strstr(s->name, only));
}

static void run_rounds(const char *only, int n_rounds)
{
    for (int round = 0; round < n_rounds; round++) {
        note("gateway: round %d of %d", round + 1, n_rounds);
        for (size_t s = 0; s < SCENARIOS; s++)
            for (int i = 0; i < bench.n_gateways; i++) {
                int g = round & 1 ? bench.n_gateways - 1 - i : i;

                if (is_wanted(&scenarios[s], only))
                    bench.got[s][g][round] = measure(&scenarios[s], g);
            }
    }
}

int main(int argc, char **argv)
{
    const char *only = argc > 2 ? argv[2] : NULL;
    int n_rounds = (int)rounds(5, 1);

    if (argc < 2 || argc > 3) {
        fputs("usage: bench_gateway BUILD [part of a scenario's name]\n", stderr);
        return 2;
    }
    bench_build = argv[1];
    mock_start(&bench.mock, CPU_DRIVER);
    nginx_start_front(&bench.nginx, bench.mock.port, CPU_DRIVER);
    start_aiex();
    start_nginx();
    bind_cpu(CPU_DRIVER);
    for (int g = 0; g < bench.n_gateways; g++)
        warm(g);
    run_rounds(only, n_rounds);
    for (size_t s = 0; s < SCENARIOS; s++)
        if (is_wanted(&scenarios[s], only))
            print_scenario(s, n_rounds);
    for (int g = 0; g < bench.n_gateways; g++) {
        char name[64];

        if (!only || strstr("client_leaves", only))
            client_leaves(g);
        snprintf(name, sizeof(name), "gateway.%s.bad_answers", words[g]);
        row(name, (double)bench.bad[g], "requests");
    }
    print_memory();
    stop_all();
    return 0;
}
