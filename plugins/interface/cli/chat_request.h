/*
 * chat_request.h - the chat request (dialect openai.chat) that a question becomes.
 */
#ifndef AIEX_CLI_CHAT_REQUEST_H
#define AIEX_CLI_CHAT_REQUEST_H

#include <aiex_json.h>

struct chat_file {
    struct aiex_slice name;
    struct aiex_slice text;
};

struct chat_request {
    struct aiex_slice model;
    struct aiex_slice system;  /* empty = none */
    struct aiex_slice history; /* messages that stand before the prompt, JSON without brackets */
    struct aiex_slice prompt;
    const struct chat_file *files;
    size_t n_files;
};

/* Writes the JSON document: model, stream with usage, a system message when there is one, the
 * history, and one user message of the prompt followed by every file in a fence with its name and
 * language. A fence is longer than any run of backquotes inside, so no file can end its own. */
void chat_request_write(struct aiex_json_out *w, const struct chat_request *request);

/* Language of a file for its fence, by the ending of its name; "" when it is not known. */
const char *chat_language(struct aiex_slice name);

#endif
