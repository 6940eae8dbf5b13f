/* audit_report.c - aiex audit report: the acts of a period, sorted by what GDPR or SOC 2 asks for.
 */
#include "audit_report.h"

#include "option_fields.h"

#include <stdlib.h>

/* ---- Shapes ---- */

#define BY_GATEWAY   "service_gateway with the option audit"
#define BY_LEDGER    "service_ledger with the option audit"
#define BY_OPERATORS "the host, of what operators do, with audit = yes in [host]"
#define BY_HOST      "the host, with audit = yes in [host]"
#define BY_LOG       "the audit log itself"

static const struct report_control gdpr[] = {
    {"Art. 30", "Records of processing activities",
     "model.* gateway.chat.* file.* data.* session.* response.* context.* job.* host.job.*",
     BY_LEDGER "; " BY_OPERATORS},
    {"Art. 15", "Access to personal data",
     "file.read data.read data.exported data.backup data.backed_up session.read response.read "
     "context.read audit.read audit.export audit.exported",
     BY_OPERATORS},
    {"Art. 17", "Erasure",
     "audit.redacted data.erase data.erased session.delete session.deleted context.delete "
     "context.deleted",
     BY_LOG "; " BY_OPERATORS},
    {"Art. 25", "Settings that protect data", "config.* secret.*", BY_HOST},
    {"Art. 32", "Security of processing: keys, sign-in, programs",
     "auth.* key.* gateway.key.* secret.* plugin.* host.plugin.* audit.key_rotated audit.verify "
     "audit.verified",
     BY_GATEWAY "; " BY_HOST},
    {"Art. 33", "What may be a breach: refused access, failures, gaps of the record",
     "auth.failed auth.refused gateway.key.refused audit.resumed audit.gap audit.verify.failed "
     "config.reload.failed config.reload.refused data.restore.failed plugin.backoff plugin.failed plugin.refused",
     BY_GATEWAY "; " BY_HOST "; " BY_LOG},
    {NULL, NULL, NULL, NULL},
};

static const struct report_control soc2[] = {
    {"CC6.1", "Logical access: authentication, keys and secrets",
     "auth.* key.* gateway.key.* secret.* audit.key_rotated", BY_GATEWAY "; " BY_HOST},
    {"CC6.2", "Access granted and changed",
     "key.create key.created key.set key.changed key.limit key.limits gateway.key.created "
     "gateway.key.changed gateway.key.limits",
     BY_GATEWAY},
    {"CC6.3", "Access removed and renewed",
     "key.revoke key.revoked key.rotate key.rotated gateway.key.revoked gateway.key.rotated "
     "secret.removed secret.rotated audit.key_rotated",
     BY_GATEWAY "; " BY_HOST},
    {"CC6.6", "Refused access", "auth.failed auth.refused gateway.key.refused", BY_GATEWAY},
    {"CC6.7", "Data that was read, moved or changed",
     "file.* data.* session.* response.* context.* audit.read audit.export audit.exported", BY_OPERATORS},
    {"CC7.2", "Monitoring: verifications, failures, gaps of the record",
     "audit.resumed audit.gap audit.verify audit.verified audit.verify.failed plugin.backoff "
     "plugin.failed plugin.refused",
     BY_LOG "; " BY_HOST},
    {"CC8.1", "Changes of configuration and programs", "config.* plugin.* host.*", BY_HOST},
    {"C1.2", "Disposal of confidential information",
     "audit.redacted data.erase data.erased session.delete session.deleted context.delete "
     "context.deleted",
     BY_LOG "; " BY_OPERATORS},
    {"PI1.3", "Processing: requests to models and jobs", "model.* gateway.chat.* job.* host.job.*",
     BY_LEDGER},
    {NULL, NULL, NULL, NULL},
};

static const struct report_shape shapes[] = {
    {"gdpr", "Records for the General Data Protection Regulation (EU) 2016/679", gdpr},
    {"soc2", "Evidence for SOC 2 (Trust Services Criteria, 2017)", soc2},
};

const struct report_shape *report_shape(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
        if (strcmp(shapes[i].name, name) == 0)
            return &shapes[i];
    return NULL;
}

int report_matches(const struct report_control *k, const char *type)
{
    for (const char *at = k->types; *at;) {
        size_t n = strcspn(at, " ");

        if (at[n - 1] == '*' ? strncmp(type, at, n - 1) == 0
                             : strlen(type) == n && memcmp(type, at, n) == 0)
            return 1;
        at += n;
        at += strspn(at, " ");
    }
    return 0;
}

/* ---- Gathering ---- */

/* The slot of a pair, or the free one for it. */
static uint16_t *find_slot(struct report *r, const char *type, const char *actor)
{
    uint32_t at = 2166136261u;

    for (const char *p = type; *p; p++)
        at = (at ^ (uint8_t)*p) * 16777619u;
    for (const char *p = actor; *p; p++)
        at = (at ^ (uint8_t)*p) * 16777619u;
    for (at ^= at >> 15;; at++) {
        uint16_t *slot = &r->slots[at % REPORT_SLOTS];

        if (!*slot || (strcmp(r->rows[*slot - 1].type, type) == 0 &&
                       strcmp(r->rows[*slot - 1].actor, actor) == 0))
            return slot;
    }
}

static struct report_row *find_row(struct report *r, const char *type, const char *actor)
{
    uint16_t *slot = find_slot(r, type, actor);

    if (*slot)
        return &r->rows[*slot - 1];
    if (r->n_rows + 1 >= REPORT_ROWS) { /* the last row is for all others */
        slot = find_slot(r, "other", "other");
        type = actor = "other";
        if (*slot)
            return &r->rows[*slot - 1];
    }
    if (!r->rows && !(r->rows = calloc(REPORT_ROWS, sizeof(*r->rows))))
        return NULL;
    strcpy(r->rows[r->n_rows].type, type);
    strcpy(r->rows[r->n_rows].actor, actor);
    *slot = (uint16_t)++r->n_rows;
    return &r->rows[*slot - 1];
}

/* Texts of any length, cut. */
static void text_of(struct aiex_slice map, const char *key, char *out, size_t size)
{
    struct aiex_slice s = {NULL, 0};

    aiex_get_str(map, key, &s);
    snprintf(out, size, "%.*s", (int)(s.len < size ? s.len : size - 1),
             s.len ? (const char *)s.data : "");
}

static int take(struct report *r, struct aiex_slice entry)
{
    char type[129], actor[129];
    struct report_row *row;
    int64_t time = 0, seq = 0;
    int redacted = 0;

    text_of(entry, "type", type, sizeof(type));
    text_of(entry, "actor", actor, sizeof(actor));
    aiex_get_int(entry, "time", &time);
    aiex_get_int(entry, "seq", &seq);
    aiex_get_bool(entry, "redacted", &redacted);
    row = find_row(r, type, actor);
    if (!row)
        return -1;
    row->first = row->entries == 0 || time < row->first ? time : row->first;
    row->last = time > row->last ? time : row->last;
    row->entries++;
    r->range.from = r->entries == 0 || seq < r->range.from ? seq : r->range.from;
    r->range.to = seq > r->range.to ? seq : r->range.to;
    r->entries++;
    r->redactions += redacted != 0;
    return 0;
}

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
        if (take(arg, item) != 0)
            return -1;
    }
    return 0;
}

static const struct option_field period[] = {
    {"from", "from_time", FORM_DAY},
    {"to", "to_time", FORM_DAY_END},
    {0},
};

static void pack_period(struct aiex_writer *w, const void *arg)
{
    aiex_w_map(w, option_fields_count(arg, period));
    option_fields_pack(w, arg, period);
}

static enum outcome gather(struct command *c, struct report *r)
{
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.read",
                                      .pack = pack_period,
                                      .pack_arg = c,
                                      .part = on_entries,
                                      .part_arg = r,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome == OUTCOME_OK)
        control_end_done(&end);
    return outcome;
}

static enum outcome check(struct command *c, struct report *r)
{
    const struct command_call call = {.service = AUDIT,
                                      .method = "audit.verify",
                                      .pack = audit_pack_range,
                                      .pack_arg = &r->range,
                                      .timeout_ms = COMMAND_NO_LIMIT};
    struct control_end end;
    enum outcome outcome = command_call(c, &call, &end);

    if (outcome != OUTCOME_OK)
        return outcome;
    aiex_get_int(end.body, "checked", &r->checked);
    aiex_get_int(end.body, "faults", &r->faults);
    control_end_done(&end);
    return audit_head(c, &r->head);
}

static int compare(const void *a, const void *b)
{
    const struct report_row *x = a, *y = b;
    int d = strcmp(x->type, y->type);

    return d ? d : strcmp(x->actor, y->actor);
}

enum outcome verb_audit_report(struct command *c)
{
    const char *name = arguments_value(&c->args, "shape"),
               *form = arguments_value(&c->args, "format");
    const char *from = arguments_value(&c->args, "from"), *to = arguments_value(&c->args, "to");
    static struct report r;
    enum outcome outcome = option_fields_check(c, period);

    r.shape = report_shape(name ? name : "soc2");
    form = command_wants_json(c) ? "json" : form ? form : "text";
    if (!r.shape || !strstr("text html csv json", form)) {
        complain(&c->screen, "--shape is gdpr or soc2, --format is text, html, csv or json");
        return OUTCOME_USAGE;
    }
    snprintf(r.from, sizeof(r.from), "%.10s", from ? from : "");
    snprintf(r.to, sizeof(r.to), "%.10s", to ? to : "");
    if (outcome == OUTCOME_OK)
        outcome = gather(c, &r);
    if (outcome == OUTCOME_OK)
        outcome = check(c, &r);
    if (outcome == OUTCOME_OK) {
        if (r.n_rows)
            qsort(r.rows, r.n_rows, sizeof(*r.rows), compare);
        report_print(stdout, &r, form);
    }
    free(r.rows);
    return outcome == OUTCOME_OK && r.faults ? OUTCOME_FAILED : outcome;
}
