/*
 * recorder.c - events of the bus that are kept: each topic becomes a stream of the store.
 *
 * Events of the bus are lost for those who do not listen. This instance listens to `topics` and
 * appends what comes, one after the other, in the order of their coming: topic `host.config` to
 * stream `host/config`. The event's id on the bus is its id in the store, so that an append whose
 * answer was lost is asked again and counts once.
 *
 * While the store is away events wait, up to `queue` bytes; beyond that the newest are left out,
 * and an event `recorder.missed` says how many when there is room again. What waits when this
 * process ends is lost: a drain waits for it.
 *
 * Thread rule: loop thread.
 */
#include <aiex_ask.h>
#include <aiex_service.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPT(field)   offsetof(struct config, field)
#define WAIT_MS      5000u /* of one append; then it is asked anew */
#define MISSED_BYTES 512u
#define STREAM_BYTES (AIEX_MAX_NAME + 1)

struct config {
    const char *topics, *store;
    int64_t queue;
};

struct waiting {
    struct waiting *next;
    char stream[STREAM_BYTES];
    size_t len;
    uint8_t envelope[];
};

struct recorder {
    const struct aiex_host *host;
    const struct config *config;
    struct waiting *first, **last; /* the first is being appended */
    size_t bytes;
    struct aiex_ask ask;
    int is_going;
    uint64_t retry;                    /* timer, 0 = none */
    uint64_t recorded, missed, untold; /* untold: missed and not yet said in a stream */
    char missed_in[STREAM_BYTES];
    char trouble[200];
    void (*drained)(void *arg);
    void *drained_arg;
};

static const struct aiex_option options[] = {
    {"topics", "host.config host.job", "topics whose events are kept, with blanks between them",
     AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(topics)},
    {"store", "store", "service that keeps them", AIEX_OPT_STRING, 0, 0, 0, NULL, OPT(store)},
    {"queue", "4M", "bytes of events that wait for the store; what comes beyond is left out",
     AIEX_OPT_SIZE, AIEX_OPT_RELOADABLE, 32768, 1 << 30, NULL, OPT(queue)},
    {0},
};

/* ---- What is appended ---- */

static void text_of(struct aiex_slice envelope, const char *key, char *text, size_t size)
{
    text[0] = 0;
    aiex_get_text(envelope, key, text, size);
}

/* The publisher's words: {subject, node, data}. */
static void write_data(struct aiex_writer *w, const void *arg)
{
    const struct waiting *e = arg;
    struct aiex_slice envelope = {e->envelope, e->len}, data = {NULL, 0};
    char subject[256], node[AIEX_MAX_NAME + 1];
    int64_t missed = 0;

    text_of(envelope, "subject", subject, sizeof(subject));
    text_of(envelope, "node", node, sizeof(node));
    aiex_get_int(envelope, "missed", &missed);
    aiex_w_map(w, 3u + (missed != 0));
    aiex_w_key_str(w, "subject", subject);
    aiex_w_key_str(w, "node", node);
    aiex_w_str(w, "data");
    if (aiex_get_whole(envelope, "data", &data) == 1)
        aiex_w_raw(w, data.data, data.len);
    else
        aiex_w_nil(w);
    if (missed)
        aiex_w_key_int(w, "missed", missed);
}

struct append {
    const struct waiting *e;
    struct aiex_slice data;
};

static void write_append(struct aiex_writer *w, const void *arg)
{
    const struct append *a = arg;
    struct aiex_slice envelope = {a->e->envelope, a->e->len};
    char id[65], type[129], correlation[129];
    int64_t time = 0;

    text_of(envelope, "id", id, sizeof(id));
    text_of(envelope, "type", type, sizeof(type));
    text_of(envelope, "correlation", correlation, sizeof(correlation));
    aiex_get_int(envelope, "time", &time);
    aiex_w_map(w, 2);
    aiex_w_key_str(w, "stream", a->e->stream);
    aiex_w_str(w, "events");
    aiex_w_array(w, 1);
    aiex_w_map(w, 3u + (time > 0) + (correlation[0] != 0));
    aiex_w_key_str(w, "id", id);
    aiex_w_key_str(w, "type", type);
    aiex_w_key_bin(w, "data", a->data.data, a->data.len);
    if (time > 0)
        aiex_w_key_int(w, "time", time);
    if (correlation[0])
        aiex_w_key_str(w, "correlation", correlation);
}

/* ---- The queue ---- */

static void go(struct recorder *r);

static void drop_first(struct recorder *r)
{
    struct waiting *e = r->first;

    r->first = e->next;
    if (!r->first)
        r->last = &r->first;
    r->bytes -= e->len;
    free(e);
}

static void on_retry(void *arg)
{
    struct recorder *r = arg;

    r->retry = 0;
    go(r);
}

static void later(struct recorder *r)
{
    if (!r->retry && r->host->timer(r->host, 1000, 0, on_retry, r, &r->retry) < 0)
        r->retry = 0; /* the next event tries */
}

/* What will never be stored (an event that the store does not take) must not hold the others up. */
static int is_final(const char *code)
{
    return strcmp(code, AIEX_E_INVALID) == 0 || strcmp(code, AIEX_E_CONFLICT) == 0 ||
           strcmp(code, AIEX_E_DENIED) == 0;
}

static void say_trouble(struct recorder *r, const struct aiex_answer *end)
{
    char text[sizeof(r->trouble)];

    snprintf(text, sizeof(text), "events can not be stored: %.140s (%.20s)", end->text, end->code);
    if (strcmp(text, r->trouble) != 0)
        aiex_logf(r->host, AIEX_LOG_WARN, 0, "%s", text);
    memcpy(r->trouble, text, sizeof(text));
}

static void on_end(struct aiex_ask *a, const struct aiex_answer *end)
{
    struct recorder *r = a->owner;

    if (end->code)
        say_trouble(r, end);
    else
        r->trouble[0] = 0;
    if (end->code && !is_final(end->code)) {
        later(r);
        return;
    }
    r->recorded += !end->code;
    r->missed += end->code != NULL;
    drop_first(r);
    go(r);
}

static void drained(struct recorder *r)
{
    void (*done)(void *arg) = r->drained;

    if (!done || r->first)
        return;
    r->drained = NULL;
    done(r->drained_arg);
}

static void append_first(struct recorder *r)
{
    struct append append = {.e = r->first};

    if (aiex_write_alloc(write_data, r->first, &append.data) < 0) {
        later(r);
        return;
    }
    r->ask = (struct aiex_ask){.host = r->host,
                               .service = r->config->store,
                               .method = "store.append",
                               .wait_ms = WAIT_MS,
                               .end = on_end,
                               .owner = r};
    aiex_ask_by(&r->ask, write_append, &append);
    free((void *)(uintptr_t)append.data.data);
}

/* A loop and no recursion: the answer may come before the call returns. */
static void go(struct recorder *r)
{
    if (r->is_going)
        return;
    r->is_going = 1;
    while (r->first && !r->ask.active && !r->retry)
        append_first(r);
    r->is_going = 0;
    drained(r);
}

static int enqueue(struct recorder *r, const char *stream, struct aiex_slice envelope)
{
    struct waiting *e = NULL;

    if (r->bytes + envelope.len <= (size_t)r->config->queue)
        e = malloc(sizeof(*e) + envelope.len);
    if (!e)
        return -ENOBUFS;
    e->next = NULL;
    snprintf(e->stream, sizeof(e->stream), "%s", stream);
    e->len = envelope.len;
    memcpy(e->envelope, envelope.data, envelope.len);
    *r->last = e;
    r->last = &e->next;
    r->bytes += e->len;
    return 0;
}

/* An event that says how many were left out before it. */
static void say_missed(struct recorder *r)
{
    uint8_t mem[MISSED_BYTES];
    char id[64];
    struct aiex_writer w;

    snprintf(id, sizeof(id), "missed-%016llx-%llu", (unsigned long long)r->host->now_ms(r->host),
             (unsigned long long)r->missed);
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 4);
    aiex_w_key_str(&w, "id", id);
    aiex_w_key_str(&w, "type", "recorder.missed");
    aiex_w_key_str(&w, "subject", r->host->instance);
    aiex_w_str(&w, "data");
    aiex_w_map(&w, 1);
    aiex_w_key_uint(&w, "events", r->untold);
    if (enqueue(r, r->missed_in, aiex_written(&w)) == 0)
        r->untold = 0;
}

static void take_event(struct recorder *r, struct aiex_slice envelope)
{
    char stream[STREAM_BYTES], id[65];

    text_of(envelope, "topic", stream, sizeof(stream));
    text_of(envelope, "id", id, sizeof(id));
    if (!stream[0] || !id[0])
        return;
    for (char *p = stream; *p; p++)
        if (*p == '.')
            *p = '/';
    if (r->untold && r->bytes + envelope.len + MISSED_BYTES <= (size_t)r->config->queue)
        say_missed(r);
    if (r->untold || enqueue(r, stream, envelope) < 0) {
        r->missed++;
        r->untold++;
        snprintf(r->missed_in, sizeof(r->missed_in), "%s", stream);
    }
    go(r);
}

/* ---- Methods ---- */

static void write_status(struct aiex_writer *w, const void *arg)
{
    const struct recorder *r = arg;
    uint64_t waiting = 0;

    for (const struct waiting *e = r->first; e; e = e->next)
        waiting++;
    aiex_w_map(w, 5);
    aiex_w_key_uint(w, "recorded", r->recorded);
    aiex_w_key_uint(w, "waiting", waiting);
    aiex_w_key_uint(w, "waiting_bytes", r->bytes);
    aiex_w_key_uint(w, "missed", r->missed);
    aiex_w_key_str(w, "trouble", r->trouble);
}

static int status_take(void *self, const struct aiex_message *m)
{
    const struct recorder *r = self;

    return aiex_reply_by(r->host, m->id, write_status, r);
}

static int health_take(void *self, const struct aiex_message *m)
{
    const struct recorder *r = self;
    int waits = r->first && r->trouble[0];

    return aiex_reply_health(r->host, m->id, r->untold == 0 && !waits,
                             r->trouble[0] ? r->trouble : "events are stored");
}

static const struct aiex_method methods[] = {
    {"recorder.status", status_take},
    {"service.health", health_take},
    {0},
};

/* ---- Life ---- */

static int create(const struct aiex_host *host, const void *config, void **ret_self,
                  struct aiex_error *err)
{
    struct recorder *r = host->alloc(host, sizeof(*r));

    if (!r)
        return aiex_failed(err, -ENOMEM, "no memory");
    r->host = host;
    r->config = config;
    r->last = &r->first;
    *ret_self = r;
    return 0;
}

static int subscribe(struct recorder *r, struct aiex_error *err)
{
    const char *at = r->config->topics;

    for (;;) {
        char topic[AIEX_MAX_NAME + 1];
        size_t len;
        int result;

        at += strspn(at, " ,\t");
        len = strcspn(at, " ,\t");
        if (len == 0)
            return 0;
        snprintf(topic, sizeof(topic), "%.*s", (int)len, at);
        result = len > AIEX_MAX_NAME ? -EINVAL : r->host->subscribe(r->host, topic);
        if (result < 0)
            return aiex_failed(err, result, "topic '%.100s' can not be subscribed to: %s", topic,
                               strerror(-result));
        at += len;
    }
}

static int start(void *self, struct aiex_error *err)
{
    struct recorder *r = self;
    int result = r->host->join(r->host, "recorder", AIEX_NAME_UNIQUE);

    if (result < 0)
        return aiex_failed(err, result,
                           "the name 'recorder' is taken by another instance; run one only");
    return subscribe(r, err);
}

static int handle(void *self, const struct aiex_message *m)
{
    switch (m->kind) {
    case AIEX_MSG_REQUEST:
        return aiex_dispatch(methods, self, m);
    case AIEX_MSG_EVENT:
        take_event(self, m->body);
        return 0;
    default:
        return 0;
    }
}

static int reload(void *self, const void *config, struct aiex_error *err)
{
    struct recorder *r = self;

    r->config = config;
    return 0;
}

static void drain(void *self, void (*done)(void *arg), void *arg)
{
    struct recorder *r = self;

    r->drained = done;
    r->drained_arg = arg;
    drained(r);
}

static void destroy(void *self)
{
    struct recorder *r = self;

    if (!r)
        return;
    aiex_ask_stop(&r->ask);
    if (r->retry)
        r->host->unwatch(r->host, r->retry);
    while (r->first)
        drop_first(r);
    r->host->release(r->host, r);
}

static const struct aiex_plugin plugin = {
    .magic = AIEX_ABI_MAGIC,
    .struct_size = sizeof(struct aiex_plugin),
    .abi_major = AIEX_ABI_MAJOR,
    .abi_minor = AIEX_ABI_MINOR,
    .option_size = sizeof(struct aiex_option),
    .name = "service_recorder",
    .version = "0.1.0",
    .summary = "keeps events of the bus as streams of the store",
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
    (void)host_major;
    (void)host_minor;
    return &plugin;
}
