/*
 * ask.c - one call to the store.
 *
 * `busy` and `unavailable` say that nothing was done, `timeout` and `crashed` that nobody knows:
 * all four are tried again with the same body, whose event ids make that safe, until `store_wait`
 * is over. Who gets the end learns from `unknown` whether some try may have been done.
 */
#include "sessions.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_PAUSE_MS 50u
#define LONG_PAUSE_MS  1000u

static void try_once(void *arg);

static void clear(struct ask *a)
{
    const struct aiex_host *host = a->s->host;

    if (a->call)
        host->cancel(host, a->call);
    if (a->timer)
        host->unwatch(host, a->timer);
    if (a->over)
        *a->over = 1;
    a->call = a->timer = 0;
    a->over = NULL;
    free((void *)(uintptr_t)a->body.data);
    a->body = (struct aiex_slice){NULL, 0};
    a->active = 0;
}

void ask_stop(struct ask *a)
{
    if (a->active)
        clear(a);
}

static void finish(struct ask *a, const struct aiex_answer *end)
{
    a->call = 0;
    clear(a);
    a->end(a, end);
}

static void finish_with(struct ask *a, const char *code, const char *text)
{
    const struct aiex_answer end = {
        .struct_size = sizeof(end), .kind = AIEX_ANSWER_END, .code = code, .text = text};

    finish(a, &end);
}

static int is_one_of(const char *code, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(code, *codes) == 0)
            return 1;
    return 0;
}

/* 1 = it will be tried again. */
static int later(struct ask *a, uint32_t pause_ms)
{
    const struct aiex_host *host = a->s->host;
    uint64_t pause = (uint64_t)FIRST_PAUSE_MS << (a->tries < 5 ? a->tries : 5);

    if (pause > LONG_PAUSE_MS)
        pause = LONG_PAUSE_MS;
    if (pause < pause_ms)
        pause = pause_ms;
    return host->now_ms(host) + pause < a->give_up &&
           host->timer(host, pause, 0, try_once, a, &a->timer) == 0;
}

static void ended(struct ask *a, const struct aiex_answer *end)
{
    static const char *const again[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,
                                        AIEX_E_CRASHED, NULL};
    static const char *const doubtful[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED, AIEX_E_INTERNAL, NULL};
    int told = 0;

    a->call = 0;
    if (end->code) {
        aiex_get_bool(end->body, "unknown", &told);
        a->unknown |= told || is_one_of(end->code, doubtful);
        if (is_one_of(end->code, again) && later(a, end->retry_after_ms))
            return;
    }
    finish(a, end);
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct ask *a = arg;
    struct aiex_answer enough = {.struct_size = sizeof(enough), .kind = AIEX_ANSWER_END};

    if (answer->kind == AIEX_ANSWER_END) {
        if (a->over)
            *a->over = 1;
        a->over = NULL;
        ended(a, answer);
    } else if (a->part && a->part(a, answer->body)) {
        enough.body = (struct aiex_slice){NULL, 0};
        if (a->call) {
            a->s->host->cancel(a->s->host, a->call);
            finish(a, &enough);
        } else {
            a->part = NULL; /* still within call(): the rest is dropped, the end comes */
        }
    }
}

static void try_once(void *arg)
{
    struct ask *a = arg;
    const struct aiex_host *host = a->s->host;
    uint64_t now = host->now_ms(host), id = 0;
    uint64_t left = a->give_up > now ? a->give_up - now : 0;
    struct aiex_request rq = {.struct_size = sizeof(rq),
                              .service = a->s->config->store,
                              .method = a->method,
                              .body = a->body,
                              .trace = a->trace};
    int over = 0, r;

    /* half of what is left, so that an answer that was lost can be asked for again */
    rq.timeout_ms = (uint32_t)(left / 2 < 100 ? 100 : left / 2);
    a->timer = 0;
    if (a->tries++ && a->part)
        a->part(a, (struct aiex_slice){NULL, 0});
    a->over = &over;
    r = host->call(host, &rq, on_answer, a, &id);
    if (over)
        return;
    a->over = NULL;
    if (r == 0)
        a->call = id;
    else if (r == -EMSGSIZE || r == -EINVAL)
        finish_with(a, AIEX_E_INVALID, "the request to the store is longer than it may be");
    else if (!later(a, 0))
        finish_with(a, AIEX_E_BUSY, "too many calls are under way");
}

void ask_start(struct ask *a, struct aiex_slice body)
{
    a->body = body;
    a->tries = 0;
    a->call = a->timer = 0;
    a->unknown = 0;
    a->over = NULL;
    a->active = 1;
    a->give_up = a->s->host->now_ms(a->s->host) + (uint64_t)a->s->config->store_wait;
    if (!body.data)
        finish_with(a, AIEX_E_BUSY, "no memory for a request to the store");
    else
        try_once(a);
}

void ask_by(struct ask *a, aiex_write_fn write, const void *arg)
{
    struct aiex_slice body = {NULL, 0};

    aiex_write_alloc(write, arg, &body);
    ask_start(a, body);
}
