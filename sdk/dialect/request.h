/*
 * request.h - a request between two dialects: the canonical form and who works on it.
 *
 * One reader per dialect (request_NAME.c) makes a `struct conv` of the client's body,
 * request_turns.c puts its turns in an order that every vendor takes, request_names.c gives its
 * tools names that the vendor takes, and one writer per dialect (write_NAME.c) says it again.
 * Nothing is copied until then: texts, schemas and numbers are spans of the client's body, which is
 * JSON as the vendor's request is, so that a text travels with its escapes as it is.
 *
 * What only one dialect can say is not here: it passes between equal dialects (request_splice.c)
 * and is dropped between different ones. docs/dialects.md has the tables.
 */
#ifndef DIALECT_REQUEST_H
#define DIALECT_REQUEST_H

#include "arena.h"
#include "chat.h"
#include "grow.h"

#include <errno.h>

/* Messages, parts, tools and the objects that they are read from; beyond it -EINVAL. */
#define REQUEST_MAX_PIECES 200000u
#define REQUEST_MAX_TOOLS  1024u
/* Memory of one request's canonical form and of what the answer needs of it. */
#define REQUEST_MAX_ARENA (96u * 1024u * 1024u)

/* ---- What is said ---- */

#define PART_TEXT      1
#define PART_IMAGE     2 /* data with media, or url */
#define PART_FILE      3 /* data with media and file name, or url; text documents are PART_TEXT */
#define PART_REFUSAL   4
#define PART_REASONING 5 /* perhaps with the vendor's seal */
#define PART_CALL      6
#define PART_RESULT    7
#define PART_AUDIO     8 /* `data` = the openai.chat part, whole */

#define ARGS_OBJECT 1 /* `args` is a JSON object */
#define ARGS_STRING 2 /* `args` is a text that should be a JSON object */
#define ARGS_TEXT   3 /* `args` is the free text of a custom tool */

struct part {
    struct part *next;
    int kind;
    int glued;       /* PART_TEXT: goes on where the one before ended; else an empty line between */
    int args_form;   /* PART_CALL */
    int is_error;    /* PART_RESULT */
    struct raw text; /* text, refusal, reasoning */
    struct raw id;   /* call, result */
    struct raw sealed;      /* reasoning: anthropic's signature, openai's encrypted_content */
    struct raw name, space; /* call, result: the tool as the client says it */
    struct raw args;
    struct raw media, data, url, file, detail; /* texts */
    struct raw ref;      /* PART_IMAGE, PART_FILE: kept by the vendor under this id */
    struct raw cache;    /* an anthropic cache_control object, from openai clients as well */
    struct part *inside; /* PART_RESULT: texts, images, files */
};

#define ROLE_SYSTEM    1
#define ROLE_DEVELOPER 2
#define ROLE_USER      3 /* results, too */
#define ROLE_ASSISTANT 4

struct message {
    struct message *next;
    int role;
    struct part *parts, **end; /* end: where the next one goes */
};

struct tool {
    struct tool *next;
    int custom;
    int strict;  /* -1 = not said */
    int allowed; /* conv.allowed names it */
    struct raw name, space;
    struct raw description;
    struct raw schema;          /* object; empty = none given */
    struct raw syntax, grammar; /* custom: texts */
    struct raw cache;
    struct raw vendor_name; /* names.c */
};

#define CHOICE_UNSET    0
#define CHOICE_AUTO     1
#define CHOICE_NONE     2
#define CHOICE_REQUIRED 3
#define CHOICE_ONE      4

#define EFFORT_UNSET   0
#define EFFORT_NONE    1
#define EFFORT_MINIMAL 2
#define EFFORT_LOW     3
#define EFFORT_MEDIUM  4
#define EFFORT_HIGH    5
#define EFFORT_XHIGH   6
#define EFFORT_MAX     7

#define FORMAT_UNSET  0
#define FORMAT_JSON   1 /* any object */
#define FORMAT_SCHEMA 2

struct conv {
    struct message *messages, **messages_end;
    struct tool *tools, **tools_end;
    size_t n_pieces, n_tools;

    int choice;
    struct raw choice_name, choice_space;
    struct aiex_json_span allowed; /* an array of tools: only these may be called; type 0 = all */
    int parallel;                  /* -1 = not said */

    int effort;         /* EFFORT_* */
    int think;          /* -1 = not said, 0 off, 1 on */
    int64_t budget;     /* tokens to think, 0 = not said */
    struct raw summary; /* responses: text */

    int64_t max_tokens;                                              /* 0 = not said */
    struct raw temperature, top_p, top_k, seed, presence, frequency; /* numbers; empty = not said */
    struct aiex_json_span stop;            /* a string or an array; type 0 = none */
    struct raw user, cache_key, verbosity; /* texts */
    struct raw metadata;                   /* object of the openai dialects */

    int format;                                  /* FORMAT_* */
    struct raw schema, schema_name, schema_text; /* schema_text: its description */
    int schema_strict;

    struct raw prompt, suffix, system; /* completions and generate: texts */
};

/* ---- Reading (request_read.c) ---- */

/* One conversion under way. Functions return 0, or a negative errno with the sentence in err. */
struct reader {
    struct aiex_chat *c;
    struct aiex_error *err;
    struct message *last; /* the newest, NULL = none */
    unsigned depth;       /* of contents inside contents */
    struct conv v;
};

struct members; /* keys.h: the known keys of one object */

/* Where in the body, for sentences: "messages[3]". */
struct place {
    const char *list;
    size_t index;
};

__attribute__((format(printf, 3, 4))) int read_fail(struct reader *r, int error, const char *fmt,
                                                    ...);
/* -EINVAL when there are too many: also for those that are looked at and left out. */
int count_piece(struct reader *r);
/* New pieces, put at the end. NULL: no memory or too many, *ret says which. */
struct message *add_message(struct reader *r, int role, int *ret);
struct part *add_part(struct reader *r, struct part ***end, int kind, int *ret);
struct tool *add_tool(struct reader *r, int *ret);
/* Bytes into the arena, escaped for a text. */
int keep_text(struct reader *r, const char *bytes, size_t len, struct raw *ret);

/* request_parts.c: a string, or an array of parts as any dialect knows them; what no other
 * dialect can say is left out. `text_glued`: texts of an array go on without an empty line. */
int read_parts(struct reader *r, const struct aiex_json_span *content, struct part ***end,
               int text_glued, const struct place *place);
/* Whole numbers and texts that both sides say in the same way. */
void read_sampling(struct reader *r, const struct members *m);
/* request_tools.c: definitions, and who may or must be called, in all dialects' forms. */
int read_tools(struct reader *r, const struct aiex_json_span *list);
void read_choice(struct reader *r, const struct aiex_json_span *choice);
/* Takes the tools out that v->allowed does not name. */
void keep_allowed_tools(struct conv *v);
/* A JSON schema as the answer's format: {name, description, schema, strict}. */
void read_schema(struct reader *r, const struct members *m);

/* The inside of a string span; empty for every other. */
static inline struct raw text_of(const struct aiex_json_span *s)
{
    if (s->type != AIEX_JSON_STRING || s->len < 2)
        return (struct raw){"", 0};
    return (struct raw){s->data + 1, s->len - 2};
}

static inline struct raw json_of(const struct aiex_json_span *s)
{
    return s->type ? (struct raw){s->data, s->len} : (struct raw){"", 0};
}

static inline struct raw number_of(const struct aiex_json_span *s)
{
    return s->type == AIEX_JSON_NUMBER ? json_of(s) : (struct raw){"", 0};
}

int raw_is(struct raw text, const char *plain); /* no escapes undone: for words of dialects */
int raw_same(struct raw a, struct raw b);
int raw_blank(struct raw text); /* empty or white space only, escapes looked through */
int effort_of(struct raw word);
const char *effort_word(int effort); /* of the openai dialects */

/* Images and files by their URL: "data:..." is taken apart, any other URL is kept. */
void part_from_url(struct part *p, struct raw url);
struct raw media_of_base64(struct raw data);

/* ---- The dialects ---- */

/* `body` is one well-formed JSON object. */
int request_read(struct reader *r, const struct aiex_json_span *body);
int read_openai_chat(struct reader *r, const struct members *m);
int read_responses(struct reader *r, const struct members *m);
int read_anthropic(struct reader *r, const struct members *m);
int read_ollama(struct reader *r, const struct members *m);
void read_ollama_options(struct reader *r, const struct members *m);
int read_completions(struct reader *r, const struct members *m);
int read_generate(struct reader *r, const struct members *m);

/* A writer's view. Writers return 0 or -ENOTSUP with the sentence; memory is looked at in the end.
 */
struct writer {
    struct reader *r;
    unsigned traits; /* MODEL_* */
    struct aiex_chat *c;
    struct conv *v;
    struct grow g;
    struct raw model; /* text */
    int64_t num_ctx;  /* ollama: 0 = say nothing */
};

int request_write(struct writer *w);
int write_openai_chat(struct writer *w);
int write_responses(struct writer *w);
int write_anthropic(struct writer *w);
int write_ollama(struct writer *w);
void write_ollama_options(struct writer *w);
void write_ollama_format(struct writer *w);
int write_completions(struct writer *w);
int write_generate(struct writer *w);

/* ---- Between them ---- */

/* request_turns.c: results directly behind their calls, none missing, none left over. */
int turns_settle(struct reader *r);
/* request_names.c: vendor_name of every tool, chat.tools for the answer; allowed tools only. */
int names_settle(struct reader *r);
/* What the vendor calls a tool of the history or of tool_choice; NULL: no such tool offered. */
const struct tool *names_find(const struct conv *v, struct raw name, struct raw space);

/* The vendor's name of the tool of a call, offered or not; an id that every vendor takes. */
struct raw names_call(struct writer *w, const struct part *call);
struct raw names_id(struct writer *w, struct raw id);

/* request_args.c: arguments of a call as a JSON object, or as a string that holds one. */
void args_object(struct writer *w, const struct part *call);
void args_string(struct writer *w, const struct part *call);

/* request_effort.c: who sealed it; the answer half hands either out in the place of the other. */
int sealed_by_openai(const struct part *p);
int sealed_by_anthropic(const struct part *p);

/* request_words.c: pieces that several writers share. */
void write_texts(struct writer *w, const struct part *parts); /* one string of all texts */
/* The same up to the first part that is none, which is returned. */
const struct part *write_text_run(struct writer *w, const struct part *parts);
int only_texts(const struct part *parts); /* nothing but texts and refusals */
int has_text(const struct part *parts);   /* one that is not blank */
size_t count_kind(const struct part *parts, int kind);
void write_description(struct writer *w, const struct tool *t); /* string: with the grammar */
void write_schema(struct writer *w, const struct tool *t);      /* an object that says so */
void write_number(struct writer *w, const char *key, struct raw number); /* nothing when empty */
void write_text(struct writer *w, const char *key, struct raw text);     /* likewise */
/* Always an array, of at most `max` words. */
void write_stop(struct writer *w, const char *key, unsigned max);
/* The URL of an image or file; data becomes a data URL, of type `media` when it has none. */
void write_data_url(struct writer *w, const struct part *p, const char *media);

/* request_effort.c: EFFORT_UNSET = say nothing; tokens for an effort, 0 for none. */
int thinking_effort(const struct writer *w);
int64_t budget_of_effort(int effort);

/* The tool that chat.json_tool speaks of. */
#define JSON_TOOL "json_answer"

/* request_model.c: what the name of a model tells about it. */
#define MODEL_NO_SAMPLING  1u   /* refuses temperature and its like */
#define MODEL_NEW_LIMIT    2u   /* wants max_completion_tokens */
#define MODEL_EFFORT       4u   /* known to take an effort */
#define MODEL_NO_EFFORT    8u   /* known not to think */
#define MODEL_ADAPTIVE     16u  /* thinks adaptively, takes effort, no budget */
#define MODEL_SCHEMA       32u  /* takes a schema for its answer */
#define MODEL_SHOWS_REASON 64u  /* wants its reasoning back */
#define MODEL_LEVELS       128u /* ollama: thinks in levels, not on and off */
#define MODEL_OPENAI       256u /* takes system messages anywhere */
#define MODEL_NO_PARALLEL  512u /* refuses to be told about parallel calls */
unsigned model_traits(struct raw name);

/* request_limits.c: lowers the client's limit to what the model can give. */
void limits_settle(struct reader *r, struct aiex_slice body);
/* The context to ask Ollama for, 0 = say nothing; `said` = the answer's limit, 0 = none. */
int64_t limits_context(struct aiex_chat *c, struct aiex_slice body, int64_t said);

/* ---- Equal dialects, embeddings, counting ---- */

/* The model's name for the vendor, plain. */
struct aiex_slice vendor_model(const struct aiex_chat *c);
int request_splice(struct aiex_chat *c, struct aiex_slice body, const struct members *m,
                   struct aiex_error *err);
int request_embed(struct aiex_chat *c, struct aiex_slice body, const struct members *m,
                  struct aiex_error *err);
/* request_echo.c: what a response object repeats of its request, into c->echo. */
int request_echo(struct aiex_chat *c, const struct members *m, struct aiex_error *err);
/* request_complete.c: suffix and echo of the completions dialects, into the chat. */
int request_suffix(struct aiex_chat *c, const struct members *m, struct aiex_error *err);

/* request_text.c: bytes of text in a request, its tools included; images are only counted
 * (the counters may be NULL). -1: the body is no JSON. */
int64_t request_text_bytes(int dialect, struct aiex_slice body, int *n_images, int *n_messages);
int64_t text_bytes(const struct aiex_json_span *body, int *n_images, int *n_messages);

#endif
