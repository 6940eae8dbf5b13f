/*
 * faulty.c - one small plugin, compiled once for each fault that aiex-check has to find.
 * FAULT is one of the numbers below, NAME the name of the module; 0 is without fault.
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
#include <unistd.h>

enum {
    GOOD,
    SLOW, /* answers later, and forgets what is cancelled: right, too */
    OLD_MINOR,
    NEW_MINOR,
    WRONG_MAJOR,
    WRONG_MAGIC,
    TINY,
    NO_DESCRIPTOR,
    DIES_LOADING,
    DIES_IN_CREATE,
    HANGS,
    OTHER_NAME,
    BAD_OPTIONS,
    EXTRA_EXPORT,
    LEAKS_ALLOC,
    LEAKS_MALLOC,
    LEAKS_FD,
    LEAKS_TIMER,
    LEAKS_THREAD,
    UNCHECKED_ALLOC,
    SILENT_REFUSAL,
    ANSWERS_UNKNOWN,
    TRUSTS_BODIES,
    ANSWERS_CANCELLED,
    IGNORES_PAUSE,
    REPLIES_ON_THREAD,
    WRONG_END,
    NEVER_ANSWERS,
    NEVER_DRAINS,
};

struct config {
    const char *text;
    int64_t number;
    const char *labels;
};

struct self {
    const struct aiex_host *host;
    uint64_t timer, waiting;
};

static const struct aiex_option good_options[] = {
    {.name = "text",
     .def = "",
     .help = "A text.",
     .type = AIEX_OPT_STRING,
     .offset = offsetof(struct config, text)},
    {.name = "number",
     .def = "1",
     .help = "A number.",
     .type = AIEX_OPT_INT,
     .min = 1,
     .max = 9,
     .offset = offsetof(struct config, number)},
    {.name = "label.*",
     .help = "Labels.",
     .type = AIEX_OPT_STRING,
     .offset = offsetof(struct config, labels)},
    {0},
};

static const struct aiex_option bad_options[] = {
    {.name = "text", .def = "", .type = AIEX_OPT_STRING, .offset = 0},
    {.name = "restart",
     .def = "12 parsecs",
     .help = "A time.",
     .type = AIEX_OPT_DURATION,
     .offset = 8},
    {.name = "key", .def = "abc", .help = "A key.", .type = AIEX_OPT_SECRET, .offset = 8},
    {.name = "far", .def = "1", .help = "Outside.", .type = AIEX_OPT_INT, .offset = 24},
    {.name = "many.*", .def = "1", .help = "Numbers.", .type = AIEX_OPT_INT, .offset = 16},
    {0},
};

static void answer(struct self *s, uint64_t id)
{
    uint8_t mem[64];
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 1);
    if (FAULT == WRONG_END)
        aiex_w_key_str(&w, "healthy", "yes");
    else
        aiex_w_key_bool(&w, "healthy", 1);
    s->host->reply(s->host, id, aiex_written(&w));
}

static void on_timer(void *arg)
{
    struct self *s = arg;

    s->timer = 0;
    answer(s, s->waiting);
    s->waiting = 0;
}

static int answer_later(struct self *s, uint64_t id)
{
    const struct aiex_slice none = {0};

    if (s->waiting || s->host->timer(s->host, 100, 0, on_timer, s, &s->timer) < 0)
        return s->host->fail(s->host, id, AIEX_E_BUSY, "one at a time", 0, none);
    s->waiting = id;
    return 0;
}

static void forget(struct self *s, uint64_t id)
{
    if (s->waiting != id || FAULT == ANSWERS_CANCELLED)
        return;
    s->host->unwatch(s->host, s->timer);
    s->timer = 0;
    s->waiting = 0;
}

static void *reply_on_thread(void *arg)
{
    answer(arg, ((struct self *)arg)->waiting);
    return NULL;
}

static void *sleep_for_ever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

static void stream_all(struct self *s, uint64_t id)
{
    static const struct aiex_slice part = {(const uint8_t *)"\x90", 1};

    for (int i = 0; i < 3; i++)
        s->host->stream(s->host, id, part);
    s->host->reply(s->host, id, (struct aiex_slice){0});
}

static int on_health(struct self *s, const struct aiex_message *m)
{
    pthread_t thread;

    if (FAULT == NEVER_ANSWERS)
        return 0;
    if (FAULT == SLOW || FAULT == ANSWERS_CANCELLED || FAULT == NEVER_DRAINS)
        return answer_later(s, m->id);
    if (FAULT == REPLIES_ON_THREAD) {
        s->waiting = m->id;
        if (pthread_create(&thread, NULL, reply_on_thread, s) != 0)
            abort();
        return pthread_join(thread, NULL);
    }
    if (FAULT == TRUSTS_BODIES && m->body.len && m->body.data[0] == 0xc1)
        raise(SIGKILL);
    answer(s, m->id);
    return 0;
}

static int handle(void *self, const struct aiex_message *m)
{
    struct self *s = self;

    if (m->kind == AIEX_MSG_CANCEL)
        forget(s, m->id);
    if (m->kind != AIEX_MSG_REQUEST)
        return 0;
    if (FAULT == IGNORES_PAUSE && strcmp(m->method, "chunker.chunk") == 0) {
        stream_all(s, m->id);
        return 0;
    }
    if (strcmp(m->method, "service.health") == 0)
        return on_health(s, m);
    if (FAULT == ANSWERS_UNKNOWN) {
        answer(s, m->id);
        return 0;
    }
    return -ENOSYS;
}

static void *volatile lost; /* only the last one is remembered */

static void leak(const struct aiex_host *host)
{
    pthread_t thread;
    uint64_t id;

    if (FAULT == LEAKS_ALLOC)
        host->alloc(host, 100);
    if (FAULT == LEAKS_MALLOC)
        lost = malloc(4096);
    if (FAULT == LEAKS_FD && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        abort();
    if (FAULT == LEAKS_TIMER)
        host->timer(host, 1000, 0, on_timer, NULL, &id);
    if (FAULT == LEAKS_THREAD && pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0)
        abort();
}

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    static struct self shared; /* of the old minor, which has no destroy() */
    const struct config *c = config;
    struct self *s = FAULT == OLD_MINOR ? &shared : host->alloc(host, sizeof(*s));

    if (FAULT == DIES_IN_CREATE)
        exit(7);
    if (FAULT == SILENT_REFUSAL && c->number == 9) {
        host->release(host, s);
        return -EINVAL;
    }
    if (!s && FAULT == UNCHECKED_ALLOC)
        raise(SIGKILL);
    if (!s) {
        snprintf(err->text, sizeof(err->text), "out of memory");
        return -ENOMEM;
    }
    s->host = host;
    leak(host);
    *ret_self = s;
    return 0;
}

static int start(void *self, struct aiex_error *err)
{
    struct self *s = self;

    while (FAULT == HANGS)
        pause();
    return s->host->join(s->host, "faulty", AIEX_NAME_GROUP);
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    if (FAULT != NEVER_DRAINS)
        done(arg);
}

static void destroy(void *self)
{
    struct self *s = self;

    if (s->timer)
        s->host->unwatch(s->host, s->timer);
    s->host->release(s->host, s);
}

/* A host of tomorrow may be given more than it knows. */
static struct {
    struct aiex_plugin plugin;
    void (*tomorrow)(void);
} descriptor = {
    .plugin =
        {
            .magic = AIEX_ABI_MAGIC,
            .struct_size = sizeof(struct aiex_plugin),
            .abi_major = AIEX_ABI_MAJOR,
            .abi_minor = AIEX_ABI_MINOR,
            .option_size = sizeof(struct aiex_option),
            .name = NAME,
            .version = "1.0.0",
            .summary = "for tests of aiex-check",
            .kind = FAULT == IGNORES_PAUSE ? "chunker/1" : "service/1",
            .options = FAULT == BAD_OPTIONS ? bad_options : good_options,
            .config_size = sizeof(struct config),
            .create = create,
            .start = start,
            .handle = handle,
            .drain = drain,
            .destroy = destroy,
        },
};

static __attribute__((constructor)) void constructor(void)
{
    if (FAULT == DIES_LOADING)
        raise(SIGKILL);
}

#if FAULT == 13 /* EXTRA_EXPORT */
AIEX_EXPORT int faulty_extra;
#endif

#if !defined(NO_ENTRY)
const struct aiex_plugin *aiex_plugin_entry(uint32_t host_major, uint32_t host_minor)
{
    struct aiex_plugin *p = &descriptor.plugin;

    (void)host_major;
    (void)host_minor;
    if (FAULT == OLD_MINOR)
        p->struct_size = offsetof(struct aiex_plugin, reload);
    if (FAULT == NEW_MINOR) {
        p->struct_size = sizeof(descriptor);
        p->abi_minor = AIEX_ABI_MINOR + 1;
    }
    if (FAULT == WRONG_MAJOR)
        p->abi_major = 2;
    if (FAULT == WRONG_MAGIC)
        p->magic = 1;
    if (FAULT == TINY)
        p->struct_size = 16;
    if (FAULT == OTHER_NAME)
        p->name = "service_other";
    return FAULT == NO_DESCRIPTOR ? NULL : p;
}
#else
const struct aiex_plugin *unused_entry(void);
const struct aiex_plugin *unused_entry(void)
{
    return &descriptor.plugin;
}
#endif
