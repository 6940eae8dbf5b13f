/* What is here and not in the store: from a time without one, after a backup, of others. */
#include "gateway_store_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void an_older_journal_is_taken_over_once(void)
{
    char key[64], gone[64], id[16];
    struct aiex_slice data = NOTHING;

    world.store = memory_store_new();
    begin(alone);
    snprintf(key, sizeof(key), "%s", make_key(&(struct limits){.rpm = 4}, "ann", NULL));
    snprintf(gone, sizeof(gone), "%s", make_key(NULL, NULL, id));
    revoke_key(id);
    set_limit("ann", 7);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 0);
    restart_stored();
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 4);
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 0, NULL), "pepper.set");
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 1, NULL), "keys.demanded");
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 2, &data), "key.imported");
    CU_ASSERT_STRING_EQUAL(text(data, "by"), "import");
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/limits", 0, &data), "limit.imported");
    restart_stored();
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 4);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/limits"), 1);
    stop();
    empty_folder();
    restart(with_store);
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_FALSE(is_good(gone));
    CU_ASSERT_EQUAL(limit_of("ann"), 7);
    /* and back: the file has everything */
    stop();
    restart(alone);
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_FALSE(is_good(gone));
    make_key(NULL, NULL, NULL);
    restart_stored();
    CU_ASSERT_EQUAL(status("keys"), 3);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 5); /* the new one alone */
    finish_stored();
}

/* Killed behind each append, the import goes on where it was. */
static void an_import_in_pieces_imports_once(void)
{
    unsigned before;

    world.store = memory_store_new();
    begin(alone);
    for (int i = 0; i < 120; i++)
        make_key(NULL, NULL, NULL);
    stop();
    for (int i = 0; i < 4; i++) {
        memory_store_fail(world.store, "store.append", 1, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
        restart(with_store);
        CU_ASSERT_EQUAL(status("keys"), 120);
        stop();
        memory_store_heal(world.store);
    }
    before = memory_store_events(world.store, "gateway/keys");
    CU_ASSERT_EQUAL(before, 122);
    restart(with_store);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), before);
    CU_ASSERT_TRUE(gw()->stored->is_complete[STREAM_KEYS]);
    finish_stored();
}

/* Changes wait for the import; when it can not be made they say so. */
static void no_change_overtakes_the_import(void)
{
    uint64_t change, waits;
    char id[16];

    world.store = memory_store_new();
    begin(alone);
    make_key(NULL, NULL, id);
    stop();
    memory_store_fail(world.store, "store.append", 0, 1000000, AIEX_E_UNAVAILABLE, NOT_DONE);
    restart(with_store);
    change = ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL);
    pass(7000);
    CU_ASSERT(!is_open(change));
    CU_ASSERT_EQUAL(aiex_fake_answer(h, change)->kind, AIEX_FAKE_FAIL);
    failed(change, "unavailable");
    waits = ask("gateway.key_revoke", "local", "b", 1, "id", "s", id, NULL);
    CU_ASSERT_TRUE(is_open(waits));
    memory_store_heal(world.store);
    pass(3000);
    ok(waits);
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 2, NULL), "key.imported");
    CU_ASSERT_STRING_EQUAL(stored_event("gateway/keys", 3, NULL), "key.revoked");
    finish_stored();
}

/* The store was put back: what was revoked stays revoked, what was made stays. */
static void a_restored_backup_undoes_no_revocation(void)
{
    char key[64], late[64], id[16];

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, id));
    revoke_key(id);
    snprintf(late, sizeof(late), "%s", make_key(NULL, NULL, NULL));
    memory_store_forget(world.store, "gateway/keys", 2);
    pass(4000);
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 4);
    stop();
    empty_folder();
    restart(with_store);
    CU_ASSERT_FALSE(is_good(key));
    CU_ASSERT_TRUE(is_good(late));
    /* while it did not run; and a store that is new */
    for (int version = 2; version >= 0; version -= 2) {
        stop();
        memory_store_forget(world.store, "gateway/keys", version);
        restart(with_store);
        CU_ASSERT_FALSE(is_good(key));
        CU_ASSERT_TRUE(is_good(late));
        stop();
        empty_folder();
        restart(with_store);
        CU_ASSERT_FALSE(is_good(key));
        CU_ASSERT_TRUE(is_good(late));
    }
    finish_stored();
}

/* A checkpoint's mark changes nothing; what nobody knows stops the reading, and is said. */
static void foreign_events(void)
{
    char key[64], id[16];

    begin_stored();
    snprintf(key, sizeof(key), "%s", make_key(NULL, "ann", id));
    memory_store_append(world.store, "gateway/keys", "mark", "stream.restored");
    memory_store_append(world.store, "gateway/limits", "mark too", "stream.restored");
    pass(3000);
    revoke_key(id);
    set_limit("ann", 7);
    CU_ASSERT_FALSE(is_good(key));
    memory_store_append(world.store, "gateway/keys", "odd", "key.of_tomorrow");
    pass(3000);
    CU_ASSERT_FALSE(is_good(key));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text(ok(ask("gateway.status", NULL)), "store"), "key.of_tomorrow"));
    finish_stored();
}

/* Keys that were made with one pepper can not stand beside hashes of another. */
static void keys_of_another_pepper_are_not_mixed(void)
{
    struct gateway_of_test b = {.self = NULL};
    char key[64];
    uint64_t id;

    begin_stored();
    make_key(NULL, NULL, NULL);
    swap_gateways(&b);
    begin(alone);
    snprintf(key, sizeof(key), "%s", make_key(NULL, NULL, NULL));
    restart_stored();
    CU_ASSERT_TRUE(is_good(key));
    CU_ASSERT_EQUAL(number(ok(ask("service.health", NULL)), "healthy"), 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text(ok(ask("service.health", NULL)), "reason"), "pepper"));
    id = ask("gateway.key_create", "local", "b", 1, NULL);
    pass(8000);
    failed(id, "unavailable");
    CU_ASSERT_EQUAL(memory_store_events(world.store, "gateway/keys"), 2);
    stop();
    empty_folder(); /* as it says */
    restart(with_store);
    CU_ASSERT_EQUAL(status("keys"), 1);
    CU_ASSERT_FALSE(is_good(key));
    stop();
    empty_folder();
    rmdir(folder);
    swap_gateways(&b);
    finish_stored();
}

const struct test_case tests[] = {
    {"an_older_journal_is_taken_over_once", an_older_journal_is_taken_over_once},
    {"an_import_in_pieces_imports_once", an_import_in_pieces_imports_once},
    {"no_change_overtakes_the_import", no_change_overtakes_the_import},
    {"a_restored_backup_undoes_no_revocation", a_restored_backup_undoes_no_revocation},
    {"foreign_events", foreign_events},
    {"keys_of_another_pepper_are_not_mixed", keys_of_another_pepper_are_not_mixed},
    {0},
};
