/*
 * peer.c - before the epoch is taken: does another instance serve the sessions already?
 *
 * The epoch would end its writes, while its name would still bring it every request: two configured
 * instances would be none. So whoever answers under the name `sessions` is asked for its instance.
 * The same instance is an earlier process of this one, which is being replaced; silence is a name
 * that nobody has, or a process that hangs, which the epoch is for.
 */
#include "sessions.h"

#define WAIT_MS 1000u

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct sessions *s = arg;
    struct peer *p = &s->boot.peer;
    char instance[AIEX_MAX_NAME + 1] = "";

    if (answer->kind != AIEX_ANSWER_END)
        return;
    p->call = 0;
    p->answered = 1;
    if (!answer->code)
        aiex_get_text(answer->body, "instance", instance, sizeof(instance));
    p->fn(s, instance[0] && strcmp(instance, s->host->instance) != 0 ? instance : NULL);
}

void peer_ask(struct sessions *s, void (*fn)(struct sessions *s, const char *other))
{
    const struct aiex_request rq = {.struct_size = sizeof(rq),
                                    .service = "sessions",
                                    .method = "sessions.status",
                                    .timeout_ms = WAIT_MS};
    struct peer *p = &s->boot.peer;
    uint64_t call = 0;

    p->fn = fn;
    p->answered = 0;
    if (s->host->call(s->host, &rq, on_answer, s, &call) != 0)
        fn(s, NULL);
    else if (!p->answered)
        p->call = call;
}

void peer_stop(struct sessions *s)
{
    if (s->boot.peer.call)
        s->host->cancel(s->host, s->boot.peer.call);
    s->boot.peer.call = 0;
}
