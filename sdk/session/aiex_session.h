/*
 * aiex_session.h - a chat that belongs to a session: who may, what was said before, what was said.
 *
 * For interfaces. A turn is one request of a client and its answer, in whatever chat dialect the
 * client speaks. It is bound to a session of the service `sessions` (sdk/kinds/service.md) before a
 * model is asked, and recorded there when it ended, whole: also of a stream, with tool calls, and
 * also when it was cut.
 *
 *     aiex_turn_begin(turns, &setting, begun, arg, &turn)   is it his? what was said before?
 *         begun(arg, ...)                                   ask the model
 *     aiex_turn_part(turn, part)                            what the client gets, as it passes
 *     aiex_turn_end(turn, &end, done, arg)                  recorded behind the client's back
 *
 * What the client said goes to the session when the turn begins, without anybody waiting for it; so
 * a process that dies leaves a turn that is seen to have no end. The answer follows when it ends.
 * If the first did not arrive, the second brings it along. Nothing here delays an answer or ends
 * one: what could not be recorded is told to done() and counted.
 *
 * What is recorded of a request: its messages behind the last answer in it, for clients send what
 * was said before with every request; into a session without messages all of them. Not the system's
 * messages: they belong to the client. A text is a text, everything else (tools, images) the
 * message as JSON in OpenAI's form. A message above AIEX_TURN_MESSAGE is recorded as a note of its
 * size, an answer above that is cut.
 *
 * Static library aiex_sdk_session (alias aiex::session). Threads: the loop thread; nothing blocks.
 * Memory: host->alloc(), AIEX_TURNS_BYTES for all turns; beyond it turns are not recorded.
 */
#ifndef AIEX_SESSION_H
#define AIEX_SESSION_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_TURN_MESSAGE (480u << 10) /* bytes of one message */
#define AIEX_TURN_SAID    (3u << 20)   /* bytes of all that a client said at once */
#define AIEX_TURN_PAST    (8u << 20)   /* most that `history_bytes` may be */
#define AIEX_TURNS_BYTES  (64u << 20)
#define AIEX_SESSION_ID   24u

/* The turns of one instance. */
struct aiex_turns;

/* `service` is copied. NULL: no memory. */
struct aiex_turns *aiex_turns_new(const struct aiex_host *host, const char *service);
/* Nobody is called back; what was sent may be recorded. NULL is fine. */
void aiex_turns_free(struct aiex_turns *all);
/* fn is called when the last turn is over, from inside any function of this library: it may only
 * note it, or ask for a turn of the loop. */
void aiex_turns_on_idle(struct aiex_turns *all, void (*fn)(void *arg), void *arg);

struct aiex_turns_numbers {
    uint64_t recorded, failed; /* turns that ended */
    uint32_t open;
    size_t bytes;
};
void aiex_turns_numbers(const struct aiex_turns *all, struct aiex_turns_numbers *ret);

struct aiex_turn;

/* Everything is copied but `body`, which must live until begun() is called. */
struct aiex_turn_setting {
    int dialect;                 /* of request and answer: one of the four chat dialects */
    int stream;                  /* the answer comes as a stream */
    int by_title;                /* `session` may be a title, too */
    int history;                 /* what was said before is wanted */
    size_t history_bytes;        /* the newest turns that fit */
    struct aiex_slice body;      /* the request */
    struct aiex_slice session;   /* an id, or "new": one is made */
    struct aiex_slice title;     /* of a new one */
    struct aiex_slice principal; /* map of gateway.check; empty = an operator */
    uint64_t trace;              /* of the request: names the turn */
};

struct aiex_turn_begun {
    const char *code, *text; /* AIEX_E_*: the request is to be refused so. NULL = go on */
    const char *session;     /* its id; "" = the turn is not recorded, trouble says why */
    const char *trouble;
    /* What was said before, oldest first: members of an array in the request's dialect, without
     * brackets. Empty = nothing. */
    struct aiex_slice history;
};
typedef void (*aiex_turn_begun_fn)(void *arg, const struct aiex_turn_begun *begun);

/* fn is called once, perhaps before this returns. With `code`, or without a session, the turn is
 * over and gone when fn returns. 0, or -EINVAL (no chat dialect), -ENOMEM: then fn is not called.
 */
int aiex_turn_begin(struct aiex_turns *all, const struct aiex_turn_setting *setting,
                    aiex_turn_begun_fn fn, void *arg, struct aiex_turn **ret_turn);
const char *aiex_turn_session(const struct aiex_turn *t); /* "" before begun() */
/* Bytes of the answer as the client gets them, cut anywhere. */
void aiex_turn_part(struct aiex_turn *t, struct aiex_slice part);

struct aiex_turn_end {
    const char *outcome;   /* NULL = good; "failed", "cut", "cancelled" */
    struct aiex_slice end; /* of the call: model, provider, tokens, as far as it says */
};
/* `trouble`: NULL = recorded, else a sentence. */
typedef void (*aiex_turn_done_fn)(void *arg, const char *trouble);
/* The turn is the library's now. fn (may be NULL) is called once, perhaps before this returns. */
void aiex_turn_end(struct aiex_turn *t, const struct aiex_turn_end *end, aiex_turn_done_fn fn,
                   void *arg);
/* The client went away: ended as cancelled, or, before begun(), as if it had never been. NULL is
 * fine. */
void aiex_turn_drop(struct aiex_turn *t);
/* done() is not called any more. */
void aiex_turn_forget(struct aiex_turn *t);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_SESSION_H */
