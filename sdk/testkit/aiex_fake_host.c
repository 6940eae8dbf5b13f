/*
 * aiex_fake_host.c - life of the fake host, its memory, log, names and events.
 *
 * fake_record.c keeps what the plugin did, fake_request.c plays its callers, fake_call.c
 * the services it calls, fake_loop.c clock and descriptors, fake_config.c its options,
 * fake_extension.c what lies beyond the core table.
 */
#include "fake.h"

#include <fcntl.h>
#include <unistd.h>

#define ALLOC_MARK 0xa11e5ca1ab1e0001u

struct aiex_fake_host *fake_of(const struct aiex_host *table)
{
    return (struct aiex_fake_host *)table->ctx;
}

struct aiex_fake_host *aiex_fake_host_of(const struct aiex_host *table)
{
    return fake_of(table);
}

void *fake_must(void *mem)
{
    if (!mem) {
        fprintf(stderr, "fake host: out of memory\n");
        abort();
    }
    return mem;
}

uint64_t fake_id(struct aiex_fake_host *h)
{
    return ++h->last_id;
}

int fake_short(struct aiex_fake_host *h)
{
    int now;

    pthread_mutex_lock(&h->lock);
    h->counted++;
    now = h->fail_at != 0 && h->counted == h->fail_at;
    pthread_mutex_unlock(&h->lock);
    return now;
}

size_t aiex_fake_fail_alloc(struct aiex_fake_host *h, size_t n)
{
    size_t counted;

    pthread_mutex_lock(&h->lock);
    counted = h->counted;
    h->counted = 0;
    h->fail_at = n;
    pthread_mutex_unlock(&h->lock);
    return counted;
}

void fake_loop_only(struct aiex_fake_host *h, const char *what)
{
    if (pthread_equal(pthread_self(), h->loop))
        return;
    fprintf(stderr, "fake host: %s() is for the loop thread; come back with post()\n", what);
    pthread_mutex_lock(&h->lock);
    h->misuse++;
    pthread_mutex_unlock(&h->lock);
}

/* ---- [any] ---- */

static void host_log(const struct aiex_host *t, uint32_t level, uint64_t trace, const char *text)
{
    struct aiex_fake_record r = {
        .kind = AIEX_FAKE_LOG, .level = level, .trace = trace, .text = text};

    fake_record(fake_of(t), &r);
}

static void *host_alloc(const struct aiex_host *t, size_t bytes)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_alloc *a;

    if (bytes > SIZE_MAX - sizeof(*a) || fake_short(h))
        return NULL;
    a = calloc(1, sizeof(*a) + bytes);
    if (!a)
        return NULL;
    a->bytes = bytes;
    a->mark = ALLOC_MARK;
    pthread_mutex_lock(&h->lock);
    a->next = h->allocs.next;
    a->prev = &h->allocs;
    a->next->prev = a;
    h->allocs.next = a;
    h->n_allocs++;
    h->alloc_bytes += bytes;
    pthread_mutex_unlock(&h->lock);
    return a + 1;
}

static void host_release(const struct aiex_host *t, void *mem)
{
    struct aiex_fake_host *h = fake_of(t);
    struct fake_alloc *a, *known;

    if (!mem)
        return;
    a = (struct fake_alloc *)mem - 1;
    pthread_mutex_lock(&h->lock);
    for (known = h->allocs.next; known != &h->allocs && known != a; known = known->next)
        ;
    if (known != a || a->mark != ALLOC_MARK) {
        h->misuse++;
        fprintf(stderr, "fake host: release() of memory that alloc() did not give\n");
        pthread_mutex_unlock(&h->lock);
        return;
    }
    a->prev->next = a->next;
    a->next->prev = a->prev;
    h->n_allocs--;
    h->alloc_bytes -= a->bytes;
    pthread_mutex_unlock(&h->lock);
    free(a);
}

static uint64_t host_now_ms(const struct aiex_host *t)
{
    struct aiex_fake_host *h = fake_of(t);
    uint64_t now;

    pthread_mutex_lock(&h->lock);
    now = h->now_ms;
    pthread_mutex_unlock(&h->lock);
    return now;
}

static void host_alive(const struct aiex_host *t)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_ALIVE};

    fake_record(fake_of(t), &r);
}

/* ---- Names and events ---- */

static int name_is_bad(const char *name)
{
    return !name || !*name || strlen(name) > AIEX_MAX_NAME;
}

static int host_join(const struct aiex_host *t, const char *name, uint32_t flags)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_JOIN, .name = name, .flags = flags};

    fake_loop_only(fake_of(t), "join");
    if (name_is_bad(name) || (flags != AIEX_NAME_UNIQUE && flags != AIEX_NAME_GROUP))
        r.result = -EINVAL;
    return fake_record(fake_of(t), &r)->result;
}

static int host_publish(const struct aiex_host *t, const struct aiex_event *e)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_PUBLISH,
                                 .flags = e->flags,
                                 .name = e->topic,
                                 .type = e->type,
                                 .subject = e->subject,
                                 .body = e->data,
                                 .trace = e->trace,
                                 .causation = e->causation};

    fake_loop_only(fake_of(t), "publish");
    if (name_is_bad(e->topic) || !e->type)
        r.result = -EINVAL;
    else if (e->data.len > AIEX_MAX_BODY)
        r.result = -EMSGSIZE;
    return fake_record(fake_of(t), &r)->result;
}

static int host_subscribe(const struct aiex_host *t, const char *topic)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_SUBSCRIBE, .name = topic};

    fake_loop_only(fake_of(t), "subscribe");
    if (name_is_bad(topic))
        r.result = -EINVAL;
    return fake_record(fake_of(t), &r)->result;
}

/* Is `topic` subscribed now: the last of both records decides. */
static int is_subscribed(struct aiex_fake_host *h, const char *topic)
{
    const struct aiex_fake_record *r;
    size_t n = 0;
    int on = 0;

    while ((r = aiex_fake_find(h, AIEX_FAKE_ANY, topic, n++)) != NULL) {
        if (r->result == 0 && r->kind == AIEX_FAKE_SUBSCRIBE)
            on = 1;
        else if (r->result == 0 && r->kind == AIEX_FAKE_UNSUBSCRIBE)
            on = 0;
    }
    return on;
}

static int host_unsubscribe(const struct aiex_host *t, const char *topic)
{
    struct aiex_fake_record r = {.kind = AIEX_FAKE_UNSUBSCRIBE, .name = topic};

    fake_loop_only(fake_of(t), "unsubscribe");
    if (!topic || !is_subscribed(fake_of(t), topic))
        r.result = -ENOENT;
    return fake_record(fake_of(t), &r)->result;
}

/* ---- Life ---- */

static const struct aiex_host functions = {
    .struct_size = sizeof(struct aiex_host),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .node = "fake",
    .log = host_log,
    .alloc = host_alloc,
    .release = host_release,
    .now_ms = host_now_ms,
    .alive = host_alive,
    .post = fake_post,
    .stream = fake_stream,
    .reply = fake_reply,
    .fail = fake_fail,
    .call = fake_call,
    .credit = fake_credit,
    .cancel = fake_cancel_call,
    .join = host_join,
    .publish = host_publish,
    .subscribe = host_subscribe,
    .unsubscribe = host_unsubscribe,
    .timer = fake_timer,
    .watch = fake_watch,
    .rewatch = fake_rewatch,
    .unwatch = fake_unwatch,
    .extension = fake_extension,
};

struct aiex_fake_host *aiex_fake_host_new(const char *instance)
{
    struct aiex_fake_host *h = fake_must(calloc(1, sizeof(*h)));

    h->table = functions;
    h->table.ctx = h;
    h->table.instance = h->instance = fake_must(strdup(instance));
    h->table.data_dir = h->data_dir = fake_must(strdup(""));
    h->loop = pthread_self();
    h->now_ms = 1000; /* not 0, so that "never" and "now" differ in plugins */
    h->allocs.next = h->allocs.prev = &h->allocs;
    h->posts_end = &h->posts;
    if (pthread_mutex_init(&h->lock, NULL) != 0 || pipe2(h->wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        fprintf(stderr, "fake host: no mutex or pipe: %s\n", strerror(errno));
        abort();
    }
    return h;
}

const struct aiex_host *aiex_fake_host_table(struct aiex_fake_host *h)
{
    return &h->table;
}

void aiex_fake_data_dir(struct aiex_fake_host *h, const char *path)
{
    free(h->data_dir);
    h->table.data_dir = h->data_dir = fake_must(strdup(path));
}

void aiex_fake_live(struct aiex_fake_host *h, struct aiex_fake_live *ret_live)
{
    struct aiex_fake_live live = {0};

    pthread_mutex_lock(&h->lock);
    live.allocs = h->n_allocs;
    live.alloc_bytes = h->alloc_bytes;
    live.misuse = h->misuse;
    for (const struct fake_post *p = h->posts; p; p = p->next)
        live.posts++;
    pthread_mutex_unlock(&h->lock);
    for (const struct fake_watch *w = h->watches; w; w = w->next) {
        if (w->fd < 0)
            live.timers++;
        else
            live.watches++;
    }
    for (const struct fake_request *r = h->requests; r; r = r->next)
        live.requests += r->open != 0;
    for (const struct fake_call *c = h->calls; c; c = c->next)
        live.calls += c->open != 0;
    *ret_live = live;
}

static size_t report(const char *instance, const char *what, size_t n)
{
    if (n)
        fprintf(stderr, "fake host: %s left %zu %s\n", instance, n, what);
    return n;
}

size_t aiex_fake_host_free(struct aiex_fake_host *h)
{
    struct aiex_fake_live live;
    struct fake_alloc *a;
    struct fake_config *c;
    size_t n = 0;

    if (!h)
        return 0;
    aiex_fake_live(h, &live);
    n += report(h->instance, "allocations unreleased", live.allocs);
    n += report(h->instance, "timers running", live.timers);
    n += report(h->instance, "descriptors watched", live.watches);
    n += report(h->instance, "posts not run", live.posts);
    n += report(h->instance, "requests not answered", live.requests);
    n += report(h->instance, "misuses of the host table", live.misuse);
    while ((a = h->allocs.next) != &h->allocs) {
        h->allocs.next = a->next;
        free(a);
    }
    while ((c = h->configs) != NULL) {
        h->configs = c->next;
        aiex_fake_config_free(c->config);
        free(c);
    }
    fake_requests_free(h);
    fake_calls_free(h);
    fake_loop_free(h);
    fake_extensions_free(h);
    fake_records_free(h);
    close(h->wake[0]);
    close(h->wake[1]);
    pthread_mutex_destroy(&h->lock);
    free(h->instance);
    free(h->data_dir);
    free(h);
    return n;
}
