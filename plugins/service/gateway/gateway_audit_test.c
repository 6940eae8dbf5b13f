/* Changes of keys and limits are recorded before they are made, and refused when they can not be.
 */
#include "gateway_rig.h"

#include <string.h>

static const struct aiex_fake_pair with_log[] = {{"audit", "audit"}, {0}};
static uint64_t request;

/* The open call that asks for an act, and its type. */
static const struct aiex_fake_record *asked(const char *type)
{
    const struct aiex_fake_record *r = aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append", 0), *next;

    for (size_t n = 1; (next = aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append", n)); n++)
        r = next;
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "audit");
    CU_ASSERT_STRING_EQUAL(text(r->body, "type"), type);
    return r;
}

struct told {
    struct aiex_slice body;
};

/* Among the acts of one request; NULL = it has none of this type. */
static const struct told *told_by(const struct aiex_fake_record *r, const char *type)
{
    static struct told found;
    struct aiex_slice acts = NOTHING;
    struct aiex_value v = {0};

    CU_ASSERT_EQUAL_FATAL(aiex_get_whole(r->body, "acts", &acts), 1);
    CU_ASSERT_EQUAL_FATAL(aiex_r_value(&acts, &v), 0);
    for (uint32_t i = 0; i < v.count; i++) {
        found.body = acts;
        CU_ASSERT_EQUAL_FATAL(aiex_r_skip(&acts), 0);
        found.body.len -= acts.len;
        if (strcmp(text(found.body, "type"), type) == 0)
            return &found;
    }
    return NULL;
}

/* The first act of this type that was told afterwards; all of them are recorded. */
static const struct told *told(const char *type)
{
    const struct aiex_fake_record *r;
    const struct told *found = NULL;

    aiex_fake_advance(h, 20);
    for (size_t n = 0; !found && (r = aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append_all", n));
         n++) {
        CU_ASSERT_STRING_EQUAL(r->service, "audit");
        aiex_fake_answer_ok(h, r->id, NOTHING);
        found = told_by(r, type);
    }
    return found;
}

static unsigned n_keys(void)
{
    struct aiex_value v = {0};

    CU_ASSERT_EQUAL(aiex_get(ok(ask("gateway.key_list", "local", "b", 1, NULL)), "keys", &v), 1);
    return v.count;
}

static void create(void)
{
    request = ask("gateway.key_create", "local", "b", 1, "name", "s", "ci", NULL);
}

static void say_recorded(const struct aiex_fake_record *call)
{
    uint8_t mem[64];

    aiex_fake_answer_ok(h, call->id, pack(mem, sizeof(mem), "seq", "i", 7, NULL));
}

static void say_refused(const struct aiex_fake_record *call, const char *act)
{
    uint8_t mem[64];

    aiex_fake_answer_error(h, call->id, "read_only", "not recorded: the disk is full", 0,
                           pack(mem, sizeof(mem), "act", "s", act, NULL));
}

static void recorded_first(void)
{
    const struct aiex_fake_record *call;
    char id[16];

    begin(with_log);
    create();
    call = asked("key.create");
    CU_ASSERT_STRING_EQUAL(text(call->body, "actor"), "local");
    CU_ASSERT_STRING_EQUAL(text(call->body, "subject"), "ci");
    CU_ASSERT(is_open(request));
    CU_ASSERT_EQUAL(n_keys(), 0);
    say_recorded(call);
    strcpy(id, text(ok(request), "id"));
    CU_ASSERT_EQUAL(n_keys(), 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(told("key.created"));
    CU_ASSERT_STRING_EQUAL(text(told("key.created")->body, "subject"), id);

    request = ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, NULL);
    say_recorded(asked("key.rotate"));
    ok(request);
    CU_ASSERT_PTR_NOT_NULL(told("key.rotated"));
    request = ask("gateway.key_set", "local", "b", 1, "id", "s", id, "rpm", "i", 5, NULL);
    say_recorded(asked("key.set"));
    ok(request);
    CU_ASSERT_PTR_NOT_NULL(told("key.changed"));
    request = ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL);
    say_recorded(asked("key.revoke"));
    ok(request);
    CU_ASSERT_PTR_NOT_NULL(told("key.revoked"));
    request = ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "ann",
                  "rpm", "i", 5, NULL);
    say_recorded(asked("key.limit"));
    ok(request);
    CU_ASSERT_PTR_NOT_NULL(told("key.limits"));
    finish();
}

/* That which was asked last: the gate has asked for itself before. */
static void answer_policy(void)
{
    const struct aiex_fake_record *r = NULL, *next;

    for (size_t n = 0; (next = aiex_fake_find(h, AIEX_FAKE_CALL, "host.act_policy", n)); n++)
        r = next;
    CU_ASSERT_STRING_EQUAL(text(r->body, "type"), "key.create");
    aiex_fake_answer_ok(h, r->id, NOTHING);
}

static void say_must(void)
{
    const struct aiex_fake_record *r = NULL, *next;
    uint8_t mem[64];

    for (size_t n = 0; (next = aiex_fake_find(h, AIEX_FAKE_CALL, "host.act_policy", n)); n++)
        r = next;
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    aiex_fake_answer_ok(h, r->id, pack(mem, sizeof(mem), "must", "b", 1, NULL));
}

static void refused_unrecorded(void)
{
    begin(with_log);
    create();
    say_refused(asked("key.create"), "must");
    failed(request, "read_only");
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, request)->text, "not recorded: the disk is full");
    CU_ASSERT_EQUAL(n_keys(), 0);
    CU_ASSERT_PTR_NULL(told("key.created"));
    CU_ASSERT_PTR_NOT_NULL(told("key.create.refused"));
    create(); /* the operator's policy lets it happen */
    say_refused(asked("key.create"), "may");
    ok(request);
    CU_ASSERT_EQUAL(n_keys(), 1);
    create(); /* no audit log is there; the host knows that none is to be */
    aiex_fake_answer_error(h, asked("key.create")->id, "unavailable", "nobody", 0, NOTHING);
    answer_policy();
    ok(request);
    create(); /* it may or may not have recorded it */
    aiex_fake_answer_error(h, asked("key.create")->id, "timeout", "late", 0, NOTHING);
    say_must();
    failed(request, "read_only");
    CU_ASSERT_EQUAL(n_keys(), 2);
    finish();
}

/* It is made from the request, as keys are when the log has answered. */
static void seen_as_it_is_then(void)
{
    const struct aiex_fake_record *set, *revoke;
    uint64_t first, second;
    char id[16];

    begin(with_log);
    create();
    say_recorded(asked("key.create"));
    strcpy(id, text(ok(request), "id"));
    first = ask("gateway.key_set", "local", "b", 1, "id", "s", id, "rpm", "i", 5, NULL);
    set = asked("key.set");
    second = ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL);
    revoke = asked("key.revoke");
    say_recorded(revoke);
    ok(second);
    say_recorded(set);
    ok(first);
    CU_ASSERT_TRUE(keys_by_id(&gw()->keys, (struct aiex_slice){(uint8_t *)id, KEY_ID})->revoked !=
                   0);
    finish();
}

static void left_meanwhile(void)
{
    const struct aiex_fake_record *call;
    uint8_t mem[64];

    begin(with_log);
    create();
    call = asked("key.create");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, request), 0);
    CU_ASSERT_TRUE(aiex_fake_answer_ok(h, call->id, NOTHING) < 0);
    CU_ASSERT_EQUAL(n_keys(), 0);
    create();
    call = asked("key.create");
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    say_recorded(call);
    ok(request);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    for (unsigned i = 0; i < 256; i++)
        create();
    create();
    failed(request, "busy");
    for (size_t n = 0; n < aiex_fake_count(h, AIEX_FAKE_CALL); n++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_CALL, n);

        if (strcmp(r->name, "audit.append") == 0)
            aiex_fake_answer_error(h, r->id, "crashed", "gone", 0, NOTHING);
        else if (strcmp(r->name, "host.act_policy") == 0 &&
                 strcmp(text(r->body, "type"), "key.create") == 0)
            aiex_fake_answer_ok(h, r->id, pack(mem, sizeof(mem), "must", "b", 1, NULL));
    }
    CU_ASSERT_EQUAL(n_keys(), 1);
    finish();
}

static void strangers_are_told(void)
{
    begin(with_log);
    create();
    say_recorded(asked("key.create"));
    failed(ask("gateway.key_create", "name", "s", "x", "credential", "s",
               "ak-0000000000000000000000000000000000000000000", NULL),
           "denied");
    CU_ASSERT_PTR_NOT_NULL_FATAL(told("auth.failed"));
    CU_ASSERT_STRING_EQUAL(text(told("auth.failed")->body, "actor"), "unknown");
    CU_ASSERT_EQUAL(n_keys(), 1);
    finish();
}

/* Where it came from, and how what was tried begins; no text that may be somebody's secret. */
static void what_was_tried(void)
{
    struct aiex_slice payload = NOTHING;

    begin(with_log);
    create();
    say_recorded(asked("key.create"));
    failed(ask("gateway.check", "address", "s", "192.0.2.7", "credential", "s",
               "ak-0123456789012345678901234567890123456789012", NULL),
           "denied");
    CU_ASSERT_PTR_NOT_NULL_FATAL(told("auth.failed"));
    CU_ASSERT_EQUAL(aiex_get_bytes(told("auth.failed")->body, "payload", &payload), 1);
    CU_ASSERT_STRING_EQUAL(text(payload, "address"), "192.0.2.7");
    CU_ASSERT_STRING_EQUAL(text(payload, "tried"), "ak-01234");
    finish();
    begin(with_log);
    create();
    say_recorded(asked("key.create"));
    failed(ask("gateway.check", "credential", "s", "hunter2", NULL), "denied");
    CU_ASSERT_PTR_NOT_NULL_FATAL(told("auth.failed"));
    CU_ASSERT_EQUAL(aiex_get_bytes(told("auth.failed")->body, "payload", &payload), 1);
    CU_ASSERT_STRING_EQUAL(text(payload, "tried"), "");
    finish();
}

static unsigned n_told(const char *type)
{
    const struct aiex_fake_record *r;
    unsigned found = 0;

    told("nothing");
    for (size_t n = 0; (r = aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append_all", n)); n++)
        found += told_by(r, type) != NULL;
    return found;
}

/* A key's first use on a day, every use, or none. */
static void who_came_in(void)
{
    static const char *const policies[] = {"failures", "daily", "all"};
    static const unsigned first_day[] = {0, 1, 3};

    for (int i = 0; i < 3; i++) {
        const struct aiex_fake_pair pairs[] = {
            {"audit", "audit"}, {"audit_auth", policies[i]}, {0}};
        char secret[64], id[64];

        begin(pairs);
        create();
        say_recorded(asked("key.create"));
        strcpy(secret, text(ok(request), "key"));
        strcpy(id, text(ok(request), "id"));
        for (int n = 0; n < 3; n++) {
            ok(ask("gateway.check", "credential", "s", secret, NULL));
            CU_ASSERT_EQUAL(n_told("auth.accepted"), i == 2 ? (unsigned)n + 1 : first_day[i]);
        }
        wall_ms += 86400000;
        ok(ask("gateway.check", "credential", "s", secret, NULL));
        CU_ASSERT_EQUAL(n_told("auth.accepted"), first_day[i] + (i > 0));
        if (i)
            CU_ASSERT_STRING_EQUAL(text(told("auth.accepted")->body, "actor"), id);
        finish();
    }
}

/* The calls of `method` that are open, the last one; NULL = none. */
static const struct aiex_fake_record *last_call(const char *method)
{
    const struct aiex_fake_record *r = NULL, *next;

    for (size_t n = 0; (next = aiex_fake_find(h, AIEX_FAKE_CALL, method, n)); n++)
        r = next;
    return r;
}

static void say_policy(int must)
{
    uint8_t mem[64];

    for (int n = 0; n < 2; n++)
        aiex_fake_answer_ok(h, last_call("host.act_policy")->id,
                            pack(mem, sizeof(mem), "must", "b", must, NULL));
}

static uint64_t some_chat(void)
{
    return chat(NULL, 10, 10);
}

/* Requests that must be recorded are refused as soon as the log is known not to record. */
static void gate_closes(void)
{
    uint8_t mem[64];
    uint64_t id;

    begin(with_log);
    say_policy(1);
    CU_ASSERT_TRUE(is_open(some_chat()));
    aiex_fake_answer_ok(h, last_call("audit.health")->id,
                        pack(mem, sizeof(mem), "healthy", "b", 1, NULL));
    aiex_fake_advance(h, 400);
    CU_ASSERT_TRUE(is_open(some_chat()));
    aiex_fake_answer_ok(
        h, last_call("audit.health")->id,
        pack(mem, sizeof(mem), "healthy", "b", 0, "reason", "s", "disk full", NULL));
    id = some_chat();
    failed(id, "read_only");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, id)->text, "disk full"));
    aiex_fake_advance(h, 400);
    aiex_fake_answer_ok(h, last_call("audit.health")->id,
                        pack(mem, sizeof(mem), "healthy", "b", 1, NULL));
    CU_ASSERT_TRUE(is_open(some_chat()));
    aiex_fake_advance(h, 1000); /* nobody answers */
    failed(some_chat(), "read_only");
    aiex_fake_answer_error(h, last_call("audit.health")->id, "timeout", "late", 0, NOTHING);
    failed(some_chat(), "read_only");
    ok(ask("gateway.key_list", "local", "b", 1, NULL));
    for (size_t n = 0; n < 3; n++)
        answer_ok(n);
    finish();
}

static void gate_stays_open(void)
{
    begin(with_log);
    say_policy(0);
    aiex_fake_advance(h, 4000);
    CU_ASSERT_PTR_NULL(last_call("audit.health"));
    CU_ASSERT_TRUE(is_open(some_chat()));
    aiex_fake_advance(h, 1600); /* asked again: the configuration has another list now */
    say_policy(1);
    CU_ASSERT_PTR_NOT_NULL(last_call("audit.health"));
    aiex_fake_advance(h, 1200);
    failed(some_chat(), "read_only");
    answer_ok(0);
    finish();
}

/* A host that does not answer has not said that requests need not be recorded any more. */
static void gate_keeps_its_list(void)
{
    begin(with_log);
    say_policy(1);
    aiex_fake_advance(h, 5600);
    for (int n = 0; n < 2; n++)
        aiex_fake_answer_error(h, last_call("host.act_policy")->id, "timeout", "late", 0, NOTHING);
    failed(some_chat(), "read_only");
    finish();
}

/* The configuration of before is gone then, with all names in it. */
static void told_after_a_reload(void)
{
    static const struct aiex_fake_pair pairs[] = {{"audit", "audit"}, {"settle_grace", "20s"}, {0}};

    begin(with_log);
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, pairs, NULL), 0);
    failed(ask("gateway.check", "demand_key", "b", 1, "address", "s", "192.0.2.7", "credential",
               "s", "ak-0123456789012345678901234567890123456789abc", NULL),
           "denied");
    aiex_fake_advance(h, 20);
    CU_ASSERT_STRING_EQUAL(last_call("audit.append_all")->service, "audit");
    finish();
}

static void without_a_log(void)
{
    begin(NULL);
    create();
    ok(request);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append", 0));
    aiex_fake_advance(h, 1000);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append_all", 0));
    finish();
}

const struct test_case tests[] = {
    {"recorded_first", recorded_first},
    {"refused_unrecorded", refused_unrecorded},
    {"seen_as_it_is_then", seen_as_it_is_then},
    {"left_meanwhile", left_meanwhile},
    {"strangers_are_told", strangers_are_told},
    {"what_was_tried", what_was_tried},
    {"who_came_in", who_came_in},
    {"gate_closes", gate_closes},
    {"gate_stays_open", gate_stays_open},
    {"gate_keeps_its_list", gate_keeps_its_list},
    {"told_after_a_reload", told_after_a_reload},
    {"without_a_log", without_a_log},
    {0},
};
