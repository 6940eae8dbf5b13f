/* service_responses_store_test.c - responses in a store that is slow, away, damaged, or written by
 * another process. */
#include "responses_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void begin_in_store(const struct aiex_fake_pair *pairs)
{
    in_store = 1;
    begin(pairs);
}

static int healthy(void)
{
    uint64_t call = aiex_fake_request(h, p, self, "service.health", (struct aiex_slice){0}, 0);
    int v = -1;

    aiex_get_bool(aiex_fake_answer(h, call)->body, "healthy", &v);
    return v;
}

/* A JSON array of one string of n bytes. */
static char *long_array(size_t n)
{
    char *s = malloc(n + 8);

    strcpy(s, "[\"");
    memset(s + 2, 'x', n);
    for (size_t i = 0; i < n; i += 1000)
        s[2 + i] = (char)('a' + i / 1000 % 26);
    strcpy(s + 2 + n, "\"]");
    return s;
}

static void long_ones_are_pieces(void)
{
    char *large = long_array(3 << 20), *small = long_array(1 << 20);
    size_t bytes_before;

    begin_in_store(NULL);
    table_store_page(rows, 2);
    CU_ASSERT_STRING_EQUAL(put("a", "", large, R(1)), "");
    CU_ASSERT_EQUAL(table_store_rows(rows, "responses.piece"), 4);
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("k1", "responses.get", "a"), "response"), R(1));
    CU_ASSERT_EQUAL(strlen(history("a")), 65535); /* as much as bytes() shows */
    close_it();
    open_it(NULL);
    CU_ASSERT_EQUAL(aiex_fake_answer(h, ask_as("k1", "responses.items", "a"))->body.len > (3 << 20),
                    1);
    CU_ASSERT_STRING_EQUAL(put("a", "", small, R(2)), ""); /* what was longer goes */
    CU_ASSERT_EQUAL(table_store_rows(rows, "responses.piece"), 2);
    CU_ASSERT_STRING_EQUAL(bytes(ask_as("k1", "responses.get", "a"), "response"), R(2));
    bytes_before = table_store_bytes(rows);
    CU_ASSERT_TRUE(bytes_before > (1 << 20));
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.delete", "a")), "");
    CU_ASSERT_EQUAL(table_store_bytes(rows), 0); /* nothing of it stays */
    free(large);
    large = long_array(16 << 20);
    CU_ASSERT_STRING_EQUAL(put("b", "", large, "{}"), "invalid");
    CU_ASSERT_PTR_NOT_NULL(strstr(aiex_fake_last(h, AIEX_FAKE_FAIL)->text, "16 MiB"));
    CU_ASSERT_EQUAL(healthy(), 1);
    finish();
    free(large);
    free(small);
}

/* What is put is found by who asks right behind, before the store has it. */
static void a_request_waits_for_what_is_being_written(void)
{
    uint64_t first, read, second, other, gone;

    begin_in_store(NULL);
    table_store_fail(rows, "store.transact", 0, 9, NULL, 0);
    first = put_as("k1", "a", "", "[1]", R(1));
    read = ask_as("k1", "responses.history", "a");
    second = put_as("k1", "a", "", "[2]", R(2));
    gone = ask_as("k1", "responses.get", "a");
    other = ask_as("k1", "responses.get", "b");
    CU_ASSERT_STRING_EQUAL(code(first), "open");
    CU_ASSERT_STRING_EQUAL(code(read), "open");
    CU_ASSERT_STRING_EQUAL(code(other), "not_found");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, gone), 0);
    CU_ASSERT_EQUAL(status("pending_bytes") > 0, 1);
    table_store_go_on(rows, h);
    CU_ASSERT_STRING_EQUAL(bytes(read, "items"), "[1,{\"o\":1}]");
    CU_ASSERT_STRING_EQUAL(code(second), "");
    CU_ASSERT_STRING_EQUAL(history("a"), "[2,{\"o\":2}]");
    CU_ASSERT_EQUAL(status("pending_bytes"), 0);
    finish();
}

static void an_answer_that_was_lost_is_no_conflict(void)
{
    static const char *const lost[] = {"timeout", "crashed", "unavailable", "busy"};

    for (int done = 0; done < 2; done++)
        for (int i = 0; i < 4; i++) {
            uint64_t call;

            begin_in_store(NULL);
            table_store_fail(rows, "store.transact", 0, 2, lost[i], done);
            call = put_as("k1", "a", "", "[1]", R(1));
            aiex_fake_advance(h, 2000);
            CU_ASSERT_STRING_EQUAL(code(call), "");
            CU_ASSERT_STRING_EQUAL(history("a"), "[1,{\"o\":1}]");
            CU_ASSERT_EQUAL(kept(), 1);
            finish();
        }
}

static void a_store_that_is_away_is_said(void)
{
    static const struct aiex_fake_pair pairs[] = {
        {"store_wait", "2s"}, {"put_wait", "5s"}, {NULL, NULL}};
    uint64_t call;

    begin_in_store(pairs);
    put("a", "", "[1]", R(1));
    table_store_fail(rows, NULL, 0, 1000, "unavailable", 0);
    call = put_as("k1", "b", "a", "[2]", R(2));
    aiex_fake_advance(h, 4000);
    CU_ASSERT_STRING_EQUAL(code(call), "open");
    aiex_fake_advance(h, 2000);
    CU_ASSERT_STRING_EQUAL(code(call), "timeout"); /* unavailable would mean: no such service */
    CU_ASSERT_EQUAL(healthy(), 0);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "response 'b' is not kept", 0));
    call = ask_as("k1", "responses.history", "a");
    aiex_fake_advance(h, 3000);
    CU_ASSERT_STRING_EQUAL(code(call), "timeout");
    call = ask_as("k1", "responses.get", "never-seen");
    aiex_fake_advance(h, 3000);
    CU_ASSERT_STRING_EQUAL(code(call), "timeout");
    table_store_go_on(rows, h);
    CU_ASSERT_STRING_EQUAL(put("b", "a", "[2]", R(2)), "");
    CU_ASSERT_EQUAL(healthy(), 1);
    CU_ASSERT_STRING_EQUAL(history("b"), "[1,{\"o\":1},2,{\"o\":2}]");
    finish();
}

static void a_start_without_the_store_catches_up(void)
{
    begin_in_store(NULL);
    put("a", "", "[1]", R(1));
    put("b", "a", "[2]", R(2));
    close_it();
    table_store_fail(rows, "store.range", 0, 100000, "unavailable", 0);
    open_it(NULL);
    CU_ASSERT_EQUAL(healthy(), 0);
    CU_ASSERT_EQUAL(status("responses"), 0);
    aiex_fake_advance(h, 15000);
    table_store_page(rows, 1);
    table_store_go_on(rows, h);
    aiex_fake_advance(h, 15000);
    CU_ASSERT_EQUAL(healthy(), 1);
    CU_ASSERT_EQUAL(status("responses"), 2);
    CU_ASSERT_STRING_EQUAL(history("b"), "[1,{\"o\":1},2,{\"o\":2}]");
    finish();
}

/* Two processes at once: neither mixes what the other writes, deletes or replaces. */
static void another_process_writes_the_same(void)
{
    struct aiex_fake_host *other;
    void *other_self;

    begin_in_store(NULL);
    put("a", "", "[1]", R(1));
    put("gone", "", "[1]", R(1));
    other = h;
    other_self = self;
    open_it(NULL);
    put("a", "", "[9]", R(9));
    ask_as("k1", "responses.delete", "gone");
    put("late", "", "[3]", R(3));
    {
        struct aiex_fake_host *mine = h;
        void *my_self = self;

        h = other;
        self = other_self;
        CU_ASSERT_STRING_EQUAL(history("a"), "[9,{\"o\":9}]");
        CU_ASSERT_STRING_EQUAL(history("gone"), "not_found");
        CU_ASSERT_STRING_EQUAL(history("late"), "[3,{\"o\":3}]");
        CU_ASSERT_STRING_EQUAL(put("a", "", "[8]", R(8)), "");
        CU_ASSERT_STRING_EQUAL(code(put_as("k2", "late", "", "[]", "{}")), "conflict");
        close_it();
        h = mine;
        self = my_self;
    }
    CU_ASSERT_STRING_EQUAL(put("a", "", "[7]", R(7)), ""); /* its version was an old one */
    CU_ASSERT_STRING_EQUAL(history("a"), "[7,{\"o\":7}]");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.delete", "a")), "");
    CU_ASSERT_EQUAL(kept(), 1);
    finish();
}

static void damage_is_seen_and_removed(void)
{
    size_t len;
    uint8_t *value;

    begin_in_store(NULL);
    put("a", "", "[1]", R(1));
    put("b", "a", "[2]", R(2));
    value = table_store_value(rows, "responses.piece", 0, &len);
    value[len / 2] ^= 1;
    CU_ASSERT_STRING_EQUAL(history("b"), "not_found");
    CU_ASSERT_EQUAL(status("damaged"), 1);
    CU_ASSERT_PTR_NOT_NULL(aiex_fake_find(h, AIEX_FAKE_LOG, "response 'a' in the store is", 0));
    CU_ASSERT_EQUAL(kept(), 1);
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "b")), "");
    value = table_store_value(rows, "responses", 0, &len);
    value[0] = 0xc1;
    close_it();
    open_it(NULL);
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "b")), "not_found");
    table_store_clear(rows, "responses.piece");
    put("c", "", "[3]", R(3));
    table_store_clear(rows, "responses.piece"); /* its time was over there */
    table_store_clear(rows, "responses");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "c")), "not_found");
    finish();
}

static void rows_have_their_time(void)
{
    static const struct aiex_fake_pair never[] = {{"ttl", "0s"}, {NULL, NULL}};

    begin_in_store(NULL);
    put("a", "", "[1]", R(1));
    CU_ASSERT_EQUAL(table_store_expires(rows, "responses"), 1);
    CU_ASSERT_EQUAL(table_store_expires(rows, "responses.piece"), 1);
    reload_it(never);
    put("b", "", "[1]", R(1));
    CU_ASSERT_EQUAL(table_store_expires(rows, "responses"), 0);
    finish();
}

static void one_key_does_not_push_out_others(void)
{
    static const struct aiex_fake_pair three[] = {{"key_max_count", "3"}, {NULL, NULL}};
    static const struct aiex_fake_pair bytes_of_key[] = {{"key_max_bytes", "4k"}, {NULL, NULL}};
    char id[8], *large = long_array(1000);

    begin_in_store(three);
    put_as("k2", "theirs", "", "[]", R(0));
    for (int i = 0; i < 6; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        CU_ASSERT_STRING_EQUAL(put(id, "", large, "{}"), "");
    }
    CU_ASSERT_EQUAL(kept(), 4);
    CU_ASSERT_STRING_EQUAL(code(ask_as("k2", "responses.get", "theirs")), "");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r2")), "not_found");
    CU_ASSERT_STRING_EQUAL(code(ask_as("k1", "responses.get", "r3")), "");
    CU_ASSERT_STRING_EQUAL(put("r5", "", large, "{}"), ""); /* in its own place */
    CU_ASSERT_EQUAL(kept(), 4);
    reload_it(bytes_of_key);
    CU_ASSERT_STRING_EQUAL(put("r6", "", large, "{}"), "");
    CU_ASSERT_EQUAL(kept(), 4);
    reload_it((struct aiex_fake_pair[]){{"key_max_count", "1"}, {NULL, NULL}});
    CU_ASSERT_EQUAL(kept(), 2);
    free(large);
    large = long_array(5000);
    reload_it(bytes_of_key);
    CU_ASSERT_STRING_EQUAL(put("big", "", large, "{}"), "invalid");
    free(large);
    finish();
}

static void what_could_not_be_removed_goes_later(void)
{
    static const struct aiex_fake_pair pairs[] = {{"max_count", "2"}, {NULL, NULL}};

    begin_in_store(pairs);
    put("a", "", "[1]", R(1));
    put("b", "", "[2]", R(2));
    table_store_fail(rows, "store.transact", 0, 1, "read_only", 0);
    put("c", "", "[3]", R(3)); /* the eviction fails, and the put behind it does not */
    CU_ASSERT_EQUAL(kept(), 3);
    CU_ASSERT_EQUAL(status("to_remove"), 1);
    CU_ASSERT_STRING_EQUAL(history("c"), "[3,{\"o\":3}]");
    aiex_fake_advance(h, 11000);
    CU_ASSERT_EQUAL(kept(), 2);
    CU_ASSERT_EQUAL(status("to_remove"), 0);
    finish();
}

static void drain_waits_for_what_is_written(void)
{
    uint64_t call;

    begin_in_store(NULL);
    table_store_fail(rows, "store.transact", 0, 9, NULL, 0);
    call = put_as("k1", "a", "", "[1]", R(1));
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, call), 0); /* nobody waits: it is written all the same */
    CU_ASSERT_EQUAL(aiex_fake_drain(h, p, self), 0);
    table_store_go_on(rows, h);
    CU_ASSERT_EQUAL(aiex_fake_drained(h), 1);
    CU_ASSERT_EQUAL(kept(), 1);
    finish();
    begin_in_store(NULL);
    table_store_fail(rows, NULL, 0, 9, NULL, 0);
    put_as("k1", "a", "", "[1]", R(1));
    ask_as("k1", "responses.get", "b");
    close_it(); /* with all of it open */
    open_it(NULL);
    finish();
}

static void too_much_at_once_is_refused(void)
{
    char *large = long_array(15 << 20), id[8];
    uint64_t last = 0;

    begin_in_store(NULL);
    table_store_fail(rows, "store.transact", 0, 40, NULL, 0);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof(id), "r%d", i);
        last = put_as("k1", id, "", large, "{}");
    }
    CU_ASSERT_STRING_EQUAL(code(last), "busy");
    table_store_go_on(rows, h);
    CU_ASSERT_EQUAL(kept(), 4);
    table_store_fail(rows, "store.get", 0, 2000, "busy", 0);
    for (unsigned i = 0; i <= MAX_WORKS; i++)
        last = ask_as("k1", "responses.get", "none");
    CU_ASSERT_STRING_EQUAL(code(last), "busy");
    free(large);
    close_it();
    table_store_go_on(rows, h);
    open_it(NULL);
    finish();
}

static void a_call_that_can_not_be_made(void)
{
    for (size_t n = 1; n < 12; n++) {
        uint64_t call;

        begin_in_store(NULL);
        put("a", "", "[1]", R(1));
        aiex_fake_fail_alloc(h, n);
        call = put_as("k1", "b", "a", "[2]", R(2));
        aiex_fake_advance(h, 3000);
        aiex_fake_fail_alloc(h, 0);
        CU_ASSERT_STRING_EQUAL(code(call), "");
        CU_ASSERT_STRING_EQUAL(history("b"), "[1,{\"o\":1},2,{\"o\":2}]");
        finish();
    }
}

const struct test_case tests[] = {
    {"long ones are pieces", long_ones_are_pieces},
    {"a request waits for what is being written", a_request_waits_for_what_is_being_written},
    {"an answer that was lost is no conflict", an_answer_that_was_lost_is_no_conflict},
    {"a store that is away is said", a_store_that_is_away_is_said},
    {"a start without the store catches up", a_start_without_the_store_catches_up},
    {"another process writes the same", another_process_writes_the_same},
    {"damage is seen and removed", damage_is_seen_and_removed},
    {"rows have their time", rows_have_their_time},
    {"one key does not push out others", one_key_does_not_push_out_others},
    {"what could not be removed goes later", what_could_not_be_removed_goes_later},
    {"drain waits for what is written", drain_waits_for_what_is_written},
    {"too much at once is refused", too_much_at_once_is_refused},
    {"a call that can not be made", a_call_that_can_not_be_made},
    {0},
};
