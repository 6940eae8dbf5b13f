/*
 * bench_audit.c - the audit log through its descriptor, on a host that does nothing else: durable
 * appends beside what the disk can do, verification of many entries, proofs, starting anew.
 *
 *     bench_audit BUILD [FOLDER]      FOLDER is where the log is made; else TMPDIR or /tmp
 */
#include "measure.h"

#include <aiex/aiex_pack.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- A host: posts, one timer, answers that are only counted ---- */

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

static struct {
    struct aiex_host table;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct post *posts, **posts_end;
    void (*tick)(void *arg);
    void *tick_arg;
    uint64_t tick_every, tick_at;
    uint64_t done, failed; /* requests that ended */
    uint64_t last_size;    /* `size` of the last answer, `faults` too */
    int64_t last_faults;
    uint64_t part_bytes;
} host = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_log(const struct aiex_host *h, uint32_t level, uint64_t trace, const char *text)
{
    if (level >= AIEX_LOG_WARN)
        note("%s", text);
}

static void *on_alloc(const struct aiex_host *h, size_t n)
{
    return calloc(1, n);
}

static void on_release(const struct aiex_host *h, void *mem)
{
    free(mem);
}

static uint64_t on_now(const struct aiex_host *h)
{
    return now_ns() / 1000000;
}

static int on_post(const struct aiex_host *h, void (*fn)(void *arg), void *arg)
{
    struct post *p = malloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    *p = (struct post){NULL, fn, arg};
    pthread_mutex_lock(&host.lock);
    *host.posts_end = p;
    host.posts_end = &p->next;
    pthread_cond_signal(&host.wake);
    pthread_mutex_unlock(&host.lock);
    return 0;
}

static int on_stream(const struct aiex_host *h, uint64_t id, struct aiex_slice part)
{
    host.part_bytes += part.len;
    return 0;
}

static int on_reply(const struct aiex_host *h, uint64_t id, struct aiex_slice body)
{
    int64_t size = 0;

    host.done++;
    if (aiex_get_int(body, "size", &size) == 1)
        host.last_size = (uint64_t)size;
    aiex_get_int(body, "faults", &host.last_faults);
    return 0;
}

static int on_fail(const struct aiex_host *h, uint64_t id, const char *code, const char *text,
                   uint32_t retry, struct aiex_slice body)
{
    host.done++;
    if (host.failed++ == 0)
        note("refused: %s: %s", code, text);
    return 0;
}

static int on_join(const struct aiex_host *h, const char *name, uint32_t flags)
{
    return 0;
}

static int on_publish(const struct aiex_host *h, const struct aiex_event *e)
{
    note("event %s %s", e->topic, e->type);
    return 0;
}

static int on_subscribe(const struct aiex_host *h, const char *topic)
{
    return 0;
}

static int on_timer(const struct aiex_host *h, uint64_t after, uint64_t every,
                    void (*fn)(void *arg), void *arg, uint64_t *ret)
{
    host.tick = fn;
    host.tick_arg = arg;
    host.tick_every = every;
    host.tick_at = on_now(h) + after;
    *ret = 1;
    return 0;
}

static int on_unwatch(const struct aiex_host *h, uint64_t watch)
{
    host.tick = NULL;
    return 0;
}

/* Waits for posts (a few milliseconds), runs them, and the timer. */
static void turn(void)
{
    struct post *list;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 5000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&host.lock);
    if (!host.posts)
        pthread_cond_timedwait(&host.wake, &host.lock, &until);
    list = host.posts;
    host.posts = NULL;
    host.posts_end = &host.posts;
    pthread_mutex_unlock(&host.lock);
    while (list) {
        struct post *p = list;

        list = p->next;
        p->fn(p->arg);
        free(p);
    }
    if (host.tick && on_now(&host.table) >= host.tick_at) {
        host.tick_at = on_now(&host.table) + host.tick_every;
        host.tick(host.tick_arg);
    }
}

static void host_init(const char *dir)
{
    host.posts_end = &host.posts;
    pthread_cond_init(&host.wake, NULL);
    host.table = (struct aiex_host){.struct_size = sizeof(host.table),
                                    .abi_major = AIEX_ABI_MAJOR,
                                    .abi_minor = AIEX_ABI_MINOR,
                                    .instance = "audit_chain",
                                    .node = "bench",
                                    .data_dir = dir,
                                    .log = on_log,
                                    .alloc = on_alloc,
                                    .release = on_release,
                                    .now_ms = on_now,
                                    .post = on_post,
                                    .stream = on_stream,
                                    .reply = on_reply,
                                    .fail = on_fail,
                                    .join = on_join,
                                    .publish = on_publish,
                                    .subscribe = on_subscribe,
                                    .timer = on_timer,
                                    .unwatch = on_unwatch};
}

/* ---- The plugin ---- */

static const struct aiex_plugin *plugin;
static void *self;
static uint64_t next_id = 1;

/* Defaults of the option table; only the kinds of value that this plugin has. */
static void *config(void)
{
    char *mem = calloc(1, plugin->config_size);

    for (const struct aiex_option *o = plugin->options; o->name; o++) {
        const char *def = o->def ? o->def : "";
        long v = atol(def);

        if (o->type == AIEX_OPT_STRING || o->type == AIEX_OPT_SECRET)
            *(const char **)(mem + o->offset) = strcmp(o->name, "topics") == 0 ? "" : def;
        else if (strstr(def, "ms"))
            *(int64_t *)(mem + o->offset) = v;
        else
            *(int64_t *)(mem + o->offset) = strchr(def, 'M')   ? v << 20
                                            : strchr(def, 's') ? v * 1000
                                            : strchr(def, 'd') ? 0 /* no verification beside */
                                                               : v;
    }
    return mem;
}

static void *conf;

static void open_log(void)
{
    struct aiex_error err = {""};

    conf = config();
    if (plugin->create(&host.table, conf, &self, &err) != 0 || plugin->start(self, &err) != 0)
        give_up("%s", err.text);
}

static void close_log(void)
{
    plugin->destroy(self);
    free(conf);
    turn(); /* posts of an instance that is gone are dropped by a host; here nothing is left to run
             */
}

static void ask(const char *method, struct aiex_slice body)
{
    const struct aiex_message m = {.struct_size = sizeof(m),
                                   .kind = AIEX_MSG_REQUEST,
                                   .timeout_ms = 30000,
                                   .id = next_id++,
                                   .service = "audit",
                                   .method = method,
                                   .body = body};

    plugin->handle(self, &m);
}

static void ask_and_wait(const char *method, struct aiex_slice body)
{
    uint64_t want = host.done + 1;

    ask(method, body);
    while (host.done < want)
        turn();
}

/* An entry whose body is about 320 bytes. */
static struct aiex_slice entry(uint64_t n)
{
    static const char *const writers[] = {"gateway", "files", "config", "sessions"};
    static uint8_t mem[512];
    char subject[128];
    struct aiex_writer w;

    snprintf(subject, sizeof(subject),
             "project/source/module/file_%llu.c, lines 1 to 200, for review",
             (unsigned long long)n);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 5);
    aiex_w_key_str(&w, "type", "file.read");
    aiex_w_key_str(&w, "actor", "ann@example.org");
    aiex_w_key_str(&w, "subject", subject);
    aiex_w_key_str(&w, "writer", writers[n % 4]);
    aiex_w_key_str(&w, "correlation", "0123456789abcdef");
    return aiex_written(&w);
}

/* ---- Measuring ---- */

static double cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double since(uint64_t t)
{
    return (double)(now_ns() - t) / 1e9;
}

/* n entries with `window` of them under way. */
static void append(const char *name, uint64_t n, uint64_t window)
{
    uint64_t begin = now_ns(), first = host.done, sent = 0, failed = host.failed;
    double cpu = cpu_s(), s;
    char text[64];

    while (host.done - first < n) {
        while (sent < n && sent - (host.done - first) < window)
            ask("audit.append", entry(sent++));
        turn();
    }
    s = since(begin);
    if (host.failed != failed)
        give_up("%llu appends were refused", (unsigned long long)(host.failed - failed));
    snprintf(text, sizeof(text), "audit.append.%s", name);
    row(text, (double)n / s, "entries/s");
    snprintf(text, sizeof(text), "audit.append.%s.cpu", name);
    row(text, (cpu_s() - cpu) / (double)n * 1e6, "us/entry");
}

/* n entries as gathered acts: `each` of them in a request, one request under way. */
static void append_all(const char *name, uint64_t n, uint32_t each)
{
    static uint8_t mem[1 << 19];
    uint64_t begin = now_ns(), failed = host.failed;
    double cpu = cpu_s(), s;
    char text[64];

    for (uint64_t sent = 0; sent < n; sent += each) {
        struct aiex_writer w;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 3);
        aiex_w_key_int(&w, "sender", 1);
        aiex_w_key_uint(&w, "first", sent + 1);
        aiex_w_str(&w, "acts");
        aiex_w_array(&w, each);
        for (uint32_t i = 0; i < each; i++) {
            struct aiex_slice one = entry(sent + i);

            aiex_w_raw(&w, one.data, one.len);
        }
        ask_and_wait("audit.append_all", aiex_written(&w));
    }
    s = since(begin);
    if (host.failed != failed)
        give_up("%llu requests were refused", (unsigned long long)(host.failed - failed));
    snprintf(text, sizeof(text), "audit.append_all.%s", name);
    row(text, (double)n / s, "entries/s");
    snprintf(text, sizeof(text), "audit.append_all.%s.cpu", name);
    row(text, (cpu_s() - cpu) / (double)n * 1e6, "us/entry");
}

/* What one writer that waits for the disk can do. */
static void raw_limit(const char *dir, unsigned n)
{
    char path[600], block[4096];
    uint64_t begin;
    int fd;

    snprintf(path, sizeof(path), "%s/raw", dir);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    memset(block, 7, sizeof(block));
    begin = now_ns();
    for (unsigned i = 0; i < n; i++)
        if (pwrite(fd, block, sizeof(block), (off_t)i * 4096) != 4096 || fdatasync(fd) != 0)
            give_up("%s: %s", path, strerror(errno));
    row("limit.fdatasync", n / since(begin), "writes/s");
    close(fd);
    unlink(path);
}

static void verify(const char *name)
{
    uint64_t begin = now_ns();
    double cpu = cpu_s();
    char text[64];

    ask_and_wait("audit.verify", (struct aiex_slice){NULL, 0});
    if (host.last_faults)
        give_up("the log has %lld faults", (long long)host.last_faults);
    snprintf(text, sizeof(text), "audit.verify.%s", name);
    row(text, since(begin), "s");
    row("audit.verify.entries", (double)host.last_size, "entries");
    snprintf(text, sizeof(text), "audit.verify.%s.cpu", name);
    row(text, cpu_s() - cpu, "s");
}

static void prove(uint64_t size)
{
    struct series s = {0};
    uint8_t mem[64];

    for (int i = 0; i < 200; i++) {
        struct aiex_writer w;
        uint64_t begin = now_ns();

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 2);
        aiex_w_key_uint(&w, "seq", (uint64_t)i * 4999 % size);
        aiex_w_key_uint(&w, "size", size);
        ask_and_wait("audit.proof", aiex_written(&w));
        series_add(&s, (double)(now_ns() - begin) / 1000);
    }
    row("audit.proof.p50", series_at(&s, 0.5), "us");
    row("audit.proof.p99", series_at(&s, 0.99), "us");
    series_done(&s);
}

static void restart(void)
{
    uint64_t begin;

    close_log();
    begin = now_ns();
    open_log();
    ask_and_wait("audit.head", (struct aiex_slice){NULL, 0});
    row("audit.restart", since(begin) * 1000, "ms");
}

static void remove_all(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(dir);
}

static void load_plugin(const char *build)
{
    const struct aiex_plugin *(*enter)(uint32_t, uint32_t);
    char path[600];
    void *so;

    snprintf(path, sizeof(path), "%s/plugins/audit_chain.so", build);
    so = dlopen(path, RTLD_NOW);
    if (!so)
        give_up("%s", dlerror());
    *(void **)&enter = dlsym(so, "aiex_plugin_entry");
    plugin = enter(AIEX_ABI_MAJOR, AIEX_ABI_MINOR);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char dir[500];
    long n = rounds(1000000, 50000);

    if (argc < 2)
        give_up("usage: bench_audit BUILD [FOLDER]");
    snprintf(dir, sizeof(dir), "%s/bench_audit_XXXXXX", argc > 2 ? argv[2] : tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        give_up("%s: %s", dir, strerror(errno));
    load_plugin(argv[1]);
    host_init(dir);
    open_log();
    raw_limit(dir, (unsigned)rounds(2000, 200));
    append("w1", (uint64_t)rounds(2000, 200), 1);
    append("w64", (uint64_t)n / 20, 64);
    append("w1024", (uint64_t)n, 1024);
    append_all("e20", (uint64_t)rounds(20000, 400), 20);
    append_all("e500", (uint64_t)rounds(200000, 5000), 500);
    verify("all");
    prove((uint64_t)n);
    restart();
    verify("again");
    close_log();
    remove_all(dir);
    return 0;
}
