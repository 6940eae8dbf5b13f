/*
 * chat.h - inside the dialect library: what the request half (request*.c) leaves for the
 * answer half (answer*.c). chat.c holds both together behind aiex_chat.h.
 *
 * All slices point into `arena` or into the kept request and live as long as the chat.
 */
#ifndef DIALECT_CHAT_H
#define DIALECT_CHAT_H

#include "aiex_chat.h"

#include <aiex_json.h>

/* A tool of the request whose name or kind differs between the two sides. Vendors that know
 * functions only are given custom (free text) tools as functions with one string argument
 * "input", and tools of a namespace under joined names. */
struct chat_tool {
    struct aiex_slice vendor_name; /* as the vendor was told */
    struct aiex_slice name, space; /* as the client says it; space empty = no namespace */
    int custom;                    /* the client's tool takes free text */
};

struct arena;  /* arena.h: memory of one chat, freed whole */
struct answer; /* answer.h: the answer half's own state */

struct aiex_chat {
    struct aiex_chat_setup setup;
    struct arena *arena;
    int same;                 /* both sides speak one dialect: bytes go through */
    int client_stream;        /* what the client gets */
    int vendor_stream;        /* what the vendor was asked for */
    int client_usage;         /* openai.chat, completions: the client asked for the usage chunk */
    int64_t output_cap;       /* most tokens of an answer, 0 = unknown */
    int base64;               /* embeddings: the client wants base64 */
    int n_inputs;             /* embeddings: how many, 0 = unknown */
    int one_input;            /* ollama legacy form: a single vector is answered as "embedding" */
    struct aiex_slice model;  /* as the client named it, unescaped */
    int fill;                 /* a chat is asked for the text between prompt and suffix */
    int fill_head, fill_tail; /* a line break is there already, before it and behind it */
    int echo_prompt;          /* completions: "echo" */
    int json_tool;            /* structured output is asked of the vendor as this forced tool */
    struct chat_tool *tools;
    size_t n_tools;
    struct aiex_slice echo; /* openai.responses: members of the request that the response object
                               repeats, as JSON members without braces; empty = none */
    uint64_t prompt_bytes;
    uint8_t *request; /* malloc; NULL after drop */
    size_t request_len;
    struct answer *answer;
    struct aiex_chat_result result;
};

/* ---- request.c ---- */

/* Fills everything above but `answer` and `result`. 0 or as aiex_chat_new(). */
int request_convert(struct aiex_chat *c, struct aiex_slice body, struct aiex_error *err);

/* ---- request_text.c ---- */

/* Bytes of text in a request, its tools included; images and files are only counted. -1: no JSON.
 */
int64_t request_text_bytes(int dialect, struct aiex_slice body, int *n_images, int *n_messages);

/* ---- estimate.c ---- */

int64_t prompt_estimate(int64_t bytes, int n_images, int n_messages);

/* ---- answer.c ---- */

int answer_init(struct aiex_chat *c); /* 0 or -ENOMEM */
void answer_done(struct aiex_chat *c);

#endif
