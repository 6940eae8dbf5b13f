/*
 * service_bench.c - the plugin that the host's benchmarks run: it calls, publishes and
 * reads as other plugins do and measures that from inside, so that the control socket
 * and the measuring program cost nothing of what is measured.
 *
 * Methods (bodies and answers are maps; times in ns)
 *   echo                 answers with the body
 *   load                 {service, method, n | for_ms, window, bytes | level, uuid7}: calls with `window`
 * open at a time, with a level each one an event for store.append; answers {calls, failed, ns, p50,
 * p99, max, code of the first failure} publish {topic, n, window, sinks}: publishes, at most
 * `window` ahead of the slowest of `sinks` cells; answers {ns, missed} when all of them have
 * everything ack                  cast of a sink to its publisher {number, seen, missed}
 * read_setting         {n}: reads settings "bench.value" n times; answers {ns, value} seen events
 * that came, {seen} pid, segfault, loop  for measuring memory and recovery Options: subscribe,
 * ack_to, ack_every, number make an instance a sink; note is reloadable.
 *
 * One source, several plugins: BENCH_NAME and BENCH_NEEDS come from CMakeLists.txt.
 */
#include "event_ids.h"

#include <aiex/aiex_http.h>
#include <aiex/aiex_pack.h>
#include <aiex/aiex_settings.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SINKS_MAX   64
#define BYTES_MAX   (1u << 20)
#define SAMPLES_MAX 400000

struct config {
    const char *subscribe, *ack_to, *note, *url;
    int64_t ack_every, number;
};

#define AT(field) offsetof(struct config, field)
static const struct aiex_option options[] = {
    {"subscribe", "", "topic to subscribe to", AIEX_OPT_STRING, 0, 0, 0, NULL, AT(subscribe)},
    {"ack_to", "", "instance that is told how many events came", AIEX_OPT_STRING, 0, 0, 0, NULL,
     AT(ack_to)},
    {"ack_every", "64", "events between two such messages", AIEX_OPT_INT, 0, 1, 1 << 20, NULL,
     AT(ack_every)},
    {"number", "0", "number of this sink", AIEX_OPT_INT, 0, 0, SINKS_MAX - 1, NULL, AT(number)},
    {"note", "", "does nothing", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL, AT(note)},
    {"url", "http://127.0.0.1:9", "address that HTTP may go to", AIEX_OPT_STRING, 0, 0, 0, NULL,
     AT(url)},
    {0},
};

static const uint8_t zeros[4096]; /* data of events */

struct bench;

struct slot {
    struct load *load;
    uint64_t t;
    struct slot *next;
};

struct load {
    struct bench *b;
    uint64_t id, t0, until, max;
    char service[64], method[64], code[32], level[16];
    struct aiex_slice body;
    int64_t n, started, done, failed, open, window;
    size_t data;
    int pumping, uuid7;
    struct slot *slots, *free;
    uint32_t *took;
    size_t n_took;
};

struct publishing {
    uint64_t id, t0;
    char topic[64];
    int64_t left, ahead, sinks;
};

struct bench {
    const struct aiex_host *host;
    const struct config *config;
    int64_t seen, missed; /* as a sink */
    int64_t published;    /* as a publisher, ever */
    int64_t acked[SINKS_MAX], lost[SINKS_MAX];
    struct publishing out;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int64_t int_of(struct aiex_slice body, const char *key, int64_t otherwise)
{
    int64_t v = otherwise;

    aiex_get_int(body, key, &v);
    return v;
}

static int answer_int(struct bench *b, uint64_t id, const char *key, int64_t v)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, key, v);
    return b->host->reply(b->host, id, aiex_written(&w));
}

/* ---- Calls ---- */

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void load_free(struct load *l)
{
    free((void *)l->body.data);
    free(l->slots);
    free(l->took);
    free(l);
}

static void load_finish(struct load *l)
{
    uint64_t ns = now_ns() - l->t0;
    uint8_t mem[256];
    struct aiex_writer w;

    if (l->n_took)
        qsort(l->took, l->n_took, sizeof(*l->took), by_size);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 7);
    aiex_w_key_int(&w, "calls", l->done);
    aiex_w_key_int(&w, "failed", l->failed);
    aiex_w_key_uint(&w, "ns", ns);
    aiex_w_key_uint(&w, "p50", l->n_took ? l->took[l->n_took / 2] : 0);
    aiex_w_key_uint(&w, "p99", l->n_took ? l->took[l->n_took * 99 / 100] : 0);
    aiex_w_key_uint(&w, "max", l->max);
    aiex_w_key_str(&w, "code", l->code);
    l->b->host->reply(l->b->host, l->id, aiex_written(&w));
    load_free(l);
}

static void load_pump(struct load *l);

static void on_end(void *arg, const struct aiex_answer *a)
{
    struct slot *s = arg;
    struct load *l = s->load;

    if (a->kind != AIEX_ANSWER_END)
        return;
    if (s->t) {
        uint64_t took = now_ns() - s->t;

        if (took > l->max)
            l->max = took;
        if (l->n_took < SAMPLES_MAX)
            l->took[l->n_took++] = took > UINT32_MAX ? UINT32_MAX : (uint32_t)took;
    }
    if (a->code) {
        l->failed++;
        if (!l->code[0])
            snprintf(l->code, sizeof(l->code), "%s", a->code);
    }
    s->next = l->free;
    l->free = s;
    l->open--;
    l->done++;
    if (!l->pumping)
        load_pump(l);
}

/* One event of `bytes` bytes, as bench_store.c has them; in the memory of the body. */
static struct aiex_slice next_event(struct load *l)
{
    struct aiex_writer w;
    char id[EVENT_ID_BYTES], stream[32];
    long n = (long)l->started + (long)(l->t0 % 1000003) * 1000000;

    event_id(id, n, l->uuid7);
    snprintf(stream, sizeof(stream), "stream-%ld", n % 100);
    aiex_writer_init(&w, (uint8_t *)(uintptr_t)l->body.data, l->body.len);
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "stream", stream);
    aiex_w_key_str(&w, "level", l->level);
    aiex_w_str(&w, "events");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", n % 2 ? "message.added" : "tool.called");
    aiex_w_key_str(&w, "correlation", stream);
    aiex_w_key_bin(&w, "data", zeros, l->data);
    return aiex_written(&w);
}

static int load_wants(struct load *l)
{
    if (l->until)
        return now_ns() < l->until;
    return l->started < l->n;
}

/* A call inside the cell is answered before call() returns, hence `pumping`. The clock is read per
 * call only where a call takes long against that. */
static void load_pump(struct load *l)
{
    const struct aiex_host *h = l->b->host;
    struct aiex_request req = {.struct_size = sizeof(req),
                               .service = l->service,
                               .method = l->method,
                               .body = l->body,
                               .timeout_ms = 20000};

    l->pumping = 1;
    while (l->free && load_wants(l)) {
        struct slot *s = l->free;
        uint64_t call;

        s->t = l->took ? now_ns() : 0;
        l->free = s->next;
        l->open++;
        if ((++l->started & 4095) == 0)
            h->alive(h);
        if (l->level[0])
            req.body = next_event(l);
        if (h->call(h, &req, on_end, s, &call) < 0) {
            on_end(s, &(struct aiex_answer){.kind = AIEX_ANSWER_END, .code = "not_taken"});
            break;
        }
    }
    l->pumping = 0;
    if (!l->open)
        load_finish(l);
}

static struct aiex_slice make_body(size_t bytes)
{
    uint8_t *mem = malloc(bytes + 64);
    struct aiex_writer w;

    if (!mem)
        return (struct aiex_slice){0};
    memset(mem, 0, bytes + 64);
    aiex_writer_init(&w, mem, bytes + 64);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "data");
    aiex_w_bin_head(&w, bytes);
    return (struct aiex_slice){mem, w.len + bytes};
}

static int load(struct bench *b, const struct aiex_message *m)
{
    struct load *l = calloc(1, sizeof(*l));
    int64_t bytes = int_of(m->body, "bytes", 48), for_ms = int_of(m->body, "for_ms", 0);

    if (!l)
        return -ENOMEM;
    l->b = b;
    l->id = m->id;
    l->n = int_of(m->body, "n", 1);
    l->window = int_of(m->body, "window", 1);
    if (aiex_get_text(m->body, "service", l->service, sizeof(l->service)) <= 0 || l->window < 1 ||
        l->window > 4096 || bytes < 0 || bytes > BYTES_MAX) {
        load_free(l);
        return -EINVAL;
    }
    snprintf(l->method, sizeof(l->method), "echo");
    aiex_get_text(m->body, "method", l->method, sizeof(l->method));
    aiex_get_text(m->body, "level", l->level, sizeof(l->level));
    aiex_get_bool(m->body, "uuid7", &l->uuid7);
    l->data = (size_t)bytes < sizeof(zeros) ? (size_t)bytes : sizeof(zeros);
    l->body = make_body((size_t)bytes + (l->level[0] ? 300 : 0));
    l->slots = calloc((size_t)l->window, sizeof(*l->slots));
    if (int_of(m->body, "samples", 1))
        l->took = malloc(SAMPLES_MAX * sizeof(*l->took));
    if (!l->slots || !l->body.data) {
        load_free(l);
        return -ENOMEM;
    }
    for (int64_t i = 0; i < l->window; i++) {
        l->slots[i] = (struct slot){.load = l, .next = l->free};
        l->free = &l->slots[i];
    }
    l->t0 = now_ns();
    l->until = for_ms ? l->t0 + (uint64_t)for_ms * 1000000u : 0;
    load_pump(l);
    return 0;
}

/* ---- Events ---- */

static void publish_more(struct bench *b)
{
    struct publishing *p = &b->out;
    int64_t least = INT64_MAX;

    for (int64_t i = 0; i < p->sinks; i++)
        least = b->acked[i] < least ? b->acked[i] : least;
    while (p->left && b->published - least < p->ahead) {
        if (b->host->publish(b->host, &(struct aiex_event){.struct_size = sizeof(struct aiex_event),
                                                           .topic = p->topic,
                                                           .type = "measured"}) < 0)
            break;
        p->left--;
        b->published++;
    }
    if (p->id && !p->left && least == b->published) {
        int64_t lost = 0;
        uint8_t mem[64];
        struct aiex_writer w;

        for (int64_t i = 0; i < p->sinks; i++)
            lost += b->lost[i];
        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_uint(&w, "ns", now_ns() - p->t0);
        aiex_w_key_int(&w, "missed", lost);
        b->host->reply(b->host, p->id, aiex_written(&w));
        p->id = 0;
    }
}

static int publish(struct bench *b, const struct aiex_message *m)
{
    struct publishing *p = &b->out;

    if (p->id)
        return -EBUSY;
    *p = (struct publishing){.id = m->id,
                             .t0 = now_ns(),
                             .left = int_of(m->body, "n", 1),
                             .ahead = int_of(m->body, "window", 256),
                             .sinks = int_of(m->body, "sinks", 1)};
    if (p->sinks < 1 || p->sinks > SINKS_MAX ||
        aiex_get_text(m->body, "topic", p->topic, sizeof(p->topic)) <= 0) {
        p->id = 0;
        return -EINVAL;
    }
    publish_more(b);
    return 0;
}

static int ack(struct bench *b, const struct aiex_message *m)
{
    int64_t number = int_of(m->body, "number", 0);

    if (number < 0 || number >= SINKS_MAX)
        return -EINVAL;
    b->acked[number] = int_of(m->body, "seen", 0);
    b->lost[number] = int_of(m->body, "missed", 0);
    publish_more(b);
    return 0;
}

static void on_event(struct bench *b, const struct aiex_message *m)
{
    int64_t missed = 0, before = b->seen / b->config->ack_every;
    uint8_t mem[96];
    struct aiex_writer w;
    struct aiex_request req = {
        .struct_size = sizeof(req), .service = b->config->ack_to, .method = "ack"};

    b->seen++;
    if (!b->config->ack_to[0])
        return;
    aiex_get_int(m->body, "missed", &missed);
    b->seen += missed;
    b->missed += missed;
    if (b->seen / b->config->ack_every == before)
        return;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "number", b->config->number);
    aiex_w_key_int(&w, "seen", b->seen);
    aiex_w_key_int(&w, "missed", b->missed);
    req.body = aiex_written(&w);
    b->host->call(b->host, &req, NULL, NULL, NULL);
}

/* ---- Settings ---- */

static int read_setting(struct bench *b, const struct aiex_message *m)
{
    const struct aiex_settings *s = b->host->extension(b->host, AIEX_SETTINGS_ID);
    const int64_t *value = s ? s->find(b->host, "bench.value") : NULL;
    int64_t n = int_of(m->body, "n", 1), last = 0;
    uint64_t t0 = now_ns();
    uint8_t mem[64];
    struct aiex_writer w;

    if (!value)
        return -ENOENT;
    for (int64_t i = 0; i < n; i++)
        last = __atomic_load_n(value, __ATOMIC_RELAXED);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_uint(&w, "ns", now_ns() - t0);
    aiex_w_key_int(&w, "value", last);
    return b->host->reply(b->host, m->id, aiex_written(&w));
}

/* ---- The plugin ---- */

static int *volatile nowhere; /* volatile: the compiler must not know */

static void spin(void)
{
    for (volatile int i = 0;; i++)
        ;
}

static int handle(void *self, const struct aiex_message *m)
{
    static const struct {
        const char *name;
        int (*run)(struct bench *, const struct aiex_message *);
    } methods[] = {
        {"load", load}, {"publish", publish}, {"ack", ack}, {"read_setting", read_setting}};
    struct bench *b = self;

    if (m->kind == AIEX_MSG_EVENT)
        on_event(b, m);
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return 0;
    if (!strcmp(m->method, "echo"))
        return b->host->reply(b->host, m->id, m->body);
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (!strcmp(m->method, methods[i].name))
            return methods[i].run(b, m);
    if (!strcmp(m->method, "pid"))
        return answer_int(b, m->id, "pid", getpid());
    if (!strcmp(m->method, "seen"))
        return answer_int(b, m->id, "seen", b->seen);
    if (!strcmp(m->method, "segfault"))
        *nowhere = 1;
    if (!strcmp(m->method, "loop"))
        spin();
    return -ENOSYS;
}

static int create(const struct aiex_host *host, const void *config, void **ret,
                  struct aiex_error *err)
{
    struct bench *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->host = host;
    b->config = config;
    *ret = b;
    if ((BENCH_NEEDS & AIEX_NEED_HTTP) && !host->extension(host, AIEX_HTTP_ID)) {
        snprintf(err->text, sizeof(err->text), "there is no " AIEX_HTTP_ID);
        return -ENOSYS;
    }
    return b->config->subscribe[0] ? host->subscribe(host, b->config->subscribe) : 0;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct bench *b = self;

    b->config = config;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = BENCH_NAME,
    .version = "1.0.0",
    .summary = "calls, publishes and measures",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .needs = BENCH_NEEDS,
    .create = create,
    .handle = handle,
    .reload = reload,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    return &plugin;
}
