/*
 * answer_completions.c - openai.completions, both ways: text and nothing else.
 *
 * Reasoning and tool calls have no place in this dialect and are left out. With "echo" the
 * answer begins with the prompt.
 */
#include "get.h"
#include "put.h"

#include <errno.h>

/* ---- Reading ---- */

static int take_choice(struct answer *a, const struct event *start,
                       const struct aiex_json_span *choice, int whole)
{
    struct aiex_json_field f[] = {{.key = "index"}, {.key = "text"}, {.key = "finish_reason"}};
    struct event begin = *start;
    struct aiex_slice text, finish;
    int64_t index = 0;
    int r = 0;

    if (get_members(a, choice, "a choice", f, 3) != 0 ||
        get_number(a, &f[0].value, "a choice's index", &index) != 0 ||
        get_string(a, &f[1].value, "a choice's text", &text) != 0 ||
        get_string(a, &f[2].value, "finish_reason", &finish) != 0)
        return a->error;
    if (index >= MACHINE_MAX_CHOICES)
        return answer_fault(a, -EPROTO, "a choice has the index %lld", (long long)index);
    begin.choice = (int)index;
    if (a->machine.state[index] == STATE_NEW)
        r = answer_emit(a, &begin);
    r = r ? r : answer_text(a, EVENT_TEXT, begin.choice, text);
    if (r != 0 || (!finish.len && !whole))
        return r;
    return answer_finish(a, begin.choice, get_openai_finish(finish));
}

enum { MODEL, CHOICES, USAGE, ERROR, N_DOC };

static int take_document(struct answer *a, struct aiex_slice data, int whole)
{
    struct aiex_json_field f[N_DOC] = {
        {.key = "model"}, {.key = "choices"}, {.key = "usage"}, {.key = "error"}};
    struct event start = {.kind = EVENT_START}, usage = {.kind = EVENT_USAGE};
    struct aiex_json_span choice;
    size_t at = 0;
    int n = 0, r = 0;

    a->n_emitted = 0;
    if (get_document(a, data, f, N_DOC) != 0)
        return a->error;
    if (get_error(&f[ERROR].value))
        return answer_vendor_error(a, data);
    if (get_string(a, &f[MODEL].value, "model", &start.name) != 0 ||
        get_array(a, &f[CHOICES].value, "choices") != 0)
        return a->error;
    if (whole && !get_has(&f[CHOICES].value))
        return answer_fault(a, -EPROTO, "the answer has no choices");
    while (r == 0 && get_has(&f[CHOICES].value) &&
           aiex_json_next(&f[CHOICES].value, &at, NULL, &choice)) {
        n++;
        r = take_choice(a, &start, &choice, whole);
    }
    if (r == 0 && get_openai_usage(&f[USAGE].value, &usage.usage)) {
        r = answer_emit(a, &usage);
        if (r == 0 && n == 0 && !whole && !a->c->client_usage &&
            !(a->c->setup.flags & AIEX_CHAT_NO_USAGE_ASK))
            return READ_DROP;
    }
    if (r == 0 && !whole)
        answer_learn(a, data, NULL);
    return r ? r : READ_PASS;
}

static int read_event(struct answer *a, struct aiex_slice name, struct aiex_slice data)
{
    int r;

    (void)name;
    if (answer_known(a, data, &r))
        return r;
    if (get_is(data, "[DONE]"))
        return answer_simple(a, EVENT_END);
    return take_document(a, data, 0);
}

static int read_whole(struct answer *a, struct aiex_slice doc)
{
    int r = take_document(a, doc, 1);

    return r < 0 ? r : answer_simple(a, EVENT_END);
}

const struct answer_reader answer_completions_reader = {read_event, read_whole, "data: [DONE]", 0};

/* ---- Writing ---- */

static const char *finish_word(const struct answer *a)
{
    const char *word = put_openai_finish(a);

    return a->finish == AIEX_FINISH_TOOL_CALLS ? "stop" : word;
}

/* Up to and with `"choices":[`. */
static void put_head(struct answer *a, struct bytes *b)
{
    bytes_str(b, "{\"id\":\"");
    answer_put_id(a, b, "cmpl-", 0);
    bytes_str(b, "\",\"object\":\"text_completion\",\"created\":");
    bytes_int(b, (int64_t)a->c->setup.now_s);
    bytes_str(b, ",\"model\":");
    answer_put_model(a, b);
    bytes_str(b, ",\"choices\":[");
}

static void chunk(struct answer *a, struct aiex_slice text, const char *finish)
{
    bytes_slice(&a->out, bytes_all(&a->w.head));
    bytes_str(&a->out, "{\"text\":");
    bytes_quote(&a->out, text);
    bytes_str(&a->out, ",\"index\":0,\"logprobs\":null,\"finish_reason\":");
    if (finish)
        bytes_quote(&a->out, (struct aiex_slice){(const uint8_t *)finish, strlen(finish)});
    else
        bytes_str(&a->out, "null");
    bytes_str(&a->out, a->c->client_usage ? "}],\"usage\":null}\n\n" : "}]}\n\n");
}

static int write_start(struct answer *a)
{
    bytes_str(&a->w.head, "data: ");
    put_head(a, &a->w.head);
    if (a->prompt.len && !a->w.head.failed)
        chunk(a, bytes_all(&a->prompt), NULL);
    return a->w.head.failed;
}

static void write_end(struct answer *a)
{
    chunk(a, (struct aiex_slice){NULL, 0}, finish_word(a));
    if (a->c->client_usage) {
        bytes_slice(&a->out, bytes_all(&a->w.head));
        bytes_str(&a->out, "]");
        put_openai_usage(a, &a->out);
        bytes_str(&a->out, "}\n\n");
    }
    bytes_str(&a->out, "data: [DONE]\n\n");
}

static int write_event(struct answer *a, const struct event *e)
{
    switch (e->kind) {
    case EVENT_START:
        if (write_start(a) != 0)
            return a->w.head.failed;
        break;
    case EVENT_TEXT:
    case EVENT_REFUSAL:
        chunk(a, e->text, NULL);
        break;
    case EVENT_END:
        write_end(a);
        break;
    default:
        break;
    }
    return a->out.failed;
}

static int write_whole(struct answer *a)
{
    size_t text;

    put_head(a, &a->out);
    bytes_str(&a->out, "{\"text\":");
    text = a->out.len;
    put_said(a, &a->out);
    if (a->prompt.len && !a->out.failed && bytes_reserve(&a->out, a->prompt.len) == 0) {
        uint8_t *at = a->out.data + text + 1;

        memmove(at + a->prompt.len, at, a->out.len - text - 1);
        memcpy(at, a->prompt.data, a->prompt.len);
        a->out.len += a->prompt.len;
    }
    bytes_str(&a->out, ",\"index\":0,\"logprobs\":null,\"finish_reason\":\"");
    bytes_str(&a->out, finish_word(a));
    bytes_str(&a->out, "\"}]");
    put_openai_usage(a, &a->out);
    bytes_str(&a->out, "}");
    return a->out.failed;
}

const struct answer_writer answer_completions_writer = {write_event, write_whole, KEEP_NOTHING};
