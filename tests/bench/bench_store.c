/*
 * bench_store.c - store_bdb through its descriptor, beside what the disk can do: bench_store BUILD.
 *
 * The plugin is loaded as a cell loads it, below a host of a few lines whose loop is poll(): what
 * is measured is the store and its way to the loop and back, not the hop between two cells. Every
 * event has 500 bytes of data, an id, a type and a correlation, so that all of its indexes are
 * written. Figures: store.* ; store.limit.* is a file that one event after the other is appended
 * to, each with an fdatasync.
 */
#include "disk.h"
#include "event_ids.h"
#include "measure.h"

#include <aiex/aiex_pack.h>
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA     500
#define MAX_OPEN 64
#define STREAMS  100
#define SLICES   25

/* ---- A host for one instance ---- */

static struct {
    struct aiex_host table;
    int fd;
    void (*on_ready)(void *arg, uint32_t events);
    void *arg;
    uint64_t parts_bytes, events;
    int ended; /* calls that ended since it was looked at */
    uint64_t done[MAX_OPEN];
    int failed;
    char text[200], phase[16];
} host;

static void h_log(const struct aiex_host *h, uint32_t level, uint64_t trace, const char *text)
{
    if (level >= AIEX_LOG_WARN)
        note("store: %s", text);
}

static void *h_alloc(const struct aiex_host *h, size_t bytes)
{
    return calloc(1, bytes);
}

static void h_release(const struct aiex_host *h, void *mem)
{
    free(mem);
}

static int h_stream(const struct aiex_host *h, uint64_t id, struct aiex_slice part)
{
    struct aiex_value v;

    host.parts_bytes += part.len;
    if (aiex_r_value(&part, &v) == 0)
        host.events += v.count;
    return 0;
}

static int end(uint64_t id)
{
    if (host.ended < MAX_OPEN)
        host.done[host.ended] = id;
    host.ended++;
    return 0;
}

static int h_reply(const struct aiex_host *h, uint64_t id, struct aiex_slice body)
{
    aiex_get_text(body, "phase", host.phase, sizeof(host.phase));
    return end(id);
}

static int h_fail(const struct aiex_host *h, uint64_t id, const char *code, const char *text,
                  uint32_t retry_after_ms, struct aiex_slice body)
{
    host.failed++;
    snprintf(host.text, sizeof(host.text), "%s: %s", code, text);
    return end(id);
}

static int h_join(const struct aiex_host *h, const char *name, uint32_t flags)
{
    return 0;
}

static int h_watch(const struct aiex_host *h, int fd, uint32_t events,
                   void (*fn)(void *arg, uint32_t events), void *arg, uint64_t *ret_watch)
{
    host.fd = fd;
    host.on_ready = fn;
    host.arg = arg;
    *ret_watch = 1;
    return 0;
}

static int h_unwatch(const struct aiex_host *h, uint64_t watch)
{
    host.fd = -1;
    return 0;
}

static const struct aiex_plugin *plugin;
static void *self;
static char dir[DISK_PATH];

static void load(const char *build)
{
    char path[512];
    const struct aiex_plugin *(*entry)(uint32_t, uint32_t);
    void *library;

    snprintf(path, sizeof(path), "%s/plugins/store_bdb.so", build);
    library = dlopen(path, RTLD_NOW);
    if (!library)
        give_up("%s", dlerror());
    *(void **)&entry = dlsym(library, "aiex_plugin_entry");
    plugin = entry(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
    host.table = (struct aiex_host){.struct_size = sizeof(host.table),
                                    .abi_major = AIEX_ABI_MAJOR,
                                    .abi_minor = AIEX_ABI_MINOR,
                                    .instance = "store_bdb",
                                    .node = "bench",
                                    .data_dir = dir,
                                    .log = h_log,
                                    .alloc = h_alloc,
                                    .release = h_release,
                                    .stream = h_stream,
                                    .reply = h_reply,
                                    .fail = h_fail,
                                    .join = h_join,
                                    .watch = h_watch,
                                    .unwatch = h_unwatch};
}

static int64_t size_of_text(const char *text)
{
    char unit = 0;
    long long n = 0;

    sscanf(text, "%lld%c", &n, &unit);
    return n << (unit == 'G' ? 30 : unit == 'M' ? 20 : unit == 'k' ? 10 : 0);
}

/* The defaults of the options: texts, and numbers with a unit. */
static void *config(void)
{
    char *c = calloc(1, plugin->config_size);

    for (const struct aiex_option *o = plugin->options; o->name; o++)
        if (o->type == AIEX_OPT_STRING || o->type == AIEX_OPT_SECRET)
            *(const char **)(void *)(c + o->offset) = o->def ? o->def : "";
        else
            *(int64_t *)(void *)(c + o->offset) = strcmp(o->name, "cache") == 0
                                                      ? 256 << 20
                                                      : size_of_text(o->def);
    return c;
}

static void turn(int timeout_ms)
{
    struct pollfd p = {.fd = host.fd, .events = POLLIN};

    if (poll(&p, 1, timeout_ms) > 0)
        host.on_ready(host.arg, AIEX_WATCH_READ);
}

static uint64_t request(const char *method, struct aiex_slice body)
{
    static uint64_t last;
    struct aiex_message m = {.struct_size = sizeof(m),
                             .kind = AIEX_MSG_REQUEST,
                             .timeout_ms = 30000,
                             .id = ++last,
                             .service = "store",
                             .method = method,
                             .body = body};

    plugin->handle(self, &m);
    return last;
}

static void one(const char *method, struct aiex_slice body)
{
    host.ended = 0;
    request(method, body);
    while (!host.ended)
        turn(1000);
    if (host.failed)
        give_up("%s: %s", method, host.text);
}

static void open_store(void)
{
    struct aiex_error err = {""};
    static void *c;

    c = c ? c : config();
    if (plugin->create(&host.table, c, &self, &err) < 0 || plugin->start(self, &err) < 0)
        give_up("the store does not start: %s", err.text);
    for (;;) { /* looks that cost nothing to speak of: the store needs the processors now */
        one("store.status", (struct aiex_slice){NULL, 0});
        if (strcmp(host.phase, "opening") != 0)
            return;
        pause_ms(1);
    }
}

/* ---- Appends ---- */

static int uuids; /* of version 7 are the ids */

static struct aiex_slice event(uint8_t *mem, size_t size, long n, const char *level)
{
    struct aiex_writer w;
    char id[EVENT_ID_BYTES], stream[32];
    static uint8_t data[DATA];

    event_id(id, n, uuids);
    snprintf(stream, sizeof(stream), "stream-%ld", n % STREAMS);
    memcpy(data, id, 16);
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "stream", stream);
    aiex_w_key_str(&w, "level", level);
    aiex_w_str(&w, "events");
    aiex_w_array(&w, 1);
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", n % 2 ? "message.added" : "tool.called");
    aiex_w_key_int(&w, "time", 1795262400000 + n);
    aiex_w_key_str(&w, "correlation", stream);
    aiex_w_key_bin(&w, "data", data, sizeof(data));
    return aiex_written(&w);
}

/* Of all threads: loop, writer, checkpoints. Says more than a rate when others use the machine. */
static double cpu_us(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* What was appended, in one or more slices. */
struct appended {
    long count;
    double ns, cpu_us;
    struct series times;
};

/* `writers` events are on their way at any time. */
static void append_slice(struct appended *a, int writers, const char *level, long count)
{
    static long next;
    uint64_t began[MAX_OPEN] = {0}, ids[MAX_OPEN] = {0}, start = now_ns();
    uint8_t mem[1024];
    long sent = 0, done = 0;
    double cpu = cpu_us();

    host.ended = 0;
    while (done < count) {
        for (int i = 0; i < writers && sent < count; i++)
            if (!ids[i]) {
                began[i] = now_ns();
                ids[i] = request("store.append", event(mem, sizeof(mem), next++, level));
                sent++;
            }
        turn(1000);
        for (int e = 0; e < host.ended; e++, done++)
            for (int i = 0; i < writers; i++)
                if (ids[i] == host.done[e]) {
                    series_add(&a->times, (double)(now_ns() - began[i]) / 1000);
                    ids[i] = 0;
                }
        host.ended = 0;
    }
    if (host.failed)
        give_up("%d appends failed: %s", host.failed, host.text);
    a->count += count;
    a->ns += (double)(now_ns() - start);
    a->cpu_us += cpu_us() - cpu;
}

static void appended_rows(struct appended *a, const char *name)
{
    char text[64];

    snprintf(text, sizeof(text), "store.%s", name);
    row(text, (double)a->count * 1e9 / a->ns, "events/s");
    snprintf(text, sizeof(text), "store.%s.p50", name);
    row(text, series_at(&a->times, 0.5), "us");
    snprintf(text, sizeof(text), "store.%s.p99", name);
    row(text, series_at(&a->times, 0.99), "us");
    snprintf(text, sizeof(text), "store.%s.cpu", name);
    row(text, a->cpu_us / (double)a->count, "us/event");
    series_done(&a->times);
}

static void append(const char *name, int writers, const char *level, long count)
{
    struct appended a = {0};

    append_slice(&a, writers, level, count);
    appended_rows(&a, name);
}

/* One event at a time, by turns with a raw file: the disk's mood is the same for both. */
static void append_beside_disk(long count)
{
    const long slice = count / SLICES ? count / SLICES : 1;
    struct appended a = {0};
    double raw_ns = 0;
    int fd = disk_raw_open(dir);

    for (int i = 0; i < SLICES; i++) {
        raw_ns += (double)disk_raw_append(fd, 1, slice);
        append_slice(&a, 1, "synced", slice);
    }
    disk_raw_close(fd, dir);
    row("store.limit.fdatasync", (double)slice * SLICES * 1e9 / raw_ns, "events/s");
    appended_rows(&a, "append_synced_1");
    row("store.append_synced_1.of_limit", raw_ns / a.ns, "ratio");
}

/* ---- Reads ---- */

static struct aiex_slice read_body(uint8_t *mem, size_t size, const char *stream, long limit)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 2);
    aiex_w_key_str(&w, "stream", stream);
    aiex_w_key_int(&w, "limit", limit);
    return aiex_written(&w);
}

static void read_streams(long count)
{
    struct series times = {0};
    uint8_t mem[100];

    for (long i = 0; i < count; i++) {
        char stream[32];
        uint64_t start = now_ns();

        snprintf(stream, sizeof(stream), "stream-%ld", i % STREAMS);
        host.events = 0;
        one("store.read", read_body(mem, sizeof(mem), stream, 1000));
        series_add(&times, (double)(now_ns() - start) / 1000);
    }
    row("store.stream_events", (double)host.events, "events");
    row("store.read_stream.p50", series_at(&times, 0.5), "us");
    row("store.read_stream.p99", series_at(&times, 0.99), "us");
    series_done(&times);
}

static void replay(void)
{
    uint8_t mem[100];
    double best = 0;

    for (int i = 0; i < 5; i++) {
        uint64_t start = now_ns();
        double rate;

        host.events = 0;
        one("store.read", read_body(mem, sizeof(mem), "", 0));
        rate = (double)host.events * 1e9 / (double)(now_ns() - start);
        best = rate > best ? rate : best;
    }
    row("store.replay_events", (double)host.events, "events");
    row("store.replay", best, "events/s");
}

/* ---- After a kill ---- */

static void child_fills(long count)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        FILE *none = freopen("/dev/null", "w", stdout);

        open_store();
        append("fill", 64, "written", none ? count : 1);
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, &status, 0);
}

static void reopen(long count)
{
    uint64_t start;

    disk_folder(dir);
    child_fills(count);
    start = now_ns();
    open_store();
    row("store.open_after_kill", (double)(now_ns() - start) / 1e6, "ms");
    plugin->destroy(self);
    disk_remove(dir);
}

/* ---- The parts ---- */

static void synced(long n)
{
    append_beside_disk(n / 20);
    disk_limit("store.limit.fdatasync_64", dir, 64, n);
    append("append_synced_64", 64, "synced", n);
}

static void written(long n)
{
    append("append_written_64", 64, "written", n);
}

/* The same with ids that rise. */
static void rising(long n)
{
    uuids = 1;
    append("append_synced_64_uuid7", 64, "synced", n);
    append("append_written_64_uuid7", 64, "written", n);
    uuids = 0;
}

static void reads(long n)
{
    read_streams(n / 50);
    replay();
}

static const struct part {
    const char *name;
    void (*run)(long n);
    int alone; /* opens stores of its own */
} parts[] = {{"synced", synced, 0},
             {"written", written, 0},
             {"reads", reads, 0},
             {"uuid7", rising, 0},
             {"reopen", reopen, 1}};

/* All of them, or those that are named. */
static int wanted(const struct part *p, char **names)
{
    if (!names[0])
        return 1;
    while (*names && strcmp(*names, p->name) != 0)
        names++;
    return *names != NULL;
}

int main(int argc, char **argv)
{
    long n = rounds(100000, 5000);
    int open = 0;

    if (argc < 2)
        give_up("usage: bench_store BUILD [synced|written|reads|uuid7|reopen]...");
    load(argv[1]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        if (!wanted(&parts[i], argv + 2))
            continue;
        if (!parts[i].alone && !open++) {
            disk_folder(dir);
            open_store();
        } else if (parts[i].alone && open) {
            open = 0;
            plugin->destroy(self);
            disk_remove(dir);
        }
        parts[i].run(n);
    }
    if (open) {
        plugin->destroy(self);
        disk_remove(dir);
    }
    return 0;
}
