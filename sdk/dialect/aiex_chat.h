/*
 * aiex_chat.h - one model request between two wire dialects, and its answer back.
 *
 * A client speaks one dialect, a vendor another. A chat is made from the client's JSON
 * request; it gives the request as the vendor wants it, is fed the vendor's answer as it
 * comes from the network, and hands out the client's answer. Where both sides speak the same
 * dialect, bytes go through as they are, except for what policy must change (model, stream,
 * the request for usage), and are checked on the way. Otherwise the request is taken apart
 * into a canonical form and every answer into canonical events; docs/dialects.md has the
 * tables of what becomes what.
 *
 * Every answer, same dialect or not, runs through one state machine of canonical events. It
 * refuses what would reach a client as a wrong answer: doubled starts or ends, text after
 * the end, deltas of a block that is not open, tool arguments that are not whole JSON, an
 * event that is not JSON, a stream that just ends. After a refusal nothing more is handed
 * out and the answer never ends cleanly: the caller reports `fault` as an error.
 *
 *     aiex_chat_new(&setup, body, &chat, &err)        -EINVAL: the client's mistake, in err
 *     aiex_chat_request(chat)                         POST this
 *     aiex_chat_feed(chat, bytes, sink, arg)          as often as bytes come
 *     aiex_chat_close(chat, sink, arg)                the vendor ended its answer properly
 *     aiex_chat_result(chat)                          usage, finish, what went wrong
 *     aiex_chat_free(chat)
 *
 * Sources: OpenAI API reference (chat completions, responses, completions, embeddings),
 * Anthropic API reference (messages, streaming), Ollama docs/api.md.
 *
 * Static library aiex_sdk_dialect (alias aiex::dialect). Thread rule: one chat, one thread at
 * a time; no globals. Memory: a chat holds what one event needs, at most 4 x
 * AIEX_CHAT_MAX_EVENT, and what an unstreamed answer needs, at most AIEX_MAX_BODY.
 */
#ifndef AIEX_CHAT_H
#define AIEX_CHAT_H

#include <aiex/aiex_plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AIEX_CHAT_MAX_EVENT (1024u * 1024u) /* bytes of one event or line of a stream */

/* ---- Dialects ---- */

#define AIEX_DIALECT_NONE 0
#define AIEX_OPENAI_CHAT 1        /* "openai.chat"         POST /v1/chat/completions, SSE */
#define AIEX_OPENAI_RESPONSES 2   /* "openai.responses"    POST /v1/responses, SSE with names */
#define AIEX_ANTHROPIC_MESSAGES 3 /* "anthropic.messages"  POST /v1/messages, SSE with names */
#define AIEX_OLLAMA_CHAT 4        /* "ollama.chat"         POST /api/chat, NDJSON */
#define AIEX_OPENAI_COMPLETIONS 5 /* "openai.completions"  POST /v1/completions, SSE */
#define AIEX_OLLAMA_GENERATE 6    /* "ollama.generate"     POST /api/generate, NDJSON */
#define AIEX_OPENAI_EMBEDDINGS 7  /* "openai.embeddings"   POST /v1/embeddings, no stream */
#define AIEX_OLLAMA_EMBED 8       /* "ollama.embed"        POST /api/embed, no stream */
#define AIEX_N_DIALECTS 9

/* What a dialect is for. A request goes from one dialect to another of the same operation;
 * completions also go to chat, where a suffix is emulated: the model is asked for what is missing. */
#define AIEX_OP_CHAT 1     /* the four chat dialects */
#define AIEX_OP_COMPLETE 2 /* completions, generate: a prompt, perhaps with a suffix (FIM) */
#define AIEX_OP_EMBED 3

/* The number of a name, AIEX_DIALECT_NONE for an unknown one; and back ("" for none). */
int aiex_dialect_of(struct aiex_slice name);
const char *aiex_dialect_name(int dialect);
int aiex_dialect_op(int dialect); /* AIEX_OP_*, 0 for none */
/* Content type of a streamed answer: "text/event-stream" or "application/x-ndjson". */
const char *aiex_dialect_stream_type(int dialect);
/* Whether a request of dialect `from` can be sent to a vendor that speaks `to`. */
int aiex_dialect_bridges(int from, int to);

/* ---- A chat ---- */

/* How the vendor differs from the letter of its dialect. */
#define AIEX_CHAT_NO_DONE 1u      /* openai.*: a stream may end with finish_reason and no [DONE] */
#define AIEX_CHAT_NO_USAGE_ASK 2u /* do not put stream_options.include_usage into requests */
#define AIEX_CHAT_NO_SUFFIX 4u    /* a suffix (FIM) is refused, not emulated either */

struct aiex_chat_setup {
    uint32_t struct_size;
    uint32_t flags;           /* AIEX_CHAT_* */
    int client, vendor;       /* dialects; aiex_dialect_bridges() holds */
    int stream;               /* the client gets a stream: 0, 1, or -1 = as the body says */
    struct aiex_slice model;  /* for the vendor; wins over the body's */
    int64_t default_max_tokens; /* for dialects that demand a limit (anthropic) when the client
                                   gave none; 0 = 4096 */
    uint64_t now_s;           /* wall clock for `created`; */
    uint64_t random;          /* seed of ids that must be made up; differs per request */
    int64_t max_output_tokens; /* of one answer of the model, 0 = unknown: a client's limit above it
                                  is lowered, but between equal dialects */
    int64_t context_tokens;   /* of the model, prompt and answer, 0 = unknown: likewise */
    int64_t num_ctx;          /* ollama.chat, ollama.generate: put into the options when the client
                                 gave none; 0 = nothing, AIEX_CHAT_FIT */
    int64_t loaded_tokens;    /* AIEX_CHAT_FIT: context that the model runs with now, 0 = unknown or
                                 not loaded; less is not asked for, as that would load it anew */
};

/* num_ctx: what the prompt, estimated, and the answer need: a power of two, from 4096, within
 * context_tokens. */
#define AIEX_CHAT_FIT (-1)

struct aiex_chat;

/* Reads and converts the request. 0 and *ret, -EINVAL with a sentence for the client in err
 * (malformed, a needed key is missing, contradictory), -ENOTSUP (the vendor's dialect can not
 * say this, sentence in err), -ENOMEM. The body is copied. */
int aiex_chat_new(const struct aiex_chat_setup *setup, struct aiex_slice body,
                  struct aiex_chat **ret, struct aiex_error *err);
void aiex_chat_free(struct aiex_chat *c); /* NULL is fine */
/* What to send. Lives as long as the chat, or until aiex_chat_drop_request(). */
struct aiex_slice aiex_chat_request(const struct aiex_chat *c);
/* The request was sent and will not be sent again: frees its memory. */
void aiex_chat_drop_request(struct aiex_chat *c);
int aiex_chat_streams(const struct aiex_chat *c);        /* the client's answer is a stream */
int aiex_chat_vendor_streams(const struct aiex_chat *c); /* the vendor was asked for a stream */

/* Takes client bytes: whole events or lines when the client streams, else pieces of one
 * document. 0, or non-zero to stop: feed() then returns -ECANCELED. */
typedef int (*aiex_chat_sink)(void *arg, struct aiex_slice bytes);

/* Bytes of a 2xx answer. One feed gives at most a few sink calls, not one per event. 0, or
 * -EPROTO (aiex_chat_result()->fault says what; feed no more), -EMSGSIZE (too large, likewise),
 * -ENOMEM, -ECANCELED. What was whole before the fault has been handed out. */
int aiex_chat_feed(struct aiex_chat *c, struct aiex_slice bytes, aiex_chat_sink sink, void *arg);
/* The vendor's answer ended as its framing demands. Unstreamed answers are handed out here. 0, or
 * as aiex_chat_feed(); -EPROTO also when the end of the stream was never said. */
int aiex_chat_close(struct aiex_chat *c, aiex_chat_sink sink, void *arg);
/* 1 once the vendor has said that the answer is complete (message_stop, [DONE], done: true,
 * response.completed): what follows in the stream is of no interest. */
int aiex_chat_complete(const struct aiex_chat *c);

/* Why an answer ended (`finish`). */
#define AIEX_FINISH_NONE 0 /* it did not */
#define AIEX_FINISH_STOP 1
#define AIEX_FINISH_LENGTH 2
#define AIEX_FINISH_TOOL_CALLS 3
#define AIEX_FINISH_CONTENT_FILTER 4
#define AIEX_FINISH_REFUSAL 5
#define AIEX_FINISH_PAUSE 6 /* anthropic pause_turn */
const char *aiex_finish_name(int finish); /* "stop", "length", ... "" for none */

struct aiex_usage {
    /* -1 = the vendor did not say. `input` counts all prompt tokens, cached ones included
     * (Anthropic's three classes are added up). `output` includes reasoning. */
    int64_t input, output, cache_read, cache_write, reasoning;
};

struct aiex_chat_result {
    char model[256];      /* as the vendor named it */
    struct aiex_usage usage;
    int usage_estimated;  /* some of it was counted here: the vendor said nothing or nonsense */
    int finish;           /* AIEX_FINISH_* */
    int events;           /* canonical events that carried content */
    uint64_t text_bytes;  /* of text, reasoning and tool arguments so far: for estimates */
    uint64_t prompt_bytes; /* of the request's text, images not counted */
    int64_t num_ctx;       /* what the vendor was told for the client; 0 = nothing */
    char fault[256];      /* after -EPROTO or -EMSGSIZE: one sentence */
    /* an error that the vendor sent inside a 2xx answer; see aiex_chat_read_error() */
    int vendor_error;     /* 1: the fields below are set and fault says it, too */
    int error_status;     /* HTTP status that fits, e.g. 529 for overloaded_error */
    int error_reason;     /* AIEX_REASON_* */
};
const struct aiex_chat_result *aiex_chat_result(const struct aiex_chat *c);
/* Tokens of `bytes` of text, estimated on the safe side: never 0 for some text. */
int64_t aiex_tokens_estimate(uint64_t bytes);
/* Estimated prompt tokens of a request body in a dialect: text, tools, roles; images at a fixed
 * price. -1 when the body is not JSON. */
int64_t aiex_chat_prompt_tokens(int dialect, struct aiex_slice body);

/* What a request may use at most, for limits: one walk that checks nothing. A body that is no JSON
 * gives some number; whoever sends it to a vendor refuses it. */
struct aiex_chat_size {
    int64_t prompt; /* tokens, estimated as above */
    int64_t output; /* the client's limit for one answer; 0 = it sets none */
    int64_t choices; /* answers that it wants, at least 1 */
};
void aiex_chat_size(struct aiex_slice body, struct aiex_chat_size *ret);

/* ---- Errors ---- */

/* What went wrong, as far as a vendor's answer says. */
#define AIEX_REASON_UNKNOWN 0
#define AIEX_REASON_RATE_LIMIT 1     /* too many requests or tokens; Retry-After */
#define AIEX_REASON_OVERLOADED 2     /* 529, 503, "overloaded" */
#define AIEX_REASON_CONTEXT_LENGTH 3 /* the prompt does not fit the model */
#define AIEX_REASON_CONTENT_FILTER 4
#define AIEX_REASON_AUTH 5           /* key missing, wrong, not allowed */
#define AIEX_REASON_QUOTA 6          /* money is used up */
#define AIEX_REASON_MODEL 7          /* no such model */
#define AIEX_REASON_REQUEST 8        /* any other fault of the request */
#define AIEX_REASON_SERVER 9         /* any other fault of the vendor */
#define AIEX_N_REASONS 10
const char *aiex_reason_name(int reason); /* "rate_limit", "overloaded", ..., "" for unknown */
int aiex_reason_of(struct aiex_slice name);

struct aiex_chat_error {
    int status;         /* HTTP status for the client, 400-599 */
    int reason;         /* AIEX_REASON_* */
    char type[64];      /* in the vendor's words, "" = made from status and reason */
    char code[64];      /* likewise; openai only */
    char param[64];     /* openai only */
    char message[1024]; /* UTF-8, cut at a character */
    char request_id[40]; /* anthropic only; "" = left out. Written, not read */
};

/* Reads an error document of any of the vendors (they are told apart by shape) that came with
 * `status`. Never fails: what can not be read leaves a message made from the status. */
void aiex_chat_read_error(int dialect, int status, struct aiex_slice body,
                          struct aiex_chat_error *ret);
/* Writes an error document in a dialect. Returns bytes written, or needed when above `size`. */
size_t aiex_chat_write_error(int dialect, const struct aiex_chat_error *e, char *out, size_t size);

/* What an error event in mid-stream must know of the stream; zero it at the start. */
struct aiex_chat_trail {
    int64_t sequence;      /* openai.responses: the last sequence_number, 0 = none seen */
    int64_t created;
    char id[80], model[128];
};
/* Notes what passes to the client. Cheap; does something for openai.responses only. */
void aiex_chat_trail_note(struct aiex_chat_trail *t, int dialect, struct aiex_slice part);
/* Writes the event(s) that tell a client in mid-stream that the answer failed, in its dialect's
 * own form: data: {"error"...}; event: error; event: response.failed; {"error": ...}. */
size_t aiex_chat_write_error_event(int dialect, const struct aiex_chat_trail *t,
                                   const struct aiex_chat_error *e, char *out, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* AIEX_CHAT_H */
