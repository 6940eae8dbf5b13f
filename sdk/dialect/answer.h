/*
 * answer.h - the way of an answer through the library.
 *
 *     vendor's bytes -> framing (SSE, lines, one document)      answer_frame.c
 *                    -> answer_reader: canonical events         answer_DIALECT_read.c
 *                    -> calls one after the other               answer_order.c
 *                    -> machine: refused or in order            machine.c
 *                    -> tools as the client knows them          answer_tools.c
 *                       text for the middle without its fence   answer_fill.c
 *                    -> store, answer_writer: client's bytes    answer_DIALECT_write.c
 *                    -> sink
 *
 * Where bytes may pass as they are (`pass`), readers and machine see them all the same, and
 * then the vendor's bytes go to the sink instead of a writer's. Everything between the two
 * ends works on struct answer; answer_emit() is the only door from readers to the rest.
 */
#ifndef DIALECT_ANSWER_H
#define DIALECT_ANSWER_H

#include "bytes.h"
#include "chat.h"
#include "machine.h"
#include "ndjson.h"
#include "shape.h"
#include "store.h"

#include <aiex_sse.h>

/* ---- Sides ---- */

/* What became of one event or line: passed on unchanged, or not at all. */
#define READ_PASS 0
#define READ_DROP 1

struct answer_reader {
    /* One event or line. READ_PASS, READ_DROP, or a negative errno (answer_fault() was called). */
    int (*event)(struct answer *a, struct aiex_slice name, struct aiex_slice data);
    /* A whole unstreamed answer. 0 or as above. */
    int (*whole)(struct answer *a, struct aiex_slice doc);
    const char *end; /* how the end is said, for sentences: "data: [DONE]" */
    int lines;       /* NDJSON, else SSE */
};

struct answer_writer {
    int (*event)(struct answer *a, const struct event *e); /* one canonical event of a stream */
    int (*whole)(struct answer *a);                        /* a.store as one document */
    int keep; /* what of a stream the writer wants in a.store */
};
#define KEEP_NOTHING 0
#define KEEP_TOOL    1 /* the tool call that is open */
#define KEEP_ALL     2

extern const struct answer_reader answer_openai_chat_reader, answer_responses_reader,
    answer_anthropic_reader, answer_ollama_reader, answer_completions_reader,
    answer_embeddings_reader;
extern const struct answer_writer answer_openai_chat_writer, answer_responses_writer,
    answer_anthropic_writer, answer_ollama_writer, answer_completions_writer,
    answer_embeddings_writer;

/* ---- State ---- */

/* Of a reader; each uses what it needs. */
struct read_state {
    int64_t sequence;   /* responses: the last number */
    int64_t open, next; /* anthropic, responses: index of the open block, of the next one */
    int open_kind;      /* what the open block is: an enum of the reader */
    int64_t tools;      /* calls so far, where the vendor does not count them */
    struct bytes items; /* responses: struct of the reader, one for each output item */
};

/* Of a writer, likewise. */
struct write_state {
    struct bytes head; /* what begins every chunk */
    int open;          /* an enum of the writer: what block is open, 0 = none */
    int64_t index;     /* of that block */
    int64_t sequence;
    int64_t tools; /* calls written */
    int begun;
    int part;      /* responses: the part of the open item was announced */
    uint64_t item; /* number of the made-up id of the open item */
};

/* answer_fill.c; zeroed = nothing came. */
struct fill {
    struct bytes held;
    int begun;      /* it is known how the answer begins */
    unsigned ticks; /* of the fence around it, 0 = none */
    int fresh;      /* nothing was handed out since the fence */
};

/* A call that waits for the one before it. */
struct late_call {
    struct machine_call call;
    struct bytes names; /* id, name and space, one behind the other */
    size_t n_id, n_name, n_space;
    struct bytes args;
};

/* answer_order.c; zeroed = nothing waits. */
struct order {
    struct late_call *calls;
    size_t n, cap;
    size_t bytes; /* of names and args */
};

struct answer {
    struct aiex_chat *c;
    const struct answer_reader *reader;
    const struct answer_writer *writer;
    int pass;     /* bytes go through */
    int keep;     /* KEEP_*: of what is written anew */
    int error;    /* what ended it: every later call returns it */
    int begun;    /* something came */
    int complete; /* the vendor said the end */
    int closed;
    struct aiex_sse sse;
    struct ndjson lines;
    struct bytes doc; /* an unstreamed answer so far */
    struct shapes shapes;
    struct order order;
    struct fill fill;
    struct machine machine;
    struct store store;
    struct bytes out;        /* for the sink */
    size_t good;             /* bytes of it that whole events gave */
    struct aiex_slice batch; /* events of this feed that lie side by side where they came */
    struct bytes scratch;    /* one event's own needs */
    struct bytes name;       /* a tool's names, escaped again */
    struct aiex_usage said;  /* by the vendor */
    int said_nonsense;
    /* tools */
    int custom;         /* the open call is a function that stands for free text */
    int as_text;        /* the open call is the answer itself (chat.json_tool) */
    struct bytes args;  /* of a custom call */
    int n_client_tools; /* that the client was told */
    int finish;
    int refused; /* a refusal was said in text */
    uint64_t begun_ns, first_ns;
    struct aiex_slice model; /* raw; in names */
    struct bytes names;
    struct bytes prompt; /* completions with "echo": what the answer begins with; raw */
    int n_emitted;       /* events since a reader set it to 0, and the last one */
    struct event last;
    struct read_state r;
    struct write_state w;
};

/* Keeps the prompt of a body that asks for its echo, for answers that are written anew. */
int answer_keep_prompt(struct answer *a, struct aiex_slice body);

/* ---- For readers ---- */

/* Ends the answer. Always `error`, a negative errno, so that it can be returned. */
__attribute__((format(printf, 3, 4))) int answer_fault(struct answer *a, int error, const char *fmt,
                                                       ...);
/* The vendor reported an error: `doc` holds it. -EPROTO. */
int answer_vendor_error(struct answer *a, struct aiex_slice doc);
/* The event goes its way. 0 or a negative errno. */
int answer_emit(struct answer *a, const struct event *e);
/* The call that a vendor counts as `tool`, or NULL; how many a choice has. */
const struct machine_call *answer_call(const struct answer *a, int choice, int64_t tool);
int64_t answer_n_calls(const struct answer *a, int choice);
/* Short forms; empty texts are no events. */
int answer_text(struct answer *a, enum event_kind kind, int choice, struct aiex_slice raw);
int answer_simple(struct answer *a, enum event_kind kind);
int answer_finish(struct answer *a, int choice, int finish);
/* An event with the shape of an earlier one: 1 and *ret what became of it (an errno or READ_PASS).
 */
int answer_known(struct answer *a, struct aiex_slice data, int *ret);
/* Learns the shape of an event that was nothing but one delta. `hole` is another value that
 * changes from event to event, or NULL. */
void answer_learn(struct answer *a, struct aiex_slice data, const struct shape_hole *hole);

/* ---- Between ---- */

/* answer_order.c: calls that come side by side wait for each other, then answer_forward(). */
int answer_order_take(struct answer *a, const struct event *e);
void answer_order_done(struct answer *a);
/* answer.c: through the machine, and on. */
int answer_forward(struct answer *a, const struct event *e);
/* answer_tools.c: tools as the client knows them, then answer_deliver(). */
int answer_tools_take(struct answer *a, const struct event *e);
/* answer_fill.c: text of an answer that is put between others (chat.fill); before its finish. */
int answer_fill_take(struct answer *a, struct aiex_slice text);
int answer_fill_end(struct answer *a);
/* answer.c: kept in a.store as far as needed, and written when the client has a stream. */
int answer_deliver(struct answer *a, const struct event *e);

/* ---- For writers ---- */

/* answer_id.c: "chatcmpl-" and 24 characters, the same for the same number. */
void answer_put_id(struct answer *a, struct bytes *b, const char *prefix, uint64_t number);
/* Clock that only goes forward. */
uint64_t answer_now_ns(void);
/* Raw: the vendor's name of the model, or the client's. */
void answer_put_model(struct answer *a, struct bytes *b);
/* Finished usage: never -1 in input and output. */
struct aiex_usage answer_usage(const struct answer *a);

/* ---- usage.c ---- */

/* Takes what is said, keeps what was said before; nonsense is noted and dropped. */
void usage_take(struct answer *a, const struct aiex_usage *u);
/* What holds now: said, or estimated; all -1 when nothing was produced and nothing said. */
struct aiex_usage usage_now(const struct answer *a, int *ret_estimated);

#endif
