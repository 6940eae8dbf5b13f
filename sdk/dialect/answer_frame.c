/*
 * answer_frame.c - from network bytes to events, and from events to the sink.
 *
 * Where bytes pass as they are, whole events that lie side by side in what was fed go out
 * in one piece from where they lie. What can not (an event that came in two feeds, CR LF,
 * a dropped one between) is put together in a.out. What was good before a fault goes out.
 */
#include "answer.h"

#include <errno.h>

static int flush(struct answer *a, aiex_chat_sink sink, void *arg)
{
    struct aiex_slice bytes = a->batch.len ? a->batch : bytes_all(&a->out);
    int r = bytes.len ? sink(arg, bytes) : 0;

    a->batch = (struct aiex_slice){NULL, 0};
    a->out.len = a->good = 0;
    if (r != 0)
        a->error = -ECANCELED;
    return r ? -ECANCELED : 0;
}

/* Moves the events that wait in place to a->out, so that others can follow. */
static void gather(struct answer *a)
{
    bytes_slice(&a->out, a->batch);
    a->batch = (struct aiex_slice){NULL, 0};
}

static void pass_bytes(struct answer *a, struct aiex_slice raw, int in_place)
{
    if (in_place && a->out.len == 0) {
        if (!a->batch.len) {
            a->batch = raw;
            return;
        }
        if (a->batch.data + a->batch.len == raw.data) {
            a->batch.len += raw.len;
            return;
        }
    }
    gather(a);
    bytes_slice(&a->out, raw);
}

/* What an event gave may go out, now that all of it is good. */
static int whole_event(struct answer *a)
{
    if (!a->out.failed)
        a->good = a->out.len;
    return a->out.failed;
}

/* ---- Server-sent events ---- */

/* Data lines that were joined: a line feed in valid JSON is white space between tokens. */
static void pass_rewritten(struct answer *a, const struct aiex_sse_event *e)
{
    size_t from;

    gather(a);
    if (e->name.len) {
        bytes_str(&a->out, "event: ");
        bytes_slice(&a->out, e->name);
        bytes_str(&a->out, "\n");
    }
    bytes_str(&a->out, "data: ");
    from = a->out.len;
    bytes_slice(&a->out, e->data);
    for (size_t i = from; i < a->out.len; i++)
        if (a->out.data[i] == '\n' || a->out.data[i] == '\r')
            a->out.data[i] = ' ';
    bytes_str(&a->out, "\n\n");
}

/* Exactly "event: NAME\ndata: DATA\n\n". */
static int is_named(const struct aiex_sse_event *e)
{
    const uint8_t *p = e->raw.data;
    size_t n = e->name.len;

    return n && e->raw.len == n + e->data.len + 16 && memcmp(p, "event: ", 7) == 0 &&
           e->name.data == p + 7 && memcmp(p + 7 + n, "\ndata: ", 7) == 0 &&
           e->data.data == p + 14 + n && memcmp(p + 14 + n + e->data.len, "\n\n", 2) == 0;
}

static int on_event(void *arg, const struct aiex_sse_event *e)
{
    struct answer *a = arg;
    int r;

    if (a->complete)
        return 0;
    a->begun = 1;
    r = a->reader->event(a, e->name, e->data);
    if (r < 0)
        return r;
    if (a->pass && r == READ_PASS) {
        if (e->plain || is_named(e))
            pass_bytes(a, e->raw, e->in_place);
        else
            pass_rewritten(a, e);
    }
    return whole_event(a);
}

/* ---- Lines ---- */

static int on_line(void *arg, struct aiex_slice line, struct aiex_slice raw, int in_place)
{
    static const struct aiex_slice lf = {(const uint8_t *)"\n", 1};
    struct answer *a = arg;
    int r;

    if (a->complete)
        return 0;
    a->begun = 1;
    r = a->reader->event(a, (struct aiex_slice){NULL, 0}, line);
    if (r < 0)
        return r;
    if (a->pass && r == READ_PASS) {
        pass_bytes(a, raw, in_place);
        if (raw.data[raw.len - 1] != '\n')
            pass_bytes(a, lf, 0);
    }
    return whole_event(a);
}

/* ---- Feed and close ---- */

/* Names the errors that come from below without a sentence. */
static int failed(struct answer *a, int r)
{
    if (r == -EMSGSIZE && !a->c->result.fault[0])
        return answer_fault(a, r,
                            a->c->vendor_stream ? "an event of the answer is longer than 1 MiB"
                                                : "the answer is longer than 32 MiB");
    if (r < 0 && !a->error)
        a->error = r;
    if (r < 0)
        a->out.len = a->good;
    return a->error ? a->error : r;
}

int aiex_chat_feed(struct aiex_chat *c, struct aiex_slice bytes, aiex_chat_sink sink, void *arg)
{
    struct answer *a = c->answer;
    int r, sunk;

    if (a->error || a->complete || !bytes.len)
        return a->error;
    if (!c->vendor_stream) {
        bytes_slice(&a->doc, bytes);
        return failed(a, a->doc.failed);
    }
    r = a->reader->lines ? ndjson_feed(&a->lines, bytes, on_line, a)
                         : aiex_sse_feed(&a->sse, bytes, on_event, a);
    r = r ? failed(a, r) : 0;
    sunk = flush(a, sink, arg);
    return r ? r : sunk;
}

static int whole_answer(struct answer *a)
{
    struct aiex_slice doc = bytes_all(&a->doc);
    int r;

    if (!doc.len)
        return answer_fault(a, -EPROTO, "the answer is empty");
    r = a->reader->whole(a, doc);
    if (r < 0)
        return r;
    if (a->pass)
        a->batch = doc;
    return 0;
}

static int end_of_stream(struct answer *a)
{
    int r = a->reader->lines && !a->complete ? ndjson_last(&a->lines, on_line, a) : 0;
    size_t rest = a->reader->lines ? 0 : aiex_sse_pending(&a->sse);

    if (r != 0 || a->complete)
        return r;
    if (!a->begun && !rest)
        return answer_fault(a, -EPROTO, "the stream was empty");
    if (!rest && !a->reader->lines && (a->c->setup.flags & AIEX_CHAT_NO_DONE) &&
        a->machine.state[0] == STATE_FINISHED && a->c->setup.vendor != AIEX_ANTHROPIC_MESSAGES) {
        r = answer_simple(a, EVENT_END);
        if (r == 0 && a->pass && a->c->setup.client != AIEX_OPENAI_RESPONSES)
            bytes_str(&a->out, "data: [DONE]\n\n");
        return r;
    }
    return answer_fault(a, -EPROTO, "the stream ended without %s", a->reader->end);
}

int aiex_chat_close(struct aiex_chat *c, aiex_chat_sink sink, void *arg)
{
    struct answer *a = c->answer;
    int r, sunk;

    if (a->error || a->closed)
        return a->error;
    a->closed = 1;
    r = c->vendor_stream ? end_of_stream(a) : whole_answer(a);
    if (r == 0 && !a->pass && !c->client_stream)
        r = a->writer->whole(a);
    if (r == 0)
        r = a->out.failed;
    if (r != 0) {
        r = failed(a, r);
        if (!c->client_stream)
            return r;
    }
    sunk = flush(a, sink, arg);
    return r ? r : sunk;
}
