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
    CU_ASSERT_STRING_EQUAL(text(r->body, "writer"), "gateway");
    return r;
}

static const struct aiex_fake_record *told(const char *type)
{
    const struct aiex_fake_record *r;

    for (size_t n = 0; (r = aiex_fake_find(h, AIEX_FAKE_CAST, "audit.append", n)); n++)
        if (strcmp(text(r->body, "type"), type) == 0)
            return r;
    return NULL;
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

static void refused_unrecorded(void)
{
    begin(with_log);
    create();
    say_refused(asked("key.create"), "must");
    failed(request, "read_only");
    CU_ASSERT_STRING_EQUAL(aiex_fake_answer(h, request)->text, "not recorded: the disk is full");
    CU_ASSERT_EQUAL(n_keys(), 0);
    CU_ASSERT_PTR_NULL(told("key.created"));
    create(); /* the operator's policy lets it happen */
    say_refused(asked("key.create"), "may");
    ok(request);
    CU_ASSERT_EQUAL(n_keys(), 1);
    create(); /* no audit log is there */
    aiex_fake_answer_error(h, asked("key.create")->id, "unavailable", "nobody", 0, NOTHING);
    ok(request);
    create(); /* it may or may not have recorded it */
    aiex_fake_answer_error(h, asked("key.create")->id, "timeout", "late", 0, NOTHING);
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

static void without_a_log(void)
{
    begin(NULL);
    create();
    ok(request);
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CALL, "audit.append", 0));
    CU_ASSERT_PTR_NULL(aiex_fake_find(h, AIEX_FAKE_CAST, "audit.append", 0));
    finish();
}

const struct test_case tests[] = {
    {"recorded_first", recorded_first},
    {"refused_unrecorded", refused_unrecorded},
    {"seen_as_it_is_then", seen_as_it_is_then},
    {"left_meanwhile", left_meanwhile},
    {"strangers_are_told", strangers_are_told},
    {"without_a_log", without_a_log},
    {0},
};
