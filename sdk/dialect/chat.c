/* chat.c - the public face: a chat from its making to its end; see aiex_chat.h. */
#include "answer.h"
#include "arena.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int refuse(struct aiex_error *err, int error, const char *what)
{
    if (err)
        snprintf(err->text, sizeof(err->text), "%s", what);
    return error;
}

int aiex_chat_new(const struct aiex_chat_setup *setup, struct aiex_slice body,
                  struct aiex_chat **ret, struct aiex_error *err)
{
    struct aiex_error unread;
    struct aiex_chat *c;
    size_t size = setup->struct_size < sizeof(*setup) ? setup->struct_size : sizeof(*setup);
    int r;

    if (!err)
        err = &unread;
    if (!aiex_dialect_bridges(setup->client, setup->vendor)) {
        snprintf(err->text, sizeof(err->text), "a request of dialect '%s' has no form in '%s'",
                 aiex_dialect_name(setup->client), aiex_dialect_name(setup->vendor));
        return -ENOTSUP;
    }
    c = calloc(1, sizeof(*c));
    if (!c)
        return refuse(err, -ENOMEM, "no memory for a request");
    memcpy(&c->setup, setup, size);
    c->result.usage = (struct aiex_usage){-1, -1, -1, -1, -1};
    r = request_convert(c, body, err);
    if (r == 0)
        r = answer_init(c);
    if (r == 0)
        r = answer_keep_prompt(c->answer, body);
    if (r != 0) {
        if (r == -ENOMEM)
            refuse(err, r, "no memory for a request");
        aiex_chat_free(c);
        return r;
    }
    c->result.prompt_bytes = c->prompt_bytes;
    *ret = c;
    return 0;
}

void aiex_chat_free(struct aiex_chat *c)
{
    if (!c)
        return;
    answer_done(c);
    free(c->request);
    arena_free(c->arena);
    free(c);
}

struct aiex_slice aiex_chat_request(const struct aiex_chat *c)
{
    return (struct aiex_slice){c->request, c->request ? c->request_len : 0};
}

void aiex_chat_drop_request(struct aiex_chat *c)
{
    free(c->request);
    c->request = NULL;
}

int aiex_chat_streams(const struct aiex_chat *c)
{
    return c->client_stream;
}

int aiex_chat_vendor_streams(const struct aiex_chat *c)
{
    return c->vendor_stream;
}

int aiex_chat_complete(const struct aiex_chat *c)
{
    return c->answer->complete;
}

const struct aiex_chat_result *aiex_chat_result(const struct aiex_chat *c)
{
    struct aiex_chat_result *result = &c->answer->c->result;

    result->usage = usage_now(c->answer, &result->usage_estimated);
    return result;
}

const char *aiex_finish_name(int finish)
{
    static const char *const names[] = {
        [AIEX_FINISH_NONE] = "",
        [AIEX_FINISH_STOP] = "stop",
        [AIEX_FINISH_LENGTH] = "length",
        [AIEX_FINISH_TOOL_CALLS] = "tool_calls",
        [AIEX_FINISH_CONTENT_FILTER] = "content_filter",
        [AIEX_FINISH_REFUSAL] = "refusal",
        [AIEX_FINISH_PAUSE] = "pause",
    };

    return finish > 0 && finish <= AIEX_FINISH_PAUSE ? names[finish] : "";
}
