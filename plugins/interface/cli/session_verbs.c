/* session_verbs.c - aiex session: conversations that the sessions service keeps. */
#include "answer_table.h"
#include "option_fields.h"

#include <errno.h>
#include <stdlib.h>

static const struct option_field fields[] = {
    {"user", "user", FORM_TEXT},      {"project", "project", FORM_TEXT},
    {"title", "title", FORM_TEXT},    {"state", "state", FORM_TEXT},
    {"ttl", "ttl_ms", FORM_DURATION}, {"as", "as", FORM_TEXT},
    {"id", "session", FORM_TEXT},     {"version-of", "version", FORM_COUNT},
    {"count", "limit", FORM_COUNT},   {"next", "next", FORM_TEXT},
    {"all", "all", FORM_SWITCH},      {0},
};

static const struct answer_column columns[] = {
    {{"SESSION", 0, 0, 0}, "session", CELL_PLAIN},
    {{"TITLE", 0, 0, 1}, "title", CELL_PLAIN},
    {{"STATE", 0, 1, 0}, "state", CELL_PLAIN},
    {{"USER", 0, 3, 1}, "user", CELL_PLAIN},
    {{"PROJECT", 0, 4, 1}, "project", CELL_PLAIN},
    {{"MESSAGES", 1, 2, 0}, "messages", CELL_PLAIN},
    {{"CHANGED (UTC)", 0, 1, 0}, "updated", CELL_DATE},
    {{"FORKED FROM", 0, 5, 0}, "origin", CELL_PLAIN},
};

/* The session that the first word names, and the options. */
static void pack(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, (c->args.n_words > 0) + option_fields_count(c, fields));
    option_fields_pack(w, c, fields);
    if (c->args.n_words)
        aiex_w_key_str(w, "session", c->args.words[0]);
}

static struct command_call calls(const char *method, struct command *c)
{
    return (struct command_call){
        .service = "sessions", .method = method, .pack = pack, .pack_arg = c};
}

/* There are more of them: how to get at them. */
static void tell_next(struct command *c, struct aiex_slice body, const char *what)
{
    struct aiex_slice next = {NULL, 0};

    if (aiex_get_str(body, "next", &next) == 1 && next.len)
        notice(&c->screen, "there are %s: --next %.*s", what, (int)next.len,
               (const char *)next.data);
}

enum outcome verb_session_list(struct command *c)
{
    const struct command_call call = calls("sessions.list", c);
    enum outcome outcome = option_fields_check(c, fields);
    struct aiex_slice whole;
    struct control_end end;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c) && aiex_get_whole(end.body, "sessions", &whole) == 1)
        outcome = command_print_json(c, whole);
    else
        outcome = answer_table(c, end.body, "sessions", columns,
                               sizeof(columns) / sizeof(*columns));
    tell_next(c, end.body, "more");
    control_end_done(&end);
    return outcome;
}

/* ---- show ---- */

static void put_text(struct aiex_slice text)
{
    struct cleaner cleaner = {0};

    clean_write(&cleaner, stdout, text.data, text.len);
}

static void put_event(struct aiex_slice event)
{
    struct aiex_slice data = {NULL, 0}, role = {NULL, 0}, content = {NULL, 0}, type = {NULL, 0};
    struct aiex_slice outcome = {NULL, 0};
    char time[FIELD_TEXT], version[FIELD_TEXT];

    aiex_get_whole(event, "data", &data);
    aiex_get_str(event, "type", &type);
    if (aiex_get_str(data, "role", &role) != 1)
        role = type;
    aiex_get_bytes(data, "content", &content);
    printf("\n[%s] ", field_text(event, "version", FIELD_PLAIN, version));
    put_text(role);
    printf(", %s", answer_cell(event, "time", CELL_DATE, time));
    if (aiex_get_str(data, "outcome", &outcome) == 1 && outcome.len) {
        printf(" (");
        put_text(outcome);
        printf(")");
    }
    putchar('\n');
    put_text(content);
    if (content.len && content.data[content.len - 1] != '\n')
        putchar('\n');
}

struct events {
    struct aiex_slice *all;
    size_t n;
};

static int add_event(void *arg, struct aiex_slice event)
{
    struct events *e = arg;
    struct aiex_slice *more = realloc(e->all, (e->n + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    e->all = more;
    e->all[e->n++] = event;
    return 0;
}

/* As one reads a conversation: the oldest of the page first. */
static enum outcome print_talk(struct command *c, struct aiex_slice session,
                               struct aiex_slice history)
{
    static const char *const shown[] = {"session", "title", "state", "user", "project", "version"};
    struct events e = {NULL, 0};
    char text[FIELD_TEXT];
    int failed = field_each_item(history, "events", add_event, &e);

    if (failed)
        complain(&c->screen, "out of memory");
    for (size_t i = 0; !failed && i < sizeof(shown) / sizeof(*shown); i++) {
        struct aiex_slice value = {NULL, 0};

        printf("%s%s: ", i ? ", " : "", shown[i]);
        if (aiex_get_str(session, shown[i], &value) == 1)
            put_text(value);
        else
            printf("%s", field_text(session, shown[i], FIELD_PLAIN, text));
    }
    putchar('\n');
    while (!failed && e.n)
        put_event(e.all[--e.n]);
    free(e.all);
    return failed ? OUTCOME_FAILED : OUTCOME_OK;
}

static enum outcome print_both(struct command *c, struct aiex_slice session,
                               struct aiex_slice history)
{
    size_t size = session.len + history.len + 64;
    uint8_t *mem = malloc(size);
    struct aiex_writer w;
    enum outcome outcome;

    if (!mem) {
        complain(&c->screen, "out of memory");
        return OUTCOME_FAILED;
    }
    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 2);
    aiex_w_str(&w, "session");
    aiex_w_raw(&w, session.data, session.len);
    aiex_w_str(&w, "history");
    aiex_w_raw(&w, history.data, history.len);
    outcome = command_print_json(c, aiex_written(&w));
    free(mem);
    return outcome;
}

enum outcome verb_session_show(struct command *c)
{
    const struct command_call get = calls("sessions.get", c);
    const struct command_call history = calls("sessions.history", c);
    enum outcome outcome = option_fields_check(c, fields);
    struct control_end session, events;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &get, &session);
    if (outcome != OUTCOME_OK)
        return outcome;
    outcome = command_call(c, &history, &events);
    if (outcome == OUTCOME_OK) {
        outcome = command_wants_json(c) ? print_both(c, session.body, events.body)
                                        : print_talk(c, session.body, events.body);
        tell_next(c, events.body, "older ones");
        control_end_done(&events);
    }
    control_end_done(&session);
    return outcome;
}

/* ---- Changes ---- */

/* A new session: its id, on standard output and alone. */
static enum outcome print_id(struct command *c, const char *method)
{
    const struct command_call call = calls(method, c);
    enum outcome outcome = option_fields_check(c, fields);
    struct aiex_slice id = {NULL, 0};
    struct control_end end;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else if (aiex_get_str(end.body, "session", &id) == 1) {
        put_text(id);
        putchar('\n');
    } else {
        complain(&c->screen, "%s: the answer has no 'session'; is the service older?", method);
        outcome = OUTCOME_FAILED;
    }
    control_end_done(&end);
    return outcome;
}

enum outcome verb_session_create(struct command *c)
{
    return print_id(c, "sessions.create");
}

enum outcome verb_session_fork(struct command *c)
{
    return print_id(c, "sessions.fork");
}

static enum outcome change(struct command *c, const char *method, const char *done)
{
    const struct command_call call = calls(method, c);

    return answer_done(c, &call, done, c->args.words[0]);
}

enum outcome verb_session_close(struct command *c)
{
    return change(c, "sessions.close", "closed");
}

enum outcome verb_session_archive(struct command *c)
{
    return change(c, "sessions.archive", "archived");
}

enum outcome verb_session_restore(struct command *c)
{
    return change(c, "sessions.restore", "restored");
}

enum outcome verb_session_delete(struct command *c)
{
    return change(c, "sessions.delete", "deleted");
}

enum outcome verb_session_expire(struct command *c)
{
    const struct command_call call = calls("sessions.expire", c);
    struct control_end end;
    char due[FIELD_TEXT];
    enum outcome outcome;

    if (c->args.n_words)
        return change(c, "sessions.expire", "expired");
    outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "sessions that expire now: %s",
               field_text(end.body, "due", FIELD_PLAIN, due));
    control_end_done(&end);
    return outcome;
}

static void pack_rollback(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "session", c->args.words[0]);
    aiex_w_key_int(w, "version", strtoll(c->args.words[1], NULL, 10));
}

enum outcome verb_session_rollback(struct command *c)
{
    const struct command_call call = {
        .service = "sessions", .method = "sessions.rollback", .pack = pack_rollback, .pack_arg = c};
    const char *version = c->args.words[1];

    if (!*version || strspn(version, "0123456789") != strlen(version) || strlen(version) > 18) {
        complain(&c->screen, "'%s' is no version; `aiex session show %s` has them in brackets",
                 version, c->args.words[0]);
        return OUTCOME_USAGE;
    }
    return answer_done(c, &call, "rolled back", c->args.words[0]);
}
