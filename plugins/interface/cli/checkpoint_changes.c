/* checkpoint_changes.c - aiex checkpoint compare and restore: changes, key by key and counted. */
#include "checkpoint_verbs.h"

#include "answer_table.h"
#include "json_out.h"
#include "option_fields.h"

static const struct option_field restore_fields[] = {
    {"parts", "parts", FORM_LIST},
    {"dry-run", "dry_run", FORM_SWITCH},
    {"keep-added", "keep_added", FORM_SWITCH},
    {"mark", "mark", FORM_SWITCH},
    {"keys", "keys", FORM_SWITCH},
    {"count", "list", FORM_COUNT},
    {0},
};
static const struct option_field compare_fields[] = {{"count", "list", FORM_COUNT}, {0}};

/* ---- Changes ---- */

static void put(const char *before, struct aiex_slice map, const char *key)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    field_text(map, key, FIELD_PLAIN, text);
    fputs(before, stdout);
    clean_write(&cleaner, stdout, text, strlen(text));
}

static void put_change(struct aiex_slice change)
{
    struct aiex_slice detail = {NULL, 0};

    put("", change, "change");
    put("  ", change, "part");
    put("  ", change, "key");
    if (aiex_get_str(change, "detail", &detail) == 1)
        put("  ", change, "detail");
}

static int on_change(void *arg, struct aiex_slice part)
{
    struct command *c = arg;

    if (checkpoint_progress(c, part))
        return 0;
    checkpoint_progress_end(c);
    if (command_wants_json(c))
        json_out(stdout, part, JSON_LINE);
    else
        put_change(part);
    putchar('\n');
    return 0;
}

/* "table:people: 2 added, 1 changed" */
static int on_count(void *arg, const char *key, struct aiex_slice value)
{
    struct aiex_value v;
    int *first = arg;

    if (aiex_r_value(&value, &v) != 0 || v.type != AIEX_T_INT)
        return 0;
    printf("%s%lld ", *first ? "" : ", ", (long long)v.i);
    for (; *key; key++)
        putchar(*key == '_' ? ' ' : *key);
    *first = 0;
    return 0;
}

static int on_part(void *arg, struct aiex_slice part)
{
    int first = 1;

    (void)arg;
    put("", part, "part");
    fputs(": ", stdout);
    field_each(part, on_count, &first);
    putchar('\n');
    return 0;
}

static void put_counts(struct command *c, struct aiex_slice body)
{
    if (command_wants_json(c)) {
        json_out(stdout, body, JSON_LINE);
        putchar('\n');
    } else {
        field_each_item(body, "parts", on_part, NULL);
    }
    fflush(stdout);
}

static int64_t total_of(struct aiex_slice body, const char *change)
{
    struct aiex_slice total = {NULL, 0};
    int64_t n = 0;

    if (aiex_get_whole(body, "total", &total) == 1)
        aiex_get_int(total, change, &n);
    return n;
}

/* ---- compare ---- */

static void pack_compare(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2 + option_fields_count(c, compare_fields));
    option_fields_pack(w, c, compare_fields);
    aiex_w_key_str(w, "from", c->args.words[0]);
    aiex_w_key_str(w, "to", c->args.words[1]);
}

enum outcome verb_checkpoint_compare(struct command *c)
{
    const struct command_call call = {.service = CHECKPOINTS,
                                      .method = "checkpoints.compare",
                                      .pack = pack_compare,
                                      .pack_arg = c,
                                      .part = on_change,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    enum outcome outcome = option_fields_check(c, compare_fields);
    struct control_end end;
    int same = 0;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    put_counts(c, end.body);
    aiex_get_bool(end.body, "same", &same);
    if (same)
        notice(&c->screen, "they are the same");
    control_end_done(&end);
    return OUTCOME_OK;
}

/* ---- restore ---- */

static void pack_restore(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;
    int no_backup = arguments_has(&c->args, "no-backup");

    aiex_w_map(w, 1 + (uint32_t)no_backup + option_fields_count(c, restore_fields));
    option_fields_pack(w, c, restore_fields);
    if (no_backup)
        aiex_w_key_bool(w, "backup", 0);
    aiex_w_key_str(w, "name", c->args.words[0]);
}

static int on_restart(void *arg, struct aiex_slice item)
{
    struct command *c = arg;
    struct aiex_value v;

    if (aiex_r_value(&item, &v) == 0 && v.type == AIEX_T_STR)
        notice(&c->screen,
               "%.*s is to read its rows anew: without reload_on = checkpoint.restored in its "
               "section by aiex plugin reload %.*s",
               (int)v.bytes.len, (const char *)v.bytes.data, (int)v.bytes.len,
               (const char *)v.bytes.data);
    return 0;
}

static void tell_restored(struct command *c, struct aiex_slice body)
{
    char before[FIELD_TEXT];
    int dry = arguments_has(&c->args, "dry-run");

    if (dry)
        notice(&c->screen, "nothing was changed; this is what a restore would do");
    else if (answer_has_text(body, "before"))
        notice(&c->screen, "restored; the way back: aiex checkpoint restore %s",
               field_text(body, "before", FIELD_PLAIN, before));
    else
        notice(&c->screen, "restored");
    if (total_of(body, "left"))
        notice(&c->screen,
               "what is 'left' stays as it is now: the later events of streams, and API "
               "keys without --keys");
    if (!dry)
        field_each_item(body, "restart", on_restart, c);
}

enum outcome verb_checkpoint_restore(struct command *c)
{
    const struct command_call call = {.service = CHECKPOINTS,
                                      .method = "checkpoints.restore",
                                      .pack = pack_restore,
                                      .pack_arg = c,
                                      .part = on_change,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    enum outcome outcome = option_fields_check(c, restore_fields);
    struct control_end end;
    long long conflicts;

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    checkpoint_progress_end(c);
    if (outcome != OUTCOME_OK)
        return outcome;
    put_counts(c, end.body);
    tell_restored(c, end.body);
    conflicts = (long long)total_of(end.body, "conflicts");
    if (conflicts)
        complain(&c->screen, "%lld conflicts: these %s", conflicts,
                 arguments_has(&c->args, "dry-run") ? "would not be touched" : "were not touched");
    control_end_done(&end);
    return conflicts ? OUTCOME_FAILED : OUTCOME_OK;
}
