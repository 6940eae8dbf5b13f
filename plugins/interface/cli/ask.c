/*
 * ask.c - aiex ask: a prompt, files and standard input to a model, the answer to standard output.
 *
 * The request goes to service "cli" (plugin interface_cli), method "cli.ask". Parts are maps with
 * one of {text}, {reasoning}, {notice}; the end has {id, model, provider, input_tokens,
 * output_tokens, cost, finish, cached, offline, session}. Nothing but the answer reaches standard
 * output.
 */
#include "command.h"

#include "field.h"
#include "json_out.h"
#include "read_text.h"
#include "reason.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_FILES 256

struct file {
    const char *name;
    struct read_text text;
};

struct ask {
    struct command *command;
    char *prompt; /* malloc'ed */
    size_t prompt_len;
    struct file files[MAX_FILES];
    size_t n_files;
    size_t total;    /* bytes of all texts */
    int64_t history; /* of its session; -1 = as configured */
    /* the answer */
    struct cleaner cleaner;
    int reasoning; /* the last thing shown was reasoning */
    FILE *kept;    /* with --json: the answer so far */
    char *kept_text;
    size_t kept_len;
};

/* ---- What is asked ---- */

static int add_file(struct ask *a, const char *path, const char *name, struct aiex_error *err)
{
    struct file *f = &a->files[a->n_files];
    int failed;

    if (a->n_files == MAX_FILES)
        return fail(err, -E2BIG, "more than %d files in one request", MAX_FILES);
    failed = read_text(path, name, READ_TEXT_FILE_BYTES, &f->text, err);
    if (failed)
        return failed;
    f->name = name;
    a->n_files++;
    a->total += f->text.len;
    if (a->total > READ_TEXT_TOTAL_BYTES)
        return fail(err, -EFBIG, "the files are larger than %u bytes together; send fewer",
                    READ_TEXT_TOTAL_BYTES);
    return 0;
}

static int take_files(struct ask *a, struct aiex_error *err)
{
    const struct arguments *args = &a->command->args;
    int failed = 0;

    for (size_t i = 0; i < args->n_uses && !failed; i++)
        if (strcmp(args->uses[i].option->name, "file") == 0)
            failed = add_file(a, args->uses[i].value, args->uses[i].value, err);
    return failed;
}

static int join_words(struct ask *a, struct aiex_error *err)
{
    const struct arguments *args = &a->command->args;
    FILE *f = open_memstream(&a->prompt, &a->prompt_len);

    if (!f)
        return fail(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < args->n_words; i++)
        fprintf(f, "%s%s", i ? " " : "", args->words[i]);
    if (fclose(f) != 0)
        return fail(err, -ENOMEM, "out of memory");
    return 0;
}

/* Standard input is the prompt when no words are given, else one more file. */
static int take_stdin(struct ask *a, struct aiex_error *err)
{
    struct file *f = &a->files[a->n_files];
    int failed;

    if (isatty(STDIN_FILENO) || arguments_has(&a->command->args, "no-stdin"))
        return 0;
    failed = add_file(a, NULL, "standard input", err);
    if (failed)
        return failed;
    if (a->prompt_len && f->text.len) {
        f->name = "stdin";
        return 0;
    }
    a->n_files--;
    if (a->prompt_len) {
        free(f->text.data); /* it was empty */
        return 0;
    }
    free(a->prompt);
    a->prompt = f->text.data;
    a->prompt_len = f->text.len;
    return 0;
}

/* "64k", "1M", or bytes. */
static int take_history(struct ask *a, struct aiex_error *err)
{
    const char *text = arguments_value(&a->command->args, "history");
    char *end = NULL;
    long long n;

    a->history = -1;
    if (!text)
        return 0;
    n = strtoll(text, &end, 10);
    if (end != text && (*end == 'k' || *end == 'M') && n <= 8 << 20)
        n <<= *end++ == 'k' ? 10 : 20;
    if (end == text || *end || n < 0 || n > 8 << 20)
        return fail(err, -EINVAL, "'%s' is no size for --history; as in 64k or 1M, at most 8M",
                    text);
    a->history = n;
    return 0;
}

static int take_question(struct ask *a, struct aiex_error *err)
{
    int failed = take_history(a, err);

    if (!failed)
        failed = join_words(a, err);

    if (!failed)
        failed = take_files(a, err);
    if (!failed)
        failed = take_stdin(a, err);
    if (!failed && a->prompt_len == 0)
        failed = fail(err, -EINVAL, "nothing to ask: give a prompt or pipe text in");
    return failed;
}

static void pack_option(struct aiex_writer *w, const struct arguments *args, const char *name)
{
    const char *value = arguments_value(args, name);

    aiex_w_str(w, name);
    if (value)
        aiex_w_str(w, value);
    else
        aiex_w_nil(w);
}

static void pack_ask(struct aiex_writer *w, const void *arg)
{
    const struct ask *a = arg;
    const struct arguments *args = &a->command->args;

    aiex_w_map(w, a->history >= 0 ? 7 : 6);
    if (a->history >= 0)
        aiex_w_key_int(w, "history", a->history);
    aiex_w_key_strn(w, "prompt", a->prompt, a->prompt_len);
    pack_option(w, args, "model");
    pack_option(w, args, "system");
    pack_option(w, args, "session");
    aiex_w_key_bool(w, "stream", !arguments_has(args, "no-stream"));
    aiex_w_str(w, "files");
    aiex_w_array(w, (uint32_t)a->n_files);
    for (size_t i = 0; i < a->n_files; i++) {
        aiex_w_map(w, 2);
        aiex_w_key_str(w, "name", a->files[i].name);
        aiex_w_key_strn(w, "text", a->files[i].text.data, a->files[i].text.len);
    }
}

/* ---- The answer ---- */

static void show_reasoning(struct ask *a, struct aiex_slice text)
{
    struct screen *s = &a->command->screen;
    struct cleaner cleaner = {0};

    if (s->quiet || text.len == 0)
        return;
    if (!a->reasoning)
        screen_close_line(s);
    a->reasoning = 1;
    fputs(screen_begin(s->err_colour, PAINT_DIM), stderr);
    clean_write(&cleaner, stderr, text.data, text.len);
    fputs(screen_end(s->err_colour, PAINT_DIM), stderr);
    fflush(stderr);
    s->open_line = text.data[text.len - 1] != '\n';
}

static void show_text(struct ask *a, struct aiex_slice text)
{
    struct screen *s = &a->command->screen;

    if (text.len == 0)
        return;
    if (a->reasoning)
        screen_close_line(s);
    a->reasoning = 0;
    if (a->kept) {
        fwrite(text.data, 1, text.len, a->kept);
    } else if (s->out_terminal) {
        clean_write(&a->cleaner, stdout, text.data, text.len);
        s->open_line = text.data[text.len - 1] != '\n';
    } else {
        fwrite(text.data, 1, text.len, stdout);
    }
}

static int on_part(void *arg, struct aiex_slice part)
{
    struct ask *a = arg;
    struct aiex_slice text;

    if (aiex_get_str(part, "text", &text) == 1)
        show_text(a, text);
    if (aiex_get_str(part, "reasoning", &text) == 1)
        show_reasoning(a, text);
    if (aiex_get_str(part, "notice", &text) == 1)
        notice(&a->command->screen, "%.*s", (int)(text.len < 2000 ? text.len : 2000),
               (const char *)text.data);
    return fflush(stdout) != 0;
}

static void put_json_key(struct aiex_slice body, const char *key)
{
    struct aiex_slice value;

    printf(",\n  \"%s\": ", key);
    if (aiex_get_whole(body, key, &value) == 1)
        json_out(stdout, value, JSON_LINE);
    else
        fputs("null", stdout);
}

static void show_json(struct ask *a, struct aiex_slice body)
{
    static const char *const keys[] = {
        "id",   "model",  "provider", "input_tokens", "output_tokens",
        "cost", "finish", "cached",   "offline",      "session"};

    fflush(a->kept);
    fputs("{\n  \"text\": ", stdout);
    json_out_string(stdout, a->kept_text, a->kept_len);
    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        put_json_key(body, keys[i]);
    fputs("\n}\n", stdout);
}

/* The id of a session that was made for it. */
static void tell_session(struct ask *a, struct aiex_slice body)
{
    const char *asked = arguments_value(&a->command->args, "session");
    char id[FIELD_TEXT];

    if (asked && strcmp(asked, "new") == 0)
        notice(&a->command->screen, "the session is %s; go on with --session %s",
               field_text(body, "session", FIELD_PLAIN, id),
               field_text(body, "session", FIELD_PLAIN, id));
}

static void show_end(struct ask *a, struct aiex_slice body)
{
    char provider[FIELD_TEXT];
    struct aiex_slice finish;
    int offline = 0;

    screen_close_line(&a->command->screen);
    if (aiex_get_bool(body, "offline", &offline) == 1 && offline)
        notice(&a->command->screen,
               "answered offline by %s: no model was asked; configure a provider for real answers",
               field_text(body, "provider", FIELD_PLAIN, provider));
    tell_session(a, body);
    if (aiex_get_str(body, "finish", &finish) == 1 && finish.len == 6 &&
        memcmp(finish.data, "length", 6) == 0)
        notice(&a->command->screen, "the answer was cut: the model reached its length limit");
}

static enum outcome put_question(struct ask *a)
{
    const struct command_call call = {.service = "cli",
                                      .method = "cli.ask",
                                      .pack = pack_ask,
                                      .pack_arg = a,
                                      .part = on_part,
                                      .part_arg = a,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = command_call(a->command, &call, &end);

    if (outcome != OUTCOME_OK) {
        screen_close_line(&a->command->screen);
        return outcome;
    }
    if (a->kept)
        show_json(a, end.body);
    show_end(a, end.body);
    control_end_done(&end);
    return OUTCOME_OK;
}

static void ask_free(struct ask *a)
{
    if (a->kept)
        fclose(a->kept);
    for (size_t i = 0; i < a->n_files; i++)
        free(a->files[i].text.data);
    free(a->kept_text);
    free(a->prompt);
    free(a);
}

/* With --json the answer is kept to the end. */
static int begin_keeping(struct ask *a, struct aiex_error *err)
{
    if (!command_wants_json(a->command))
        return 0;
    a->kept = open_memstream(&a->kept_text, &a->kept_len);
    return a->kept ? 0 : fail(err, -ENOMEM, "out of memory");
}

enum outcome verb_ask(struct command *c)
{
    struct ask *a = calloc(1, sizeof(*a));
    struct aiex_error err;
    enum outcome outcome;
    int failed;

    if (!a) {
        complain(&c->screen, "out of memory");
        return OUTCOME_FAILED;
    }
    a->command = c;
    failed = take_question(a, &err);
    if (!failed)
        failed = begin_keeping(a, &err);
    if (failed) {
        complain(&c->screen, "%s", err.text);
        outcome = outcome_of_input(failed);
    } else {
        outcome = put_question(a);
    }
    ask_free(a);
    return outcome;
}
