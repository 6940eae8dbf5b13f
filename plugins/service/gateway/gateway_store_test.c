/* Keys and limits as events of a store: what survives, who wins, what goes on without it. */
#include "gateway_store_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Cases ---- */

static void every_change_is_an_event(void)
{
    struct aiex_slice data = NOTHING, bytes = NOTHING;
    char key[64], id[16];

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.rpm = 9}, "ann", id));
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 0, NULL), "pepper.set");
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 1, &data), "key.created");
    CU_ASSERT_STRING_EQUAL(text(data, "id"), id);
    CU_ASSERT_STRING_EQUAL(text(data, "user"), "ann");
    CU_ASSERT_STRING_EQUAL(text(data, "by"), "local");
    CU_ASSERT_EQUAL(number(data, "rpm"), 9);
    CU_ASSERT_EQUAL(aiex_get_bytes(data, "hash", &bytes), 1);
    CU_ASSERT_EQUAL(bytes.len, SECRET_HASH);
    CU_ASSERT_PTR_NULL(memmem(data.data, data.len, key + 8, strlen(key) - 8));
    ok(ask_as("host.control", "gateway.key_set", "local", "b", 1, "id", "s", id, "team", "s", "red",
              NULL));
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 2, &data), "key.changed");
    CU_ASSERT_STRING_EQUAL(text(data, "team"), "red");
    CU_ASSERT_STRING_EQUAL(text(data, "caller"), "host.control");
    ok(ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, NULL));
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 3, NULL), "key.rotated");
    revoke_key(id);
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 4, NULL), "key.revoked");
    set_limit("ann", 7);
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/limits", 0, &data), "limit.set");
    CU_ASSERT_STRING_EQUAL(text(data, "scope"), "user");
    CU_ASSERT_EQUAL(number(data, "rpm"), 7);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 5);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_PUBLISH, "gateway.key", 4));
    CU_ASSERT_FALSE(is_good(key));
    finish_stored();
}

/* The configuration of before is gone then, with the store's name in it. */
static void stored_after_a_reload(void)
{
    static const struct aiex_fake_pair pairs[] = {{"store", "store"}, {"settle_grace", "20s"}, {0}};

    begin_stored();
    CU_ASSERT_EQUAL(aiex_fake_reload(h, p, self, pairs, NULL), 0);
    CU_ASSERT(is_good(make_key(NULL, "ann", NULL)));
    pass(4000);
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 1, NULL), "key.created");
    finish_stored();
}

static void what_is_refused_is_no_event(void)
{
    begin_stored();
    failed(ask("gateway.key_create", "local", "b", 1, "role", "s", "king", NULL), "invalid");
    failed(ask("gateway.key_revoke", "local", "b", 1, "id", "s", "000000000000", NULL),
           "not_found");
    failed(ask("gateway.key_create", "demand_key", "b", 1, NULL), "denied");
    failed(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "king", NULL), "invalid");
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 0);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/limits"), 0);
    CU_ASSERT_EQUAL(gw()->stored->n_changes, 0);
    finish_stored();
}

/* From the cache at once, without the store; and from the store alone. */
static void keys_survive_the_end_of_either(void)
{
    char key[64], gone[64], id[16];
    unsigned reads;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", NULL));
    snprintf(gone, sizeof(gone), "%s", make_key(NULL, NULL, id));
    revoke_key(id);
    set_limit("ann", 7);
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart_stored();
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_FALSE(is_good(gone));
    failed(chat(NULL, 10, 10), "denied");
    CU_ASSERT_EQUAL(limit_of("ann"), 7);
    memory_store_heal(world.store);
    pass(3000);
    CU_ASSERT_STRING_EQUAL(text(ok(ask("gateway.status", NULL)), "store"), "");
    reads = memory_store_calls(world.store, "store.read");
    stop();
    empty_folder();
    restart(with_store);
    CU_ASSERT(memory_store_calls(world.store, "store.read") > reads);
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_FALSE(is_good(gone));
    CU_ASSERT_EQUAL(limit_of("ann"), 7);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 4);
    make_key(NULL, NULL, NULL); /* and it goes on */
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 5);
    finish_stored();
}

/* A cache that lacks what was appended last, as after kill -9 between store and file. */
static void the_cache_catches_up(void)
{
    char path[128], old[65536], key[64], id[16];
    ssize_t n;
    int fd;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, id));
    snprintf(path, sizeof(path), "%s/keys", folder);
    fd = open(path, O_RDONLY);
    n = read(fd, old, sizeof(old));
    close(fd);
    revoke_key(id);
    stop();
    fd = open(path, O_WRONLY | O_TRUNC);
    CU_ASSERT_EQUAL(write(fd, old, (size_t)n), n);
    close(fd);
    restart(with_store);
    CU_ASSERT_FALSE(is_good(key));
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 3);
    finish_stored();
}

/* Cut or flipped anywhere behind its first records, the cache comes again. */
static void a_damaged_cache_is_no_loss(void)
{
    char path[128], key[64], id[16];
    static uint8_t whole[65536];
    struct stat st;
    ssize_t n;
    int fd;

    begin_stored();
    restart_stored();
    snprintf(path, sizeof(path), "%s/keys", folder);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", NULL));
    make_key(NULL, NULL, id);
    revoke_key(id);
    set_limit("ann", 3);
    stop();
    fd = open(path, O_RDONLY);
    n = read(fd, whole, sizeof(whole));
    close(fd);
    CU_ASSERT_FATAL(n > st.st_size);
    for (ssize_t at = st.st_size; at < n; at += 37) {
        whole[at] ^= 1;
        fd = open(path, O_WRONLY | O_TRUNC);
        CU_ASSERT_EQUAL(write(fd, whole, (size_t)n), n);
        close(fd);
        whole[at] ^= 1;
        restart(with_store);
        CU_ASSERT_TRUE(is_good(key));
        CU_ASSERT_EQUAL(status("keys"), 2);
        CU_ASSERT_EQUAL(limit_of("ann"), 3);
        stop();
    }
    restart(with_store);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 4);
    finish_stored();
}

/* The head says what was true when it was written: a key that was revoked behind it, or none. */
static void a_cache_cut_at_its_head_opens_no_door(void)
{
    char path[128], key[64], id[16];
    static uint8_t whole[65536];
    struct aiex_error err = {""};
    unsigned n_started = 0;
    struct stat st;
    uint64_t none;
    ssize_t n;
    int fd;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    stop();
    empty_folder();
    restart(with_store); /* writes a whole file */
    snprintf(path, sizeof(path), "%s/keys", folder);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    revoke_key(id);
    stop();
    fd = open(path, O_RDONLY);
    n = read(fd, whole, sizeof(whole));
    close(fd);
    for (ssize_t at = 96; at < st.st_size; at += 11) {
        whole[at] ^= 1;
        fd = open(path, O_WRONLY | O_TRUNC);
        CU_ASSERT_EQUAL(write(fd, whole, (size_t)n), n);
        close(fd);
        whole[at] ^= 1;
        memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
        if (try_restart(with_store, &err) == 0) {
            n_started++;
            none = chat(NULL, 10, 10);
            CU_ASSERT_FALSE(is_good(key));
            CU_ASSERT_TRUE(is_open(none));
            CU_ASSERT_PTR_NULL(made(0));
            memory_store_heal(world.store);
            pass(1900);
            failed(none, "denied");
            CU_ASSERT_FALSE(is_good(key));
        } else {
            CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "damaged")); /* not known to be a cache */
        }
        stop();
        memory_store_heal(world.store);
    }
    CU_ASSERT(n_started > 10);
    restart(with_store);
    CU_ASSERT_FALSE(is_good(key));
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 3);
    finish_stored();
}

static void a_store_that_is_away_stops_changes_alone(void)
{
    char key[64], id[16];
    uint64_t create, limit;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, id));
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    create = ask("gateway.key_create", "local", "b", 1, NULL);
    limit = ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "x", NULL);
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_TRUE(is_open(create));
    pass(7000);
    failed(create, "unavailable");
    failed(limit, "unavailable");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, create)->text, "nothing was changed"));
    CU_ASSERT_EQUAL(status("keys"), 1);
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_STRING_NOT_EQUAL(text(ok(ask("gateway.status", NULL)), "store"), "");
    CU_ASSERT_EQUAL(number(ok(ask("service.health", NULL)), "healthy"), 1);
    memory_store_heal(world.store);
    pass(3000);
    revoke_key(id);
    CU_ASSERT_FALSE(is_good(key));
    memory_store_fail(world.store, "store.append", 0, 1, AIEX_E_READ_ONLY, NOT_DONE);
    failed(ask("gateway.key_create", "local", "b", 1, NULL), "read_only");
    CU_ASSERT_EQUAL(gw()->stored->n_changes, 0);
    finish_stored();
}

/* An answer that was lost: asked again, made once. And one that nobody ever hears. */
static void a_lost_answer_makes_one_key(void)
{
    uint64_t id;

    begin_stored();
    memory_store_fail(world.store, "store.append", 0, 2, AIEX_E_CRASHED, DONE);
    id = ask("gateway.key_create", "local", "b", 1, NULL);
    pass(1000);
    CU_ASSERT_TRUE(is_good(text(ok(id), "key")));
    CU_ASSERT_EQUAL(status("keys"), 1);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 2);
    memory_store_fail(world.store, "store.append", 0, 1000000, AIEX_E_TIMEOUT, DONE);
    id = ask("gateway.key_create", "local", "b", 1, NULL);
    pass(7000);
    failed(id, "timeout");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_answer(h, id)->text, "not known"));
    memory_store_heal(world.store);
    pass(3000);
    CU_ASSERT_EQUAL(status("keys"), 2);
    finish_stored();
}

/* ---- Nobody comes in before it is known who may ---- */

static void an_empty_folder_waits_for_the_store(void)
{
    char key[64];
    uint64_t good, open, bad, local;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    stop();
    empty_folder();
    memory_store_fail(world.store, NULL, 0, 4, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart(with_store);
    good = chat(key, 10, 10);
    open = chat(NULL, 10, 10);
    CU_ASSERT_TRUE(is_open(good) && is_open(open));
    CU_ASSERT_PTR_NULL(made(0));
    local = ask("gateway.chat", "local", "b", 1, "dialect", "s", "openai.chat", "model", "s", "m",
                "body", "x", (struct aiex_slice){(const uint8_t *)"{}", 2}, NULL);
    CU_ASSERT_TRUE(is_open(local));
    CU_ASSERT_PTR_NOT_NULL(made(0)); /* an operator of this machine goes through */
    pass(1000);
    failed(open, "denied");
    CU_ASSERT_PTR_NOT_NULL(made(1)); /* the good key */
    answer_ok(0);
    ok(local);
    answer_ok(1);
    ok(good);
    stop();
    empty_folder();
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart(with_store);
    bad = chat(NULL, 10, 10);
    pass(3000);
    failed(bad, "unavailable");
    CU_ASSERT_EQUAL(refused_by("store"), 1);
    CU_ASSERT_EQUAL(number(ok(ask("service.health", NULL)), "healthy"), 0);
    memory_store_heal(world.store);
    finish_stored();
}

/* An installation that never had a key is open, also while the store is away. */
static void no_keys_is_remembered_too(void)
{
    uint64_t id;

    begin_stored();
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart_stored();
    id = chat(NULL, 10, 10);
    CU_ASSERT_PTR_NOT_NULL(made(0));
    answer_ok(0);
    ok(id);
    memory_store_heal(world.store);
    finish_stored();
}

/* Budgets are asked for again when the keys come later than the ledger's answer. */
static void budgets_count_after_a_cold_start(void)
{
    char key[64], id[16];
    uint8_t mem[512], entry[256];
    struct aiex_slice spent;

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.budget_day = 1000}, NULL, id));
    stop();
    empty_folder();
    spent = pack(entry + 1, sizeof(entry) - 1, "scope", "s", "key", "name", "s", id, "day", "i",
                 1000, "month", "i", 1000, NULL);
    entry[0] = 0x91;
    world.spent = pack(mem, sizeof(mem), "day", "s", "2026-11-21", "month", "s", "2026-11", "spent",
                       "r", (struct aiex_slice){entry, spent.len + 1}, NULL);
    memory_store_fail(world.store, NULL, 0, 4, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart(with_store);
    pass(1000);
    failed(chat(key, 10, 10), "denied");
    world.spent = NOTHING;
    finish_stored();
}

/* ---- Two of them ---- */

static void two_gateways_agree(void)
{
    struct gateway_of_test b = {.self = NULL};
    char one[64], two[64], id[16];

    begin_stored();
    swap_gateways(&b);
    begin(with_store); /* b's folder is another one */
    CU_ASSERT_EQUAL(status("keys"), 0);
    swap_gateways(&b);
    snprintf(one, sizeof(one), "%s", make_key(NULL, "ann", id));
    swap_gateways(&b);
    CU_ASSERT_EQUAL(status("keys"), 0);
    /* its own pepper must go, and its change comes second: decided anew */
    snprintf(two, sizeof(two), "%s", make_key(NULL, "bob", NULL));
    CU_ASSERT_TRUE(is_good(one));
    CU_ASSERT_TRUE(is_good(two));
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 2, NULL), "key.created");
    revoke_key(id);
    swap_gateways(&b);
    pass(2100);
    CU_ASSERT_FALSE(is_good(one));
    CU_ASSERT_TRUE(is_good(two));
    /* both change the same key: the second one sees what the first did */
    swap_gateways(&b);
    failed(ask("gateway.key_rotate", "local", "b", 1, "id", "s", id, NULL), "conflict");
    set_limit("ann", 5);
    swap_gateways(&b);
    ok(ask("gateway.limit_set", "local", "b", 1, "scope", "s", "user", "name", "s", "ann", "tpm",
           "i", 10, NULL));
    CU_ASSERT_EQUAL(limit_of("ann"), 5); /* kept, because it was decided on b's event */
    restart_stored();
    CU_ASSERT_TRUE(is_good(two));
    swap_gateways(&b);
    restart_stored();
    CU_ASSERT_TRUE(is_good(two));
    CU_ASSERT_FALSE(is_good(one));
    stop();
    empty_folder();
    rmdir(folder);
    swap_gateways(&b);
    finish_stored();
}

/* ---- Callers, and the end ---- */

static void a_caller_may_leave(void)
{
    uint64_t first, second;

    begin_stored();
    memory_store_fail(world.store, "store.append", 0, 3, AIEX_E_BUSY, NOT_DONE);
    first = ask("gateway.key_create", "local", "b", 1, NULL);
    second = ask("gateway.key_create", "local", "b", 1, NULL);
    aiex_fake_cancel(h, first);
    aiex_fake_cancel(h, second);
    pass(1000);
    CU_ASSERT_EQUAL(status("keys"), 1); /* the one that was being stored */
    CU_ASSERT_TRUE(is_open(first) && is_open(second));
    CU_ASSERT_EQUAL(gw()->stored->n_changes, 0);
    memory_store_fail(world.store, "store.append", 0, 1000000, AIEX_E_BUSY, NOT_DONE);
    first = ask("gateway.key_create", "local", "b", 1, NULL);
    second = ask("gateway.key_create", "local", "b", 1, NULL);
    aiex_fake_cancel(h, first);
    CU_ASSERT_EQUAL(gw()->stored->n_changes, 2);
    aiex_fake_cancel(h, second);
    CU_ASSERT_EQUAL(gw()->stored->n_changes, 1);
    finish_stored(); /* in the middle of the first one */
}

static void changes_are_bounded(void)
{
    uint64_t ids[MAX_CHANGES];

    begin_stored();
    memory_store_fail(world.store, "store.append", 0, 1000000, NULL, HANGS);
    for (unsigned i = 0; i < MAX_CHANGES; i++)
        ids[i] = ask("gateway.key_create", "local", "b", 1, NULL);
    CU_ASSERT_TRUE(is_open(ids[MAX_CHANGES - 1]));
    failed(ask("gateway.key_create", "local", "b", 1, NULL), "busy");
    for (unsigned i = 0; i < MAX_CHANGES; i++)
        aiex_fake_cancel(h, ids[i]);
    finish_stored();
}

static void a_key_is_refused_or_made_when_memory_ends(void)
{
    for (size_t n = 1; n < 40; n++) {
        const struct aiex_fake_record *r;
        uint64_t id;
        int64_t keys;

        begin_stored();
        aiex_fake_fail_alloc(h, n);
        id = ask("gateway.key_create", "local", "b", 1, "user", "s", "ann", "models", "r",
                 (struct aiex_slice){(const uint8_t *)"\x91\xa1m", 3}, NULL);
        aiex_fake_fail_alloc(h, 0);
        pass(9000);
        r = aiex_fake_answer(h, id);
        CU_ASSERT_PTR_NOT_NULL_FATAL(r);
        keys = status("keys");
        CU_ASSERT(r->kind == AIEX_FAKE_REPLY ? keys == 1 : keys <= 1);
        CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), keys ? 2 : 0);
        restart_stored();
        CU_ASSERT_EQUAL(status("keys"), keys);
        finish_stored();
    }
}

/* A cache that can not be written is written anew when it can. */
static void the_cache_is_made_good(void)
{
    char key[64], path[128];
    int fd;

    begin_stored();
    snprintf(path, sizeof(path), "%s/keys", folder);
    fd = open(path, O_RDWR);
    gw()->keys.stale = 1; /* as after a write that failed */
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    pass(1500);
    CU_ASSERT_FALSE(gw()->keys.stale);
    close(fd);
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart_stored();
    CU_ASSERT_TRUE(is_good(key));
    memory_store_heal(world.store);
    finish_stored();
}

/* A successor on the same folder while the old one still writes. */
static void two_processes_share_a_cache(void)
{
    struct gateway_of_test b = {.self = NULL};
    char one[64], two[64], three[64];

    begin_stored();
    snprintf(one, sizeof(one), "%s", make_key(NULL, NULL, NULL));
    memcpy(b.folder, folder, sizeof(folder));
    swap_gateways(&b);
    restart(with_store);
    CU_ASSERT_TRUE(is_good(one));
    swap_gateways(&b);
    snprintf(two, sizeof(two), "%s", make_key(NULL, NULL, NULL));
    swap_gateways(&b);
    snprintf(three, sizeof(three), "%s", make_key(NULL, NULL, NULL));
    swap_gateways(&b);
    pass(2100);
    stop();
    swap_gateways(&b);
    stop();
    memory_store_fail(world.store, NULL, 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart(with_store);
    CU_ASSERT_TRUE(is_good(one) && is_good(two) && is_good(three));
    memory_store_heal(world.store);
    finish_stored();
}

const struct test_case tests[] = {
    {"every_change_is_an_event", every_change_is_an_event},
    {"stored_after_a_reload", stored_after_a_reload},
    {"what_is_refused_is_no_event", what_is_refused_is_no_event},
    {"keys_survive_the_end_of_either", keys_survive_the_end_of_either},
    {"the_cache_catches_up", the_cache_catches_up},
    {"a_damaged_cache_is_no_loss", a_damaged_cache_is_no_loss},
    {"a_cache_cut_at_its_head_opens_no_door", a_cache_cut_at_its_head_opens_no_door},
    {"a_store_that_is_away_stops_changes_alone", a_store_that_is_away_stops_changes_alone},
    {"a_lost_answer_makes_one_key", a_lost_answer_makes_one_key},
    {"an_empty_folder_waits_for_the_store", an_empty_folder_waits_for_the_store},
    {"no_keys_is_remembered_too", no_keys_is_remembered_too},
    {"budgets_count_after_a_cold_start", budgets_count_after_a_cold_start},
    {"two_gateways_agree", two_gateways_agree},
    {"a_caller_may_leave", a_caller_may_leave},
    {"changes_are_bounded", changes_are_bounded},
    {"a_key_is_refused_or_made_when_memory_ends", a_key_is_refused_or_made_when_memory_ends},
    {"the_cache_is_made_good", the_cache_is_made_good},
    {"two_processes_share_a_cache", two_processes_share_a_cache},
    {0},
};
