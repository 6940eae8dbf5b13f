/* instance.c - struct aiex_host of one instance: what a plugin may ask for. */
#include "base/clock.h"
#include "base/text.h"
#include "runner/http/http_module.h"
#include "runner/runner_private.h"

#include <aiex/aiex_http.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOG_LINES_PER_SECOND 200
#define ALLOC_HEAD           16 /* keeps the caller's alignment */

void runner_send(struct runner *runner, const struct record *head, const void *body, size_t len)
{
    channel_send(runner->channel, head, body, len);
}

struct log_line {
    struct instance *in;
    uint32_t level;
    uint64_t trace;
    char text[];
};

static void send_log(struct instance *in, uint32_t level, uint64_t trace, const char *text)
{
    uint64_t second = clock_ms() / 1000;
    size_t n = strnlen(text, 3000);

    if (second != in->log_second) {
        in->log_second = second;
        in->log_lines = 0;
    }
    if (in->log_lines++ >= LOG_LINES_PER_SECOND) {
        if (in->log_lines > LOG_LINES_PER_SECOND + 1)
            return;
        text = "(too many log lines in this second, the rest is dropped)";
        n = strlen(text);
    }
    runner_send(in->runner,
                &(struct record){.kind = RECORD_LOG, .id = trace, .status = (int32_t)level,
                                 .aux = in->index, .flags = level < AIEX_LOG_WARN ? RECORD_LAZY : 0},
                text, n);
}

static void posted_log(void *arg)
{
    struct log_line *line = arg;

    send_log(line->in, line->level, line->trace, line->text);
    free(line);
}

static void h_log(const struct aiex_host *host, uint32_t level, uint64_t trace, const char *text)
{
    struct instance *in = instance_of(host);
    struct log_line *line;
    size_t n;

    if (pthread_equal(pthread_self(), in->runner->thread)) {
        send_log(in, level, trace, text);
        return;
    }
    n = strnlen(text, 3000);
    line = malloc(sizeof(*line) + n + 1);
    if (!line)
        return;
    *line = (struct log_line){in, level, trace};
    memcpy(line->text, text, n);
    line->text[n] = 0;
    if (posts_add(host, posted_log, line) < 0)
        free(line);
}

static void *h_alloc(const struct aiex_host *host, size_t bytes)
{
    struct instance *in = instance_of(host);
    int64_t limit = in->runner->start.limit_memory_bytes;
    size_t *head;

    if (bytes > SIZE_MAX - ALLOC_HEAD ||
        (limit && __atomic_load_n(&in->allocated_bytes, __ATOMIC_RELAXED) + bytes > (size_t)limit))
        return NULL;
    head = calloc(1, bytes + ALLOC_HEAD);
    if (!head)
        return NULL;
    *head = bytes;
    __atomic_fetch_add(&in->allocated_bytes, bytes, __ATOMIC_RELAXED);
    return (char *)head + ALLOC_HEAD;
}

static void h_release(const struct aiex_host *host, void *mem)
{
    struct instance *in = instance_of(host);
    size_t *head;

    if (!mem)
        return;
    head = (size_t *)(void *)((char *)mem - ALLOC_HEAD);
    __atomic_fetch_sub(&in->allocated_bytes, *head, __ATOMIC_RELAXED);
    free(head);
}

static uint64_t h_now_ms(const struct aiex_host *host)
{
    return clock_ms();
}

static void h_alive(const struct aiex_host *host)
{
    channel_progress(instance_of(host)->runner->channel);
}

static int h_stream(const struct aiex_host *host, uint64_t id, struct aiex_slice part)
{
    return endpoint_stream(instance_of(host)->runner->endpoint, id, part);
}

static int h_reply(const struct aiex_host *host, uint64_t id, struct aiex_slice body)
{
    return endpoint_reply(instance_of(host)->runner->endpoint, id, body);
}

static int h_fail(const struct aiex_host *host, uint64_t id, const char *code, const char *text,
                  uint32_t retry_after_ms, struct aiex_slice body)
{
    return endpoint_fail(instance_of(host)->runner->endpoint, id, code, text, retry_after_ms, body);
}

static int h_call(const struct aiex_host *host, const struct aiex_request *req, aiex_answer_fn fn,
                  void *arg, uint64_t *ret_call)
{
    struct instance *in = instance_of(host);
    struct aiex_request own;
    size_t n = req->struct_size < sizeof(own) ? req->struct_size : sizeof(own);

    memset(&own, 0, sizeof(own));
    memcpy(&own, req, n);
    return endpoint_call(in->runner->endpoint, in->index, &own, fn, arg, ret_call);
}

static int h_credit(const struct aiex_host *host, uint64_t call, uint32_t bytes)
{
    return endpoint_credit(instance_of(host)->runner->endpoint, call, bytes);
}

static int h_cancel(const struct aiex_host *host, uint64_t call)
{
    return endpoint_cancel(instance_of(host)->runner->endpoint, call);
}

static int h_join(const struct aiex_host *host, const char *name, uint32_t flags)
{
    struct instance *in = instance_of(host);

    if (!name || !text_is_name(name) || (flags != AIEX_NAME_UNIQUE && flags != AIEX_NAME_GROUP))
        return -EINVAL;
    for (unsigned i = 0; i < in->runner->start.n_instances && flags == AIEX_NAME_UNIQUE; i++)
        for (unsigned k = 0; i != in->index && k < in->runner->instances[i].n_names; k++)
            if (!strcmp(in->runner->instances[i].names[k], name))
                return -EEXIST;
    /* names served inside this process are called without the host; groups may have others */
    if (flags == AIEX_NAME_UNIQUE && in->n_names < NAMES_PER_INSTANCE)
        snprintf(in->names[in->n_names++], sizeof(in->names[0]), "%s", name);
    runner_send(in->runner,
                &(struct record){.kind = RECORD_JOIN, .status = (int32_t)flags, .aux = in->index}, name,
                strlen(name));
    return 0;
}

static int h_publish(const struct aiex_host *host, const struct aiex_event *event)
{
    struct instance *in = instance_of(host);

    return endpoint_publish(in->runner->endpoint, in->index, event);
}

static int h_subscribe(const struct aiex_host *host, const char *topic)
{
    struct instance *in = instance_of(host);

    return endpoint_subscribe(in->runner->endpoint, in->index, topic);
}

static int h_unsubscribe(const struct aiex_host *host, const char *topic)
{
    struct instance *in = instance_of(host);

    return endpoint_unsubscribe(in->runner->endpoint, in->index, topic);
}

static const void *h_extension(const struct aiex_host *host, const char *id)
{
    struct instance *in = instance_of(host);

    if (!strcmp(id, AIEX_LISTEN_ID) && (in->start->needs & AIEX_NEED_LISTEN))
        return &runner_listen;
    if (!strcmp(id, AIEX_SETTINGS_ID) && in->runner->settings)
        return &runner_settings;
    if (!strcmp(id, AIEX_HTTP_ID) && (in->start->needs & AIEX_NEED_HTTP))
        return in->runner->http;
    return NULL;
}

void instance_table(struct instance *in)
{
    in->host = (struct aiex_host){
        .struct_size = sizeof(in->host),
        .abi_major = AIEX_ABI_MAJOR,
        .abi_minor = AIEX_ABI_MINOR,
        .ctx = in,
        .instance = in->start->name,
        .node = in->runner->start.node,
        .data_dir = in->start->data_dir,
        .log = h_log,
        .alloc = h_alloc,
        .release = h_release,
        .now_ms = h_now_ms,
        .alive = h_alive,
        .post = posts_add,
        .stream = h_stream,
        .reply = h_reply,
        .fail = h_fail,
        .call = h_call,
        .credit = h_credit,
        .cancel = h_cancel,
        .join = h_join,
        .publish = h_publish,
        .subscribe = h_subscribe,
        .unsubscribe = h_unsubscribe,
        .timer = handle_timer,
        .watch = handle_watch,
        .rewatch = handle_rewatch,
        .unwatch = handle_unwatch,
        .extension = h_extension,
    };
}
