/*
 * append_verbs.c - aiex events append and import: lines of JSON in, acknowledgements out.
 *
 * One loop: lines are taken while fewer than FLIGHT_CALLS are without printed outcome and
 * OPEN_BYTES are on their way, sent in the order of the input, and printed by acks.c. A line that
 * is wrong is told with its number and nothing else is lost. When the host goes or a signal comes,
 * what was sent and not acknowledged is unknown, and the rest of the input is left alone.
 */
#include "acks.h"
#include "command.h"
#include "control_private.h"
#include "event_verbs.h"
#include "lines.h"
#include "reason.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LINE_BYTES (16u << 20)
#define OPEN_BYTES (24u << 20)

struct appender {
    struct command *command;
    struct append_defaults defaults;
    const char *service;
    uint32_t timeout_ms;
    struct lines lines;
    struct acks acks;
    struct flight *flight;
    int stopped;      /* no more of the input is wanted */
    int dry;          /* what was read of it holds no whole line */
    int stops_denied; /* at the first line that the store denies */
    int was_denied;
};

static int no_memory(struct aiex_error *err)
{
    return fail(err, -ENOMEM, "out of memory");
}

static void on_end(void *arg, const struct flight_end *end)
{
    struct appender *a = arg;

    acks_end(&a->acks, end);
    if (a->stops_denied && aiex_slice_is(end->code, AIEX_E_DENIED))
        a->stopped = a->was_denied = 1;
}

/* ---- Lines ---- */

static int is_blank(const char *text, size_t len)
{
    while (len && (*text == ' ' || *text == '\t' || *text == '\r')) {
        text++;
        len--;
    }
    return len == 0;
}

static int send_line(struct appender *a, struct append_line *line, struct aiex_error *err)
{
    const struct control_request request = {.service = a->service,
                                            .method = line->method,
                                            .body = line->body,
                                            .timeout_ms = a->timeout_ms};
    int64_t call, deadline_ms = control_now_ms() + a->timeout_ms + CONTROL_GRACE_MS;
    int failed = flight_call(a->flight, &request, &call, err);

    if (failed) {
        append_line_free(line);
        return failed;
    }
    failed = acks_add(&a->acks, line, a->lines.number, call, deadline_ms);
    return failed ? no_memory(err) : 0;
}

/* 0, or what ends it all. */
static int take_line(struct appender *a, const char *text, size_t len, struct aiex_error *err)
{
    struct append_line *line;
    int failed;

    if (is_blank(text, len))
        return 0;
    failed = append_line_parse(text, len, &a->defaults, &line, err);
    if (!failed)
        failed = send_line(a, line, err);
    if (failed != -EINVAL && failed != -EMSGSIZE)
        return failed;
    return acks_add_fault(&a->acks, a->defaults.stream, a->lines.number, err->text) ? no_memory(err)
                                                                                    : 0;
}

static int has_room(const struct appender *a)
{
    return !a->stopped && a->acks.n_open + a->acks.n_over < FLIGHT_CALLS &&
           a->acks.n_bytes < OPEN_BYTES;
}

static int take_lines(struct appender *a, struct aiex_error *err)
{
    char *text;
    size_t len;
    int got, failed = 0;

    a->dry = 0;
    while (!failed && has_room(a)) {
        got = lines_next(&a->lines, &text, &len);
        if (got == 0) {
            a->dry = 1;
            return 0;
        }
        if (got < 0) {
            snprintf(err->text, sizeof(err->text), "the line is longer than %u bytes", LINE_BYTES);
            failed = acks_add_fault(&a->acks, a->defaults.stream, a->lines.number, err->text);
        } else {
            failed = take_line(a, text, len, err);
        }
    }
    return failed;
}

/* Nothing is open, and nothing will be. */
static int is_done(const struct appender *a)
{
    return !a->acks.n_open && (a->stopped || (a->dry && a->lines.ended));
}

/* ---- The loop ---- */

/* 1 = all is done, 0 = go on, or what ends it. */
static int turn(struct appender *a, int64_t stop_ms, struct aiex_error *err)
{
    int failed, wants, readable = 0;

    failed = take_lines(a, err);
    if (failed)
        return failed;
    acks_print(&a->acks, stdout);
    if (fflush(stdout) != 0)
        a->stopped = 1; /* nobody reads any more; command_flush() says what there is to say */
    if (is_done(a))
        return 1;
    if (has_room(a) && !a->dry)
        return 0;
    wants = a->dry && has_room(a) && !a->lines.ended;
    failed = flight_turn(a->flight, wants ? a->lines.fd : -1,
                         stop_ms ? stop_ms : acks_deadline(&a->acks), stop_ms != 0, &readable, err);
    if (failed || !readable)
        return failed;
    failed = lines_read(&a->lines);
    return failed ? fail(err, failed, "can not read the input: %s", strerror(-failed)) : 0;
}

/* Everything is answered, and the input, at which nobody may have looked again, has ended. */
static int was_last(struct appender *a)
{
    struct pollfd input = {.fd = a->lines.fd, .events = POLLIN};

    if (a->dry && !a->lines.ended && poll(&input, 1, 0) == 1)
        lines_read(&a->lines);
    return is_done(a) && a->lines.len == a->lines.taken;
}

/* 0 = the input was used up, or what ended it. */
static int run(struct appender *a, struct aiex_error *err)
{
    int64_t stop_ms = 0;
    int r = 0;

    while (r == 0) {
        r = turn(a, stop_ms, err);
        if (r == -EINTR) { /* what is on its way has a moment */
            a->stopped = 1;
            stop_ms = control_now_ms() + CONTROL_CANCEL_MS;
            r = 0;
        }
    }
    if (r < 0 && !stop_ms && was_last(a)) /* a host that goes behind its last answer */
        r = 1;
    if (r < 0)
        acks_give_up(&a->acks, err->text);
    acks_print(&a->acks, stdout);
    fflush(stdout);
    if (stop_ms)
        return fail(err, -EINTR, "interrupted");
    return r < 0 ? r : 0;
}

static enum outcome tell(struct appender *a, int failed, const struct aiex_error *err)
{
    struct screen *s = &a->command->screen;
    enum outcome outcome = failed ? command_failed(a->command, failed, err) : a->acks.outcome;

    if (a->acks.n_failed)
        complain(s, "%" PRIu64 " of %" PRIu64 " events were not acknowledged; the first is in %s",
                 a->acks.n_failed, a->acks.n_events, a->acks.first_fault);
    if (a->was_denied && !failed)
        complain(s,
                 "the import ends there: what follows line %" PRIu64
                 " was not sent. --skip-denied imports all but what is denied; to import that as "
                 "well, name host.control as its owner in the store's options",
                 a->lines.number);
    if (failed && a->lines.number)
        complain(s, "what follows line %" PRIu64 " was not sent", a->lines.number);
    return outcome;
}

static enum outcome pump(struct appender *a)
{
    struct aiex_error err = {""};
    enum outcome outcome;
    int failed = command_connect(a->command, &err);

    if (!failed) {
        a->flight = flight_new(a->command->control, on_end, a);
        failed = a->flight ? run(a, &err) : no_memory(&err);
    }
    outcome = a->flight ? tell(a, failed, &err) : command_failed(a->command, failed, &err);
    flight_free(a->flight);
    lines_done(&a->lines);
    return outcome;
}

/* ---- The verbs ---- */

static void begin(struct appender *a, struct command *c)
{
    const char *level = arguments_value(&c->args, "ack");

    memset(a, 0, sizeof(*a));
    a->command = c;
    a->service = event_store(c);
    a->timeout_ms = c->timeout_ms ? c->timeout_ms : COMMAND_TIMEOUT_MS;
    a->defaults.level = level ? level : "synced";
    a->defaults.expected = EXPECT_ANY;
    acks_init(&a->acks);
    lines_init(&a->lines, STDIN_FILENO, LINE_BYTES);
}

enum outcome verb_events_append(struct command *c)
{
    const char *expect = arguments_value(&c->args, "expect");
    struct appender a;
    enum outcome outcome;

    begin(&a, c);
    a.defaults.stream = c->args.words[0];
    a.defaults.keeps_expect = 1;
    if (expect && append_expect(expect, &a.defaults.expected) != 0) {
        complain(&c->screen, "--expect '%s' is none of any, none, exists or a version", expect);
        return OUTCOME_USAGE;
    }
    if (!*a.defaults.stream || strlen(a.defaults.stream) > APPEND_STREAM) {
        complain(&c->screen, "a stream's name has 1 to %d bytes", APPEND_STREAM);
        return OUTCOME_USAGE;
    }
    outcome = pump(&a);
    acks_done(&a.acks);
    return outcome;
}

/* What was left out is said in every case: it is missing in the store. */
static void tell_import(struct appender *a)
{
    struct command *c = a->command;
    const struct left_out *l = &a->acks.left_out;
    uint64_t good = a->acks.n_events - a->acks.n_failed - l->n_events;

    if (command_wants_json(c)) {
        printf("{\"events\":%" PRIu64 ",\"duplicates\":%" PRIu64 ",\"failed\":%" PRIu64, good,
               a->acks.n_duplicate, a->acks.n_failed);
        if (l->n_events) {
            printf(",\"left_out\":");
            left_out_json(l, stdout);
        }
        puts("}");
        return;
    }
    notice(&c->screen, "%" PRIu64 " events are in the store, %" PRIu64 " were there before", good,
           a->acks.n_duplicate);
    for (uint32_t i = 0; i < l->n_streams; i++)
        complain(&c->screen, "stream '%s' belongs to others: %" PRIu64 " events were left out",
                 l->streams[i].name, l->streams[i].n);
    if (l->n_others)
        complain(&c->screen, "%" PRIu64 " events of more streams of others were left out",
                 l->n_others);
}

enum outcome verb_events_import(struct command *c)
{
    const char *path = c->args.n_words ? c->args.words[0] : "-";
    struct appender a;
    enum outcome outcome;

    begin(&a, c);
    a.acks.skips_denied = arguments_has(&c->args, "skip-denied");
    a.stops_denied = !a.acks.skips_denied;
    if (strcmp(path, "-") != 0)
        a.lines.fd = open(path, O_RDONLY | O_CLOEXEC);
    if (a.lines.fd < 0) {
        complain(&c->screen, "can not read %s: %s", path, strerror(errno));
        return outcome_of_input(-errno);
    }
    a.acks.only_failures = 1;
    outcome = pump(&a);
    tell_import(&a);
    acks_done(&a.acks);
    if (a.lines.fd != STDIN_FILENO)
        close(a.lines.fd);
    return outcome;
}
