/* check_kind.c - asks for what the kind's document promises and reads the answers strictly. */
#include "check.h"

#include "drive.h"
#include "kinds.h"

#include <string.h>

static int is_listed(const char *codes, const char *code)
{
    char wanted[64];

    if (!codes || strlen(code) > sizeof(wanted) - 3)
        return 0;
    snprintf(wanted, sizeof(wanted), " %s ", code);
    return strstr(codes, wanted) != NULL;
}

/* `end` closes every event: a blank line, or the end of a line. */
static void check_stream(struct check *c, struct drive *d, const struct kind_method *m, uint64_t id,
                         const char *end)
{
    struct aiex_slice all = aiex_fake_parts(d->host, id);
    const struct aiex_fake_record *r;
    size_t n = strlen(end), from = all.len > n ? all.len - n : 0;

    for (size_t i = 0; (r = aiex_fake_nth(d->host, AIEX_FAKE_STREAM, i)) != NULL; i++) {
        if (r->id == id &&
            (r->body.len < n || memcmp(r->body.data + r->body.len - n, end, n) != 0)) {
            finding(c, "send whole events in a part", "%s: a part does not end with an event",
                    m->method);
            return;
        }
    }
    while (from && (from < n || memcmp(all.data + from - n, end, n) != 0))
        from--;
    if (!memmem(all.data + from, all.len - from, m->last, strlen(m->last)))
        finding(c, "close the stream as its dialect does", "%s: the last event has no '%s'",
                m->method, m->last);
}

static void check_json(struct check *c, struct drive *d, const struct kind_method *m, uint64_t id)
{
    static uint8_t mem[1u << 20];
    struct aiex_error err = {""};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, sizeof(mem));
    if (aiex_message_from_json(NULL, aiex_fake_parts(d->host, id), &w, &err) < 0)
        finding(c, "send one JSON document", "%s: the parts are no JSON: %s", m->method, err.text);
}

static void check_arrays(struct check *c, struct drive *d, const struct kind_method *m, uint64_t id)
{
    const struct aiex_fake_record *r;

    for (size_t i = 0; (r = aiex_fake_nth(d->host, AIEX_FAKE_STREAM, i)) != NULL; i++) {
        struct aiex_slice at_value = r->body, head = r->body;
        struct aiex_value v;

        if (r->id != id)
            continue;
        if (aiex_r_value(&head, &v) != 0 || v.type != AIEX_T_ARRAY || aiex_r_skip(&at_value) != 0 ||
            at_value.len) {
            finding(c, "send one msgpack array in a part", "%s: a part is not one array",
                    m->method);
            return;
        }
    }
}

static void check_success(struct check *c, struct drive *d, const struct kind_method *m,
                          const struct aiex_fake_record *r)
{
    struct aiex_error err = {""};

    if (m->end_table && aiex_message_check(m->end_table, r->body, &err) < 0)
        finding(c, "see sdk/kinds", "%s: the end is wrong: %s", m->method, err.text);
    if (m->parts & KIND_PARTS_SSE)
        check_stream(c, d, m, r->id, "\n\n");
    if (m->parts & KIND_PARTS_LINES)
        check_stream(c, d, m, r->id, "\n");
    if (m->parts & KIND_PARTS_JSON)
        check_json(c, d, m, r->id);
    if (m->parts & KIND_PARTS_ARRAYS)
        check_arrays(c, d, m, r->id);
}

static void check_method(struct check *c, struct drive *d, const struct kind_method *m)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    at(c, "%s", m->method);
    id = aiex_fake_request(d->host, c->plugin, d->self, m->method, kind_request(m), 0);
    r = drive_settle(d, id);
    if (!r)
        finding(c, "answer every request once", "%s is not answered", m->method);
    else if (r->kind == AIEX_FAKE_REPLY)
        check_success(c, d, m, r);
    else if (r->by_host) /* also where the code would be an answer, as not_found of a model */
        finding(c, "write the method, see sdk/kinds", "%s is not served: handle() returned %s",
                m->method, r->text);
    else if (!is_listed(m->codes, r->code))
        finding(c, "see sdk/kinds", "%s fails with %s: %.200s", m->method, r->code, r->text);
    else if (!r->text[0])
        finding(c, "say why", "%s fails with %s and no text", m->method, r->code);
}

static void check_group(struct check *c, struct drive *d, const struct kind *k)
{
    const struct aiex_fake_record *r;

    if (!k->group)
        return;
    r = strcmp(k->group, "*") == 0 ? aiex_fake_nth(d->host, AIEX_FAKE_JOIN, 0)
                                   : aiex_fake_find(d->host, AIEX_FAKE_JOIN, k->group, 0);
    if (!r && strcmp(k->group, "*") == 0)
        finding(c, "join() the service's name in start()", "joins no name of its own");
    else if (!r || r->result < 0)
        finding(c, "join() it in start()", "does not join the name '%s'", k->group);
}

void check_kind(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);
    struct drive d;

    if (!k || drive_default(&d, c) < 0)
        return;
    drive_quiet(&d);
    check_group(c, &d, k);
    for (const struct kind_method *m = k->methods; m && m->method; m++)
        check_method(c, &d, m);
    drive_quiet(&d);
    drive_end(&d, "the methods of its kind");
}
