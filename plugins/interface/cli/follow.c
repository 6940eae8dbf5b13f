/*
 * follow.c - verbs that print a line per part until they are stopped: aiex events tail and
 * aiex plugin trace. Each line is written out at once, also into a pipe.
 */
#include "command.h"

#include "event_verbs.h"
#include "field.h"
#include "json_out.h"

#include <errno.h>
#include <inttypes.h>

struct follow {
    struct command *command;
    void (*show)(const struct follow *f, struct aiex_slice part);
    uint64_t left; /* parts still wanted; 0 = no limit */
};

static void put_clean(const char *text, const char *end)
{
    struct cleaner cleaner = {0};

    clean_write(&cleaner, stdout, text, strlen(text));
    fputs(end, stdout);
}

static void put_field(struct aiex_slice map, const char *key, enum field_form form)
{
    char text[FIELD_TEXT];

    put_clean(field_text(map, key, form, text), "  ");
}

static void show_event(const struct follow *f, struct aiex_slice event)
{
    struct aiex_slice data;
    char text[FIELD_TEXT];
    int64_t missed;

    if (aiex_get_int(event, "missed", &missed) == 1 && missed > 0)
        notice(&f->command->screen, "%" PRId64 " events before this one were dropped", missed);
    put_field(event, "time", FIELD_TIME);
    put_field(event, "topic", FIELD_PLAIN);
    put_field(event, "type", FIELD_PLAIN);
    put_clean(field_text(event, "subject", FIELD_PLAIN, text), "");
    if (aiex_get_whole(event, "data", &data) == 1) {
        fputs("  ", stdout);
        json_out(stdout, data, JSON_LINE);
    }
    putchar('\n');
}

static void show_trace(const struct follow *f, struct aiex_slice message)
{
    char text[FIELD_TEXT];

    put_field(message, "time", FIELD_TIME);
    put_field(message, "dir", FIELD_PLAIN);
    put_field(message, "kind", FIELD_PLAIN);
    put_field(message, "service", FIELD_PLAIN);
    put_field(message, "method", FIELD_PLAIN);
    printf("#");
    put_field(message, "id", FIELD_PLAIN);
    put_field(message, "trace", FIELD_PLAIN);
    put_field(message, "bytes", FIELD_BYTES);
    put_clean(field_text(message, "status", FIELD_PLAIN, text), "\n");
}

static int on_part(void *arg, struct aiex_slice part)
{
    struct follow *f = arg;

    if (part.len == 0 || !aiex_is_map(part)) {
        complain(&f->command->screen, "the host sent a line that is no map; it is left out");
        return 0;
    }
    if (command_wants_json(f->command)) {
        json_out(stdout, part, JSON_LINE);
        putchar('\n');
    } else {
        f->show(f, part);
    }
    if (fflush(stdout) != 0)
        return 1; /* the reader of our output is gone, or the disk is full: command_flush() says */
    return f->left && --f->left == 0;
}

static enum outcome follow(struct command *c, const struct command_call *call, struct follow *f)
{
    const char *count = arguments_value(&c->args, "count");
    struct command_call with = *call;
    struct control_end end;
    struct aiex_error err;
    enum outcome outcome;

    f->command = c;
    if (count && arguments_count(count, &f->left, &err) != 0) {
        complain(&c->screen, "%s", err.text);
        return OUTCOME_USAGE;
    }
    with.part = on_part;
    with.part_arg = f;
    with.timeout_ms = COMMAND_NO_LIMIT;
    outcome = command_call(c, &with, &end);
    control_end_done(&end);
    return outcome;
}

static void pack_topic(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "topic", c->args.n_words ? c->args.words[0] : "*");
}

enum outcome verb_events_tail(struct command *c)
{
    const struct command_call call = {.method = "host.events", .pack = pack_topic, .pack_arg = c};
    struct follow f = {.show = show_event};

    return store_tail_is_meant(c) ? store_tail(c) : follow(c, &call, &f);
}

static void pack_instance(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "name", c->args.words[0]);
}

enum outcome verb_plugin_trace(struct command *c)
{
    const struct command_call call = {.method = "host.trace", .pack = pack_instance, .pack_arg = c};
    struct follow f = {.show = show_trace};

    return follow(c, &call, &f);
}
