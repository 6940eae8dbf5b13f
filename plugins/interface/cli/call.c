/* call.c - aiex call: any method of any service, JSON in and out. */
#include "command.h"

#include "json_in.h"
#include "json_out.h"
#include "read_text.h"

#include <stdlib.h>

struct shown {
    int lines; /* parts that were maps */
    int raw;   /* parts that were not */
};

static int on_part(void *arg, struct aiex_slice part)
{
    struct shown *shown = arg;

    if (part.len && aiex_is_map(part)) {
        shown->lines = 1;
        json_out(stdout, part, JSON_LINE);
        putchar('\n');
    } else {
        shown->raw = 1;
        fwrite(part.data, 1, part.len, stdout);
    }
    return fflush(stdout) != 0;
}

/* The JSON argument as a map. OUTCOME_OK, or said. */
static enum outcome take_body(struct command *c, struct aiex_slice *ret_body)
{
    struct read_text from_stdin = {NULL, 0};
    struct aiex_error err;
    const char *text;
    int failed = 0;

    if (c->args.n_words < 3)
        return OUTCOME_OK;
    text = c->args.words[2];
    if (strcmp(text, "-") == 0) {
        failed = read_text(NULL, "standard input", READ_TEXT_TOTAL_BYTES, &from_stdin, &err);
        text = from_stdin.data;
    }
    if (!failed)
        failed = json_in(text, strlen(text), ret_body, &err);
    free(from_stdin.data);
    if (failed) {
        complain(&c->screen, "%s", err.text);
        return OUTCOME_USAGE;
    }
    return OUTCOME_OK;
}

static enum outcome put_end(struct command *c, const struct shown *shown, struct aiex_slice body)
{
    if (!shown->raw && !shown->lines && !command_wants_json(c))
        return command_print_json(c, body);
    if (shown->raw && (c->screen.quiet || body.len == 0))
        return OUTCOME_OK;
    fflush(stdout);
    json_out(shown->raw ? stderr : stdout, body, JSON_LINE);
    putc('\n', shown->raw ? stderr : stdout);
    return OUTCOME_OK;
}

enum outcome verb_call(struct command *c)
{
    struct shown shown = {0, 0};
    struct command_call call = {.service = c->args.words[0],
                                .method = c->args.words[1],
                                .part = on_part,
                                .part_arg = &shown,
                                .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = take_body(c, &call.body);

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome == OUTCOME_OK) {
        outcome = put_end(c, &shown, end.body);
        control_end_done(&end);
    }
    free((void *)(uintptr_t)call.body.data);
    return outcome;
}
