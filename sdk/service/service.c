/* service.c - dispatch, answers, errors and log lines with a format. */
#include "aiex_service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SMALL 4096u

static const struct aiex_slice nothing = {NULL, 0};

int aiex_dispatch(const struct aiex_method *methods, void *self, const struct aiex_message *m)
{
    for (; methods->name; methods++)
        if (strcmp(methods->name, m->method) == 0)
            return methods->fn(self, m);
    return -ENOSYS;
}

int aiex_write_alloc(aiex_write_fn write, const void *arg, struct aiex_slice *ret_body)
{
    struct aiex_writer w;
    size_t size = SMALL;

    for (;;) {
        void *mem = malloc(size);

        if (!mem)
            return -ENOMEM;
        aiex_writer_init(&w, mem, size);
        write(&w, arg);
        if (!w.failed) {
            *ret_body = aiex_written(&w);
            return 0;
        }
        free(mem);
        size = w.len;
    }
}

static int answer(const struct aiex_host *host, uint64_t id, struct aiex_slice body)
{
    int r = host->reply(host, id, body);

    if (r == -EMSGSIZE)
        host->fail(host, id, AIEX_E_INTERNAL, "the answer is longer than 32 MiB; ask for less", 0,
                   nothing);
    return r;
}

int aiex_reply_by(const struct aiex_host *host, uint64_t id, aiex_write_fn write, const void *arg)
{
    uint8_t mem[SMALL];
    struct aiex_writer w;
    struct aiex_slice body;
    int r;

    if (!id)
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    write(&w, arg);
    if (!w.failed)
        return answer(host, id, aiex_written(&w));
    r = aiex_write_alloc(write, arg, &body);
    if (r < 0)
        return r;
    r = answer(host, id, body);
    free((void *)(uintptr_t)body.data);
    return r;
}

int aiex_reply_done(const struct aiex_host *host, uint64_t id)
{
    return id ? host->reply(host, id, nothing) : 0;
}

int aiex_reply_health(const struct aiex_host *host, uint64_t id, int healthy, const char *reason)
{
    uint8_t mem[512];
    struct aiex_writer w;

    if (!id)
        return 0;
    aiex_writer_init(&w, mem, sizeof(mem));
    aiex_w_map(&w, 2);
    aiex_w_key_bool(&w, "healthy", healthy);
    aiex_w_key_strn(&w, "reason", reason, strnlen(reason, 400));
    return host->reply(host, id, aiex_written(&w));
}

int aiex_refuse(const struct aiex_host *host, uint64_t id, const char *code, const char *format,
                ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (id)
        host->fail(host, id, code, text, 0, nothing);
    return 0;
}

void aiex_logf(const struct aiex_host *host, uint32_t level, uint64_t trace, const char *format,
               ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    host->log(host, level, trace, text);
}

int aiex_failed(struct aiex_error *err, int error, const char *format, ...)
{
    va_list args;

    if (err) {
        va_start(args, format);
        vsnprintf(err->text, sizeof(err->text), format, args);
        va_end(args);
    }
    return error;
}
