/* checkpoint_carry.c - aiex checkpoint export and import: one file. */
#include "checkpoint_verbs.h"

#include "answer_table.h"
#include "json_out.h"
#include "option_fields.h"
#include "uuid7.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (1u << 20)

/* ---- export ---- */

static void pack_name(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 1);
    aiex_w_key_str(w, "name", c->args.words[0]);
}

static int on_bytes(void *arg, struct aiex_slice part)
{
    return fwrite(part.data, 1, part.len, arg) == part.len ? 0 : -EIO;
}

static enum outcome export_to(struct command *c, FILE *to, struct control_end *ret_end)
{
    const struct command_call call = {.service = CHECKPOINTS,
                                      .method = "checkpoints.export",
                                      .pack = pack_name,
                                      .pack_arg = c,
                                      .part = on_bytes,
                                      .part_arg = to,
                                      .timeout_ms = COMMAND_NO_LIMIT};

    return command_call(c, &call, ret_end);
}

/* A new file beside the one that is named: a broken export replaces nothing. */
static enum outcome export_file(struct command *c, const char *name, struct control_end *ret_end)
{
    enum outcome outcome;
    char path[4200];
    FILE *f;

    if ((size_t)snprintf(path, sizeof(path), "%s.part", name) >= sizeof(path) ||
        !(f = fopen(path, "we"))) {
        complain(&c->screen, "can not make %.400s.part: %s", name, strerror(errno));
        return OUTCOME_FAILED;
    }
    outcome = export_to(c, f, ret_end);
    if (outcome == OUTCOME_OK &&
        (fflush(f) != 0 || fsync(fileno(f)) != 0 || rename(path, name) != 0)) {
        complain(&c->screen, "can not write %.400s: %s", name, strerror(errno));
        outcome = OUTCOME_FAILED;
        control_end_done(ret_end);
    }
    fclose(f);
    if (outcome != OUTCOME_OK)
        unlink(path);
    return outcome;
}

enum outcome verb_checkpoint_export(struct command *c)
{
    const char *file = c->args.n_words > 1 ? c->args.words[1] : NULL;
    struct control_end end;
    char bytes[FIELD_TEXT];
    enum outcome outcome;

    if (!file && c->screen.out_terminal) {
        complain(&c->screen, "an export is nothing for a terminal; name a file");
        return OUTCOME_USAGE;
    }
    outcome = file ? export_file(c, file, &end) : export_to(c, stdout, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (file && command_wants_json(c))
        outcome = command_print_json(c, end.body);
    else
        notice(&c->screen, "%s are in %s", field_text(end.body, "bytes", FIELD_BYTES, bytes),
               file ? file : "standard output");
    control_end_done(&end);
    return outcome;
}

/* ---- import ---- */

struct piece {
    const struct command *c;
    char upload[UUID7_TEXT];
    int64_t offset;
    uint8_t *data;
    size_t len;
    int end;
};

static void pack_piece(struct aiex_writer *w, const void *arg)
{
    const struct piece *p = arg;
    const char *name = arguments_value(&p->c->args, "as");

    aiex_w_map(w, 4 + (name != NULL));
    aiex_w_key_str(w, "upload", p->upload);
    aiex_w_key_int(w, "offset", p->offset);
    aiex_w_key_bin(w, "data", p->data, p->len);
    aiex_w_key_bool(w, "end", p->end);
    if (name)
        aiex_w_key_str(w, "name", name);
}

/* One behind the other; the last one has the answer. */
static enum outcome send_all(struct command *c, FILE *from, struct piece *p,
                             struct control_end *ret_end)
{
    const struct command_call call = {.service = CHECKPOINTS,
                                      .method = "checkpoints.import",
                                      .pack = pack_piece,
                                      .pack_arg = p,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    enum outcome outcome = OUTCOME_OK;

    while (outcome == OUTCOME_OK && !p->end) {
        int next;

        p->len = fread(p->data, 1, PIECE, from);
        next = p->len == PIECE ? getc(from) : EOF;
        if (next != EOF)
            ungetc(next, from);
        if (ferror(from)) {
            complain(&c->screen, "can not read %.400s: %s", c->args.words[0], strerror(errno));
            return OUTCOME_FAILED;
        }
        p->end = next == EOF;
        outcome = command_call(c, &call, ret_end);
        if (outcome == OUTCOME_OK && !p->end)
            control_end_done(ret_end);
        p->offset += (int64_t)p->len;
    }
    return outcome;
}

static void name_upload(struct piece *p)
{
    char *to = p->upload;

    uuid7_make(p->upload);
    for (const char *from = p->upload; *from; from++)
        if (*from != '-')
            *to++ = *from;
    *to = 0;
}

static enum outcome import_from(struct command *c, FILE *from)
{
    struct piece p = {.c = c, .data = malloc(PIECE)};
    struct control_end end;
    char name[FIELD_TEXT];
    enum outcome outcome;

    if (!p.data) {
        complain(&c->screen, "out of memory");
        return OUTCOME_FAILED;
    }
    name_upload(&p);
    outcome = send_all(c, from, &p, &end);
    free(p.data);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (command_wants_json(c)) {
        outcome = command_print_json(c, end.body);
    } else {
        field_text(end.body, "name", FIELD_PLAIN, name);
        puts(name);
        notice(&c->screen,
               "imported; look at what it would do: aiex checkpoint restore --dry-run %s", name);
    }
    control_end_done(&end);
    return outcome;
}

enum outcome verb_checkpoint_import(struct command *c)
{
    const char *name = c->args.words[0];
    FILE *from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    enum outcome outcome;

    if (!from) {
        complain(&c->screen, "can not read %.400s: %s", name, strerror(errno));
        return OUTCOME_FAILED;
    }
    outcome = import_from(c, from);
    if (from != stdin)
        fclose(from);
    return outcome;
}
