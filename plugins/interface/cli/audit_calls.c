/* audit_calls.c - see audit_calls.h. */
#include "audit_calls.h"

#include "json_out.h"
#include "option_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

static const struct option_field period[] = {
    {"from", "from_time", FORM_DAY},
    {"to", "to_time", FORM_DAY_END},
    {0},
};

enum outcome audit_number(struct command *c, const char *what, const char *text, int64_t *ret)
{
    char *end;

    errno = 0;
    *ret = strtoll(text, &end, 10);
    if (!errno && *text && !*end && *ret >= 0)
        return OUTCOME_OK;
    complain(&c->screen, "%s: '%.60s' is no whole number from 0 on", what, text);
    return OUTCOME_USAGE;
}

/* ---- Ranges ---- */

static void pack_period(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, period));
    option_fields_pack(w, arg, period);
}

/* An array of entries: the least and the greatest number. */
static int on_entries(void *arg, struct aiex_slice part)
{
    struct audit_range *range = arg;
    struct aiex_value v;
    int64_t seq;

    if (aiex_r_value(&part, &v) != 0 || v.type != AIEX_T_ARRAY)
        return 0;
    for (uint32_t i = 0; i < v.count; i++) {
        struct aiex_slice item = part;

        if (aiex_r_skip(&part) != 0)
            return 0;
        if (aiex_get_int(item, "seq", &seq) != 1)
            continue;
        if (range->to < range->from)
            range->from = seq;
        range->from = seq < range->from ? seq : range->from;
        range->to = seq > range->to ? seq : range->to;
    }
    return 0;
}

static enum outcome look_up(struct command *c, struct audit_range *range)
{
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.read",
                                      .pack = pack_period,
                                      .pack_arg = c,
                                      .part = on_entries,
                                      .part_arg = range,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = option_fields_check(c, period);

    range->from = 0;
    range->to = -1;
    if (outcome == OUTCOME_OK)
        outcome = command_call(c, &call, &end);
    if (outcome != OUTCOME_OK)
        return outcome;
    control_end_done(&end);
    if (range->to >= range->from)
        return OUTCOME_OK;
    complain(&c->screen, "no entry is of this period");
    return OUTCOME_NOT_FOUND;
}

enum outcome audit_range(struct command *c, struct audit_range *ret_range)
{
    const char *from = arguments_value(&c->args, "from-seq");
    const char *to = arguments_value(&c->args, "to-seq");
    enum outcome outcome = OUTCOME_OK;

    *ret_range = (struct audit_range){0, INT64_MAX - 1};
    if (arguments_has(&c->args, "from") || arguments_has(&c->args, "to"))
        return look_up(c, ret_range);
    if (from)
        outcome = audit_number(c, "--from-seq", from, &ret_range->from);
    if (to && outcome == OUTCOME_OK)
        outcome = audit_number(c, "--to-seq", to, &ret_range->to);
    return outcome;
}

void audit_pack_range(struct aiex_writer *w, const void *arg)
{
    const struct audit_range *range = arg;
    int has_to = range->to != INT64_MAX - 1;

    aiex_w_map(w, (range->from != 0) + (uint32_t)has_to);
    if (range->from)
        aiex_w_key_int(w, "from", range->from);
    if (has_to)
        aiex_w_key_int(w, "to", range->to);
}

/* ---- Heads ---- */

static void copy_text(struct aiex_slice map, const char *key, char *out, size_t size)
{
    out[0] = 0;
    if (aiex_get_text(map, key, out, size) != 1)
        out[0] = 0;
}

enum outcome audit_head(struct command *c, struct audit_head *ret_head)
{
    const struct command_call call = {.service = AUDIT, .method = "audit.head"};
    struct aiex_slice root = {NULL, 0};
    struct control_end end;
    int64_t size = 0;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    memset(ret_head, 0, sizeof(*ret_head));
    copy_text(end.body, "note", ret_head->note, sizeof(ret_head->note));
    copy_text(end.body, "cosigned", ret_head->cosigned, sizeof(ret_head->cosigned));
    copy_text(end.body, "key", ret_head->key, sizeof(ret_head->key));
    if (aiex_get_int(end.body, "size", &size) == 1 && size >= 0 &&
        aiex_get_bytes(end.body, "root", &root) == 1 && root.len == AIEX_HASH) {
        ret_head->size = (uint64_t)size;
        memcpy(ret_head->root, root.data, AIEX_HASH);
    } else {
        complain(&c->screen, "audit.head: the answer has no head; is the service older?");
        outcome = OUTCOME_FAILED;
    }
    control_end_done(&end);
    return outcome;
}

void audit_put_head(const char *note)
{
    fputs("{\"kind\":\"head\",\"note\":", stdout);
    json_out_string(stdout, note, strlen(note));
    fputs("}\n", stdout);
}

/* ---- Proofs ---- */

struct two {
    const char *name1, *name2;
    int64_t v1, v2;
};

static void pack_two(struct aiex_writer *w, const void *arg)
{
    const struct two *t = arg;

    aiex_w_map(w, 2);
    aiex_w_key_int(w, t->name1, t->v1);
    aiex_w_key_int(w, t->name2, t->v2);
}

enum outcome audit_proof(struct command *c, const char *name1, int64_t v1, const char *name2,
                         int64_t v2, struct control_end *ret_end)
{
    const struct two two = {name1, name2, v1, v2};
    const struct command_call call = {
        .service = AUDIT, .method = "audit.proof", .pack = pack_two, .pack_arg = &two};

    return command_call(c, &call, ret_end);
}

enum outcome audit_put_proof(struct command *c, struct aiex_slice end)
{
    char hex[2 * AIEX_HASH + 1];
    struct aiex_value list, item;

    if (aiex_get(end, "proof", &list) != 1 || list.type != AIEX_T_ARRAY) {
        complain(&c->screen, "audit.proof: the answer has no proof");
        return OUTCOME_FAILED;
    }
    putchar('[');
    for (uint32_t i = 0; i < list.count; i++) {
        if (aiex_r_value(&list.bytes, &item) != 0 || item.bytes.len != AIEX_HASH)
            break;
        aiex_hex(item.bytes.data, AIEX_HASH, hex);
        printf("%s\"%s\"", i ? "," : "", hex);
    }
    putchar(']');
    return OUTCOME_OK;
}
