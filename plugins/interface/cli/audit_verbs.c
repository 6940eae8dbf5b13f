/* audit_verbs.c - aiex audit log, export, head, prove, redact and rotate-key. */
#include "answer_table.h"
#include "audit_calls.h"
#include "json_out.h"
#include "option_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

/* ---- log ---- */

static const struct option_field log_fields[] = {
    {"from", "from_time", FORM_DAY},  {"to", "to_time", FORM_DAY_END},
    {"type", "type", FORM_TEXT},      {"actor", "actor", FORM_TEXT},
    {"from-seq", "from", FORM_COUNT}, {"to-seq", "to", FORM_COUNT},
    {"count", "limit", FORM_COUNT},   {0},
};

static void pack_log(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, log_fields));
    option_fields_pack(w, arg, log_fields);
}

/* Plugins' payloads are packed maps, which no text is: its first byte would not be UTF-8. */
static int is_packed_map(struct aiex_slice bytes)
{
    struct aiex_slice at = bytes;

    return bytes.len && aiex_is_map(bytes) && aiex_r_skip(&at) == 0 && at.len == 0;
}

static int put_pair(void *arg, const char *key, struct aiex_slice value)
{
    int *first = arg;
    struct aiex_value v;
    struct aiex_slice at = value;
    char hex[2 * AIEX_HASH + 1];

    fputs(*first ? "" : ",", stdout);
    *first = 0;
    json_out_string(stdout, key, strlen(key));
    putchar(':');
    if (strcmp(key, "hash") == 0 && aiex_r_value(&at, &v) == 0 && v.bytes.len == AIEX_HASH) {
        aiex_hex(v.bytes.data, AIEX_HASH, hex);
        json_out_string(stdout, hex, 2 * AIEX_HASH);
    } else if (strcmp(key, "payload") == 0 && aiex_r_value(&at, &v) == 0 && v.type == AIEX_T_BIN &&
               is_packed_map(v.bytes)) {
        json_out(stdout, v.bytes, JSON_LINE);
    } else {
        json_out(stdout, value, JSON_LINE);
    }
    return 0;
}

static void put_cell(struct aiex_slice map, const char *key, enum cell_form form)
{
    struct cleaner cleaner = {0};
    char text[FIELD_TEXT];

    answer_cell(map, key, form, text);
    clean_write(&cleaner, stdout, *text ? text : "-", strlen(*text ? text : "-"));
}

static void show_entry(struct command *c, struct aiex_slice entry)
{
    static const char *const keys[] = {"seq", "type", "actor", "subject"};
    int first = 1, redacted = 0;

    if (command_wants_json(c)) {
        putchar('{');
        field_each(entry, put_pair, &first);
        puts("}");
        return;
    }
    put_cell(entry, "time", CELL_DATE);
    for (int i = 0; i < 4; i++) {
        fputs("  ", stdout);
        put_cell(entry, keys[i], CELL_PLAIN);
    }
    if (aiex_get_bool(entry, "redacted", &redacted) == 1 && redacted)
        fputs("  (payload redacted)", stdout);
    putchar('\n');
}

/* A part is an array of entries. */
static int on_entries(void *arg, struct aiex_slice part)
{
    struct aiex_value v;

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice item = part;

        if (aiex_r_skip(&part) != 0)
            return 0;
        item.len -= part.len;
        show_entry(arg, item);
    }
    return fflush(stdout) != 0;
}

enum outcome verb_audit_log(struct command *c)
{
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.read",
                                      .pack = pack_log,
                                      .pack_arg = c,
                                      .part = on_entries,
                                      .part_arg = c,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = option_fields_check(c, log_fields);

    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome == OUTCOME_OK)
        control_end_done(&end);
    return outcome;
}

/* ---- export ---- */

static int on_lines(void *arg, struct aiex_slice part)
{
    FILE *to = arg;

    return fwrite(part.data, 1, part.len, to) == part.len ? 0 : -EIO;
}

/* A new file beside the one that is named: a broken export replaces nothing. */
static enum outcome export_to(struct command *c, const struct command_call *call, const char *name)
{
    struct command_call to_file = *call;
    struct control_end end;
    enum outcome outcome;
    char path[4200];
    int64_t n = 0;
    FILE *f;

    if ((size_t)snprintf(path, sizeof(path), "%s.part", name) >= sizeof(path) ||
        !(f = fopen(path, "we"))) {
        complain(&c->screen, "can not make %.400s.part: %s", name, strerror(errno));
        return OUTCOME_FAILED;
    }
    to_file.part_arg = f;
    outcome = command_call(c, &to_file, &end);
    if ((fflush(f) != 0 || fsync(fileno(f)) != 0) && outcome == OUTCOME_OK) {
        complain(&c->screen, "can not write %.400s: %s", path, strerror(errno));
        outcome = OUTCOME_FAILED;
        control_end_done(&end);
    }
    fclose(f);
    if (outcome == OUTCOME_OK && rename(path, name) != 0) {
        complain(&c->screen, "can not replace %.400s: %s", name, strerror(errno));
        outcome = OUTCOME_FAILED;
        control_end_done(&end);
    }
    if (outcome != OUTCOME_OK) {
        unlink(path);
        return outcome;
    }
    aiex_get_int(end.body, "entries", &n);
    if (command_wants_json(c)) {
        printf("{\"entries\":%" PRId64 ",\"file\":", n);
        json_out_string(stdout, name, strlen(name));
        puts("}");
    } else {
        notice(&c->screen, "%" PRId64 " entries are in %s", n, name);
    }
    control_end_done(&end);
    return OUTCOME_OK;
}

enum outcome verb_audit_export(struct command *c)
{
    struct audit_range range;
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.export",
                                      .pack = audit_pack_range,
                                      .pack_arg = &range,
                                      .part = on_lines,
                                      .part_arg = stdout,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = audit_range(c, &range);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (c->args.n_words)
        return export_to(c, &call, c->args.words[0]);
    outcome = command_call(c, &call, &end);
    if (outcome == OUTCOME_OK)
        control_end_done(&end);
    return outcome;
}

/* ---- head ---- */

enum outcome verb_audit_head(struct command *c)
{
    struct audit_head head;
    char hex[2 * AIEX_HASH + 1];
    enum outcome outcome = audit_head(c, &head);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (!command_wants_json(c)) {
        fputs(head.note, stdout);
        notice(&c->screen, "key of this log: %s", head.key);
        return OUTCOME_OK;
    }
    aiex_hex(head.root, AIEX_HASH, hex);
    printf("{\n  \"size\": %" PRIu64 ",\n  \"root\": \"%s\",\n  \"note\": ", head.size, hex);
    json_out_string(stdout, head.note, strlen(head.note));
    fputs(",\n  \"key\": ", stdout);
    json_out_string(stdout, head.key, strlen(head.key));
    fputs(",\n  \"cosigned\": ", stdout);
    json_out_string(stdout, head.cosigned, strlen(head.cosigned));
    fputs("\n}\n", stdout);
    return OUTCOME_OK;
}

/* ---- prove ---- */

/* The two lines stand behind a meta line, so that `aiex audit verify` takes them. */
static void put_meta(const struct audit_head *head)
{
    char origin[AIEX_NOTE_NAME];

    snprintf(origin, sizeof(origin), "%.*s", (int)strcspn(head->note, "\n"), head->note);
    fputs("{\"kind\":\"meta\",\"format\":\"aiex-audit/1\",\"origin\":", stdout);
    json_out_string(stdout, origin, strlen(origin));
    fputs(",\"encoding\":\"json\",\"key\":", stdout);
    json_out_string(stdout, head->key, strlen(head->key));
    printf(",\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}\n", head->size, head->size);
}

static enum outcome prove_entry(struct command *c, int64_t seq, const struct audit_head *head)
{
    struct aiex_slice leaf = {NULL, 0};
    char hex[2 * AIEX_HASH + 1] = "";
    struct control_end end;
    enum outcome outcome = audit_proof(c, "seq", seq, "size", (int64_t)head->size, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    if (aiex_get_bytes(end.body, "leaf", &leaf) == 1 && leaf.len == AIEX_HASH)
        aiex_hex(leaf.data, AIEX_HASH, hex);
    put_meta(head);
    audit_put_head(head->note);
    printf("{\"kind\":\"inclusion\",\"index\":%" PRId64 ",\"size\":%" PRIu64
           ",\"leaf\":\"%s\",\"proof\":",
           seq, head->size, hex);
    outcome = audit_put_proof(c, end.body);
    puts("}");
    control_end_done(&end);
    return outcome;
}

static enum outcome prove_sizes(struct command *c, int64_t size1, int64_t size2)
{
    struct control_end end;
    enum outcome outcome = audit_proof(c, "size1", size1, "size2", size2, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    printf("{\"kind\":\"consistency\",\"size1\":%" PRId64 ",\"size2\":%" PRId64 ",\"proof\":",
           size1, size2);
    outcome = audit_put_proof(c, end.body);
    puts("}");
    control_end_done(&end);
    return outcome;
}

enum outcome verb_audit_prove(struct command *c)
{
    struct audit_head head;
    int64_t a = 0, b = 0;
    enum outcome outcome = audit_number(c, "audit prove", c->args.words[0], &a);

    if (outcome == OUTCOME_OK && c->args.n_words == 2)
        outcome = audit_number(c, "audit prove", c->args.words[1], &b);
    if (outcome != OUTCOME_OK)
        return outcome;
    if (c->args.n_words == 2)
        return prove_sizes(c, a, b);
    outcome = audit_head(c, &head);
    return outcome == OUTCOME_OK ? prove_entry(c, a, &head) : outcome;
}

/* ---- redact ---- */

/* --actor, else the user as the host itself would name him. */
static void put_actor(struct aiex_writer *w, const struct command *c)
{
    const char *actor = arguments_value(&c->args, "actor");
    char own[24];

    snprintf(own, sizeof(own), "uid:%u", (unsigned)getuid());
    aiex_w_key_str(w, "actor", actor ? actor : own);
}

static void pack_redact(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;
    int64_t seq = 0;

    aiex_w_map(w, 3);
    sscanf(c->args.words[0], "%" SCNd64, &seq);
    aiex_w_key_int(w, "seq", seq);
    put_actor(w, c);
    aiex_w_key_str(w, "reason", arguments_value(&c->args, "reason"));
}

enum outcome verb_audit_redact(struct command *c)
{
    const struct command_call call = {
        .service = AUDIT, .method = "audit.redact", .pack = pack_redact, .pack_arg = c};
    int64_t seq;

    if (!arguments_value(&c->args, "reason")) {
        complain(&c->screen, "say why with --reason; it stays in the log");
        return OUTCOME_USAGE;
    }
    if (audit_number(c, "audit redact", c->args.words[0], &seq) != OUTCOME_OK)
        return OUTCOME_USAGE;
    return answer_done(c, &call, "redacted", c->args.words[0]);
}

/* ---- rotate-key ---- */

static void pack_rotate(struct aiex_writer *w, const void *arg)
{
    const struct command *c = arg;

    aiex_w_map(w, 2);
    put_actor(w, c);
    aiex_w_key_str(w, "reason", arguments_value(&c->args, "reason"));
}

enum outcome verb_audit_rotate(struct command *c)
{
    const struct command_call call = {
        .service = AUDIT, .method = "audit.rotate_key", .pack = pack_rotate, .pack_arg = c};
    char key[AIEX_NOTE_KEY] = "";
    struct control_end end;
    enum outcome outcome;
    int64_t seq = 0;

    if (!arguments_value(&c->args, "reason")) {
        complain(&c->screen, "say why with --reason; it stays in the log");
        return OUTCOME_USAGE;
    }
    outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_int(end.body, "seq", &seq);
    aiex_get_text(end.body, "key", key, sizeof(key));
    if (command_wants_json(c)) {
        printf("{\"seq\":%" PRId64 ",\"key\":", seq);
        json_out_string(stdout, key, strlen(key));
        puts("}");
    } else {
        puts(key);
        notice(&c->screen, "this key signs from now on; entry %" PRId64 " says so", seq);
    }
    control_end_done(&end);
    return OUTCOME_OK;
}
