/*
 * stream.c - the events of one chat.
 *
 * Every event is checked before it is handed on, and all whole events of one read go
 * out as one part. Events that are plain and lie side by side in what was read are
 * handed on where they are; anything else (CR LF, comments between, a removed usage
 * chunk, an event that came in two reads) is put together in c->out.
 */
#include "openai.h"

#include <errno.h>

static const struct aiex_slice done_event = {(const uint8_t *)"data: [DONE]\n\n", 14};

static void broken(struct chat *c, const char *what, const char *why)
{
    chat_fail(c, &(struct chat_error){AIEX_E_UPSTREAM, 502, 1, 0, {NULL, 0}},
              "the answer of %s is broken: %s%s%s", c->o->config->base_url, what, why ? ": " : "",
              why ? why : "");
}

static int flush(struct chat *c)
{
    int r = 0;

    if (c->batch.len)
        r = chat_part(c, c->batch);
    else if (c->out.len)
        r = chat_part(c, collect_slice(&c->out));
    c->batch = (struct aiex_slice){NULL, 0};
    c->out.len = 0;
    return r;
}

/* Moves the events that wait in place to c->out, so that others can follow. */
static int gather(struct chat *c)
{
    struct aiex_slice batch = c->batch;

    c->batch = (struct aiex_slice){NULL, 0};
    return batch.len ? collect_add(&c->out, batch.data, batch.len) : 0;
}

/* As one data line: a line feed in valid JSON is white space between tokens. */
static int add_rewritten(struct chat *c, struct aiex_slice data)
{
    size_t start;
    int r = collect_add(&c->out, "data: ", 6);

    start = c->out.len;
    if (r == 0)
        r = collect_add(&c->out, data.data, data.len);
    for (size_t i = start; r == 0 && i < c->out.len; i++)
        if (c->out.data[i] == '\n')
            c->out.data[i] = ' ';
    return r == 0 ? collect_add(&c->out, "\n\n", 2) : r;
}

static int add_event(struct chat *c, const struct aiex_sse_event *e)
{
    int r;

    if (e->plain && e->in_place && c->out.len == 0) {
        if (c->batch.len == 0) {
            c->batch = e->raw;
            return 0;
        }
        if (c->batch.data + c->batch.len == e->raw.data) {
            c->batch.len += e->raw.len;
            return 0;
        }
    }
    r = gather(c);
    if (r != 0)
        return r;
    return e->plain ? collect_add(&c->out, e->raw.data, e->raw.len) : add_rewritten(c, e->data);
}

static int is_done(struct aiex_slice data)
{
    return aiex_slice_is(data, "[DONE]");
}

/* The aiex_sse_fn. A negative result ends the feed: -EPIPE when the chat was answered. */
static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct chat *c = arg;
    const char *why;
    int flags;

    if (c->done_seen)
        return 0;
    if (is_done(e->data)) {
        c->done_seen = 1;
        return add_event(c, e);
    }
    flags = answer_scan(&c->answer, e->data, &why);
    if (flags < 0) {
        flush(c);
        broken(c, "an event is not JSON", why);
        return -EPIPE;
    }
    if (flags & ANSWER_ERROR) {
        flush(c);
        chat_fail(c, &(struct chat_error){AIEX_E_UPSTREAM, 502, 1, 0, e->data},
                  "%s reported an error in its stream", c->o->config->base_url);
        return -EPIPE;
    }
    if ((flags & ANSWER_USAGE_ONLY) && !c->usage_asked && c->o->config->stream_usage)
        return 0;
    return add_event(c, e);
}

int stream_feed(struct chat *c, struct aiex_slice bytes)
{
    int r = aiex_sse_feed(&c->sse, bytes, on_event, c);

    if (r == -EPIPE)
        return r;
    if (r == -EMSGSIZE) {
        flush(c);
        broken(c, "an event is longer than 1 MiB", NULL);
        return -EPIPE;
    }
    if (r != 0) {
        chat_fail(c, &(struct chat_error){AIEX_E_INTERNAL, 500, 1, 0, {NULL, 0}},
                  "no memory for an event of the answer");
        return -EPIPE;
    }
    if (flush(c) != 0)
        return -EPIPE;
    if (c->done_seen)
        chat_reply(c);
    return 0;
}

void stream_closed(struct chat *c)
{
    if (!c->o->config->require_done && c->answer.finish[0] && !aiex_sse_pending(&c->sse)) {
        if (chat_part(c, done_event) == 0)
            chat_reply(c);
        return;
    }
    broken(c, c->sent_parts ? "the stream ended without data: [DONE]" : "the stream was empty",
           NULL);
}
