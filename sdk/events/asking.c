/* asking.c - see asking.h. */
#include "asking.h"

#include <errno.h>

int ev_write_on_host(const struct aiex_host *host, aiex_write_fn write, const void *arg,
                     struct aiex_slice *ret)
{
    struct aiex_writer w;
    size_t len;
    void *mem;

    aiex_writer_init(&w, NULL, 0);
    write(&w, arg);
    len = w.len;
    if (len > AIEX_MAX_BODY)
        return -EMSGSIZE;
    mem = host->alloc(host, len ? len : 1);
    if (!mem)
        return -ENOMEM;
    aiex_writer_init(&w, mem, len);
    write(&w, arg);
    if (w.failed || w.len != len) {
        host->release(host, mem);
        return -EINVAL; /* it did not write the same */
    }
    *ret = aiex_written(&w);
    return 0;
}

static void on_answer(void *arg, const struct aiex_answer *answer)
{
    struct asking *a = arg;

    if (answer->kind == AIEX_ANSWER_END) {
        a->open = 0;
        a->call = 0;
        a->turn++;
    }
    a->fn(a->owner, answer);
}

int ev_asking_call(struct asking *a, const char *method, aiex_write_fn write, const void *arg)
{
    struct aiex_request r = {.struct_size = sizeof(r),
                             .service = a->service,
                             .method = method,
                             .timeout_ms = a->timeout_ms,
                             .trace = a->trace};
    unsigned turn = ++a->turn;
    uint64_t call = 0;
    int failed = ev_write_on_host(a->host, write, arg, &r.body);

    if (failed)
        return failed;
    a->open = 1;
    a->calling++;
    failed = a->host->call(a->host, &r, on_answer, a, &call);
    a->calling--;
    a->host->release(a->host, (void *)(uintptr_t)r.body.data);
    if (failed)
        a->open = 0;
    else if (a->open && a->turn == turn)
        a->call = call;
    else if (a->turn != turn) /* answered within, or stopped there and still to be answered */
        a->host->cancel(a->host, call);
    if (!a->dead)
        return failed;
    if (!a->calling)
        a->free(a->owner);
    return 0;
}

static void on_timer(void *arg)
{
    struct asking *a = arg;

    a->waiting = 0;
    a->later(a->owner);
}

int ev_asking_later(struct asking *a, uint64_t ms, void (*fn)(void *owner))
{
    int failed = a->host->timer(a->host, ms, 0, on_timer, a, &a->watch);

    a->later = fn;
    a->waiting = !failed;
    return failed;
}

void ev_asking_stop(struct asking *a)
{
    if (a->call)
        a->host->cancel(a->host, a->call);
    if (a->waiting)
        a->host->unwatch(a->host, a->watch);
    a->call = 0;
    a->open = a->waiting = 0;
    a->turn++;
}

void ev_asking_release(struct asking *a)
{
    ev_asking_stop(a);
    if (a->calling)
        a->dead = 1;
    else
        a->free(a->owner);
}

void ev_asking_cast(struct asking *a, const char *method, aiex_write_fn write, const void *arg)
{
    struct aiex_request r = {.struct_size = sizeof(r),
                             .service = a->service,
                             .method = method,
                             .timeout_ms = a->timeout_ms,
                             .trace = a->trace};
    uint64_t call;

    if (ev_write_on_host(a->host, write, arg, &r.body) != 0)
        return;
    a->host->call(a->host, &r, NULL, NULL, &call);
    a->host->release(a->host, (void *)(uintptr_t)r.body.data);
}

int ev_code_is_passing(const char *code)
{
    static const char *const codes[] = {AIEX_E_TIMEOUT, AIEX_E_CRASHED, AIEX_E_BUSY,
                                        AIEX_E_UNAVAILABLE};

    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return 1;
    return 0;
}

uint64_t ev_pause_of(uint32_t n)
{
    return n > 7 ? 2000 : (uint64_t)20 << (n ? n - 1 : 0);
}
