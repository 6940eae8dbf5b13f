/*
 * answer.c - the gateway's answer to a model request, on its way to the client.
 *
 * Nothing is sent before the first good part, so that others may be tried and an early
 * error keeps its status. Parts are in the client's dialect already.
 */
#include "session.h"

#include <errno.h>

static void give_up(struct conn *c)
{
    call_drop(c);
    error_respond(c, 502, "answer_too_large", NULL,
                  "the answer is larger than %lld bytes; ask for a stream",
                  (long long)c->server->config->max_body);
}

static void take_part(struct conn *c, struct aiex_slice part)
{
    if (part.len == 0)
        return;
    if (!c->stream) {
        if (respond_piece(c, part) == -EMSGSIZE)
            give_up(c);
        return;
    }
    if (!c->status && respond_stream(c, aiex_dialect_stream_type(c->dialect)) != 0)
        return;
    respond_part(c, part);
}

void answer_take(struct conn *c, const struct aiex_answer *answer)
{
    static const struct aiex_answer empty = {
        .kind = AIEX_ANSWER_END, .code = AIEX_E_UPSTREAM, .text = "the provider sent no answer"};
    int nothing = c->stream ? !c->status : buffer_size(&c->out) == 0;

    session_note(c, answer);
    if (answer->kind == AIEX_ANSWER_PART)
        take_part(c, answer->body);
    else if (c->stream && c->status && answer->code)
        error_in_stream(c, answer, NULL);
    else if (answer->code || nothing)
        error_answer(c, answer->code ? answer : &empty);
    else if (c->stream)
        respond_stream_end(c);
    else
        respond_end(c, &(struct reply){.status = 200, .end = answer->body});
}
