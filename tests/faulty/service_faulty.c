/*
 * service_faulty.c - a plugin that does wrong what it is asked to do wrong, and right
 * what it is asked to do right. Its sources are the list of what the host must survive.
 *
 * Methods (body {n int, text str} as needed):
 *   right: echo, slow (answers after n ms), polite (n parts of `text`, pausing when it is told to;
 *          one at a time), stream (the same without pausing), sleep_stream (one part per ms), silent (never answers), pid, publish (topic text, n times), seen (events so far),
 *          caller (who asks), sum (length of body), key_is (1 key, 2 fixed_key, 3 keys.*, 0 none of them is text), relay (calls method of text, else its echo; flags as of call(), else
 *          splice; text a/b relays to a, which relays to b), abort_as (aborts when n is its pid, else answers with it)
 *   wrong: segfault, abort, exit, heap, loop, leak, flood, twice, garbage, scribble, truncate,
 *          fork, handlers, thread, stop_self, log_flood
 * Options: at_create / at_start / at_drain = fine | fail | hang | crash, group, subscribe.
 */
#include <aiex/aiex_pack.h>
#include <aiex/aiex_plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FINE, FAIL, HANG, CRASH };
static const char *const moods[] = {"fine", "fail", "hang", "crash", NULL};

struct config {
    int64_t at_create, at_start, at_drain;
    const char *group;
    const char *subscribe;
    const char *note;
    const char *key, *fixed_key, *keys;
};

static const struct aiex_option options[] = {
    {"at_create", "fine", "what create() does", AIEX_OPT_CHOICE, 0, 0, 0, moods, offsetof(struct config, at_create)},
    {"at_start", "fine", "what start() does", AIEX_OPT_CHOICE, 0, 0, 0, moods, offsetof(struct config, at_start)},
    {"at_drain", "fine", "what drain() does", AIEX_OPT_CHOICE, 0, 0, 0, moods, offsetof(struct config, at_drain)},
    {"join_group", "", "group to join", AIEX_OPT_STRING, 0, 0, 0, NULL, offsetof(struct config, group)},
    {"subscribe", "", "topic to subscribe to", AIEX_OPT_STRING, 0, 0, 0, NULL, offsetof(struct config, subscribe)},
    {"note", "", "a text that `note` answers with", AIEX_OPT_STRING, AIEX_OPT_RELOADABLE, 0, 0, NULL,
     offsetof(struct config, note)},
    {"key", "", "a secret that `key_is` compares", AIEX_OPT_SECRET, AIEX_OPT_RELOADABLE, 0, 0, NULL,
     offsetof(struct config, key)},
    {"fixed_key", "", "one that it takes at its start only", AIEX_OPT_SECRET, 0, 0, 0, NULL,
     offsetof(struct config, fixed_key)},
    {"keys.*", NULL, "several", AIEX_OPT_SECRET, AIEX_OPT_RELOADABLE, 0, 0, NULL, offsetof(struct config, keys)},
    {0},
};

struct later {
    struct faulty *f;
    uint64_t id;
    int64_t left;
    uint64_t timer;
    char text[256];
};

struct faulty {
    const struct aiex_host *host;
    const struct config *config;
    int64_t seen, missed;
    struct later *polite;
};

static void spin(void)
{
    for (volatile int i = 0;; i++)
        ;
}

static int mood(int64_t what, struct aiex_error *err)
{
    if (what == FAIL) {
        snprintf(err->text, sizeof(err->text), "told to fail");
        return -EIO;
    }
    if (what == HANG)
        spin();
    if (what == CRASH)
        abort();
    return 0;
}

static int create(const struct aiex_host *host, const void *config, void **ret, struct aiex_error *err)
{
    const struct config *c = config;
    struct faulty *f;

    if (mood(c->at_create, err) < 0)
        return -EIO;
    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->host = host;
    f->config = c;
    *ret = f;
    if (c->group[0])
        host->join(host, c->group, AIEX_NAME_GROUP);
    if (c->subscribe[0])
        host->subscribe(host, c->subscribe);
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct faulty *f = self;

    return mood(f->config->at_start, err);
}

static int64_t int_of(struct aiex_slice body, const char *key, int64_t otherwise)
{
    int64_t v = otherwise;

    aiex_get_int(body, key, &v);
    return v;
}

static void answer_str(struct faulty *f, uint64_t id, const char *key, const char *text)
{
    uint8_t mem[160];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_str(&w, key, text);
    f->host->reply(f->host, id, aiex_written(&w));
}

static void answer_int(struct faulty *f, uint64_t id, const char *key, int64_t v)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    aiex_w_key_int(&w, key, v);
    f->host->reply(f->host, id, aiex_written(&w));
}

static void on_slow(void *arg)
{
    struct later *l = arg;

    answer_int(l->f, l->id, "slow", 1);
    free(l);
}

static struct later *later(struct faulty *f, const struct aiex_message *m)
{
    struct later *l = calloc(1, sizeof(*l));

    l->f = f;
    l->id = m->id;
    l->left = int_of(m->body, "n", 1);
    aiex_get_text(m->body, "text", l->text, sizeof(l->text));
    return l;
}

static void on_stream(void *arg)
{
    struct later *l = arg;
    struct aiex_slice part = {(const uint8_t *)l->text, strlen(l->text)};
    int r;

    if (l->left-- > 0) {
        r = l->f->host->stream(l->f->host, l->id, part);
        if (r >= 0)
            return;
    } else {
        answer_int(l->f, l->id, "streamed", 1);
    }
    l->f->host->unwatch(l->f->host, l->timer);
    free(l);
}

/* Goes on until it is told to pause; at the end answers. */
static void polite_on(struct faulty *f)
{
    struct later *l = f->polite;
    int r = 0;

    while (l->left > 0 && r == 0) {
        r = f->host->stream(f->host, l->id, (struct aiex_slice){(const uint8_t *)l->text, strlen(l->text)});
        l->left--;
    }
    if (l->left > 0 && r == AIEX_PAUSE)
        return;
    answer_int(f, l->id, "streamed", 1);
    f->polite = NULL;
    free(l);
}

static void polite_over(struct faulty *f)
{
    free(f->polite);
    f->polite = NULL;
}

static void *idle_thread(void *arg)
{
    for (;;)
        pause();
    return NULL;
}

/* Finds the shared rings among the mappings and writes over all of them. */
static void scribble(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long from, to;

    /* sealed cells can not open it: the stack still holds pointers, so guess from a few of them */
    if (!maps) {
        for (int fd = 3; fd < 64; fd++) {
            void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

            if (p != MAP_FAILED)
                memset(p, 0xa5, 8192);
        }
        return;
    }
    while (fgets(line, sizeof(line), maps))
        if (strstr(line, "aiex-ring") && sscanf(line, "%lx-%lx", &from, &to) == 2)
            memset((void *)from, 0xa5, to - from);
    fclose(maps);
}

static void truncate_rings(void)
{
    for (int fd = 3; fd < 64; fd++)
        if (ftruncate(fd, 0) == 0)
            break;
}

static void on_relayed(void *arg, const struct aiex_answer *a)
{
    struct later *l = arg;

    if (a->kind != AIEX_ANSWER_END)
        return;
    if (a->code)
        l->f->host->fail(l->f->host, l->id, a->code, "relayed call failed", 0, (struct aiex_slice){0});
    else if (!(a->flags & AIEX_AF_SPLICED))
        l->f->host->reply(l->f->host, l->id, a->body);
    free(l);
}

/* The body for the next of several relays: `text` is the rest of the way. */
static struct aiex_slice next_relay(const struct aiex_message *m, const char *rest, const char *method,
                                    uint8_t *mem, size_t size)
{
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "text", rest);
    aiex_w_key_str(&w, "method", method);
    aiex_w_key_int(&w, "flags", int_of(m->body, "flags", AIEX_CALL_SPLICE));
    aiex_w_key_int(&w, "n", int_of(m->body, "n", 1));
    return aiex_written(&w);
}

static int relay(struct faulty *f, const struct aiex_message *m)
{
    struct later *l = later(f, m);
    char method[64] = "echo", *rest = strchr(l->text, '/');
    struct aiex_request req = {.struct_size = sizeof(req), .flags = AIEX_CALL_SPLICE, .service = l->text,
                               .method = method, .body = m->body, .parent = m->id};
    uint8_t mem[512];
    int r;

    aiex_get_text(m->body, "method", method, sizeof(method));
    if (rest) {
        *rest = 0;
        req.body = next_relay(m, rest + 1, method, mem, sizeof(mem));
        req.method = "relay";
    }
    req.flags = (uint32_t)int_of(m->body, "flags", AIEX_CALL_SPLICE);
    req.priority = (uint32_t)int_of(m->body, "priority", 0);
    r = f->host->call(f->host, &req, on_relayed, l, NULL);
    if (r < 0)
        free(l);
    return r;
}

static int right(struct faulty *f, const struct aiex_message *m)
{
    const struct aiex_host *h = f->host;
    struct later *l;

    if (!strcmp(m->method, "echo"))
        return h->reply(h, m->id, m->body);
    if (!strcmp(m->method, "caller"))
        return answer_str(f, m->id, "caller", m->caller), 0;
    if (!strcmp(m->method, "pid"))
        return answer_int(f, m->id, "pid", getpid()), 0;
    if (!strcmp(m->method, "sum"))
        return answer_int(f, m->id, "bytes", (int64_t)m->body.len), 0;
    if (!strcmp(m->method, "seen"))
        return answer_int(f, m->id, "seen", f->seen + f->missed), 0;
    if (!strcmp(m->method, "missed"))
        return answer_int(f, m->id, "missed", f->missed), 0;
    if (!strcmp(m->method, "silent"))
        return 0;
    if (!strcmp(m->method, "relay"))
        return relay(f, m);
    if (!strcmp(m->method, "note")) {
        uint8_t mem[512];
        struct aiex_writer w;

        aiex_writer_init(&w, mem, sizeof(mem));
        aiex_w_map(&w, 1);
        aiex_w_key_str(&w, "note", f->config->note);
        return h->reply(h, m->id, aiex_written(&w));
    }
    if (!strcmp(m->method, "key_is")) {
        char text[256];

        aiex_get_text(m->body, "text", text, sizeof(text));
        answer_int(f, m->id, "key_is",
                   !strcmp(text, f->config->key) ? 1 : !strcmp(text, f->config->fixed_key) ? 2
                                                    : !strcmp(text, f->config->keys) ? 3 : 0);
        return 0;
    }
    if (!strcmp(m->method, "slow")) {
        l = later(f, m);
        return h->timer(h, (uint64_t)l->left, 0, on_slow, l, &l->timer);
    }
    if (!strcmp(m->method, "sleep_stream")) {
        l = later(f, m);
        return h->timer(h, 1, 1, on_stream, l, &l->timer);
    }
    if (!strcmp(m->method, "polite")) {
        polite_over(f);
        f->polite = later(f, m);
        return polite_on(f), 0;
    }
    if (!strcmp(m->method, "stream")) {
        l = later(f, m);
        for (int r = 0; l->left > 0 && r >= 0; l->left--)
            r = h->stream(h, m->id, (struct aiex_slice){(const uint8_t *)l->text, strlen(l->text)});
        answer_int(f, m->id, "left", l->left);
        free(l);
        return 0;
    }
    if (!strcmp(m->method, "publish")) {
        char topic[64] = "test.topic";

        aiex_get_text(m->body, "text", topic, sizeof(topic));
        for (int64_t i = int_of(m->body, "n", 1); i > 0; i--)
            h->publish(h, &(struct aiex_event){.struct_size = sizeof(struct aiex_event), .topic = topic,
                                               .type = "tested"});
        return answer_int(f, m->id, "ok", 1), 0;
    }
    return -ENOSYS;
}

static int wrong(struct faulty *f, const struct aiex_message *m)
{
    const struct aiex_host *h = f->host;

    if (!strcmp(m->method, "segfault"))
        *(volatile int *)8 = 1;
    if (!strcmp(m->method, "abort"))
        abort();
    if (!strcmp(m->method, "abort_as")) {
        if (int_of(m->body, "n", 0) == getpid())
            abort();
        return answer_int(f, m->id, "pid", getpid()), 0;
    }
    if (!strcmp(m->method, "exit"))
        exit((int)int_of(m->body, "n", 3));
    if (!strcmp(m->method, "loop"))
        spin();
    if (!strcmp(m->method, "heap")) {
        char *volatile p = malloc(16);

        memset(p - 24, 0x5a, 64);
        free(p);
        for (int i = 0; i < 64; i++)
            free(malloc(24));
        abort(); /* some allocators do not notice by themselves */
    }
    if (!strcmp(m->method, "leak"))
        for (;;) {
            char *p = malloc(1 << 20);

            if (!p)
                abort();
            memset(p, 1, 1 << 20);
        }
    if (!strcmp(m->method, "flood")) {
        for (int i = 0; i < 200000; i++)
            h->stream(h, m->id, (struct aiex_slice){(const uint8_t *)"flood flood flood flood flood flood", 35});
        return 0;
    }
    if (!strcmp(m->method, "twice")) {
        h->reply(h, m->id, (struct aiex_slice){0});
        h->reply(h, m->id, (struct aiex_slice){0});
        return 0;
    }
    if (!strcmp(m->method, "garbage"))
        return h->reply(h, m->id, (struct aiex_slice){(const uint8_t *)"\xc1\xff garbage", 10});
    if (!strcmp(m->method, "scribble")) {
        scribble();
        return h->reply(h, m->id, (struct aiex_slice){0});
    }
    if (!strcmp(m->method, "truncate")) {
        truncate_rings();
        return h->reply(h, m->id, (struct aiex_slice){0});
    }
    if (!strcmp(m->method, "fork")) {
        pid_t pid = fork();

        if (pid == 0)
            for (;;)
                pause();
        return answer_int(f, m->id, "forked", pid), 0;
    }
    if (!strcmp(m->method, "handlers")) {
        for (int s = 1; s < 32; s++)
            signal(s, SIG_IGN);
        return answer_int(f, m->id, "ok", 1), 0;
    }
    if (!strcmp(m->method, "thread")) {
        pthread_t t;

        return answer_int(f, m->id, "thread", pthread_create(&t, NULL, idle_thread, NULL)), 0;
    }
    if (!strcmp(m->method, "stop_self")) {
        h->reply(h, m->id, (struct aiex_slice){0});
        raise(SIGSTOP);
        return 0;
    }
    if (!strcmp(m->method, "log_flood")) {
        for (int i = 0; i < 100000; i++)
            h->log(h, AIEX_LOG_INFO, m->trace, "a line that nobody needs");
        return answer_int(f, m->id, "ok", 1), 0;
    }
    return -ENOSYS;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct faulty *f = self;
    int r;

    if (m->kind == AIEX_MSG_EVENT) {
        f->seen++;
        f->missed += int_of(m->body, "missed", 0);
        return 0;
    }
    if (m->kind == AIEX_MSG_RESUME && f->polite && f->polite->id == m->id)
        polite_on(f);
    if (m->kind == AIEX_MSG_CANCEL && f->polite && f->polite->id == m->id)
        polite_over(f);
    if (m->kind != AIEX_MSG_REQUEST && m->kind != AIEX_MSG_CAST)
        return 0;
    r = right(f, m);
    return r == -ENOSYS ? wrong(f, m) : r;
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct faulty *f = self;
    const struct config *c = config;

    if (!strcmp(c->note, "refuse")) {
        snprintf(err->text, sizeof(err->text), "told to refuse");
        return -EINVAL;
    }
    f->config = c;
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct faulty *f = self;
    struct aiex_error err;

    mood(f->config->at_drain, &err);
    done(arg);
}

static void destroy(void *self)
{
    polite_over(self);
    free(self);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_faulty",
    .version = "1.0.0",
    .summary = "does wrong what it is asked to",
    .kind = "service/1",
    .options = options,
    .config_size = sizeof(struct config),
    .create = create,
    .start = start,
    .handle = handle,
    .reload = reload,
    .drain = drain,
    .destroy = destroy,
};

const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    return &plugin;
}
