/* secret_verbs.c - aiex secret set, list, remove and rotate: the host's vault. */
#include "answer_table.h"
#include "hidden.h"

#include <errno.h>

/* ---- set, rotate ---- */

struct sent {
    const char *name;
    struct hidden value;
};

static void pack_set(struct aiex_writer *w, const void *arg)
{
    const struct sent *s = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "name", s->name);
    aiex_w_key_bin(w, "value", s->value.text, s->value.len);
}

static void pack_key(struct aiex_writer *w, const void *arg)
{
    const struct sent *s = arg;

    aiex_w_map(w, s->value.len ? 1 : 0);
    if (s->value.len)
        aiex_w_key_bin(w, "key", s->value.text, s->value.len);
}

static enum outcome not_read(struct command *c, int error, const struct aiex_error *err)
{
    complain(&c->screen, "%s", err->text);
    return error == -EINTR     ? OUTCOME_INTERRUPTED
           : error == -ENODATA ? OUTCOME_USAGE
                               : OUTCOME_FAILED;
}

static int put_user(void *arg, struct aiex_slice name)
{
    char text[FIELD_TEXT];

    notice(arg, "told %s", field_value_text(name, FIELD_PLAIN, text));
    return 0;
}

enum outcome verb_secret_set(struct command *c)
{
    struct sent sent = {.name = c->args.words[0]};
    const struct command_call call = {
        .method = "host.secret_set", .pack = pack_set, .pack_arg = &sent, .is_secret = 1};
    struct control_end end;
    struct aiex_error err;
    char prompt[128];
    enum outcome outcome;
    int r;

    hidden_protect();
    (void)snprintf(prompt, sizeof(prompt), "value of %.63s", sent.name);
    r = hidden_read(prompt, &sent.value, &err);
    if (r < 0) {
        hidden_done(&sent.value);
        return not_read(c, r, &err);
    }
    outcome = command_call(c, &call, &end);
    hidden_done(&sent.value);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        notice(&c->screen, "stored %s; write it into a configuration as secret:%s", sent.name,
               sent.name);
        (void)field_each_item(end.body, "used_by", put_user, &c->screen);
    }
    control_end_done(&end);
    return outcome;
}

static void say_where(struct command *c, struct aiex_slice body)
{
    char where[600] = "";
    int by_hand = 0;

    (void)aiex_get_text(body, "where", where, sizeof(where));
    (void)aiex_get_bool(body, "by_hand", &by_hand);
    if (by_hand)
        notice(&c->screen,
               "the vault has its new master key; put it into %s before the host starts again",
               where);
    else
        notice(&c->screen, "the vault has a new master key, in %s; renew your backup", where);
}

enum outcome verb_secret_rotate(struct command *c)
{
    struct sent sent = {.name = ""};
    const struct command_call call = {
        .method = "host.secret_rotate", .pack = pack_key, .pack_arg = &sent, .is_secret = 1};
    struct control_end end;
    struct aiex_error err;
    enum outcome outcome;
    int r = 0;

    hidden_protect();
    if (arguments_has(&c->args, "key"))
        r = hidden_read("new master key, 64 hex digits", &sent.value, &err);
    if (r < 0) {
        hidden_done(&sent.value);
        return not_read(c, r, &err);
    }
    outcome = command_call(c, &call, &end);
    hidden_done(&sent.value);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        say_where(c, end.body);
    control_end_done(&end);
    return outcome;
}

/* ---- list, remove ---- */

static const struct answer_column list[] = {{{"NAME", 0, 0, 1}, "name", CELL_PLAIN},
                                            {{"CREATED", 0, 2, 0}, "created", CELL_LOCAL},
                                            {{"CHANGED", 0, 0, 0}, "changed", CELL_LOCAL},
                                            {{"DAMAGED", 0, 3, 0}, "damaged", CELL_PLAIN},
                                            {{"USED BY", 0, 1, 1}, "used_by", CELL_WORDS}};

enum outcome verb_secret_list(struct command *c)
{
    const struct command_call call = {.method = "host.secret_list"};

    return answer_list(c, &call, "secrets", list, sizeof(list) / sizeof(*list));
}

static void pack_remove(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    aiex_w_key_str(w, "name", c->args.words[0]);
    aiex_w_key_bool(w, "force", arguments_has(&c->args, "force"));
}

enum outcome verb_secret_remove(struct command *c)
{
    const struct command_call call = {
        .method = "host.secret_remove", .pack = pack_remove, .pack_arg = c};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "removed %s", c->args.words[0]);
    control_end_done(&end);
    return outcome;
}
