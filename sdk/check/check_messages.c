/* check_messages.c - what strangers send: unknown names, broken bodies, cancel, pause. */
#include "check.h"

#include "drive.h"
#include "kinds.h"

#include <errno.h>
#include <string.h>

#define MAX_PREFIXES 48

/* ---- Unknown ---- */

static void ask_unknown(struct check *c, struct drive *d, const char *method)
{
    const struct aiex_slice nothing = {0};
    const struct aiex_fake_record *r;
    uint64_t id;

    at(c, "request '%.80s'", method);
    id = aiex_fake_request(d->host, c->plugin, d->self, method, nothing, 0);
    r = drive_settle(d, id);
    if (!r)
        finding(c, "return -ENOSYS from handle()", "unknown method '%.80s' is not answered",
                method);
    else if (r->kind != AIEX_FAKE_FAIL || strcmp(r->code, AIEX_E_NOT_FOUND) != 0)
        finding(c, "return -ENOSYS from handle()", "unknown method '%.80s' is answered with %s",
                method, r->kind == AIEX_FAKE_FAIL ? r->code : "success");
}

void check_unknown(struct check *c)
{
    static const char long_name[] =
        "no.such_method_whose_name_is_as_long_as_a_method_name_may_be_xx";
    const uint32_t kinds[] = {AIEX_MSG_CANCEL, AIEX_MSG_RESUME, AIEX_MSG_EVENT, 99};
    struct aiex_slice nothing = {0};
    struct drive d;

    if (drive_default(&d, c) < 0)
        return;
    ask_unknown(c, &d, "no.such_method");
    ask_unknown(c, &d, "");
    ask_unknown(c, &d, ".");
    ask_unknown(c, &d, long_name);
    at(c, "an unknown cast");
    aiex_fake_cast(d.host, c->plugin, d.self, "no.such_method", nothing);
    for (size_t i = 0; i < 4 && AIEX_HAS(c->plugin, struct aiex_plugin, handle); i++) {
        struct aiex_message m = {.struct_size = sizeof(m),
                                 .kind = kinds[i],
                                 .id = 0x7fffffff00000001u,
                                 .service = "check",
                                 .method = "no.such_topic"};

        at(c, "a message of kind %u for a call that is not there", kinds[i]);
        c->plugin->handle(d.self, &m);
    }
    drive_quiet(&d);
    drive_end(&d, "unknown messages");
}

/* ---- Hostile ---- */

/* 1 = go on: answered, and by the plugin (check "kind" tells of methods that are not there).
 * `must_refuse`: only invalid is right. */
static int send_body(struct check *c, struct drive *d, const char *method, struct aiex_slice body,
                     int must_refuse, const char *what)
{
    const struct aiex_fake_record *r;
    uint64_t id;

    at(c, "%s with %s", method, what);
    id = aiex_fake_request(d->host, c->plugin, d->self, method, body, 0);
    r = drive_settle(d, id);
    if (!r)
        finding(c, "fail it with invalid", "%s with %s is not answered", method, what);
    else if (must_refuse && !r->by_host &&
             (r->kind != AIEX_FAKE_FAIL || strcmp(r->code, AIEX_E_INVALID) != 0))
        finding(c, "fail it with invalid", "%s with %s is answered with %s", method, what,
                r->kind == AIEX_FAKE_FAIL ? r->code : "success");
    return r != NULL && !r->by_host;
}

/* A copy of the map with one field left out (value NULL) or another value in it. */
static struct aiex_slice with_field(struct aiex_slice map, const char *name,
                                    const struct aiex_slice *value, uint8_t *mem, size_t size)
{
    struct aiex_value head, key;
    struct aiex_writer w;
    uint32_t pairs;

    aiex_writer_init(&w, mem, size);
    if (aiex_r_value(&map, &head) != 0)
        return map;
    pairs = head.count;
    aiex_w_map(&w, value ? pairs : pairs - 1);
    while (pairs--) {
        struct aiex_slice start;
        int is_it;

        if (aiex_r_value(&map, &key) != 0)
            break;
        start = map;
        aiex_r_skip(&map);
        is_it = aiex_slice_is(key.bytes, name);
        if (is_it && !value)
            continue;
        aiex_w_strn(&w, (const char *)key.bytes.data, key.bytes.len);
        if (is_it)
            aiex_w_raw(&w, value->data, value->len);
        else
            aiex_w_raw(&w, start.data, start.len - map.len);
    }
    return aiex_written(&w);
}

static int is_wrong_for(uint32_t field_type, size_t value)
{
    /* values: 0 bool, 1 str, 2 empty map */
    if (value == 0)
        return field_type != AIEX_F_BOOL && field_type != AIEX_F_ANY;
    if (value == 1)
        return field_type != AIEX_F_STR && field_type != AIEX_F_BIN && field_type != AIEX_F_ANY;
    return field_type != AIEX_F_MAP && field_type != AIEX_F_ANY;
}

static void spoil_fields(struct check *c, struct drive *d, const struct kind_method *m)
{
    static const struct aiex_slice values[] = {
        {(const uint8_t *)"\xc3", 1}, {(const uint8_t *)"\xa1x", 2}, {(const uint8_t *)"\x80", 1}};
    struct aiex_slice good = kind_request(m), unused;
    uint8_t mem[4096];
    char what[160];

    for (size_t i = 0; i < m->request_table->n_fields; i++) {
        const struct aiex_field *f = &m->request_table->fields[i];

        if (aiex_get_whole(good, f->name, &unused) != 1)
            continue;
        if (f->flags & AIEX_F_REQUIRED) {
            snprintf(what, sizeof(what), "field '%s' missing", f->name);
            if (!send_body(c, d, m->method, with_field(good, f->name, NULL, mem, sizeof(mem)), 1,
                           what))
                return;
        }
        for (size_t v = 0; v < 3; v++) {
            snprintf(what, sizeof(what), "field '%s' of a wrong type", f->name);
            if (is_wrong_for(f->type, v) &&
                !send_body(c, d, m->method, with_field(good, f->name, &values[v], mem, sizeof(mem)),
                           1, what))
                return;
        }
    }
}

static int send_broken(struct check *c, struct drive *d, const struct kind_method *m)
{
    static const struct aiex_slice bodies[] = {
        {NULL, 0},
        {(const uint8_t *)"\xc0", 1},
        {(const uint8_t *)"\x90", 1},
        {(const uint8_t *)"\xc1", 1},
        {(const uint8_t *)"\xdf\xff\xff\xff\xff", 5},
        {(const uint8_t *)"\x81\xa5model", 7},
        {(const uint8_t *)"\x81\x01\xdb\xff\xff\xff\xff", 7},
    };
    struct aiex_slice good = kind_request(m);
    uint8_t deep[200];

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        if (!send_body(c, d, m->method, bodies[i], 0, "a broken body"))
            return 0;
    }
    memset(deep, 0x91, sizeof(deep));
    if (!send_body(c, d, m->method, (struct aiex_slice){deep, sizeof(deep)}, 0, "a deep body"))
        return 0;
    for (size_t n = 1; n < good.len; n += 1 + good.len / MAX_PREFIXES) {
        if (!send_body(c, d, m->method, (struct aiex_slice){good.data, n}, 0, "a body cut short"))
            return 0;
    }
    return 1;
}

void check_hostile(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);
    struct drive d;

    if (!k || !k->methods || drive_default(&d, c) < 0)
        return;
    for (const struct kind_method *m = k->methods; m->method; m++) {
        if (m > k->methods && strcmp(m->method, m[-1].method) == 0)
            continue;
        if (send_broken(c, &d, m) && m->request_table)
            spoil_fields(c, &d, m);
    }
    drive_quiet(&d);
    drive_end(&d, "hostile bodies");
}

/* ---- Cancel ---- */

static void cancel_after(struct check *c, const struct kind_method *m, int turns)
{
    struct drive d;
    uint64_t id;
    size_t before;

    if (drive_default(&d, c) < 0)
        return;
    at(c, "cancel %s after %d turns", m->method, turns);
    id = aiex_fake_request(d.host, c->plugin, d.self, m->method, kind_request(m), 0);
    for (int i = 0; i < turns && !aiex_fake_answer(d.host, id); i++)
        drive_turn(&d);
    before = aiex_fake_count(d.host, AIEX_FAKE_ANY);
    if (aiex_fake_cancel(d.host, id) == 0) {
        const struct aiex_fake_record *r;

        drive_quiet(&d);
        for (size_t i = before; (r = aiex_fake_nth(d.host, AIEX_FAKE_ANY, i)) != NULL; i++) {
            if (r->id == id && (r->kind == AIEX_FAKE_STREAM || r->kind == AIEX_FAKE_REPLY ||
                                r->kind == AIEX_FAKE_FAIL)) {
                finding(c, "forget the call on AIEX_MSG_CANCEL", "%s is answered after its cancel",
                        m->method);
                break;
            }
        }
    }
    drive_end(&d, "a cancelled call");
}

void check_cancel(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);

    for (const struct kind_method *m = k ? k->methods : NULL; m && m->method; m++) {
        for (int turns = 0; turns < 4 && !c->n_findings; turns++)
            cancel_after(c, m, turns);
    }
}

/* ---- Window ---- */

static void pause_at_once(struct check *c, const struct kind_method *m)
{
    const struct aiex_fake_record *r;
    struct drive d;
    uint64_t id;
    int paused = 0;

    if (drive_default(&d, c) < 0)
        return;
    at(c, "%s with a consumer that takes nothing", m->method);
    aiex_fake_window(d.host, 1);
    id = aiex_fake_request(d.host, c->plugin, d.self, m->method, kind_request(m), 0);
    drive_quiet(&d);
    for (size_t i = 0; (r = aiex_fake_nth(d.host, AIEX_FAKE_STREAM, i)) != NULL; i++) {
        if (r->id != id || r->by_host)
            continue;
        if (paused) {
            finding(c, "wait for AIEX_MSG_RESUME after AIEX_PAUSE", "%s goes on after AIEX_PAUSE",
                    m->method);
            break;
        }
        paused = r->result == AIEX_PAUSE;
    }
    at(c, "%s with a consumer that takes again", m->method);
    if (!drive_settle(&d, id))
        finding(c, "go on at AIEX_MSG_RESUME", "%s does not end after AIEX_MSG_RESUME", m->method);
    drive_end(&d, "a paused stream");
}

void check_window(struct check *c)
{
    const struct kind *k = kind_find(c->plugin->kind);

    for (const struct kind_method *m = k ? k->methods : NULL; m && m->method; m++) {
        if (m->parts && !c->n_findings)
            pause_at_once(c, m);
    }
}
