/* ask.c - see aiex_ask.h. */
#include "aiex_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_PAUSE_MS 50u
#define LONG_PAUSE_MS  250u
#define LEAST_CALL_MS  100u
#define LATE_CALL_MS   1000u

static void try_once(void *arg);

static void clear(struct aiex_ask *a)
{
    if (a->call)
        a->host->cancel(a->host, a->call);
    if (a->timer)
        a->host->unwatch(a->host, a->timer);
    if (a->over)
        *a->over = 1;
    a->call = a->timer = 0;
    a->over = NULL;
    free((void *)(uintptr_t)a->body.data);
    a->body = (struct aiex_slice){NULL, 0};
    a->active = 0;
}

void aiex_ask_stop(struct aiex_ask *a)
{
    if (a->active)
        clear(a);
}

static void finish(struct aiex_ask *a, const struct aiex_answer *end)
{
    a->call = 0;
    clear(a);
    a->end(a, end);
}

static void finish_with(struct aiex_ask *a, const char *code, const char *text)
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

/* 1 = it will be asked again. */
static int later(struct aiex_ask *a, uint32_t least_ms)
{
    uint64_t now = a->host->now_ms(a->host);
    uint64_t pause = (uint64_t)FIRST_PAUSE_MS << (a->tries < 5 ? a->tries : 5);
    int is_over;

    pause = pause > LONG_PAUSE_MS ? LONG_PAUSE_MS : pause;
    pause = pause < least_ms ? least_ms : pause;
    is_over = now + pause >= a->give_up;
    if (is_over && !(a->unknown && a->late))
        return 0;
    if (a->host->timer(a->host, pause, 0, try_once, a, &a->timer) != 0)
        return 0;
    if (is_over && !a->is_late) {
        a->is_late = 1;
        a->late(a);
    }
    return 1;
}

static int is_passing(const struct aiex_ask *a, const char *code)
{
    static const char *const again[] = {AIEX_E_BUSY, AIEX_E_UNAVAILABLE, AIEX_E_TIMEOUT,
                                        AIEX_E_CRASHED, NULL};
    static const char *const known[] = {AIEX_E_CONFLICT, AIEX_E_INVALID, NULL};

    return is_one_of(code, again) || (a->late && a->unknown && !is_one_of(code, known));
}

static void ended(struct aiex_ask *a, const struct aiex_answer *end)
{
    static const char *const doubtful[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED, AIEX_E_INTERNAL,
                                           AIEX_E_CANCELLED, NULL};
    int told = 0;

    a->call = 0;
    if (end->code) {
        aiex_get_bool(end->body, "unknown", &told);
        a->unknown |= told || is_one_of(end->code, doubtful);
        if (is_passing(a, end->code) && later(a, end->retry_after_ms))
            return;
    }
    finish(a, end);
}

static void take_part(struct aiex_ask *a, struct aiex_slice part)
{
    const struct aiex_answer enough = {.struct_size = sizeof(enough), .kind = AIEX_ANSWER_END};

    if (!a->part || !a->part(a, part))
        return;
    if (a->call) {
        a->host->cancel(a->host, a->call);
        finish(a, &enough);
    } else {
        a->part = NULL; /* still within call(): the rest is dropped, the end comes */
    }
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct aiex_ask *a = arg;

    if (answer->kind != AIEX_ANSWER_END) {
        take_part(a, answer->body);
        return;
    }
    if (a->over)
        *a->over = 1;
    a->over = NULL;
    ended(a, answer);
}

/* Half of what is left, so that an answer that was lost can be asked for again. */
static uint32_t call_ms(const struct aiex_ask *a)
{
    uint64_t now = a->host->now_ms(a->host), least = a->is_late ? LATE_CALL_MS : LEAST_CALL_MS;
    uint64_t half = a->give_up > now ? (a->give_up - now) / 2 : 0;

    return (uint32_t)(half < least ? least : half);
}

static void try_once(void *arg)
{
    struct aiex_ask *a = arg;
    const struct aiex_request rq = {.struct_size = sizeof(rq),
                                    .service = a->to,
                                    .method = a->method,
                                    .body = a->body,
                                    .timeout_ms = call_ms(a),
                                    .trace = a->trace};
    const struct aiex_host *host = a->host;
    uint64_t id = 0;
    int over = 0, r;

    a->timer = 0;
    if (a->tries++ && a->part)
        a->part(a, (struct aiex_slice){NULL, 0});
    a->over = &over;
    r = host->call(host, &rq, on_answer, a, &id);
    if (over) { /* answered, or stopped by a part: `a` may be gone, the call must not find it */
        if (r == 0)
            host->cancel(host, id);
        return;
    }
    a->over = NULL;
    if (r == 0)
        a->call = id;
    else if (r == -EMSGSIZE || r == -EINVAL)
        finish_with(a, AIEX_E_INVALID, "the request is longer than it may be");
    else if (!later(a, 0))
        finish_with(a, AIEX_E_BUSY, "too many calls are under way");
}

void aiex_ask_start(struct aiex_ask *a, struct aiex_slice body)
{
    snprintf(a->to, sizeof(a->to), "%s", a->service);
    a->body = body;
    a->tries = 0;
    a->call = a->timer = 0;
    a->unknown = a->is_late = 0;
    a->over = NULL;
    a->active = 1;
    a->give_up = a->host->now_ms(a->host) + a->wait_ms;
    if (!body.data)
        finish_with(a, AIEX_E_BUSY, "no memory for the request");
    else
        try_once(a);
}

void aiex_ask_by(struct aiex_ask *a, aiex_write_fn write, const void *arg)
{
    struct aiex_slice body = {NULL, 0};

    aiex_write_alloc(write, arg, &body);
    aiex_ask_start(a, body);
}
