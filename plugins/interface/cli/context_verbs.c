/* context_verbs.c - aiex context: put, get, search, list, remove and count contexts. */
#include "answer_table.h"
#include "option_fields.h"
#include "read_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_QUERY 1024 /* bytes of the joined words */
#define SNIPPET   100  /* bytes of a found text that are shown */

static const struct option_field fields[] = {
    {"id", "id", FORM_TEXT},           {"kind", "kind", FORM_TEXT},
    {"session", "session", FORM_TEXT}, {"project", "project", FORM_TEXT},
    {"path", "path", FORM_TEXT},       {"title", "title", FORM_TEXT},
    {"ttl", "ttl_ms", FORM_DURATION},  {"limit", "limit", FORM_COUNT},
    {"all", "all", FORM_SWITCH},       {0},
};

static const struct answer_column found_columns[] = {
    {{"SCORE", 1, 5, 0}, "score", CELL_SCORE},   {{"ID", 0, 0, 1}, "id", CELL_PLAIN},
    {{"KIND", 0, 3, 1}, "kind", CELL_PLAIN},     {{"PROJECT", 0, 4, 1}, "project", CELL_PLAIN},
    {{"PATH", 0, 1, 1}, "path", CELL_PLAIN},     {{"TITLE", 0, 6, 1}, "title", CELL_PLAIN},
    {{"FOUND", 0, 2, 1}, "snippet", CELL_PLAIN},
};

static const struct answer_column list_columns[] = {
    {{"ID", 0, 0, 1}, "id", CELL_PLAIN},
    {{"KIND", 0, 2, 1}, "kind", CELL_PLAIN},
    {{"SESSION", 0, 5, 1}, "session", CELL_PLAIN},
    {{"PROJECT", 0, 4, 1}, "project", CELL_PLAIN},
    {{"PATH", 0, 1, 1}, "path", CELL_PLAIN},
    {{"BYTES", 1, 6, 0}, "bytes", CELL_PLAIN},
    {{"CHANGED (UTC)", 0, 3, 0}, "updated", CELL_DATE},
};

#define COLUMNS(table) table, sizeof(table) / sizeof(*(table))

/* What the verbs send: options, and one text under a key. */
struct sent {
    const struct command *c;
    const char *key; /* NULL = options only */
    struct aiex_slice text;
};

static void pack(struct aiex_writer *w, const void *arg)
{
    const struct sent *s = arg;
    int is_put = s->key && strcmp(s->key, "content") == 0;
    int no_kind = is_put && !arguments_value(&s->c->args, "kind");
    int is_query = s->key && strcmp(s->key, "query") == 0;

    aiex_w_map(w, option_fields_count(s->c, fields) + (s->key != NULL) + (uint32_t)no_kind +
                      (uint32_t)is_query);
    option_fields_pack(w, s->c, fields);
    if (is_query)
        aiex_w_key_int(w, "snippet", SNIPPET);
    if (no_kind)
        aiex_w_key_str(w, "kind", "note");
    if (s->key)
        aiex_w_key_strn(w, s->key, (const char *)s->text.data, s->text.len);
}

static struct command_call calls(const char *method, const struct sent *sent)
{
    return (struct command_call){
        .service = "context", .method = method, .pack = pack, .pack_arg = sent};
}

static struct sent first_word(const struct command *c, const char *key)
{
    const char *word = c->args.words[0];

    return (struct sent){c, key, {(const uint8_t *)word, strlen(word)}};
}

enum outcome verb_context_search(struct command *c)
{
    char query[MAX_QUERY] = "";
    struct sent sent = {.c = c, .key = "query"};
    const struct command_call call = calls("context.search", &sent);
    size_t n = 0;

    for (size_t i = 0; i < c->args.n_words && n < sizeof(query); i++)
        n += (size_t)snprintf(query + n, sizeof(query) - n, "%s%s", i ? " " : "", c->args.words[i]);
    if (n >= sizeof(query)) {
        complain(&c->screen, "the query has more than %d bytes", MAX_QUERY - 1);
        return OUTCOME_USAGE;
    }
    sent.text = (struct aiex_slice){(const uint8_t *)query, n};
    return answer_list(c, &call, "entries", COLUMNS(found_columns));
}

enum outcome verb_context_list(struct command *c)
{
    const struct sent sent = {.c = c};
    const struct command_call call = calls("context.list", &sent);

    return answer_list(c, &call, "entries", COLUMNS(list_columns));
}

static void print_content(struct command *c, struct aiex_slice body)
{
    struct aiex_slice text = {NULL, 0};
    struct cleaner cleaner = {0};

    if (aiex_get_bytes(body, "content", &text) != 1)
        return;
    if (c->screen.width)
        clean_write(&cleaner, stdout, text.data, text.len);
    else
        fwrite(text.data, 1, text.len, stdout);
    if (text.len && text.data[text.len - 1] != '\n' && c->screen.width)
        putchar('\n');
}

enum outcome verb_context_get(struct command *c)
{
    const struct sent sent = first_word(c, "id");
    const struct command_call call = calls("context.get", &sent);
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        print_content(c, end.body);
    control_end_done(&end);
    return outcome;
}

enum outcome verb_context_put(struct command *c)
{
    struct sent sent = {.c = c, .key = "content"};
    const struct command_call call = calls("context.put", &sent);
    const char *name = c->args.words[0];
    int is_input = strcmp(name, "-") == 0;
    struct read_text file = {NULL, 0};
    struct aiex_error err;
    enum outcome outcome = option_fields_check(c, fields);
    int failed;

    if (outcome != OUTCOME_OK)
        return outcome;
    failed = read_text(is_input ? NULL : name, is_input ? "standard input" : name, 1 << 20, &file,
                       &err);
    if (failed) {
        complain(&c->screen, "%s", err.text);
        return outcome_of_input(failed);
    }
    sent.text = (struct aiex_slice){(const uint8_t *)file.data, file.len};
    outcome = answer_done(c, &call, "kept", name);
    free(file.data);
    return outcome;
}

enum outcome verb_context_remove(struct command *c)
{
    const struct sent sent = first_word(c, "id");
    const struct command_call call = calls("context.delete", &sent);

    return answer_done(c, &call, "removed", c->args.words[0]);
}

enum outcome verb_context_stats(struct command *c)
{
    const struct sent sent = {.c = c};
    const struct command_call call = calls("context.stats", &sent);
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    outcome = command_print_json(c, end.body);
    control_end_done(&end);
    return outcome;
}
