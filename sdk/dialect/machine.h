/*
 * machine.h - the one state machine that every answer runs through.
 *
 * States and events are a table (machine.c); beside it stands what each tool call has said
 * so far. The machine decides, it does nothing: its verdict says what to close and whether
 * the event goes on.
 */
#ifndef DIALECT_MACHINE_H
#define DIALECT_MACHINE_H

#include "event.h"
#include "flow.h"

#define MACHINE_MAX_CHOICES 128 /* OpenAI's own limit of `n` */
#define MACHINE_MAX_CALLS   1024

enum machine_state {
    STATE_NEW,
    STATE_IDLE, /* begun, no block is open */
    STATE_TEXT,
    STATE_REASONING,
    STATE_REFUSAL,
    STATE_TOOL,
    STATE_FINISHED,
    STATE_ENDED,
    N_STATES
};

struct machine_call {
    int choice, custom, ended;
    int64_t tool;
    uint64_t id; /* a hash, to know a repeated begin from a second one */
    struct flow flow;
};

/* Zeroed = new. machine_done() frees. */
struct machine {
    int strict;    /* one block after the other, for dialects that must say it so */
    int n_choices; /* that have begun; at least 1 */
    int cut;       /* a tool call was closed before its arguments were whole */
    uint8_t state[MACHINE_MAX_CHOICES], finish[MACHINE_MAX_CHOICES];
    struct machine_call *calls;
    size_t n_calls, cap_calls;
    size_t closed; /* which call was closed last */
};

/* A verdict: what to do with an event that is good. */
#define MACHINE_PASS        1u /* it goes on */
#define MACHINE_CLOSE_BLOCK 2u /* EVENT_BLOCK_END goes before it */
#define MACHINE_CLOSE_TOOL  4u /* EVENT_TOOL_END of the last call goes before it */

void machine_done(struct machine *m);
/* A verdict; or -EPROTO and a sentence, or -ENOMEM. */
int machine_take(struct machine *m, const struct event *e, const char **ret_fault);
/* The call that a vendor counts as `tool`, or NULL. */
struct machine_call *machine_call(const struct machine *m, int choice, int64_t tool);
/* How many calls a choice has. */
int64_t machine_n_calls(const struct machine *m, int choice);
uint64_t machine_hash(struct aiex_slice id);
/* What the table says, for tests: 1 = allowed, 0 = a fault. */
int machine_allows(enum machine_state state, enum event_kind kind);

#endif
