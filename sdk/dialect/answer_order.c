/*
 * answer_order.c - calls that a vendor says side by side, one after the other.
 *
 * Some servers send the fragments of several tool calls in turn, as OpenAI's `index` allows; where
 * an answer is written anew each call is a block of its own. While one is open whose arguments
 * are not a whole object, those that begin behind it wait here, at most AIEX_CHAT_MAX_EVENT
 * bytes of them, and follow when it is whole, or when something else does. A call without
 * arguments may yet get some, so that it, too, is waited for.
 */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>

void answer_order_done(struct answer *a)
{
    struct order *o = &a->order;

    for (size_t i = 0; i < o->n; i++) {
        bytes_done(&o->calls[i].names);
        bytes_done(&o->calls[i].args);
    }
    free(o->calls);
    *o = (struct order){0};
}

/* ---- What readers ask ---- */

static struct late_call *late_call(const struct answer *a, int64_t tool)
{
    for (size_t i = 0; i < a->order.n; i++)
        if (a->order.calls[i].call.tool == tool)
            return &a->order.calls[i];
    return NULL;
}

const struct machine_call *answer_call(const struct answer *a, int choice, int64_t tool)
{
    const struct late_call *late = choice == 0 ? late_call(a, tool) : NULL;

    return late ? &late->call : machine_call(&a->machine, choice, tool);
}

int64_t answer_n_calls(const struct answer *a, int choice)
{
    return machine_n_calls(&a->machine, choice) + (choice == 0 ? (int64_t)a->order.n : 0);
}

/* ---- The call that is open ---- */

static const struct machine_call *open_call(const struct answer *a)
{
    const struct machine *m = &a->machine;

    for (size_t i = m->n_calls; i-- > 0;)
        if (m->calls[i].choice == 0)
            return m->state[0] == STATE_TOOL && !m->calls[i].ended ? &m->calls[i] : NULL;
    return NULL;
}

/* More of it may come. */
static int unfinished(const struct answer *a)
{
    const struct machine_call *call = open_call(a);

    return call && (call->custom || call->flow.top != '{' || !flow_whole(&call->flow));
}

/* More of it must come. */
static int half_said(const struct answer *a)
{
    const struct machine_call *call = open_call(a);

    return call && !call->custom && !flow_empty(&call->flow) && !flow_whole(&call->flow);
}

/* ---- Those that wait ---- */

static void drop_first(struct order *o)
{
    o->bytes -= o->calls[0].names.len + o->calls[0].args.len;
    bytes_done(&o->calls[0].names);
    bytes_done(&o->calls[0].args);
    memmove(o->calls, o->calls + 1, --o->n * sizeof(o->calls[0]));
}

static int emit_first(struct answer *a)
{
    const struct late_call *late = &a->order.calls[0];
    const uint8_t *names = late->names.data;
    struct event e = {.kind = EVENT_TOOL_BEGIN,
                      .tool = late->call.tool,
                      .custom = late->call.custom,
                      .id = {names, late->n_id},
                      .name = {names + late->n_id, late->n_name},
                      .space = {names + late->n_id + late->n_name, late->n_space}};
    int r = answer_forward(a, &e);

    e = (struct event){.kind = EVENT_TOOL_ARGS,
                       .tool = late->call.tool,
                       .custom = late->call.custom,
                       .text = bytes_all(&late->args)};
    if (r == 0 && e.text.len)
        r = answer_forward(a, &e);
    e = (struct event){.kind = EVENT_TOOL_END, .tool = late->call.tool};
    if (r == 0 && late->call.ended)
        r = answer_forward(a, &e);
    drop_first(&a->order);
    return r;
}

/* Those that need not wait any longer. */
static int release(struct answer *a)
{
    int r = 0;

    while (r == 0 && a->order.n && !unfinished(a))
        r = emit_first(a);
    return r;
}

/* All. Behind a call that was cut by the end of the answer nothing can be said. */
static int flush(struct answer *a, int cut)
{
    int r = 0;

    while (r == 0 && a->order.n) {
        if (cut && half_said(a))
            drop_first(&a->order);
        else
            r = emit_first(a);
    }
    return r;
}

/* 1 = there is room for more, 0 = nothing waits any longer; else the answer is over. */
static int make_room(struct answer *a, size_t more)
{
    int r;

    if (more <= AIEX_CHAT_MAX_EVENT - a->order.bytes)
        return 1;
    if (half_said(a))
        return answer_fault(a, -EMSGSIZE,
                            "tool calls that come side by side are longer than %u MiB",
                            AIEX_CHAT_MAX_EVENT >> 20);
    r = flush(a, 0);
    return r < 0 ? r : 0;
}

static struct late_call *add(struct order *o)
{
    if (o->n == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 4;
        struct late_call *grown = realloc(o->calls, cap * sizeof(*grown));

        if (!grown)
            return NULL;
        o->calls = grown;
        o->cap = cap;
    }
    o->calls[o->n] = (struct late_call){.names.max = AIEX_CHAT_MAX_EVENT,
                                        .args.max = AIEX_CHAT_MAX_EVENT};
    return &o->calls[o->n++];
}

static int wait_with(struct answer *a, const struct event *e)
{
    int r = make_room(a, e->id.len + e->name.len + e->space.len);
    struct late_call *late;

    if (r <= 0)
        return r < 0 ? r : answer_forward(a, e);
    if (answer_n_calls(a, 0) >= MACHINE_MAX_CALLS)
        return answer_fault(a, -EPROTO, "the answer has more than %d tool calls",
                            MACHINE_MAX_CALLS);
    late = add(&a->order);
    if (!late)
        return -ENOMEM;
    late->call = (struct machine_call){
        .custom = e->custom, .tool = e->tool, .id = machine_hash(e->id)};
    late->n_id = e->id.len;
    late->n_name = e->name.len;
    late->n_space = e->space.len;
    bytes_slice(&late->names, e->id);
    bytes_slice(&late->names, e->name);
    bytes_slice(&late->names, e->space);
    a->order.bytes += late->names.len;
    return late->names.failed;
}

static int add_args(struct answer *a, struct late_call *late, const struct event *e)
{
    int r = make_room(a, e->text.len);

    if (r <= 0)
        return r < 0 ? r : answer_forward(a, e);
    bytes_slice(&late->args, e->text);
    if (!late->args.failed)
        a->order.bytes += e->text.len;
    return late->args.failed;
}

/* ---- The door ---- */

static int may_cut(const struct event *e)
{
    return e->kind == EVENT_FINISH &&
           (e->finish == AIEX_FINISH_LENGTH || e->finish == AIEX_FINISH_CONTENT_FILTER ||
            e->finish == AIEX_FINISH_REFUSAL);
}

int answer_order_take(struct answer *a, const struct event *e)
{
    struct late_call *late = NULL;
    int r;

    if (e->kind == EVENT_TOOL_BEGIN && (a->order.n || unfinished(a)))
        return wait_with(a, e);
    if (!a->order.n || e->kind == EVENT_START || e->kind == EVENT_USAGE || e->kind == EVENT_END)
        return answer_forward(a, e);
    if (e->kind != EVENT_TOOL_ARGS && e->kind != EVENT_TOOL_END) {
        r = flush(a, may_cut(e));
        return r ? r : answer_forward(a, e);
    }
    late = late_call(a, e->tool);
    if (late && e->kind == EVENT_TOOL_ARGS)
        return add_args(a, late, e);
    if (late) {
        late->call.ended = 1;
        return 0;
    }
    r = answer_forward(a, e);
    return r ? r : release(a);
}
