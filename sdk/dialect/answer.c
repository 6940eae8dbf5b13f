/*
 * answer.c - what every answer goes through: begin, end, faults, and answer_emit(), the door
 * between a vendor's reader and the rest.
 */
#include "answer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct answer_reader *const readers[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] = &answer_openai_chat_reader,
    [AIEX_OPENAI_RESPONSES] = &answer_responses_reader,
    [AIEX_ANTHROPIC_MESSAGES] = &answer_anthropic_reader,
    [AIEX_OLLAMA_CHAT] = &answer_ollama_reader,
    [AIEX_OPENAI_COMPLETIONS] = &answer_completions_reader,
    [AIEX_OLLAMA_GENERATE] = &answer_ollama_reader,
    [AIEX_OPENAI_EMBEDDINGS] = &answer_embeddings_reader,
    [AIEX_OLLAMA_EMBED] = &answer_embeddings_reader,
};

static const struct answer_writer *const writers[AIEX_N_DIALECTS] = {
    [AIEX_OPENAI_CHAT] = &answer_openai_chat_writer,
    [AIEX_OPENAI_RESPONSES] = &answer_responses_writer,
    [AIEX_ANTHROPIC_MESSAGES] = &answer_anthropic_writer,
    [AIEX_OLLAMA_CHAT] = &answer_ollama_writer,
    [AIEX_OPENAI_COMPLETIONS] = &answer_completions_writer,
    [AIEX_OLLAMA_GENERATE] = &answer_ollama_writer,
    [AIEX_OPENAI_EMBEDDINGS] = &answer_embeddings_writer,
    [AIEX_OLLAMA_EMBED] = &answer_embeddings_writer,
};

uint64_t answer_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int answer_init(struct aiex_chat *c)
{
    struct answer *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    c->answer = a;
    a->c = c;
    a->reader = readers[c->setup.vendor];
    a->writer = writers[c->setup.client];
    a->pass = c->same && c->client_stream == c->vendor_stream;
    a->keep = a->pass ? KEEP_NOTHING : c->client_stream ? a->writer->keep : KEEP_ALL;
    a->machine.strict = !a->pass;
    aiex_sse_init(&a->sse, AIEX_CHAT_MAX_EVENT);
    ndjson_init(&a->lines, AIEX_CHAT_MAX_EVENT);
    store_init(&a->store, AIEX_MAX_BODY);
    a->doc.max = a->out.max = a->args.max = AIEX_MAX_BODY;
    a->scratch.max = a->w.head.max = a->names.max = a->name.max = AIEX_MAX_BODY;
    a->prompt.max = a->r.items.max = a->fill.held.max = AIEX_MAX_BODY;
    a->said = NO_USAGE;
    a->r.sequence = a->r.open = a->w.index = -1;
    a->begun_ns = answer_now_ns();
    return 0;
}

void answer_done(struct aiex_chat *c)
{
    struct answer *a = c->answer;

    if (!a)
        return;
    aiex_sse_done(&a->sse);
    ndjson_done(&a->lines);
    shapes_done(&a->shapes);
    answer_order_done(a);
    machine_done(&a->machine);
    store_done(&a->store);
    bytes_done(&a->doc);
    bytes_done(&a->out);
    bytes_done(&a->args);
    bytes_done(&a->scratch);
    bytes_done(&a->names);
    bytes_done(&a->name);
    bytes_done(&a->w.head);
    bytes_done(&a->prompt);
    bytes_done(&a->r.items);
    bytes_done(&a->fill.held);
    free(a);
    c->answer = NULL;
}

int answer_keep_prompt(struct answer *a, struct aiex_slice body)
{
    struct aiex_json_field f[] = {{.key = "prompt"}};
    struct aiex_json_span prompt;
    size_t at = 0;

    if (!a->c->echo_prompt || a->pass || aiex_json_scan(body, 0, f, 1, NULL) != AIEX_JSON_OBJECT)
        return 0;
    prompt = f[0].value;
    if (prompt.type == AIEX_JSON_ARRAY)
        aiex_json_next(&f[0].value, &at, NULL, &prompt);
    if (prompt.type == AIEX_JSON_STRING)
        bytes_add(&a->prompt, prompt.data + 1, prompt.len - 2);
    return a->prompt.failed;
}

/* ---- Faults ---- */

int answer_fault(struct answer *a, int error, const char *fmt, ...)
{
    va_list args;

    if (!a->error) {
        va_start(args, fmt);
        vsnprintf(a->c->result.fault, sizeof(a->c->result.fault), fmt, args);
        va_end(args);
        a->error = error;
    }
    return a->error;
}

int answer_vendor_error(struct answer *a, struct aiex_slice doc)
{
    struct aiex_chat_result *result = &a->c->result;
    struct aiex_chat_error e;

    aiex_chat_read_error(a->c->setup.vendor, 200, doc, &e);
    result->vendor_error = 1;
    result->error_status = e.status;
    result->error_reason = e.reason;
    return answer_fault(a, -EPROTO, "the vendor reported an error: %.200s", e.message);
}

/* ---- Events ---- */

/* What is counted whoever reads it. */
static void count(struct answer *a, const struct event *e)
{
    struct aiex_chat_result *result = &a->c->result;

    switch (e->kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_REFUSAL:
    case EVENT_TOOL_ARGS:
        result->text_bytes += e->text.len;
        if (!a->first_ns && !a->pass)
            a->first_ns = answer_now_ns();
        /* fall through */
    case EVENT_TOOL_BEGIN:
    case EVENT_REDACTED:
        result->events++;
        break;
    case EVENT_USAGE:
        usage_take(a, &e->usage);
        break;
    case EVENT_FINISH:
        if (e->choice == 0) /* local servers say "stop" of calls, too */
            result->finish = e->finish == AIEX_FINISH_STOP && a->machine.n_calls
                                 ? AIEX_FINISH_TOOL_CALLS
                                 : e->finish;
        break;
    case EVENT_END:
        a->complete = 1;
        break;
    default:
        break;
    }
}

static int start(struct answer *a, const struct event *e)
{
    struct aiex_chat_result *result = &a->c->result;
    struct aiex_json_span model = {AIEX_JSON_STRING, NULL, e->name.len + 2};

    if (result->model[0] || !e->name.len)
        return 0;
    model.data = (const char *)e->name.data - 1;
    if (aiex_json_text(&model, result->model, sizeof(result->model)) < 0)
        result->model[0] = 0;
    if (a->pass) /* nobody writes it anew */
        return 0;
    bytes_slice(&a->names, e->name);
    a->model = bytes_all(&a->names);
    return a->names.failed;
}

int answer_forward(struct answer *a, const struct event *e)
{
    struct event close = {.choice = e->choice};
    const char *fault = NULL;
    int verdict = machine_take(&a->machine, e, &fault), r = 0;

    if (verdict < 0)
        return verdict == -EPROTO ? answer_fault(a, verdict, "%s", fault) : verdict;
    if (!(verdict & (int)MACHINE_PASS))
        return 0;
    if (e->kind == EVENT_START && (r = start(a, e)) != 0)
        return r;
    count(a, e);
    if (a->pass || e->choice != 0)
        return 0;
    if (verdict & (int)MACHINE_CLOSE_BLOCK) {
        close.kind = EVENT_BLOCK_END;
        r = answer_tools_take(a, &close);
    } else if (verdict & (int)MACHINE_CLOSE_TOOL) {
        close.kind = EVENT_TOOL_END;
        r = answer_tools_take(a, &close);
    }
    return r ? r : answer_tools_take(a, e);
}

int answer_emit(struct answer *a, const struct event *e)
{
    a->n_emitted++;
    a->last = *e;
    return a->pass || e->choice != 0 ? answer_forward(a, e) : answer_order_take(a, e);
}

int answer_text(struct answer *a, enum event_kind kind, int choice, struct aiex_slice raw)
{
    return raw.len ? answer_emit(a, &(struct event){.kind = kind, .choice = choice, .text = raw})
                   : 0;
}

int answer_simple(struct answer *a, enum event_kind kind)
{
    return answer_emit(a, &(struct event){.kind = kind});
}

int answer_finish(struct answer *a, int choice, int finish)
{
    return answer_emit(a,
                       &(struct event){.kind = EVENT_FINISH, .choice = choice, .finish = finish});
}

int answer_known(struct answer *a, struct aiex_slice data, int *ret)
{
    struct event e;
    int64_t sequence;

    if (!shapes_match(&a->shapes, data, &e, &sequence))
        return 0;
    *ret = e.text.len ? answer_emit(a, &e) : READ_PASS;
    return 1;
}

void answer_learn(struct answer *a, struct aiex_slice data, const struct shape_hole *hole)
{
    struct shape_hole holes[2] = {{.at = a->last.text}};
    int n = 1;

    if (a->n_emitted != 1 || a->last.text.data <= data.data ||
        a->last.text.data >= data.data + data.len)
        return;
    if (hole && hole->at.data)
        holes[n++] = *hole;
    switch (a->last.kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_REFUSAL:
    case EVENT_TOOL_ARGS:
        shapes_learn(&a->shapes, data, &a->last, holes, n, -1);
        break;
    default:
        break;
    }
}

/* To the client's side: kept, and written when it is a stream. */
int answer_deliver(struct answer *a, const struct event *e)
{
    int tool = e->kind == EVENT_TOOL_BEGIN || e->kind == EVENT_TOOL_ARGS ||
               e->kind == EVENT_TOOL_END;
    int r = 0;

    if (a->keep == KEEP_TOOL && e->kind == EVENT_TOOL_BEGIN)
        store_clear(&a->store);
    if (a->keep == KEEP_ALL || (a->keep == KEEP_TOOL && tool))
        r = store_take(&a->store, e);
    if (r == -EMSGSIZE)
        return answer_fault(a, r, "the answer is longer than %u MiB or has more than %u blocks",
                            AIEX_MAX_BODY >> 20, STORE_MAX_BLOCKS);
    return r == 0 && a->c->client_stream ? a->writer->event(a, e) : r;
}
