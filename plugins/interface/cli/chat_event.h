/* chat_event.h - what one server-sent event of a chat stream (dialect openai.chat) says. */
#ifndef AIEX_CLI_CHAT_EVENT_H
#define AIEX_CLI_CHAT_EVENT_H

#include <aiex_json.h>

struct chat_event {
    int done;                        /* the closing "[DONE]" */
    struct aiex_json_span text;      /* choices[0].delta.content, a string, or type 0 */
    struct aiex_json_span reasoning; /* choices[0].delta.reasoning_content or .reasoning */
    struct aiex_json_span finish;    /* choices[0].finish_reason */
    struct aiex_json_span model;
    struct aiex_json_span error; /* error.message, or error when that is a string */
    int failed;                  /* it is an error, even when it has no message */
    int64_t input_tokens;        /* usage; -1 = not told */
    int64_t output_tokens;
};

/* Reads the data of one event; the spans point into it. 0, or -EINVAL when it is no JSON object. */
int chat_event_read(struct aiex_slice data, struct chat_event *ret_event);

#endif
