/*
 * audit_verify.c - aiex audit verify: the running log, or an export without any host. Each fault is
 * a line: where (seq=N or A..B), what sort, and a sentence.
 */
#include "audit_calls.h"
#include "field.h"
#include "json_out.h"

#include <aiex_audit_check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

struct verdict {
    struct command *command;
    uint64_t faults; /* printed */
};

static void put_fault(struct verdict *v, const char *where, const char *kind, const char *text)
{
    struct cleaner cleaner = {0};

    v->faults++;
    if (command_wants_json(v->command)) {
        fputs("{\"where\":", stdout);
        json_out_string(stdout, where, strlen(where));
        fputs(",\"kind\":", stdout);
        json_out_string(stdout, kind, strlen(kind));
        fputs(",\"text\":", stdout);
        json_out_string(stdout, text, strlen(text));
        puts("}");
        return;
    }
    printf("%s: %s: ", where, kind);
    clean_write(&cleaner, stdout, text, strlen(text));
    putchar('\n');
}

/* The last line, for programs. */
static void put_sum(uint64_t checked, uint64_t faults, uint64_t size, const uint8_t *root,
                    const char *key)
{
    char hex[2 * AIEX_HASH + 1];

    printf("{\"checked\":%" PRIu64 ",\"faults\":%" PRIu64 ",\"size\":%" PRIu64, checked, faults,
           size);
    if (root) {
        aiex_hex(root, AIEX_HASH, hex);
        printf(",\"root\":\"%s\"", hex);
    }
    if (key) {
        fputs(",\"key\":", stdout);
        json_out_string(stdout, key, strlen(key));
    }
    puts("}");
}

/* ---- The running log ---- */

static int on_fault_part(void *arg, struct aiex_slice part)
{
    char where[FIELD_TEXT], kind[FIELD_TEXT], text[512] = "";

    if (!part.len || !aiex_is_map(part))
        return 0;
    aiex_get_text(part, "text", text, sizeof(text));
    put_fault(arg, field_text(part, "where", FIELD_PLAIN, where),
              field_text(part, "kind", FIELD_PLAIN, kind), text);
    return fflush(stdout) != 0;
}

static enum outcome verify_service(struct command *c)
{
    struct verdict v = {c, 0};
    struct audit_range range;
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.verify",
                                      .pack = audit_pack_range,
                                      .pack_arg = &range,
                                      .part = on_fault_part,
                                      .part_arg = &v,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    int64_t checked = 0, faults = 0, size = 0;
    struct control_end end;
    enum outcome outcome = audit_range(c, &range);

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_int(end.body, "checked", &checked);
    aiex_get_int(end.body, "faults", &faults);
    aiex_get_int(end.body, "size", &size);
    if (command_wants_json(c))
        put_sum((uint64_t)checked, (uint64_t)faults, (uint64_t)size, NULL, NULL);
    else
        notice(&c->screen, "%" PRId64 " entries, %" PRId64 " faults", checked, faults);
    control_end_done(&end);
    return faults || v.faults ? OUTCOME_FAILED : OUTCOME_OK;
}

/* ---- An export ---- */

static void on_fault(void *arg, const struct aiex_fault *f)
{
    char where[48];

    put_fault(arg, aiex_fault_where(f, where), f->kind, f->text);
}

/* Line by line, of any length up to the reader's limit. */
static int feed(struct aiex_export *x, FILE *from, struct aiex_error *err)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    int r = 0;

    while (r == 0 && (n = getline(&line, &room, from)) > 0) {
        n -= line[n - 1] == '\n';
        if (n)
            r = aiex_export_line(x, (struct aiex_slice){(uint8_t *)line, (size_t)n}, err);
    }
    free(line);
    if (r == 0 && ferror(from)) {
        snprintf(err->text, sizeof(err->text), "%s", strerror(errno));
        return -EIO;
    }
    return r;
}

static enum outcome finish(struct command *c, struct aiex_export *x, struct aiex_error *err)
{
    struct aiex_export_sum sum;

    if (aiex_export_finish(x, &sum, err) != 0) {
        complain(&c->screen, "%s", err->text);
        return OUTCOME_FAILED;
    }
    if (command_wants_json(c)) {
        put_sum(sum.entries, sum.faults, sum.size, sum.root, sum.key);
    } else {
        notice(&c->screen,
               "%" PRIu64 " entries, %" PRIu64 " faults; proven by heads up to entry %" PRIu64,
               sum.entries, sum.faults, sum.size);
        if (sum.key_is_its_own)
            notice(&c->screen,
                   "the key is the export's own word: %s; give the one you know with --key",
                   sum.key);
    }
    return sum.faults ? OUTCOME_FAILED : OUTCOME_OK;
}

/* The note of a witness file; "" when no file is named. -1: said. */
static int read_witness(struct command *c, char note[AIEX_NOTE_MAX + 1], size_t *ret_len)
{
    const char *name = arguments_value(&c->args, "witness");
    FILE *f;

    *ret_len = 0;
    if (!name)
        return 0;
    f = fopen(name, "re");
    if (!f) {
        complain(&c->screen, "can not open %.400s: %s", name, strerror(errno));
        return -1;
    }
    *ret_len = fread(note, 1, AIEX_NOTE_MAX, f);
    fclose(f);
    return 0;
}

static enum outcome verify_file(struct command *c, const char *name)
{
    struct verdict v = {c, 0};
    char witness[AIEX_NOTE_MAX + 1];
    struct aiex_export_setup s = {
        .fault = on_fault, .arg = &v, .key = arguments_value(&c->args, "key")};
    struct aiex_error err = {"no memory"};
    struct aiex_export *x;
    enum outcome outcome;
    FILE *from;

    if (aiex_note_begin() != 0 || read_witness(c, witness, &s.witness.len) != 0)
        return OUTCOME_FAILED;
    s.witness.data = (const uint8_t *)witness;
    if (aiex_export_new(&s, &x, &err) != 0) {
        complain(&c->screen, "--key: %s", err.text);
        return OUTCOME_USAGE;
    }
    from = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (!from) {
        complain(&c->screen, "can not open %.400s: %s", name, strerror(errno));
        aiex_export_free(x);
        return OUTCOME_NOT_FOUND;
    }
    if (feed(x, from, &err) != 0) {
        complain(&c->screen, "%.400s: %s", name, err.text);
        outcome = OUTCOME_FAILED;
    } else {
        outcome = finish(c, x, &err);
    }
    if (from != stdin)
        fclose(from);
    aiex_export_free(x);
    return outcome;
}

enum outcome verb_audit_verify(struct command *c)
{
    if (c->args.n_words)
        return verify_file(c, c->args.words[0]);
    if (arguments_has(&c->args, "key") || arguments_has(&c->args, "witness")) {
        complain(&c->screen,
                 "--key and --witness are for a file; `aiex audit witness FILE` compares the "
                 "running log with what was seen before");
        return OUTCOME_USAGE;
    }
    return verify_service(c);
}
