/*
 * machine.c - which event may follow which.
 *
 * One row a state, one column an event. GO passes the event on, SWITCH first closes the
 * block that is open, SKIP drops what does no harm (anything after the end, a block's end
 * where none is open), REPEAT lets the same finish be said again, FAULT ends the answer
 * with a sentence.
 *
 * Same-dialect streams may say several tool calls side by side, as OpenAI's index allows.
 * With `strict` set (bytes are not passed but written anew) they come one after the other.
 */
#include "machine.h"

#include <errno.h>
#include <stdlib.h>

enum op { FAULT, GO, SWITCH, SKIP, REPEAT };

struct cell {
    uint8_t op, next;
    const char *fault;
};

static const char early[] = "the answer does not begin with its start",
                  twice[] = "the answer starts a second time",
                  late[] = "the answer goes on after its end was announced",
                  no_tool[] = "tool arguments come outside of a tool call",
                  no_call[] = "a tool call ends that is not open",
                  no_block[] = "a block of text ends inside a tool call",
                  unsaid[] = "the stream ended without saying why the answer is over",
                  empty[] = "the stream was empty", broken[] = "the vendor reported an error";

/* clang-format off */
static const struct cell table[N_STATES][N_EVENTS] = {
    [STATE_NEW] = {
        [EVENT_START] = {GO, STATE_IDLE, NULL},
        [EVENT_TEXT] = {FAULT, 0, early},
        [EVENT_REASONING] = {FAULT, 0, early},
        [EVENT_SIGNATURE] = {FAULT, 0, early},
        [EVENT_REDACTED] = {FAULT, 0, early},
        [EVENT_REFUSAL] = {FAULT, 0, early},
        [EVENT_TOOL_BEGIN] = {FAULT, 0, early},
        [EVENT_TOOL_ARGS] = {FAULT, 0, early},
        [EVENT_TOOL_END] = {FAULT, 0, early},
        [EVENT_BLOCK_END] = {FAULT, 0, early},
        [EVENT_USAGE] = {GO, STATE_NEW, NULL},
        [EVENT_FINISH] = {FAULT, 0, early},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, empty},
    },
    [STATE_IDLE] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {GO, STATE_TEXT, NULL},
        [EVENT_REASONING] = {GO, STATE_REASONING, NULL},
        [EVENT_SIGNATURE] = {GO, STATE_REASONING, NULL},
        [EVENT_REDACTED] = {GO, STATE_IDLE, NULL},
        [EVENT_REFUSAL] = {GO, STATE_REFUSAL, NULL},
        [EVENT_TOOL_BEGIN] = {GO, STATE_TOOL, NULL},
        [EVENT_TOOL_ARGS] = {FAULT, 0, no_tool},
        [EVENT_TOOL_END] = {FAULT, 0, no_call},
        [EVENT_BLOCK_END] = {SKIP, STATE_IDLE, NULL},
        [EVENT_USAGE] = {GO, STATE_IDLE, NULL},
        [EVENT_FINISH] = {GO, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, unsaid},
    },
    [STATE_TEXT] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {GO, STATE_TEXT, NULL},
        [EVENT_REASONING] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_SIGNATURE] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_REDACTED] = {SWITCH, STATE_IDLE, NULL},
        [EVENT_REFUSAL] = {SWITCH, STATE_REFUSAL, NULL},
        [EVENT_TOOL_BEGIN] = {SWITCH, STATE_TOOL, NULL},
        [EVENT_TOOL_ARGS] = {FAULT, 0, no_tool},
        [EVENT_TOOL_END] = {FAULT, 0, no_call},
        [EVENT_BLOCK_END] = {GO, STATE_IDLE, NULL},
        [EVENT_USAGE] = {GO, STATE_TEXT, NULL},
        [EVENT_FINISH] = {SWITCH, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, unsaid},
    },
    [STATE_REASONING] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {SWITCH, STATE_TEXT, NULL},
        [EVENT_REASONING] = {GO, STATE_REASONING, NULL},
        [EVENT_SIGNATURE] = {GO, STATE_REASONING, NULL},
        [EVENT_REDACTED] = {SWITCH, STATE_IDLE, NULL},
        [EVENT_REFUSAL] = {SWITCH, STATE_REFUSAL, NULL},
        [EVENT_TOOL_BEGIN] = {SWITCH, STATE_TOOL, NULL},
        [EVENT_TOOL_ARGS] = {FAULT, 0, no_tool},
        [EVENT_TOOL_END] = {FAULT, 0, no_call},
        [EVENT_BLOCK_END] = {GO, STATE_IDLE, NULL},
        [EVENT_USAGE] = {GO, STATE_REASONING, NULL},
        [EVENT_FINISH] = {SWITCH, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, unsaid},
    },
    [STATE_REFUSAL] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {SWITCH, STATE_TEXT, NULL},
        [EVENT_REASONING] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_SIGNATURE] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_REDACTED] = {SWITCH, STATE_IDLE, NULL},
        [EVENT_REFUSAL] = {GO, STATE_REFUSAL, NULL},
        [EVENT_TOOL_BEGIN] = {SWITCH, STATE_TOOL, NULL},
        [EVENT_TOOL_ARGS] = {FAULT, 0, no_tool},
        [EVENT_TOOL_END] = {FAULT, 0, no_call},
        [EVENT_BLOCK_END] = {GO, STATE_IDLE, NULL},
        [EVENT_USAGE] = {GO, STATE_REFUSAL, NULL},
        [EVENT_FINISH] = {SWITCH, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, unsaid},
    },
    [STATE_TOOL] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {SWITCH, STATE_TEXT, NULL},
        [EVENT_REASONING] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_SIGNATURE] = {SWITCH, STATE_REASONING, NULL},
        [EVENT_REDACTED] = {SWITCH, STATE_IDLE, NULL},
        [EVENT_REFUSAL] = {SWITCH, STATE_REFUSAL, NULL},
        [EVENT_TOOL_BEGIN] = {SWITCH, STATE_TOOL, NULL},
        [EVENT_TOOL_ARGS] = {GO, STATE_TOOL, NULL},
        [EVENT_TOOL_END] = {GO, STATE_IDLE, NULL},
        [EVENT_BLOCK_END] = {FAULT, 0, no_block},
        [EVENT_USAGE] = {GO, STATE_TOOL, NULL},
        [EVENT_FINISH] = {SWITCH, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {FAULT, 0, unsaid},
    },
    [STATE_FINISHED] = {
        [EVENT_START] = {FAULT, 0, twice},
        [EVENT_TEXT] = {FAULT, 0, late},
        [EVENT_REASONING] = {FAULT, 0, late},
        [EVENT_SIGNATURE] = {FAULT, 0, late},
        [EVENT_REDACTED] = {FAULT, 0, late},
        [EVENT_REFUSAL] = {FAULT, 0, late},
        [EVENT_TOOL_BEGIN] = {FAULT, 0, late},
        [EVENT_TOOL_ARGS] = {FAULT, 0, late},
        [EVENT_TOOL_END] = {FAULT, 0, late},
        [EVENT_BLOCK_END] = {SKIP, STATE_FINISHED, NULL},
        [EVENT_USAGE] = {GO, STATE_FINISHED, NULL},
        [EVENT_FINISH] = {REPEAT, STATE_FINISHED, NULL},
        [EVENT_ERROR] = {FAULT, 0, broken},
        [EVENT_END] = {GO, STATE_ENDED, NULL},
    },
    [STATE_ENDED] = {
        [EVENT_START] = {SKIP, STATE_ENDED, NULL},
        [EVENT_TEXT] = {SKIP, STATE_ENDED, NULL},
        [EVENT_REASONING] = {SKIP, STATE_ENDED, NULL},
        [EVENT_SIGNATURE] = {SKIP, STATE_ENDED, NULL},
        [EVENT_REDACTED] = {SKIP, STATE_ENDED, NULL},
        [EVENT_REFUSAL] = {SKIP, STATE_ENDED, NULL},
        [EVENT_TOOL_BEGIN] = {SKIP, STATE_ENDED, NULL},
        [EVENT_TOOL_ARGS] = {SKIP, STATE_ENDED, NULL},
        [EVENT_TOOL_END] = {SKIP, STATE_ENDED, NULL},
        [EVENT_BLOCK_END] = {SKIP, STATE_ENDED, NULL},
        [EVENT_USAGE] = {SKIP, STATE_ENDED, NULL},
        [EVENT_FINISH] = {SKIP, STATE_ENDED, NULL},
        [EVENT_ERROR] = {SKIP, STATE_ENDED, NULL},
        [EVENT_END] = {SKIP, STATE_ENDED, NULL},
    },
};
/* clang-format on */

int machine_allows(enum machine_state state, enum event_kind kind)
{
    return table[state][kind].op != FAULT;
}

void machine_done(struct machine *m)
{
    free(m->calls);
    *m = (struct machine){.strict = m->strict};
}

uint64_t machine_hash(struct aiex_slice id)
{
    uint64_t h = 1469598103934665603u;

    for (size_t i = 0; i < id.len; i++)
        h = (h ^ id.data[i]) * 1099511628211u;
    return h;
}

/* ---- Tool calls ---- */

struct machine_call *machine_call(const struct machine *m, int choice, int64_t tool)
{
    for (size_t i = m->n_calls; i-- > 0;)
        if (m->calls[i].tool == tool && m->calls[i].choice == choice)
            return &m->calls[i];
    return NULL;
}

int64_t machine_n_calls(const struct machine *m, int choice)
{
    int64_t n = 0;

    for (size_t i = 0; i < m->n_calls; i++)
        n += m->calls[i].choice == choice;
    return n;
}

static int refuse(const char **ret_fault, const char *why)
{
    *ret_fault = why;
    return -EPROTO;
}

static int is_cut(const struct machine_call *call)
{
    return !call->custom && !flow_empty(&call->flow) && !flow_whole(&call->flow);
}

static int begin_call(struct machine *m, const struct event *e, const char **ret_fault)
{
    struct machine_call *grown;

    if (machine_call(m, e->choice, e->tool))
        return refuse(ret_fault, "a tool call begins a second time");
    if (m->n_calls == MACHINE_MAX_CALLS)
        return refuse(ret_fault, "the answer has more than 1024 tool calls");
    if (m->n_calls == m->cap_calls) {
        size_t cap = m->cap_calls ? m->cap_calls * 2 : 4;

        grown = realloc(m->calls, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        m->calls = grown;
        m->cap_calls = cap;
    }
    m->calls[m->n_calls++] = (struct machine_call){
        .choice = e->choice, .custom = e->custom, .tool = e->tool, .id = machine_hash(e->id)};
    return 0;
}

static int take_args(struct machine *m, const struct event *e, const char **ret_fault)
{
    struct machine_call *call = machine_call(m, e->choice, e->tool);

    if (!call)
        return refuse(ret_fault, "tool arguments come for a call that did not begin");
    if (call->ended)
        return refuse(ret_fault, "tool arguments come after the end of their call");
    if (m->strict && call != &m->calls[m->n_calls - 1])
        return refuse(ret_fault, "tool arguments come for a call before the last one");
    if (!call->custom && flow_feed(&call->flow, e->text) != 0)
        return refuse(ret_fault, "tool arguments are not JSON");
    return 0;
}

static int end_call(struct machine *m, const struct event *e, const char **ret_fault)
{
    struct machine_call *call = machine_call(m, e->choice, e->tool);

    if (!call || call->ended)
        return refuse(ret_fault, no_call);
    call->ended = 1;
    m->closed = (size_t)(call - m->calls);
    m->cut |= is_cut(call);
    return 0;
}

/* Whether an answer that ended so may have stopped inside of a tool call. */
static int may_cut(int finish)
{
    return finish == AIEX_FINISH_LENGTH || finish == AIEX_FINISH_CONTENT_FILTER ||
           finish == AIEX_FINISH_REFUSAL;
}

static int finish(struct machine *m, const struct event *e, const char **ret_fault)
{
    for (size_t i = 0; i < m->n_calls; i++) {
        struct machine_call *call = &m->calls[i];

        if (call->choice == e->choice && is_cut(call) && !may_cut(e->finish))
            return refuse(ret_fault, "tool arguments end before they are whole JSON");
    }
    m->finish[e->choice] = (uint8_t)e->finish;
    return 0;
}

static int look_at(struct machine *m, const struct event *e, const char **ret_fault)
{
    switch (e->kind) {
    case EVENT_TOOL_BEGIN:
        return begin_call(m, e, ret_fault);
    case EVENT_TOOL_ARGS:
        return take_args(m, e, ret_fault);
    case EVENT_TOOL_END:
        return end_call(m, e, ret_fault);
    case EVENT_FINISH:
        return finish(m, e, ret_fault);
    default:
        return 0;
    }
}

/* ---- States ---- */

/* Every choice that began must have finished; what none of them began is empty. */
static int end_all(struct machine *m, const char **ret_fault)
{
    int finished = 0;

    for (int i = 0; i < m->n_choices; i++) {
        if (m->state[i] == STATE_ENDED)
            return 0;
        finished += m->state[i] == STATE_FINISHED;
        if (m->state[i] != STATE_FINISHED && m->state[i] != STATE_NEW)
            return refuse(ret_fault, unsaid);
    }
    if (!finished ||
        (m->strict && m->state[0] != STATE_FINISHED)) /* only choice 0 is written anew */
        return refuse(ret_fault, empty);
    for (int i = 0; i < m->n_choices; i++)
        m->state[i] = STATE_ENDED;
    return (int)MACHINE_PASS;
}

/* Side by side with another block, where the dialect allows it. */
static int beside(const struct machine *m, const struct event *e)
{
    uint8_t state = m->state[e->choice];
    struct machine_call *call;

    if (m->strict || state >= STATE_FINISHED)
        return 0;
    if (e->kind == EVENT_BLOCK_END)
        return state == STATE_TOOL;
    if (e->kind != EVENT_TOOL_ARGS && e->kind != EVENT_TOOL_END)
        return 0;
    call = machine_call(m, e->choice, e->tool);
    return call && !call->ended && (state != STATE_TOOL || call != &m->calls[m->n_calls - 1]);
}

/* Closes what is open before another block begins. */
static int close_open(struct machine *m, const struct event *e, const char **ret_fault)
{
    struct machine_call *call = m->n_calls ? &m->calls[m->n_calls - 1] : NULL;

    if (m->state[e->choice] != STATE_TOOL)
        return (int)MACHINE_CLOSE_BLOCK;
    if (m->strict && call) {
        call->ended = 1;
        m->closed = m->n_calls - 1;
        m->cut |= is_cut(call);
        if (m->cut && e->kind != EVENT_FINISH)
            return refuse(ret_fault, "tool arguments end before they are whole JSON");
    }
    return (int)MACHINE_CLOSE_TOOL;
}

int machine_take(struct machine *m, const struct event *e, const char **ret_fault)
{
    const struct cell *cell = &table[m->state[e->choice]][e->kind];
    int r, close = 0;

    if (e->choice >= m->n_choices)
        m->n_choices = e->choice + 1;
    if (e->kind == EVENT_END)
        return end_all(m, ret_fault);
    if (beside(m, e))
        return (r = look_at(m, e, ret_fault)) ? r : (int)MACHINE_PASS;
    switch (cell->op) {
    case FAULT:
        return refuse(ret_fault, cell->fault);
    case SKIP:
        return 0;
    case REPEAT:
        return e->finish == m->finish[e->choice] ? 0 : refuse(ret_fault, late);
    case SWITCH:
        close = close_open(m, e, ret_fault);
        break;
    default:
        if (m->strict && m->cut && e->kind != EVENT_FINISH && e->kind != EVENT_USAGE)
            close = refuse(ret_fault, "tool arguments end before they are whole JSON");
        break;
    }
    if (close < 0 || (r = look_at(m, e, ret_fault)) != 0)
        return close < 0 ? close : r;
    m->state[e->choice] = cell->next;
    return close | (int)MACHINE_PASS;
}
