#include "command.h"

#include "json_out.h"
#include "reason.h"

#include <errno.h>
#include <stdlib.h>

enum outcome command_init(struct command *c)
{
    const char *when = arguments_has(&c->args, "no-color") ? "never"
                                                           : arguments_value(&c->args, "color");
    const char *timeout = arguments_value(&c->args, "timeout");
    struct aiex_error err;

    screen_init(&c->screen, when, arguments_has(&c->args, "quiet"));
    if (timeout && arguments_duration(timeout, &c->timeout_ms, &err) != 0) {
        complain(&c->screen, "%s", err.text);
        return OUTCOME_USAGE;
    }
    return OUTCOME_OK;
}

void command_done(struct command *c)
{
    control_free(c->control);
    c->control = NULL;
    arguments_done(&c->args);
}

int command_connect(struct command *c, struct aiex_error *err)
{
    char path[1024];
    int failed;

    if (c->control)
        return 0;
    failed = control_path(arguments_value(&c->args, "socket"), path, sizeof(path), err);
    if (!failed)
        failed = control_open(path, &c->control, err);
    if (failed)
        return failed;
    failed = control_catch_interrupt();
    return failed ? fail(err, failed, "can not catch interrupts: %s", strerror(-failed)) : 0;
}

enum outcome command_failed(struct command *c, int error, const struct aiex_error *err)
{
    if (error != -EINTR)
        complain(&c->screen, "%s", err->text);
    return outcome_of_errno(error);
}

/* What the host or a plugin answered instead of success. */
static enum outcome refused(struct command *c, const struct command_call *call,
                            const struct control_end *end)
{
    char later[64] = "";

    if (strcmp(end->code, AIEX_E_CANCELLED) == 0 && control_interrupted())
        return OUTCOME_INTERRUPTED;
    if (end->retry_after_ms)
        snprintf(later, sizeof(later), "; try again in %.1f s", end->retry_after_ms / 1000.0);
    complain(&c->screen, "%s: %s (%s)%s", call->method, *end->text ? end->text : "no reason given",
             end->code, later);
    return outcome_of_code(end->code);
}

static int make_body(const struct command_call *call, struct aiex_slice *ret_body,
                     struct aiex_error *err)
{
    struct aiex_writer w;
    void *mem;

    aiex_writer_init(&w, NULL, 0);
    call->pack(&w, call->pack_arg);
    mem = malloc(w.len);
    if (!mem)
        return fail(err, -ENOMEM, "out of memory");
    aiex_writer_init(&w, mem, w.len);
    call->pack(&w, call->pack_arg);
    *ret_body = aiex_written(&w);
    return 0;
}

static uint32_t limit_of(const struct command *c, const struct command_call *call)
{
    if (c->timeout_ms)
        return c->timeout_ms;
    if (call->timeout_ms == COMMAND_NO_LIMIT)
        return INT32_MAX; /* 0 would be the service's own limit */
    return call->timeout_ms ? call->timeout_ms : COMMAND_TIMEOUT_MS;
}

enum outcome command_call(struct command *c, const struct command_call *call,
                          struct control_end *ret_end)
{
    struct control_request request = {.service = call->service ? call->service : "host",
                                      .method = call->method,
                                      .body = call->body,
                                      .timeout_ms = limit_of(c, call)};
    struct aiex_error err = {""};
    int failed = command_connect(c, &err);
    enum outcome outcome;

    memset(ret_end, 0, sizeof(*ret_end));
    if (!failed && call->pack)
        failed = make_body(call, &request.body, &err);
    if (!failed)
        failed = control_call(c->control, &request, call->part, call->part_arg, ret_end, &err);
    if (call->is_secret && request.body.data)
        explicit_bzero((void *)(uintptr_t)request.body.data, request.body.len);
    if (call->pack)
        free((void *)(uintptr_t)request.body.data);
    if (failed)
        return command_failed(c, failed, &err);
    outcome = OUTCOME_OK;
    if (*ret_end->code) {
        outcome = refused(c, call, ret_end);
        control_end_done(ret_end);
    }
    return outcome;
}

int command_wants_json(const struct command *c)
{
    return arguments_has(&c->args, "json");
}

enum outcome command_print_json(struct command *c, struct aiex_slice value)
{
    if (json_out(stdout, value, JSON_PRETTY) != 0) {
        complain(&c->screen, "the host's answer is broken");
        return OUTCOME_FAILED;
    }
    putchar('\n');
    return OUTCOME_OK;
}

enum outcome command_flush(struct command *c, enum outcome so_far)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return so_far;
    if (errno == EPIPE)
        return so_far;
    complain(&c->screen, "can not write standard output: %s", strerror(errno));
    return so_far == OUTCOME_OK ? OUTCOME_FAILED : so_far;
}
