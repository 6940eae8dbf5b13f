/*
 * scripted.h - a vendor for tests of the kit: one descriptor whose option `native` says which
 * dialect it speaks, and what a vendor of each dialect sends.
 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <aiex_chat.h>
#include <rig.h>

#define N_CHATS 4 /* dialects of a chat; also the values of `native` */

struct script {
    const char *dialect, *path, *head; /* head = its content type when it streams */
    const char *body;                  /* a client's request */
    const char *start, *text, *end;    /* a stream: "hello" in `text`, 11 and 4 tokens */
    const char *mute_end;              /* an end that says nothing about tokens */
    const char *broken;                /* an event that is none */
    const char *half_tool;             /* a tool call whose arguments are cut, then a proper end */
    const char *late_error;            /* an error event */
    const char *whole;                 /* the same answer, not streamed */
    const char *whole_end;             /* what only a complete stream of this client has */
    const char *too_long, *filtered, *plain_error; /* error documents */
    const char *error_shape; /* what every error document of this client has */
};
extern const struct script scripts[N_CHATS];

/* Starts the scripted vendor with a native dialect, and up to two more options. */
void scripted_begin(int native, const char *option, const char *value);
/* A chat of a client. */
uint64_t scripted_chat(int client, int stream);
/* The same with fields about limits and settling. */
uint64_t scripted_call(int client, int stream, const struct rig_call *more);
/* The request that the vendor got for it. */
struct fake_http_request *scripted_request(int native);
/* Head of a good stream, and bytes of it. */
void scripted_head(int native);
void scripted_send(int native, const char *bytes);

#endif
