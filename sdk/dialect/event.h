/*
 * event.h - canonical events: what an answer says, in no vendor's words.
 *
 * A reader turns a vendor's bytes into these, the machine checks their order, a writer
 * turns them into the client's bytes. There is no event for the begin of a block of text:
 * the first delta opens it, a delta of another kind or EVENT_BLOCK_END closes it.
 *
 * All slices are JSON string content as the vendor escaped it (bytes between the quotes);
 * they go from dialect to dialect without being unescaped, and die when the call returns.
 */
#ifndef DIALECT_EVENT_H
#define DIALECT_EVENT_H

#include "aiex_chat.h"

enum event_kind {
    EVENT_START,      /* id, name = model */
    EVENT_TEXT,       /* text */
    EVENT_REASONING,  /* text */
    EVENT_SIGNATURE,  /* text: the vendor's proof of the reasoning block that is open */
    EVENT_REDACTED,   /* text: a whole block of reasoning that only the vendor can read */
    EVENT_REFUSAL,    /* text */
    EVENT_TOOL_BEGIN, /* tool, id, name, space, custom */
    EVENT_TOOL_ARGS,  /* tool, text, custom */
    EVENT_TOOL_END,   /* tool */
    EVENT_BLOCK_END,
    EVENT_USAGE, /* usage, cumulative; -1 = not said this time */
    EVENT_FINISH,
    EVENT_ERROR,
    EVENT_END,
    N_EVENTS
};

struct event {
    enum event_kind kind;
    int choice;             /* 0 but for answers with n > 1 */
    int custom;             /* of a tool: its input is free text, not JSON */
    int cut;                /* EVENT_TOOL_END: its arguments are not whole */
    int finish;             /* AIEX_FINISH_* */
    int64_t tool;           /* which call, as the vendor counts */
    int64_t block;          /* a reader's own: in which block or item it came */
    struct aiex_slice text; /* a delta */
    struct aiex_slice id, name, space;
    struct aiex_usage usage;
};

#define NO_USAGE ((struct aiex_usage){-1, -1, -1, -1, -1})

#endif
