/*
 * turn.h - a turn from inside.
 *
 *     turn.c     its life: bound, begun, ended        find.c    which session is meant
 *     said.c     what the client said, out of its request
 *     heard.c    what the model answered, out of the bytes that the client gets
 *     past.c     what was said before, for the request
 *     record.c   the two writes                       text.c    memory that grows, within bounds
 */
#ifndef AIEX_SESSION_TURN_H
#define AIEX_SESSION_TURN_H

#include "aiex_session.h"

#include <aiex_chat.h>
#include <aiex_json.h>
#include <aiex_service.h>
#include <aiex_sse.h>

#define ASK_MS      2000  /* a question to the sessions before the model is asked */
#define RECORD_MS   15000 /* a write */
#define MAX_TRIES   4
#define MAX_SAID    100u /* messages of one write */
#define MAX_CALLS   128u /* tools that an answer calls */
#define MAX_PIECES  2048u
#define MAX_PAGES   64u
#define NAME_BYTES  160u /* of a session as the client says it */
#define MODEL_BYTES 256u

struct aiex_turns {
    const struct aiex_host *host;
    char service[AIEX_MAX_NAME + 1];
    struct aiex_turn *first;
    uint32_t open;
    size_t bytes;
    uint64_t recorded, failed;
    void (*idle)(void *arg);
    void *idle_arg;
};

/* ---- text.c ---- */

struct text {
    char *data;
    size_t len, cap;
};

/* 0, -EMSGSIZE (more than max), -ENOMEM. */
int text_add(struct aiex_turns *all, struct text *t, const void *bytes, size_t n, size_t max);
/* The characters of a JSON string. */
int text_add_string(struct aiex_turns *all, struct text *t, const struct aiex_json_span *string,
                    size_t max);
/* The same, but what fits is kept: whole characters of it. */
int text_add_cut(struct aiex_turns *all, struct text *t, const struct aiex_json_span *string,
                 size_t max);
/* As a JSON string, with quotes. */
int text_add_quoted(struct aiex_turns *all, struct text *t, const char *bytes, size_t n,
                    size_t max);
void text_drop(struct aiex_turns *all, struct text *t);

/* ---- heard.c ---- */

struct tool_call {
    struct text id, name, args;
};

struct heard {
    struct aiex_chat *chat; /* another dialect into openai.chat; NULL: it is that */
    struct aiex_sse sse;
    struct text doc; /* an answer that is no stream */
    struct text content, calls_json;
    struct tool_call *calls; /* MAX_CALLS of them */
    unsigned n_calls;
    char model[MODEL_BYTES], finish[32];
    int64_t input_tokens, output_tokens;
    int cut, broken; /* too long; no longer understood */
};

int heard_init(struct aiex_turn *t);
void heard_part(struct aiex_turn *t, struct aiex_slice part);
/* The answer has ended well, or where it stands. */
void heard_end(struct aiex_turn *t);
void heard_done(struct aiex_turn *t);
/* The message as JSON, for an answer with tool calls. 0 or as text_add(). */
int heard_json(struct aiex_turn *t, struct text *out);

/* ---- said.c ---- */

/* Reads what the client said into t->said. 0, or an errno with a reason. */
int said_read(struct aiex_turn *t, struct aiex_slice body, int everything, struct aiex_error *err);

/* ---- past.c ---- */

struct piece {
    size_t off, len; /* in past.json */
    int user;
};

struct past {
    struct text json; /* messages in OpenAI's form, newest first */
    struct piece *pieces;
    unsigned n, pages;
    int full;
    char next[100];
    char good[64][AIEX_SESSION_ID + 1]; /* turns with an answer, the last ones seen */
    unsigned n_good;
    struct text out; /* as the request takes it */
};

void past_begin(struct aiex_turn *t);
void past_done(struct aiex_turn *t);

/* ---- turn.c, find.c, record.c ---- */

enum step { FINDING, WAITING, RUNNING, ENDING };

struct aiex_turn {
    struct aiex_turns *all;
    struct aiex_turn *next, **at;
    enum step step;
    int dialect, stream, by_title, history;
    size_t history_bytes;
    struct aiex_slice body; /* the caller's, until begun() */
    uint64_t trace;
    char asked[NAME_BYTES + 1], title[NAME_BYTES + 1];
    char session[AIEX_SESSION_ID + 1];
    struct text principal;
    int64_t messages; /* that the session has */
    aiex_turn_begun_fn begun;
    aiex_turn_done_fn done;
    void *arg, *done_arg;
    uint64_t call, timer;
    void (*answered)(struct aiex_turn *t, const struct aiex_answer *end);
    unsigned n_asks;
    int *gone; /* set when the turn goes while one of its functions runs */
    /* what is recorded */
    struct text said; /* maps, one behind the other */
    uint32_t n_said;
    struct heard heard;
    struct past past;
    int begin_known, begin_good;
    unsigned tries;
    const char *outcome;
    char provider[65];
};

/* One question at a time. Without a call the answer is `busy`, at once. */
void turn_ask(struct aiex_turn *t, const char *method, struct aiex_slice body, uint32_t timeout_ms,
              void (*answered)(struct aiex_turn *t, const struct aiex_answer *end));
/* Ends of the begin. */
void turn_refuse(struct aiex_turn *t, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void turn_unrecorded(struct aiex_turn *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void turn_found(struct aiex_turn *t);
/* With t->past.out. */
void turn_go(struct aiex_turn *t);
void turn_over(struct aiex_turn *t, const char *trouble);

void find_begin(struct aiex_turn *t);
void find_write_principal(struct aiex_writer *w, const struct aiex_turn *t);

void record_begin(struct aiex_turn *t);
void record_end(struct aiex_turn *t);

#endif
