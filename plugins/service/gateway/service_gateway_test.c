/* service_gateway through its descriptor: who may come in, and what is handed on. */
#include "gateway_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW(text) ((struct aiex_slice){(const uint8_t *)(text), sizeof(text) - 1})

static const struct aiex_fake_record *event(const char *topic, const char *type)
{
    const struct aiex_fake_record *r;

    for (size_t n = 0; (r = aiex_fake_find(h, AIEX_FAKE_PUBLISH, topic, n)) != NULL; n++)
        if (strcmp(r->type, type) == 0)
            return r;
    return NULL;
}

/* ---- Who ---- */

static void works_at_once_without_keys(void)
{
    struct aiex_slice principal = NOTHING, body = NOTHING;
    const struct aiex_fake_record *r;
    uint64_t id;

    begin(NULL);
    id = chat(NULL, 20, 10);
    r = made(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->service, "coordinator");
    CU_ASSERT(r->flags & AIEX_CALL_SPLICE);
    CU_ASSERT_EQUAL(r->parent, id);
    CU_ASSERT(aiex_is_map(r->body));
    CU_ASSERT_STRING_EQUAL(text(r->body, "dialect"), "openai.chat");
    CU_ASSERT_STRING_EQUAL(text(r->body, "model"), "m");
    CU_ASSERT_STRING_EQUAL(text(r->body, "settle"), "service_gateway");
    CU_ASSERT_EQUAL(number(r->body, "stream"), 1);
    CU_ASSERT(number(r->body, "ticket") > 0);
    CU_ASSERT_EQUAL(aiex_get_bytes(r->body, "body", &body), 1);
    CU_ASSERT_EQUAL(memcmp(body.data, "{\"max_tokens\":10", 16), 0);
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "credential", &body), 0);
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "principal", &principal), 1);
    CU_ASSERT_STRING_EQUAL(text(principal, "key"), "open");
    CU_ASSERT_STRING_EQUAL(text(principal, "role"), "user");
    answer_ok(0);
    ok(id);
    CU_ASSERT_EQUAL(aiex_fake_parts(h, id).len, 4);
    settle(0, 5, 3, 4);
    CU_ASSERT_EQUAL(status("in_flight"), 0);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void a_first_key_closes_the_door(void)
{
    char key[64];
    struct aiex_slice end, document = NOTHING;
    uint64_t id;

    begin(NULL);
    id = ask("gateway.chat", "demand_key", "b", 1, "dialect", "s", "anthropic.messages", "model",
             "s", "m", "body", "x", RAW("{}"), NULL);
    end = failed(id, "denied");
    CU_ASSERT_EQUAL(number(end, "http_status"), 401);
    CU_ASSERT_STRING_EQUAL(text(end, "reason"), "auth");
    CU_ASSERT_EQUAL(aiex_get_bytes(end, "body", &document), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(document.data, document.len, "authentication_error", 20));
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    failed(chat(NULL, 20, 10), "denied");
    failed(chat("sk-other", 20, 10), "denied");
    failed(chat("ak-0123456789012345678901234567890123456789012", 20, 10), "denied");
    CU_ASSERT_EQUAL(refused_by("auth"), 4);
    id = chat(key, 20, 10);
    answer_ok(0);
    settle(0, 1, 1, 1);
    ok(id);
    finish();
}

static void options_decide_who_needs_a_key(void)
{
    begin((struct aiex_fake_pair[]){{"require_key", "yes"}, {0}});
    failed(chat(NULL, 20, 10), "denied");
    ok(ask("gateway.check", "local", "b", 1, "permission", "s", "admin", NULL));
    finish();
    begin((struct aiex_fake_pair[]){{"require_key", "no"}, {0}});
    make_key(NULL, NULL, NULL);
    chat(NULL, 20, 10);
    answer_ok(0);
    settle(0, 1, 1, 1);
    finish();
}

static void local_is_no_cover_for_a_bad_key(void)
{
    struct aiex_slice principal = NOTHING;
    char id[16], key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    aiex_get_whole(ok(ask("gateway.check", "local", "b", 1, "credential", "s", key, NULL)),
                   "principal", &principal);
    CU_ASSERT_STRING_EQUAL(text(principal, "key"), id);
    CU_ASSERT_STRING_EQUAL(text(principal, "user"), "ann");
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL));
    failed(ask("gateway.check", "local", "b", 1, "credential", "s", key, NULL), "denied");
    aiex_get_whole(ok(ask("gateway.check", "local", "b", 1, "credential", "s", "made-up", NULL)),
                   "principal", &principal);
    CU_ASSERT_STRING_EQUAL(text(principal, "key"), "local");
    finish();
}

static void roles_have_their_permissions(void)
{
    static const char *const may[][5] = {{"admin", "chat", "models", "usage", "admin"},
                                         {"user", "chat", "models", "usage", NULL},
                                         {"viewer", NULL, "models", "usage", NULL}};
    static const char *const all[] = {"chat", "models", "usage", "admin"};

    begin(NULL);
    for (size_t i = 0; i < 3; i++) {
        char key[64];

        snprintf(key, sizeof(key), "%s",
                 text(ok(ask("gateway.key_create", "local", "b", 1, "role", "s", may[i][0], NULL)),
                      "key"));
        for (size_t k = 0; k < 4; k++) {
            uint64_t id = ask("gateway.check", "credential", "s", key, "permission", "s", all[k],
                              NULL);

            if (may[i][k + 1])
                ok(id);
            else
                CU_ASSERT_EQUAL(number(failed(id, "denied"), "http_status"), 403);
        }
    }
    failed(ask("gateway.check", "local", "b", 1, "permission", "s", "fly", NULL), "invalid");
    CU_ASSERT_EQUAL(refused_by("role"), 3);
    finish();
}

static void admin_methods_need_an_admin(void)
{
    static const char *const methods[] = {
        "gateway.key_create", "gateway.key_list",  "gateway.key_revoke", "gateway.key_rotate",
        "gateway.key_set",    "gateway.limit_set", "gateway.limit_list"};
    char key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        CU_ASSERT_EQUAL(
            number(failed(ask(methods[i], "credential", "s", key, NULL), "denied"), "http_status"),
            403);
        CU_ASSERT_EQUAL(number(failed(ask(methods[i], NULL), "denied"), "http_status"), 401);
    }
    finish();
}

static void models_are_patterns(void)
{
    uint8_t list[64];
    struct aiex_writer w;
    char key[64];

    begin(NULL);
    aiex_writer_init(&w, list, sizeof(list));
    aiex_w_array(&w, 3);
    aiex_w_str(&w, "gpt-*-mini");
    aiex_w_str(&w, "exact");
    aiex_w_str(&w, "openai/*");
    snprintf(
        key, sizeof(key), "%s",
        text(ok(ask("gateway.key_create", "local", "b", 1, "models", "r", aiex_written(&w), NULL)),
             "key"));
    {
        static const struct {
            const char *model;
            int may;
        } cases[] = {{"gpt-4-mini", 1},
                     {"gpt--mini", 1},
                     {"gpt-mini", 0},
                     {"gpt-4-mini2", 0},
                     {"exact", 1},
                     {"exactly", 0},
                     {"openai/x/y", 1},
                     {"openai", 0},
                     {"gpt-4-mini-5-mini", 1},
                     {"x", 0}};

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            uint64_t id = ask("gateway.count", "credential", "s", key, "dialect", "s",
                              "openai.chat", "model", "s", cases[i].model, "body", "x", RAW("{}"),
                              NULL);

            CU_ASSERT_EQUAL(is_open(id), cases[i].may);
            if (is_open(id))
                aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, NOTHING);
            else
                CU_ASSERT_EQUAL(number(failed(id, "denied"), "http_status"), 403);
        }
    }
    finish();
}

/* ---- Keys ---- */

/* The entry of gateway.key_list with this id. */
static struct aiex_slice listed(const char *id)
{
    struct aiex_value list = {0};
    struct aiex_slice at;

    CU_ASSERT_EQUAL_FATAL(
        aiex_get(ok(ask("gateway.key_list", "local", "b", 1, NULL)), "keys", &list), 1);
    at = list.bytes;
    for (uint32_t i = 0; i < list.count; i++) {
        struct aiex_slice entry = at;

        aiex_r_skip(&at);
        entry.len -= at.len;
        if (strcmp(text(entry, "id"), id) == 0)
            return entry;
    }
    return NOTHING;
}

static void keys_are_listed_without_secrets(void)
{
    struct aiex_slice entry;
    char id[16], key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s",
             make_key(&(struct limits){.rpm = 60, .budget_day = 5}, "ann", id));
    CU_ASSERT_EQUAL(strlen(key), 46);
    CU_ASSERT_EQUAL(strncmp(key, "ak-", 3), 0);
    CU_ASSERT_EQUAL(
        strspn(key + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    entry = listed(id);
    CU_ASSERT_EQUAL(strncmp(text(entry, "prefix"), key, 8), 0);
    CU_ASSERT_EQUAL(strlen(text(entry, "prefix")), 8);
    CU_ASSERT_STRING_EQUAL(text(entry, "user"), "ann");
    CU_ASSERT_EQUAL(number(entry, "rpm"), 60);
    CU_ASSERT_EQUAL(number(entry, "budget_day"), 5);
    CU_ASSERT_EQUAL(number(entry, "created"), NOON);
    CU_ASSERT_EQUAL(number(entry, "revoked"), 0);
    CU_ASSERT_EQUAL(number(entry, "last_used"), 0);
    ok(ask("gateway.check", "credential", "s", key, NULL));
    CU_ASSERT_EQUAL(number(listed(id), "last_used"), NOON);
    for (size_t n = 0; aiex_fake_nth(h, AIEX_FAKE_PUBLISH, n); n++) {
        const struct aiex_fake_record *r = aiex_fake_nth(h, AIEX_FAKE_PUBLISH, n);

        CU_ASSERT_PTR_NULL(memmem(r->body.data, r->body.len, key + 8, strlen(key) - 8));
    }
    CU_ASSERT_PTR_NOT_NULL(event("gateway.key", "created"));
    finish();
}

static void wrong_fields_are_named(void)
{
    begin(NULL);
    failed(ask("gateway.key_create", "local", "b", 1, "rpm", "i", -1, NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "rpm", "s", "many", NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "role", "s", "king", NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "soft_percent", "i", 101, NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "user", "s", "a\nb", NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "models", "s", "x", NULL), "invalid");
    failed(ask("gateway.key_create", "local", "b", 1, "expires", "i", -5, NULL), "invalid");
    failed(ask("gateway.key_revoke", "local", "b", 1, NULL), "invalid");
    failed(ask("gateway.key_revoke", "local", "b", 1, "id", "s", "nobody", NULL), "not_found");
    failed(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "key", "name", "s", "x", NULL),
           "invalid");
    failed(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", NULL), "invalid");
    failed(
        ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "a\x01", NULL),
        "invalid");
    failed(ask("gateway.key_list", "local", "b", 1, "limit", "i", 0, NULL), "invalid");
    failed(ask("gateway.chat", "dialect", "s", "openai.chat", "model", "s", "m", NULL), "invalid");
    failed(ask("gateway.chat", "dialect", "s", "openai.chat", "body", "x", RAW("{}"), NULL),
           "invalid");
    failed(ask("gateway.chat", "model", "s", "m", "body", "x", RAW("{}"), NULL), "invalid");
    failed(ask("gateway.chat", "model", "i", 5, NULL), "invalid");
    failed(ask("gateway.unknown", NULL), "not_found");
    CU_ASSERT_EQUAL(aiex_fake_count(h, AIEX_FAKE_CALL), 1); /* ledger.spent */
    finish();
}

/* Who says `local` must be one whose word counts; others need a key, whatever they say. */
static void not_everybody_speaks_for_operators(void)
{
    static const char *const may[] = {"interface_http", "interface_cli", "interface_http:second",
                                      "host.control", "host.schedule"};
    static const char *const may_not[] = {"chunker_lines", "provider_openai", "xinterface_http", ""};

    begin((struct aiex_fake_pair[]){{"require_key", "yes"}, {0}});
    for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
        ok(ask_as(may[i], "gateway.key_list", "local", "b", 1, NULL));
    for (size_t i = 0; i < sizeof(may_not) / sizeof(may_not[0]); i++) {
        failed(ask_as(may_not[i], "gateway.key_list", "local", "b", 1, NULL), "denied");
        failed(ask_as(may_not[i], "gateway.key_create", "local", "b", 1, "name", "s", "x", NULL),
               "denied");
    }
    /* checkpoints are brought back by their service, which may nothing else */
    failed(ask_as("service_checkpoints", "gateway.restore_from", "local", "b", 1, NULL), "invalid");
    failed(ask_as("service_other", "gateway.restore_from", "local", "b", 1, NULL), "denied");
    failed(ask_as("service_checkpoints", "gateway.key_list", "local", "b", 1, NULL), "denied");
    finish();
    begin((struct aiex_fake_pair[]){{"operators", "bridge_nats, chunker_*"}, {0}});
    ok(ask_as("chunker_lines", "gateway.key_list", "local", "b", 1, NULL));
    ok(ask_as("bridge_nats", "gateway.key_list", "local", "b", 1, NULL));
    failed(ask_as("interface_http", "gateway.key_list", "local", "b", 1, NULL), "denied");
    finish();
}

static void rotation_has_a_grace(void)
{
    char id[16], old[64], new[64];

    begin(NULL);
    snprintf(old, sizeof(old), "%s", make_key(NULL, NULL, id));
    snprintf(new, sizeof(new), "%s",
             text(ok(ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, "grace_ms", "i",
                         5000, NULL)),
                  "key"));
    CU_ASSERT_STRING_NOT_EQUAL(old, new);
    ok(ask("gateway.check", "credential", "s", old, NULL));
    ok(ask("gateway.check", "credential", "s", new, NULL));
    wall_ms += 4999;
    ok(ask("gateway.check", "credential", "s", old, NULL));
    wall_ms += 1;
    failed(ask("gateway.check", "credential", "s", old, NULL), "denied");
    ok(ask("gateway.check", "credential", "s", new, NULL));
    CU_ASSERT_PTR_NOT_NULL(event("gateway.key", "rotated"));
    stop();
    restart(NULL);
    failed(ask("gateway.check", "credential", "s", old, NULL), "denied");
    ok(ask("gateway.check", "credential", "s", new, NULL));
    snprintf(old, sizeof(old), "%s", new);
    snprintf(new, sizeof(new), "%s",
             text(ok(ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, NULL)), "key"));
    failed(ask("gateway.check", "credential", "s", old, NULL), "denied"); /* no grace: at once */
    ok(ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL));
    failed(ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, NULL), "conflict");
    failed(ask("gateway.check", "credential", "s", new, NULL), "denied");
    finish();
}

static void keys_expire(void)
{
    char key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s",
             text(ok(ask("gateway.key_create", "local", "b", 1, "expires", "I", NOON + 1000, NULL)),
                  "key"));
    ok(ask("gateway.check", "credential", "s", key, NULL));
    wall_ms += 1000;
    failed(ask("gateway.check", "credential", "s", key, NULL), "denied");
    CU_ASSERT_STRING_EQUAL(text(event("gateway.key", "refused")->body, "why"), "expired");
    finish();
}

static void changes_keep_what_they_do_not_name(void)
{
    char id[16], key[64];

    begin(NULL);
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.rpm = 60, .tpm = 7}, "ann", id));
    ok(ask("gateway.key_set", "local", "b", 1, "id", "s", id, "rpm", "i", 30, "team", "s", "red",
           NULL));
    CU_ASSERT_EQUAL(number(listed(id), "rpm"), 30);
    CU_ASSERT_EQUAL(number(listed(id), "tpm"), 7);
    CU_ASSERT_STRING_EQUAL(text(listed(id), "user"), "ann");
    CU_ASSERT_STRING_EQUAL(text(listed(id), "team"), "red");
    ok(ask("gateway.check", "credential", "s", key, NULL));
    stop();
    restart(NULL);
    CU_ASSERT_EQUAL(number(listed(id), "rpm"), 30);
    CU_ASSERT_STRING_EQUAL(text(listed(id), "team"), "red");
    ok(ask("gateway.check", "credential", "s", key, NULL));
    finish();
}

static void lists_come_in_pieces(void)
{
    struct aiex_slice end;
    char first[16], second[16];

    begin(NULL);
    make_key(NULL, NULL, first);
    make_key(NULL, NULL, second);
    end = ok(ask("gateway.key_list", "local", "b", 1, "limit", "i", 1, NULL));
    CU_ASSERT_EQUAL(number(end, "more"), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(end.data, end.len, first, 12));
    end = ok(ask("gateway.key_list", "local", "b", 1, "limit", "i", 1, "after", "s", first, NULL));
    CU_ASSERT_EQUAL(number(end, "more"), 0);
    CU_ASSERT_PTR_NOT_NULL(memmem(end.data, end.len, second, 12));
    finish();
}

static void refusals_are_told_at_a_rate(void)
{
    size_t n = 0, told = 0;

    begin((struct aiex_fake_pair[]){{"require_key", "yes"}, {0}});
    for (int i = 0; i < 100; i++)
        failed(chat("ak-0123456789012345678901234567890123456789012", 20, 1), "denied");
    while (aiex_fake_find(h, AIEX_FAKE_PUBLISH, "gateway.key", n))
        n++;
    told = n;
    CU_ASSERT_EQUAL(told, 20);
    aiex_fake_advance(h, 1000);
    failed(chat("ak-0123456789012345678901234567890123456789012", 20, 1), "denied");
    CU_ASSERT_EQUAL(number(aiex_fake_last(h, AIEX_FAKE_PUBLISH)->body, "left_out"), 80);
    finish();
}

/* ---- Handing on ---- */

static struct aiex_slice model_list(uint8_t *mem, size_t size)
{
    static const char *const ids[] = {"a", "b", "gpt"};
    struct aiex_writer w;

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "models");
    aiex_w_array(&w, 3);
    for (size_t i = 0; i < 3; i++) {
        aiex_w_map(&w, 2);
        aiex_w_key_str(&w, "id", ids[i]);
        aiex_w_key_str(&w, "provider", i == 2 ? "openai" : "other");
    }
    return aiex_written(&w);
}

static uint32_t count_models(struct aiex_slice end)
{
    struct aiex_value v;

    return aiex_get(end, "models", &v) == 1 ? v.count : 999;
}

static void models_that_may_not_be_used_are_not_shown(void)
{
    uint8_t mem[512], list[64];
    struct aiex_writer w;
    struct aiex_slice end;
    uint64_t id;
    char key[64];

    begin(NULL);
    id = ask("gateway.models", NULL);
    CU_ASSERT(aiex_fake_last(h, AIEX_FAKE_CALL)->flags & AIEX_CALL_SPLICE);
    aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, model_list(mem, sizeof(mem)));
    CU_ASSERT_EQUAL(count_models(ok(id)), 3);
    aiex_writer_init(&w, list, sizeof(list));
    aiex_w_array(&w, 2);
    aiex_w_str(&w, "b");
    aiex_w_str(&w, "openai/*");
    snprintf(
        key, sizeof(key), "%s",
        text(ok(ask("gateway.key_create", "local", "b", 1, "models", "r", aiex_written(&w), NULL)),
             "key"));
    id = ask("gateway.models", "credential", "s", key, NULL);
    aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, model_list(mem, sizeof(mem)));
    end = ok(id);
    CU_ASSERT_EQUAL(count_models(end), 2);
    CU_ASSERT_PTR_NULL(memmem(end.data, end.len,
                              "\xa1"
                              "a",
                              2));
    id = ask("gateway.models", "credential", "s", key, NULL);
    aiex_fake_answer_error(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, "unavailable", "away", 0,
                           NOTHING);
    failed(id, "unavailable");
    id = ask("gateway.models", "credential", "s", key, NULL);
    aiex_fake_answer_ok(h, aiex_fake_last(h, AIEX_FAKE_CALL)->id, NOTHING);
    failed(id, "internal");
    id = ask("gateway.models", "credential", "s", key, NULL);
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    CU_ASSERT_EQUAL(gw()->flights.n_used, 0);
    finish();
}

static void what_only_the_gateway_may_say_is_not_passed_on(void)
{
    const struct aiex_fake_record *r;
    struct aiex_slice principal = NOTHING;

    begin(NULL);
    ask("gateway.chat", "principal", "r",
        RAW("\x81\xa4role\xa5"
            "admin"),
        "ticket", "i", 7, "settle", "s", "me", "account", "x", RAW("z"), "session", "s", "s1",
        "priority", "i", 2, "cache", "s", "off", "idle_ms", "i", 9, "dialect", "s", "ollama.chat",
        "model", "s", "m", "body", "x", RAW("{}"), "tags", "r", RAW("\x81\xa1k\xa1v"), "headers",
        "r",
        RAW("\x81\xae"
            "anthropic-beta\xa2"
            "b1"),
        "interface", "s", "interface_http", NULL);
    r = made(0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    aiex_get_whole(r->body, "principal", &principal);
    CU_ASSERT_STRING_EQUAL(text(principal, "role"), "user");
    CU_ASSERT_STRING_EQUAL(text(r->body, "settle"), "service_gateway");
    CU_ASSERT(number(r->body, "ticket") != 7);
    CU_ASSERT_EQUAL(number(r->body, "account"), -999);
    CU_ASSERT_STRING_EQUAL(text(r->body, "session"), "s1");
    CU_ASSERT_EQUAL(number(r->body, "priority"), 2);
    CU_ASSERT_STRING_EQUAL(text(r->body, "cache"), "off");
    CU_ASSERT_EQUAL(number(r->body, "idle_ms"), 9);
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "headers", &principal), 1); /* a vendor wants them */
    CU_ASSERT_STRING_EQUAL(text(principal, "anthropic-beta"), "b1");
    CU_ASSERT_EQUAL(aiex_get_whole(r->body, "tags", &principal), 1); /* they may steer the choice */
    CU_ASSERT_STRING_EQUAL(text(principal, "k"), "v");
    CU_ASSERT_STRING_EQUAL(text(r->body, "interface"), "interface_http"); /* for the record */
    answer_ok(0);
    {
        const struct aiex_fake_record *kept;
        uint8_t mem[256], who[64];
        struct aiex_slice record = pack(mem, sizeof(mem), "ticket", "I", number(r->body, "ticket"),
                                        "cost", "i", 1, "interface", "s", "interface_http",
                                        "principal", "r",
                                        pack(who, sizeof(who), "key", "s", "open", NULL), NULL);

        cast("gateway.settle", record);
        kept = aiex_fake_last(h, AIEX_FAKE_CAST);
        CU_ASSERT_STRING_EQUAL(kept->name, "ledger.record");
        CU_ASSERT(kept->flags & AIEX_CALL_LAZY);
        CU_ASSERT_EQUAL_FATAL(kept->body.len, record.len); /* as it came */
        CU_ASSERT_EQUAL(memcmp(kept->body.data, record.data, record.len), 0);
    }
    finish();
}

/* A model that is allowed for the gateway, and another one for whoever reads the first pair. */
static void a_field_counts_once(void)
{
    begin(NULL);
    failed(ask("gateway.chat", "dialect", "s", "openai.chat", "model", "s", "dear", "model", "s",
               "cheap", "body", "x", RAW("{}"), NULL),
           "invalid");
    failed(ask("gateway.check", "credential", "s", "a", "credential", "s", "b", NULL), "invalid");
    /* and the stricter of two claims */
    failed(ask("gateway.check", "local", "b", 1, "demand_key", "b", 1, NULL), "denied");
    CU_ASSERT_PTR_NULL(made(0));
    finish();
}

static void large_bodies_and_nested_requests(void)
{
    size_t n = 300000;
    uint8_t *json = malloc(n), *mem = malloc(n + 1000);
    struct aiex_slice body = NOTHING;
    struct aiex_writer w;

    memset(json, ' ', n);
    json[0] = '{';
    json[n - 1] = '}';
    begin(NULL);
    aiex_writer_init(&w, mem, n + 1000);
    aiex_w_map(&w, 3);
    aiex_w_key_str(&w, "dialect", "openai.chat");
    aiex_w_key_str(&w, "model", "m");
    aiex_w_key_bin(&w, "body", json, n);
    aiex_fake_request(h, p, self, "gateway.chat", aiex_written(&w), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(made(0));
    CU_ASSERT_EQUAL(aiex_get_bytes(made(0)->body, "body", &body), 1);
    CU_ASSERT_EQUAL(body.len, n);
    CU_ASSERT_EQUAL(memcmp(body.data, json, n), 0);
    answer_ok(0);
    settle(0, 1, 1, 1);
    finish();
    free(json);
    free(mem);
}

/* ---- Interfaces ---- */

static void plugin_event(const char *name, const char *state)
{
    uint8_t mem[128];

    aiex_fake_event(h, p, self, "host.plugin",
                    pack(mem, sizeof(mem), "type", "s", state, "topic", "s", "host.plugin",
                         "subject", "s", name, NULL));
}

static int64_t face_alive(void)
{
    struct aiex_value list = {0};
    struct aiex_slice entry;

    CU_ASSERT_EQUAL_FATAL(aiex_get(ok(ask("gateway.interfaces", NULL)), "interfaces", &list), 1);
    CU_ASSERT_EQUAL_FATAL(list.count, 1);
    entry = list.bytes;
    CU_ASSERT_STRING_EQUAL(text(entry, "protocol"), "http");
    return number(entry, "alive");
}

static void interfaces_are_known_and_watched(void)
{
    begin(NULL);
    failed(ask("gateway.register", NULL), "invalid");
    ok(ask("gateway.register", "name", "s", "interface_http", "protocol", "s", "http", "addresses",
           "r", RAW("\x91\xa4:742"), "features", "r", RAW("\x90"), NULL));
    CU_ASSERT_EQUAL(face_alive(), 1);
    plugin_event("interface_http", "backoff");
    CU_ASSERT_EQUAL(face_alive(), 0);
    plugin_event("interface_other", "up");
    CU_ASSERT_EQUAL(face_alive(), 0);
    plugin_event("interface_http", "up");
    CU_ASSERT_EQUAL(face_alive(), 1);
    plugin_event("interface_http", "down");
    ok(ask("gateway.register", "name", "s", "interface_http", "protocol", "s", "http", NULL));
    CU_ASSERT_EQUAL(face_alive(), 1);
    finish();
}

/* Interfaces do not wait for an answer: they cast. */
static void interfaces_register_by_cast(void)
{
    uint8_t mem[128];

    begin(NULL);
    CU_ASSERT_EQUAL(cast("gateway.register", pack(mem, sizeof(mem), "name", "s", "interface_http",
                                                  "protocol", "s", "http", NULL)),
                    0);
    CU_ASSERT_EQUAL(face_alive(), 1);
    plugin_event("interface_http", "backoff");
    CU_ASSERT_EQUAL(cast("gateway.register", pack(mem, sizeof(mem), "name", "s", "interface_http",
                                                  "protocol", "s", "http", NULL)),
                    0);
    CU_ASSERT_EQUAL(face_alive(), 1);
    CU_ASSERT_EQUAL(cast("gateway.register", pack(mem, sizeof(mem), "name", "s", "", NULL)), 0);
    CU_ASSERT_EQUAL(aiex_fake_last(h, AIEX_FAKE_LOG)->level, AIEX_LOG_WARN);
    CU_ASSERT_EQUAL(face_alive(), 1);
    finish();
}

static void many_interfaces_are_bounded(void)
{
    char name[32];

    begin(NULL);
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "interface_x:%d", i);
        ok(ask("gateway.register", "name", "s", name, NULL));
    }
    failed(ask("gateway.register", "name", "s", "one-more", NULL), "busy");
    plugin_event("interface_x:3", "stopped");
    ok(ask("gateway.register", "name", "s", "one-more", NULL));
    CU_ASSERT_EQUAL(status("interfaces"), 64);
    finish();
}

static void messages_are_events(void)
{
    const struct aiex_fake_record *r;

    begin(NULL);
    ok(ask("gateway.send", "to", "s", "interface_cli", "type", "s", "open", "data", "r",
           RAW("\x81\xa1"
               "a\x01"),
           NULL));
    r = event("gateway.message", "open");
    CU_ASSERT_PTR_NOT_NULL_FATAL(r);
    CU_ASSERT_STRING_EQUAL(r->subject, "interface_cli");
    CU_ASSERT_EQUAL(number(r->body, "a"), 1);
    failed(ask("gateway.send", "to", "s", "x", NULL), "invalid");
    failed(ask("gateway.send", "demand_key", "b", 1, "to", "s", "x", "type", "s", "y", NULL),
           "denied");
    finish();
}

/* ---- Reports ---- */

static void health_and_metrics(void)
{
    struct aiex_slice end, prometheus = NOTHING;

    begin(NULL);
    CU_ASSERT_EQUAL(number(ok(ask("service.health", NULL)), "healthy"), 1);
    make_key(NULL, NULL, NULL);
    failed(chat(NULL, 20, 1), "denied");
    end = ok(ask("gateway.metrics", NULL));
    CU_ASSERT_EQUAL(aiex_get_str(end, "text", &prometheus), 1);
    CU_ASSERT_PTR_NOT_NULL(memmem(prometheus.data, prometheus.len,
                                  "aiex_gateway_refused_total{reason=\"auth\"} 1\n", 44));
    CU_ASSERT_PTR_NOT_NULL(memmem(prometheus.data, prometheus.len, "\naiex_gateway_keys 1\n", 21));
    CU_ASSERT_EQUAL(prometheus.data[prometheus.len - 1], '\n');
    CU_ASSERT_EQUAL(status("keys"), 1);
    CU_ASSERT_EQUAL(status("demanded"), 1);
    finish();
}

static void needs_a_data_folder(void)
{
    struct aiex_error err = {""};

    folder[0] = 0;
    CU_ASSERT_EQUAL(try_restart(NULL, &err), -ENOTDIR);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "data folder"));
    CU_ASSERT_EQUAL(aiex_fake_host_free(h), 0);
}

static void drains_when_all_is_settled(void)
{
    uint64_t id;

    begin(NULL);
    id = chat(NULL, 20, 10);
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    answer_ok(0);
    ok(id);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 0); /* the record is money */
    settle(0, 1, 1, 1);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    finish();
    begin(NULL);
    chat(NULL, 20, 10);
    answer_ok(0);
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    aiex_fake_advance(h, 2000);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    finish();
}

const struct test_case tests[] = {
    {"works_at_once_without_keys", works_at_once_without_keys},
    {"a_first_key_closes_the_door", a_first_key_closes_the_door},
    {"options_decide_who_needs_a_key", options_decide_who_needs_a_key},
    {"local_is_no_cover_for_a_bad_key", local_is_no_cover_for_a_bad_key},
    {"roles_have_their_permissions", roles_have_their_permissions},
    {"admin_methods_need_an_admin", admin_methods_need_an_admin},
    {"models_are_patterns", models_are_patterns},
    {"keys_are_listed_without_secrets", keys_are_listed_without_secrets},
    {"wrong_fields_are_named", wrong_fields_are_named},
    {"not_everybody_speaks_for_operators", not_everybody_speaks_for_operators},
    {"rotation_has_a_grace", rotation_has_a_grace},
    {"keys_expire", keys_expire},
    {"changes_keep_what_they_do_not_name", changes_keep_what_they_do_not_name},
    {"lists_come_in_pieces", lists_come_in_pieces},
    {"refusals_are_told_at_a_rate", refusals_are_told_at_a_rate},
    {"models_that_may_not_be_used_are_not_shown", models_that_may_not_be_used_are_not_shown},
    {"what_only_the_gateway_may_say_is_not_passed_on",
     what_only_the_gateway_may_say_is_not_passed_on},
    {"a_field_counts_once", a_field_counts_once},
    {"large_bodies_and_nested_requests", large_bodies_and_nested_requests},
    {"interfaces_are_known_and_watched", interfaces_are_known_and_watched},
    {"interfaces_register_by_cast", interfaces_register_by_cast},
    {"many_interfaces_are_bounded", many_interfaces_are_bounded},
    {"messages_are_events", messages_are_events},
    {"health_and_metrics", health_and_metrics},
    {"needs_a_data_folder", needs_a_data_folder},
    {"drains_when_all_is_settled", drains_when_all_is_settled},
    {0},
};
