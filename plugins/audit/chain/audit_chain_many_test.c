/* Many acts in one request: together, in order, answered when all are on the disk, or refused. */
#include "chain_rig.h"

#include <stdio.h>
#include <string.h>

/* {acts: [n acts "t" of actor "a"]}; the one at `bad` (-1 = none) has no actor. */
static struct aiex_slice acts(uint8_t *mem, size_t size, uint32_t n, int64_t bad)
{
    struct aiex_writer w;
    char subject[16];

    aiex_writer_init(&w, mem, size);
    aiex_w_map(&w, 1);
    aiex_w_str(&w, "acts");
    aiex_w_array(&w, n);
    for (uint32_t i = 0; i < n; i++) {
        snprintf(subject, sizeof(subject), "s%u", i);
        aiex_w_map(&w, 3);
        aiex_w_key_str(&w, "type", "t");
        aiex_w_key_str(&w, i == bad ? "who" : "actor", "a");
        aiex_w_key_str(&w, "subject", subject);
    }
    return aiex_written(&w);
}

/* {sender: 7, first, acts: [n acts]} */
static uint64_t send_numbered(uint32_t n, int64_t first)
{
    static uint8_t mem[64 << 10], body[65 << 10];
    struct aiex_slice whole = acts(mem, sizeof(mem), n, -1);
    struct aiex_writer w;

    aiex_writer_init(&w, body, sizeof(body));
    aiex_w_map(&w, 3);
    aiex_w_key_int(&w, "sender", 7);
    aiex_w_key_int(&w, "first", first);
    aiex_w_raw(&w, whole.data + 1, whole.len - 1);
    return aiex_fake_request(h, p, self, "audit.append_all", aiex_written(&w), 0);
}

static uint64_t send_acts(uint32_t n, int64_t bad)
{
    static uint8_t mem[64 << 10];

    return aiex_fake_request(h, p, self, "audit.append_all", acts(mem, sizeof(mem), n, bad), 0);
}

static void test_recorded(void)
{
    unsigned before;
    uint64_t id;

    rig_begin(NULL);
    CU_ASSERT_EQUAL(put(1), 0);
    before = disk_syncs();
    id = send_acts(1000, -1);
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    CU_ASSERT_EQUAL(number(answer_of(id), "seq"), 1);
    CU_ASSERT_EQUAL(number(answer_of(id), "entries"), 1000);
    CU_ASSERT_TRUE(disk_syncs() - before < 100);
    id = ASK("audit.read", "from", "#1000", "to", "#1000");
    CU_ASSERT_EQUAL(number(answer_of(id), "entries"), 1);
    CU_ASSERT_EQUAL(put(1), 1001);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    CU_ASSERT_STRING_EQUAL(check_export(NULL, NULL, NULL), "");
    rig_close();
    rig_end();
}

/* All of them are read before one is recorded. */
static void test_invalid(void)
{
    static uint8_t mem[64 << 10];
    struct aiex_slice body;
    uint64_t id;

    rig_begin(NULL);
    id = send_acts(3, 2);
    CU_ASSERT_STRING_EQUAL(code_of(id), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(send_acts(0, -1)), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(send_acts(1025, -1)), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.append_all", "acts", "no array")), "invalid");
    CU_ASSERT_STRING_EQUAL(code_of(ASK("audit.append_all")), "invalid");
    for (size_t cut = 1; (body = acts(mem, sizeof(mem), 4, -1)).len > cut; cut++) {
        body.len -= cut;
        id = aiex_fake_request(h, p, self, "audit.append_all", body, 0);
        CU_ASSERT_STRING_EQUAL(code_of(id), "invalid");
    }
    CU_ASSERT_EQUAL(put(1), 0);
    rig_close();
    rig_end();
}

/* What is refused is its sender's to keep: nothing is counted as lost. */
static void test_full(void)
{
    unsigned tries = 0;
    uint64_t id;

    rig_begin(NULL);
    put(1);
    disk_fails(28); /* ENOSPC */
    id = send_acts(3, -1);
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "read_only");
    id = send_acts(3, -1);
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "read_only");
    CU_ASSERT_EQUAL(number(answer_of(ASK("audit.status")), "lost"), 0);
    disk_fails(0);
    do {
        pass(100);
        id = send_acts(3, -1);
        wait_end(id);
    } while (strcmp(code_of(id), "") != 0 && tries++ < 1000);
    CU_ASSERT_EQUAL(number(answer_of(id), "entries"), 3);
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

static void test_left(void)
{
    uint64_t id;

    rig_begin(NULL);
    disk_hangs(1);
    id = send_acts(2, -1);
    disk_entered();
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, id), 0);
    disk_hangs(0);
    CU_ASSERT_EQUAL(put(1), 2); /* recorded all the same */
    disk_hangs(1);
    send_acts(2, -1);
    disk_entered();
    disk_hangs(0);
    rig_close();
    rig_open(NULL);
    CU_ASSERT_EQUAL(put(1), 5);
    rig_close();
    rig_end();
}

static int64_t recorded(uint64_t id)
{
    wait_end(id);
    CU_ASSERT_STRING_EQUAL(code_of(id), "");
    return number(answer_of(id), "entries");
}

/* What comes again is recorded once. */
static void test_again(void)
{
    uint64_t a, b;

    rig_begin(NULL);
    CU_ASSERT_EQUAL(recorded(send_numbered(3, 0)), 3);
    CU_ASSERT_EQUAL(recorded(send_numbered(3, 0)), 0);
    CU_ASSERT_EQUAL(recorded(send_numbered(5, 0)), 2);
    CU_ASSERT_EQUAL(recorded(send_numbered(5, 5)), 5);
    CU_ASSERT_EQUAL(recorded(send_numbered(2, 8)), 0);
    CU_ASSERT_EQUAL(put(1), 10);
    disk_hangs(1);
    a = send_numbered(2, 10);
    disk_entered();
    b = send_numbered(3, 10); /* while the first is not through */
    CU_ASSERT_STRING_EQUAL(code_of(b), "busy");
    CU_ASSERT_EQUAL(aiex_fake_cancel(h, a), 0);
    disk_hangs(0);
    CU_ASSERT_EQUAL(put(1), 13);
    CU_ASSERT_EQUAL(recorded(send_numbered(3, 10)), 1);
    disk_fails(28);
    a = send_numbered(3, 13);
    wait_end(a);
    CU_ASSERT_STRING_EQUAL(code_of(a), "read_only");
    disk_fails(0);
    do {
        pass(100);
        a = send_numbered(3, 13);
        wait_end(a);
    } while (strcmp(code_of(a), "read_only") == 0);
    CU_ASSERT_EQUAL(number(answer_of(a), "entries"), 3);
    CU_ASSERT_STRING_EQUAL(code_of(send_numbered(3, -1)), "invalid");
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

static void test_no_memory(void)
{
    rig_begin(NULL);
    CU_ASSERT_EQUAL(put(1), 0);
    for (int n = 1; n < 8; n++) {
        uint64_t id;

        aiex_fake_fail_alloc(h, (size_t)n);
        id = send_acts(3, -1);
        aiex_fake_fail_alloc(h, 0);
        wait_end(id);
        CU_ASSERT(strcmp(code_of(id), "") == 0 || strcmp(code_of(id), "busy") == 0);
    }
    CU_ASSERT_STRING_EQUAL(verify(), "");
    rig_close();
    rig_end();
}

const struct test_case tests[] = {
    {"recorded", test_recorded},
    {"invalid", test_invalid},
    {"full", test_full},
    {"left", test_left},
    {"no_memory", test_no_memory},
    {"again", test_again},
    {0},
};
