/*
 * status.c - the host as a whole: aiex status, upgrade, stop, version.
 */
#include "command.h"

#include "field.h"

#include <errno.h>

#ifndef AIEX_VERSION
#define AIEX_VERSION "unknown"
#endif

/* ---- status ---- */

struct lines {
    const char *indent;
    int colour;
};

static void put_line(const struct lines *l, const char *label, const char *text, enum paint paint)
{
    struct cleaner cleaner = {0};

    printf("%s", l->indent);
    clean_write(&cleaner, stdout, label, strlen(label));
    printf("%*s", (int)(strlen(label) < 12 ? 12 - strlen(label) : 1), "");
    fputs(screen_begin(l->colour, paint), stdout);
    clean_write(&cleaner, stdout, text, strlen(text));
    printf("%s\n", screen_end(l->colour, paint));
}

static int put_pair(void *arg, const char *key, struct aiex_slice value)
{
    char text[FIELD_TEXT];

    put_line(arg, key, field_value_text(value, FIELD_PLAIN, text), PAINT_NONE);
    return 0;
}

/* Known keys in the order a person asks; what else the host tells follows as it came. */
static const struct {
    const char *key;
    const char *label;
    enum field_form form;
} known[] = {
    {"node", "node", FIELD_PLAIN},       {"ready", "ready", FIELD_PLAIN},
    {"reason", "reason", FIELD_PLAIN},   {"version", "version", FIELD_PLAIN},
    {"uptime_ms", "up", FIELD_DURATION}, {"pid", "pid", FIELD_PLAIN},
    {"memory", "memory", FIELD_PLAIN},   {"plugins", "plugins", FIELD_PLAIN},
    {"data", "data", FIELD_PLAIN},       {"config", "config", FIELD_PLAIN},
};

#define N_KNOWN (sizeof(known) / sizeof(*known))

static int put_other(void *arg, const char *key, struct aiex_slice value)
{
    const struct lines *l = arg;
    struct lines inner = {.indent = "  ", .colour = l->colour};
    struct aiex_slice at = value;
    struct aiex_value v;

    for (size_t i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i].key, key) == 0)
            return 0;
    if (aiex_r_value(&at, &v) == 0 && v.type == AIEX_T_MAP && v.count) {
        put_line(l, key, "", PAINT_NONE);
        return field_each(value, put_pair, &inner);
    }
    return put_pair(arg, key, value);
}

static void show_status(struct command *c, struct aiex_slice body, int ready)
{
    struct lines l = {.indent = "", .colour = c->screen.out_colour};
    char text[FIELD_TEXT];

    for (size_t i = 0; i < N_KNOWN; i++) {
        int is_ready = strcmp(known[i].key, "ready") == 0;

        field_text(body, known[i].key, known[i].form, text);
        if (strcmp(text, "-") != 0 && *text)
            put_line(&l, known[i].label, text,
                     !is_ready ? PAINT_NONE
                     : ready   ? PAINT_GREEN
                               : PAINT_YELLOW);
    }
    field_each(body, put_other, &l);
}

enum outcome verb_status(struct command *c)
{
    const struct command_call call = {.method = "host.status"};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);
    int ready = 0;

    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_bool(end.body, "ready", &ready);
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        show_status(c, end.body, ready);
    control_end_done(&end);
    if (outcome == OUTCOME_OK && !ready && arguments_has(&c->args, "check"))
        outcome = OUTCOME_FAILED;
    return outcome;
}

/* ---- upgrade, stop ---- */

static enum outcome order(struct command *c, const char *method, const char *done)
{
    const struct command_call call = {.method = method};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "%s", done);
    control_end_done(&end);
    return outcome;
}

enum outcome verb_upgrade(struct command *c)
{
    return order(c, "host.upgrade", "the host is executing itself again");
}

enum outcome verb_stop(struct command *c)
{
    return order(c, "host.stop", "the host is stopping");
}

/* ---- version ---- */

enum outcome verb_version(struct command *c)
{
    if (command_wants_json(c))
        printf("{\n  \"version\": \"%s\",\n  \"abi\": \"%u.%u\"\n}\n", AIEX_VERSION, AIEX_ABI_MAJOR,
               AIEX_ABI_MINOR);
    else
        printf("aiex %s\n", AIEX_VERSION);
    return OUTCOME_OK;
}
